"""A place in a recording: what its lines come to by then, as the readings that stood on screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from ...model import Reading
from ...signals.registry import value_types
from ...text.sanitize import clean
from .differences import applied
from .recording import Line

if TYPE_CHECKING:
    from .playback import Recording


def _alike(one: Line, other: Line) -> bool:
    """Whether they tell of the same reading."""
    ends = ((line.taken, line.attempted, line.error, line.absent) for line in (one, other))
    return next(ends) == next(ends)


@dataclass
class _Known:
    """What a signal's lines come to by now; `reading` is made of it when it is asked for."""

    line: Line
    plain: Any
    reading: Reading | None = None
    made: bool = False


class Cursor:
    """A place in a recording, and what is known there. Going on costs what lies between; going back, a minute."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._keys = [place for place, chunk in enumerate(recording.chunks) if chunk.key]
        self._known: dict[str, _Known] = {}
        self._before: dict[str, _Known] = {}  # what was known when all began to be told anew
        self._at: datetime | None = None
        self._place, self._line = -1, 0
        self._lost = True  # until the next chunk that tells all anew, what is told fits nothing

    def go(self, when: datetime) -> None:
        """Go there by the shortest way."""
        last = self._recording.place(when)
        key = self._keys[bisect_right(self._keys, last) - 1] if self._keys and self._keys[0] <= last else 0
        if self._at is None or when < self._at or self._place < key:
            self._enter(key)
        for _ in self.follow(when):
            pass

    def follow(self, until: datetime) -> Iterator[Line]:
        """Go on, giving the line of each new reading on the way; what is known is true to the line that was given."""
        last = self._recording.place(until)
        self._at = until
        while self._place <= last:
            lines = self._recording.lines(self._place)
            while self._line < len(lines) and lines[self._line].at <= until:
                self._line += 1
                line = lines[self._line - 1]
                if line.signal and not self._lost and self._take(line):
                    yield line
            if self._place == last:
                return
            self._enter(self._place + 1)

    def _enter(self, place: int) -> None:
        chunk = self._recording.chunks[place]
        if chunk.key:
            self._before, self._known = self._known, {}
        readable = self._recording.readable(place)
        self._lost = not readable or (not chunk.key and (self._lost or chunk.after_hole))
        if self._lost:
            self._known.clear()
        self._place, self._line = place, 0

    def _take(self, line: Line) -> bool:
        known = self._known.get(line.signal)
        try:
            plain = (
                applied(known.plain if known else None, line.value)
                if line.value is not UNSET
                else (known.plain if known else None)
            )
        except ValueError:
            self._recording.skipped[f"a change of {clean(line.signal, 40)} that fits nothing"] += 1
            return False
        before = self._before.pop(line.signal, None)
        if before is not None and _alike(before.line, line) and before.plain == plain:
            self._known[line.signal] = before
            return False
        self._known[line.signal] = _Known(line, plain)
        return True

    def readings(self) -> dict[str, Reading]:
        found = ((signal, self.reading(signal)) for signal in self._known)
        return {signal: reading for signal, reading in found if reading is not None}

    def reading(self, signal: str) -> Reading | None:
        """None for a signal that this version doesn't know, or whose value it can't make out."""
        known = self._known[signal]
        if not known.made:
            known.reading, known.made = self._made(known), True
        return known.reading

    def _made(self, known: _Known) -> Reading | None:
        line, signal, skipped = known.line, clean(known.line.signal, 40), self._recording.skipped
        kind = value_types().get(line.signal)
        if kind is None:
            skipped[f"the signal {signal}"] += 1
            return None
        reading = Reading(
            signal=line.signal,
            every=line.every,
            taken_at=line.taken,
            attempted_at=line.attempted,
            error=line.error,
            absent=line.absent,
        )
        if known.plain is None:
            return reading
        unknown = known.plain.keys() - {field.name for field in fields(kind)} if isinstance(known.plain, dict) else ()
        for name in unknown:
            skipped[f"the field {clean(name, 40)} of {signal}"] += 1
        try:
            return replace(reading, value=msgspec.convert(known.plain, kind))
        except msgspec.ValidationError as error:
            skipped[f"a value of {signal} ({clean(error, 100)})"] += 1
            return None
