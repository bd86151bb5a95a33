"""Outbox: pending, failed and silently dropped events, and the drain rate. (nexnum.md#outbox)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

from ..model import Value
from ..text.sanitize import clean
from ..text.units import count, duration, several
from . import outbox_release
from .probe import Probe, ProbeOptions, ProbeResult, Read, View, oldest
from .signal import (
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
    rounded,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Outbox(Value):
    """Counts of `outbox_events_v2`. `capped`: a count reached the bound and is a "no fewer than".

    `dropped`: PUBLISHED with an error in the last 24 h. Rates are events a minute over the last minute,
    None until two readings span enough time. `empty_in_s`: None where it isn't shrinking. `history` holds
    (server's epoch seconds, pending) of the last minute. `dropped_partial`: only the newest were looked at,
    at `dropped_at_s`. The newest event was published `published_s` ago.
    """

    pending: int
    failed: int
    dropped: int
    oldest_pending_s: float | None
    capped: bool = False
    oldest_failed_s: float | None = None
    arrived_per_min: float | None = None
    drained_per_min: float | None = None
    empty_in_s: float | None = None
    dropped_partial: bool = False
    dropped_at_s: float = 0.0
    history: tuple[tuple[float, int], ...] = ()
    published_s: float | None = None
    oldest_dropped_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class OutboxEvent:
    """One troubled event, its payload never read. `age_s` since it was created."""

    id: str
    event_type: str
    aggregate_type: str
    status: str
    retries: int
    age_s: float
    error: str


@dataclass(frozen=True, kw_only=True)
class OutboxEvents(Value):
    """The worst events, asked for on demand: FAILED first, then dropped, then the oldest PENDING."""

    events: tuple[OutboxEvent, ...] = ()


# Every branch is served by the index (status, created_at); counts stop at $1.
COUNTS_SQL = """
SELECT extract(epoch FROM now())::float8 AS now_s,
       (SELECT count(*) FROM (SELECT 1 FROM outbox_events_v2 WHERE status = 'PENDING' LIMIT $1) p) AS pending,
       (SELECT count(*) FROM (SELECT 1 FROM outbox_events_v2 WHERE status = 'FAILED' LIMIT $1) f) AS failed,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox_events_v2
        WHERE status = 'PENDING' ORDER BY created_at LIMIT 1) AS oldest_pending_s,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox_events_v2
        WHERE status = 'FAILED' ORDER BY created_at LIMIT 1) AS oldest_failed_s, {published} AS published_s
"""
# They are taken in their order: the newest of them were published last.
PUBLISHED_SQL = """(SELECT extract(epoch FROM now() - max(updated_at))::float8 FROM (SELECT updated_at
   FROM outbox_events_v2 WHERE status = 'PUBLISHED' ORDER BY created_at DESC LIMIT 50) newest)"""
# The newest published events of a day, no more than $1 of them: their rows must be visited for `error`.
DROPPED_SQL = """
SELECT count(*) AS seen, count(*) FILTER (WHERE error IS NOT NULL) AS dropped,
       extract(epoch FROM now() - min(created_at) FILTER (WHERE error IS NOT NULL))::float8 AS oldest_dropped_s
FROM (SELECT error, created_at FROM outbox_events_v2
      WHERE status = 'PUBLISHED' AND created_at >= now() - interval '24 hours'
      ORDER BY created_at DESC LIMIT $1) newest
"""
ARRIVED_SQL = """
SELECT count(*) AS arrived FROM (
  SELECT 1 FROM outbox_events_v2
  WHERE status IN ('PENDING', 'PUBLISHED', 'FAILED') AND created_at >= now() - make_interval(secs => $2) LIMIT $1) a
