"""Why: every reason behind the level, the causes first; what is not known; what was changed and is still in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..model import State
from ..panes.registry import drawn_in
from ..severity import SOURCES, Reason
from ..text.units import clock, duration, several
from ..widgets.banner import BLOCKS
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, cells, plain, wrapped
from .dialog import along
from .page import PageScreen

if TYPE_CHECKING:
    from ..model import Reading
    from ..panes.view import SignalView
    from .console import ConsoleScreen

FRAME = 4  # cells at the sides
INDENT = 8  # cells of the level before a sentence
MOST_LINES = 3  # of one sentence


@dataclass(frozen=True)
class WhyItem:
    """One reason, unknown or change. `mark` stands before its sentence; `more` is said below it, dimmed.

    `signal` is where Enter leads: to its pane; "" for the journal.
    """

    key: str
    mark: str
    ink: str
    text: str
    more: str
    signal: str


class WhyScreen(PageScreen[None]):
    """Drawn anew once a second; the cursor stays on its reason. A frozen picture has frozen reasons."""

    CSS_PATH = paths.STYLES / "why.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the list of reasons"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w,q", "close", "Back", id="why.close", tooltip="Back to where you were"),
        Binding("enter", "jump", "Go there", id="why.jump", tooltip="Maximize the pane that shows it"),
        *along("why"),
    ]

    def __init__(self, console: ConsoleScreen, go: Callable[[str], None]) -> None:
        super().__init__()
        self._panes, self._go = console, go
        self._items: tuple[tuple[str, tuple[WhyItem, ...]], ...] = ()
        self._key = ""
        self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="reasons"):
            yield LineCanvas(id="reasons-lines")
            yield LineCanvas(id="reasons-keys")

    def on_mount(self) -> None:
        self._take()
        self.set_interval(1.0, self.paint)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def _take(self) -> None:
        """The list by now; the cursor stays on its item, or goes to the first where that is gone."""
        self._items = tuple((head, items) for head, items in sections(self._panes) if items)
        listed = self._listed
        if listed and all(item.key != self._key for item in listed):
            self._key = listed[0].key

    # --- keys -------------------------------------------------------------------------------------------------

    @property
    def _listed(self) -> list[WhyItem]:
        return [item for _, items in self._items for item in items]

    def action_move(self, by: int) -> None:
        listed = self._listed
        if listed:
            at = next((n for n, item in enumerate(listed) if item.key == self._key), 0)
            self._key = listed[max(0, min(len(listed) - 1, at + by))].key
        self.paint()

    def action_jump(self) -> None:
        """To what shows the reason under the cursor."""
        item = next((item for item in self._listed if item.key == self._key), None)
        if item is not None:
            self.dismiss(None)
            self.app.call_later(self._go, item.signal)

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#reasons-lines", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        self._take()
        lines, begins = self._lines(width - FRAME)
        listing = Listing([str(n) for n in range(len(lines))], lines.__getitem__)
        picture = Panel("calm", (), listing)
        self._follow(begins, len(lines), sight(picture, height))
        severity = self._panes.pictured[1]
        level = severity.level if severity is not None else "none"
        title = "Why calm" if level == "none" else f"Why {level}"
        many = len(severity.reasons) if severity is not None else 0
        aside: Line = ((several(many, "reason"), "muted"),)
        frame = PanelFrame(title, aside, True, self._top, begins.get(self._key))
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#reasons-keys", LineCanvas).show_lines((self.foot(width),))

    def _lines(self, width: int) -> tuple[list[Line], dict[str, int]]:
        """Every line, and at which one each item begins."""
        lines: list[Line] = []
        begins: dict[str, int] = {}
        for head, items in self._items:
            lines += [(), ((head, "figure"),)] if lines else [((head, "figure"),)]
            for item in items:
                begins[item.key] = len(lines)
                lines += _drawn(item, width, first=not lines[1:])
        return lines, begins

    def _follow(self, begins: dict[str, int], total: int, seen: int) -> None:
        """Keep the whole item under the cursor in sight, and the heading above the first."""
        at = begins.get(self._key, 0)
        end = min((begin for begin in begins.values() if begin > at), default=total)
        first = 0 if at == min(begins.values(), default=0) else at
        self._top = min(max(self._top, end - seen), first)
        self._top = max(0, min(self._top, total - seen))


def _drawn(item: WhyItem, width: int, *, first: bool) -> list[Line]:
    """The first reason is what the eye lands on: the others' levels are words."""
    room = max(8, width - INDENT)
    begin, *others = wrapped(plain(item.text), room, MOST_LINES) or [""]
    mark = f" {item.mark} " if item.mark in BLOCKS else item.mark
    block = BLOCKS.get(item.mark, item.ink)
    ink, words = (block, "strong") if first else (block.removeprefix("block-"), "text")
    gap = " " * (INDENT - cells(mark)) if cells(mark) < INDENT else " "
    lines: list[Line] = [((mark, ink), (gap, "text"), (begin, words))]
    lines += [((" " * INDENT, "text"), (line, words)) for line in others]
    lines += [((" " * INDENT, "text"), (line, "muted")) for line in wrapped(plain(item.more), room, 2)]
    return lines


