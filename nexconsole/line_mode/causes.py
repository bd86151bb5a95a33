"""What is likely the cause, as sentences: newly named, withdrawn, and all of it when somebody asks why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ..causes.model import Candidate, Explanation
from ..causes.wording import (
    evidence_mark,
    evidence_words,
    filled_call,
    headlines,
    named_words,
    speaks,
)
from ..settings import Settings
from ..text.sanitize import clean

STEADY = timedelta(seconds=5)  # a cause is said when it has been named for this long
GONE = timedelta(seconds=30)  # and withdrawn when it has not been for this long
MARKS = {"+": "for it", "-": "against it", "?": "not known"}
MOST_OTHERS = 3


class CauseChanges:
    """`sentences` says what is newly named, and what no longer is."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Candidate, datetime, datetime]] = {}  # with since when, and when last
        self._said: set[str] = set()

    def sentences(self, explanation: Explanation | None, at: datetime, calm: bool) -> Iterator[str]:
        """`calm`: no rule holds; then a cause is over, and nothing is said of it beside the level."""
        for each in explanation.named if explanation is not None else ():
            _, since, _ = self._named.get(each.key, (each, at, at))
            self._named[each.key] = each, since, at
            if at - since >= STEADY and each.key not in self._said:
                self._said.add(each.key)
                yield f"likely: {clean(named_words(each, at))}"
        for key, (each, _, last) in tuple(self._named.items()):
            if at - last >= GONE or (calm and at != last):
                del self._named[key]
                if key in self._said:
                    self._said.discard(key)
                    yield from () if calm else (f"no longer likely: {clean(each.title)}",)


def cause_lines(explanation: Explanation | None, at: datetime, settings: Settings, level: str) -> list[str]:
    """The named causes with their evidence and what helps, then what may be as well; what to look at, where none is."""
    if explanation is None:
        return []
    lines = [line for each in explanation.named for line in _named(each, at)]
    if not lines:
        lines = [clean(words) for words in headlines(explanation, at, settings, level)[:1]]
    others = [each for each in explanation.candidates if each not in explanation.named]
    return lines + [f"may be: {clean(named_words(each, at))}" for each in others[:MOST_OTHERS]]


def _named(candidate: Candidate, at: datetime) -> Iterator[str]:
    yield f"likely: {clean(named_words(candidate, at))}"
    for evidence in filter(speaks, candidate.evidence):
        basis = f" ({evidence.answers[0].basis()})" if evidence.answers else ""
        yield f"{MARKS.get(evidence_mark(evidence)[0], 'beside it')}: {clean(evidence_words(evidence))}{basis}"
    if candidate.cause.remedy is not None:
        call = str(filled_call(candidate.cause.remedy, candidate.target))
        text = candidate.cause.remedy_text.rstrip(". ")
        yield clean(f"what helps: {text}: {call}" if text else f"what helps: {call}")
