"""Transactions: what share of purchase attempts fails, and is it one provider or all? (facts 1.5, 1.9, 2.5)"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ..errors import NotConfigured, SourceError, TimedOut
from ..model import Value
from . import traffic
from .readings import Signal, utc_now
from .scope import ProviderTraffic, Scope, judge
from .traffic import Latency, Point, Traffic

if TYPE_CHECKING:
    from ..settings import Settings, TransactionRules
    from ..sources import Sources

T = TypeVar("T")

TREND_EVERY_S = 12.0
SOURCE_TIMEOUT_S = 4.0  # so that one hanging source leaves time for the other's answer
SAW_ENOUGH = 0.5  # counters that saw less than this share of the rows began within the window
LEAST_TO_MISS = 5


@dataclass(frozen=True, kw_only=True)
class Transactions(Value):
    """The window's purchases. Rates are 0..1 and None where nothing was attempted: no data is not zero.

    `latency_saturated`: the 95th percentile lies in the histogram's top bucket, so the true one may be higher.
    `disagreement` is a sentence when Prometheus and Postgres differ by more than the set margin.
    `in_flight` attempts are not decided yet, so they are no failures; known from Postgres only.
    `trend_at` is when the trend was asked for, in epoch seconds; `latency_at` when the p95 was measured, which is
    earlier while Prometheus can't be read: a lost source must not lower what it last said.
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
    trend_at: float = 0.0
    latency_at: datetime | None = None


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Transactions:
    """Ask both sources at once; the one that saw the window whole is shown, Prometheus where both did.

    Raises SourceError where neither can answer, NotConfigured where neither is there.
    """
    before = previous if isinstance(previous, Transactions) else None
    if not sources.has("prometheus") and not sources.has("postgres"):
        raise NotConfigured(
            "transactions",
            "transactions need metrics or rows: set prometheus.url (PROMETHEUS_URL) or postgres.url (DATABASE_URL)",
        )
    counted, rows, p95 = await asyncio.gather(
        _attempt(traffic.from_prometheus(sources, settings)),
        _attempt(traffic.from_postgres(sources, settings)),
        _attempt(traffic.latency(sources, settings)),
    )
    if isinstance(counted, Traffic) and isinstance(rows, Traffic):
        renamed = await _attempt(traffic.known_names(sources, counted, rows.providers))
        counted = renamed if isinstance(renamed, Traffic) else counted
    shown, notes = _shown(counted, rows)
    answered = [name for name, got in (("prometheus", counted), ("postgres", rows)) if not isinstance(got, SourceError)]
    answered.sort(key=lambda name: name != shown.source)
    trend, trend_at = await _trend(sources, settings, before, answered)
    providers = _providers(shown)
    latency, latency_at = _latency(p95, before, settings.transactions.window_s)
    if isinstance(p95, SourceError) and latency.p95_s is not None:
        notes = (*notes, f"p95 is of {latency_at:%H:%M:%S}Z")
    used = [shown.source] + (
        ["prometheus"] if isinstance(p95, Latency) and p95.p95_s is not None and shown.source != "prometheus" else []
    )
    if isinstance(p95, SourceError) and isinstance(counted, Traffic):
        notes = (*notes, f"no latency: {p95}")
    return Transactions(
        source=", ".join(used),
        notes=notes,
        failure_rate=shown.failure_rate,
        attempts=shown.attempts,
        failures=shown.failures,
        window_s=settings.transactions.window_s,
        latency_p95_s=latency.p95_s,
        latency_saturated=latency.saturated,
        scope=judge(providers, settings.transactions, settings.severity.high_rate),
        providers=providers,
        trend=trend,
        disagreement=_disagreement(counted, rows, settings.transactions),
        in_flight=rows.in_flight if isinstance(rows, Traffic) else 0,
        trend_at=trend_at,
        latency_at=latency_at,
    )


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
        return TimedOut("transactions", f"no answer within {SOURCE_TIMEOUT_S:g} s")


def _shown(counted: Traffic | SourceError | None, rows: Traffic | SourceError) -> tuple[Traffic, tuple[str, ...]]:
    """Which counts to believe, and what to say of the others.

    Either can only miss things: counters their first increments (facts 8.15), rows what a stalled database never
    stored. So Prometheus is believed unless it plainly saw less than was stored.
    """
    if isinstance(counted, Traffic) and isinstance(rows, Traffic):
        if missed := _missed(counted, rows):
            return rows, (*rows.notes, *counted.notes, missed)
        return counted, (*counted.notes, *rows.notes)
    if isinstance(counted, Traffic):
        absent = isinstance(rows, NotConfigured)
        return counted, counted.notes if absent else (*counted.notes, f"not compared with the rows: {rows}")
    empty = "prometheus has no series for prometheus.expressions.attempts: nothing was measured there"
    if isinstance(rows, Traffic):
        if isinstance(counted, NotConfigured):
            return rows, rows.notes
        return rows, (*rows.notes, empty if counted is None else str(counted))
    if isinstance(rows, NotConfigured):
        if counted is None:
            return Traffic(source="prometheus", providers={}), (empty,)
        raise counted
    if isinstance(counted, NotConfigured):
        raise rows
    raise SourceError("transactions", f"{empty if counted is None else counted}; {rows}") from rows


def _missed(counted: Traffic, rows: Traffic) -> str | None:
    """The sentence for counters that saw less than the rows show."""
    for what, seen, stored in (
        ("attempts", counted.attempts, rows.attempts),
        ("failures", counted.failures, rows.failures),
    ):
        if stored >= LEAST_TO_MISS and seen < SAW_ENOUGH * stored:
            return f"prometheus saw {seen} of the {stored} {what} that postgres has: its counters are young, or partial"
    return None


def _disagreement(
    counted: Traffic | SourceError | None, rows: Traffic | SourceError, rules: TransactionRules
) -> str | None:
    if not isinstance(counted, Traffic) or not isinstance(rows, Traffic):
        return None
    if min(counted.attempts, rows.attempts) < rules.few:
        return None
    first, second = counted.failures / counted.attempts, rows.failures / rows.attempts
    if abs(first - second) <= rules.disagreement:
        return None
    return (
        f"prometheus counts {counted.failures} of {counted.attempts} failed ({first * 100:.0f} %),"
        f" postgres has {rows.failures} of {rows.attempts} ({second * 100:.0f} %)"
    )


async def _trend(
    sources: Sources, settings: Settings, before: Transactions | None, answered: Sequence[str]
) -> tuple[tuple[Point, ...], float]:
    """The trend, asked for seldom, from the first of the sources that `answered` which has one."""
    now = time.time()
    if before is not None and 0 <= now - before.trend_at < TREND_EVERY_S:
        return before.trend, before.trend_at
    for name in answered:
        if name == "prometheus":
            points = await _attempt(traffic.trend_from_prometheus(sources, settings, now))
        else:
            points = await _attempt(traffic.trend_from_postgres(sources, settings))
        if not isinstance(points, SourceError) and points:
            return points, now
    return (before.trend if before else ()), now


def _providers(shown: Traffic) -> tuple[ProviderTraffic, ...]:
    """The worst first."""
    return tuple(
        ProviderTraffic(
            name=name,
            attempts=counts.attempts,
            failures=counts.failures,
            failure_rate=counts.failures / counts.attempts if counts.attempts else None,
        )
        for name, counts in sorted(
            shown.providers.items(), key=lambda item: (-item[1].failures, -item[1].attempts, item[0])
        )
    )


SIGNAL = Signal(name="transactions", read=read, every=2.0, timeout=10.0)
