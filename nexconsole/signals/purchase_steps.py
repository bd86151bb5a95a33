"""Purchases by provider in steps of a few seconds, for onsets: from the rows, which have each one's moment.

A purchase belongs to the step in which it began, whenever it is decided. Those under way count as not failed: what
fails at once would weigh too much in the newest steps otherwise. (nexnum.md#purchase-rows, #queries)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SourceError
from ..text.units import count
from . import attribution
from .history_steps import HistoryStep
from .provider_names import ProviderNames, known_names, provider_names
from .traffic import FAILED, UNDECIDED, every_state

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

STEP_S = 10
KEPT_S = 3600  # so long a history is read, a piece at a time
PIECE_S = 600
AGAIN_S = 60  # the newest steps are read again: what they hold is decided by and by
LONGEST_S = 360  # and those before them as long as one of theirs is under way
BUDGET_S = 0.8  # a reading takes no further piece after so long
MOST_ROWS = 40_000
LEAST_S = 4.0  # a younger step holds too little to be one
ALL = ""


class StepCounts(NamedTuple):
    """The purchases that began in a step. `waiting` are neither sold nor failed yet; of `timed` sales it is known that
    they took `sold_s` seconds together."""

    begun: int = 0
    failed: int = 0
    waiting: int = 0
    timed: int = 0
    sold_s: float = 0.0

    @property
    def decided(self) -> int:
        return self.begun - self.waiting

    @property
    def sold(self) -> int:
        return self.decided - self.failed

    def plus(self, other: StepCounts) -> StepCounts:
        return StepCounts(
            self.begun + other.begun,
            self.failed + other.failed,
            self.waiting + other.waiting,
            self.timed + other.timed,
            self.sold_s + other.sold_s,
        )


STEPS_SQL = f"""
SELECT a.provider_id AS provider, {{seller}}, a.at, count(*) AS begun, count(*) FILTER (WHERE a.failed) AS failed,
       count(*) FILTER (WHERE a.waiting) AS waiting, count({{took}}) FILTER (WHERE a.sold) AS timed,
       coalesce(sum(greatest(0, {{took}})) FILTER (WHERE a.sold), 0)::float8 AS sold_s
FROM (SELECT provider_id, {{number}}, created_at, (floor(date_part('epoch', created_at) / $3) * $3)::float8 AS at,
             {FAILED} AS failed, {UNDECIDED} AS waiting, NOT ({FAILED}) AND NOT ({UNDECIDED}) AS sold
      FROM activations
      WHERE {{states}} AND created_at >= to_timestamp($1) AND created_at < to_timestamp($2)) a
{{join}} GROUP BY 1, 2, 3, 4 LIMIT {MOST_ROWS + 1}
"""


@dataclass
class PurchaseSteps:
    """What the rows have told so far. Times are epoch seconds of the database's clock; `ahead_s` is what it is ahead
    of ours. `names` say what a provider's key is called."""

    since: int | None = None  # all steps from this one on have been read
    read_to: float = 0.0
    ahead_s: float = 0.0
    steps: dict[int, dict[str, StepCounts]] = field(default_factory=dict)
    names: ProviderNames = field(default_factory=ProviderNames)
    complete: bool = False  # there is no further piece to read, or it takes too long

    def providers(self) -> list[str]:
        """Those with purchases, the busiest first."""
        totals: dict[str, int] = {}
        for counts in self.steps.values():
            for key, one in counts.items():
                totals[key] = totals.get(key, 0) + one.begun
        return sorted(totals, key=lambda key: (-totals[key], key))

    def failures(self, provider: str = ALL) -> list[HistoryStep]:
        """Failures of those that began, by step, in our time."""
        return [
            HistoryStep(at - self.ahead_s, one.failed, one.begun, min(STEP_S, self.read_to - at))
            for at, one in self._each(provider)
            if one.begun
        ]

    def attempts(self, provider: str = ALL) -> list[HistoryStep]:
        """Those that began, by step; where none did, that is a step too."""
        lengths = ((at, one, min(float(STEP_S), self.read_to - at)) for at, one in self._each(provider))
        return [
            HistoryStep(at - self.ahead_s, one.begun, length, length)
            for at, one, length in lengths
            if length >= LEAST_S
        ]

    def counts(self, provider: str) -> list[tuple[float, StepCounts]]:
        """The steps in which purchases began there, in the database's time."""
        return [(float(at), one) for at, one in self._each(provider) if one.begun]

    def _each(self, provider: str) -> list[tuple[int, StepCounts]]:
        if self.since is None or not self.steps:
            return []
        found = []
        begin = max(self.since, min(self.steps))  # before the first purchase of all nothing is known
        for at in range(begin, int(self.read_to) + 1, STEP_S):
            counts = self.steps.get(at, {})
            if provider == ALL:
                columns = zip((0, 0, 0), *map(_three, counts.values()), strict=True)
                begun, failed, waiting = (sum(column) for column in columns)
                found.append((at, StepCounts(begun, failed, waiting)))
            else:
                found.append((at, counts.get(provider, StepCounts())))
        return found

    def take(self, since: float, until: float, rows: Mapping[int, dict[str, StepCounts]]) -> None:
        """What was read of this stretch takes the place of what was known of it."""
        begin = int(since) // STEP_S * STEP_S
        for at in range(begin, int(until) + 1, STEP_S):
            self.steps.pop(at, None)
        self.steps.update(rows)
        self.since = begin if self.since is None else min(self.since, begin)

    def forget(self, before: float) -> None:
        if self.since is not None and self.since < before:
            self.since = int(before) // STEP_S * STEP_S
            for at in [at for at in self.steps if at < self.since]:
                del self.steps[at]

    def again_from(self) -> float:
        """From when on to read anew: a minute ago, or the oldest step of which one is under way."""
        newest = self.read_to - AGAIN_S
        open_at = [
            at
            for at, counts in self.steps.items()
            if self.read_to - LONGEST_S <= at < newest and any(one.waiting for one in counts.values())
        ]
        return min(open_at, default=newest)


