"""When entries came to this console. Other hosts' clocks may be hours out: what is counted in seconds is counted from
then on, by this host's monotonic clock."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ..journal import Entry, EntryKind, Writer

MOST_SKEW = timedelta(hours=3)  # no host's clock is further out


class Arrivals:
    """`clock` gives this host's time (UTC)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._came: dict[str, float] = {}  # id -> monotonic; not of what was there before this console

    def note(self, entry: Entry, first: bool) -> None:
        """This entry has come, or (`first`) was there when this console first looked."""
        if not first or self._may_wait(entry):
            self._came.setdefault(entry.id, time.monotonic())

    def _may_wait(self, entry: Entry) -> bool:
        """Whether what was there before is a proposal of another host that may still wait: by how much that host's
        clock is out is not known."""
        elsewhere = entry.kind == EntryKind.PROPOSED and entry.writer.host != socket.gethostname()
        return elsewhere and abs(self._clock() - entry.at) < MOST_SKEW

    def age_s(self, entry: Entry) -> float:
        """For how many seconds this entry has been known here, whatever its writer's clock said; of what was there
        before this console, how old it is by the clocks."""
        came = self._came.get(entry.id)
        if came is not None:
            return time.monotonic() - came
        return max(0.0, (self._clock() - entry.at).total_seconds())

    def came_at(self, entry: Entry, me: Writer) -> datetime:
        """When it came, by this host's clock; when it was written, where `me` wrote it or it was there before."""
        if entry.id not in self._came or entry.writer == me:
            return min(entry.at, self._clock())
        return self._clock() - timedelta(seconds=self.age_s(entry))
