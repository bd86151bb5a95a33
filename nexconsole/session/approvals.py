"""The objection window, and the approval, that an action with a large blast radius waits for.

The objection window (`warroom.objection_s`) is the time in which others may object. An action of
`warroom.approval_actions` waits for a second person's approval instead (`warroom.approval_s`).

    proposed -> objected: nothing is sent         proposed -> approved: sent at once
    proposed -> the window ends: sent where only objections count, else not

Who is known to be alone in the room goes on where others could only object, and says so. Where nobody is here who may
approve, or nobody answered, what needs an approval is sent only by breaking glass: with a typed reason, recorded before
it. Who can't tell whether he is alone, can't ask, or loses sight of the others within the window, does not act.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..actions.plan import Plan
from ..errors import JournalError
from ..incident.proposals import Proposal, proposals_in
from ..journal import EntryKind
from ..settings import Settings
from ..text.sanitize import clean
from ..text.units import duration, period, remaining
from .incident_store import IncidentStore

EVERY_S = 0.1
GRACE_S = 1.0  # what was said within the window may arrive so much later
KNOWN_S = 8.0  # within which it must be known who else is here
TOLD_S = 4.0  # and a proposal must have reached other hosts
LONGEST_REASON = 500  # characters of the reason for breaking glass
UNBROKEN = "the glass was not broken: it needs a second person's approval"
NOBODY_APPROVES = "nobody is here who may approve it"
CUT_OFF_S = 3.0  # a pause of the whole console for longer, as by a suspended host, is a lost link


@dataclass(frozen=True, kw_only=True)
class ApprovalChannel:
    """How many people besides this operator could object or approve.

    `here`: under another name or account. `apart`: those of them who may approve, and who are known to be somebody
    else, so that their approval is a second person's.
    """

    here: int
    apart: int


@dataclass(frozen=True, kw_only=True)
class ApprovalDecision:
    """How an objection window, or the wait for an approval, has ended.

    `proposal`: the entry that the intent belongs to, None where none was needed, or `alone` in the room.
    `why_not`: why nothing may be sent; None to go on. `broke_glass`: the reason why it goes on without the second
    person that it needs, "" where it needs none or has one.
    """

    proposal: str | None = None
    alone: bool = False
    why_not: str | None = None
    broke_glass: str = ""


Needs = Literal["objection", "approval", ""]
# Asks for the reason to act without the second person that the plan needs; it is told why there is none. None: left.
AskBreakGlass = Callable[[Plan, str], Awaitable[str | None]]


async def unbroken(plan: Plan, why: str) -> str | None:
    """Where nobody can be asked, the glass stays whole."""
    return None


def reason_of(text: str) -> str:
    """A typed reason as it is recorded; "" for none, as of spaces or marks alone."""
    words = clean(text, LONGEST_REASON)
    return words if any(character.isalnum() for character in words) else ""


@dataclass(frozen=True)
class _WindowEnd:
    """How a window has ended: why nothing may be sent, None to go on. `unanswered`: nobody has approved or objected."""

    why_not: str | None
    unanswered: bool = False


class ApprovalGate:
    """Opens the objection window for a plan, or asks for an approval, and waits for its end.

    `others` counts the people here besides this operator; `unknown` says why that is not known, or why they can't be
    told, or ""; `told` is whether other hosts can read an entry (the journal's name, the entry's id) by now.
    """

    def __init__(
        self,
        incident_store: IncidentStore,
        settings: Settings,
        clock: Callable[[], datetime],
        others: Callable[[], ApprovalChannel],
        unknown: Callable[[], str],
        told: Callable[[str, str], bool] = lambda name, entry: True,
    ) -> None:
        self._incident_store, self._rules, self._clock = incident_store, settings.warroom, clock
        self._others, self._unknown, self._told = others, unknown, told
        self.mine: set[str] = set()  # ids of this console's own proposals

    def needed(self, plan: Plan) -> Needs:
        """Whether this plan needs an objection window or an approval, by its action and how much it touches."""
        rules = self._rules
        if plan.action in rules.approval_actions and rules.approval_s > 0:
            return "approval"
        large = plan.action in rules.objection_actions or len(plan.chosen) > rules.objection_targets
        return "objection" if large and rules.objection_s > 0 else ""

    async def ask(
        self,
        plan: Plan,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
        break_glass: AskBreakGlass = unbroken,
    ) -> ApprovalDecision:
        """Propose the plan and wait for what the others say. `progress` is told how long it still takes; `break_glass`
        asks for a reason where nobody can approve, or nobody has.

        Nobody is alone because he could not be told who else is here, and nothing is agreed to by those who were not
        asked: each such trouble is a refusal.
        """
        needs, reason = self.needed(plan), ""
        if not needs:
            return ApprovalDecision()
        if (unknown := await self._wait_for_presence(progress, cancelled)) is not None:
            return ApprovalDecision(why_not=f"nothing was sent: {unknown}")
        if needs == "approval" and not self._others().apart:
            reason = reason_of(await break_glass(plan, NOBODY_APPROVES) or "")
            if not reason:
                return ApprovalDecision(why_not=f"nothing was sent: {NOBODY_APPROVES}, and {UNBROKEN}")
            if (unknown := await self._wait_for_presence(progress, cancelled)) is not None:
                return ApprovalDecision(why_not=f"nothing was sent: {unknown}")
            if self._others().apart:  # somebody has come meanwhile: the glass stays whole
                reason = ""
            else:
                needs = "objection"  # whoever is here may still object
        others = self._others()
        if not others.here and not others.apart:
            progress("nobody else is here to object: going on")
            return ApprovalDecision(alone=True, broke_glass=reason)
        lasts = self._rules.approval_s if needs == "approval" else self._rules.objection_s
        if not lasts:
            return ApprovalDecision(alone=True, broke_glass=reason)
        return await self._propose(plan, needs, lasts, reason, progress, cancelled, break_glass)

    async def _propose(
        self,
        plan: Plan,
        needs: Needs,
        lasts: float,
        reason: str,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
        break_glass: AskBreakGlass,
    ) -> ApprovalDecision:
        until = self._clock() + timedelta(seconds=lasts)
        data = {"plan": plan.as_dict(), "until": until.isoformat(), "lasts_s": lasts, "needs": needs}
        try:
            entry, name = await self._incident_store.put(EntryKind.PROPOSED, data)
        except JournalError as error:
            return ApprovalDecision(why_not=f"the others could not be asked: nothing was sent: {error}")
        self.mine.add(entry.id)
        end = await self._wait_for_objections(entry.id, name, needs, lasts, progress, cancelled)
        if end.unanswered:
            nobody = f"nobody approved within {period(lasts)}"
            reason = reason_of(await break_glass(plan, nobody) or "")
            end = self._answered_late(entry.id, name) if reason else _WindowEnd(f"{nobody}: nothing was sent")
            spoken = self._proposal(name, entry.id)
            reason = "" if spoken is not None and spoken.ended == "approved" else reason
        if end.why_not is not None:
            await self._record_stopped(entry.id, end.why_not)
        return ApprovalDecision(
            proposal=entry.id, why_not=end.why_not, broke_glass=reason if end.why_not is None else ""
        )

    def _answered_late(self, id: str, name: str) -> _WindowEnd:
        """What has come while the reason was typed."""
        if cut_off := self._unknown() or self._incident_store.trouble:
            return _WindowEnd(f"the connection to the others was lost meanwhile: nothing was sent: {cut_off}")
        return _WindowEnd(_refusal(self._proposal(name, id)))

    async def _wait_for_presence(self, progress: Callable[[str], None], cancelled: Callable[[], bool]) -> str | None:
        """Why it is not known who else is here, after a while; None once it is."""
        deadline = time.monotonic() + KNOWN_S
        while unknown := self._unknown() or self._incident_store.unread:
            if cancelled():
                return "stopped by its own operator"
            if time.monotonic() > deadline:
                return f"who else is here is not known, so nobody was asked: {unknown}"
            progress("finding out who else is here")
            await asyncio.sleep(EVERY_S)
        return None

    async def _wait_for_objections(
        self,
        id: str,
        name: str,
        needs: Needs,
        lasts: float,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> _WindowEnd:
        """How the window ends: nothing hinders when it has ended without an objection, or with an approval."""
        began = seen = time.monotonic()
        ends = began + lasts
        said = ""
        told = False
        while True:
            now = time.monotonic()
            if now - seen > CUT_OFF_S:
                return _WindowEnd(f"this console hung for {duration(now - seen)} within the window: nothing was sent")
            seen = now
            if cut_off := self._unknown() or self._incident_store.trouble:
                lost = "the connection to the others was lost within the window"
                return _WindowEnd(f"{lost}: nothing was sent: {cut_off}")
            spoken = self._proposal(name, id)
            if (why_not := _refusal(spoken)) is not None:
                return _WindowEnd(why_not)
            if spoken is not None and spoken.ended == "approved":
                return _WindowEnd(None)
            if cancelled():
                return _WindowEnd("stopped by its own operator: nothing was sent")
            if not told and not (told := self._told(name, id)) and now - began > TOLD_S:
                return _WindowEnd(f"other hosts could not be told within {period(TOLD_S)}: nothing was sent")
            if now >= ends + GRACE_S:
                return _WindowEnd(None, unanswered=needs == "approval")
            what = "a second person's approval" if needs == "approval" else "objections"
            words = f"waiting for {what}, {remaining(ends - now)} left"
            if words != said:
                progress(said := words)
            await asyncio.sleep(EVERY_S)

    def _proposal(self, name: str, id: str) -> Proposal | None:
        """As it stands in its own journal, whichever incident this console is in by now."""
        return next((proposal for proposal in proposals_in(self._incident_store.of(name)) if proposal.id == id), None)

    async def _record_stopped(self, proposal: str, reason: str) -> None:
        try:
            await self._incident_store.record(EntryKind.STOPPED, {"proposal": proposal, "reason": reason})
        except JournalError:  # `trouble` says so; nothing was sent all the same
            return


def _refusal(spoken: Proposal | None) -> str | None:
    """Why nothing may be sent by what was said to the proposal; None where nothing speaks against it."""
    if spoken is None:
        return "its proposal is no longer on record, so nobody could object: nothing was sent"
    if spoken.ended == "objected":
        because = f": {spoken.reason}" if spoken.reason else ""
        return f"{spoken.ended_by} objected{because}: nothing was sent"
    if spoken.ended == "stopped":
        return f"it was stopped by {spoken.ended_by}: nothing was sent"
    return None
