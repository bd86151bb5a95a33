"""The operator's side of acting, without a widget: the journal, what is under way here and elsewhere, who may act."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..actions.action import Context
from ..actions.perform import ActionHost as Side
from ..actions.perform import ActionResult, Ask, AskUnrecorded, ConfirmationReply, observing, perform
from ..actions.plan import Outcome, Plan, Verdict
from ..actions.registry import ACTIONS
from ..errors import JournalError
from ..incident.incident import Incident
from ..incident.proposals import Proposal, proposals_in
from ..journal import Entry, EntryKind, Journal
from ..model import Reading, utc_now
from ..runbook.progress import BEGUN, ScenarioProgress, progress_of
from ..settings import Settings, named
from ..sharing.leases import LeaseService
from .argument_values import argument_values
from .auto_record import AutoRecord
from .incident_store import IncidentStore
from .operation import Operation, StepRef
from .peers import Peers
from .remote_operations import MATTERS, own_before, remote_operations

if TYPE_CHECKING:
    from ..sources import Sources

log = logging.getLogger(__name__)

LEAVE_S = 20.0  # how long leaving waits for the answer to what is being sent


class Session:
    """`changed` is called, on the loop, whenever something that a screen may show is different.

    `readings` are those of the operator's screen. Nothing is read or written before `start`.
    """

    LOGBOOK: ClassVar[type[IncidentStore]] = IncidentStore
    LIVE: ClassVar[bool] = True  # False in a replay: what is seen is over, and nothing of it may be kept as news

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
        self.sources, self.readings, self.clock, self._told = sources, readings, clock, changed
        self.incident_store = self.LOGBOOK(self.settings, clock, changed=self._recorded, heard=heard)
        self.leases = LeaseService(self.settings, clock=clock)
        self.watching = AutoRecord(self.incident_store, self.settings, clock, self._spawn)
        self.peers = Peers(self.settings, self.incident_store, clock, self._spawn, changed)
        self.began_at = clock()
        self._here: list[Operation] = []
        self._there: dict[str, Operation] = {}  # by the intent's id
        self._before: Operation | None = None  # this operator's last at another console, if it can be taken back
        self._dismissed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._acts: dict[asyncio.Task[ActionResult], Operation] = {}

    # --- the journal ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the journals from now on; what other consoles write is seen within a second."""
        self._spawn(self.incident_store.run())
        self.peers.start()

    async def close(self, waiting: Callable[[Operation], None] = lambda one: None) -> None:
        """End everything. What is being sent is waited for, so that its outcome is on record: `waiting` is told."""
        deadline = asyncio.get_running_loop().time() + LEAVE_S
        for one in self._sending():
            one.stopping = True  # before its next target
            waiting(one)
        while self._sending() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        tasks = [*self._tasks, *self._acts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.leases.close()

    def _sending(self) -> list[Operation]:
        return [operation for task, operation in self._acts.items() if operation.phase == "sending" and not task.done()]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            task.get_loop().call_exception_handler({"message": "operations", "exception": task.exception()})

    @property
    def journal(self) -> Journal:
        """Where the next entry goes."""
        return self.incident_store.journal

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is on record, in order: of the current incident and of what is done outside of any."""
        return self.incident_store.entries

    @property
    def trouble(self) -> str:
        """Why the journal can't be read or written, at the last try; "" where it can."""
        return self.incident_store.trouble

    @property
    def incident(self) -> Incident | None:
        """The current incident by now; None outside of any."""
        return self.incident_store.incident

    def at(self, scenario: str, step: str) -> None:
        """Where this operator is in the runbook; "" for nowhere."""
        self.peers.people.tell(scenario=scenario, step=step)

    def _recorded(self) -> None:
        """Something came to the journals, or from them."""
        book = self.incident_store
        self._there = remote_operations(
            self.entries, book.journal.writer, self.began_at, self.clock(), came_at=book.came_at
        )
        before = own_before(self.entries, book.journal.writer, self.clock() - MATTERS)
        if before is not None and (there := self._there.get(before.intent or "")) is not None:
            there.way_back = before.way_back  # it is shown: the key stands beside it
            before = there if there.undo is not None else before
        self._before = before
        self._changed()

    async def record(self, kind: str, data: Mapping[str, Any]) -> str:
        """Write an entry durably; its id. Raises JournalError."""
        return (await self.incident_store.record(kind, data)).id

    def look_again(self) -> None:
        """Whether the consoles still live whose actions are under way, and whether the journal's trouble is over;
        called every few seconds."""
        if any(operation.phase != "ended" for operation in self._there.values()):
            self._recorded()
        if self.trouble:
            self._spawn(self.incident_store.try_again())

    async def note(self, text: str) -> None:
        """Raises JournalError."""
        await self.record(EntryKind.NOTE, {"text": text})

    def judged(self, level: str, because: Sequence[str]) -> None:
        """The severity by now; called about once a second, unless a signal's silence makes it a question."""
        if self.incident_store.sealed is None:
            self.watching.judged(level, because)

    def watch(self) -> None:
        """What changes by itself enters the incident's record; called about once a second."""
        if self.incident_store.sealed is None:
            self.watching.look(self.readings())

    # --- the incident -----------------------------------------------------------------------------------------

    async def open_incident(self, title: str, level: str) -> str:
        """Open an incident, led by this operator until it is handed over; its id. Raises JournalError.

        `level` is the declared severity, "" to leave it to the rules.
        """
        since = self.watching.risen_at
        data = {"title": title, "level": level, "since": since.isoformat() if since else ""}
        name = await self.incident_store.open(data)
        await self.take_role("commander", str(self.journal.writer))
        return name

    async def take_role(self, role: str, person: str) -> None:
        """From now on this role is this person's; "" for nobody's. Raises JournalError."""
        await self.record(EntryKind.ROLE, {"role": role, "person": person})

    async def declare(self, level: str, reason: str) -> None:
        """Raises JournalError."""
        await self.record(EntryKind.DECLARED, {"level": level, "reason": reason})

    async def close_incident(self, reason: str) -> None:
        """Raises JournalError."""
        await self.record(EntryKind.CLOSED, {"reason": reason})

    async def object(self, proposal: str, reason: str = "") -> None:
        """Stop what somebody proposes: whoever may write may. Raises JournalError."""
        await self.record(EntryKind.OBJECTED, {"proposal": proposal, "reason": reason})

    async def approve(self, proposal: str) -> None:
        """Give a second person's word. Raises JournalError, also where this operator is none, or only observes."""
        if (why_not := self.incident_store.observing) is not None:
            raise JournalError(why_not)
        found = next((one for one in proposals_in(self.entries) if one.id == proposal), None)
        mine = self.journal.writer.account
        if found is not None and mine and found.account == mine:
            raise JournalError(f"{found.by} proposed it from this account ({mine}): another must approve it")
        await self.record(EntryKind.APPROVED, {"proposal": proposal})

    @property
    def waiting(self) -> tuple[tuple[Proposal, float], ...]:
        """What others propose and may still be spoken to, with the seconds that are left."""
        mine = self.peers.approvals.mine
        return tuple((proposal, left) for proposal, left in self.incident_store.waiting() if proposal.id not in mine)

    # --- scenarios --------------------------------------------------------------------------------------------

    def walk(self, scenario: str) -> ScenarioProgress | None:
        """How far this scenario has been walked; None where a walk would begin anew."""
        progress = progress_of(self.entries, scenario)
        return progress if progress is not None and progress.lasts(self.clock()) else None

    async def begin(self, scenario: str, title: str = "") -> None:
        """Raises JournalError."""
        await self.record(EntryKind.STEP, {"scenario": scenario, "title": title, "state": BEGUN})

    async def settle(self, step: StepRef, state: str, *, answer: str = "", reason: str = "") -> None:
        """Record what became of a step. Raises JournalError."""
        data = {
            "scenario": step.scenario,
            "step": step.step,
            "title": step.title,
            "state": state,
            "answer": answer,
            "reason": reason,
        }
        taken = {id: dict(names) for id, names in step.taken.items()} if state != "pending" else {}
        await self.record(EntryKind.STEP, {name: value for name, value in (data | {"taken": taken}).items() if value})

    # --- actions ----------------------------------------------------------------------------------------------

    def observing(self) -> str | None:
        """Why this console can't act; None when it may."""
        return self.incident_store.observing or observing(self.settings, self.readings())

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
            action=action, arguments=dict(arguments), began_at=self.clock(), by=str(self.journal.writer)
        )
        self._here.append(operation)
        self._changed()
        try:
            why_not = self.unavailable(action)
            if why_not is not None:
                operation.stopped = why_not
                return operation
            side = self._side(operation, ask, ask_unrecorded, step, undoes)
            done = await self._performed(operation, perform(ACTIONS[action], arguments, self._context(operation), side))
            operation.plan, operation.outcome, operation.verdict = done.plan, done.outcome, done.verdict
            operation.stopped = done.stopped
            if step is not None and done.outcome is not None:
                await self._conclude(step, done.outcome, done.verdict)
            return operation
        finally:
            if operation not in self._sending():
                operation.phase = "ended"
            self._changed()

    async def _performed(self, operation: Operation, path: Coroutine[Any, Any, ActionResult]) -> ActionResult:
        """Await the path. Whoever gives up waiting ends it, unless it is being sent: then only `close` does."""
        task = asyncio.create_task(path)
        self._acts[task] = operation
        task.add_done_callback(lambda task: self._acts.pop(task))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if operation.phase != "sending":
                task.cancel()
            raise

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
        return self.incident_store.as_context()

    def _side(
        self,
        operation: Operation,
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        step: StepRef | None,
        undoes: Operation | None,
    ) -> Side:
        async def asking(plan: Plan, why_again: str | None) -> ConfirmationReply:
            operation.plan, operation.phase = plan, "asking"
            self._changed()
            answer = await ask(plan, why_again)
            operation.phase = "preparing"
            return answer

        async def record(kind: str, data: Mapping[str, Any]) -> str:
            if kind != EntryKind.INTENT:
                return await self.record(kind, data)
            if not data.get("late"):
                operation.phase = "sending"
            extra: dict[str, Any] = {"alone": True} if operation.alone else {}
            if step is not None:
                extra |= {"scenario": step.scenario, "step": step.step, "title": step.title, "taken": dict(step.taken)}
            operation.intent = await self.record(kind, {**data, **extra})
            return operation.intent

        async def consult(plan: Plan, context: Context) -> tuple[str | None, str | None]:
            operation.plan = plan
            operation.phase = "waiting" if self.peers.approvals.needed(plan) else "preparing"
            said = await self.peers.approvals.ask(plan, context.progress, context.cancelled)
            operation.alone = said.alone
            return said.proposal, said.why_not

        async def asking_unrecorded(why: str) -> bool:
            operation.phase = "asking"
            allowed = await ask_unrecorded(why)
            operation.phase = "sending"
            return allowed

        def show(performance: ActionResult) -> None:
            self._show(operation, performance, undoes)

        return Side(
            ask=asking,
            record=record,
            ask_unrecorded=asking_unrecorded,
            show=show,
            observing=self.observing(),
            leases=self.leases,
            consult=consult,
        )

    def _show(self, operation: Operation, performance: ActionResult, undoes: Operation | None) -> None:
        operation.plan, operation.outcome, operation.verdict = (
            performance.plan,
            performance.outcome,
            performance.verdict,
        )
        operation.progress, operation.doubt = "", performance.doubt
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
            await self.record(EntryKind.UNDO, {"intent": undone.intent, "by": by.intent})
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

    def _changed(self) -> None:
        """Something that a screen may show is different."""
        self.peers.tell(self._here, self.observing() is not None)
        self._told()

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[Operation, ...]:
        """What is under way or has ended and was not dismissed, here and elsewhere, in order of beginning."""
        there = (operation for intent, operation in self._there.items() if intent not in self._dismissed)
        return tuple(sorted(itertools.chain(self._here, there), key=lambda operation: operation.began_at))

    @property
    def under_way(self) -> tuple[Operation, ...]:
        """The actions of this console that have been sent, or may have been, and whose verdict is not in."""
        return tuple(operation for operation in self._here if operation.phase in ("sending", "watching"))

    @property
    def undoable(self) -> Operation | None:
        """The newest action of this operator that can be taken back, whichever console of this host it was taken at."""
        here = next((operation for operation in reversed(self._here) if operation.undo is not None), None)
        before = self._before
        if before is None or before.undo is None or (here is not None and here.began_at >= before.began_at):
            return here
        return before

    def dismiss(self) -> int:
        """No longer show what has ended; how many that were."""
        ended = [operation for operation in self.shown if operation.phase == "ended"]
        self._here = [operation for operation in self._here if operation.phase != "ended"]
        self._dismissed.update(operation.intent for operation in ended if operation.intent)
        self._changed()
        return len(ended)

    def stop(self) -> bool:
        """Ask what is being sent to stop before its next target, what still waits to stop at once; whether there is
        such a thing."""
        sending = [operation for operation in self._here if operation.phase in ("sending", "waiting")]
        for operation in sending:
            operation.stopping = True
        self._changed()
        return bool(sending)

    @property
    def lost(self) -> Mapping[str, Operation]:
        """What somebody must look at because its console has ended, by its intent, dismissed or not."""
        return {intent: operation for intent, operation in self._there.items() if operation.lost}

    async def found(self, intent: str, state: Literal["done", "failed"], words: str) -> None:
        """A person has looked what became of an unfinished intent. Raises JournalError."""
        answer = f"looked at by {self.journal.writer}: {words}"
        await self.record(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": state, "answer": answer}})

    async def seen(self, intent: str, state: Literal["worked", "no effect", "worse"], words: str) -> None:
        """A person has looked whether an action helped that nobody has judged. Raises JournalError."""
        because = f"looked at by {self.journal.writer}: {words}"
        await self.record(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": state, "because": because}})

    def known(self, kind: str) -> tuple[str, ...]:
        """What may stand as an argument of this kind, as far as readings and settings tell."""
        return argument_values(kind, self.readings(), self.settings)
