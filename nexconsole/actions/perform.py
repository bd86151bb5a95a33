"""The one path of every action: prepare, guard, confirm, reserve, wait for objections, record, execute, record, settle
an unknown outcome, verify, record, offer undo.

No screen, command or test bypasses it. The caller decides how the operator is asked and where entries go, not the order
of the steps.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import JournalError, NexConsoleError
from ..text.sanitize import clean
from ..text.units import period
from .action import Action, Context
from .http_replies import lost
from .lease import Lease, Leases, NoLeases
from .plan import Outcome, Plan, Verdict
from .relevance import prepared
from .settlement import Settling

log = logging.getLogger(__name__)

CANCELLED = "cancelled: nothing was sent"  # by whoever was asked
EXECUTE_LIMIT_S = 300.0
SETTLE_LIMIT_S = 90.0
AFRESH_S = 1.0  # the plan is prepared again where the others' say took longer


@dataclass(frozen=True, kw_only=True)
class ConfirmationReply:
    """The operator's reply: the confirmation's text, or None to cancel."""

    text: str | None


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """The result of the whole path. `stopped` says why nothing was sent (blocked, cancelled, unrecorded...).
    `doubt` names the consoles that could not be asked for a lease.
    """

    plan: Plan | None
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    stopped: str | None = None
    doubt: str = ""
    unrecorded: str = ""  # what of it is not on record, and why
    intent: str | None = None  # the id of the intent's entry


# Shows a plan, with the sentence why it is shown again if it is, and returns what the operator gave.
Ask = Callable[[Plan, str | None], Awaitable[ConfirmationReply]]
# Writes an entry durably, off the event loop, and returns its id. Raises JournalError.
Record = Callable[[str, Mapping[str, Any]], Awaitable[str]]
# Gives others their say before a plan is sent; returns the proposal's id, None where none was needed, and why nothing
# may be sent.
RequestApproval = Callable[[Plan, Context], Awaitable[tuple[str | None, str | None]]]
# The journal can't be written: may it be done unrecorded? Gets the error's sentence.
AskUnrecorded = Callable[[str], Awaitable[bool]]


async def alone(plan: Plan, context: Context) -> tuple[str | None, str | None]:
    """Approval where no other person could object."""
    return None, None


@dataclass(kw_only=True)
class ActionHost:
    """What the path needs of its front end: how to ask, where to record, whether acting is allowed."""

    ask: Ask
    record: Record
    ask_unrecorded: AskUnrecorded
    show: Callable[[ActionResult], None] = lambda performance: None
    why_not: str | None = None  # the sentence why this console can't act
    leases: Leases = field(default_factory=NoLeases)
    consult: RequestApproval = alone


async def perform(action: Action, arguments: Mapping[str, str], context: Context, console: ActionHost) -> ActionResult:
    """Take one action down the whole path. Expected trouble is in the ActionResult; only bugs raise."""
    if console.why_not is not None:
        return ActionResult(plan=None, stopped=console.why_not)
    try:
        plan = await prepared(action, arguments, context)
    except NexConsoleError as error:
        return ActionResult(plan=None, stopped=str(error))
    plan, lease, stopped = await _confirmed(action, plan, context, console)
    if stopped is not None:
        return ActionResult(plan=plan, stopped=stopped)
    record = _Record(console)
    async with lease:
        done = await _sent(action, ActionResult(plan=plan, doubt=lease.doubt), lease, context, record)
    if done.outcome is None:
        return done
    console.show(done)
    if done.outcome.state == "unknown":
        done = await _settled(action, done, context, record)
        console.show(done)
    assert done.outcome is not None
    if done.outcome.state in ("refused", "failed"):
        return replace(done, unrecorded=record.missing)
    verdict = await _verify(action, plan, done.outcome, context)
    await record.after("verdict", {"verdict": verdict})
    done = replace(done, intent=record.intent, verdict=verdict, unrecorded=record.missing)
    console.show(done)
    return done


async def _confirmed(
    action: Action, plan: Plan, context: Context, console: ActionHost
) -> tuple[Plan, Lease, str | None]:
    """Ask until a fresh, unchanged, unblocked plan is confirmed and its targets are reserved. Returns the plan, its
    lease, and why it stopped if it did.
    """
    why_again: str | None = None
    lease: Lease = NoLeases()
    while True:
        looking = asyncio.create_task(console.leases.seen(plan))  # meanwhile, so that the dialog waits for nobody
        try:
            answer = await console.ask(plan, why_again)  # a blocked plan is shown too: the operator must see why
            if (why_not := _refused(plan, answer)) is not None:
                return plan, lease, why_not
            seen = await looking
        finally:
            looking.cancel()
        try:
            # After `seen`: whatever others have executed by then is in what is read now.
            fresh = await prepared(action, plan.arguments, context)
            late = context.clock() >= plan.expires_at
            if fresh.fingerprint == plan.fingerprint and not late:
                plan = replace(plan, details=fresh.details) if plan.one_by_one else fresh
                lease = await console.leases.take(plan, seen)
                if not lease.changed:
                    return plan, lease, lease.held or None
                why_again, fresh = lease.changed, await prepared(action, plan.arguments, context)
            else:
                why_again = difference(plan, fresh) if fresh.fingerprint != plan.fingerprint else EXPIRED
        except NexConsoleError as error:
            return plan, lease, f"the plan no longer holds: {error}"
        plan = fresh


def _refused(plan: Plan, answer: ConfirmationReply) -> str | None:
    """Why this reply sends nothing; None where it confirms the plan."""
    if plan.blocked:
        return "; ".join(guard.reason for guard in plan.blocked)
    if answer.text is None:
        return CANCELLED
    if answer.text != plan.confirm.text:
        return f"not confirmed: {plan.confirm.text} was asked for, nothing was sent"
    return None


async def _sent(action: Action, begun: ActionResult, lease: Lease, context: Context, record: _Record) -> ActionResult:
    """Record the intent, execute, record the outcome, all under the lease."""
    plan = begun.plan
    assert plan is not None
    if lease.doubt:
        context.progress(lease.doubt)
    plan, proposal, stopped = await _allowed(action, plan, lease, context, record.console)
    if stopped is None:
        stopped = await record.before(plan, proposal, context)
    if stopped is not None:
        return replace(begun, plan=plan, stopped=stopped)
    lease.sending()
    outcome = await _execute(action, plan, context)
    await record.after("outcome", {"outcome": outcome})
    return replace(begun, plan=plan, intent=record.intent, outcome=outcome, unrecorded=record.missing)


async def _allowed(
    action: Action, plan: Plan, lease: Lease, context: Context, console: ActionHost
) -> tuple[Plan, str | None, str | None]:
    """Wait for objections or approval. Returns the present plan, the proposal's id if there was one, and why nothing
    may be sent (None: it may).
    """
    began = time.monotonic()
    proposal, why_not = await console.consult(plan, context)
    if why_not is None and (proposal is not None or time.monotonic() - began > AFRESH_S):  # that took a while
        try:
            fresh = await prepared(action, plan.arguments, context)
        except NexConsoleError as error:
            return plan, proposal, f"the plan no longer holds: {error}"
        if fresh.fingerprint != plan.fingerprint:
            return plan, proposal, f"nothing was sent: {difference(plan, fresh).removesuffix(AS_IT_IS)}"
        plan = replace(plan, details=fresh.details) if plan.one_by_one else fresh
    return plan, proposal, why_not or await lease.lost() or None


AS_IT_IS = ": confirm it as it is now"
EXPIRED = "the plan was older than its limit and was prepared again" + AS_IT_IS


def difference(old: Plan, new: Plan) -> str:
    """One sentence: how the fresh plan differs from the plan that was shown."""
    before = {(target.kind, target.id): dict(target.identity) for target in old.chosen}
    after = {(target.kind, target.id): dict(target.identity) for target in new.chosen}
    gone = [key[1] for key in before if key not in after]
    come = [key[1] for key in after if key not in before]
    both = ((key[1], before[key], after[key]) for key in before if key in after)
    changed = [f"{id} ({_moved(was, now)})" for id, was, now in both if was != now]
    parts = [
        f"{word} {', '.join(ids[:5])}{' and more' if len(ids) > 5 else ''}"
        for word, ids in (("gone:", gone), ("new:", come), ("changed:", changed))
        if ids
    ]
    blocks = [guard.reason for guard in new.blocked if guard.name not in {other.name for other in old.blocked}]
    if old.confirm != new.confirm:
        parts.append("another confirmation is asked for")
    return "the system changed since the preview (" + "; ".join([*parts, *blocks]) + ")" + AS_IT_IS


async def _execute(action: Action, plan: Plan, context: Context) -> Outcome:
    try:
        async with asyncio.timeout(EXECUTE_LIMIT_S):
            return await action.execute(plan, context)
    except TimeoutError:
        return lost(f"no answer within {period(EXECUTE_LIMIT_S)}", sent=True)
    except NexConsoleError as error:
        log.exception("%s raised where it should have answered", plan.action)
        return lost(str(error), sent=True)


async def _settled(action: Action, done: ActionResult, context: Context, record: _Record) -> ActionResult:
    """Ask the changed system what happened. Its answer is recorded as another outcome."""
    assert done.plan is not None and done.outcome is not None
    if not isinstance(action, Settling):
        return done
    try:
        async with asyncio.timeout(SETTLE_LIMIT_S):
            outcome = await action.settle(done.plan, done.outcome, context)
    except TimeoutError:
        return done
    except NexConsoleError:
        log.exception("%s raised where it should have settled", done.plan.action)
        return done
    if outcome.state != done.outcome.state:
        await record.after("outcome", {"outcome": outcome})
    return replace(done, outcome=outcome)


async def _verify(action: Action, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
    try:
        async with asyncio.timeout(plan.deadline_s + 15):
            return await action.verify(plan, outcome, context)
    except TimeoutError:
        return Verdict(state="unknown", because=f"what it watches could not be read within {period(plan.deadline_s)}")
    except NexConsoleError as error:
        return Verdict(state="unknown", because=f"it could not be verified: {error}")


def _moved(was: Mapping[str, object], now: Mapping[str, object]) -> str:
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return ", ".join(f"{name} {clean(was.get(name), 40)} -> {clean(now.get(name), 40)}" for name in names)


class _Record:
    """The record of one action. `intent` is the id of its intent entry; None while that is not on disk.

    A full disk can't undo what was sent. An entry that could not be written (even the intent, then marked `late`) is
    written before the next one. Until then it is shown and logged.
    """

    def __init__(self, console: ActionHost) -> None:
        self.console = console
        self.intent: str | None = None
        self._left: list[tuple[str, Mapping[str, Any]]] = []
        self._why = ""

    @property
    def missing(self) -> str:
        """Which entries are not on record, and why; "" for none."""
        if not self._left:
            return ""
        if self.intent is None:
            return f"nothing of it is on record: {self._why}"
        return f"its {' and '.join(dict.fromkeys(kind for kind, _ in self._left))} not on record: {self._why}"

    async def before(self, plan: Plan, proposal: str | None, context: Context) -> str | None:
        """Write the intent to disk, or get the operator's consent to act unrecorded; else why nothing is sent."""
        data: dict[str, Any] = {"operator": context.operator, "plan": plan.as_dict()}
        if proposal is not None:
            data["proposal"] = proposal
        try:
            self.intent = await self.console.record("intent", data)
        except JournalError as error:
            if not await self.console.ask_unrecorded(str(error)):
                return f"nothing was sent, because it could not be recorded: {error}"
            self._left.append(("intent", {**data, "late": True}))
            self._why = str(error)
        return None

    async def after(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write the pending entries, then this one."""
        self._left.append((kind, data))
        try:
            while self._left:
                kind, data = self._left[0]
                if kind == "intent":
                    self.intent = await self.console.record(kind, data)
                else:
                    await self.console.record(kind, {"intent": self.intent, **data})
                del self._left[0]
        except JournalError as error:
            self._why = str(error)
            log.exception("the %s could not be recorded: %s", kind, data)
