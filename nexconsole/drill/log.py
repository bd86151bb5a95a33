"""A container's log: append-only, bounded, followed by any number of readers on one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

LIMIT = 20_000  # lines kept


class PodLog:
    """`lines` holds (UTC, text without newline); `total` is how many were ever appended: the index of the end."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.lines: deque[tuple[datetime, str]] = deque(maxlen=limit)
        self.total = 0
        self.closed = False
        self._changed = asyncio.Event()

    def append(self, text: str, at: datetime | None = None) -> None:
        """Add one line, written `at` (UTC; now where it is not said)."""
        self.lines.append((at or datetime.now(UTC), text))
        self.total += 1
        self._wake()

    def close(self) -> None:
        """End the log: those who follow it read what is left, then their iterators end."""
        self.closed = True
        self._wake()

    async def follow(self, start_index: int) -> AsyncIterator[tuple[datetime, str]]:
        """Every line from `start_index` on, waiting for more until the log is closed.

        A reader too slow for the bound misses the lines that have fallen out."""
        index = start_index
        while True:
            changed = self._changed
            index = max(index, self.total - len(self.lines))
            while index < self.total:
                line = self.lines[index - self.total]
                index += 1
                yield line
                index = max(index, self.total - len(self.lines))
            if self.closed:
                return
            if changed is self._changed:
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