async def read_steps(sources: Sources, known: PurchaseSteps) -> None:
    """Bring the steps up to now, and go a piece further back while there is time. Raises SourceError."""
    begun = time.monotonic()
    states = await every_state(sources)
    sold_by = attribution.seller_columns(await sources.postgres.columns())
    known.names = await provider_names(sources)
    # Without its number's row nothing says when a purchase was sold: its own changes with each message.
    took = "date_part('epoch', n.created_at - a.created_at)" if sold_by.join else "NULL::float8"
    sql = STEPS_SQL.format(states=states, seller=sold_by.sql, number=sold_by.number, join=sold_by.join, took=took)
    await _newest(sources, sql, known)
    while not known.complete and time.monotonic() - begun < BUDGET_S:
        try:
            await _older(sources, sql, known)
        except SourceError:
            known.complete = True  # what is known will do


async def _newest(sources: Sources, sql: str, known: PurchaseSteps) -> None:
    async with sources.postgres.read("the purchases by step") as tx:
        now = (await tx.row("SELECT extract(epoch FROM now())::float8 AS now_s"))["now_s"]
        if known.since is None or not 0 <= now - known.read_to <= PIECE_S:
            known.steps, known.since, known.complete = {}, None, False
            since = (now - PIECE_S) // STEP_S * STEP_S
        else:
            since = known.again_from() // STEP_S * STEP_S
        rows = await tx.fetch(sql, since, now + 1, float(STEP_S))
    known.take(since, now, _by_step(rows, known.names))
    known.read_to, known.ahead_s = now, _ahead(now)
    known.forget(now - KEPT_S - PIECE_S)


async def _older(sources: Sources, sql: str, known: PurchaseSteps) -> None:
    assert known.since is not None
    since, until = float(known.since - PIECE_S), float(known.since)
    async with sources.postgres.read("the purchases by step") as tx:
        rows = await tx.fetch(sql, since, until, float(STEP_S))
    known.take(since, until - STEP_S, _by_step(rows, known.names))
    known.complete = since <= known.read_to - KEPT_S


def _three(counts: StepCounts) -> tuple[int, int, int]:
    return counts[:3]


def _ahead(now: float) -> float:
    """What the database's clock is ahead of ours; less than a step's tenth is the way of the answer."""
    ahead = now - time.time()
    return ahead if abs(ahead) > STEP_S / 10 else 0.0


def _by_step(rows: Sequence[Mapping[str, Any]], names: ProviderNames) -> dict[int, dict[str, StepCounts]]:
    if len(rows) > MOST_ROWS:
        raise SourceError("postgres", f"more than {count(MOST_ROWS)} steps of providers: too many to compare")
    steps: dict[int, dict[str, StepCounts]] = {}
    for row in rows:
        key = attribution.seller(row["seller"], row["shop"], row["provider"], names)
        step = steps.setdefault(round(row["at"]), {})
        # What another was asked for first took as long as that one kept it. (nexnum.md#best-route)
        direct = names.key(row["provider"]) == key
        timed, sold_s = (row["timed"], row["sold_s"]) if direct else (0, 0.0)
        told = StepCounts(row["begun"], row["failed"], row["waiting"], timed, sold_s)
        step[key] = step.get(key, StepCounts()).plus(told)
    return steps


async def counted_steps(
    sources: Sources, settings: Settings, now: float, span_s: float, window_s: int
) -> tuple[dict[str, list[HistoryStep]], dict[str, list[HistoryStep]]]:
    """(failures, attempts) by provider and for all ("") from Prometheus' counters, in steps of `window_s`.

    Nothing where no series has a sample. Raises SourceError.
    """
    names = known_names(sources)
    expressions = settings.prometheus.expressions
    end = now // window_s * window_s
    found: list[dict[str, dict[int, float]]] = []
    for expression in (expressions.attempts, expressions.failures):
        series = await sources.prometheus.query_range(
            expression.replace("{window}", f"{window_s}s"), end - span_s, end, window_s
        )
        by_provider: dict[str, dict[int, float]] = {}
        for one in series:
            key = names.key(one.labels.get("provider", "") or "unknown")
            for kind in (key, ALL):
                there = by_provider.setdefault(kind, {})
                for at, value in one.points:
                    there[round(at)] = there.get(round(at), 0.0) + max(0.0, value)
        found.append(by_provider)
    tried, failed = found
    failures = {
        key: [
            HistoryStep(at - window_s, min(many, failed.get(key, {}).get(at, 0.0)), many, window_s)
            for at, many in sorted(points.items())
            if many > 0
        ]
        for key, points in tried.items()
    }
    attempts = {
        key: [HistoryStep(at - window_s, many, window_s, window_s) for at, many in sorted(points.items())]
        for key, points in tried.items()
    }
    return failures, attempts
