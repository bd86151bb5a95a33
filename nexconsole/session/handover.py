"""What a session knows, as the page of the handover takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..incident.similar import headline
from ..report.handover import HandoverContext
from ..severity import judged
from ..status import unread

if TYPE_CHECKING:
    from ..causes.model import Explanation
    from ..model import Reading
    from ..settings import Settings
    from ..severity import Severity
    from .session import Session

NOT_READ = "nothing was read yet"


def is_read(readings: Mapping[str, Reading], settings: Settings) -> bool:
    """Whether any signal that can raise the level has a value: else nothing may be said of now."""
    return any((one := readings.get(signal.name)) is not None and one.value is not None for signal in judged(settings))


def context_of(
    session: Session,
    readings: Mapping[str, Reading],
    severity: Severity | None,
    explanation: Explanation | None,
) -> HandoverContext:
    """The context of this moment; `readings`, `severity` and `explanation` are those that are shown."""
    now = session.clock()
    known = is_read(readings, session.settings)
    sentences = unread(readings, session.sources.health())
    return HandoverContext(
        now=now,
        settings=session.settings,
        name=session.incident_store.current or "",
        incident=session.incident,
        severity=severity if known else None,
        explanation=explanation if known else None,
        readings=readings,
        in_force=session.in_force,
        here=tuple(presence.name for presence in session.peers.here),
        seen_before=headline(session.seen_before.found, now),
        unread=sentences if known else (),
        why_not_read=sentences[0] if sentences else NOT_READ,
    )
