"""A buffer of a log's newest lines; each costs one reference."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

KEPT_BYTES = 256 * 1024


class LineBuffer:
    """Chunks of lines, the oldest thrown away beyond KEPT_BYTES. `total` counts the lines that ever came."""

    def __init__(self) -> None:
        self.total = 0
        self._chunks: deque[tuple[int, Sequence[bytes], int]] = deque()  # index of its first line, lines, bytes
        self._bytes = 0

    def add(self, lines: Sequence[bytes], size: int) -> None:
        """Lines that came in a chunk of so many bytes."""
        self._chunks.append((self.total, lines, size))
        self.total += len(lines)
        self._bytes += size
        while self._bytes > KEPT_BYTES and len(self._chunks) > 1:
            self._bytes -= self._chunks.popleft()[2]

    def since(self, index: int) -> tuple[list[bytes], int]:
        """The lines from `index` on that are still there, and how many before them are gone."""
        if not self._chunks or index >= self.total:
            return [], 0
        first = self._chunks[0][0]
        lines = [
            line
            for start, chunk, _ in self._chunks
            if start + len(chunk) > index
            for line in chunk[max(0, index - start) :]
        ]
        return lines, max(0, first - index)
