"""A pane's content as data, and the frame around it; pure, testable without a screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from .spans import BLANK, Line, cells, dimmed, fit, length

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..model import Reading
    from ..settings import Settings
    from .charts import ChartMark

MARKS = {"calm": "", "minor": "▲ ", "warn": "▲ ", "alarm": "▲ ", "stale": "~ ", "off": "○ "}
INK_OF_MOOD = {"minor": "warn", "warn": "warn", "alarm": "alarm"}
TITLES = {"alarm": "alarm", "warn": "warn", "minor": "warn", "stale": "warn", "off": "muted"}
FRAMES = {"warn": "frame-warn", "alarm": "frame-alarm"}


@dataclass(frozen=True)
class Listing:
    """Rows drawn one by one, so that only those in sight cost anything: `draw(n)` gives the line of `keys[n]`.

    `subject(n)` is what that row stands for; None for a heading and a blank line. `columns` are what the first
    `sortable` rows (None: all) may be sorted by, each a name and that row's value: a number, a word, or None.
    """

    keys: Sequence[str]
    draw: Callable[[int], Line]
    subject: Callable[[int], Subject | None] = field(default=lambda n: None)
    columns: tuple[tuple[str, Callable[[int], float | str | None]], ...] = ()
    sortable: int | None = None

    def has_cursor(self, n: int) -> bool:
        """Whether the cursor stops there: on what stands for something, or anywhere where nothing does."""
        return self.subject(n) is not None or not any(self.subject(k) is not None for k in range(len(self.keys)))


@dataclass(frozen=True)
class Panel:
    """A pane's inside. `alert_level` is calm, minor, warn, alarm, stale or off; rows scroll between head and foot.

    The foot follows the rows: what it says is not to be looked for across empty lines.
    """

    alert_level: str = "calm"
    head: tuple[Line, ...] = ()
    rows: Listing | None = None
    foot: tuple[Line, ...] = ()


@dataclass(frozen=True)
class RenderContext:
    """Where and when a panel is drawn: its inside in cells, the time (UTC), the settings, all readings by signal.

    `alert_level` is what the severity rules make of this signal: calm; alarm or warn, where it makes the severity what
    it is; minor, where something else is worse. `alert_levels` are those of every signal that is not calm. `marks` are
    the actions of the last hour or so, for charts.
    """

    width: int
    height: int
    now: datetime
    settings: Settings
    readings: Mapping[str, Reading] = field(default_factory=dict)
    alert_level: str = "calm"
    alert_levels: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[ChartMark, ...] = ()

    def alert_level_of(self, signal: str) -> str:
        """Another signal's mood."""
        return self.alert_levels.get(signal, "calm")

    @property
    def ink(self) -> str:
        """The ink of what is wrong here: as loud as the mood, and no louder."""
        return INK_OF_MOOD.get(self.alert_level, "text")

    def mood_or(self, doubtful: bool) -> str:
        """The mood; at least `minor` where the figures hold something that no severity rule speaks of."""
        return "minor" if doubtful and self.alert_level == "calm" else self.alert_level


LOUDNESS = ("off", "calm", "minor", "stale", "warn", "alarm")


def more_urgent(one: str, other: str) -> str:
    """The mood that matters more."""
    return max(one, other, key=LOUDNESS.index)


def below(first: Panel, second: Panel) -> Panel:
    """Both in one: the second's rows and foot below the first's. A stale first one stays dimmed in a louder frame."""
    rows = first.rows
    if first.alert_level == "stale" and rows is not None:
        rows = _dimmed(rows)
    if second.rows is not None:
        rows = _joined(rows, second.rows) if rows is not None else second.rows
    return Panel(more_urgent(first.alert_level, second.alert_level), first.head, rows, (*first.foot, *second.foot))


def _dimmed(rows: Listing) -> Listing:
    return replace(rows, draw=lambda n: dimmed(rows.draw(n)))


def _joined(first: Listing, second: Listing) -> Listing:
    many = len(first.keys)
    return Listing(
        (*first.keys, *second.keys),
        lambda n: first.draw(n) if n < many else second.draw(n - many),
        lambda n: first.subject(n) if n < many else second.subject(n - many),
        first.columns,
        many,
    )


@dataclass(frozen=True)
class PanelFrame:
    """How a picture is framed: `title` at the left of the edge, `aside` at its right; the cursor as a row's index.

    `beside` is said behind the title where there is room: the longest wording first.
    """

    title: str
    aside: Line
    focused: bool = False
    top: int = 0
    cursor: int | None = None
    beside: tuple[str, ...] = ()


