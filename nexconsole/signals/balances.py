"""Balances: our money at each provider, against the limit that NexNum has for it.

(nexnum.md#provider-rows, #refused)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ..model import Value, utc_now
from ..text.sanitize import clean_name
from .readings import Signal

if TYPE_CHECKING:
    from ..settings import BalanceRules, Settings
    from ..sources import Sources

State = Literal["empty", "low", "enough", "unknown"]
ORDER = ("empty", "low", "unknown", "enough")
MOST_PROVIDERS = 5_000


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Our balance at one provider when NexNum last asked for it, `age_s` seconds ago in whole minutes; `old`: that is
    too long ago.

    state: "empty" buys nothing, "low" is below the provider's own `alert`; "unknown" was never asked for.
    """

    name: str
    active: bool | None
    state: State
    balance: float | None
    alert: float | None
    synced_at: datetime | None
    age_s: float | None
    old: bool = False


@dataclass(frozen=True, kw_only=True)
class Balances(Value):
    """Every provider, the active ones first, of those the poorest first."""

    balances: tuple[Balance, ...] = ()

    def of(self, *states: State) -> tuple[Balance, ...]:
        """The balances at active providers that are in one of these states."""
        return tuple(balance for balance in self.balances if balance.active is not False and balance.state in states)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Balances:
    """Read the providers table; the flag is "isActive" on some versions, and a column may be missing.

    (nexnum.md#schema)
    """
    columns = await sources.postgres.require("providers", "name", "balance")
    active = next((f'"{column}"' for column in ("is_active", "isActive") if column in columns), "NULL::boolean")
    alert = "low_balance_alert::float8" if "low_balance_alert" in columns else "NULL::float8"
    synced = "extract(epoch FROM last_balance_sync)::float8" if "last_balance_sync" in columns else "NULL::float8"
    async with sources.postgres.read("the balances query") as tx:
        rows = await tx.fetch(
            f"SELECT name, {active} AS active, balance::float8 AS balance, {alert} AS alert, {synced} AS synced"
            f" FROM providers ORDER BY name LIMIT {MOST_PROVIDERS}"
        )
    now = utc_now()
    balances = sorted((_balance(row, settings.balances, now) for row in rows), key=_urgency)
    notes = () if "last_balance_sync" in columns else ("when the balances were read is not known in this version",)
    return Balances(source="postgres", notes=notes, balances=tuple(balances))


def _balance(row: Mapping[str, Any], rules: BalanceRules, now: datetime) -> Balance:
    at = None if row["synced"] is None else datetime.fromtimestamp(row["synced"], UTC)
    age = None if at is None else max(0.0, (now - at).total_seconds()) // 60 * 60  # it need not change each time
    balance, alert = row["balance"], row["alert"]
    state: State = "enough"
    if balance is None or at is None:
        state = "unknown"  # a balance that was never asked for is 0 by default
    elif balance < rules.least or balance <= 0:
        state = "empty"
    elif alert is not None and balance < alert:
        state = "low"
    return Balance(
        name=clean_name(row["name"] or ""),
        active=row["active"],
        state=state,
        balance=balance,
        alert=alert,
        synced_at=at,
        age_s=age,
        old=age is not None and age > rules.old_s,
    )


def _urgency(balance: Balance) -> tuple[bool, int, float, str]:
    return balance.active is False, ORDER.index(balance.state), balance.balance or 0.0, balance.name


SIGNAL = Signal(name="balances", read=read, every=10.0)
