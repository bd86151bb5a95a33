"""What was done just before an incident was opened: often the action that ended it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ..journal import Entry, EntryKind, counted, merge

BEFORE = timedelta(minutes=30)
_BEGIN = frozenset({EntryKind.INTENT, EntryKind.PROPOSED, EntryKind.STEP, EntryKind.NOTE, EntryKind.BROKE_GLASS})
_GO_ON = frozenset(
    {
        EntryKind.INTENT,
        EntryKind.OUTCOME,
        EntryKind.VERDICT,
        EntryKind.UNDO,
        EntryKind.OBJECTED,
        EntryKind.APPROVED,
        EntryKind.STOPPED,
    }
)


def prelude_of(incident: Iterable[Entry], outside: Iterable[Entry]) -> tuple[Entry, ...]:
    """The actions, steps and notes of the half hour before the incident was opened, with what became of them since."""
    opened = next((entry for entry in counted(merge(incident)) if entry.kind == EntryKind.OPENED), None)
    if opened is None:
        return ()
    first = opened.order - BEFORE // timedelta(microseconds=1)
    entries: list[Entry] = []
    begun: set[str] = set()
    for entry in counted(merge(outside)):
        named = {str(entry.data.get(key)) for key in ("intent", "proposal", "confirms")} & begun
        if (entry.kind in _BEGIN and first <= entry.order < opened.order) or (entry.kind in _GO_ON and named):
            entries.append(entry)
            begun.add(entry.id)
    return tuple(entries)
