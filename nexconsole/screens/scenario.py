"""A scenario beside the live panes: its steps, answered by readings, people or actions.

It is a fold over the journal and the readings: closing it, a crash or another console loses nothing. Looking at it
records nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from ..actions.registry import COMMANDS
from ..catalogue import LOGS, by_name
from ..model import State
from ..runbook.model import Branch, Question, Scenario, Step
from ..runbook.progress import StepState
from ..runbook.resolution import resolve
from ..session.capabilities import Capability
from ..session.operation import StepRef
from ..text.units import clock, clock_minute, several
from ..widgets.canvas import LineCanvas
from ..widgets.key_map import KEY_MAP
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, cut, plain, wrapped
from .prompt import Prompt
from .scenario_closing import closing_lines, is_calm, others
from .scenario_lines import LOW, ONE_LINE, StepLines
from .scenario_rows import CLOSING, ScenarioRow, ScenarioRows, closing_row, rows_of
from .step_preview import preview_of

if TYPE_CHECKING:
    from ..runbook.resolution import Fit
    from ..session.session import Session
    from .action_controller import ActionController
    from .dialogs import Dialogs

STRAYED_S = 0.7  # how long nothing is done to the row that the cursor has come to by itself
WHEEL = 3  # lines


@dataclass(frozen=True)
class ScenarioLinks:
    """What a scenario's keys reach elsewhere. `fits`: what fits by now; `open` opens another one by its id."""

    logs: Callable[[str], None]
    close: Callable[[], None]
    open: Callable[[str], None]
    close_incident: Callable[[], None]
    fits: Callable[[], tuple[Fit, ...]]


