"""A journal entry in words, with the runbook's step titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..journal import Entry, EntryKind
from ..journal.sentences import sentence
from ..widgets.spans import plain

if TYPE_CHECKING:
    from ..runbook.model import Runbook


def words(entry: Entry, runbook: Runbook | None) -> str:
    """One line: for a step what became of it, which it is, and what was found."""
    if entry.kind != EntryKind.STEP:
        return plain(sentence(entry))
    data = entry.data
    chapter = runbook.chapter(str(data.get("scenario"))) if runbook is not None else None
    state, id = plain(data.get("state", ""), 20), data.get("step")
    if chapter is None:
        return plain(sentence(entry))
    if id is None:
        return f"{state}: {plain(chapter.title, 80)}"
    title = next((step.title for step in chapter.walk() if step.id == id), str(id))
    found = plain(data.get("answer") or data.get("reason") or "")
    return f"{state}: {plain(title, 80)} {found}".rstrip()
