"""A scenario's steps as they stand, with a cursor: moving in it and reading it records nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from ..model import value_of
from ..runbook.model import Branch, Scenario
from ..runbook.progress import StepState
from ..runbook.resolution import resolve
from ..text.units import clock_minute
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, cut, plain, wrapped
from .scenario_closing import closing_lines
from .scenario_lines import LOW, ONE_LINE, StepLines
from .scenario_rows import CLOSING, ScenarioRow, ScenarioRows, closing_row, rows_of

if TYPE_CHECKING:
    from ..runbook.resolution import Fit
    from ..session.session import Session
    from .action_controller import ActionController
    from .dialogs import Dialogs

STRAYED_S = 0.7  # how long nothing is done to the row that the cursor has come to by itself
WHEEL = 3  # lines
MOST_HERE = 8  # lines that the row under the cursor may take beyond those of another row


@dataclass(frozen=True)
class ScenarioLinks:
    """What a scenario's keys reach elsewhere. `fits`: what fits by now; `open` opens another one by its id."""

    logs: Callable[[str], None]
    close: Callable[[], None]
    open: Callable[[str], None]
    close_incident: Callable[[], None]
    fits: Callable[[], tuple[Fit, ...]]


class ScenarioView(LineCanvas, can_focus=True):
    """One scenario. `actions` takes its actions, `links` are what else its keys do. `target`: what the cause that it is
    for is about, by the names of arguments; it is suggested and stands in for what no look has found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "next_do", "Next action", id="step.do", tooltip="Go to the next action"),
        Binding("z", "unfold", "Unfold", id="step.unfold", tooltip="Open or fold the branches that do not apply"),
        Binding("down,j", "move(1)", "Down", id="step.down", tooltip="Next step", show=False),
        Binding("up,k", "move(-1)", "Up", id="step.up", tooltip="Previous step", show=False),
        Binding("pagedown", "scroll_page(1)", "Read on", id="step.pagedown", tooltip="Scroll down", show=False),
        Binding("pageup", "scroll_page(-1)", "Read back", id="step.pageup", tooltip="Scroll up", show=False),
        Binding("escape", "leave", "Close", id="step.leave", tooltip="Close the scenario; nothing is lost"),
        Binding("c", "copy", "Copy", id="step.copy", tooltip="Copy the scenario as it stands"),
    ]

    def __init__(
        self,
        scenario: Scenario,
        session: Session,
        dialogs: Dialogs,
        actions: ActionController,
        links: ScenarioLinks,
        target: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(id="scenario")
        self.scenario, self._session, self._dialogs, self._actions = scenario, session, dialogs, actions
        self._links, self._target = links, target or {}
        self.steps = ScenarioRows(scenario)
        self._at = ""
        self._seen = ""  # the row that the cursor is on by what is on screen
        self._strayed_at = -STRAYED_S  # when its row was no longer there
        self._unfolded: set[str] = set()
        self._top = 0
        self._reading = False  # scrolled by hand: the cursor may be out of sight
        self._cursor_in_sight = True

    def on_mount(self) -> None:
        self._resolve()
        self._at = self.steps.next_person() or self.steps.nearest(0)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.paint()

    # --- what stands where ------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        session = self._session
        walk = session.walk(self.scenario.id)
        answers: Mapping[str, str] = walk.answers if walk else {}
        taken: Mapping[str, Mapping[str, str]] = walk.taken if walk else {}
        readings = self._dialogs.console.readings
        nodes = resolve(
            self.scenario, readings, session.settings, self._dialogs.console.now, answers, taken, self._target
        )
        place = self.steps.index(self._at)
        steps = ScenarioRows(self.scenario, tuple(rows_of(nodes, self._unfolded)), walk)
        if steps.ended:
            steps = ScenarioRows(self.scenario, (*steps.rows, closing_row(self.scenario)), walk)
        self.steps = steps
        if self._at and self.rows and not any(row.id == self._at for row in self.rows):
            self._stray(steps.nearest(place))
        self.resolved()

    def _stray(self, id: str) -> None:
        """The cursor comes to this row by itself: nothing is done to it at once."""
        self._at, self._strayed_at, self._reading = id, time.monotonic(), False

    def resolved(self) -> None:
        """The rows are as they stand now."""

    @property
    def rows(self) -> tuple[ScenarioRow, ...]:
        """The rows in sight."""
        return self.steps.rows

    def mark(self, id: str) -> StepState | None:
        """A step's result; None while it is pending."""
        return self.steps.mark(id)

    @property
    def row(self) -> ScenarioRow | None:
        return self.rows[self.steps.index(self._at)] if self.rows else None

    @property
    def step(self) -> str:
        """The id of the step under the cursor; "" for none."""
        row = self.row
        return row.id if row is not None and row.kind != CLOSING else ""

    # --- moving -----------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        if self.rows:
            self._at, self._reading = self.steps.moved(self._at, by), False
            self.paint()

    def action_scroll_page(self, by: int) -> None:
        self._scroll(by * max(1, self.size.height - 4))

    def _scroll(self, by: int) -> None:
        """Read on without moving the cursor."""
        self._top, self._reading = max(0, self._top + by), True
        self.paint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-WHEEL)

    def action_unfold(self) -> None:
        """Open all branches, or only those that apply again."""
        branches = {step.id for step in self.scenario.walk() if isinstance(step, Branch)}
        self._unfolded = set() if self._unfolded else branches
        self.paint()

    def action_next_do(self) -> None:
        row = self.steps.next_do(self._at)
        if row is None:
            under_way = next((row for row in self.rows if row.kind == "do" and self._under_way(row)), None)
            said = f"{plain(under_way.node.step.title, 80)}: it is under way" if under_way else "no action is left"
            self._dialogs.say(said)
            return
        self._at, self._reading = row.id, False
        self.paint()
        if waiting := self._drawn(80).waiting_for(row):
            self._dialogs.say(waiting)

    def _under_way(self, row: ScenarioRow) -> bool:
        mark = self.mark(row.id)
        return mark is not None and mark.state == "running"

    def action_leave(self) -> None:
        self._links.close()

    def action_copy(self) -> None:
        drawn = self._drawn(120)
        lines = [line for row in self.rows for line in drawn.of(row, False)]
        self.app.copy_to_clipboard(f"{self.scenario.title}\n{as_text(lines)}")
        self._dialogs.say("copied the scenario as it stands to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def _drawn(self, width: int, roomy: bool = False) -> StepLines:
        return StepLines(self.steps, width, self.size.height >= LOW, self._closing_page, roomy)

    def _roomy(self, width: int, seen: int) -> StepLines:
        """Everything wrapped where all of it is in sight then, wherever the cursor stands; else only what is there."""
        roomy = self._drawn(width, roomy=True)
        needed = sum(len(roomy.of(row, False)) for row in self.rows)
        return roomy if needed + MOST_HERE <= seen else self._drawn(width)

    def _closing_page(self, width: int) -> list[Line]:
        from ..signals.level_fall import falls
        from ..signals.transactions import Transactions

        console, session = self._dialogs.console, self._session
        value = value_of(console.readings, "transactions", Transactions)
        ends = falls(value, session.settings, console.now) if value is not None else ()
        falls_at = ends[0][1] if ends else None
        return closing_lines(self.steps, session, console.severity, self._links.fits(), width, falls_at)

    def paint(self) -> None:
        width, height = self.size
        if not width or not height or not self.is_mounted:
            return
        self._resolve()
        inside = max(10, width - 4)
        head = self._head(inside, height)
        drawn = self._roomy(inside, height - 2 - len(head))
        lines: list[Line] = []
        cursor = last = 0
        for row in self.rows:
            here = row.id == self._at
            of_row = drawn.of(row, here)
            if here:
                cursor, last = len(lines), len(lines) + len(of_row) - 1
            lines += of_row
        picture = Panel("calm", tuple(head), Listing([str(n) for n in range(len(lines))], lines.__getitem__))
        seen = sight(picture, height)
        most = max(0, len(lines) - seen)
        if not self._reading:
            self._top = max(self._top, last - seen + 1)
            self._top = min(self._top, cursor)
        self._top = max(0, min(self._top, most))
        self._cursor_in_sight = self._top <= cursor < self._top + max(1, seen)
        title, aside = self._title(width)
        frame = PanelFrame(title, aside, self.has_focus, self._top, cursor if self.has_focus else None)
        self.show_lines(framed(picture, frame, width, height))
        self.call_after_refresh(self._stands, self._at)

    def _stands(self, at: str) -> None:
        """It has been drawn."""
        self._seen = at

    def _title(self, width: int) -> tuple[str, Line]:
        """The frame's title and what stands at its right: how far the scenario has come."""
        name = f"Scenario {self.scenario.number}".rstrip()
        aside = f"{self.steps.settled} of {len(self.steps.steps)} done"
        if width >= ONE_LINE:
            level = plain(self.scenario.severity, 8)
            aside = f"{aside}  for {level}" if level else aside  # what it is for; the first line has what it is
            name = cut(f"{name}: {plain(self.scenario.title)}", width - len(aside) - 10)
        return name, ((aside, "muted"),)

    def _head(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        if width + 4 < ONE_LINE:
            lines.append(((cut(plain(self.scenario.title), width), "strong"),))
        if height >= LOW:
            walk = self.steps.walk
            begun = f"begun {clock_minute(walk.begun_at)} by {plain(walk.begun_by, 30)}" if walk else "not begun"
            lines.append(((begun, "muted"),))
            fit = next((fit for fit in self._links.fits() if fit.scenario.id == self.scenario.id), None)
            why = f"fits: {fit.because}" if fit else "no longer fits"
            lines += [((line, "muted"),) for line in wrapped(why, width, 2)]
            lines.append(())
        return lines
