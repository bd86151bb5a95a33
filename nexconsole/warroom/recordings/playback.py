"""A recording read back: which readings stood on screen at a moment. Chunks are unpacked when they are asked for."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from ...errors import JournalError, in_words
from ...journal.files import open_plain, reason
from ...model import Reading
from ...text.sanitize import clean
from .chunks import milliseconds, moment, scan, unpack
from .cursor import Cursor
from .recording import SILENCE_S, Line

KEPT = 64  # unpacked chunks
LARGEST_FILE = 2 << 30  # bytes
_DECODER = msgspec.json.Decoder(Line)


class Recording:
    """`skipped` counts what this version of the console could make nothing of, in words; `problems` are sentences on
    what can't be read. `about` is whose recording it is, `ended` why it stopped before its incident did, if it did."""

    def __init__(self, file: Path, descriptor: int) -> None:
        found = scan(descriptor)
        self.file, self.chunks = file, found.chunks
        self.problems: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.about: Mapping[str, str] = {}
        self.ended = ""
        if found.torn:
            self.problems.append(
                f"its last {found.torn} bytes can't be read: their console stopped while it wrote them"
            )
        if found.damaged:
            self.problems.append(f"{found.damaged} bytes in the middle of it can't be read")
        self._descriptor = descriptor
        self._begins = [chunk.begin for chunk in self.chunks]
        self._unpacked: OrderedDict[int, tuple[Line, ...]] = OrderedDict()
        self._bad: set[int] = set()
        self._cursor = Cursor(self)

    @classmethod
    def open(cls, file: Path) -> Self:
        """Find the chunks; nothing is unpacked but the first and the last. Raises JournalError."""
        try:
            descriptor = open_plain(file, os.O_RDONLY)
        except FileNotFoundError as error:
            raise JournalError(f"{file}: there is no recording of this incident") from error
        except OSError as error:
            raise JournalError(f"{file}: can't be read: {reason(error)}") from error
        if os.fstat(descriptor).st_size > LARGEST_FILE:
            os.close(descriptor)
            raise JournalError(f"{file}: is larger than any recording ({LARGEST_FILE >> 20} MiB)")
        recording = cls(file, descriptor)
        if not recording.chunks:
            recording.close()
            raise JournalError(": ".join([f"{file}: holds no reading", *recording.problems]))
        first, last = recording.lines(0), recording.lines(len(recording.chunks) - 1)
        recording.about = next((line.console for line in first if line.console), {})
        recording.ended = next((clean(line.ended, 200) for line in last if line.ended), "")
        return recording

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From when to when it tells something."""
        return moment(self._begins[0]), moment(max(chunk.end for chunk in self.chunks))

    def recorded(self, when: datetime) -> bool:
        """Whether a console recorded then; a pause of a few seconds, as when another one takes over, is none."""
        place = self.place(when)
        if place < 0:
            return False
        ms, pause = milliseconds(when), SILENCE_S * 1000
        following = self._begins[place + 1] if place + 1 < len(self.chunks) else None
        end = self.chunks[place].end
        return ms <= end or (following is not None and following - end <= pause)

    def at(self, when: datetime) -> dict[str, Reading]:
        """The newest reading of each signal by then; none where nothing was recorded then."""
        if not self.recorded(when):
            return {}
        self._cursor.go(when)
        return self._cursor.readings()

    def changes(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, Reading]]:
        """Each reading that came after the one time and not after the other, in order."""
        cursor = Cursor(self)
        cursor.go(after)
        for line in cursor.follow(until):
            reading = cursor.reading(line.signal)
            if reading is not None and line.at > after:
                yield line.at, reading

    def place(self, when: datetime) -> int:
        """The last chunk that begins by then; -1 where none does."""
        return bisect_right(self._begins, milliseconds(when)) - 1

    def lines(self, place: int) -> tuple[Line, ...]:
        """A chunk's lines; none where it can't be read, which is said once."""
        if (kept := self._unpacked.get(place)) is not None:
            self._unpacked.move_to_end(place)
            return kept
        try:
            text = unpack(self._descriptor, self.chunks[place])
            lines = tuple(_DECODER.decode(line) for line in text.splitlines())
        except (ValueError, OSError, RecursionError) as error:
            lines = ()
            if place not in self._bad:
                self._bad.add(place)
                self.problems.append(
                    f"what was recorded at {moment(self._begins[place]):%T} can't be read: {in_words(error)}"
                )
        self._unpacked[place] = lines
        if len(self._unpacked) > KEPT:
            self._unpacked.popitem(last=False)
        return lines

    def readable(self, place: int) -> bool:
        return bool(self.lines(place) or place not in self._bad)
