"""The rows of the played past, kept until they are copied into Postgres.

(nexnum.md#tables, #outbox, #wallets, #reconcile)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from .clock import Clock
from .ledger import (
    BATCH,
    LOCK_TIMEOUT_S,
    ORDER_TTL_S,
    Hold,
    LedgerDown,
    LedgerEvent,
    LockTimeout,
    event_payload,
    wallet_id,
)
from .orders import Order, Sold


class RememberedLedger:
    """The rows of the played past, by table and id, ready to be copied. `locked(user)` tells whether a wallet is.

    `trouble(write=)` is the server's: seconds that a statement takes, and why it fails ("": it does not).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        head: bool,
        locked: Callable[[str], bool],
        trouble: Callable[..., tuple[float, str]] = lambda *, write: (0.0, ""),
    ) -> None:
        self.clock = clock
        self.head = head
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        self._locked = locked
        self._trouble = trouble
        self._pending: dict[str, dict[str, Any]] = {}

    def add(self, table: str, **row: Any) -> dict[str, Any]:
        return self.tables.setdefault(table, {}).setdefault(row["id"], row)

    def rows(self, table: str) -> Iterable[dict[str, Any]]:
        return self.tables.get(table, {}).values()

    async def _ask(self, *, write: bool = True) -> None:
        """What every statement meets first. Raises LedgerDown."""
        wait_s, error = self._trouble(write=write)
        if wait_s:
            await self.clock.sleep(wait_s)
            if self.clock.live:  # the servers have the rows by now
                raise LedgerDown("Connection terminated unexpectedly")
        if error:
            raise LedgerDown(error)

    async def _wallet(self, user_id: str) -> dict[str, Any]:
        """A wallet's row, to be changed: blocks as its real row would."""
        if self._locked(user_id):
            await self.clock.sleep(LOCK_TIMEOUT_S)
            raise LockTimeout
        return self.tables["wallets"][wallet_id(user_id)]

    def _move(self, user_id: str, kind: str, amount: Decimal, transaction_id: str, text: str) -> None:
        wallet = wallet_id(user_id)
        self.add(
            "wallet_transactions",
            **{"id": transaction_id, "wallet_id": wallet, "amount": amount, "type": kind, "description": text},
            created_at=self.clock.now(),
        )

    def _touch(self, row: dict[str, Any], **changes: Any) -> None:
        row.update(changes, updated_at=self.clock.now())

    async def free_balance(self, user_id: str) -> Decimal:
        await self._ask(write=False)
        row = self.tables["wallets"][wallet_id(user_id)]
        free: Decimal = row["balance"] - row["reserved"]
        return free

    async def open(self, order: Order) -> None:
        await self._ask()
        times = {"created_at": order.created, "updated_at": order.created}
        owner = {"user_id": order.user_id, "service_name": order.service, "country_name": order.country}
        row = {"id": order.order_id, **owner, "amount": order.price, "status": "PENDING", "provider": None}
        self.add("purchase_orders", **row, idempotency_key=order.key, expires_at=order.created + ORDER_TTL_S, **times)
        names = {"provider_id": order.provider, "country_code": order.country_code}
        empty = {"captured_tx_id": None, "reserved_tx_id": None, "provider_activation_id": None}
        row = {"id": order.activation_id, **owner, "state": "RESERVED", "price": order.price, **names, **empty}
        more = {"phone_number": None, "number_id": None, "expires_at": order.created + 1200}
        self.add("activations", **row, **more, idempotency_key=f"activation_{order.key}", **times)

    async def hold(self, order: Order, transaction_id: str) -> None:
        await self._ask()
        wallet = await self._wallet(order.user_id)
        wallet["reserved"] += order.price
        if self.head:
            self._move(order.user_id, "reservation", -order.price, transaction_id, "Hold for a purchase")
        self._touch(self.tables["activations"][order.activation_id], reserved_tx_id=transaction_id)

    async def complete(self, order: Order, transaction_id: str, sold: Sold, event_id: str) -> None:
        await self._ask()
        wallet = await self._wallet(order.user_id)
        wallet["balance"] -= order.price
        wallet["reserved"] = max(Decimal(0), wallet["reserved"] - order.price)
        self._move(order.user_id, "purchase", -order.price, transaction_id, f"Purchase {order.service}")
        phone, number_id = sold.phone, sold.number_id
        done = {"state": "ACTIVE", "captured_tx_id": transaction_id, "phone_number": phone, "number_id": number_id}
        self._touch(self.tables["activations"][order.activation_id], **done, provider_activation_id=sold.activation)
        self._touch(self.tables["purchase_orders"][order.order_id], status="COMPLETED", provider=order.seller(sold))
        names = {"country_name": order.country, "service_name": order.service, "provider": order.seller(sold)}
        now = self.clock.now()
        row = {"id": number_id, "phone_number": phone, "country_code": order.country_code, **names}
        times = {"expires_at": now + 1200, "purchased_at": now, "created_at": now, "updated_at": now}
        self.add("numbers", **row, price=order.price, owner_id=order.user_id, activation_id=sold.activation, **times)
        await self.add_event(event_id, "offer.updated", event_payload(order))

    async def fail(self, order: Order) -> None:
        await self._ask()
        self._touch(self.tables["activations"][order.activation_id], state="FAILED")

    async def release(self, order: Order, transaction_id: str | None) -> None:
        await self._ask()
        wallet = await self._wallet(order.user_id)
        if transaction_id is not None:
            wallet["reserved"] = max(Decimal(0), wallet["reserved"] - order.price)
            if self.head:
                self._move(order.user_id, "rollback", order.price, transaction_id, "Hold released")
        self._touch(self.tables["purchase_orders"][order.order_id], status="FAILED")

    async def top_up(self, user_id: str, amount: Decimal, transaction_id: str) -> None:
        await self._ask()
        wallet = await self._wallet(user_id)
        wallet["balance"] += amount
        self._move(user_id, "topup", amount, transaction_id, "Top-up")

    async def add_event(self, event_id: str, kind: str, payload: dict[str, Any]) -> None:
        await self._ask()
        about = {"aggregate_id": event_id[-12:], "aggregate_type": kind.partition(".")[0], "event_type": kind}
        now = self.clock.now()
        times = {"created_at": now, "updated_at": now}
        row = {"id": event_id, **about, "payload": payload, "status": "PENDING", "error": None, "retry_count": 0}
        self._pending[event_id] = self.add("outbox_events_v2", **row, **times)

    async def pending_events(self) -> list[LedgerEvent]:
        await self._ask(write=False)
        rows = [row for _, row in zip(range(BATCH), self._pending.values(), strict=False)]
        return [LedgerEvent(row["id"], row["event_type"], row["payload"]) for row in rows]

    async def publish(self, ids: list[str], error: str | None = None) -> None:
        await self._ask()
        for event_id in ids:
            row = self._pending.pop(event_id)
            self._touch(row, status="PUBLISHED", error=error, retry_count=row["retry_count"] + (error is not None))

    async def fail_event(self, event_id: str, error: str) -> None:
        await self._ask()
        row = self._pending.pop(event_id)
        self._touch(row, status="FAILED", error=error, retry_count=row["retry_count"] + 1)

    async def expired_orders(self) -> list[Hold]:
        await self._ask(write=False)
        now = self.clock.now()
        rows = (r for r in self.rows("purchase_orders") if r["status"] == "PENDING" and r["expires_at"] < now)
        return [Hold(row["id"], row["user_id"], row["amount"]) for _, row in zip(range(BATCH), rows, strict=False)]

    async def stuck_activations(self, older_than_s: float) -> list[Hold]:
        await self._ask(write=False)
        limit = self.clock.now() - older_than_s
        rows = (r for r in self.rows("activations") if r["state"] == "RESERVED" and r["created_at"] < limit)
        return [Hold(row["id"], row["user_id"], row["price"]) for _, row in zip(range(BATCH), rows, strict=False)]

    async def free_order(self, hold: Hold) -> None:
        await self._ask()
        await self._free(hold)
        self._touch(self.tables["purchase_orders"][hold.row_id], status="FAILED")

    async def free_activation(self, hold: Hold) -> None:
        await self._ask()
        await self._free(hold)
        self._touch(self.tables["activations"][hold.row_id], state="FAILED")

    async def _free(self, hold: Hold) -> None:
        wallet = await self._wallet(hold.user_id)
        left = wallet["reserved"] - hold.amount
        wallet["reserved"] = max(Decimal(0), left) if self.head else left

    async def active_providers(self) -> dict[str, bool]:
        await self._ask(write=False)
        return {row["name"]: row["is_active"] for row in self.rows("providers")}

    async def set_active(self, provider: str, active: bool) -> None:
        await self._ask()
        for row in self.rows("providers"):
            if row["name"] == provider:
                row["is_active"] = active

    def edit_provider(self, provider: str, **columns: Any) -> None:
        """As the admin's route does it."""
        for row in self.rows("providers"):
            if row["name"] == provider:
                self._touch(row, **columns)

    async def sync_balances(self, balances: Mapping[str, Decimal]) -> None:
        await self._ask()
        for row in self.rows("providers"):
            row.update(balance=balances[row["name"]], last_balance_sync=self.clock.now())

    async def log_health(self, row_id: str, provider_id: str, figures: tuple[str, float, int, int]) -> None:
        await self._ask()
        names = ("status", "successRate", "avgLatency", "errorCount")
        row = dict(zip(names, figures, strict=True)) | {"successRate": Decimal(f"{figures[1]:.2f}")}
        self.add("provider_health_logs", id=row_id, provider_id=provider_id, **row, checked_at=self.clock.now())

    async def copy_to(self, connection: asyncpg.Connection, stamp: Callable[[float], datetime]) -> None:
        """COPY everything, parents before children."""
        for table in _COPY_ORDER:
            rows = list(self.rows(table))
            if rows:
                columns = list(rows[0])
                records = [tuple(_cell(column, row[column], stamp) for column in columns) for row in rows]
                await connection.copy_records_to_table(table, records=records, columns=columns)


_COPY_ORDER = (
    *("users", "providers", "wallets", "wallet_transactions", "purchase_orders", "activations", "numbers"),
    *("outbox_events_v2", "provider_health_logs", "audit_logs"),
)


def _cell(column: str, value: Any, stamp: Callable[[float], datetime]) -> Any:
    if value is not None and (column.endswith("_at") or column == "last_balance_sync"):
        return stamp(value)
    return json.dumps(value) if isinstance(value, dict) else value
