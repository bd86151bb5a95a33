"""An outbox event: its state, its whole error, how many failed alike. Its payload is not shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ..lookups.registry import ROW
from ..model import SignalKey
from ..text.units import count, duration, several
from ..widgets.spans import Line, Span, plain
from .changes import changes
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..lookups.event import EventRow
    from ..signals.outbox import Outbox

NOUN = "Event"
EVENT = cast("SignalKey[EventRow]", ROW)
OUTBOX: SignalKey[Outbox] = SignalKey("outbox")
SIGNALS = frozenset[str]({OUTBOX, ROW})
MEANS = {
    "PENDING": "it waits for a worker",
    "PUBLISHED": "a worker has taken it",
    "FAILED": "nothing retries it by itself",
}


def present(context: PageContext) -> bool | None:
    row = EVENT.value(context.readings)
    return row.found if row is not None else None


def _level(context: PageContext, row: EventRow | None) -> str:
    late = row is not None and row.status == "PENDING" and (row.age_s or 0) > context.settings.outbox.stuck_after_s
    if row is None or not (row.status == "FAILED" or late or (row.status == "PUBLISHED" and row.error)):
        return "calm"
    return context.alert_levels.get(OUTBOX, "minor")


GONE = "no row has this id: it was deleted, or never was"


def headline(context: PageContext) -> Span:
    row = EVENT.value(context.readings)
    if row is None or not row.found:
        return "not known yet" if row is None else "no such event is there", "muted"
    level = _level(context, row)
    dropped = row.status == "PUBLISHED" and row.error
    means = "it was marked as done, and dropped with an error" if dropped else MEANS.get(row.status, "")
    return f"{plain(row.status, 20)}: {means}".rstrip(": "), "muted" if level == "calm" else own_ink(level)


def sections(context: PageContext) -> tuple[Section, ...]:
    row = EVENT.value(context.readings)
    level = _level(context, row)
    error = from_signal(context, "Error", EVENT, lambda value: _error(value, context), level=level, least=5)
    return by_urgency(
        (
            error if row is not None else Section("Error", ()),
            from_signal(context, "State", EVENT, lambda value: _state(value, context), gone=GONE),
            _outbox(context),
            changes(context, context.subject.id),
        )
    )


def _error(row: EventRow, context: PageContext) -> Iterator[Line]:
    if not row.error:
        yield from sentence("no error was kept with it", "muted", context.width)
        return
    yield from sentence(row.error, "text", context.width, 4000)
    if row.error_cut:
        yield from sentence("the rest of the error was not read", "muted", context.width)
    if row.alike is not None:
        others = f"{several(row.alike, 'other failed event')} {'has' if row.alike == 1 else 'have'} the same error"
        of = f"of the {count(row.looked_at)} oldest that failed"
        yield from fact(
            "the same", [(others if row.alike else "no other has it", "strong"), (of, "muted")], context.width
        )


def _state(row: EventRow, context: PageContext) -> Iterator[Line]:
    width = context.width
    yield from fact(
        "status", [(plain(row.status, 20), "strong"), (several(row.retries, "try", "tries"), "text")], width
    )
    changed = f"changed {duration(row.changed_s)} ago" if row.changed_s is not None else "when it changed is not known"
    yield from fact("age", [(duration(row.age_s), "text"), (changed, "muted")], width)
    yield from fact("type", (plain(row.event_type, 80), "text"), width)
    yield from fact("about", [(plain(row.aggregate_type, 80), "text"), (plain(row.aggregate_id, 100), "muted")], width)
    correlation = plain(row.correlation_id, 100)
    yield from fact("correlation", (correlation or "none", "text" if correlation else "muted"), width)
    yield from fact("id", (plain(row.id, 80), "muted"), width)


def _outbox(context: PageContext) -> Section:
    def draw(value: Outbox) -> Iterator[Line]:
        words: list[Span] = [(f"{count(value.pending, value.capped)} pending", "text")]
        words += [(f"{count(value.failed, value.capped)} failed", "text" if value.failed else "muted")]
        drained = value.drained_per_min
        words.append(("drain rate not known yet" if drained is None else f"draining {drained:.0f} a minute", "muted"))
        yield from fact("outbox", words, context.width)

    return from_signal(context, "The whole outbox", OUTBOX, draw)
