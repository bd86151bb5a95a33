"""Proposals: actions that wait for others, and were then objected to, approved, sent or stopped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..journal import Entry, EntryKind, Writer
from ..journal.shapes import is_length
from ..text.sanitize import clean
from .permissions import WriterIdentity, another, author

LONGEST_S = 86_400.0  # a window that is longer is none
NEEDS = ("objection", "approval", "confirmation")
NO_PROPOSAL = "an action whose proposal is not on record"
WAITS = {"objection": "objections", "approval": "a second person's approval", "confirmation": "a person to confirm it"}
UNNAMED = "without a name"  # an agent's
_NO_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposed action. Others may answer for `lasts_s` seconds after they receive it. `until` is the end of that by
    the proposer's clock (UTC), which may be wrong. `needs`: "objection" (sent unless somebody objects), "approval"
    (sent only if another person approves) or "confirmation" (of an agent: nothing is sent unless a person confirms it
    in a console, who prepares it anew).

    Of an agent: `agent` is its name, `because` its reason, `plan` what it saw (Plan.as_dict()), `fingerprint` that
    plan's.

    `ended`: "", "objected", "approved", "sent" or "stopped"; by whom, and why.
    """

    id: str
    name: str
    effect: str
    by: str
    at: datetime
    until: datetime
    needs: Literal["objection", "approval", "confirmation"]
    ended: str = ""
    ended_by: str = ""
    reason: str = ""
    lasts_s: float = 0.0
    person: WriterIdentity
    agent: str = ""
    because: str = ""
    action: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    fingerprint: str = ""

    @property
    def account(self) -> str:
        """Of who proposes it."""
        return self.person.account


def agent_name(value: object) -> str:
    """An agent's name as it is shown: letters, digits and a few marks, so that it can't read like another's."""
    return _NO_NAME.sub("-", clean(value or "", 60)).strip("-")[:40] or UNNAMED


def agent_words(name: str, writer: Writer) -> str:
    """`agent claude for maria`."""
    return f"agent {name} for {writer}"


ENDS = {EntryKind.OBJECTED: "objected", EntryKind.APPROVED: "approved", EntryKind.STOPPED: "stopped"}


def proposals_in(entries: Iterable[Entry]) -> tuple[Proposal, ...]:
    """Every proposal in these entries (in merge's order). An objection beats an approval, whichever came first; nobody
    approves what he proposes himself, from whichever console and under whichever name."""
    found: dict[str, Proposal] = {}
    writers: dict[str, Writer] = {}
    late: list[Entry] = []
    for entry in entries:
        if entry.kind == EntryKind.PROPOSED:
            found[entry.id], writers[entry.id] = _proposed(entry), entry.writer
        elif entry.kind in ENDS or entry.kind == EntryKind.INTENT:
            late.append(entry)
    for entry in late:
        for id in _answered(entry):
            if (proposal := found.get(id)) is not None and _counts(entry, proposal, writers[id]):
                found[id] = _ended(proposal, entry)
    return tuple(found.values())


def _answered(entry: Entry) -> tuple[str, ...]:
    """The ids of the proposals that this entry answers: an action may have waited for approval, and confirm an
    agent's proposal too."""
    names = ("proposal", "confirms") if entry.kind == EntryKind.INTENT else ("proposal",)
    return tuple(str(entry.data[name]) for name in names if entry.data.get(name))


def _counts(entry: Entry, proposal: Proposal, proposer: Writer) -> bool:
    """Whether this answer is one that the proposal waits for."""
    if entry.kind == EntryKind.APPROVED:
        return proposal.needs != "confirmation" and another(author(entry), proposal.person)
    if entry.kind != EntryKind.INTENT:
        return True
    if proposal.needs != "confirmation":
        return entry.data.get("proposal") == proposal.id
    same = _called(entry) == (proposal.action, proposal.arguments)
    return entry.data.get("confirms") == proposal.id and same and entry.writer != proposer


def _called(entry: Entry) -> tuple[str, dict[str, str]]:
    """The action of an entry's plan, "" for none, and its arguments."""
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    given = arguments if isinstance(arguments, dict) else {}
    return str(plan.get("action") or ""), {str(name): str(value) for name, value in given.items()}


def _proposed(entry: Entry) -> Proposal:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    action, arguments = _called(entry)
    words = [action or "an action", *arguments.values()]
    agent = agent_name(entry.data.get("agent")) if entry.data.get("needs") == "confirmation" else ""
    needs, until = entry.data.get("needs"), _time(entry.data.get("until"), entry.at)
    lasts = entry.data.get("lasts_s", (until - entry.at).total_seconds())
    return Proposal(
        id=entry.id,
        name=clean(" ".join(map(str, words)), 200),
        effect=clean(plan.get("effect") or "", 500),
        by=agent_words(agent, entry.writer) if agent else str(entry.writer),
        at=entry.at.astimezone(UTC),
        until=until,
        needs="confirmation" if agent else "approval" if needs == "approval" else "objection",
        lasts_s=float(lasts) if is_length(lasts) and lasts <= LONGEST_S else 0.0,
        person=author(entry),
        agent=agent,
        because=clean(entry.data.get("reason") or "", 500) if agent else "",
        action=action,
        arguments=arguments,
        plan=plan,
        fingerprint=clean(entry.data.get("fingerprint") or "", 40),
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
