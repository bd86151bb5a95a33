"""Transactions: the failure rate of purchases, and whether one provider or all fail.

(nexnum.md#purchase-rows, #queries, #one-or-all)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import Value, utc_now
from ..text.units import clock, count, percent, period
from . import counters, traffic
from .attribution import ProviderTraffic, Scope, judge
from .counters import Latency
from .counts import NOTHING, Counts, Point, SourceCounts
from .overdue import overdue_after
from .provider_names import known_names
from .traffic import Usual

if TYPE_CHECKING:
    from ..settings import Settings, TransactionRules
    from ..sources import Sources

T = TypeVar("T")

TREND_EVERY_S = 12.0
LONGER = (
    2.0  # times Prometheus' p95, which is of the providers' answers alone: the rest of a purchase is the matter then
)
SOURCE_TIMEOUT_S = 4.0  # so that one hanging source leaves time for the other's answer
SAW_ENOUGH = 0.5  # counters that saw less than this share of the rows began within the window
LEAST_TO_MISS = 5
MINUTE_OLD_S = 90.0  # a trend's newest step that is older says nothing of the last minute


@dataclass(frozen=True, kw_only=True)
class LastMinute:
    """The purchases that were decided in the last minute; `failure_rate` is None where none was."""

    decided: int
    failures: int
    failure_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Transactions(Value):
    """The window's purchases: bought, failed, or under way. No data is not zero: a rate of nothing is None.

    `decided` purchases began in the window and were bought or failed; `failures` are those that failed, and
    `failure_rate` (0..1) is their share of the decided. `in_flight` ones are neither yet, which only Postgres knows:
    begun in the last `trend_s` seconds, the oldest `oldest_s` ago, the newest `newest_s`. `attempts` are both together.
    `overdue` of them, begun in the window, have taken longer than `overdue_after_s`; the last decision was `silent_s`
    ago; `usual_s` and `usual_p95_s` are what a purchase usually takes, and `sales_p95_s` is the 95th percentile of the
    window's sales by their rows: the latency, where Prometheus has none or far less. Ages and durations are in seconds.
    `counted_by` has what each source that answered counted: decided purchases, and failed ones.
    `minute` is the last minute alone; the window holds no failure any more in `clean_in_s`, if none is added.
    `latency_saturated`: the 95th percentile lies in the histogram's top bucket, so the true one may be higher.
    `disagreement` is a sentence when Prometheus and Postgres differ by more than the set margin.
    `trend_at` is when the trend was asked for, in epoch seconds; `latency_at` when Prometheus had the p95, which is
    earlier while it can't be read: a lost source must not lower what it last said. So is `waiting_at`, when the
    purchases in flight were counted: while Postgres can't be read they stand for a window as they were then, and so do
    `overdue`, `oldest_s`, `newest_s` and `silent_s`; None where nobody has counted them.
    `measured` is False where only Prometheus answered and has no such series: then nothing is known of purchases.
    """

    failure_rate: float | None
    attempts: int
    failures: int
    window_s: int
    latency_p95_s: float | None = None
    latency_saturated: bool = False
    scope: Scope = field(default_factory=Scope)
    providers: tuple[ProviderTraffic, ...] = ()
    trend: tuple[Point, ...] = ()
    disagreement: str | None = None
    in_flight: int = 0
    overdue: int = 0
    oldest_s: float | None = None
    newest_s: float | None = None
    silent_s: float | None = None
    overdue_after_s: float = 30.0
    usual_s: float | None = None
    usual_p95_s: float | None = None
    sales_p95_s: float | None = None
    minute: LastMinute | None = None
    clean_in_s: float | None = None
    trend_at: float = 0.0
    latency_at: datetime | None = None
    waiting_at: datetime | None = None
    measured: bool = True
    counted_by: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    decided: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decided", self.attempts - self.in_flight)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Transactions:
    """Ask both sources at once; the one that saw the window whole is shown, Prometheus where both did.

    Raises SourceError where neither can answer, NotConfigured where neither is there.
    """
    before = previous if isinstance(previous, Transactions) else None
    rules = settings.transactions
    if not sources.has("prometheus") and not sources.has("postgres"):
        raise NotConfigured(
            "transactions",
            "transactions need metrics or rows: set prometheus.url (PROMETHEUS_URL) or postgres.url (DATABASE_URL)",
        )
    overdue_s = overdue_after(before.usual_p95_s if before else None, rules)
    raw, rows, p95 = await asyncio.gather(
        _attempt(counters.counted(sources, settings)),
        _attempt(traffic.from_postgres(sources, settings, overdue_s)),
        _attempt(counters.latency(sources, settings)),
    )
    names = rows.names if isinstance(rows, SourceCounts) else known_names(sources)
    counted = raw.traffic(names) if isinstance(raw, counters.Counted) else raw
    shown, notes = _shown(counted, rows)
    answered = [name for name, got in (("prometheus", counted), ("postgres", rows)) if not isinstance(got, SourceError)]
    answered.sort(key=lambda name: name != shown.source)
    trend, trend_at, usual = await _seldom(sources, settings, before, answered)
    waiting, waiting_at = _waiting(rows, before, rules.window_s)
    kept = waiting_at is not None and waiting is not rows
    whole = _with_waiting(shown, waiting)
    total, now = whole.whole, time.time()
    providers = _providers(whole, rows if isinstance(rows, SourceCounts) else whole)
    latency, latency_at = _latency(p95, before, rules.window_s)
    if isinstance(p95, SourceError) and latency.p95_s is not None:
        notes = (*notes, f"p95 is of {clock(latency_at)}Z")
    if kept:
        notes = (*notes, f"purchases in flight are as of {clock(waiting_at)}Z")
    used = [shown.source] + (
        ["prometheus"] if isinstance(p95, Latency) and p95.p95_s is not None and shown.source != "prometheus" else []
    )
    if usual.sales_p95_s is not None and usual.sales_p95_s > LONGER * (latency.p95_s or 0.0):
        latency = Latency(p95_s=usual.sales_p95_s, saturated=False)
        notes = (*notes, "p95 is of the sales' rows")
    elif isinstance(p95, SourceError) and isinstance(counted, SourceCounts):
        notes = (*notes, f"no latency: {p95}")
    return Transactions(
        source=", ".join(used),
        notes=notes,
        failure_rate=shown.failure_rate,
        attempts=total.attempts,
        failures=total.failures,
        window_s=rules.window_s,
        latency_p95_s=latency.p95_s,
        latency_saturated=latency.saturated,
        scope=judge(providers, rules, settings.severity.high_rate),
        providers=providers,
        trend=trend,
        disagreement=_disagreement(counted, rows, rules),
        in_flight=total.in_flight,
        overdue=total.overdue,
        oldest_s=total.oldest_s,
        newest_s=total.newest_s,
        silent_s=before.silent_s if kept and before else await _silent(sources, settings, total),
        overdue_after_s=overdue_s,
        usual_s=usual.p50_s,
        usual_p95_s=usual.p95_s,
        sales_p95_s=usual.sales_p95_s,
        minute=_minute(rows, trend, now),
        clean_in_s=_clean_in(rows, trend, now, rules.window_s),
        trend_at=trend_at,
        latency_at=latency_at,
        waiting_at=waiting_at,
        measured=shown.source != "prometheus" or counted is not None,
        counted_by={
            one.source: (one.decided, one.failures) for one in (rows, counted) if isinstance(one, SourceCounts)
        },
    )


def _waiting(
    rows: SourceCounts | SourceError, before: Transactions | None, window_s: int
) -> tuple[SourceCounts | None, datetime | None]:
    """Who waits, and when that was counted: an older count stands for a window while Postgres can't be read."""
    now = utc_now()
    if isinstance(rows, SourceCounts):
        return rows, now
    if isinstance(rows, NotConfigured) or before is None or before.waiting_at is None:
        return None, None
    if (now - before.waiting_at).total_seconds() > window_s:
        return None, None
    providers = {
        provider.name: Counts(
            attempts=provider.in_flight,
            failures=0,
            in_flight=provider.in_flight,
            overdue=provider.overdue,
            oldest_s=provider.oldest_s,
            newest_s=provider.newest_s,
            silent_s=provider.silent_s,
        )
        for provider in before.providers
    }
    return SourceCounts(source="postgres", providers=providers), before.waiting_at


