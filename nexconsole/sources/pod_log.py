"""One pod whose container runs: how far its log has been read, and what it says of the breakers in its memory."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

from ..errors import SourceError
from .breaker_lines import MARKS, parse
from .breakers import BreakerHistory, PodBreakers
from .line_buffer import LineBuffer
from .loglines import LineCutter, Reader, moment

BIG_CHUNK = 1 << 17  # a stream that gives so much in a beat has more to give
BEHIND = timedelta(seconds=10)
QUIET_S = 0.15  # a stream that gives nothing for so long has given all that was there
STARTS_WITHIN = timedelta(seconds=5)  # NexNum writes its first line within this after its container began
FIRST_LINE_WITHIN = timedelta(seconds=120)


class PodLog:
    """One pod whose container runs, and its stream."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.container = ""
        self.breakers = PodBreakers()
        self.recent = LineBuffer()
        self.started_at: datetime | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: SourceError | None = None
        self.bytes_at = time.monotonic()
        self.lost_at: float | None = None
        self._reader = Reader()
        self._cutter = LineCutter()
        self._opened_at: datetime | None = None
        self._asked: datetime | None = None  # this stream was asked for all since then
        self._first: datetime | None = None
        self._newest: datetime | None = None
        self._lines = 0
        self._big = False

    def behind_s(self, now: datetime) -> float:
        """How far the reading lags behind a log that grows faster than it is read; 0 where it doesn't."""
        late = now - self._newest if self._big and self._newest else timedelta(0)
        return late.total_seconds() if late > BEHIND else 0.0

    def born(self, started_at: datetime | None) -> None:
        """The container began at that moment; an earlier one's memory is gone."""
        if started_at == self.started_at:
            return
        if self.started_at is not None:
            self.breakers.forget(before=started_at)
            if self._first is not None and started_at is not None and self._first < started_at:
                self._first = None
        self.started_at = started_at

    def open(self, since_s: int, lines: int, now: datetime) -> dict[str, str]:
        """Prepare for a new stream; its query."""
        query = self._reader.since(since_s, lines)
        self._reader.reopen()
        self._cutter = LineCutter()
        self._asked = self._reader.last_at or now - timedelta(seconds=since_s)
        self._first, self._lines, self._opened_at = None, 0, now
        return query

    def take(self, chunk: bytes, history: BreakerHistory) -> bool:
        """Fold what came; True when a breaker's state has changed."""
        self.bytes_at = time.monotonic()
        self.lost_at = None
        self._big = len(chunk) >= BIG_CHUNK
        lines, gap = self._reader.fresh(self._cutter.cut(chunk))
        if not lines:
            return False
        if gap:
            self.breakers.forget()
        self.recent.add(lines, len(chunk))
        self._lines += len(lines)
        self._first = self._first or moment(lines[0])
        self._newest = moment(lines[-1]) or self._newest
        one, other = MARKS
        changed = False
        for line in lines:
            if (one in line or other in line) and (event := parse(line[line.find(b" ") + 1 :])):
                at = moment(line)
                changed |= at is not None and history.fold(self.breakers, at, event)
        return changed

    def settle(self, lines: int) -> bool:
        """Whether all that was there has been read; then it is known, too, whether that was a whole life."""
        if self.error is not None:
            return True
        if self._first is None or self._opened_at is None or self._newest is None:
            return False
        caught_up = self._newest >= self._opened_at - timedelta(seconds=1)
        if not caught_up and time.monotonic() - self.bytes_at < QUIET_S:
            return False
        if not self.breakers.covered and self.started_at and self._asked and self.started_at >= self._asked:
            late = self._first - self.started_at
            self.breakers.covered = late <= STARTS_WITHIN or (late <= FIRST_LINE_WITHIN and self._lines < lines)
        return True
