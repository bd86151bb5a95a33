"""A text compressed against an earlier one that it resembles: a reading is mostly what it was a minute ago.

A packed text is a row of zlib streams, one a block. Each has for its preset dictionary the part of the base that lies
around the same place. A stream's checksum covers the text.
"""

from __future__ import annotations

import zlib

LARGEST = 64 * 1024 * 1024  # bytes of a text unpacked
_BLOCK = 8 * 1024
_SHIFT = 8 * 1024  # bytes by which the same passage may lie elsewhere in the base; the window holds 32 KiB in all
_LEVEL, _MEMORY = 9, 8
_NARROWEST, _WIDEST = 9, zlib.MAX_WBITS


def pack(text: bytes, base: bytes = b"") -> bytes:
    """The text, compressed against the base."""
    return b"".join(
        _compressed(text[at : at + _BLOCK], _around(base, at)) for at in range(0, max(1, len(text)), _BLOCK)
    )


def unpack(packed: bytes, base: bytes = b"") -> bytes:
    """The text. Raises ValueError where it is not what was packed against this base."""
    parts: list[bytes] = []
    rest, size = packed, 0
    while rest:
        stream = zlib.decompressobj(zdict=_around(base, size))
        try:
            part = stream.decompress(rest, _BLOCK + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not stream.eof or size % _BLOCK or size > LARGEST:
            raise ValueError("its length is wrong")
        parts.append(part)
        rest, size = stream.unused_data, size + len(part)
    return b"".join(parts)


def _compressed(block: bytes, dictionary: bytes) -> bytes:
    window = min(_WIDEST, max(_NARROWEST, (len(block) + len(dictionary)).bit_length()))  # a small one is quick to make
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, window, _MEMORY, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return stream.compress(block) + stream.flush()


def _around(base: bytes, at: int) -> bytes:
    return base[max(0, at - _SHIFT) : at + _BLOCK + _SHIFT]
