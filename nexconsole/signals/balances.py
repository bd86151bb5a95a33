"""Balances: our money at each provider, compared with NexNum's limit. (nexnum.md#provider-rows, #refused)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ..model import Value, utc_now
from ..text.sanitize import clean, clean_name
from ..text.units import count, duration, money, several
from .probe import PROVIDER, Probe, ProbeResult, View
from .signal import (
    MOST_NAMED,
    MOST_SUBJECTS,
    ExportedMetric,
    Judgement,
    LabelledSample,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    purchases_at,
)

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
        if states not in self._found:
            active = (balance for balance in self.balances if balance.active is not False)
            self._found[states] = tuple(balance for balance in active if balance.state in states)
        return self._found[states]

    @cached_property
    def _found(self) -> dict[tuple[State, ...], tuple[Balance, ...]]:
        """What was asked for so far: a thousand providers are not gone through for each line that is drawn."""
        return {}


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


def _reasons(value: Balances, settings: Settings) -> Iterator[Judgement]:
    for balance in value.of("empty"):
        yield Judgement(
            "SEV-3" if balance.old else "SEV-2",
            f"our balance at {balance.name} is used up: {_figure(balance)}",
            about=f"balance at {balance.name}",
            explains=() if balance.old else (purchases_at(balance.name),),
        )
    low = value.of("low")
    if low:
        more = f", and at {several(len(low) - 1, 'other provider')} too" if len(low) > 1 else ""
        yield Judgement(
            "SEV-3",
            f"our balance at {low[0].name} is low: {_figure(low[0])} of {money(low[0].alert)}{more}",
        )


def _summary(value: Balances) -> str:
    wrong = value.of("empty", "low", "unknown")
    words = (
        f"{balance.name} {'not known' if balance.state == 'unknown' else f'{money(balance.balance)} {balance.state}'}"
        for balance in wrong
    )
    return ", ".join([*words][:MOST_NAMED]) or f"enough at {several(len(value.of('enough')), 'active provider')}"


def _numbers(value: Balances, every: float, now: datetime) -> Numbers:
    return {"balances_low": len(value.of("empty", "low"))}


def _states(value: Balances, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    for balance in value.balances[:MOST_SUBJECTS]:
        if balance.active is False or balance.state == "unknown":
            continue
        name = clean(balance.name, 100)
        words = {"empty": "is used up", "low": f"is below {money(balance.alert or 0)}", "enough": "is enough"}[
            balance.state
        ]
        text = f"our balance at {name} {words}: {money(balance.balance)}"
        yield SubjectState(f"balance at {name}", balance.state, text, usual=balance.state == "enough")


def _figure(balance: Balance) -> str:
    figure = money(balance.balance)
    return f"{figure} ({duration(balance.age_s)} ago)" if balance.old else figure


def _balance_samples(attribute: str) -> Callable[[Balances], list[LabelledSample]]:
    """One sample a provider whose balance NexNum has ever asked for."""
    return lambda value: [
        ({"provider": balance.name}, getattr(balance, attribute))
        for balance in value.balances
        if balance.state != "unknown"
    ]


def _empty(view: View[Balances]) -> ProbeResult:
    """By figures that are not old: what was used up long ago may have been topped up."""
    return _short(view, ("empty",), "is used up", old=False)


def _low(view: View[Balances]) -> ProbeResult:
    """Below its limit, or used up."""
    return _short(view, ("empty", "low"), "is low or used up", old=True)


def _short(view: View[Balances], states: tuple[State, ...], words: str, *, old: bool) -> ProbeResult:
    value = view.value
    balances, unknown = tuple(balance for balance in value.of(*states) if old or not balance.old), value.of("unknown")
    if not balances and unknown and len(unknown) == len(value.of("empty", "low", "enough", "unknown")):
        return ProbeResult(text="not known: NexNum has never asked for a balance", value=None)
    told = ", ".join(f"{balance.name} {_money(balance)}" for balance in balances[:5])
    text = f"our balance {words} at {several(len(balances), 'active provider')}" + (f": {told}" if told else "")
    blind = f" ({len(unknown)} not known)" if unknown else ""
    return ProbeResult(
        text=text + blind, value=float(len(balances)), gives={"provider": balances[0].name} if balances else {}
    )


def _left(view: View[Balances]) -> ProbeResult:
    value = view.value
    one = view.first(value.balances, "name")
    if one is None:
        return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    if one.state == "unknown" or one.balance is None:
        return ProbeResult(text=f"not known: NexNum has never asked {one.name} for our balance", value=None)
    limit = f" of at least {money(one.alert)}" if one.alert is not None else ""
    return ProbeResult(text=f"{_left_at(one)}{limit}: {one.state}", value=one.balance)


def _state_of(view: View[Balances]) -> ProbeResult:
    """Empty, low or enough; an old figure does not say what is left now."""
    one = view.first(view.value.balances, "name")
    if one is None or one.state == "unknown" or one.balance is None:
        return ProbeResult(text=f"not known: nobody has asked for our balance at {view.argument}", value=None)
    text = f"{_left_at(one)}: {one.state}"
    return ProbeResult(text=f"not known: {text}" if one.old else text, value=None if one.old else one.state)


def _money(balance: Balance) -> str:
    return f"{money(balance.balance)} {_read(balance)}"


def _left_at(balance: Balance) -> str:
    return f"{money(balance.balance)} left at {balance.name} {_read(balance)}"


def _read(balance: Balance) -> str:
    return f"({duration(balance.age_s)} ago{', an old figure' if balance.old else ''})"


_GIVES = {"provider": "provider"}


PROBES = (
    Probe(
        name="balances.empty",
        title="active providers where our balance is used up",
        signal="balances",
        kind="number",
        read=_empty,
        gives=_GIVES,
    ),
    Probe(
        name="balances.low",
        title="active providers where our balance is low or used up",
        signal="balances",
        kind="number",
        read=_low,
        gives=_GIVES,
    ),
    Probe(
        name="balance.state",
        title="whether our balance at a provider is enough",
        signal="balances",
        kind="word",
        words=("empty", "low", "enough"),
        argument=PROVIDER,
        read=_state_of,
    ),
    Probe(
        name="balance.left",
        title="our balance at a provider",
        signal="balances",
        kind="number",
        read=_left,
        argument=PROVIDER,
    ),
)
SIGNAL = Signal(
    name="balances",
    kind=Balances,
    read=read,
    summary=_summary,
    every=10.0,
    unseen_every=30.0,
    needs=("postgres",),
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "balances_low": MetricSpec("balances low or used up", count),
    },
    exported=(
        ExportedMetric(
            "provider_balance", "Our balance at a provider when NexNum last asked for it.", _balance_samples("balance")
        ),
        ExportedMetric("provider_balance_limit", "The provider's low_balance_alert.", _balance_samples("alert")),
        ExportedMetric(
            "provider_balance_age_seconds", "Since when the balance was not asked for.", _balance_samples("age_s")
        ),
    ),
    observe=_states,
    probes=PROBES,
)
