"""Purchases from Postgres: decided and in flight, by the provider that sold or was asked.

(nexnum.md#purchase-rows, #queries, #best-route, #slots)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import attribution
from .counts import Counts, Point, SourceCounts, point, together
from .provider_names import provider_names

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

STATES = ("INIT", "RESERVED", "ACTIVE", "RECEIVED", "EXPIRED", "CANCELLED", "FAILED", "REFUNDED")
UNDECIDED_STATES = ("INIT", "RESERVED")
TREND_POINTS = 60
TREND_STEP_LEAST_S = 10
NEWEST_BUCKET_LEAST_S = 10  # a younger bucket has too little in it to be a point
MINUTE_S = 60
USUAL_OF = 500  # the newest sales say how long a purchase usually takes
USUAL_LEAST = 5


@dataclass(frozen=True, kw_only=True)
class Usual:
    """How long a purchase takes, in seconds; None where too few were sold to say. `sales_p95_s`: of the window's sales,
    where their numbers say when each was made."""

    p50_s: float | None = None
    p95_s: float | None = None
    sales_p95_s: float | None = None


async def from_postgres(sources: Sources, settings: Settings, overdue_s: float | None = None) -> SourceCounts:
    """What the activations of the window say; raises MissingSchema where a column is missing.

    `overdue_s`: from which age on an undecided one is overdue; the settings' where nothing better is known.
    """
    columns = await sources.postgres.require(
        "activations", "state", "created_at", "updated_at", "provider_id", "captured_tx_id"
    )
    rules, states = settings.transactions, await every_state(sources)
    sold_by = attribution.seller_columns(await sources.postgres.columns())
    names = await provider_names(sources)
    async with sources.postgres.read("the activations query") as tx:
        sql = DECIDED_SQL.format(states=states, seller=sold_by.sql, number=sold_by.number, join=sold_by.join)
        decided = await tx.fetch(sql, float(rules.window_s), float(MINUTE_S))
        since = float(max(rules.window_s, rules.trend_s))
        late = float(rules.overdue_s if overdue_s is None else overdue_s)
        sql = IN_FLIGHT_SQL.format(states=state_in(columns["state"], UNDECIDED_STATES))
        waiting = await tx.fetch(sql, since, late, float(rules.window_s))
    counts: dict[str, list[Counts]] = {}
    for row in decided:
        key = attribution.seller(row["seller"], row["shop"], row["provider"], names)
        counts.setdefault(key, []).append(_decided(row))
    for row in waiting:
        counts.setdefault(names.key(row["provider"]), []).append(_waiting(row))
    providers = {key: together(rows) for key, rows in counts.items()}
    return SourceCounts(source="postgres", providers=providers, notes=sold_by.notes, names=names)


def _decided(row: Mapping[str, Any]) -> Counts:
    return Counts(
        attempts=row["decided"],
        failures=row["failures"],
        minute=row["minute"],
        minute_failures=row["minute_failures"],
        silent_s=_age(row["silent_s"]),
        failed_s=_age(row["failed_s"]),
    )


def _waiting(row: Mapping[str, Any]) -> Counts:
    return Counts(
        attempts=row["in_flight"],
        failures=0,
        in_flight=row["in_flight"],
        overdue=row["overdue"],
        oldest_s=_age(row["oldest_s"]),
        newest_s=_age(row["newest_s"]),
    )


def _age(seconds: float | None) -> float | None:
    """Never negative: an application's clock may go before the database's."""
    return None if seconds is None else max(0.0, seconds)


async def silent_since(sources: Sources, settings: Settings) -> float | None:
    """Seconds since any purchase was decided, of those that began before the window; None where that is longer ago."""
    columns = await sources.postgres.require("activations", "state", "created_at", "updated_at")
    states = state_in(columns["state"], ("ACTIVE", "FAILED"))
    async with sources.postgres.read("the last decision's query") as tx:
        row = await tx.row(SILENT_SQL.format(states=states), float(settings.transactions.trend_s))
    return _age(row["silent_s"])


async def usual(sources: Sources, settings: Settings) -> Usual:
    """How long the newest sales took, from reserving to the number."""
    columns = await sources.postgres.require("activations", "state", "created_at", "updated_at")
    sold_by = attribution.seller_columns(await sources.postgres.columns())
    states = state_in(columns["state"], ("ACTIVE",))
    timed = "n.created_at IS NOT NULL" if sold_by.join else "false"  # what an activation tells moves with each message
    sql = USUAL_SQL.format(
        states=states, sold_at=sold_by.sold_at, number=sold_by.number, join=sold_by.join, timed=timed
    )
    async with sources.postgres.read("the sales' durations") as tx:
        rules = settings.transactions
        row = await tx.row(sql, float(rules.trend_s), USUAL_OF, float(rules.window_s))
    if row["sales"] < USUAL_LEAST or not row["usual"]:
        return Usual()
    late = row["late_p95"] if row["late"] >= USUAL_LEAST else None
    return Usual(p50_s=row["usual"][0], p95_s=row["usual"][1], sales_p95_s=late)


async def trend_from_postgres(sources: Sources, settings: Settings) -> tuple[Point, ...]:
    """The last `trend_s` seconds in buckets; empty where nothing was decided in all of them."""
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
            decided, failures = (row["decided"], row["failures"]) if row else (0, 0)
            points.append(point(at, decided * 60 / length, failures * 60 / length))
    return tuple(points)


def trend_step(settings: Settings) -> int:
    return max(TREND_STEP_LEAST_S, round(settings.transactions.trend_s / TREND_POINTS))


async def every_state(sources: Sources) -> str:
    """A condition that every state meets: it makes the index (state, created_at) usable, 1 ms for 77.

    (nexnum.md#queries)
    """
    columns = await sources.postgres.require("activations", "state", "created_at", "provider_id", "captured_tx_id")
    kind = columns["state"]
    if kind in ("text", "character varying"):
        return state_in(kind, STATES)
    return f"state = ANY (enum_range(NULL::{kind}))"  # the catalogue's own spelling, quotes and all


def state_in(kind: str, states: tuple[str, ...]) -> str:
    """A condition on the state, of a column of this type, that an index serves; labels that it lacks do no harm."""
    listed = ", ".join(f"'{state}'" for state in states)
    if kind in ("text", "character varying"):
        return f"state IN ({listed})"
    return f"state = ANY (ARRAY(SELECT s FROM unnest(enum_range(NULL::{kind})) s WHERE s::text IN ({listed})))"


# A failure is later turned into REFUNDED by the reconciler, so FAILED alone would lose it (nexnum.md#purchase-rows).
# The states are compared as texts: a label that this version's enum lacks would be an error otherwise.
FAILED = "captured_tx_id IS NULL AND state::text IN ('FAILED', 'REFUNDED', 'CANCELLED')"
UNDECIDED = "captured_tx_id IS NULL AND state::text IN ('INIT', 'RESERVED')"
# When an activation was decided is when it was written last, where nothing writes it later (nexnum.md#purchase-rows).
DECIDED_SQL = f"""
SELECT a.provider_id AS provider, {{seller}}, count(*) AS decided, count(*) FILTER (WHERE a.failed) AS failures,
       count(*) FILTER (WHERE a.created_at >= now() - make_interval(secs => $2)) AS minute,
       count(*) FILTER (WHERE a.failed AND a.created_at >= now() - make_interval(secs => $2)) AS minute_failures,
       extract(epoch FROM now() - max(a.created_at) FILTER (WHERE a.failed))::float8 AS failed_s,
       extract(epoch FROM now() - max(greatest(a.created_at, a.settled_at)))::float8 AS silent_s
FROM (SELECT provider_id, created_at, {{number}}, {FAILED} AS failed,
             CASE WHEN state::text IN ('ACTIVE', 'FAILED') THEN updated_at END AS settled_at
      FROM activations
      WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) AND NOT ({UNDECIDED})) a
{{join}} GROUP BY 1, 2, 3
"""
IN_FLIGHT_SQL = """
SELECT provider_id AS provider, count(*) AS in_flight,
       count(*) FILTER (WHERE created_at < now() - make_interval(secs => $2)
                          AND created_at >= now() - make_interval(secs => $3)) AS overdue,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_s,
       extract(epoch FROM now() - max(created_at))::float8 AS newest_s
