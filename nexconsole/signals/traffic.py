"""Purchase attempts and failures by provider, as Prometheus counted them and as Postgres has them. (facts 1.9, 2.5)"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import MissingSchema
from ..sources.text import clean_name
from ..text.units import duration

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.prometheus import Answer, Sample, Series

STATES = ("INIT", "RESERVED", "ACTIVE", "RECEIVED", "EXPIRED", "CANCELLED", "FAILED", "REFUNDED")
TREND_POINTS = 60
TREND_STEP_LEAST_S = 10
NEWEST_BUCKET_LEAST_S = 10  # a younger bucket has too little in it to be a point
OLD_IN_FLIGHT_S = 60


@dataclass(frozen=True, kw_only=True)
class Counts:
    attempts: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One source's counts by provider, names in lower case. `in_flight` are attempts not yet decided."""

    source: str
    providers: Mapping[str, Counts]
    in_flight: int = 0
    notes: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        return sum(counts.attempts for counts in self.providers.values())

    @property
    def failures(self) -> int:
        return sum(counts.failures for counts in self.providers.values())

    @property
    def failure_rate(self) -> float | None:
        return self.failures / self.attempts if self.attempts else None


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of the trend: `at` is epoch seconds, `attempts` a minute, `failure_rate` 0..1 or None (no attempts)."""

    at: float
    attempts: float
    failure_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Latency:
    p95_s: float | None
    saturated: bool


async def from_prometheus(sources: Sources, settings: Settings) -> Traffic | None:
    """What was counted in the window; None where no series has a sample (facts 8.14: that is not zero).

    A provider without a failure series has had no failure: a labelled counter begins at its first use (facts 2.1).
    """
    expressions, window = settings.prometheus.expressions, f"{settings.transactions.window_s}s"
    attempts, failures = await _both(
        sources.prometheus.query(expressions.attempts.replace("{window}", window)),
        sources.prometheus.query(expressions.failures.replace("{window}", window)),
    )
    tried, failed = _by_provider(attempts), _by_provider(failures)
    if not tried:
        return None
    providers = {}
    for name in tried | failed:
        failures_here = round(failed.get(name, 0.0))
        # Series that began at different times are extrapolated differently: failures may come out above attempts.
        providers[name] = Counts(attempts=max(round(tried.get(name, 0.0)), failures_here), failures=failures_here)
    return Traffic(source="prometheus", providers=providers, notes=attempts.notes + failures.notes)


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
    return tuple(_point(at, tried.get(round(at), 0.0), failed.get(round(at), 0.0)) for at in times)


async def from_postgres(sources: Sources, settings: Settings) -> Traffic:
    """What the activations of the window say; raises MissingSchema where a column is missing."""
    states = await every_state(sources)
    async with sources.postgres.read("the activations query") as tx:
        rows = await tx.fetch(COUNTS_SQL.format(states=states), float(settings.transactions.window_s))
    in_flight, oldest = sum(row["in_flight"] for row in rows), max((row["oldest_s"] or 0.0 for row in rows), default=0)
    notes = ()
    if oldest > OLD_IN_FLIGHT_S:
        many = f"{in_flight} purchases are" if in_flight > 1 else "one purchase is"
        notes = (f"{many} not decided yet, the oldest after {duration(oldest)}",)
    providers: dict[str, Counts] = {}
    for row in rows:
        name = clean_name(row["provider"])
        before = providers.get(name, Counts(attempts=0, failures=0))
        providers[name] = Counts(attempts=before.attempts + row["attempts"], failures=before.failures + row["failures"])
    return Traffic(source="postgres", providers=providers, in_flight=in_flight, notes=notes)


async def trend_from_postgres(sources: Sources, settings: Settings) -> tuple[Point, ...]:
    """The last `trend_s` seconds in buckets; empty where nothing was attempted in all of them."""
    states, step = await every_state(sources), trend_step(settings)
    async with sources.postgres.read("the activations' trend") as tx:
        rows = await tx.fetch(TREND_SQL.format(states=states), float(settings.transactions.trend_s), float(step))
        now = (await tx.row("SELECT extract(epoch FROM now())::float8 AS now_s"))["now_s"]
    if not rows:
        return ()
    buckets = {round(row["at"]): row for row in rows}
    newest = now // step * step
    points = []
    for index in range(int(settings.transactions.trend_s / step), -1, -1):
        at = newest - index * step
        length = step if index else now - newest
        if length >= NEWEST_BUCKET_LEAST_S or index:
            row = buckets.get(round(at))
            attempts, failures = (row["attempts"], row["failures"]) if row else (0, 0)
            points.append(_point(at, attempts * 60 / length, failures * 60 / length))
    return tuple(points)


async def known_names(sources: Sources, traffic: Traffic, known: Mapping[str, Counts]) -> Traffic:
    """The same counts under the providers' own names, where a label holds a display name (facts 8.16)."""
    strangers = [name for name in traffic.providers if name not in known]
    if not strangers or not sources.has("postgres"):
        return traffic
    try:
        await sources.postgres.require("providers", "name", "display_name")
    except MissingSchema:
        return traffic  # the labels are then all that is known
    async with sources.postgres.read("the providers' names") as tx:
        rows = await tx.fetch(NAMES_SQL, strangers)
    names = {row["display_name"]: clean_name(row["name"]) for row in rows}
    providers: dict[str, Counts] = {}
    for label, counts in traffic.providers.items():
        name = names.get(label, label)
        before = providers.get(name, Counts(attempts=0, failures=0))
        providers[name] = Counts(attempts=before.attempts + counts.attempts, failures=before.failures + counts.failures)
    return replace(traffic, providers=providers)


