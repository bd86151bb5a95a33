"""The pods' logs as one: entries of all pods in the kubelets' order, filtered, bounded, and held still on request.

Nothing is fetched for it: it reads what the console keeps of each pod's log. (nexnum.md#log-format)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from heapq import merge
from math import inf
from operator import attrgetter
from typing import Protocol

from .line_buffer import KEPT_BYTES, LineBuffer
from .log_entry import MOST_LINES, RANK, LogEntry, belongs_to_last, body, order
from .log_filter import LogFilter, PurchaseFilter

KEPT = 2_000  # entries that can be scrolled back to
KEPT_HELD = 2 * KEPT  # and while they are held still
MOST_BYTES = 8 << 20  # of them together
A_LOOK = 1_000  # new lines of one pod that are looked at in one turn; the rest is counted
GONE_KEPT = 10  # pods that have gone, whose entries are still there
JUDGED_S = 0.1  # for what is new, in one turn
SLICE_S = 0.02  # of reading back, or of taking what is new, in one turn
IN_ORDER = attrgetter("order")
ERROR = RANK["error"]


class FollowedLog(Protocol):
    """A pod's log as its follower keeps it."""

    name: str
    recent: LineBuffer
    started_at: datetime | None

    @property
    def restarts(self) -> int: ...


class PodEntries:
    """One pod's lines as entries: as many bytes as its buffer holds. The newest may still be gone on with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: deque[LogEntry] = deque()
        self.read_to: int | None = None  # how many of its lines have been looked at; None: not yet
        self._open: LogEntry | None = None
        self._last = b""
        self._bytes = 0

    def take(self, log: FollowedLog) -> tuple[list[LogEntry], int]:
        """The entries that are complete now, and how many lines came too fast to be looked at."""
        first = self.read_to is None
        lines, gone = log.recent.since(self.read_to or 0)
        self.read_to = log.recent.total
        if len(lines) > A_LOOK and not first:
            gone += len(lines) - A_LOOK
            lines = lines[-A_LOOK:]
        gone = 0 if first else gone
        done = self._finish() if gone or not lines else []
        for line in lines:
            done += self._add(line, log)
        return done + (self._finish() if first else []), gone

    def _add(self, line: bytes, log: FollowedLog) -> list[LogEntry]:
        opened = self._open
        if opened is not None and belongs_to_last(body(line)) and len(opened.more) < MOST_LINES:
            opened.more.append(line)
            return []
        done = self._finish()
        at = max(self._last, order(line))  # one pod's lines stay in its own order, whatever its clock does
        if began := self._began(at, log):
            self.entries.append(began)
            done.append(began)
        self._last = at
        self._open = LogEntry(self.name, line, at)
        return done

    def _began(self, at: bytes, log: FollowedLog) -> LogEntry | None:
        """Our own entry between the lines of the container before a restart and those of the new one."""
        if not log.restarts or log.started_at is None or not self._last:
            return None
        began = log.started_at.astimezone(UTC).isoformat(timespec="seconds")[:19].encode()
        if not self._last[:19] < began <= at[:19]:
            return None
        return LogEntry(self.name, began + b"Z", at, f"the container began anew: restart {log.restarts}")

    def _finish(self) -> list[LogEntry]:
        entry, self._open = self._open, None
        if entry is None:
            return []
        self.entries.append(entry)
        self._bytes += entry.size
        while self._bytes > KEPT_BYTES and len(self.entries) > 1:
            self._bytes -= self.entries.popleft().size
        return [entry]


class LogView:
    """`kept`: the entries that the filter keeps, the oldest first. `held`: nothing before the held end moves."""

    def __init__(self, wanted: LogFilter | None = None) -> None:
        self.filter = wanted or LogFilter()
        self.purchase: PurchaseFilter | None = None  # followed in the place of the filter
        self.kept: list[LogEntry] = []
        self.dropped = 0  # lines that were never looked at, or came while held and are not kept
        self.unkept = 0  # entries that came while held, for which there was no room
        self._pods: dict[str, PodEntries] = {}
        self._bytes = 0
        self._number = 0
        self._begun = False  # every pod that there was at first has been read
        self._behind: Iterator[LogEntry] | None = None
        self._owed: tuple[int, int] | None = None  # what came while held: since which number, and how many
        self._held_at: int | None = None
        self._end = 0

    # --- what is new ------------------------------------------------------------------------------------------

    def take(self, logs: Mapping[str, FollowedLog], budget_s: float = SLICE_S) -> bool:
        """Take what is new from every pod; False where there is more, for the budget was used up."""
        until = time.perf_counter() + budget_s
        new: list[LogEntry] = []
        whole = True
        for uid, log in logs.items():
            pod = self._pods.setdefault(uid, PodEntries(log.name))
            if pod.read_to is None and time.perf_counter() > until:
                whole = False  # the next turn begins with it
                continue
            done, gone = pod.take(log)
            self.dropped += gone
            new += done
        self._forget_gone(logs)
        if self._begun:
            self._number_and_add(new)
        elif whole:
            self._begun = True
            self._begin_again()
        return whole

    def _number_and_add(self, new: list[LogEntry]) -> None:
        """Where each line must be covered first, what there is no time for is counted; the newest come first."""
        new.sort(key=IN_ORDER)
        for entry in new:
            self._number += 1
            entry.number = self._number
        kept: list[LogEntry] = []
        until = time.perf_counter() + (JUDGED_S if self.filter.cover is not None else inf)
        for count, entry in enumerate(reversed(new)):
            if count % self._every == 0 and time.perf_counter() > until:
                self.dropped += len(new) - count
                break
            if self._keeps(entry):
                kept.append(entry)
        self._add(kept[::-1])

    @property
    def _every(self) -> int:
        """After how many entries it is looked at the clock; where each is covered that takes longer."""
        return 64 if self.filter.cover is None else 4

    def _keeps(self, entry: LogEntry) -> bool:
        return (self.purchase or self.filter).keeps(entry)

    def _add(self, new: list[LogEntry]) -> None:
        if not new:
            return
        if self.purchase is not None:
            self.purchase = self.purchase.joined_by(new)
        kept = self.kept
        if self._held_at is not None:
            room = max(0, KEPT_HELD - len(kept)) if self._bytes < MOST_BYTES else 0
            self.unkept += max(0, len(new) - room)
            new = new[:room]
        begin = self._end if self._held_at is not None else 0
        late = len(kept) > begin and bool(new) and new[0].order < kept[-1].order
        kept += new
        self._bytes += sum(entry.size for entry in new)
        if late:
            kept[begin:] = sorted(kept[begin:], key=IN_ORDER)
        self._trim()

    def _trim(self) -> None:
        if self._held_at is not None:
            return
        many = max(0, len(self.kept) - KEPT)
        self._bytes -= sum(entry.size for entry in self.kept[:many])
        while self._bytes > MOST_BYTES and many < len(self.kept) - 1:
            self._bytes -= self.kept[many].size
            many += 1
        del self.kept[:many]

    def _forget_gone(self, logs: Mapping[str, FollowedLog]) -> None:
        gone = [uid for uid in self._pods if uid not in logs]
        for uid in gone[: max(0, len(gone) - GONE_KEPT)]:
            del self._pods[uid]

    # --- the filter -------------------------------------------------------------------------------------------

    def choose(self, wanted: LogFilter) -> None:
        """Keep these from now on, and read them back from what is kept of each pod."""
        self.filter = wanted
        if self.purchase is None:
            self._begin_again()

    def follow(self, purchase: PurchaseFilter | None) -> None:
        """Only what carries these ids, in the place of the filter; None: the filter again."""
        if purchase is not None:
            purchase = purchase.joined_by(entry for entry in self.all if purchase.keeps(entry))
        self.purchase = purchase
        self._begin_again()

    @property
    def all(self) -> Iterator[LogEntry]:
        """Every entry that is kept of any pod, wanted or not; the pods one after the other."""
        return (entry for pod in self._pods.values() for entry in pod.entries)

    @property
    def looked_at(self) -> tuple[int, datetime | None]:
        """How many entries are kept of all pods, wanted or not, and the time of the oldest."""
        pods = [pod.entries for pod in self._pods.values() if pod.entries]
        oldest = min((entries[0] for entries in pods), key=IN_ORDER, default=None)
        return sum(map(len, pods)), oldest.at if oldest is not None else None

    @property
    def reading_back(self) -> bool:
        return self._behind is not None

    def _begin_again(self) -> None:
        self.kept, self._bytes, self.unkept, self._end = [], 0, 0, 0
        newest_first = [list(reversed(pod.entries)) for pod in reversed(self._pods.values())]
        self._behind = merge(*newest_first, key=IN_ORDER, reverse=True)
        self.read_back()

    def read_back(self, budget_s: float = SLICE_S) -> bool:
        """Go on reading back, the newest first; False where there is more."""
        if self._behind is None:
            return True
        until = time.perf_counter() + budget_s
        found: list[LogEntry] = []
        room = KEPT - len(self.kept)
        for count, entry in enumerate(self._behind, 1):
            if self._keeps(entry):
                found.append(entry)
                self._bytes += entry.size
            if len(found) >= room or self._bytes > MOST_BYTES:
                self._behind = None
                break
            if count % self._every == 0 and time.perf_counter() > until:
                break
        else:
            self._behind = None
        self.kept[:0] = found[::-1]
        self._end += len(found)
        if self._behind is None:
            self._count_lost()
        return self._behind is None

    # --- held still -------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        return self._held_at is not None

    def hold(self) -> None:
        if self._held_at is None:
            self._held_at, self._end = self._number, len(self.kept)

    def release(self) -> None:
        """Follow again; what came meanwhile is read back where there was no room for it."""
        held_at, self._held_at = self._held_at, None
        unkept = self.unkept
        if unkept and held_at is not None:
            self._owed = held_at, self._since(held_at) + unkept
            self._begin_again()
        self.kept.sort(key=IN_ORDER)
        self._trim()

    def _count_lost(self) -> None:
        if self._owed is not None:
            held_at, came = self._owed
            self._owed = None
            self.dropped += max(0, came - self._since(held_at))

    @property
    def new_below(self) -> int:
        """Entries that came since it is held, whether or not there was room for them."""
        return 0 if self._held_at is None else self._since(self._held_at) + self.unkept

    def _since(self, number: int) -> int:
        return sum(entry.number > number for entry in self.kept)

    # --- looking for something --------------------------------------------------------------------------------

    def error_after(self, index: int) -> int | None:
        """The next entry with an error below this one."""
        return next((n for n in range(index + 1, len(self.kept)) if RANK[self.kept[n].level] >= ERROR), None)

    def error_before(self, index: int) -> int | None:
        """The next entry with an error above this one."""
        return next((n for n in range(index - 1, -1, -1) if RANK[self.kept[n].level] >= ERROR), None)

    def near(self, entry: LogEntry) -> int:
        """Where this entry is, or the last one before it that is still there; 0 where there is none."""
        try:
            return self.kept.index(entry)
        except ValueError:
            before = (n for n in range(len(self.kept) - 1, -1, -1) if self.kept[n].order <= entry.order)
            return next(before, 0)


def short_names(names: Iterable[str], most: int) -> dict[str, str]:
    """Each name's end, as long as it takes to tell them apart: at best what stands after the last dash.

    Those that `most` characters don't tell apart have a number at their end.
    """
    names = sorted(set(names))
    size = next((n for n in range(1, most) if len({name[-n:] for name in names}) == len(names)), most)
    short: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        end = whole = _whole_part(name, size, most)
        number = 2
        while end in taken:
            tail = f"~{number}"
            end, number = whole[: most - len(tail)] + tail, number + 1
        taken.add(end)
        short[name] = end
    return short


def _whole_part(name: str, size: int, most: int) -> str:
    """At least the last `size` characters of a name, from a dash on where that is not too long."""
    dash = name.rfind("-", 0, max(0, len(name) - size))
    part = name[dash + 1 :]
    if len(part) <= most:
        return part
    return f"…{name[-size:]}" if size < most else f"…{name[1 - most :]}"
