"""Actions that wait for the others: proposed, then objected to, approved, sent or stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..journal import Entry, Kind
from ..sources.text import clean

NEEDS = ("objection", "approval")
NO_PROPOSAL = "an action whose proposal is not on record"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An action that somebody means to take, `until` when others may speak (UTC). `needs`: "objection" (it goes on
    unless somebody objects) or "approval" (it goes on only if somebody else approves).

    `ended`: "", or how: "objected", "approved", "sent" or "stopped"; by whom, and why.
    """

    id: str
    name: str
    effect: str
    by: str
    at: datetime
    until: datetime
    needs: Literal["objection", "approval"]
    ended: str = ""
    ended_by: str = ""
    reason: str = ""

    def open(self, now: datetime) -> bool:
        """Whether others may still speak."""
        return not self.ended and now < self.until


ENDS = {Kind.OBJECTED: "objected", Kind.APPROVED: "approved", Kind.STOPPED: "stopped"}


def proposals_in(entries: Iterable[Entry]) -> tuple[Proposal, ...]:
    """Every proposal in these entries (in merge's order). An objection beats an approval, whichever came first; nobody
    approves what he proposes himself, from whichever console."""
    found: dict[str, Proposal] = {}
    late: list[Entry] = []
    for entry in entries:
        if entry.kind == Kind.PROPOSED:
            found[entry.id] = _proposed(entry)
        elif entry.kind in ENDS or (entry.kind == Kind.INTENT and entry.data.get("proposal")):
            late.append(entry)
    for entry in late:
        id = str(entry.data.get("proposal"))
        if (proposal := found.get(id)) is not None:
            found[id] = _ended(proposal, entry)
    return tuple(found.values())


def _proposed(entry: Entry) -> Proposal:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    words = [str(plan.get("action") or "an action"), *(arguments.values() if isinstance(arguments, dict) else ())]
    needs = entry.data.get("needs")
    return Proposal(
        id=entry.id,
        name=clean(" ".join(map(str, words)), 200),
        effect=clean(plan.get("effect") or "", 500),
        by=str(entry.writer),
        at=entry.at.astimezone(UTC),
        until=_time(entry.data.get("until"), entry.at),
        needs="approval" if needs == "approval" else "objection",
    )


def _ended(proposal: Proposal, entry: Entry) -> Proposal:
    how = ENDS.get(Kind(entry.kind), "sent")
    if how == "approved" and str(entry.writer) == proposal.by:
        return proposal
    rank = {"": 0, "approved": 1, "sent": 2, "stopped": 3, "objected": 4}
    if rank[how] <= rank[proposal.ended]:
        return proposal
    return replace(proposal, ended=how, ended_by=str(entry.writer), reason=clean(entry.data.get("reason") or "", 500))


def _time(value: Any, fallback: datetime) -> datetime:
    """A time as the journal holds it. What is no time is the entry's own: such a window is over."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        found = fallback
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
