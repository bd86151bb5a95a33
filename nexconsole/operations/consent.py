"""The others' say before an action with a large blast radius: a window to object in, or a second person's word.

    proposed -> objected: nothing is sent         proposed -> approved: sent at once
    proposed -> the window ends: sent where only objections count, else not

Alone in the room it says so and goes on. Whoever loses sight of the others within the window does not act.
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
from ..journal import Kind
from ..settings import Settings
from ..warroom.proposals import Proposal, proposals_in
from .logbook import Logbook

EVERY_S = 0.1
GRACE_S = 1.0  # what was said within the window may arrive so much later
CUT_OFF_S = 3.0  # a pause of the whole console for longer, as by a suspended host, is a lost link


@dataclass(frozen=True, kw_only=True)
class Consented:
    """`proposal`: the entry that the intent belongs to, None where none was needed, or `alone` in the room.
    `why_not`: why nothing may be sent; None to go on."""

    proposal: str | None = None
    alone: bool = False
    why_not: str | None = None


class Consent:
    """`others` counts the people here besides this operator; `cut_off` says why they can't be reached, or ""."""

    def __init__(
        self,
        logbook: Logbook,
        settings: Settings,
        clock: Callable[[], datetime],
        others: Callable[[], int],
        cut_off: Callable[[], str],
    ) -> None:
        self._logbook, self._rules, self._clock = logbook, settings.warroom, clock
        self._others, self._cut_off = others, cut_off
        self.mine: set[str] = set()  # ids of this console's own proposals

    def needed(self, plan: Plan) -> Literal["objection", "approval", ""]:
        """What this plan needs of the others, going by its action and how much it touches."""
        rules = self._rules
        if plan.action in rules.approval_actions and rules.approval_s > 0:
            return "approval"
        large = plan.action in rules.objection_actions or len(plan.chosen) > rules.objection_targets
        return "objection" if large and rules.objection_s > 0 else ""

    async def ask(self, plan: Plan, progress: Callable[[str], None], cancelled: Callable[[], bool]) -> Consented:
        """Propose the plan and wait for what the others say. `progress` is told how long it still takes."""
        needs = self.needed(plan)
        if not needs:
            return Consented()
        if self._others() == 0:
            progress("nobody else is here who could object: going on")
            return Consented(alone=True)
        cut_off_before = bool(self._cut_off())  # from other hosts; those who are here can still object
        lasts = self._rules.approval_s if needs == "approval" else self._rules.objection_s
        until = self._clock() + timedelta(seconds=lasts)
        data = {"plan": plan.as_dict(), "until": until.isoformat(), "needs": needs}
        try:
            proposal = (await self._logbook.record(Kind.PROPOSED, data)).id
        except JournalError:  # nor will the intent be recorded: acting unrecorded is asked about there
            progress("the others could not be told")
            return Consented()
        self.mine.add(proposal)
        why_not = await self._waited(proposal, needs, lasts, cut_off_before, progress, cancelled)
        if why_not is not None:
            await self._stopped(proposal, why_not)
        return Consented(proposal=proposal, why_not=why_not)

    async def _waited(
        self,
        id: str,
        needs: str,
        lasts: float,
        cut_off_before: bool,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> str | None:
        """Why nothing may be sent; None when the window has ended well."""
        seen = time.monotonic()
        ends = seen + lasts
        said = ""
        while True:
            now = time.monotonic()
            if now - seen > CUT_OFF_S:
                return f"this console stood still for {now - seen:.0f} s within the window: nothing was sent"
            seen = now
            if cut_off := ("" if cut_off_before else self._cut_off()) or self._logbook.trouble:
                return f"the others were lost from sight within the window, so nothing was sent: {cut_off}"
            spoken = self._proposal(id)
            if spoken is not None and spoken.ended == "objected":
                because = f": {spoken.reason}" if spoken.reason else ""
                return f"{spoken.ended_by} objected{because}: nothing was sent"
            if spoken is not None and spoken.ended == "approved":
                return None
            if cancelled():
                return "stopped by its own operator: nothing was sent"
            if now >= ends + GRACE_S:
                return None if needs == "objection" else f"nobody approved within {lasts:g} s: nothing was sent"
            what = "a second person's word" if needs == "approval" else "objections"
            words = f"waiting for {what}, {max(0.0, ends - now):.0f} s left"
            if words != said:
                progress(said := words)
            await asyncio.sleep(EVERY_S)

    def _proposal(self, id: str) -> Proposal | None:
        return next((one for one in proposals_in(self._logbook.entries) if one.id == id), None)

    async def _stopped(self, proposal: str, reason: str) -> None:
        try:
            await self._logbook.record(Kind.STOPPED, {"proposal": proposal, "reason": reason})
        except JournalError:  # `trouble` says so; nothing was sent all the same
            return
