"""The operator's side of acting, without a widget: the journal, what is under way here and elsewhere, who may act."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ..actions.action import Context
from ..actions.perform import Answer, Ask, AskUnrecorded, Performance, observing, perform
from ..actions.perform import Console as Side
from ..actions.plan import Outcome, Plan, Verdict
from ..actions.registry import ACTIONS
from ..errors import JournalError
from ..journal import Entry, Journal, Kind, follow, merge, open_journal
from ..model import Reading, utc_now
from ..runbook.walk import BEGUN, Walk, walk_of
from ..settings import Settings, named
from .operation import Operation, StepRef
from .others import others
from .targets import known

if TYPE_CHECKING:
    from ..sources import Sources

log = logging.getLogger(__name__)

STEADY_S = 10.0  # a severity that lasts for less is not recorded
TURNS_S = 3.0


class Operations:
    """`changed` is called, on the loop, whenever something that a screen may show is different.

    `readings` are those of the operator's screen. Nothing is read or written before `start`.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        readings: Callable[[], Mapping[str, Reading]],
        *,
        clock: Callable[[], datetime] = utc_now,
        changed: Callable[[], None] = lambda: None,
        heard: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        self.settings = settings if settings.operator else named(settings)
        self.sources, self.readings, self.clock, self._changed, self._heard = sources, readings, clock, changed, heard
        self.journal: Journal = open_journal(self.settings, self.settings.operator)
        self.entries: tuple[Entry, ...] = ()
        self.trouble = ""  # why the journal can't be read or written, at the last try
        self.began_at = clock()
        self._here: list[Operation] = []
        self._there: dict[str, Operation] = {}  # by the intent's id
        self._dismissed: set[str] = set()
        self._ids: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._candidate: tuple[str, float] | None = None
        self._recording = False
        self._read = False

    # --- the journal ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the journal from now on; what other consoles write is seen within a second."""
        self._spawn(self._follow())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            task.get_loop().call_exception_handler({"message": "operations", "exception": task.exception()})

    async def _follow(self) -> None:
        async for found in follow(self.journal.file):
            first, self._read = not self._read, True
            self.trouble = next((problem.sentence for problem in found.problems if problem.line == 0), "")
            new = self._add(found.entries)
            if not first:
                for entry in new:
                    if entry.writer != self.journal.writer:
                        self._heard(entry)
            self._changed()

    def _add(self, entries: Sequence[Entry]) -> list[Entry]:
        new = [entry for entry in entries if entry.id not in self._ids]
        if new:
            self._ids.update(entry.id for entry in new)
            self.entries = merge(self.entries, new)
            self._there = others(self.entries, self.journal.writer, self.began_at, self.clock())
        return new

    async def record(self, kind: str, data: Mapping[str, Any]) -> str:
        """Write an entry durably; its id. Raises JournalError."""
        try:
            entry = await asyncio.to_thread(self.journal.append, kind, data)
        except JournalError as error:
            self.trouble = str(error)
            self._changed()
            raise
        self.trouble = ""
        self._add((entry,))
        self._changed()
        return entry.id

    def look_again(self) -> None:
        """Whether the consoles still live whose actions are under way; called every few seconds."""
        if any(one.phase != "ended" for one in self._there.values()):
            self._there = others(self.entries, self.journal.writer, self.began_at, self.clock())
            self._changed()

    async def note(self, text: str) -> None:
        """Raises JournalError."""
        await self.record(Kind.NOTE, {"text": text})

    def judged(self, level: str, because: Sequence[str]) -> None:
        """The severity by now; called about once a second. One that lasts is recorded, unless the journal has it."""
        loop = asyncio.get_running_loop()
        if self._candidate is None or self._candidate[0] != level:
            self._candidate = (level, loop.time())
        steady = loop.time() - self._candidate[1] >= STEADY_S
        if steady and not self._recording and level != self._recorded_level():
            self._recording = True
            self._spawn(self._record_severity(level, list(because)[:5]))

    def _recorded_level(self) -> str:
        last = next((entry for entry in reversed(self.entries) if entry.kind == Kind.SEVERITY), None)
        return str(last.data.get("level")) if last else "none"

    async def _record_severity(self, level: str, because: list[str]) -> None:
        try:
            await asyncio.sleep(random.uniform(0.0, TURNS_S))  # other consoles see the same: the first one writes it
            if level != self._recorded_level():
                await self.record(Kind.SEVERITY, {"level": level, "because": because})
        except JournalError as error:
            log.warning("the severity %s could not be recorded: %s", level, error)
            await asyncio.sleep(STEADY_S)
        finally:
            self._recording = False

    # --- scenarios --------------------------------------------------------------------------------------------

    def walk(self, scenario: str) -> Walk | None:
        """How far this scenario has been walked; None where a walk would begin anew."""
        found = walk_of(self.entries, scenario)
        return found if found is not None and found.lasts(self.clock()) else None

    async def begin(self, scenario: str) -> None:
        """Raises JournalError."""
        await self.record(Kind.STEP, {"scenario": scenario, "state": BEGUN})

    async def settle(self, step: StepRef, state: str, *, answer: str = "", reason: str = "") -> None:
        """Record what became of a step. Raises JournalError."""
        data = {"scenario": step.scenario, "step": step.step, "state": state, "answer": answer, "reason": reason}
        taken = {id: dict(names) for id, names in step.taken.items()} if state != "pending" else {}
        await self.record(Kind.STEP, {name: value for name, value in (data | {"taken": taken}).items() if value})

    # --- actions ----------------------------------------------------------------------------------------------

    def observing(self) -> str | None:
        """Why this console can't act; None when it may."""
        return observing(self.settings, self.readings())

    def unavailable(self, action: str) -> str | None:
        """Why this action can't be taken here now; None when it may be tried."""
        return self.observing() or ACTIONS[action].unavailable(self.settings, self.sources)

    async def perform(
        self,
        action: str,
        arguments: Mapping[str, str],
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
    ) -> Operation:
        """Take an action down the one path, with its phases in `shown` meanwhile."""
        operation = Operation(
            action=action, arguments=dict(arguments), began_at=self.clock(), by=self.settings.operator
        )
        self._here.append(operation)
        self._changed()
        try:
            why_not = self.unavailable(action)
            if why_not is not None:
                operation.stopped = why_not
                return operation
            side = self._side(operation, ask, ask_unrecorded, step, undoes)
            done = await perform(ACTIONS[action], arguments, self._context(operation), side)
            operation.plan, operation.outcome, operation.verdict = done.plan, done.outcome, done.verdict
            operation.stopped = done.stopped
            if step is not None and done.outcome is not None:
                await self._conclude(step, done.outcome, done.verdict)
            return operation
        finally:
            operation.phase = "ended"
            self._changed()

    def _context(self, operation: Operation) -> Context:
        def progress(text: str) -> None:
            operation.progress = text
            self._changed()

        return Context(
            settings=self.settings,
            sources=self.sources,
            readings=self.readings,
            operator=self.settings.operator,
            clock=self.clock,
            cancelled=lambda: operation.stopping,
            progress=progress,
            entries=self._entries,
        )

    async def _entries(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"id": entry.id, "at": entry.at, "writer": str(entry.writer), "kind": entry.kind, "data": entry.data}
            for entry in self.entries
        ]

    def _side(
        self,
        operation: Operation,
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        step: StepRef | None,
        undoes: Operation | None,
    ) -> Side:
        async def asking(plan: Plan, why_again: str | None) -> Answer:
            operation.plan, operation.phase = plan, "asking"
            self._changed()
            answer = await ask(plan, why_again)
            operation.phase = "preparing"
            return answer

        async def record(kind: str, data: Mapping[str, Any]) -> str:
            if kind != Kind.INTENT:
                return await self.record(kind, data)
            operation.phase = "sending"
            extra: dict[str, Any] = {}
            if step is not None:
                extra |= {"scenario": step.scenario, "step": step.step, "taken": dict(step.taken)}
            operation.intent = await self.record(kind, {**data, **extra})
            return operation.intent

        def show(performance: Performance) -> None:
            self._show(operation, performance, undoes)

        return Side(ask=asking, record=record, ask_unrecorded=ask_unrecorded, show=show, observing=self.observing())

    def _show(self, operation: Operation, performance: Performance, undoes: Operation | None) -> None:
        operation.plan, operation.outcome, operation.verdict = (
            performance.plan, performance.outcome, performance.verdict,
        )  # fmt: skip
        operation.progress = ""
        if performance.verdict is None and performance.plan is not None:
            operation.phase = "watching"
            operation.watch_until = self.clock() + timedelta(seconds=performance.plan.deadline_s)
            done = performance.outcome is not None and performance.outcome.state == "done"
            if undoes is not None and done:
                undoes.undone = True
                self._spawn(self._record_undo(undoes, operation))
        self._changed()

    async def _record_undo(self, undone: Operation, by: Operation) -> None:
        try:
            await self.record(Kind.UNDO, {"intent": undone.intent, "by": by.intent})
        except JournalError:
            log.exception("the undo of %s could not be recorded", undone.name)

    async def _conclude(self, step: StepRef, outcome: Outcome, verdict: Verdict | None) -> None:
        """The step's own entry: done only where it was done and nothing says that it did not help."""
        words = f"{outcome.state}: {outcome.answer}"
        state = {"done": "done", "unknown": "unknown"}.get(outcome.state, "failed")
        if verdict is not None:
            words = f"{verdict.state}: {verdict.because}"
            if state == "done" and verdict.state != "worked":
                state = "unknown" if verdict.state == "unknown" else "failed"
        with contextlib.suppress(JournalError):  # `trouble` says so, and the walk is folded from the outcome then
            await self.settle(step, state, answer=words)

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[Operation, ...]:
        """What is under way or has ended and was not dismissed, here and elsewhere, in order of beginning."""
        there = (operation for intent, operation in self._there.items() if intent not in self._dismissed)
        return tuple(sorted(itertools.chain(self._here, there), key=lambda operation: operation.began_at))

    @property
    def under_way(self) -> tuple[Operation, ...]:
        """The actions of this console that have been sent, or may have been, and whose verdict is not in."""
        return tuple(one for one in self._here if one.phase in ("sending", "watching"))

    @property
    def undoable(self) -> Operation | None:
        """The newest action of this console that can be taken back."""
        return next((one for one in reversed(self._here) if one.undo is not None), None)

    def dismiss(self) -> int:
        """No longer show what has ended; how many that were."""
        ended = [one for one in self.shown if one.phase == "ended"]
        self._here = [one for one in self._here if one.phase != "ended"]
        self._dismissed.update(one.intent for one in ended if one.intent)
        self._changed()
        return len(ended)

    def stop(self) -> bool:
        """Ask what is being sent to stop before its next target; whether there is such a thing."""
        sending = [one for one in self._here if one.phase == "sending"]
        for one in sending:
            one.stopping = True
        self._changed()
        return bool(sending)

    async def found(self, intent: str, state: Literal["done", "failed"], words: str) -> None:
        """A person has looked what became of an unfinished intent. Raises JournalError."""
        answer = f"looked at by {self.settings.operator}: {words}"
        await self.record(Kind.OUTCOME, {"intent": intent, "outcome": {"state": state, "answer": answer}})

    def known(self, kind: str) -> tuple[str, ...]:
        """What may stand as an argument of this kind, as far as readings and settings tell."""
        return known(kind, self.readings(), self.settings)
