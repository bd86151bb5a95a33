"""Proposals: actions that wait for others, and were then objected to, approved, sent or stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..journal import Entry, EntryKind
from ..journal.shapes import is_length
from ..text.sanitize import clean
from .permissions import WriterIdentity, another, author

LONGEST_S = 86_400.0  # a window that is longer is none
NEEDS = ("objection", "approval")
NO_PROPOSAL = "an action whose proposal is not on record"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposed action. Others may answer for `lasts_s` seconds after they receive it. `until` is the end of that by
    the proposer's clock (UTC), which may be wrong. `needs`: "objection" (sent unless somebody objects) or "approval"
    (sent only if another person approves).

    `ended`: "", "objected", "approved", "sent" or "stopped"; by whom, and why.
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
    lasts_s: float = 0.0
    person: WriterIdentity

    @property
    def account(self) -> str:
        """Of who proposes it."""
        return self.person.account


ENDS = {EntryKind.OBJECTED: "objected", EntryKind.APPROVED: "approved", EntryKind.STOPPED: "stopped"}


def proposals_in(entries: Iterable[Entry]) -> tuple[Proposal, ...]:
    """Every proposal in these entries (in merge's order). An objection beats an approval, whichever came first; nobody
    approves what he proposes himself, from whichever console and under whichever name."""
    found: dict[str, Proposal] = {}
    late: list[Entry] = []
    for entry in entries:
        if entry.kind == EntryKind.PROPOSED:
            found[entry.id] = _proposed(entry)
        elif entry.kind in ENDS or (entry.kind == EntryKind.INTENT and entry.data.get("proposal")):
            late.append(entry)
    for entry in late:
        id = str(entry.data.get("proposal"))
        if (proposal := found.get(id)) is not None:
            if entry.kind != EntryKind.APPROVED or another(author(entry), proposal.person):
                found[id] = _ended(proposal, entry)
    return tuple(found.values())


def _proposed(entry: Entry) -> Proposal:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    words = [str(plan.get("action") or "an action"), *(arguments.values() if isinstance(arguments, dict) else ())]
    needs, until = entry.data.get("needs"), _time(entry.data.get("until"), entry.at)
    lasts = entry.data.get("lasts_s", (until - entry.at).total_seconds())
    return Proposal(
        id=entry.id,
        name=clean(" ".join(map(str, words)), 200),
        effect=clean(plan.get("effect") or "", 500),
        by=str(entry.writer),
        at=entry.at.astimezone(UTC),
        until=until,
        needs="approval" if needs == "approval" else "objection",
        lasts_s=float(lasts) if is_length(lasts) and lasts <= LONGEST_S else 0.0,
        person=author(entry),
    )


def _ended(proposal: Proposal, entry: Entry) -> Proposal:
    how = ENDS.get(EntryKind(entry.kind), "sent")
    rank = {"": 0, "approved": 1, "sent": 2, "stopped": 3, "objected": 4}
    if rank[how] <= rank[proposal.ended]:
        return proposal
    return replace(proposal, ended=how, ended_by=str(entry.writer), reason=clean(entry.data.get("reason") or "", 500))


def _time(value: Any, fallback: datetime) -> datetime:
    """A time of the journal. An invalid one becomes the entry's own, so the window is over."""
    try:
        found = datetime.fromisoformat(str(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return fallback.astimezone(UTC)