def sight(picture: Panel, height: int) -> int:
    """How many rows of the listing are in sight inside a frame of `height` lines."""
    return max(0, height - 2 - len(picture.head) - len(picture.foot)) if picture.rows else 0


def framed(picture: Panel, frame: PanelFrame, width: int, height: int) -> tuple[Line, ...]:
    """Exactly `height` lines of exactly `width` cells."""
    ink = FRAMES.get(picture.alert_level, "frame")
    if frame.focused and ink == "frame":
        ink = "frame-focus"
    quiet = picture.alert_level in ("stale", "off")
    left, edge, right = ("┏", "━", "┓") if frame.focused else ("╭", "┄" if quiet else "─", "╮")
    side = "┃" if frame.focused else "┆" if quiet else "│"
    inside = max(0, width - 4)
    lines = [_top(picture, frame, ink, (left, edge, right), width)]
    seen = sight(picture, height)
    rows = _rows(picture, frame, seen, inside)
    gap = [BLANK] if picture.foot and picture.foot[0] and 0 < len(rows) < seen - 1 else []
    body = [*picture.head, *rows, *gap, *picture.foot][: max(0, height - 2)]
    body += [BLANK] * (height - 2 - len(body))
    thumb = _thumb(picture, frame.top, seen)
    for y, line in enumerate(body):
        marked = frame.cursor is not None and y == len(picture.head) + frame.cursor - frame.top
        bar = "▐" if y - len(picture.head) in thumb else side
        lines.append(
            (
                (side, ink),
                (">" if marked else " ", "cursor" if marked else "text"),
                *fit(line, inside),
                (" ", "cursor" if marked else "text"),
                (bar, ink),
            )
        )
    left, right = ("┗", "┛") if frame.focused else ("╰", "╯")
    lines.append(_bottom(picture, frame, ink, (left, edge, right), width, seen))
    if width < 8:
        return tuple(fit(line, width) for line in lines[: max(0, height)])
    lines[0], lines[-1] = fit(lines[0], width), fit(lines[-1], width)
    return tuple(lines[: max(0, height)])


def _rows(picture: Panel, frame: PanelFrame, seen: int, width: int) -> list[Line]:
    if picture.rows is None:
        return []
    last = min(len(picture.rows.keys), frame.top + seen)
    lines = []
    for index in range(frame.top, last):
        line = fit(picture.rows.draw(index), width)
        if picture.alert_level == "stale":
            line = dimmed(line)
        lines.append(_under_cursor(line) if index == frame.cursor else line)
    return lines


def _under_cursor(line: Line) -> Line:
    """The line in the cursor's colours. A block, such as the level, keeps its own: it is what the row is about."""
    return tuple((text, ink if ink.startswith("block-") else "cursor") for text, ink in line)


def _thumb(picture: Panel, top: int, seen: int) -> range:
    total = len(picture.rows.keys) if picture.rows else 0
    if total <= seen or seen < 2:
        return range(0)
    size = max(1, seen * seen // total)
    start = round(top / (total - seen) * (seen - size))
    return range(start, start + size)


def _top(picture: Panel, frame: PanelFrame, ink: str, corners: tuple[str, str, str], width: int) -> Line:
    left, edge, right = corners
    mark = MARKS.get(picture.alert_level, "")
    title = f" {mark}{frame.title} "
    title_ink = TITLES.get(picture.alert_level, "text")
    aside = ((" ", ink), *frame.aside, (" ", ink)) if frame.aside else ()
    room = width - 4 - length(((title, title_ink),)) - length(aside)
    if room < 1:
        aside = ()
        room = max(0, width - 4 - length(((title, title_ink),)))
    words = next((f"{edge} {each} " for each in frame.beside if cells(each) + 4 <= room), "")
    beside: Line = ((words[:1], ink), (words[1:], "text")) if words else ()
    return (
        (left + edge, ink),
        (title, title_ink),
        *beside,
        (edge * (room - cells(words)), ink),
        *aside,
        (edge + right, ink),
    )


def _bottom(picture: Panel, frame: PanelFrame, ink: str, corners: tuple[str, str, str], width: int, seen: int) -> Line:
    left, edge, right = corners
    total = len(picture.rows.keys) if picture.rows else 0
    place = f" {frame.top + 1}-{min(total, frame.top + seen)} of {total} " if total > seen > 0 else ""
    if total and not seen:
        place = f" {total} more "
    return ((left + edge * max(0, width - 4 - len(place)), ink), (place, "muted"), (edge * 2 + right, ink))
