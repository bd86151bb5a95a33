"""A recording's file: members of gzip, one for every few seconds, each with its length and times in its own header.

`zcat INC-20261123-1342.readings` prints all of it, one JSON object a line. Whoever reads finds a moment by the headers
alone, and what a crash has torn by the next header that is whole.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LARGEST = 64 * 1024 * 1024  # bytes of one chunk unpacked; more is no chunk of ours
KEY, FINAL = 1, 2  # flags: everything is told anew here; nothing comes after it
_LEVEL = 6
_MAGIC = b"\x1f\x8b\x08\x04"  # gzip, deflate, with an extra field (RFC 1952)
_NAME, _EXTRA = b"NX", struct.calcsize("<IBqq")
# magic, mtime, flags, system, length of all extra fields; our field's name and length; chunk's length, flags, times
_HEADER = struct.Struct("<4sIBBH2sHIBqq")
_TRAILER = struct.Struct("<II")
_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies, in bytes, and from when to when it tells, in milliseconds since 1970.

    `after_hole`: what stood before it can't be read.
    """

    offset: int
    size: int
    begin: int
    end: int
    key: bool
    final: bool
    after_hole: bool = False


@dataclass(frozen=True)
class Scan:
    """The chunks in the order of the file, and how many bytes of it belong to none: at its end, or elsewhere."""

    chunks: tuple[Chunk, ...]
    torn: int = 0
    damaged: int = 0


def milliseconds(at: datetime) -> int:
    """A time as chunks have it: the last whole millisecond by then."""
    return (at - _EPOCH) // _MS


def moment(ms: int) -> datetime:
    """Such a time, in UTC."""
    return _EPOCH + ms * _MS


def pack(text: bytes, begin: int, end: int, flags: int = 0) -> bytes:
    """A chunk that holds this text."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packing.compress(text) + packing.flush()
    size = _HEADER.size + len(body) + _TRAILER.size
    head = _HEADER.pack(_MAGIC, end // 1000 & 0xFFFFFFFF, 0, 255, 4 + _EXTRA, _NAME, _EXTRA, size, flags, begin, end)
    return head + body + _TRAILER.pack(zlib.crc32(text), len(text) & 0xFFFFFFFF)


def unpack(descriptor: int, chunk: Chunk) -> bytes:
    """The chunk's text. Raises ValueError where it is not what was written, and OSError."""
    packed = os.pread(descriptor, chunk.size, chunk.offset)
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(packed, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it does not end where it should")
    return text


def scan(descriptor: int) -> Scan:
    """Find every chunk by the headers; only what is damaged is read. Raises OSError."""
    size = os.fstat(descriptor).st_size
    chunks: list[Chunk] = []
    at = hole = damaged = 0
    while at < size:
        chunk = _chunk_at(descriptor, at, size, bool(hole))
        if chunk is not None and (_follows(descriptor, at + chunk.size, size) or _sound(descriptor, chunk)):
            chunks.append(chunk)
            damaged, hole = damaged + hole, 0
            at += chunk.size
            continue
        following = _next_magic(descriptor, at + 1, size)
        hole += following - at
        at = following
    return Scan(tuple(chunks), torn=hole, damaged=damaged)


def _chunk_at(descriptor: int, at: int, size: int, after_hole: bool) -> Chunk | None:
    head = os.pread(descriptor, _HEADER.size, at)
    if len(head) < _HEADER.size:
        return None
    magic, _, _, _, _, name, extra, length, flags, begin, end = _HEADER.unpack(head)
    ours = magic == _MAGIC and name == _NAME and extra == _EXTRA
    if not ours or not _HEADER.size + _TRAILER.size < length <= size - at or not 0 <= begin <= end < 1 << 43:
        return None
    return Chunk(at, length, begin, end, bool(flags & KEY), bool(flags & FINAL), after_hole)


def _follows(descriptor: int, at: int, size: int) -> bool:
    """Whether the file ends here, or a chunk begins."""
    return at == size or os.pread(descriptor, len(_MAGIC), at) == _MAGIC


def _sound(descriptor: int, chunk: Chunk) -> bool:
    try:
        unpack(descriptor, chunk)
    except ValueError:
        return False
    return True


def _next_magic(descriptor: int, at: int, size: int) -> int:
    """Where the next chunk may begin; the file's end where there is none."""
    while at < size:
        block = os.pread(descriptor, _BLOCK, at)
        if not block:
            break
        place = block.find(_MAGIC)
        if place >= 0:
            return at + place
        at += max(1, len(block) - len(_MAGIC) + 1)
    return size
