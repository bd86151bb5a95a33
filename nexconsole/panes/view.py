"""How a signal is drawn: by its own view, or by a panel that all signals share.

No data yet, not configured, an error before any value, zero and stale look different.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any, Protocol, cast

from ..model import Reading, State, Value
from ..text.units import ago, clock, duration
from ..widgets.panel import MARKS, TITLES, Panel, RenderContext, below, more_urgent
from ..widgets.spans import Line, Span, cells, column, dimmed, fit, plain, wrapped

BRIEF_TITLE = 19  # cells before the words of a pane in one line
TITLED = 48  # cells from which such a line has the pane's title; below it the number alone tells which it is
UNTITLED = 5  # cells before the words without a title
TITLE_ROOM = 22  # cells of the frame's edge that are the title's


class SignalView(Protocol):
    """A view module. `small` and `detail` fit the value into a space; `brief` is one line of it."""

    @property
    def NUMBER(self) -> int | None: ...  # its key; None: it has none

    @property
    def SIGNAL(self) -> str: ...

    @property
    def TITLE(self) -> str: ...

    def small(self, value: Any, space: RenderContext) -> Panel: ...

    def detail(self, value: Any, space: RenderContext) -> Panel: ...

    def brief(self, value: Any, space: RenderContext) -> Line: ...


class SecondaryView(Protocol):
    """An optional part of a view. `beside` draws signals without a pane of their own (`BESIDE`); its foot and rows go
    below the first panel's. `beside_brief` is the same on one line.
    """

    BESIDE: tuple[str, ...]

    def beside(self, space: RenderContext, large: bool) -> Panel: ...

    def beside_brief(self, space: RenderContext) -> tuple[Span, ...]: ...


def _beside(face: SignalView) -> SecondaryView | None:
    return cast("SecondaryView", face) if hasattr(face, "beside") else None


def picture(face: SignalView, reading: Reading | None, space: RenderContext, large: bool = False) -> Panel:
    """The panel of a reading in any state, with the secondary panel."""
    more = _beside(face)
    if more is None:
        return _own(face, reading, space, large)
    second = more.beside(space, large)
    first = _own(face, reading, replace(space, height=max(1, space.height - len(second.foot))), large)
    return below(first, second)


def _own(face: SignalView, reading: Reading | None, space: RenderContext, large: bool) -> Panel:
    state = reading.state(space.now) if reading else State.WAITING
    if reading is None or state is State.WAITING:
        return Panel("calm", ((("waiting for the first answer", "muted"),),))
    if state is State.ABSENT:
        why = plain(reading.error or "its source is not configured")
        return Panel("off", ((("not configured", "text"),), *_sentence(why, space, "muted", 3)))
    if reading.value is None:
        return Panel("stale", ((("no data", "strong"),), *_sentence(f"! {reading.error}", space, "doubt", 4)))
    if state is State.STALE:
        return _stale(face, reading, reading.value, space, large)
    return _whole(face, reading.value, space, large)


def provenance(reading: Reading | None, space: RenderContext) -> Line:
    """The value's source and age, for the right end of the frame."""
    state = reading.state(space.now) if reading else State.WAITING
    if reading is None or state is State.WAITING:
        return (("waiting", "muted"),)
    if state is State.ABSENT:
        return ()
    if reading.value is None:
        return (("NO DATA", "warn"),)
    source = plain(reading.value.source, 60)
    if state is State.STALE:
        old = f"STALE {duration(reading.age(space.now))}"
        fits = cells(source) + cells(old) + 1 <= space.width - TITLE_ROOM
        return ((f"{source} ", "muted"), (old, "warn")) if fits else ((old, "warn"),)
    age = ago(reading.age(space.now))
    whole = f"{source}, {age}" if source else age
    return ((whole if cells(whole) <= space.width - TITLE_ROOM else age, "muted"),)


def brief(face: SignalView, reading: Reading | None, space: RenderContext) -> Line:
    """The pane in one line: number, title, and the value's or the state's words."""
    state = reading.state(space.now) if reading else State.WAITING
    alert_level = space.alert_level
    before = BRIEF_TITLE if space.width >= TITLED else UNTITLED
    room = replace(space, width=max(0, space.width - before))
    if reading is None or state is State.WAITING:
        words: Line = (("waiting", "muted"),)
    elif state is State.ABSENT:
        alert_level, words = "off", (("not configured", "muted"),)
    elif state is State.ERROR:
        alert_level, words = "stale", (("no data  ", "warn"), (plain(reading.error), "muted"))
    elif state is State.STALE:
        alert_level = "stale"
        age = f"STALE {duration(reading.age(space.now))}  "
        words = ((age, "warn"), *dimmed(face.brief(reading.value, room)), (f"  {plain(reading.error or '')}", "muted"))
    else:
        words = face.brief(reading.value, room)
    more = _beside(face)
    if more is not None and (second := more.beside_brief(space)):
        alert_level = reduce(more_urgent, map(space.alert_level_of, more.BESIDE), alert_level)
        words = (*second, ("  ", "muted"), *words)
    ink = TITLES.get(alert_level, "muted")
    mark = MARKS[alert_level] or "  "
    title = column(f"{mark}{face.TITLE.lower()}", before - 3) if before == BRIEF_TITLE else mark
    return fit(((f" {' ' if face.NUMBER is None else face.NUMBER}", "key"), (f" {title}", ink), *words), space.width)


def _whole(face: SignalView, value: Value, space: RenderContext, large: bool) -> Panel:
    """The value's panel, and its notes below."""
    draw = face.detail if large else face.small
    if not value.notes:
        return draw(value, space)
    least = 4 if large else 1 if space.height >= 7 else 0
    drawn = draw(value, replace(space, height=max(0, space.height - least)))
    used = len(drawn.head) + (len(drawn.rows.keys) if drawn.rows else 0) + len(drawn.foot)
    notes = _sentence("  ".join(value.notes), space, "muted", max(least, min(4, space.height - used)))
    return replace(drawn, foot=(*drawn.foot, *notes))


def _stale(face: SignalView, reading: Reading, value: Value, space: RenderContext, large: bool) -> Panel:
    """The last good value, dimmed, and one sentence on why it is the last."""
    why = reading.error or "no newer value has arrived"
    taken = f"! last good {clock(reading.taken_at)}: " if reading.taken_at else "! "
    rows = 2 if large or space.height >= 6 or space.width < 50 else 1
    foot = _sentence(taken + why, space, "doubt", min(rows, max(1, space.height - 1)))
    calm = replace(space, height=max(0, space.height - len(foot)), alert_level="calm")
    drawn = _whole(face, value, calm, large)
    head = tuple(dimmed(line) for line in drawn.head)
    return Panel("stale", head, drawn.rows, (*(dimmed(line) for line in drawn.foot), *foot))


def _sentence(text: str, space: RenderContext, ink: str, rows: int) -> tuple[Line, ...]:
    return tuple(((line, ink),) for line in wrapped(text, space.width, rows))
