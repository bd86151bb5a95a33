"""Decided purchases by Prometheus' counters. (nexnum.md#metrics-old, #one-or-all)"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .counts import Counts, Point, SourceCounts, point
from .provider_names import ProviderNames, known_names
from .traffic import trend_step

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.prometheus_json import QueryResult, Sample, Series

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Latency:
    p95_s: float | None
    saturated: bool


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What Prometheus counted in the window, by label."""

    tried: Mapping[str, float]
    failed: Mapping[str, float]
    notes: tuple[str, ...]

    def traffic(self, names: ProviderNames) -> SourceCounts:
        """The same by provider.

        A provider without a failure series has had no failure: a labelled counter begins at its first use
        (nexnum.md#samples).
        """
        tried, failed = _by_key(self.tried, names), _by_key(self.failed, names)
        providers = {}
        for key in tried | failed:
            failures = round(failed.get(key, 0.0))
            # Series that began at different times are extrapolated differently: failures may come out above attempts.
            providers[key] = Counts(attempts=max(round(tried.get(key, 0.0)), failures), failures=failures)
        return SourceCounts(source="prometheus", providers=providers, notes=self.notes, names=names)


def _by_key(labels: Mapping[str, float], names: ProviderNames) -> dict[str, float]:
    totals: dict[str, float] = {}
    for label, number in labels.items():
        key = names.key(label)
        totals[key] = totals.get(key, 0.0) + number
    return totals


async def from_prometheus(sources: Sources, settings: Settings) -> SourceCounts | None:
    """The window's purchases by provider, by the names that are known."""
    found = await counted(sources, settings)
    return None if found is None else found.traffic(known_names(sources))


async def counted(sources: Sources, settings: Settings) -> Counted | None:
    """What was counted in the window; None where no series has a sample (nexnum.md#samples: that is not zero)."""
    expressions, window = settings.prometheus.expressions, f"{settings.transactions.window_s}s"
    attempts, failures = await _both(
        sources.prometheus.query(expressions.attempts.replace("{window}", window)),
        sources.prometheus.query(expressions.failures.replace("{window}", window)),
    )
    tried, failed = _by_label(attempts), _by_label(failures)
    if not tried:
        return None
    return Counted(tried=tried, failed=failed, notes=attempts.notes + failures.notes)


async def latency(sources: Sources, settings: Settings) -> Latency:
    """The 95th percentile over the window, in seconds; of several series the worst."""
    window = f"{settings.transactions.window_s}s"
    samples = await sources.prometheus.query(settings.prometheus.expressions.latency_p95.replace("{window}", window))
    values = [sample.value for sample in samples if not math.isnan(sample.value)]
    if not values:
        return Latency(p95_s=None, saturated=False)
    top, worst = settings.prometheus.latency_top_bucket_s, max(values)
    return Latency(p95_s=worst if math.isfinite(worst) else top, saturated=worst >= top)


async def trend_from_prometheus(sources: Sources, settings: Settings, now: float) -> tuple[Point, ...]:
    """The last `trend_s` seconds; empty where Prometheus has no such series."""
    step = trend_step(settings)
    end = now // step * step
    start = end - settings.transactions.trend_s
    expressions = settings.prometheus.expressions
    attempts, failures = await _both(
        sources.prometheus.query_range(expressions.trend_attempts, start, end, step),
        sources.prometheus.query_range(expressions.trend_failures, start, end, step),
    )
    tried, failed = _by_time(attempts), _by_time(failures)
    if not tried:
        return ()
    times = [start + step * index for index in range(int((end - start) / step) + 1)]
    return tuple(point(at, tried.get(round(at), 0.0), failed.get(round(at), 0.0)) for at in times)


async def _both(first: Awaitable[T], second: Awaitable[T]) -> tuple[T, T]:
    """Both answers, asked for at once; the first failure is raised when both have ended."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other


def _by_label(samples: QueryResult[Sample]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            name = sample.labels.get("provider", "") or "unknown"
            totals[name] = totals.get(name, 0.0) + sample.value
    return totals


def _by_time(series: Sequence[Series]) -> dict[int, float]:
    totals: dict[int, float] = {}
    for one in series:
        for at, value in one.points:
            totals[round(at)] = totals.get(round(at), 0.0) + value
    return totals