def trend_step(settings: Settings) -> int:
    return max(TREND_STEP_LEAST_S, round(settings.transactions.trend_s / TREND_POINTS))


async def _both(first, second):
    """Both answers, asked for at once; the first failure is raised when both have ended."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _by_provider(samples: Answer[Sample]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            name = sample.labels.get("provider", "").lower() or "unknown"
            totals[name] = totals.get(name, 0.0) + sample.value
    return totals


def _by_time(series: Sequence[Series]) -> dict[int, float]:
    totals: dict[int, float] = {}
    for one in series:
        for at, value in one.points:
            totals[round(at)] = totals.get(round(at), 0.0) + value
    return totals


def _point(at: float, attempts: float, failures: float) -> Point:
    return Point(at=at, attempts=attempts, failure_rate=min(1.0, failures / attempts) if attempts > 0 else None)


async def every_state(sources: Sources) -> str:
    """A condition that every state meets: it makes the index (state, created_at) usable, 1 ms for 77 (facts 1.9)."""
    columns = await sources.postgres.require("activations", "state", "created_at", "provider_id", "captured_tx_id")
    kind = columns["state"]
    if kind in ("text", "character varying"):
        return "state IN ({})".format(", ".join(f"'{state}'" for state in STATES))
    return f"state = ANY (enum_range(NULL::{kind}))"  # the catalogue's own spelling, quotes and all


# A failure is later turned into REFUNDED by the reconciler, so FAILED alone would lose it (facts 1.5). The states are
# compared as texts: a label that this version's enum lacks would be an error otherwise.
FAILED = "captured_tx_id IS NULL AND state::text IN ('FAILED', 'REFUNDED', 'CANCELLED')"
COUNTS_SQL = f"""
SELECT coalesce(lower(provider_id), '(none)') AS provider, count(*) AS attempts,
       count(*) FILTER (WHERE {FAILED}) AS failures,
       count(*) FILTER (WHERE state::text = 'RESERVED') AS in_flight,
       extract(epoch FROM now() - min(created_at) FILTER (WHERE state::text = 'RESERVED'))::float8 AS oldest_s
FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) GROUP BY 1
"""
# date_part, which unlike extract is no numeric, halves the time of half an hour's rows.
TREND_SQL = f"""
SELECT (floor(date_part('epoch', created_at) / $2) * $2)::float8 AS at, count(*) AS attempts,
       count(*) FILTER (WHERE {FAILED}) AS failures
FROM activations WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) GROUP BY 1
"""
NAMES_SQL = """
SELECT lower(name) AS name, lower(display_name) AS display_name FROM providers
WHERE lower(display_name) = ANY ($1::text[]) AND lower(name) <> lower(display_name)
"""
