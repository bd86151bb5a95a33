"""What was sent without the second person that it needs, and why: a fold over the entries that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..text.sanitize import clean
from .entries import Entry, EntryKind


@dataclass(frozen=True, kw_only=True)
class BrokenGlass:
    """One time. `at` in UTC. `sent`: whether its action's intent is on record. `mark`: what is to be said of who did
    it ("not allowed to act"), "" for nothing."""

    id: str
    at: datetime
    by: str
    action: str
    reason: str
    sent: bool = False
    mark: str = ""

    @property
    def words(self) -> str:
        """`provider.disable smsbower without a second person: sales are down`."""
        return self._told(" without a second person")

    @property
    def brief(self) -> str:
        """`provider.disable smsbower: sales are down`, where it stands beside that the glass was broken."""
        return self._told("")

    def _told(self, how: str) -> str:
        left = "" if self.sent else " (it is not on record that it was sent)"
        mark = f" ({self.mark})" if self.mark else ""
        return f"{self.action}{how}{left}{mark}: {self.reason}"


def broken_glass_in(
    entries: Iterable[Entry], mark: Callable[[Entry], str] = lambda entry: ""
) -> tuple[BrokenGlass, ...]:
    """Each time in these entries, in their order."""
    entries = tuple(entries)
    sent = {
        str(entry.data["broke_glass"]) for entry in entries if entry.kind == "intent" and "broke_glass" in entry.data
    }
    return tuple(
        BrokenGlass(
            id=entry.id,
            at=entry.at.astimezone(UTC),
            by=str(entry.writer),
            action=planned(entry.data.get("plan")),
            reason=clean(entry.data.get("reason") or "no reason given", 500),
            sent=entry.id in sent,
            mark=mark(entry),
        )
        for entry in entries
        if entry.kind == EntryKind.BROKE_GLASS
    )


def planned(plan: Any) -> str:
    """A plan's action with its arguments' values, as people call it."""
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    words = [plan.get("action") or "an action", *(arguments.values() if isinstance(arguments, dict) else ())]
    return clean(" ".join(map(str, words)), 200)
