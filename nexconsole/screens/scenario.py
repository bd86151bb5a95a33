"""A scenario beside the live panes: its steps, answered by readings, people or actions.

It is a fold over the journal and the readings: closing it, a crash or another console loses nothing. Looking at it
records nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from ..actions.registry import COMMANDS
from ..catalogue import LOGS, by_name
from ..model import State
from ..runbook.model import Question, Step
from ..runbook.progress import StepState
from ..session.capabilities import Capability
from ..session.operation import StepRef
from ..text.units import clock, several
from ..widgets.key_map import KEY_MAP
from ..widgets.spans import plain
from .prompt import Prompt
from .scenario_closing import is_calm, others
from .scenario_rows import CLOSING, ScenarioRow
from .scenario_view import STRAYED_S, ScenarioView
from .step_preview import preview_of


class ScenarioPane(ScenarioView):
    """One scenario, with the keys that record its steps."""

    PLACE = "in the scenario"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", "Go", id="step.go", tooltip="Record the look, answer, or open the action"),
        Binding("r", "record", "Record looks", id="step.record", tooltip="Record all looks up to the cursor"),
        Binding("space", "look", "Record", id="step.look", tooltip="Record the value that this look reads"),
        Binding("x", "skip", "Skip", id="step.skip", tooltip="Skip the step, with a reason; at the end: close"),
        Binding("backspace", "reopen", "Reopen", id="step.reopen", tooltip="Make the step pending again"),
    ]

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._sent: tuple[str, StepState | None] | None = None  # the action begun here, and its mark then
        self._sent_to: tuple[str, ...] | None = None  # its arguments

    def resolved(self) -> None:
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
        severity = self._dialogs.console.severity
        fitting = others(self.steps, self._links.fits(), severity)
        if fitting and not is_calm(severity):
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
        prompt = Prompt(
            step.title,
            hint=hint,
            offered=offered,
            wrong=wrong,
            told=told,
            chosen=bool(question.words),
            suggested=row.node.suggested or self._target.get(question.kind, ""),
        )
        text = await self.app.push_screen_wait(prompt)
        if text is not None:
            at = self._at
            await self._settle(row, "done", answer=text)
            if prompt.by_letter and self._at != at:  # an Enter that comes late would be for the next step
                self._stray(self._at)

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
