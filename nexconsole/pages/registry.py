"""The pages by the kind of subject, one a line."""

from __future__ import annotations

from collections.abc import Mapping

from . import plain_page, provider
from .section import SubjectPage

PAGES: Mapping[str, SubjectPage] = {
    "provider": provider,
}


def page_of(kind: str) -> SubjectPage:
    """The page for a kind of subject; one that says what is on record for a kind that has none of its own."""
    return PAGES.get(kind, plain_page)
