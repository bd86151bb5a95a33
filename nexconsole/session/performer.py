"""Takes actions down the one path for a session, and knows which of this console are under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..actions.action import Context
from ..actions.perform import ActionHost, ActionResult, Ask, AskUnrecorded, ConfirmationReply, perform
from ..actions.plan import Outcome, Plan, Verdict
from ..actions.registry import ACTIONS
from ..actions.relevance import prepared
from ..errors import JournalError, NexConsoleError
from ..incident.proposals import Proposal
from ..journal import EntryKind
from ..settings import Settings
from ..sharing.leases import LeaseService
from .approvals import AskBreakGlass, unbroken
from .confirming import why_ended
from .incident_store import IncidentStore
from .monitor import Monitor
from .operation import Operation, StepRef
from .peers import Peers
from .steps import ensure_begun, settle

if TYPE_CHECKING:
    from ..sources import Sources

log = logging.getLogger(__name__)

CANCELLED_SHOWN = timedelta(seconds=10)
LEAVE_S = 20.0  # how long leaving waits for the answer to what is being sent


@dataclass(kw_only=True)
class Performer:
    """`operations`: what was begun here and not dismissed. `why_not` says why this console can't act now, None where
    it may; `changed` is called whenever an operation is different."""

    settings: Settings
    sources: Sources
    monitor: Monitor
    clock: Callable[[], datetime]
    incident_store: IncidentStore
    peers: Peers
    leases: LeaseService
    why_not: Callable[[], str | None]
    changed: Callable[[], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    operations: list[Operation] = field(default_factory=list)
    _tasks: dict[asyncio.Task[Any], Operation] = field(default_factory=dict)

    def unavailable(self, action: str) -> str | None:
        """Why this action can't be taken here now; None when it may be tried."""
        return self.why_not() or ACTIONS[action].unavailable(self.settings, self.sources)

    async def preview(self, action: str, arguments: Mapping[str, str]) -> ActionResult:
        """The plan alone; `stopped` is why it could not be executed here."""
        missing = ACTIONS[action].unavailable(self.settings, self.sources)
        if missing is not None:
            return ActionResult(plan=None, stopped=missing)
        operation = self._operation(action, arguments)
        try:
            plan = await prepared(ACTIONS[action], arguments, self._context(operation))
        except NexConsoleError as error:
            return ActionResult(plan=None, stopped=str(error))
        return ActionResult(plan=plan, stopped=self.why_not())

    async def perform(
        self,
        action: str,
        arguments: Mapping[str, str],
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        *,
        step: StepRef | None = None,
        undoes: Operation | None = None,
        break_glass: AskBreakGlass = unbroken,
        confirms: Proposal | None = None,
    ) -> Operation:
        """Take an action down the one path; the operation as it has ended. `break_glass` asks for the reason to do it
        without the second person that it needs. `confirms`: the agent's proposal for it."""
        operation = self._operation(action, arguments)
        self.operations.append(operation)
        self.changed()
        try:
            why_not = self.unavailable(action)
            if why_not is not None:
                operation.take(ActionResult(plan=None, stopped=why_not))
                return operation
            host = self._host(operation, ask, ask_unrecorded, step, undoes, break_glass, confirms)
            path = perform(ACTIONS[action], arguments, self._context(operation), host)
            result = await self._performed(operation, path)
            operation.take(result)
            if step is not None and result.outcome is not None:
                await self._conclude(step, result.outcome, result.verdict)
            return operation
        finally:
            if operation not in self.sending:
                operation.phase, operation.ended_at = "ended", self.clock()
            self.changed()

    @property
    def sending(self) -> tuple[Operation, ...]:
        """What was sent and is not answered."""
        return tuple(one for task, one in self._tasks.items() if one.phase == "sending" and not task.done())

    def dismiss(self) -> None:
        """No longer show what has ended."""
        self.operations = [operation for operation in self.operations if operation.phase != "ended"]

    def forget_cancelled(self) -> None:
        """No longer show what this operator has cancelled a moment ago."""
        long_ago = self.clock() - CANCELLED_SHOWN
        self.operations = [
            one
            for one in self.operations
            if not (one.cancelled and one.ended_at is not None and one.ended_at <= long_ago)
        ]

    def stop(self) -> bool:
        """Ask what is being sent to stop before its next target, what still waits to stop at once; whether there is
        such a thing."""
        stoppable = [operation for operation in self.operations if operation.phase in ("sending", "waiting")]
        for operation in stoppable:
            operation.stopping = True
        return bool(stoppable)

    async def close(self, waiting: Callable[[Operation], None], leave_s: float = LEAVE_S) -> None:
        """Wait for the answers to what is being sent, so that they are on record, then end the rest. `waiting` is
        called for each."""
        deadline = asyncio.get_running_loop().time() + leave_s
        for operation in self.sending:
            operation.stopping = True  # before its next target
            waiting(operation)
        while self.sending and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.leases.close()

    def _operation(self, action: str, arguments: Mapping[str, str]) -> Operation:
        by = str(self.incident_store.journal.writer)
        return Operation(action=action, arguments=dict(arguments), began_at=self.clock(), by=by)

    async def _performed(self, operation: Operation, path: Coroutine[Any, Any, ActionResult]) -> ActionResult:
        """Await the path. Whoever gives up waiting ends it, unless it is being sent: then only `close` does."""
        task = asyncio.create_task(path)
        self._tasks[task] = operation
        task.add_done_callback(lambda task: self._tasks.pop(task))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if operation.phase != "sending":
                task.cancel()
            raise

    def _context(self, operation: Operation) -> Context:
        def progress(text: str) -> None:
            operation.progress = text
            self.changed()

        return Context(
            settings=self.settings,
            sources=self.sources,
            readings=lambda: self.monitor.readings,
            operator=self.settings.operator,
            clock=self.clock,
            cancelled=lambda: operation.stopping,
            progress=progress,
            entries=self._entries,
        )

    async def _entries(self) -> Sequence[Mapping[str, Any]]:
        return self.incident_store.as_context()

    def _host(
        self,
        operation: Operation,
        ask: Ask,
        ask_unrecorded: AskUnrecorded,
        step: StepRef | None,
        undoes: Operation | None,
        break_glass: AskBreakGlass,
        confirms: Proposal | None,
    ) -> ActionHost:
        async def asking(plan: Plan, why_again: str | None) -> ConfirmationReply:
            operation.plan, operation.phase = plan, "asking"
            self.changed()
            answer = await ask(plan, why_again)
            operation.phase = "preparing"
            return answer

        async def record(kind: str, data: Mapping[str, Any]) -> str:
            if kind != EntryKind.INTENT:
                return (await self.incident_store.record(kind, data)).id
            if not data.get("late"):
                operation.phase = "sending"
            extra: dict[str, Any] = {"alone": True} if operation.alone else {}
            extra |= await self._broken_glass(operation, data)
            if step is not None:
                await ensure_begun(self.incident_store, step, self.clock())
                extra |= {"scenario": step.scenario, "step": step.step, "title": step.title, "taken": dict(step.taken)}
            if confirms is not None:
                extra |= _confirmed(confirms)
            operation.intent = (await self.incident_store.record(kind, {**data, **extra})).id
            return operation.intent

        async def consult(plan: Plan, context: Context) -> tuple[str | None, str | None]:
            operation.plan = plan
            if (ended := self._ended(confirms)) is not None:
                return None, ended
            operation.phase = "waiting" if self.peers.approvals.needed(plan) else "preparing"
            decision = await self.peers.approvals.ask(plan, context.progress, context.cancelled, asking_reason)
            operation.alone, operation.broke_glass = decision.alone, decision.broke_glass
            return decision.proposal, decision.why_not or self._ended(confirms)

        async def asking_reason(plan: Plan, why: str) -> str | None:
            operation.phase = "asking"
            self.changed()
            reason = await break_glass(plan, why)
            operation.phase = "waiting"
            return reason

        async def asking_unrecorded(why: str) -> bool:
            if operation.broke_glass:  # it stands in for the second person: nothing is sent without it on record
                return False
            operation.phase = "asking"
            allowed = await ask_unrecorded(why)
            operation.phase = "sending"
            return allowed

        def show(result: ActionResult) -> None:
            self._show(operation, result, undoes)

        return ActionHost(
            ask=asking,
            record=record,
            ask_unrecorded=asking_unrecorded,
            show=show,
            why_not=self.why_not(),
            leases=self.leases,
            consult=consult,
        )

    async def _broken_glass(self, operation: Operation, data: Mapping[str, Any]) -> dict[str, Any]:
        """Record why it is sent without the second person that it needs; what its intent says of that. Raises
        JournalError."""
        if not operation.broke_glass:
            return {}
        glass = {"plan": data["plan"], "reason": operation.broke_glass}
        glass |= {"proposal": data["proposal"]} if data.get("proposal") else {}
        return {"broke_glass": (await self.incident_store.record(EntryKind.BROKE_GLASS, glass)).id}

    def _ended(self, confirms: Proposal | None) -> str | None:
        """Why the agent's proposal that is being confirmed can't be any more; None where there is none."""
        return None if confirms is None else why_ended(self.incident_store, confirms)

    def _show(self, operation: Operation, result: ActionResult, undoes: Operation | None) -> None:
        operation.take(result)
        operation.progress = ""
        if result.verdict is None and result.plan is not None:
            operation.phase = "watching"
            operation.watch_until = self.clock() + timedelta(seconds=result.plan.deadline_s)
            done = result.outcome is not None and result.outcome.state == "done"
            if undoes is not None and done:
                undoes.undone = True
                self.spawn(self._record_undo(undoes, operation))
        self.changed()

    async def _record_undo(self, undone: Operation, by: Operation) -> None:
        try:
            await self.incident_store.record(EntryKind.UNDO, {"intent": undone.intent, "by": by.intent})
        except JournalError:
            log.exception("the undo of %s could not be recorded", undone.name)

    async def _conclude(self, step: StepRef, outcome: Outcome, verdict: Verdict | None) -> None:
        """The step's own entry: done only where it was done and nothing says that it did not help."""
        words = f"{outcome.state}: {outcome.answer}"
        state = {"done": "done", "unknown": "unknown"}.get(outcome.state, "failed")
        if verdict is not None:
            words = f"{verdict.state}: {verdict.because}"
            if state == "done" and verdict.state != "worked":
                state = "unknown" if verdict.state in ("unknown", "recovered") else "failed"
        with contextlib.suppress(JournalError):  # `trouble` says so, and the walk is folded from the outcome then
            await settle(self.incident_store, step, state, self.clock(), answer=words)


def _confirmed(proposal: Proposal) -> dict[str, Any]:
    """What the intent says of the agent's proposal that it confirms."""
    return {"confirms": proposal.id, "proposed_by": proposal.by, "proposed_because": proposal.because}