def _with_waiting(shown: SourceCounts, rows: SourceCounts | None) -> SourceCounts:
    """What is shown with the purchases under way, which only the rows know: counters count what has ended."""
    if rows is None or shown is rows:
        return shown
    providers = dict(shown.providers)
    for key, there in rows.providers.items():
        if there.attempts:
            here = providers.get(key, NOTHING)
            providers[key] = Counts(
                attempts=here.decided + there.in_flight,
                failures=here.failures,
                in_flight=there.in_flight,
                overdue=there.overdue,
                oldest_s=there.oldest_s,
                newest_s=there.newest_s,
                silent_s=there.silent_s,
                failed_s=there.failed_s,
            )
    return replace(shown, providers=providers)


async def _silent(sources: Sources, settings: Settings, total: Counts) -> float | None:
    """Seconds since the last decision; looked for further back where purchases wait and the window holds none."""
    if total.silent_s is not None or not total.in_flight:
        return total.silent_s
    found = await _attempt(traffic.silent_since(sources, settings))
    return None if isinstance(found, SourceError) else found


def _minute(rows: SourceCounts | SourceError, trend: Sequence[Point], now: float) -> LastMinute | None:
    """The last minute by the rows, else by the trend's newest step; None where neither can tell."""
    if isinstance(rows, SourceCounts):
        total = rows.whole
        decided, failures = total.minute, total.minute_failures
    else:
        newest = trend[-1] if trend else None
        if newest is None or now - newest.at > MINUTE_OLD_S:
            return None
        decided = round(newest.attempts)
        failures = min(decided, round(newest.attempts * (newest.failure_rate or 0.0)))
    return LastMinute(decided=decided, failures=failures, failure_rate=failures / decided if decided else None)


