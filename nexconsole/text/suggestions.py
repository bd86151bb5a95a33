"""Suggests the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`: did you mean status?`, to end a sentence with; "" where nothing resembles the word."""
    from difflib import get_close_matches  # nothing that a start has to wait for

    close = get_close_matches(word.lower(), list(known), n=1)
    return f": did you mean {close[0]}?" if close else ""
