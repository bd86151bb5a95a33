"""The pages by the kind of subject, one a line."""

from __future__ import annotations

from collections.abc import Mapping

from . import alert, change, entry, event, finding, lock, plain_page, pod, provider, reservation, session
from .section import SubjectPage

PAGES: Mapping[str, SubjectPage] = {
    "provider": provider,
    "pod": pod,
    "event": event,
    "session": session,
    "reservation": reservation,
    "lock": lock,
    "alert": alert,
    "finding": finding,
    "check": finding,
    "entry": entry,
    "change": change,
}


def page_of(kind: str) -> SubjectPage:
    """The page for a kind of subject; one that says what is on record for a kind that has none of its own."""
    return PAGES.get(kind, plain_page)
