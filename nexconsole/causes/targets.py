"""The targets at which a cause is tried: the known words of its kind, those that the reasons name first, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..model import Reading
from ..settings import Settings
from ..signals.registry import signals

MOST = 12  # of a kind
MOST_SEEN = 5_000
ONE = ("",)  # of a cause without a target


def targets(kind: str, readings: Mapping[str, Reading], settings: Settings, subjects: Sequence[str]) -> tuple[str, ...]:
    """At most MOST known words of this kind, each once whatever its case, in a fixed order."""
    known: dict[str, str] = {}
    for word in _words(kind, readings, settings):
        known.setdefault(word.casefold(), word)
        if len(known) >= MOST_SEEN:
            break
    if len(known) <= MOST:
        return tuple(known.values())
    named = [subject.casefold() for subject in subjects]
    first = [word for key, word in known.items() if any(subject.endswith(f" {key}") for subject in named)]
    return tuple(dict.fromkeys((*first, *known.values())))[:MOST]


def _words(kind: str, readings: Mapping[str, Reading], settings: Settings) -> Iterator[str]:
    for signal in signals(settings):
        reading = readings.get(signal.name)
        if kind in signal.arguments and reading is not None and reading.value is not None:
            yield from (word for word in signal.arguments[kind](reading.value) if word)
