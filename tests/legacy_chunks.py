"""Recordings as earlier versions wrote them: gzip members with a header of their own."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta

import msgspec

KEY = 1
_HEADER = struct.Struct("<4sIBBH2sHIBqq")
_EXTRA = struct.calcsize("<IBqq")


def milliseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def chunk(lines: list[dict[str, object]], begin: int, end: int, flags: int = 0) -> bytes:
    """A member that holds these lines; its times in milliseconds since 1970."""
    text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    packing = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packing.compress(text) + packing.flush()
    size = _HEADER.size + len(body) + 8
    magic = b"\x1f\x8b\x08\x04"
    head = _HEADER.pack(magic, end // 1000 & 0xFFFFFFFF, 0, 255, 4 + _EXTRA, b"NX", _EXTRA, size, flags, begin, end)
    return head + body + struct.pack("<II", zlib.crc32(text), len(text) & 0xFFFFFFFF)
