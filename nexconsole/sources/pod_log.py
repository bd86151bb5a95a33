"""One pod whose container runs: how far its log has been read, how far back that reaches, and what it says."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

from ..errors import SourceError
from . import breaker_lines, funnel_lines
from .breakers import BreakerHistory, PodBreakers
from .line_buffer import LineBuffer
from .log_lines import LineCutter, Reader, moment
from .purchase_tally import PodPurchases
from .purchases import Purchases

BIG_CHUNK = 1 << 17  # a stream that gives so much in a beat has more to give
BEHIND = timedelta(seconds=10)
QUIET_S = 0.15  # a stream that gives nothing for so long has given all that was there
STARTS_WITHIN = timedelta(seconds=5)  # NexNum writes its first line within this after its container began
FIRST_LINE_WITHIN = timedelta(seconds=120)
LATE = timedelta(seconds=15)
WHOLE_S = 3_600.0  # a log that is known from its pod's beginning on reaches back as far as anybody asks


class PodLog:
    """One pod whose container runs, and its stream.

    `answered`: its kubelet has answered since it was last asked, if only that there is nothing new. `caught_up`: all
    that was there when the stream was opened has been read; until then what it says is of an earlier moment.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.container = ""
        self.breakers = PodBreakers()
        self.purchases = PodPurchases()
        self.recent = LineBuffer()
        self.started_at: datetime | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: SourceError | None = None
        self.bytes_at = time.monotonic()
        self.lost_at: float | None = None
        self.answered = False
        self.unanswered: SourceError | None = None  # why it is not followed, though the stream is open
        self.waits_since: float | None = None  # when the stream was opened that has not answered yet
        self.caught_up = False
        self._late = False
        self._restarts = 0
        self._reader = Reader()
        self._cutter = LineCutter()
        self._opened_at: datetime | None = None
        self._asked: datetime | None = None  # this stream was asked for all since then
        self._reaches: datetime | None = None
        self._first: datetime | None = None
        self._newest: datetime | None = None
        self._lines = 0
        self._big = False

    @property
    def is_followed(self) -> bool:
        """Whether its lines come."""
        return self.answered and self.error is None

    @property
    def reads_backlog(self) -> bool:
        """Whether what it says is of an earlier moment: the lines that were there already are being read."""
        return not self.caught_up and (self._reaches is None or self._late)

    def silent_s(self, monotonic: float) -> float:
        """For how long the stream's answer has been waited for."""
        return 0.0 if self.waits_since is None else monotonic - self.waits_since

    @property
    def restarts(self) -> int:
        """How often its container was started again."""
        return self._restarts

    def behind_s(self, now: datetime) -> float:
        """How far the reading lags behind a log that grows faster than it is read; 0 where it doesn't."""
        late = now - self._newest if self._big and self._newest else timedelta(0)
        return late.total_seconds() if late > BEHIND else 0.0

    def reach_s(self, now: datetime) -> float:
        """For how many seconds back every line is known; 0 while that is not known."""
        if self._reaches is None:
            return 0.0
        began = self.started_at
        if began is not None and not self._restarts and self._reaches <= began + STARTS_WITHIN:
            return WHOLE_S  # before that there was nothing to say
        return min(WHOLE_S, max(0.0, (now - self._reaches).total_seconds()))

    def born(self, started_at: datetime | None, restarts: int = 0) -> bool:
        """The container began at that moment, after so many restarts; True where an earlier one's memory is gone."""
        if started_at == self.started_at:
            return False
        again = self.started_at is not None and started_at is not None
        if self.started_at is not None:
            self.breakers.forget(before=started_at)
            if self._first is not None and started_at is not None and self._first < started_at:
                self._first = None
        self._restarts, self.started_at = restarts, started_at
        return again

    def open(self, since_s: int, lines: int, now: datetime) -> dict[str, str]:
        """Prepare for a new stream; its query."""
        query = self._reader.since(since_s, lines)
        self._reader.reopen()
        self._cutter = LineCutter()
        self._late = self._reader.last_at is not None and now - self._reader.last_at > LATE
        self._asked = self._reader.last_at or now - timedelta(seconds=since_s)
        self._first, self._lines, self._opened_at = None, 0, now
        self.waits_since, self.caught_up = time.monotonic(), False
        return query

    def take(self, chunk: bytes, history: BreakerHistory, purchases: Purchases) -> bool:
        """Fold what came; True when a breaker's state has changed."""
        self.bytes_at = time.monotonic()
        self.lost_at, self.waits_since, self.answered = None, None, True
        self._big = len(chunk) >= BIG_CHUNK
        lines, gap = self._reader.fresh(self._cutter.cut(chunk))
        if not lines:
            return False
        if gap:
            self.breakers.forget()
            purchases.forget(self.purchases)
            self._reaches = moment(lines[0]) or self._reaches
        self.recent.add(lines, len(chunk))
        self._lines += len(lines)
        self._first = self._first or moment(lines[0])
        self._newest = moment(lines[-1]) or self._newest
        return self._fold(lines, history, purchases)

    def _fold(self, lines: list[bytes], history: BreakerHistory, purchases: Purchases) -> bool:
        changed = False
        for line in lines:
            match _speaks_of(line):
                case "breaker":
                    if event := breaker_lines.parse(line[line.find(b" ") + 1 :]):
                        at = moment(line)
                        changed |= at is not None and history.fold(self.breakers, at, event)
                case "purchase":
                    if (step := funnel_lines.parse(line[line.find(b" ") + 1 :])) and (at := moment(line)):
                        purchases.fold(self.purchases, at.timestamp(), step)
                case _ if self.purchases.reading:
                    purchases.go_on(self.purchases, line[line.find(b" ") + 1 :])
        return changed

    def settle(self, lines: int) -> bool:
        """Whether all that was there has been read; then it is known, too, how far back that reaches."""
        if self.error is not None:
            return True
        if self._opened_at is None or not self._has_read():
            return False
        self.caught_up = True
        if self._reaches is None:
            cut = self._first is not None and self._lines >= lines
            self._reaches = self._first if cut else self._asked
            if self._restarts and self.started_at is not None and self._reaches is not None:
                self._reaches = max(self._reaches, self.started_at)  # the process before it has a log of its own
        if self._first is not None and not self.breakers.covered and self._is_whole(lines, self._first):
            self.breakers.covered = True
        return True

    def _has_read(self) -> bool:
        if self._first is None or self._newest is None:
            return self.answered and time.monotonic() - self.bytes_at >= QUIET_S
        if self._opened_at is not None and self._newest >= self._opened_at - timedelta(seconds=1):
            return True
        return time.monotonic() - self.bytes_at >= QUIET_S

    def _is_whole(self, lines: int, first: datetime) -> bool:
        """Whether these are the lines of the container's whole life."""
        if self.started_at is None or self._asked is None or self.started_at < self._asked:
            return False
        late = first - self.started_at
        return late <= STARTS_WITHIN or (late <= FIRST_LINE_WITHIN and self._lines < lines)


def _speaks_of(line: bytes) -> str:
    """What a line may speak of, by bytes alone, for most lines need not be parsed: "breaker", "purchase" or "".

    A line with any of `breaker_lines.MARKS` may speak of a breaker, else one with any of `funnel_lines.MARKS` of a
    purchase. Plain loops, because every line of every pod comes here: `any()` and a regular expression take twice as
    long.
    """
    context = line.find(b'"context":"') + 11  # a newer version's line says at once what it is about
    if context > 10:
        if line.startswith(b"PURCHASE", context):
            return "purchase"
        if line.startswith(b"DynamicProvider:", context):
            return "breaker"
    for mark in breaker_lines.MARKS:
        if mark in line:
            return "breaker"
    for mark in funnel_lines.MARKS:
        if mark in line:
            return "purchase"
    return ""
