"""Why: what it is and since when, with its evidence; what changed, whom it hurts, when it ends; every reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..causes.change_wording import CHANGES
from ..panes.registry import drawn_in
from ..severity import SOURCES
from ..text.units import several
from ..widgets.banner import BLOCKS, key_of
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, cells, column, length, plain, spread, wrapped
from .dialog import along, on_row
from .page import PageScreen
from .why_items import CHANGE, JOURNAL, PANE, REMEDY, SCENARIO, Part, WhyContext, WhyItem, sections

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..causes.model import Candidate
    from ..panes.view import SignalView
    from .console import ConsoleScreen

FRAME = 4  # cells at the sides
INDENT = 8  # cells of the level before a sentence
MOST_LINES = 3  # of one sentence
WIDE = 100  # cells from which a reading stands with all its words
LEAST = 24  # cells that a sentence keeps beside it


@dataclass(frozen=True)
class WhyLinks:
    """What its keys reach elsewhere. `pane` of a signal, `changes` with the id of one of them, `scenario` and `remedy`
    of a cause. `scenario_title` and `action_title` are "" for what is not known here."""

    pane: Callable[[str], None]
    journal: Callable[[], None]
    changes: Callable[[str], None]
    scenario: Callable[[Candidate], None]
    remedy: Callable[[Candidate], None]
    scenario_title: Callable[[str], str] = lambda id: ""
    action_title: Callable[[str], str] = lambda name: ""


class WhyScreen(PageScreen[None]):
    """Drawn anew once a second; the cursor stays on its item. A frozen picture has frozen causes and reasons."""

    CSS_PATH = paths.STYLES / "why.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the list of reasons"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w,q", "close", "Back", id="why.close", tooltip="Back to where you were"),
        Binding("enter", "jump", "Go there", id="why.jump", tooltip="To what shows it, or to its steps"),
        Binding("s", "scenario", "Scenario", id="why.scenario", tooltip="Open the steps for the cause"),
        Binding("r", "remedy", "Remedy", id="why.remedy", tooltip="Do what the cause asks for; it is confirmed first"),
        Binding("tab", "unfold", "All lines", id="why.unfold", tooltip="List every line, or the first of each part"),
        *on_row("why"),
        *along("why"),
    ]

    def __init__(self, console: ConsoleScreen, links: WhyLinks) -> None:
        super().__init__()
        self._panes, self._links = console, links
        self._parts: tuple[Part, ...] = ()
        self._key = ""
        self._top = self._at = 0
        self._unfolded = False

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
        parts = (
            (head, tuple(item for item in items if self._kept(item))) for head, items in sections(self._known_now())
        )
        self._parts = tuple((head, items) for head, items in parts if items)
        listed = self._listed
        if listed and all(item.key != self._key for item in listed):
            self._key = listed[0].key

    def _kept(self, item: WhyItem) -> bool:
        return not self.filter or self.filtered(f"{item.mark} {item.text} {item.more} {item.basis}")

    def _known_now(self) -> WhyContext:
        console = self._panes
        readings, severity, sources = console.pictured
        return WhyContext(
            readings=readings,
            severity=severity,
            sources=sources,
            explanation=console.explanation,
            now=console.now,
            settings=console.settings,
            where=lambda signal: _where(signal, console),
            since=console.monitor.since,
            scenario_title=self._links.scenario_title,
            action_title=self._links.action_title,
            scenario_key=key_of("why.scenario", WhyScreen),
            remedy_key=key_of("why.remedy", WhyScreen),
            in_force=console.in_force,
            seen_before=console.seen_before,
            unexplained=console.monitor.unexplained,
            unfolded=self._unfolded or bool(self.filter),
        )

    # --- keys -------------------------------------------------------------------------------------------------

    @property
    def _listed(self) -> list[WhyItem]:
        return [item for _, items in self._parts for item in items]

    @property
    def _item(self) -> WhyItem | None:
        return next((item for item in self._listed if item.key == self._key), None)

    @property
    def subject(self) -> Subject | None:
        """What the row under the cursor stands for; beneath a cause its target."""
        item = self._item
        return (item.subject or self._head_of(item).subject) if item is not None else None

    def _head_of(self, item: WhyItem) -> WhyItem:
        """The item beneath which this one stands; itself where it stands beneath none."""
        listed = self._listed
        at = listed.index(item)
        return next((each for each in reversed(listed[: at + 1]) if not each.inner), item)

    @property
    def _candidate(self) -> Candidate | None:
        """The cause under the cursor, else the first that is named."""
        item, explanation = self._item, self._panes.explanation
        if explanation is None:
            return None
        key = self._head_of(item).key.removeprefix("cause ") if item is not None else ""
        found = (each for each in (*explanation.candidates, *explanation.ruled_out) if each.key == key)
        return next(found, None) or next(iter(explanation.named), None)

    @property
    def cursor_at(self) -> tuple[int, int]:
        return 0, 3 + self._at - self._top

    def lists(self, subject: Subject) -> bool:
        return any(item.subject is not None and item.subject.id == subject.id for item in self._listed)

    def action_move(self, by: int) -> None:
        listed = self._listed
        if listed:
            at = next((n for n, item in enumerate(listed) if item.key == self._key), 0)
            self._key = listed[max(0, min(len(listed) - 1, at + by))].key
        self.paint()

    def action_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self.paint()

    def action_jump(self) -> None:
        """To what shows the item under the cursor."""
        item = self._item
        if item is None or not item.lead[0]:
            return
        kind, of = item.lead
        if kind in (SCENARIO, REMEDY):
            self._help(kind)
        elif kind == PANE and of not in (SOURCES, CHANGES) and pane_of(of, self._panes) is None:
            self.say(f"{of} has no pane: what is known of it stands here")
        else:
            links = self._links
            go: Mapping[str, Callable[[], None]] = {
                PANE: lambda: links.pane(of),
                JOURNAL: links.journal,
                CHANGE: lambda: links.changes(of),
            }
            self.dismiss(None)
            self.app.call_later(go[kind])

    def action_scenario(self) -> None:
        self._help(SCENARIO)

    def action_remedy(self) -> None:
        self._help(REMEDY)

    def _help(self, kind: str) -> None:
        """The steps for the cause under the cursor, or its remedy, which asks for confirmation as from anywhere."""
        candidate = self._candidate
        has = candidate is not None and (candidate.cause.scenario if kind == SCENARIO else candidate.cause.remedy)
        if candidate is None or not has:
            what = "steps" if kind == SCENARIO else "remedy"
            self.say(f"the runbook has no {what} for it" if candidate is not None else f"{what}: no cause is listed")
            return
        self.dismiss(None)
        self.app.call_later(self._links.scenario if kind == SCENARIO else self._links.remedy, candidate)

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
        listed = len(self._listed)
        frame = PanelFrame(f"{title}{self.filter_words(listed, listed)}", aside, True, self._top, begins.get(self._key))
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#reasons-keys", LineCanvas).show_lines((self.foot(width),))

    def _lines(self, width: int) -> tuple[list[Line], dict[str, int]]:
        """Every line, and at which one each item begins."""
        lines: list[Line] = []
        begins: dict[str, int] = {}
        for head, items in self._parts:
            lines += [(), ((head, "figure"),)] if lines else [((head, "figure"),)]
            for item in items:
                begins[item.key] = len(lines)
                drawn = _inner if item.inner else _drawn
                lines += drawn(item, width, first=not lines[1:])
        self._at = begins.get(self._key, 0)
        return lines, begins

    def _follow(self, begins: dict[str, int], total: int, seen: int) -> None:
        """Keep the whole item under the cursor in sight, and the heading above the first."""
        at = begins.get(self._key, 0)
        end = min((begin for begin in begins.values() if begin > at), default=total)
        first = 0 if at == min(begins.values(), default=0) else at
        self._top = min(max(self._top, end - seen), first)
        self._top = max(0, min(self._top, total - seen))


def _drawn(item: WhyItem, width: int, *, first: bool) -> list[Line]:
    """The first item is what the eye lands on: the others' levels are words."""
    mark = f" {item.mark} " if item.mark in BLOCKS else item.mark
    block = BLOCKS.get(item.mark, item.ink)
    ink, words = (block, "strong") if first else (block.removeprefix("block-"), "text")
    words = "muted" if item.ink == "muted" and not first else words
    gap = " " * (INDENT - cells(mark)) if cells(mark) < INDENT else " "
    lines = _based(item, ((mark, ink), (gap, "text")), words, MOST_LINES, width)
    room = max(8, width - INDENT)
    return [*lines, *(((" " * INDENT, "text"), (line, "muted")) for line in wrapped(plain(item.more), room, 2))]


def _inner(item: WhyItem, width: int, *, first: bool) -> list[Line]:
    """A line beneath a cause."""
    words = "text" if item.ink in ("text", "warn", "note") else "muted"
    mark = f"{' ' * (INDENT - 3)}{column(plain(item.mark, 1), 3)}"
    return _based(item, ((mark, item.ink),), words, 2, width)


def _based(item: WhyItem, mark: Line, words: str, most: int, width: int) -> list[Line]:
    """The sentence, and at the right of its first line the reading that it rests on, where there is room for both."""
    basis = plain(item.basis)
    if width < WIDE:
        basis = basis.removesuffix(" ago").replace(", ", " ")
    room = max(8, width - length(mark))
    basis = basis if room - cells(basis) - 2 >= LEAST else ""
    first, *others = wrapped(plain(item.text), room - (cells(basis) + 2 if basis else 0), most) or [""]
    line: Line = (*mark, (first, words))
    begin = spread(line, ((basis, "muted"),), width) if basis else line
    return [begin, *(((" " * INDENT, "text"), (other, words)) for other in others)]


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
