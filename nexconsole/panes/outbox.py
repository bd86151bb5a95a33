"""Outbox: pending and failed events, and the drain rate; the worst events when maximized. (nexnum.md#outbox)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Reading, SignalKey, State
from ..text.units import count, duration
from ..widgets import big_digits
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, column, phrases, plain, wrapped
from . import subjects

if TYPE_CHECKING:
    from ..signals.outbox import Outbox, OutboxEvent, OutboxEvents

NUMBER, SIGNAL, TITLE = 3, "outbox", "Outbox"
BETWEEN: Span = ("  ", "muted")
EVENTS: SignalKey[OutboxEvents] = SignalKey(
    "outbox events"
)  # the signal that is read only while this pane is maximized


def small(value: Outbox, space: RenderContext) -> Panel:
    alert_level = space.mood_or(bool(value.dropped))
    drain = _drain(value, space)
    pending = count(value.pending, value.capped)
    if space.height < big_digits.HEIGHT:
        parts = [(f"{pending} pending", _pending_ink(value, space)), *_dead(value, space)]
        return Panel(alert_level, (phrases(parts, space.width, BETWEEN), phrases(drain, space.width, BETWEEN)))
    ink = _pending_ink(value, space) if _late(value, space) else "figure"
    words: tuple[Line, ...] = (
        ((("pending, ", "muted"), _oldest(value, space)) if value.pending else (_oldest(value, space),)),
        phrases(_dead(value, space), big_digits.room(pending, space.width)),
        phrases(drain[:1], big_digits.room(pending, space.width)),
    )
    more = (phrases(drain[1:], space.width, BETWEEN),) if drain[1:] and space.height > big_digits.HEIGHT else ()
    airy = ((),) if more and space.height > big_digits.HEIGHT + 1 else ()
    return Panel(alert_level, (*big_digits.beside(pending, ink, words, space.width), *airy, *more))


def _id_width(space: RenderContext) -> int:
    """A uuid has 36 characters; its first 12 tell events apart where the error needs the room."""
    return 36 if space.width >= 150 else 13


def detail(value: Outbox, space: RenderContext) -> Panel:
    picture = small(value, space)
    head = (*picture.head, ())
    reading = space.readings.get(EVENTS)
    if reading is None or reading.state(space.now) is State.WAITING:
        return Panel(picture.alert_level, (*head, (("reading the worst events ...", "muted"),)))
    worst = EVENTS.value(space.readings)
    if worst is None:
        return Panel(picture.alert_level, head + _trouble(reading, space))
    events = worst.events
    if reading.error:
        head += _trouble(reading, space)
    if not events:
        return Panel(picture.alert_level, (*head, (("no troubled events", "muted"),)))
    title = f"  {'status':<10} {'age':>8} {'tries':>5}  {'id':<{_id_width(space)}} {'event':<22} error"
    return Panel(
        picture.alert_level,
        (*head, ((title, "muted"),)),
        Listing(
            [e.id for e in events],
            lambda n: _event(events[n], space),
            lambda n: subjects.event(events[n].id, events[n].event_type),
            (
                ("age", lambda n: events[n].age_s),
                ("tries", lambda n: events[n].retries),
                ("status", lambda n: events[n].status),
                ("event", lambda n: events[n].event_type),
                ("error", lambda n: events[n].error or None),
            ),
        ),
    )


def brief(value: Outbox, space: RenderContext) -> Line:
    pending = (f"{count(value.pending, value.capped)} pending", _pending_ink(value, space))
    return phrases([pending, _oldest(value, space), *_dead(value, space)], space.width, BETWEEN)


def _late(value: Outbox, space: RenderContext) -> bool:
    return (value.oldest_pending_s or 0) > space.settings.outbox.stuck_after_s


def _pending_ink(value: Outbox, space: RenderContext) -> str:
    return space.ink if _late(value, space) else "text"


def _oldest(value: Outbox, space: RenderContext) -> Span:
    if not value.pending:
        return ("nothing waits", "muted")
    return (f"oldest {duration(value.oldest_pending_s)}", _pending_ink(value, space))


def _dead(value: Outbox, space: RenderContext) -> list[Span]:
    dead: list[Span] = []
    if value.failed:
        dead.append(
            (f"{count(value.failed, value.capped)} failed", space.ink if space.alert_level != "calm" else "text")
        )
    if value.dropped:
        dead.append((f"{count(value.dropped)} dropped", "warn"))
    return dead or [("none failed, none dropped", "muted")]


def _drain(value: Outbox, space: RenderContext) -> list[Span]:
    if value.drained_per_min is None:
        return [("drain rate not known yet", "muted")]
    if value.pending and value.drained_per_min == 0:
        late = _late(value, space)
        return [
            ("draining 0 a minute", space.ink if late else "text"),
            ("nothing was published in the last minute", "muted"),
        ]
    parts: list[Span] = [(f"draining {value.drained_per_min:.0f} a minute", "text" if value.pending else "muted")]
    if value.empty_in_s is not None and value.pending:
        parts.append((f"empty in {duration(value.empty_in_s)}", "text"))
    if value.arrived_per_min is not None:
        parts.append((f"{value.arrived_per_min:.0f} a minute arrive", "muted"))
    return parts


def _trouble(reading: Reading, space: RenderContext) -> tuple[Line, ...]:
    return tuple(((f"! {line}", "doubt"),) for line in wrapped(reading.error or "no events", space.width - 2, 2))


def _event(event: OutboxEvent, space: RenderContext) -> Line:
    ink = "muted" if event.status == "PENDING" else space.ink if space.ink != "text" else "warn"
    return (
        ("  ", "text"),
        (column(plain(event.status, 20), 10) + " ", ink),
        (f"{duration(event.age_s):>8} {event.retries:>5}  ", "text"),
        (column(plain(event.id, 60), _id_width(space)) + " ", "muted"),
        (column(plain(event.event_type, 60), 22) + " ", "strong"),
        (plain(event.error) or "-", "text" if event.error else "muted"),
    )