def sections(console: ConsoleScreen) -> Iterator[tuple[str, tuple[WhyItem, ...]]]:
    """The parts of the list as (heading, items), those without items too."""
    severity = console.pictured[1]
    reasons = severity.reasons if severity is not None else ()
    yield "causes first", tuple(_causes(reasons, console))
    yield "not known", tuple(_unknown(console))
    yield (
        "changed here, and still in force",
        tuple(WhyItem(f"force {n}", "●", "warn", text, "", "") for n, text in enumerate(console.in_force)),
    )


def _causes(reasons: Iterable[Reason], console: ConsoleScreen) -> Iterator[WhyItem]:
    """The reasons in their order; of several that are alike each has a number, so that the cursor stays on its own."""
    alike: Counter[tuple[str, str, str]] = Counter()
    for reason in reasons:
        same = reason.signal, reason.about, reason.level
        yield _reason(reason, alike[same], console)
        alike[same] += 1


def _reason(reason: Reason, number: int, console: ConsoleScreen) -> WhyItem:
    since = console.monitor.since(reason)
    parts = [
        f"since {clock(since.at)[:5]}{'' if since.seen else ' or earlier'}" if since is not None else "",
        _where(reason.signal, console),
        _age(reason),
        f"explains {', '.join(reason.explains)}" if reason.explains else "",
        reason.outlook,
        f"next: {reason.step}" if reason.step else "",
    ]
    key = f"reason {reason.signal} {reason.about} {reason.level}"
    said = "; ".join(filter(None, parts))
    return WhyItem(f"{key} {number}", reason.level, "strong", reason.text, said, reason.signal)


def _age(reason: Reason) -> str:
    if reason.signal == SOURCES or reason.age_s is None:
        return ""
    return f"read {duration(reason.age_s)} ago{', and not since' if reason.stale else ''}"


def _unknown(console: ConsoleScreen) -> Iterator[WhyItem]:
    """Silent sources, signals that were never read, and readings that are old."""
    readings, severity, sources = console.pictured
    for source in sources:
        if source.state is State.ERROR:
            quiet = f"no answer since {clock(source.ok_at)}" if source.ok_at is not None else "never answered"
            yield WhyItem(f"source {source.name}", "?", "doubt", f"{source.name}: {source.error}", quiet, SOURCES)
    for sentence in severity.unanswered if severity is not None else ():
        yield WhyItem(f"unanswered {sentence}", "?", "doubt", sentence, "", SOURCES)
    names = dict.fromkeys((*(severity.unknown if severity is not None else ()), *readings))
    for name in names:
        if (said := _silence(readings.get(name), console)) is not None:
            yield WhyItem(f"signal {name}", "?", "doubt", f"{name}: {said}", _where(name, console), name)


def _silence(reading: Reading | None, console: ConsoleScreen) -> str | None:
    """Why a signal is not known by now; None where it is, or is not there to be read."""
    if reading is None:
        return "nothing was read yet"
    state = reading.state(console.now)
    if state in (State.FRESH, State.ABSENT):
        return None
    why = reading.error or ("no newer value has arrived" if reading.value is not None else "nothing was read yet")
    age = reading.age(console.now)
    return why if age is None else f"last read {duration(age)} ago: {why}"


def pane_of(signal: str, console: ConsoleScreen) -> SignalView | None:
    """The pane that draws this signal; None for what has none."""
    own = next((view for view in console.views if view.SIGNAL == signal), None)
    return own or next((view for view in console.views if signal in drawn_in(view)), None)


def _where(signal: str, console: ConsoleScreen) -> str:
    """`pane 1, transactions`; where a source's own silence stands."""
    if signal == SOURCES:
        return "the second line shows the sources"
    view = pane_of(signal, console)
    if view is None:
        return signal
    return f"pane {view.NUMBER}, {view.TITLE.lower()}" if view.NUMBER is not None else f"pane {view.TITLE.lower()}"
