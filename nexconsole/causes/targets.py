"""The targets at which a cause is tried: the known words of its kind, those that the reasons name first, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..model import Reading, value_of
from ..settings import Settings
from ..signals.database import Database
from ..signals.registry import signals

MOST = 12  # of a kind
MOST_SEEN = 5_000
ONE = ("",)  # of a cause without a target


class Targets:
    """The targets of each kind on the readings of one moment."""

    def __init__(self, readings: Mapping[str, Reading], settings: Settings, subjects: Sequence[str]) -> None:
        self._readings, self._settings, self._subjects = readings, settings, subjects
        self._known: dict[str, tuple[str, ...]] = {"": ONE}
        self._ends = {end for subject in subjects for end in _ends(subject.casefold())}

    def of(self, kind: str) -> tuple[str, ...]:
        """At most MOST known words of this kind, each once whatever its case, in a fixed order."""
        if kind not in self._known:
            self._known[kind] = self._found(kind)
        return self._known[kind]

    def named(self, target: str) -> bool:
        """Whether a reason or a symptom names it."""
        return target.casefold() in self._ends

    def _found(self, kind: str) -> tuple[str, ...]:
        known: dict[str, str] = {}
        for word in self._words(kind):
            known.setdefault(word.casefold(), word)
            if len(known) >= MOST_SEEN:
                break
        if len(known) <= MOST:
            return tuple(known.values())
        first = [word for key, word in known.items() if key in self._ends]
        return tuple(dict.fromkeys((*first, *known.values())))[:MOST]

    def _words(self, kind: str) -> Iterator[str]:
        if kind == "pid":  # of the sessions only those that block others, or did a moment ago
            database = value_of(self._readings, "database", Database)
            if database is not None:
                yield from (str(each.pid) for each in database.sessions if each.blocks and not each.blocked_by)
                yield from (str(each.pid) for each in database.lately)
            return
        for signal in signals(self._settings):
            reading = self._readings.get(signal.name)
            if kind in signal.arguments and reading is not None and reading.value is not None:
                yield from (word for word in signal.arguments[kind](reading.value) if word)


def _ends(subject: str) -> Iterator[str]:
    """What stands behind each of its spaces: `at gw 1`, `gw 1`, `1`."""
    at = subject.find(" ")
    while at >= 0:
        yield subject[at + 1 :]
        at = subject.find(" ", at + 1)
