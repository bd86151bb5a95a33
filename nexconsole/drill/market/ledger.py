"""NexNum's rows as its code writes them, in the words that both ledgers share.

(nexnum.md#tables, #outbox, #wallets, #reconcile) The past is played into a `RememberedLedger` (memory.py), the present
into a `SqlLedger` (sql.py). Times are epoch seconds, money is Decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .orders import Order, Sold

ORDER_TTL_S = 300.0
LOCK_TIMEOUT_S = 4.0
BATCH = 100  # rows in a section of reconcile, and events in a batch of the outbox


class LedgerDown(Exception):
    """Postgres gave no answer, or an error."""


class LockTimeout(LedgerDown):
    """A row stayed locked by somebody else for longer than the lock timeout."""

    def __init__(self) -> None:
        super().__init__("canceling statement due to lock timeout")


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One outbox row as its consumer sees it; the payload is whatever JSON somebody put there."""

    id: str
    event_type: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Hold:
    """Money held by a row that reconcile may free: an expired order or a stuck activation."""

    row_id: str
    user_id: str
    amount: Decimal


class Ledger(Protocol):
    async def free_balance(self, user_id: str) -> Decimal: ...
    async def open(self, order: Order) -> None: ...
    async def hold(self, order: Order, transaction_id: str) -> None: ...
    async def complete(self, order: Order, transaction_id: str, sold: Sold, event_id: str) -> None: ...
    async def fail(self, order: Order) -> None: ...
    async def release(self, order: Order, transaction_id: str | None) -> None: ...
    async def top_up(self, user_id: str, amount: Decimal, transaction_id: str) -> None: ...
    async def add_event(self, event_id: str, kind: str, payload: dict[str, Any]) -> None: ...
    async def pending_events(self) -> list[LedgerEvent]: ...
    async def publish(self, ids: list[str], error: str | None = None) -> None: ...
    async def fail_event(self, event_id: str, error: str) -> None: ...
    async def expired_orders(self) -> list[Hold]: ...
    async def stuck_activations(self, older_than_s: float) -> list[Hold]: ...
    async def free_order(self, hold: Hold) -> None: ...
    async def free_activation(self, hold: Hold) -> None: ...
    async def active_providers(self) -> dict[str, bool]: ...
    async def set_active(self, provider: str, active: bool) -> None: ...
    async def sync_balances(self, balances: Mapping[str, Decimal]) -> None: ...
    async def log_health(self, row_id: str, provider_id: str, figures: tuple[str, float, int, int]) -> None: ...


def event_payload(order: Order) -> dict[str, Any]:
    return {"provider": order.provider, "service": order.service, "country": order.country_code, "stock": -1}


def wallet_id(user_id: str) -> str:
    """A user's wallet has an id of its own, derived so that nobody needs to look it up."""
    return user_id[:-4] + "a11e"


def stamps(timestamptz: bool) -> Callable[[float], datetime]:
    """Epoch seconds -> a column's value in whole milliseconds: UTC wall-clock, or aware for timestamptz."""

    def stamp(at: float) -> datetime:
        moment = datetime.fromtimestamp(int(at * 1000) / 1000, UTC)
        return moment if timestamptz else moment.replace(tzinfo=None)

    return stamp
