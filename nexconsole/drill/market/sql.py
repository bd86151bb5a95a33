"""NexNum's rows through one process' connections. (nexnum.md#tables, #outbox, #wallets, #reconcile)"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from .clock import Clock
from .ledger import BATCH, ORDER_TTL_S, Hold, LedgerDown, LedgerEvent, LockTimeout, event_payload, wallet_id
from .orders import Order, Sold


class SqlLedger:
    """One process' connections. Raises LockTimeout and LedgerDown."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        *,
        head: bool,
        stamp: Callable[[float], datetime],
        wait: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.pool = pool
        self.clock = clock
        self.head = head
        self.stamp = stamp
        self._wait = wait  # how much longer a transaction takes than it would, in seconds

    def _now(self) -> datetime:
        return self.stamp(self.clock.now())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with self.pool.acquire(timeout=10) as connection, connection.transaction():
                if wait_s := self._wait():
                    await connection.execute(f"SELECT /* plan: seq scan */ pg_sleep({wait_s:.3f})")
                yield connection
        except asyncpg.LockNotAvailableError as error:
            raise LockTimeout from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise LedgerDown(str(error) or type(error).__name__) from error
        except asyncpg.InternalClientError as error:  # asyncpg's word for a server that went away in the middle
            raise LedgerDown(str(error) or type(error).__name__) from error

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """One statement in a transaction of its own; its rows."""
        async with self._connection() as connection:
            rows: list[Any] = await connection.fetch(sql, *values)
            return rows

    async def free_balance(self, user_id: str) -> Decimal:
        rows = await self.fetch("SELECT balance - reserved FROM wallets WHERE user_id = $1", user_id)
        return rows[0][0] if rows else Decimal(0)

    async def open(self, order: Order) -> None:
        created, expires = self.stamp(order.created), self.stamp(order.created + ORDER_TTL_S)
        async with self._connection() as connection:
            await connection.execute(
                "INSERT INTO purchase_orders (id, user_id, service_name, country_name, amount, status, idempotency_key,"
                " expires_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'PENDING', $6, $7, $8, $8)",
                *(order.order_id, order.user_id, order.service, order.country, order.price, order.key),
                *(expires, created),
            )
            await connection.execute(
                "INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code,"
                " country_name, idempotency_key, expires_at, created_at, updated_at)"
                " VALUES ($1, $2, 'RESERVED', $3, $4, $5, $6, $7, $8, $9, $10, $10)",
                *(order.activation_id, order.user_id, order.price, order.provider, order.service, order.country_code),
                *(order.country, f"activation_{order.key}", self.stamp(order.created + 1200), created),
            )

    async def _move(
        self, connection: Any, user_id: str, kind: str, amount: Decimal, transaction_id: str, text: str
    ) -> None:
        await connection.execute(
            "INSERT INTO wallet_transactions (id, wallet_id, amount, type, description, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            *(transaction_id, wallet_id(user_id), amount, kind, text, self._now()),
        )

    async def hold(self, order: Order, transaction_id: str) -> None:
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE wallets SET reserved = reserved + $1 WHERE user_id = $2", order.price, order.user_id
            )
            if self.head:
                text = "Hold for a purchase"
                await self._move(connection, order.user_id, "reservation", -order.price, transaction_id, text)
            await connection.execute(
                "UPDATE activations SET reserved_tx_id = $1, updated_at = $2 WHERE id = $3",
                *(transaction_id, self._now(), order.activation_id),
            )

    async def complete(self, order: Order, transaction_id: str, sold: Sold, event_id: str) -> None:
        now, seller = self._now(), order.seller(sold)
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE wallets SET balance = balance - $1, reserved = greatest(0, reserved - $1) WHERE user_id = $2",
                *(order.price, order.user_id),
            )
            text = f"Purchase {order.service}"
            await self._move(connection, order.user_id, "purchase", -order.price, transaction_id, text)
            await connection.execute(
                "UPDATE activations SET state = 'ACTIVE', captured_tx_id = $1, phone_number = $2, number_id = $3,"
                " provider_activation_id = $4, updated_at = $5 WHERE id = $6",
                *(transaction_id, sold.phone, sold.number_id, sold.activation, now, order.activation_id),
            )
            await connection.execute(
                "UPDATE purchase_orders SET status = 'COMPLETED', provider = $1, updated_at = $2 WHERE id = $3",
                *(seller, now, order.order_id),
            )
            await connection.execute(
                "INSERT INTO numbers (id, phone_number, country_code, country_name, service_name, price, owner_id,"
                " provider, activation_id, expires_at, purchased_at, created_at, updated_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11)",
                *(sold.number_id, sold.phone, order.country_code, order.country, order.service, order.price),
                *(order.user_id, seller, sold.activation, self.stamp(self.clock.now() + 1200), now),
            )
            await self._add_event(connection, event_id, "offer.updated", event_payload(order))

    async def fail(self, order: Order) -> None:
        await self.fetch(
            "UPDATE activations SET state = 'FAILED', updated_at = $1 WHERE id = $2", self._now(), order.activation_id
        )

    async def release(self, order: Order, transaction_id: str | None) -> None:
        held = Decimal(0) if transaction_id is None else order.price
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE wallets SET reserved = greatest(0, reserved - $1) WHERE user_id = $2", held, order.user_id
            )
            if self.head and transaction_id is not None:
                await self._move(connection, order.user_id, "rollback", held, transaction_id, "Hold released")
            await connection.execute(
                "UPDATE purchase_orders SET status = 'FAILED', updated_at = $1 WHERE id = $2",
                *(self._now(), order.order_id),
            )

    async def top_up(self, user_id: str, amount: Decimal, transaction_id: str) -> None:
        async with self._connection() as connection:
            await connection.execute("UPDATE wallets SET balance = balance + $1 WHERE user_id = $2", amount, user_id)
            await self._move(connection, user_id, "topup", amount, transaction_id, "Top-up")

    async def add_event(self, event_id: str, kind: str, payload: dict[str, Any]) -> None:
        async with self._connection() as connection:
            await self._add_event(connection, event_id, kind, payload)

    async def _add_event(self, connection: Any, event_id: str, kind: str, payload: dict[str, Any]) -> None:
        await connection.execute(
            "INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, status, retry_count,"
            " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'PENDING', 0, $6, $6)",
            *(event_id, event_id[-12:], kind.partition(".")[0], kind, json.dumps(payload), self._now()),
        )

    async def pending_events(self) -> list[LedgerEvent]:
        rows = await self.fetch(
            "SELECT id, event_type, payload FROM outbox_events_v2 WHERE status = 'PENDING' AND retry_count < 5"
            f" ORDER BY created_at LIMIT {BATCH}"
        )
        return [LedgerEvent(row["id"], row["event_type"], json.loads(row["payload"])) for row in rows]

    async def publish(self, ids: list[str], error: str | None = None) -> None:
        await self.fetch(
            "UPDATE outbox_events_v2 SET status = 'PUBLISHED', error = $2, updated_at = $3,"
            " retry_count = retry_count + ($2::text IS NOT NULL)::int"
            " WHERE id = ANY($1::text[]) AND status = 'PENDING'",
            *(ids, error, self._now()),
        )

    async def fail_event(self, event_id: str, error: str) -> None:
        await self.fetch(
            "UPDATE outbox_events_v2 SET status = 'FAILED', error = $2, retry_count = retry_count + 1, updated_at = $3"
            " WHERE id = $1",
            *(event_id, error, self._now()),
        )

    async def expired_orders(self) -> list[Hold]:
        rows = await self.fetch(
            "SELECT id, user_id, amount FROM purchase_orders WHERE status = 'PENDING' AND expires_at < $1"
            f" ORDER BY expires_at LIMIT {BATCH}",
            self._now(),
        )
        return [Hold(*row) for row in rows]

    async def stuck_activations(self, older_than_s: float) -> list[Hold]:
        rows = await self.fetch(
            "SELECT id, user_id, price FROM activations WHERE state = 'RESERVED' AND created_at < $1"
            f" ORDER BY created_at LIMIT {BATCH}",
            self.stamp(self.clock.now() - older_than_s),
        )
        return [Hold(*row) for row in rows]

    async def free_order(self, hold: Hold) -> None:
        await self._free(
            hold, "UPDATE purchase_orders SET status = 'FAILED', updated_at = $1 WHERE id = $2 AND status = 'PENDING'"
        )

    async def free_activation(self, hold: Hold) -> None:
        await self._free(
            hold, "UPDATE activations SET state = 'FAILED', updated_at = $1 WHERE id = $2 AND state = 'RESERVED'"
        )

    async def _free(self, hold: Hold, sql: str) -> None:
        """The row's change and its hold's release. @old `reserved` may fall below zero. (nexnum.md#wallets)"""
        left = "greatest(0, reserved - $1)" if self.head else "reserved - $1"
        async with self._connection() as connection:
            if await connection.execute(sql, self._now(), hold.row_id) == "UPDATE 1":
                await connection.execute(
                    f"UPDATE wallets SET reserved = {left} WHERE user_id = $2", hold.amount, hold.user_id
                )

    async def refundable(self) -> list[Hold]:
        """What step 3 of the reconcile route credits, money taken or not. (nexnum.md#reconcile)"""
        rows = await self.fetch(
            "SELECT id, user_id, price FROM activations WHERE state IN ('EXPIRED', 'FAILED', 'CANCELLED')"
            f" AND refund_tx_id IS NULL ORDER BY created_at LIMIT {BATCH}"
        )
        return [Hold(*row) for row in rows]

    async def refund(self, hold: Hold, transaction_id: str) -> None:
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE wallets SET balance = balance + $1 WHERE user_id = $2", hold.amount, hold.user_id
            )
            text = "Refund by reconcile"
            await self._move(connection, hold.user_id, "refund", hold.amount, transaction_id, text)
            await connection.execute(
                "UPDATE activations SET state = 'REFUNDED', refund_tx_id = $1, updated_at = $2 WHERE id = $3",
                *(transaction_id, self._now(), hold.row_id),
            )

    async def active_providers(self) -> dict[str, bool]:
        return dict(await self.fetch("SELECT name, is_active FROM providers"))

    async def set_active(self, provider: str, active: bool) -> None:
        """As somebody does it by SQL: the offers stay in the index. (nexnum.md#disabling)"""
        await self.fetch("UPDATE providers SET is_active = $1 WHERE name = $2", active, provider)

    async def sync_balances(self, balances: Mapping[str, Decimal]) -> None:
        async with self._connection() as connection:
            for provider, balance in balances.items():
                await connection.execute(
                    "UPDATE providers SET balance = $1, last_balance_sync = $2 WHERE name = $3",
                    *(balance, self._now(), provider),
                )

    async def log_health(self, row_id: str, provider_id: str, figures: tuple[str, float, int, int]) -> None:
        status, rate, latency, errors = figures
        await self.fetch(
            'INSERT INTO provider_health_logs (id, provider_id, status, "successRate", "avgLatency", "errorCount",'
            " checked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(row_id, provider_id, status, Decimal(f"{rate:.2f}"), latency, errors, self._now()),
        )
