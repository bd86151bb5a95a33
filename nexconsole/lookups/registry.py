"""The lookups by the kind of subject: what is read while its page is open, each as a signal of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..model import SignalKey, Value
from ..signals.signal import Signal
from . import event, lock, log_lines, pod, provider, reservation, session

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

Read = Callable[["Sources", "Settings", "Subject", Value | None], Awaitable[Any]]

ROW: SignalKey[Value] = SignalKey("page row")
LINES: SignalKey[log_lines.SubjectLines] = SignalKey("page log lines")
ROW_EVERY_S = 4.0
LINES_EVERY_S = 2.0


def _anew(read: Callable[[Sources, Settings, Subject], Awaitable[Any]]) -> Read:
    """A read that needs nothing of the one before."""

    async def whole(sources: Sources, settings: Settings, subject: Subject, before: Value | None) -> Any:
        return await read(sources, settings, subject)

    return whole


ROWS: Mapping[str, tuple[type[Value], Read]] = {
    "provider": (provider.ProviderDetails, _anew(provider.read)),
    "pod": (pod.PodFacts, _anew(pod.read)),
    "event": (event.EventRow, _anew(event.read)),
    "session": (session.SessionRow, session.read),
    "reservation": (reservation.PendingRows, _anew(reservation.read)),
    "lock": (lock.LockKey, _anew(lock.read)),
}
LOG_LINES: Mapping[str, Read] = {"provider": log_lines.of_provider, "pod": log_lines.of_pod}


def lookups(subject: Subject) -> tuple[Signal[Any], ...]:
    """What is read for this subject's page."""
    found = []
    row = ROWS.get(subject.kind)
    if row is not None and (subject.kind != "lock" or "lock" in subject.arguments):  # a family of locks has no key
        found.append(_signal(ROW, row[0], row[1], subject, ROW_EVERY_S))
    if subject.kind in LOG_LINES:
        read = LOG_LINES[subject.kind]
        found.append(_signal(LINES, log_lines.SubjectLines, read, subject, LINES_EVERY_S))
    return tuple(found)


def _signal(name: str, kind: type[Value], read: Read, subject: Subject, every: float) -> Signal[Any]:
    return Signal(
        name=name,
        kind=kind,
        read=lambda sources, settings, before: read(sources, settings, subject, before),
        summary=lambda value: subject.title,
        every=every,
        on_demand=True,
    )
