"""Masks customer data in external text for shared screens and reports.

Credentials are hidden first (`redaction`), then every kind in `customers`. Each value becomes a tag such as `‹7f3a›`,
the same for the same value, so that two can be told apart. Personal names can't be recognized.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

from .customers import FIGURES, KINDS, STATEMENT, verb
from .kinds import TextKind, hide_all
from .redaction import redact

CACHED = 8_192
LONGEST_CACHED = 4_000  # characters


def mask(text: str) -> str:
    """The text with customer data, credentials and SQL replaced. Masking twice is masking once."""
    return _cached(text, True) if len(text) <= LONGEST_CACHED else _masked(text, True)


def mask_command(text: str) -> str:
    """As `mask`, for a literal command of our own: its statement stays, what it says of customers doesn't."""
    return _cached(text, False) if len(text) <= LONGEST_CACHED else _masked(text, False)


def mask_query(query: str) -> str:
    """A query that somebody else runs, masked down to its first word: `UPDATE …`."""
    return verb(query)


def mask_figures(text: str) -> str:
    """Only what can't be anything else: a last look at lines that also hold our own figures, widths kept."""
    for kind in FIGURES:
        text = kind.pattern.sub(partial(_hidden_in_width, kind), text)
    return text


@lru_cache(maxsize=CACHED)
def _cached(text: str, statements: bool) -> str:
    return _masked(text, statements)


def _masked(text: str, statements: bool) -> str:
    text = redact(text)
    if statements:
        text = STATEMENT.hidden(text)
    return hide_all(KINDS, text)


def _hidden_in_width(kind: TextKind, found: re.Match[str]) -> str:
    shown = kind.hide(found)
    return shown if shown == found[0] else shown.ljust(len(found[0]))
