"""Fuzzy search: scores how well typed text matches words."""

from __future__ import annotations

from collections.abc import Sequence

WHOLE, WORD, INSIDE, LOOSE = 100.0, 60.0, 30.0, 8.0
_BOUNDARIES = " .-_:/(,"


def score(typed: str, fields: Sequence[str]) -> float:
    """How well the typed words fit the fields, the first field counting most; 0.0 where one of them fits none."""
    total = 0.0
    for word in typed.casefold().split():
        best = max((_fits(word, field.casefold()) / (1 + n / 4) for n, field in enumerate(fields)), default=0.0)
        if best == 0.0:
            return 0.0
        total += best
    return total


def _fits(word: str, field: str) -> float:
    place = field.find(word)
    while place >= 0:
        if place == 0 or field[place - 1] in _BOUNDARIES:
            end = place + len(word)
            return WHOLE if end == len(field) or field[end] in _BOUNDARIES else WORD
        place = field.find(word, place + 1)
    if word in field:
        return INSIDE
    return _loose(word, field) if len(word) >= 2 else 0.0


def _loose(word: str, field: str) -> float:
    """The letters in their order, no more than a little apart, beginning at the beginning of a word."""
    for start, letter in enumerate(field):
        if letter != word[0] or (start and field[start - 1] not in _BOUNDARIES):
            continue
        at, gaps = start, 0
        for wanted in word[1:]:
            found = field.find(wanted, at + 1)
            if found < 0:
                break
            gaps += found - at - 1
            at = found
        else:
            if gaps <= 2 * len(word):
                return LOOSE / (1 + gaps)
    return 0.0
