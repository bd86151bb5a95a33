"""Which entries count: those whose writer may, by this console's `[roles]`, do what they do, and who forged nothing.

An entry that does not count stays on record and on screen, with a mark. What has happened (an action's intent, its
outcome) is a fact whoever did it: it is marked and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..journal import Entry, EntryKind
from ..journal.sentences import mark as doubt_mark
from ..settings import RoleSettings
from ..settings.roles import Capability
from .permissions import Permissions, author

NEEDED: Mapping[str, Capability] = {
    EntryKind.OPENED: Capability.NOTE,
    EntryKind.SEVERITY: Capability.NOTE,
    EntryKind.SEEN: Capability.NOTE,
    EntryKind.CAUSE: Capability.NOTE,
    EntryKind.FIGURES: Capability.NOTE,
    EntryKind.STEP: Capability.NOTE,
    EntryKind.NOTE: Capability.NOTE,
    EntryKind.OBJECTED: Capability.NOTE,
    EntryKind.STOPPED: Capability.NOTE,
    EntryKind.ROLE: Capability.COMMAND,
    EntryKind.DECLARED: Capability.COMMAND,
    EntryKind.CLOSED: Capability.COMMAND,
    EntryKind.APPROVED: Capability.APPROVE,
    EntryKind.PROPOSED: Capability.ACT,
    EntryKind.INTENT: Capability.ACT,
    EntryKind.UNDO: Capability.ACT,
    EntryKind.BROKE_GLASS: Capability.ACT,
}
FACTS = frozenset({EntryKind.INTENT, EntryKind.UNDO, EntryKind.BROKE_GLASS, EntryKind.PROPOSED, EntryKind.NOTE})
DOING = {
    Capability.NOTE: "write here",
    Capability.PROPOSE: "have actions proposed",
    Capability.ACT: "act",
    Capability.APPROVE: "approve",
    Capability.COMMAND: "command",
}


class Judge:
    """Judges entries by these roles."""

    def __init__(self, roles: RoleSettings | None = None) -> None:
        self.permissions = Permissions(roles or RoleSettings())

    def mark(self, entry: Entry) -> str:
        """Why this entry does not count, or what is to be said of a fact; "" for nothing."""
        if doubt := doubt_mark(entry):
            return doubt
        if self.permissions.open or (capability := self._needed(entry)) is None:
            return ""
        return "" if self.permissions.allows(capability, author(entry)) else f"not allowed to {DOING[capability]}"

    def marked(self, entry: Entry, words: str) -> str:
        """An entry's words behind its mark, which is loud."""
        mark = self.mark(entry)
        return f"{loud(mark)}: {words}" if mark else words

    def counted(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Those of these entries (in merge's order) that count."""
        entries = tuple(entries)
        if self.permissions.open and all(entry.counts for entry in entries):
            return entries
        return tuple(entry for entry in entries if self.counts(entry))

    def counts(self, entry: Entry) -> bool:
        """Whether the entry counts."""
        return entry.counts and (not self.mark(entry) or self._is_fact(entry))

    def _needed(self, entry: Entry) -> Capability | None:
        if entry.kind == EntryKind.ROLE and own_role(entry):
            return Capability.NOTE
        if entry.kind == EntryKind.PROPOSED and entry.data.get("needs") == "confirmation":
            return Capability.PROPOSE
        return NEEDED.get(entry.kind)

    def _is_fact(self, entry: Entry) -> bool:
        return entry.kind in FACTS and not (
            entry.kind == EntryKind.PROPOSED and entry.data.get("needs") == "confirmation"
        )


def loud(mark: str) -> str:
    """A mark as it stands before an entry's words."""
    return mark if mark[:2].isupper() else mark.upper()


def own_role(entry: Entry) -> bool:
    """Whether its writer takes a role for himself: nobody's leave is needed for that."""
    return bool(entry.data.get("person")) and entry.data.get("person") == str(entry.writer)


TRUSTING = Judge()  # everybody may everything; only what is forged does not count

__all__ = ["TRUSTING", "Judge", "loud", "own_role"]