def _clean_in(rows: SourceCounts | SourceError, trend: Sequence[Point], now: float, window_s: int) -> float | None:
    """In how many seconds the window's newest failure has left it; None where it holds none or nobody can tell."""
    if isinstance(rows, SourceCounts):
        age = rows.whole.failed_s
    else:
        age = next((now - step.at for step in reversed(trend) if step.failure_rate), None)
    return window_s - age if age is not None and age < window_s else None


def _latency(p95: Latency | SourceError, before: Transactions | None, window_s: int) -> tuple[Latency, datetime | None]:
    """The latency and when it was measured: an older one stands for a window while Prometheus can't be read."""
    now = utc_now()
    if isinstance(p95, Latency):
        return p95, now
    if isinstance(p95, NotConfigured) or before is None or before.latency_at is None:
        return Latency(p95_s=None, saturated=False), None
    if (now - before.latency_at).total_seconds() > window_s:
        return Latency(p95_s=None, saturated=False), None
    return Latency(p95_s=before.latency_p95_s, saturated=before.latency_saturated), before.latency_at


async def _attempt(answer: Awaitable[T]) -> T | SourceError:
    """The answer, or the failure as a value: the other source may still answer."""
    try:
        async with asyncio.timeout(SOURCE_TIMEOUT_S):
            return await answer
    except SourceError as error:
        return error
    except TimeoutError:
        return TimedOut("transactions", f"no answer within {period(SOURCE_TIMEOUT_S)}")