"""
EVENTS_SQL = """
WITH failed AS (
  SELECT 1 AS place, id FROM outbox_events_v2 WHERE status = 'FAILED' ORDER BY created_at LIMIT 50
), newest AS (
  SELECT id, error FROM outbox_events_v2
  WHERE status = 'PUBLISHED' AND created_at >= now() - interval '24 hours' ORDER BY created_at DESC LIMIT $1
), dropped AS (
  SELECT 2 AS place, id FROM newest WHERE error IS NOT NULL LIMIT 20
), waiting AS (
  SELECT 3 AS place, id FROM outbox_events_v2 WHERE status = 'PENDING' ORDER BY created_at LIMIT 30
), worst AS (SELECT * FROM failed UNION ALL SELECT * FROM dropped UNION ALL SELECT * FROM waiting)
SELECT e.id, e.event_type, e.aggregate_type, e.status, e.retry_count, left(e.error, 500) AS error,
       extract(epoch FROM now() - e.created_at)::float8 AS age_s
FROM worst JOIN outbox_events_v2 e USING (id) ORDER BY worst.place, e.created_at LIMIT 60
"""
TABLE = "outbox_events_v2"
ERROR_CHARACTERS = 300
UUID = "-".join(f"[0-9a-fA-F]{{{length}}}" for length in (8, 4, 4, 4, 12))
NUMBERS = re.compile(rf"{UUID}|[0-9a-fA-F]{{12,}}|[0-9]+")
# What an upstream answered: 404 and 503 are two errors, whatever else they have in common.
STATUS = re.compile(
    r"""\b(?:http\S*|status|code|returned|responded|answered|with|error)[\s:="'(]{1,3}[1-5][0-9]{2}(?![\w.])"""
    r"""|(?<![\w.:])[1-5][0-9]{2}(?=:?\s(?:bad|conflict|forbidden|gateway|gone|internal|not|service|too|un))""",
    re.IGNORECASE,
)
KEPT = str.maketrans("0123456789", "ghijklmnop")  # digits that are no number any more
HISTORY_S = 60.0
HISTORY_LEAST_S = 8.0
WAITS_S = 60.0  # a worker that runs takes an event within seconds
STANDS_S = 4.0
ROUND_S = 75.0  # a worker that runs, if only once a minute, has published something since
NOTHING = 0.5  # events a minute
DROPPED_EVERY_S = 20.0
DROPPED_LOOKS_AT = 10_000


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Outbox:
    """Read the counts; rates come from the history that `previous` carries."""
    before = previous if isinstance(previous, Outbox) else None
    bound = settings.outbox.count_limit + 1
    columns = await sources.postgres.require(TABLE, "id", "status", "created_at", "error", "retry_count")
    published = PUBLISHED_SQL if "updated_at" in columns else "NULL::float8"
    async with sources.postgres.read("the outbox query") as tx:
        counts = await tx.row(COUNTS_SQL.format(published=published), bound)
        now_s = counts["now_s"]
        if before is None or now_s - before.dropped_at_s >= DROPPED_EVERY_S:
            row = await tx.row(DROPPED_SQL, DROPPED_LOOKS_AT)
            dropped, partial, dropped_at = row["dropped"], row["seen"] == DROPPED_LOOKS_AT, now_s
            oldest_dropped_s = row["oldest_dropped_s"]
        else:
            dropped, partial, dropped_at = before.dropped, before.dropped_partial, before.dropped_at_s
            oldest_dropped_s = before.oldest_dropped_s
        history = tuple(point for point in (before.history if before else ()) if now_s - point[0] <= HISTORY_S)
        arrived = None
        if history and now_s - history[0][0] >= HISTORY_LEAST_S:
            arrived = (await tx.row(ARRIVED_SQL, bound, now_s - history[0][0]))["arrived"]
    capped = max(counts["pending"], counts["failed"]) >= bound
    limit = settings.outbox.count_limit
    outbox = Outbox(
        source="postgres",
        notes=(f"dropped events were looked for among the newest {DROPPED_LOOKS_AT:,} published",) if partial else (),
        pending=min(counts["pending"], limit),
        failed=min(counts["failed"], limit),
        dropped=dropped,
        oldest_pending_s=counts["oldest_pending_s"],
        oldest_failed_s=counts["oldest_failed_s"],
        capped=capped,
        dropped_partial=partial,
        dropped_at_s=dropped_at,
        oldest_dropped_s=oldest_dropped_s,
        history=(*history, (now_s, counts["pending"])),
        published_s=counts["published_s"],
    )
    if arrived is None or arrived >= bound or counts["pending"] >= bound or history[0][1] >= bound:
        return outbox
    return with_rates(outbox, arrived, *history[0])


