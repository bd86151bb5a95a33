"""A minute of a recording, and what stood on screen at a moment of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ..model import Reading


@dataclass
class StoredReading:
    """A signal's reading from the time `at` on (nanoseconds). It is decoded when it is asked for, and once."""

    at: int
    signal: str
    decode: Callable[[], Reading | None] = field(repr=False)

    @cached_property
    def reading(self) -> Reading | None:
        """None where this version can make nothing of it, or where nothing is known from here on."""
        return self.decode()


@dataclass(frozen=True)
class Segment:
    """A stretch that can be read by itself: what was known when it began, and each reading after that, in order."""

    known: tuple[StoredReading, ...] = ()
    readings: tuple[StoredReading, ...] = ()

    def at(self, time: int) -> dict[str, Reading]:
        """The newest reading of each signal by then."""
        newest = {stored.signal: stored for stored in self.known}
        newest |= {stored.signal: stored for stored in self.after(-1, time)}
        decoded = ((signal, stored.reading) for signal, stored in newest.items())
        return {signal: reading for signal, reading in decoded if reading is not None}

    def after(self, after: int, until: int) -> Iterator[StoredReading]:
        """Each reading that came after the one time and not after the other."""
        for stored in self.readings:
            if stored.at > until:
                return
            if stored.at > after:
                yield stored
