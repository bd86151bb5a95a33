"""A container's log: append-only, bounded, followed by any number of readers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

KEPT_LINES = 20_000


class ContainerLog:
    """What one container has written. `lines` are (UTC time, text without newline); `total` counts all ever."""

    def __init__(self) -> None:
        self.lines: deque[tuple[datetime, str]] = deque(maxlen=KEPT_LINES)
        self.total = 0
        self.closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, text: str, at: datetime | None = None) -> None:
        """Add a text, one entry for each of its lines (a stack trace has many)."""
        at = at or datetime.now(UTC)
        for line in text.split("\n"):
            self.lines.append((at, line))
            self.total += 1
        self._wake()

    async def follow(self, start_index: int) -> AsyncIterator[tuple[datetime, str]]:
        """Yield the lines from `start_index` (of `total`) on, then new ones as they come; ends when the log is closed.

        Lines that were dropped because nobody was fast enough are skipped.
        """
        index = start_index
        while True:
            index = max(index, self.total - len(self.lines))
            if index < self.total:
                behind = self.total - index
                batch = [self.lines[i] for i in range(len(self.lines) - behind, len(self.lines))]
                index = self.total
                for line in batch:
                    yield line
            elif self.closed:
                return
            else:
                await self._news()

    def close(self) -> None:
        self.closed = True
        self._wake()

    async def _news(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