def with_rates(outbox: Outbox, arrived: int, since_s: float, pending_then: int) -> Outbox:
    """What left the queue since `since_s` is what was there, and came, and is there no more."""
    minutes = (outbox.history[-1][0] - since_s) / 60
    drained = max(0, pending_then + arrived - outbox.pending)
    shrinking = (pending_then - outbox.pending) / minutes
    return replace(
        outbox,
        arrived_per_min=arrived / minutes,
        drained_per_min=drained / minutes,
        empty_in_s=outbox.pending / shrinking * 60 if shrinking > 0 and outbox.pending else None,
    )


async def read_events(sources: Sources, settings: Settings, previous: Value | None) -> OutboxEvents:
    """The worst events one by one; the payload stays where it is."""
    await sources.postgres.require(TABLE, "id", "event_type", "aggregate_type", "retry_count", "error")
    async with sources.postgres.read("the outbox events query") as tx:
        rows = await tx.fetch(EVENTS_SQL, DROPPED_LOOKS_AT)
    return OutboxEvents(
        source="postgres",
        events=tuple(
            OutboxEvent(
                id=clean(row["id"], 80),
                event_type=clean(row["event_type"], 80),
                aggregate_type=clean(row["aggregate_type"], 80),
                status=clean(row["status"], 20),
                retries=row["retry_count"],
                age_s=row["age_s"],
                error=clean(row["error"] or "", ERROR_CHARACTERS),
            )
            for row in rows
        ),
    )


def error_shape(error: str) -> str:
    """The error without what differs from event to event: ids and numbers, but for a status that was answered. Only to
    be compared.
    """
    return NUMBERS.sub("#", STATUS.sub(lambda found: found[0].translate(KEPT), clean(error, ERROR_CHARACTERS)))


def _reasons(value: Outbox, settings: Settings) -> Iterator[Judgement]:
    if value.failed:
        events = "1 outbox event" if value.failed == 1 else f"{count(value.failed)} outbox events"
        yield Judgement("SEV-3", f"{events} failed, and nothing will retry what failed", about="failed events")
    late = value.oldest_pending_s
    if late is not None and late > settings.outbox.stuck_after_s:
        yield Judgement("SEV-3", f"the oldest outbox event has waited {duration(late)}", about="pending events")


def _summary(value: Outbox) -> str:
    return f"{count(value.pending, value.capped)} pending, {count(value.failed)} failed, {count(value.dropped)} dropped"


def _numbers(value: Outbox, every: float, now: datetime) -> Numbers:
    return {
        "outbox_pending": value.pending,
        "outbox_oldest_pending_s": rounded(value.oldest_pending_s, 1),
        "outbox_failed": value.failed,
    }


