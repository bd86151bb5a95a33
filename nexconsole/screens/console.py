"""The console screen: the panes, the bars around them, and the polling that feeds them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen

from ..catalogue import Subject
from ..model import Reading, SourceHealth
from ..panes.pane import Pane
from ..panes.registry import PANES, drawn_in, judged_in
from ..panes.view import SignalView
from ..session.capabilities import Capabilities
from ..session.monitor import Monitor
from ..text.units import clock as clock_words
from ..widgets import banner
from ..widgets.canvas import LineCanvas
from ..widgets.charts import ChartMark
from ..widgets.panel import LOUDNESS, RenderContext
from ..widgets.spans import Line, fit, length
from .page import PageScreen
from .pane_layout import PaneLayout

if TYPE_CHECKING:
    from ..causes.model import Explanation
    from ..settings import Settings
    from ..severity import Severity

BUILT_IN = frozenset(view.SIGNAL for view in PANES)
NOTICE_S = 4.0
CLOCKED = 40  # cells from which the clock stands in the second line, where the first has no room for it
NARROW = 60  # cells below which the first line says the level and its reason, and nothing else
LOUD = ("SEV-1", "SEV-2")
# From so many cells on the screen has the class.
WIDTHS = [(0, "-slim"), (60, "-compact"), (100, "-medium"), (160, "-wide")]
HEIGHTS = [(0, "-flat"), (15, "-low"), (20, "-short"), (34, "-tall")]
# What the strip of keys shows: bindings by id, and (key, word) where several bindings are shown as one.
FIRST_KEYS = ("app.palette", "scenario.open", ("0-9", "pane"), "journal.note", "app.keys", "app.quit", "journal.show")
KEYS: tuple[str | tuple[str, str], ...] = (*FIRST_KEYS, "picture.freeze", "picture.copy", "app.theme")
ROW_KEYS = ("row.actions", "row.open", "row.filter")  # while a row is under the cursor
DOING = ("scenario.open", "journal.note")  # of them, those that a console which is only to be looked at lacks


def _first(severity: Severity | None) -> tuple[str, str] | None:
    """The level and the first of its reasons: what the uppermost line says."""
    if severity is None:
        return None
    return severity.level, severity.reasons[0].text if severity.reasons else ""


class ConsoleScreen(Screen[None]):
    """Shows readings. `show` takes each new one; `clock` and `health` are asked whenever something is drawn."""

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    AUTO_FOCUS = ""
    ALLOW_SELECT = False
    SHOWN_KEYS: ClassVar[tuple[str | tuple[str, str], ...]] = KEYS
    PLACE: ClassVar[str] = "in the panes"  # as the list of keys names it
    BOTTOM: ClassVar[str] = "#keys"  # what stands below all that comes and goes
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(face.NUMBER),
                f"pane('{face.SIGNAL}')",
                face.TITLE,
                id=f"pane.{face.SIGNAL}",
                tooltip=f"Maximize {face.TITLE.lower()}, or restore it",
            )
            for face in PANES
        ),
        Binding(
            "down,j,up,k,space", "rows", "Go", id="pane.rows", tooltip="Go to the rows of what is wrong", show=False
        ),
        Binding("enter", "enlarge", "Maximize", id="pane.focused", tooltip="Maximize the focused pane, or restore it"),
        Binding("escape", "restore", "Restore", id="pane.restore", tooltip="Show all rows again, then all panes"),
        Binding("tab", "app.focus_next", "Next", id="pane.next", tooltip="Go to the next pane", show=False),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "Previous",
            id="pane.previous",
            tooltip="Go to the previous pane",
            show=False,
        ),
        Binding("p", "freeze", "Freeze", id="picture.freeze", tooltip="Freeze the picture, never the polling"),
        Binding("c", "copy", "Copy", id="picture.copy", tooltip="Copy the cursor's row, or the focused pane, as text"),
    ]

    class Attention(Message):
        """The detailed pane, or the open scenario, has changed."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        monitor: Monitor,
        *,
        capabilities: Capabilities,
        drill: str | None = None,
        notice: str = "",
    ) -> None:
        super().__init__()
        self.settings, self.monitor = settings, monitor
        monitor.listeners.append(self.show)
        self.views: tuple[SignalView, ...] = PANES
        self.judged = tuple(name for view in PANES for name in judged_in(view))
        self._severity: Severity | None = None  # that is drawn
        self._clock, self._drill, self._notice = clock, drill, notice
        self.drill = drill
        hidden = DOING if capabilities.silent else ()
        self._keys = tuple(key for key in self.SHOWN_KEYS if key not in hidden)
        self._frozen_at: datetime | None = None
        self._shown: tuple[dict[str, Reading], Severity | None, tuple[SourceHealth, ...]] = ({}, None, ())
        self._explained: Explanation | None = None  # while frozen
        self._alert_levels: dict[str, str] = {}
        self.layout_of_panes = PaneLayout(self, lambda: self.panes, self.alert_level)
        self.replay: str | None = None  # which incident, in a replay
        self.seen_before: tuple[tuple[str, ...], ...] = ()  # the lines of each earlier incident like this one
        self.in_force: tuple[str, ...] = ()  # what was done here and still has an effect, said in calm too
        self.row_wanted: Callable[[Pane, str, Subject | None], None] = lambda pane, what, subject: None
        self.marks: tuple[ChartMark, ...] = ()  # actions, for charts
        self.steps: tuple[str, ...] = ()  # the next step in words: the longest first
        self.hint = ""  # which scenario fits, and the key that opens it

    def compose(self) -> ComposeResult:
        # The classes of the first layout, or everything would be styled and laid out twice before the first paint.
        width, height = self.app.size
        for value, steps in ((width, self.HORIZONTAL_BREAKPOINTS), (height, self.VERTICAL_BREAKPOINTS)):
            self.add_class(next(name for least, name in reversed(steps) if value >= least))
        self.set_class(self._drill is not None, "-drill")
        with Container(id="banner"):
            yield LineCanvas(id="why")
            yield LineCanvas(id="clock")
        yield LineCanvas(id="health")
        with Container(id="panes"):
            for face in PANES:
                yield self._pane(face)
        yield LineCanvas(id="keys")

    def _pane(self, face: SignalView) -> Pane:
        return Pane(face, self.space, lambda pane, what, subject: self.row_wanted(pane, what, subject))

    def on_mount(self) -> None:
        self.set_interval(1.0, self.tick)
        if self._notice:
            self.say(self._notice, 15.0)

    async def watch_more(self, views: tuple[SignalView, ...]) -> None:
        """Show these signals too, each in a line below the panes."""
        if not views or self.query("#more"):
            return
        await self.mount(Container(*map(self._pane, views), id="more"), before="#keys")
        self.views += views
        self.judged += tuple(view.SIGNAL for view in views)
        for view in views:
            self.panes[view.SIGNAL].show(self.pictured[0].get(view.SIGNAL))

    @property
    def readings(self) -> Mapping[str, Reading]:
        """The newest of every signal."""
        return self.monitor.readings

    @property
    def severity(self) -> Severity | None:
        """As judged last."""
        return self.monitor.severity

    @property
    def panes(self) -> dict[str, Pane]:
        """By their signals; none where the console leaves."""
        try:
            return {face.SIGNAL: self.query_one(f"#{face.SIGNAL}", Pane) for face in self.views}
        except NoMatches:
            return {}

    @property
    def now(self) -> datetime:
        """The displayed time; it stops while frozen."""
        return self._frozen_at or self._clock()

    @property
    def frozen_at(self) -> datetime | None:
        return self._frozen_at

    @property
    def alert_levels(self) -> Mapping[str, str]:
        """Of every signal that is not calm."""
        return self._alert_levels

    @property
    def pictured(self) -> tuple[Mapping[str, Reading], Severity | None, tuple[SourceHealth, ...]]:
        """The displayed readings, severity and health: the newest, or the frozen ones."""
        return self._shown if self._frozen_at else (self.readings, self.severity, self.monitor.health())

    @property
    def explanation(self) -> Explanation | None:
        """What it is, of the same moment; None before the first explanation."""
        return self._explained if self._frozen_at else self.monitor.explanation

    def alert_level(self, pane: Pane) -> str:
        """The most urgent level of what a pane draws."""
        return max((self._alert_levels.get(name, "calm") for name in judged_in(pane.face)), key=LOUDNESS.index)

    def space(self, signal: str, width: int, height: int) -> RenderContext:
        """What a pane needs to know to draw itself into so many cells."""
        readings = self._shown[0] if self._frozen_at else self.readings
        alert_level = self._alert_levels.get(signal, "calm")
        return RenderContext(
            width, height, self.now, self.settings, readings, alert_level, self._alert_levels, self.marks
        )

    def show(self, reading: Reading) -> None:
        """Draw what a new reading makes look different; the monitor calls this."""
        before, self._severity = self._severity, self.severity
        if self._frozen_at is None:
            changed = self._judge_moods()
            for face in self.views:
                if changed & drawn_in(face) or reading.signal in drawn_in(face):
                    with contextlib.suppress(NoMatches):  # the console leaves
                        self.query_one(f"#{face.SIGNAL}", Pane).show(self.readings.get(face.SIGNAL))
        if _first(before) != _first(self.severity):  # the same figure stands in the pane that was just drawn
            self._paint_strips()

    def tick(self) -> None:
        """Once a second: clock, ages, and what has become stale."""
        self.monitor.judge()
        if self._frozen_at is None:
            self._severity = self.severity
            self._judge_moods()
            self.layout_of_panes.share()
            for pane in self.panes.values():
                pane.paint()
        self._paint_strips()

    def _judge_moods(self) -> set[str]:
        """Highlight only what causes the present severity. Returns the panes that changed."""
        alert_levels: dict[str, str] = {}
        if (severity := self.severity) is not None:
            for reason in reversed(severity.reasons):
                loud = "alarm" if reason.level in LOUD else "warn"
                alert_levels[reason.signal] = loud if reason.level == severity.level else "minor"
        changed = {name for name in self.judged if alert_levels.get(name) != self._alert_levels.get(name)}
        self._alert_levels = alert_levels
        return changed

    # --- the bars ---------------------------------------------------------------------------------------------

    def _paint_strips(self) -> None:
        try:
            clock = self.query_one("#clock", LineCanvas)
        except NoMatches:  # the console leaves: what was still under way has nowhere to say how it went
            return
        readings, severity, sources = self.pictured
        width = self.size.width
        narrow = width < NARROW
        right: Line = () if narrow else self._right()
        clock.show_lines((right,))
        room = max(0, width - length(right))
        where = () if narrow else banner.environment(self.settings, self._drill, self.replay)
        state: Line = ()
        if self._frozen_at:
            newer = (
                self.severity.level if self.severity and severity and self.severity.level != severity.level else None
            )
            state = banner.frozen(self._frozen_at, newer)
        judged = {name: readings[name] for name in self.judged if name in readings}
        head = (*where, *state, *(() if narrow else ((" ", "text"),)))
        why = self._verdict(severity, judged, max(0, room - length(head)))
        self.query_one("#why", LineCanvas).show_lines((fit((*head, *why), room),))
        self.query_one("#health", LineCanvas).show_lines((self._second(sources, width),))
        bound = banner.bound_keys(type(self.app), type(self), Pane)
        row = ROW_KEYS if self.subject is not None and self.replay is None else ()
        gone = {"app.quit"} if self.app.is_web else set()  # there is nothing to leave
        there = [key for key in (*row, *self._keys) if key not in gone and not banner.outdated(key)]
        shown = [
            key if isinstance(key, tuple) else bound[key] for key in there if key in bound or isinstance(key, tuple)
        ]
        if self.has_class("-maximized"):
            shown.insert(0, (bound["pane.restore"][0], "all panes"))
        keys = banner.keys(shown, width, self._drill, self._notice, self.replay)
        self.query_one("#keys", LineCanvas).show_lines((keys,))

    def _verdict(self, severity: Severity | None, judged: Mapping[str, Reading], width: int) -> Line:
        steps = () if self._frozen_at else self.steps
        cause, named = self.cause_words(severity)
        return banner.verdict(severity, judged, self.now, width, self.in_force, self.judged, steps, cause, named)

    def cause_words(self, severity: Severity | None) -> tuple[tuple[str, ...], bool]:
        """What the first line says of the cause, the longest wording first, and whether it names one."""
        explanation = self.explanation
        if explanation is None or severity is None:
            return (), False
        from ..causes.wording import headlines  # nothing that the first paint waits for

        return headlines(explanation, self.now, self.settings, severity.level), bool(explanation.named)

    def _right(self) -> Line:
        return ((f" {clock_words(self._clock())}Z ", "text"),)

    def _second(self, sources: tuple[SourceHealth, ...], width: int) -> Line:
        where: Line = ()
        right: Line | None = None
        if width < NARROW:  # the level has the first line to itself
            where = banner.environment(self.settings, self._drill, self.replay, short=True)
            right = self._right() if width >= CLOCKED else ()
        return banner.second(self.settings, sources, self.now, width, self.hint, where, right)

    def say(self, text: str, seconds: float = NOTICE_S) -> None:
        """Show a notice in the bottom bar for a moment, or on the page over it."""
        if isinstance(page := self.app.screen, PageScreen):
            page.say(text, seconds)
        self._notice = text
        self._paint_strips()
        self.set_timer(seconds, lambda: self._unsay(text))

    def _unsay(self, text: str) -> None:
        if self._notice == text:
            self._notice = ""
            self._paint_strips()

    def on_resize(self) -> None:
        self.call_after_refresh(self.layout_of_panes.share)
        self._paint_strips()
        self.call_after_refresh(self._paint_strips)

    def make_room(self, lines: int) -> None:
        """Take lines for the operation bar from the lower panes, as far as they can spare them."""
        if lines != self.layout_of_panes.bar_lines:
            self.layout_of_panes.bar_lines = lines
            self.layout_of_panes.share()

    # --- the keys ---------------------------------------------------------------------------------------------

    @property
    def maximized_pane(self) -> Pane | None:
        return next((pane for pane in self.panes.values() if pane.large), None)

    @property
    def subject(self) -> Subject | None:
        """What the row under the cursor stands for."""
        pane = self.focused if isinstance(self.focused, Pane) else self.maximized_pane
        return pane.subject if pane is not None else None

    def on_pane_cursor(self) -> None:
        self._paint_strips()

    def action_pane(self, signal: str) -> None:
        """Maximize this pane; restore it if it is."""
        pane, large = self.panes[signal], self.maximized_pane
        if large is not None:
            self._leave(large)
        if pane is large:
            return
        pane.add_class("-maximized", update=False)
        self.add_class("-maximized")
        self.set_class(signal not in BUILT_IN, "-more")
        pane.enlarge(True)
        pane.focus()
        self.post_message(self.Attention())
        self._paint_strips()

    def on_click(self, event: events.Click) -> None:
        """A click on why the level is what it is opens the list of reasons."""
        if event.widget is not None and event.widget.id == "why":
            event.stop()
            self.app.run_worker(self.app.run_action("app.why"), group="why")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "enlarge":
            return self.focused is None or isinstance(self.focused, Pane)
        if action == "rows":
            return self.focused is None or (isinstance(self.focused, Pane) and self.focused.subject is None)
        if action == "restore":
            return self.maximized_pane is not None or self.focused is not None
        return super().check_action(action, parameters)

    def action_enlarge(self) -> None:
        if isinstance(self.focused, Pane):
            self.action_pane(self.focused.face.SIGNAL)
        else:
            self.action_rows()

    def action_rows(self) -> None:
        focused = self.focused if isinstance(self.focused, Pane) else self.maximized_pane
        if (pane := focused or self.layout_of_panes.worst()) is not None:
            pane.enter_rows()

    def action_restore(self) -> None:
        large = self.maximized_pane
        pane = self.focused if isinstance(self.focused, Pane) else large
        if pane is not None and pane.filter:
            pane.narrow("")
        elif large is not None:
            self._leave(large)
        else:
            self.set_focus(None)

    def _leave(self, pane: Pane) -> None:
        pane.remove_class("-maximized", update=False)
        self.remove_class("-maximized", "-more")
        pane.enlarge(False)
        self.post_message(self.Attention())
        self._paint_strips()

    def action_freeze(self) -> None:
        """Freeze the picture, or show the newest again."""
        if self._frozen_at is None:
            self._shown = (dict(self.readings), self.severity, self.monitor.health())
            self._explained = self.monitor.explanation
            self._frozen_at = self._clock()
            self._paint_strips()
            return
        self._frozen_at = None
        for face in self.views:
            self.query_one(f"#{face.SIGNAL}", Pane).reading = self.readings.get(face.SIGNAL)
        self.tick()

    def action_copy(self) -> None:
        pane = self.focused if isinstance(self.focused, Pane) else self.maximized_pane
        if pane is None:
            pane_key, copy_key = map(banner.key_of, ("pane.next", "picture.copy"))
            self.say(f"nothing is focused: {pane_key} goes to a pane, then {copy_key} copies it")
            return
        what, text = pane.copied()
        self.app.copy_to_clipboard(text)
        self.say(f"copied this {what} of {pane.face.TITLE.lower()} to the terminal's clipboard")
