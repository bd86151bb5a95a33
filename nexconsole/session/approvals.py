"""The objection window, and the approval, that an action with a large blast radius waits for.

The objection window (`warroom.objection_s`) is the time in which others may object. An action of
`warroom.approval_actions` waits for a second person's approval instead (`warroom.approval_s`).

    proposed -> objected: nothing is sent         proposed -> approved: sent at once
    proposed -> the window ends: sent where only objections count, else not

Who is known to be alone in the room goes on, and says so. Who can't tell whether he is alone, can't ask, or loses sight
of the others within the window, does not act.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..actions.plan import Plan
from ..errors import JournalError
from ..incident.proposals import Proposal, proposals_in
from ..journal import EntryKind
from ..settings import Settings
from ..text.units import duration, period, remaining
from .incident_store import IncidentStore

EVERY_S = 0.1
GRACE_S = 1.0  # what was said within the window may arrive so much later
KNOWN_S = 8.0  # within which it must be known who else is here
TOLD_S = 4.0  # and a proposal must have reached other hosts
CUT_OFF_S = 3.0  # a pause of the whole console for longer, as by a suspended host, is a lost link


@dataclass(frozen=True, kw_only=True)
class ApprovalChannel:
    """How many people besides this operator could object or approve.

    `here`: under another name or account. `apart`: those of them whose account is known to be another than this one,
    so that their approval is a second person's.
    """

    here: int
    apart: int


@dataclass(frozen=True, kw_only=True)
class ApprovalDecision:
    """How an objection window, or the wait for an approval, has ended.

    `proposal`: the entry that the intent belongs to, None where none was needed, or `alone` in the room.
    `why_not`: why nothing may be sent; None to go on.
    """

    proposal: str | None = None
    alone: bool = False
    why_not: str | None = None


Needs = Literal["objection", "approval", ""]


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

    async def ask(self, plan: Plan, progress: Callable[[str], None], cancelled: Callable[[], bool]) -> ApprovalDecision:
        """Propose the plan and wait for what the others say. `progress` is told how long it still takes.

        Nobody is alone because he could not be told who else is here, and nothing is agreed to by those who were not
        asked: each such trouble is a refusal.
        """
        needs = self.needed(plan)
        if not needs:
            return ApprovalDecision()
        if (unknown := await self._wait_for_presence(progress, cancelled)) is not None:
            return ApprovalDecision(why_not=f"nothing was sent: {unknown}")
        others = self._others()
        if needs == "approval" and not others.apart:
            needs = "objection"  # nobody here is known to be somebody else: whoever is here may still object
        if not others.here and not others.apart:
            progress("nobody else is here to object: going on")
            return ApprovalDecision(alone=True)
        lasts = self._rules.approval_s if needs == "approval" else self._rules.objection_s
        if not lasts:
            return ApprovalDecision(alone=True)
        until = self._clock() + timedelta(seconds=lasts)
        data = {"plan": plan.as_dict(), "until": until.isoformat(), "lasts_s": lasts, "needs": needs}
        try:
            entry, name = await self._incident_store.put(EntryKind.PROPOSED, data)
        except JournalError as error:
            return ApprovalDecision(why_not=f"the others could not be asked: nothing was sent: {error}")
        self.mine.add(entry.id)
        why_not = await self._wait_for_objections(entry.id, name, needs, lasts, progress, cancelled)
        if why_not is not None:
            await self._record_stopped(entry.id, why_not)
        return ApprovalDecision(proposal=entry.id, why_not=why_not)

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
    ) -> str | None:
        """Why nothing may be sent; None when the objection window has ended without one, or with an approval."""
        began = seen = time.monotonic()
        ends = began + lasts
        said = ""
        told = False
        while True:
            now = time.monotonic()
            if now - seen > CUT_OFF_S:
                return f"this console hung for {duration(now - seen)} within the window: nothing was sent"
            seen = now
            if cut_off := self._unknown() or self._incident_store.trouble:
                return f"the connection to the others was lost within the window: nothing was sent: {cut_off}"
            spoken = self._proposal(name, id)
            if spoken is None:
                return "its proposal is no longer on record, so nobody could object: nothing was sent"
            if spoken.ended == "objected":
                because = f": {spoken.reason}" if spoken.reason else ""
                return f"{spoken.ended_by} objected{because}: nothing was sent"
            if spoken.ended == "stopped":
                return f"it was stopped by {spoken.ended_by}: nothing was sent"
            if spoken.ended == "approved":
                return None
            if cancelled():
                return "stopped by its own operator: nothing was sent"
            if not told and not (told := self._told(name, id)) and now - began > TOLD_S:
                return f"other hosts could not be told within {period(TOLD_S)}: nothing was sent"
            if now >= ends + GRACE_S:
                return None if needs == "objection" else f"nobody approved within {period(lasts)}: nothing was sent"
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
