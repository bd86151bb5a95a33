"""What consoles did, as changes: for a log of changes that shows both."""

from __future__ import annotations

from collections.abc import Iterable

from ..signals.change import Change, ChangeKind
from ..text.sanitize import clean
from .actions import ActionRecord

LONGEST = 200  # characters


def action_changes(records: Iterable[ActionRecord]) -> tuple[Change, ...]:
    """Each action that changed something, or may have; what was refused or failed has changed nothing."""
    return tuple(
        Change(
            at=record.ended_at or record.at,
            kind=ChangeKind.ACTION,
            subject=clean(record.name, LONGEST),
            target=clean(record.subject, LONGEST),
            text=clean(record.effect or record.name, LONGEST) + ("" if record.happened else "; whether is not known"),
            who=clean(record.by, LONGEST),
            within_s=(record.ended_at - record.at).total_seconds() if record.ended_at is not None else 0.0,
            source="journal",
        )
        for record in records
        if record.happened or record.unknown
    )
