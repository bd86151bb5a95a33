"""Fuzzy search: scores how well typed text matches words, and forgives a typing error in what is no target's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

WHOLE, WORD, INSIDE, LOOSE, MISTYPED = 100.0, 60.0, 30.0, 8.0, 6.0
LIKELIER = 12.0  # how much an entry's weight counts beside how well its words fit
BLOCKED = 15.0  # what can't be done now comes after what can and fits as well
FORGIVEN = 4  # letters from which a word may hold one typing error
_BOUNDARIES = " .-_:/(,"
_SPLIT = str.maketrans(dict.fromkeys(_BOUNDARIES + ")…", " "))


class Findable(Protocol):
    """What is searched. `words` are found but not shown; `targets` are names that are never guessed."""

    @property
    def title(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def words(self) -> tuple[str, ...]: ...
    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def weight(self) -> float: ...
    @property
    def why_not(self) -> str: ...


Entry = TypeVar("Entry", bound=Findable)


def best_first(typed: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries that fit all the words: those that hold them as typed come before those that need to be guessed,
    and a name typed in full before longer names that begin with it.
    """
    words = typed.casefold().split()
    names = {target.casefold() for entry in entries for target in entry.targets} if words else set()
    whole = [word for word in words if word in names]
    scored = []
    for n, entry in enumerate(entries):
        targets = tuple(target.casefold() for target in entry.targets)
        fields = (entry.title, entry.name, *entry.words)
        fits = score(typed, fields, targets) if words else 1.0
        if fits or (fits := score(typed, fields, targets, guessing=True)):
            longer = any(word not in targets and any(word in target for target in targets) for word in whole)
            weighed = fits + LIKELIER * entry.weight - (BLOCKED if entry.why_not else 0.0)
            scored.append((bool(words) and not _as_typed(words, fields), longer, -weighed, n, entry))
    scored.sort(key=lambda each: each[:4])
    return [each[4] for each in scored]


def score(typed: str, fields: Sequence[str], targets: Iterable[str] = (), guessing: bool = False) -> float:
    """How well the typed words fit the fields, the first field counting most; 0.0 where one of them fits none.

    Letters here and there of a word count as well, but not those of a target's name; nor, where `guessing`, one typing
    error in a word.
    """
    named = tuple(targets)
    folded = [field.casefold() for field in fields]
    total = 0.0
    for word in typed.casefold().split():
        best = 0.0
        for n, field in enumerate(folded):
            fits = _fits(word, field, named)
            if not fits and guessing and _mistyped(word, _without(field, named)):
                fits = MISTYPED
            best = max(best, fits / (1 + n / 4))
        if best == 0.0:
            return 0.0
        total += best
    return total


def _as_typed(words: Sequence[str], fields: Sequence[str]) -> bool:
    folded = [field.casefold() for field in fields]
    return all(any(word in field for field in folded) for word in words)


def _fits(word: str, field: str, targets: tuple[str, ...] = ()) -> float:
    place = field.find(word)
    while place >= 0:
        if place == 0 or field[place - 1] in _BOUNDARIES:
            end = place + len(word)
            return WHOLE if end == len(field) or field[end] in _BOUNDARIES else WORD
        place = field.find(word, place + 1)
    if word in field:
        return INSIDE
    return _loose(word, _without(field, targets)) if len(word) >= 2 else 0.0


@lru_cache(4096)
def _without(field: str, targets: tuple[str, ...]) -> str:
    """The field without the names of targets."""
    for target in targets:
        if target:
            field = field.replace(target, " ")
    return field


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


@lru_cache(4096)
def _mistyped(word: str, field: str) -> bool:
    """Whether the word is one of the field's, or the beginning of one, but for one letter more, less or other, or two
    that changed places.
    """
    if len(word) < FORGIVEN or not word.isalpha():
        return False
    return any(_one_off(word, one) for one in field.translate(_SPLIT).split() if one.isalpha())


@lru_cache(16_384)
def _one_off(word: str, other: str) -> bool:
    if other[0] != word[0] and other[:2] != word[1::-1]:
        return False
    return any(_near(word, other[:length]) for length in {*range(len(word) - 1, len(word) + 2)} if length >= 3)


def _near(word: str, other: str) -> bool:
    """One letter more, less or other, or two neighbours that changed places."""
    at = next((n for n, pair in enumerate(zip(word, other, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        return abs(len(word) - len(other)) <= 1
    rest, wanted = word[at:], other[at:]
    swapped = rest[:2] == wanted[1::-1] and len(wanted) > 1 and rest[2:] == wanted[2:]
    return swapped or rest[1:] == wanted or rest == wanted[1:] or rest[1:] == wanted[1:]