def _states(value: Outbox, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    oldest = value.oldest_pending_s or 0.0
    late = oldest > settings.outbox.stuck_after_s
    words = f"the oldest outbox event has waited {duration(oldest)}" if late else "the outbox is in time again"
    yield SubjectState("outbox", "late" if late else "in time", words, usual=not late)
    words = f"outbox events failed: {count(value.failed)}" if value.failed else "no failed outbox events are left"
    yield SubjectState("outbox failures", "some" if value.failed else "none", words, usual=not value.failed)


def _count(noun: str, attribute: str) -> Read:
    def read(view: View) -> ProbeResult:
        number = getattr(view.value, attribute)
        more = "at least " if getattr(view.value, "capped", False) and number else ""
        return ProbeResult(text=f"{more}{count(number)} {noun}", value=float(number))

    return read


def _drain(view: View[Outbox]) -> ProbeResult:
    value = view.value
    if value.drained_per_min is None:
        return ProbeResult(text="not known: it takes two readings some seconds apart", value=None)
    left = f", empty in {duration(value.empty_in_s)}" if value.empty_in_s is not None else ""
    came = f" while {value.arrived_per_min:.0f} a minute arrive" if value.arrived_per_min is not None else ""
    return ProbeResult(text=f"{value.drained_per_min:.0f} a minute leave it{came}{left}", value=value.drained_per_min)


def _late(view: View[Outbox]) -> ProbeResult:
    value = view.value
    limit = view.settings.outbox.stuck_after_s
    age = value.oldest_pending_s
    if age is None:
        return ProbeResult(text="nothing waits", value=False)
    return ProbeResult(text=f"the oldest has waited {duration(age)}, late from {duration(limit)} on", value=age > limit)


def stands(value: Outbox) -> bool | None:
    """Whether nothing leaves it although events wait; None where it was not looked at for long enough."""
    if value.oldest_pending_s is None or value.oldest_pending_s < WAITS_S or value.capped:
        return None if value.capped else False
    counts = [pending for _, pending in value.history]
    if any(later < earlier for earlier, later in pairwise(counts)):
        return False
    if value.published_s is not None:
        return value.published_s >= ROUND_S
    if value.drained_per_min is not None:
        return value.drained_per_min <= NOTHING
    looked_s = value.history[-1][0] - value.history[0][0] if value.history else 0.0
    return True if looked_s >= STANDS_S and counts[-1] > counts[0] else None


def _stands(view: View[Outbox]) -> ProbeResult:
    value, found = view.value, stands(view.value)
    if found is None:
        return ProbeResult(text="not known: it takes readings some seconds apart", value=None)
    if value.oldest_pending_s is None:
        return ProbeResult(text="nothing waits", value=False)
    said = "nothing leaves it" if found else "events leave it, or none waits for long"
    return ProbeResult(text=f"the oldest has waited {duration(value.oldest_pending_s)}; {said}", value=found)


def _event(view: View[OutboxEvents]) -> ProbeResult:
    value = view.value
    failed = next((event for event in value.events if event.status == "FAILED"), None)
    if failed is None:
        return ProbeResult(text="no event is FAILED", value="none")
    tried = f"{failed.event_type}, {several(failed.retries, 'try', 'tries')}, {duration(failed.age_s)} old"
    return ProbeResult(
        text=f"{failed.id}: {tried}: {failed.error or 'no error was kept'}",
        value=failed.id,
        gives={"event": failed.id, "error": failed.error},
    )


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="outbox", kind=kind, read=read, **options)


PROBES = (
    _probe("outbox.pending", "events that wait", _count("events pending", "pending")),
    _probe("outbox.failed", "events that failed for good", _count("events FAILED", "failed")),
    _probe("outbox.dropped", "events marked done with an error", _count("events published with an error", "dropped")),
    _probe(
        "outbox.oldest", "age of the oldest waiting event", oldest("nothing waits", "oldest_pending_s"), unit="seconds"
    ),
    _probe("outbox.late", "whether the oldest waits for too long", _late, "flag"),
    *outbox_release.PROBES,
    _probe("outbox.stands", "whether nothing leaves the outbox although events wait", _stands, "flag"),
    _probe("outbox.drain", "events a minute that leave the outbox", _drain),
)
SIGNAL = Signal(
    name="outbox",
    kind=Outbox,
    read=read,
    summary=_summary,
    needs=("postgres",),
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "outbox_pending": MetricSpec("outbox pending", count, drawn=True, told_above=100),
        "outbox_oldest_pending_s": MetricSpec("oldest outbox event", duration),
        "outbox_failed": MetricSpec("outbox failed", count),
    },
    exported=(
        gauge("outbox_pending", "Outbox events that wait; counting stops at a bound.", "pending"),
        gauge("outbox_failed", "Outbox events that failed and that nothing retries.", "failed"),
        gauge("outbox_oldest_pending_seconds", "Age of the oldest waiting outbox event.", "oldest_pending_s"),
    ),
    observe=_states,
    probes=PROBES,
)
EVENTS = Signal(
    name="outbox events",
    kind=OutboxEvents,
    read=read_events,
    summary=lambda value: several(len(value.events), "troubled event"),
    needs=("postgres",),
    on_demand=True,
    arguments={"event": lambda value: (event.id for event in value.events if event.status == "FAILED")},
    probes=(
        Probe(
            name="outbox.event",
            title="the oldest failed event",
            signal="outbox events",
            kind="text",
            read=_event,
            gives={"event": "event", "error": "text"},
        ),
    ),
)