class ScenarioPane(LineCanvas, can_focus=True):
    """One scenario. `actions` takes its actions, `links` are what else its keys do."""

    PLACE = "in the scenario"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "Go", id="step.go", tooltip="Record the look, answer, or open the action"),
        Binding("r", "record", "Record looks", id="step.record", tooltip="Record all looks up to the cursor"),
        Binding("f", "next_do", "Next action", id="step.do", tooltip="Go to the next action"),
        Binding("space", "look", "Record", id="step.look", tooltip="Record the value that this look reads"),
        Binding("x", "skip", "Skip", id="step.skip", tooltip="Skip the step, with a reason; at the end: close"),
        Binding("backspace", "reopen", "Reopen", id="step.reopen", tooltip="Make the step pending again"),
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
    ) -> None:
        super().__init__(id="scenario")
        self.scenario, self._session, self._dialogs, self._actions = scenario, session, dialogs, actions
        self._links = links
        self.steps = ScenarioRows(scenario)
        self._at = ""
        self._seen = ""  # the row that the cursor is on by what is on screen
        self._strayed_at = -STRAYED_S  # when its row was no longer there
        self._unfolded: set[str] = set()
        self._sent: tuple[str, StepState | None] | None = None  # the action begun here, and its mark then
        self._sent_to: tuple[str, ...] | None = None  # its arguments
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
        nodes = resolve(self.scenario, readings, session.settings, self._dialogs.console.now, answers, taken)
        place = self.steps.index(self._at)
        steps = ScenarioRows(self.scenario, tuple(rows_of(nodes, self._unfolded)), walk)
        if steps.ended:
            steps = ScenarioRows(self.scenario, (*steps.rows, closing_row(self.scenario)), walk)
        self.steps = steps
        if self._at and self.rows and not any(row.id == self._at for row in self.rows):
            self._stray(steps.nearest(place))
        self._go_on_after_sending()

    def _stray(self, id: str) -> None:
        """The cursor comes to this row by itself: nothing is done to it at once."""
        self._at, self._strayed_at, self._reading = id, time.monotonic(), False

    def _go_on_after_sending(self) -> None:
        """Once the action that was begun here has its result, the cursor goes to what needs a person next; not where
        the same step goes on with another target."""
        if self._sent is None:
            return
        id, before = self._sent
        mark, row = self.mark(id), self.row
        if self._at != id or row is None:
            self._sent = None
            return
        if mark == before or (mark is not None and not mark.settled):
            return
        if one_by_one(row) and row.node.again == self._sent_to:  # the readings do not know yet that it is done
            return
        self._sent = None
        if not (one_by_one(row) and row.node.again is not None) and (following := self.steps.next_person(id)):
            self._stray(following)

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

    # --- keys that record -------------------------------------------------------------------------------------

    def _once_seen(self, then: Callable[[], object]) -> None:
        """Do this when the row under the cursor is on screen; not where the cursor came to it by itself just now."""
        at = self._at
        if self._reading and not self._cursor_in_sight:
            self._reading = False
            self.paint()
            self._dialogs.say("the step under the cursor was out of sight: read it, and press the key again")
        elif time.monotonic() - self._strayed_at < STRAYED_S:
            self._dialogs.say("the step under the cursor has changed: read it, and press the key again")
        elif self._seen == at:
            then()
        else:
            self.paint()
            self.call_after_refresh(lambda: then() if self._at == at else None)

    def _refused(self, capability: Capability) -> bool:
        """Whether this console may not; says why."""
        why_not = self._session.why_not(capability)
        if why_not is not None:
            self._dialogs.say(why_not)
        return why_not is not None

    def action_go(self) -> None:
        self._once_seen(self._go)

    def action_look(self) -> None:
        self._once_seen(self._look)

    def action_record(self) -> None:
        self._once_seen(self._record_looks)

    def action_skip(self) -> None:
        self._once_seen(self._ask_why)

    def action_reopen(self) -> None:
        self._once_seen(self._reopen)

    def _go(self) -> None:
        row = self.row
        if row is None or not isinstance(row.node.step, Step):
            return
        step = row.node.step
        if step.kind == "look":
            self._look()
        elif step.kind == "ask":
            self._ask(row, step.question or Question())
        elif step.kind == "do":
            self._do(row, step)
        else:
            self._open_other()

    def _open_other(self) -> None:
        """From the closing page: the scenario that fits while the level is not calm."""
        fitting = others(self.steps, self._links.fits())
        if fitting and not is_calm(self._dialogs.console.severity):
            self._links.open(fitting[0].scenario.id)

    def _look(self) -> None:
        """Record the value that the look reads now; what it can't read, a person is asked for."""
        row = self.row
        if row is None or row.kind != "look":
            return
        if row.node.answer is None or not row.node.answer.known:
            self._ask(row, Question())
        elif not self._refused(Capability.NOTE):
            self._dialogs.once(self._settle(row, "done", answer=_read(row)))

    def _record_looks(self) -> None:
        """Record every look up to the cursor that is answered now, by the value that it reads now."""
        answered, unanswered = self.steps.looks(self._at)
        names = "; ".join(plain(row.node.step.title, 60) for row in unanswered)
        left = f"not answered by readings: {names}" if names else ""
        if not answered:
            self._dialogs.say(left or "every look up to here is on record")
        elif not self._refused(Capability.NOTE):
            taken = [(self.steps.reference(row), _read(row)) for row in answered]
            self._dialogs.once(self._record(taken, self._at, left))

    async def _record(self, taken: Sequence[tuple[StepRef, str]], at: str, left: str) -> None:
        for reference, answer in taken:
            if not await self._dialogs.recorded(self._session.settle(reference, "done", answer=answer), ""):
                break
        else:
            self._dialogs.say("; ".join(filter(None, (f"recorded {several(len(taken), 'look')}", left))))
        if self.is_mounted:
            self._resolve()
            row = self.row
            if self._at == at and row is not None and not self.steps.needs_person(row):
                self._at = self.steps.next_person(at) or at
            self.paint()

    def _do(self, row: ScenarioRow, step: Step) -> None:
        mark, call = self.mark(row.id), step.call
        if call is None or call.name not in COMMANDS:
            self._dialogs.say(f"{call}: this console has no such action")
        elif waiting := self._drawn(80).waiting_for(row):
            self._dialogs.say(waiting)
        elif mark is not None and mark.state == "running":
            self._dialogs.say(f"{call.name} is under way: {mark.by} began it at {clock(mark.at)}")
        elif call.name == LOGS:
            of = " ".join(row.node.arguments or ())
            self._links.logs(of)
            if self._session.why_not(Capability.NOTE) is None:
                self._dialogs.once(self._settle(row, "done", answer=f"read the logs{f' of {of}' if of else ''}"))
        elif mark is not None and mark.state == "done" and row.node.again is None:
            self._dialogs.say(f"no target is left: {row.node.over}")
        elif not self._refused(Capability.ACT):
            words = row.node.again if mark is not None and row.node.again else row.node.arguments
            self._sent, self._sent_to = (row.id, mark), words
            self._actions.act(call.name, by_name(COMMANDS[call.name], words or ()), step=self.steps.reference(row))

    def _ask_why(self) -> None:
        row = self.row
        if row is not None and row.kind == CLOSING:
            self._close_incident()
        elif row is not None and row.is_step and not self._refused(Capability.NOTE):
            self._dialogs.once(self._skip(row))

    def _close_incident(self) -> None:
        if self._session.incident_store.current is None:
            self._dialogs.say("no incident is open: esc closes the scenario")
        else:
            self._links.close_incident()

    async def _skip(self, row: ScenarioRow) -> None:
        title = f"why is this skipped? {row.node.step.title}"
        reason = await self.app.push_screen_wait(Prompt(title, hint="the reason is on record"))
        if reason is not None:
            await self._settle(row, "skipped", reason=reason)

    def _ask(self, row: ScenarioRow, question: Question) -> None:
        if not self._refused(Capability.NOTE):
            self._dialogs.once(self._answer(row, question))

    async def _answer(self, row: ScenarioRow, question: Question) -> None:
        step = row.node.step
        seen = row.node.answer.text if row.node.answer is not None else ""
        offered = question.words or self._session.known(question.kind)
        kind = {"number": "a number", "text": ""}.get(question.kind, question.kind)
        hint = seen or (kind if not question.words else "")

        def wrong(text: str) -> str:
            if question.accepts(text):
                return ""
            return f"one of {', '.join(question.words)}" if question.words else f"expected {kind or 'some words'}"

        told = preview_of(self.rows, row, self._session)
        prompt = Prompt(step.title, hint=hint, offered=offered, wrong=wrong, told=told)
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            await self._settle(row, "done", answer=text)

    async def _settle(self, row: ScenarioRow, state: str, *, answer: str = "", reason: str = "") -> None:
        reference = self.steps.reference(row, taking=state == "done")
        writing = self._session.settle(reference, state, answer=answer, reason=reason)
        if await self._dialogs.recorded(writing, "") and self.is_mounted:
            self._resolve()
            if state != "pending" and self._at == row.id:
                following = self.steps.next_open if row.kind == "look" else self.steps.next_person
                self._at = following(row.id) or self._at
            self.paint()

    def _reopen(self) -> None:
        row = self.row
        if row is not None and self.mark(row.id) is not None and not self._refused(Capability.NOTE):
            self._dialogs.once(self._settle(row, "pending"))

    def action_leave(self) -> None:
        self._links.close()

    def action_copy(self) -> None:
        drawn = self._drawn(120)
        lines = [line for row in self.rows for line in drawn.of(row, False)]
        self.app.copy_to_clipboard(f"{self.scenario.title}\n{as_text(lines)}")
        self._dialogs.say("copied the scenario as it stands to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def _drawn(self, width: int) -> StepLines:
        return StepLines(self.steps, width, self.size.height >= LOW, self._closing_page)

    def _closing_page(self, width: int) -> list[Line]:
        return closing_lines(self.steps, self._session, self._dialogs.console.severity, self._links.fits(), width)

    def paint(self) -> None:
        width, height = self.size
        if not width or not height or not self.is_mounted:
            return
        self._resolve()
        inside = max(10, width - 4)
        drawn = self._drawn(inside)
        lines: list[Line] = []
        cursor = last = 0
        for row in self.rows:
            here = row.id == self._at
            of_row = drawn.of(row, here)
            if here:
                cursor, last = len(lines), len(lines) + len(of_row) - 1
            lines += of_row
        head = self._head(inside, height)
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
            aside = f"{aside}  {plain(self.scenario.severity, 8)}".rstrip()
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


def one_by_one(row: ScenarioRow) -> bool:
    """Whether it is an action on things that end one after the other: done again, it takes the next one."""
    step = row.node.step
    command = COMMANDS.get(step.call.name) if isinstance(step, Step) and step.call is not None else None
    return command is not None and any(argument.kind in ("event", "pid") for argument in command.arguments)


def _read(row: ScenarioRow) -> str:
    """What a look reads now, as it goes on record."""
    answer = row.node.answer
    if answer is None:
        return ""
    return answer.text + (f" ({answer.basis()})" if answer.state is not State.FRESH else "")


KEY_MAP.declare(ScenarioPane)