FROM activations WHERE {states} AND captured_tx_id IS NULL AND created_at >= now() - make_interval(secs => $1)
GROUP BY 1
"""
SILENT_SQL = """
SELECT extract(epoch FROM now() - max(updated_at))::float8 AS silent_s
FROM activations WHERE {states} AND created_at >= now() - make_interval(secs => $1)
"""
USUAL_SQL = """
SELECT count(*) AS sales, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY took) AS usual,
       count(*) FILTER (WHERE late) AS late,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY took) FILTER (WHERE late) AS late_p95
FROM (SELECT greatest(0, extract(epoch FROM {sold_at} - a.created_at))::float8 AS took,
             {timed} AND a.created_at >= now() - make_interval(secs => $3) AS late
      FROM (SELECT created_at, updated_at, {number} FROM activations
            WHERE {states} AND created_at >= now() - make_interval(secs => $1)
            ORDER BY created_at DESC LIMIT $2) a {join}) t
"""
# date_part, which unlike extract is no numeric, halves the time of half an hour's rows.
TREND_SQL = f"""
SELECT (floor(date_part('epoch', created_at) / $2) * $2)::float8 AS at, count(*) AS decided,
       count(*) FILTER (WHERE {FAILED}) AS failures
FROM activations
WHERE {{states}} AND created_at >= now() - make_interval(secs => $1) AND NOT ({UNDECIDED}) GROUP BY 1
"""
