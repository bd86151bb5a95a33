"""Recordings of earlier versions (`.readings`), read only: gzip members of JSON lines, one for every few seconds.

A member's header holds its length, its times and whether it tells all anew. A line holds what is different in a
signal's value since the line before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from msgspec import UNSET, UnsetType

from ..errors import JournalError
from ..model import Reading
from ..storage.plain_files import read_plain, reason
from ..storage.schema import nanoseconds
from ..text.sanitize import clean
from .packing import LARGEST
from .playback import Playback
from .recording_file import NO_RECORDING
from .seek import Segment, StoredReading
from .values import with_value

SUFFIX = ".readings"
LARGEST_FILE = 512 << 20  # bytes; it is held in memory
_KEY = 1  # flag of a chunk: all is told anew
_MAGIC = b"\x1f\x8b\x08\x04"  # gzip, deflate, with an extra field (RFC 1952)
_NAME, _EXTRA = b"NX", struct.calcsize("<IBqq")
# magic, mtime, flags, system, length of all extra fields; our field's name and length; chunk's length, flags, times
_HEADER = struct.Struct("<4sIBBH2sHIBqq")
_TRAILER = 8  # bytes
_MS = 1_000_000  # nanoseconds

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class LegacyLine(msgspec.Struct, kw_only=True):
    """One line: a signal's reading at the time `at`, or which console records, or why it ended."""

    at: Time
    signal: str = ""
    every: float = 0.0
    taken: Time | None = None
    attempted: Time | None = None
    error: str | None = None
    absent: bool = False
    value: list[Any] | dict[str, Any] | UnsetType = UNSET  # left out: as before
    console: dict[str, str] | None = None
    ended: str = ""


@dataclass(frozen=True)
class LegacyChunk:
    """A member, and from when to when it tells, in nanoseconds. `after_hole`: what stood before it can't be read."""

    packed: bytes
    begin: int
    end: int
    key: bool
    after_hole: bool


_LINE = msgspec.json.Decoder(LegacyLine)


class LegacyRecording(Playback):
    """A segment goes from a chunk that tells all anew to the next such one."""

    def __init__(self, file: Path, chunks: Sequence[LegacyChunk], lost: int) -> None:
        self._chunks = chunks
        keys = [chunk.begin for place, chunk in enumerate(chunks) if chunk.key or not place]
        super().__init__(file, [(chunk.begin, chunk.end) for chunk in chunks], keys)
        if lost:
            self.problems.append(f"{lost} bytes of it can't be read")
        first, last = self._lines(chunks[0]), self._lines(chunks[-1])
        self.about = next((line.console for line in first or () if line.console), {})
        self.ended = next((clean(line.ended, 200) for line in last or () if line.ended), "")

    @classmethod
    def open(cls, file: Path) -> Self:
        """Find the chunks; nothing is unpacked but the first and the last. Raises JournalError."""
        try:
            data = read_plain(file, LARGEST_FILE + 1)
        except FileNotFoundError as error:
            raise JournalError(f"{file}: {NO_RECORDING}") from error
        except OSError as error:
            raise JournalError(f"{file}: can't be read: {reason(error)}") from error
        if len(data) > LARGEST_FILE:
            raise JournalError(f"{file}: is larger than any recording ({LARGEST_FILE >> 20} MiB)")
        chunks = tuple(_chunks(data))
        if not chunks:
            raise JournalError(f"{file}: holds no reading")
        return cls(file, chunks, len(data) - sum(len(chunk.packed) for chunk in chunks))

    def close(self) -> None:
        """Nothing is open."""

    def _read(self, begin: int, end: int | None) -> Segment:
        chunks = [chunk for chunk in self._chunks if begin <= chunk.begin and (end is None or chunk.begin < end)]
        return Segment(readings=tuple(self._readings(chunks)))

    def _readings(self, chunks: Sequence[LegacyChunk]) -> Iterator[StoredReading]:
        plain: dict[str, Any] = {}
        lost = True  # until a chunk that tells all anew, what is told fits nothing
        for chunk in chunks:
            lines = self._lines(chunk)
            lost = lines is None or (not chunk.key and (lost or chunk.after_hole))
            if lost:
                yield from (StoredReading(chunk.begin, signal, _unknown) for signal in plain)
                plain.clear()
            for line in () if lost or lines is None else lines:
                if line.signal and self._apply(line, plain):
                    yield self._stored(line, plain[line.signal])

    def _apply(self, line: LegacyLine, plain: dict[str, Any]) -> bool:
        before = plain.get(line.signal)
        try:
            plain[line.signal] = before if line.value is UNSET else _applied(before, line.value)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            self.skipped[f"a change of {clean(line.signal, 40)} that fits nothing"] += 1
            return False
        return True

    def _stored(self, line: LegacyLine, plain: Any) -> StoredReading:
        bare = Reading(
            signal=line.signal,
            every=line.every,
            taken_at=line.taken,
            attempted_at=line.attempted,
            error=line.error,
            absent=line.absent,
        )
        return StoredReading(nanoseconds(line.at), line.signal, lambda: with_value(bare, plain, self.skipped))

    def _lines(self, chunk: LegacyChunk) -> list[LegacyLine] | None:
        """A chunk's lines; None where it can't be read, which is said once."""
        try:
            return [_LINE.decode(line) for line in _unpacked(chunk.packed).splitlines()]
        except (ValueError, RecursionError) as error:
            self._report(chunk.begin, str(error))
            return None


def _unknown() -> None:
    """Nothing is known from here on."""


def _applied(old: Any, change: Any) -> Any:
    """What the change makes of a value: `[new]` as a whole; else `{key or index: change}`, where `[]` takes a key
    away. Raises what Python raises where it does not fit."""
    if isinstance(change, list):
        return change[0]
    new = old.copy()
    for key, part in change.items():
        place = int(key) if isinstance(new, list) else key
        if part == [] and isinstance(new, dict):
            new.pop(place, None)
        else:
            new[place] = _applied(old.get(key) if isinstance(old, dict) else old[place], part)
    return new


def _unpacked(packed: bytes) -> bytes:
    """A chunk's text. Raises ValueError where it is not what was written."""
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(packed, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it does not end where it should")
    return text


def _chunks(data: bytes) -> Iterator[LegacyChunk]:
    """Every chunk, found by its header; what a crash has torn is passed over."""
    end = at = 0
    while (at := data.find(_MAGIC, at)) >= 0:
        chunk = _chunk_at(data, at, at > end)
        if chunk is None:
            at += 1
        else:
            yield chunk
            at = end = at + len(chunk.packed)


def _chunk_at(data: bytes, at: int, after_hole: bool) -> LegacyChunk | None:
    if len(data) - at < _HEADER.size:
        return None
    _, _, _, _, _, name, extra, length, flags, begin, end = _HEADER.unpack_from(data, at)
    if name != _NAME or extra != _EXTRA or not _HEADER.size + _TRAILER < length <= len(data) - at:
        return None
    if not 0 <= begin <= end < 1 << 43:
        return None
    packed = data[at : at + length]
    if at + length < len(data) and not data.startswith(_MAGIC, at + length) and not _is_sound(packed):
        return None
    return LegacyChunk(packed, begin * _MS, end * _MS, bool(flags & _KEY), after_hole)


def _is_sound(packed: bytes) -> bool:
    try:
        _unpacked(packed)
    except ValueError:
        return False
    return True