def _shown(
    counted: SourceCounts | SourceError | None, rows: SourceCounts | SourceError
) -> tuple[SourceCounts, tuple[str, ...]]:
    """Which counts to believe, and what to say of the others.

    Either can only miss things: counters their first increments (nexnum.md#samples), rows what a stalled database never
    stored. So Prometheus is believed unless it plainly saw less than was stored.
    """
    if isinstance(counted, SourceCounts) and isinstance(rows, SourceCounts):
        if missed := _missed(counted, rows):
            return rows, (*rows.notes, *counted.notes, missed)
        return counted, (*counted.notes, *rows.notes)
    if isinstance(counted, SourceCounts):
        absent = isinstance(rows, NotConfigured)
        return counted, counted.notes if absent else (*counted.notes, f"not compared with the rows: {rows}")
    empty = "prometheus has no series for prometheus.expressions.attempts: nothing was measured there"
    if isinstance(rows, SourceCounts):
        if isinstance(counted, NotConfigured):
            return rows, rows.notes
        return rows, (*rows.notes, empty if counted is None else str(counted))
    if isinstance(rows, NotConfigured):
        if counted is None:
            return SourceCounts(source="prometheus", providers={}), (empty,)
        raise counted
    if isinstance(counted, NotConfigured):
        raise rows
    raise SourceError("transactions", f"{empty if counted is None else counted}; {rows}") from rows


def _missed(counted: SourceCounts, rows: SourceCounts) -> str | None:
    """The sentence for counters that saw less than the rows show."""
    for what, seen, stored in (
        ("purchases", counted.decided, rows.decided),
        ("failures", counted.failures, rows.failures),
    ):
        if stored >= LEAST_TO_MISS and seen < SAW_ENOUGH * stored:
            return f"prometheus saw {seen} of the {stored} {what} that postgres has: its counters are young, or partial"
    return None


def _disagreement(
    counted: SourceCounts | SourceError | None, rows: SourceCounts | SourceError, rules: TransactionRules
) -> str | None:
    """Where the two differ by more than the margin, over the purchases that both can know: the decided ones."""
    if not isinstance(counted, SourceCounts) or not isinstance(rows, SourceCounts):
        return None
    if min(counted.decided, rows.decided) < rules.few:
        return None
    first, second = counted.failures / counted.decided, rows.failures / rows.decided
    if abs(first - second) <= rules.disagreement:
        return None
    return (
        f"prometheus counts {count(counted.failures)} of {count(counted.decided)} failed ({percent(first)}),"
        f" postgres has {count(rows.failures)} of {count(rows.decided)} ({percent(second)})"
    )


async def _seldom(
    sources: Sources, settings: Settings, before: Transactions | None, answered: Sequence[str]
) -> tuple[tuple[Point, ...], float, Usual]:
    """The trend, from the first of the sources that `answered` which has one, and what purchases usually take.

    Both are asked for seldom; what can't be read by now stays as it was.
    """
    now = time.time()
    known = Usual()
    if before is not None:
        known = Usual(p50_s=before.usual_s, p95_s=before.usual_p95_s, sales_p95_s=before.sales_p95_s)
    if before is not None and 0 <= now - before.trend_at < TREND_EVERY_S:
        return before.trend, before.trend_at, known
    if "postgres" in answered:
        measured = await _attempt(traffic.usual(sources, settings))
        known = measured if isinstance(measured, Usual) and measured.p50_s is not None else known
    for name in answered:
        if name == "prometheus":
            points = await _attempt(counters.trend_from_prometheus(sources, settings, now))
        else:
            points = await _attempt(traffic.trend_from_postgres(sources, settings))
        if not isinstance(points, SourceError) and points:
            return points, now, known
    return (before.trend if before else ()), now, known


def _providers(whole: SourceCounts, minutes: SourceCounts) -> tuple[ProviderTraffic, ...]:
    """The worst first: by failures, then by what waits. `minutes` has the last minute's."""
    late = {name: minutes.providers.get(name, NOTHING) for name in whole.providers}
    return tuple(
        ProviderTraffic(
            name=name,
            id=whole.names.id(name),
            attempts=counts.attempts,
            failures=counts.failures,
            failure_rate=counts.failures / counts.decided if counts.decided else None,
            in_flight=counts.in_flight,
            overdue=counts.overdue,
            oldest_s=counts.oldest_s,
            newest_s=counts.newest_s,
            silent_s=counts.silent_s,
            minute=late[name].minute,
            minute_failures=late[name].minute_failures,
        )
        for name, counts in sorted(
            whole.providers.items(), key=lambda item: (-item[1].failures, -item[1].attempts, item[0])
        )
    )
