"""What was done and is still in force, in words: what, by whom, how long ago, and whether it can be taken back here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..text.units import duration
from .capabilities import Capability

if TYPE_CHECKING:
    from .session import Session


def words(session: Session, undo_key: str = "") -> Iterator[str]:
    """`smsbower is disabled, by maria 14 min ago; u undoes it`, the oldest first, of every console's actions.

    `undo_key` undoes the newest action; "": there are no keys.
    """
    undoable = session.undoable if undo_key and session.why_not(Capability.ACT) is None else None
    for item in session.in_force:
        who = item.by.partition("@")[0] or "somebody"
        undo = (
            f"; {undo_key} undoes it" if undoable is not None and item.intent and undoable.intent == item.intent else ""
        )
        yield f"{item.what}, by {who} {duration(session.clock() - item.since)} ago{undo}"
