"""The pods' logs, followed: one stream a pod, reconnected without a gap or a double, folded as they come.

Streams are read in beats: between two of them the socket rests in the kernel, so that a pod that writes a thousand
lines a second costs ten wake-ups, not a thousand. A line waits for the next beat, no longer.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import Denied, SourceError
from .breakers import MARKS, Logbook, PodBreakers, parse
from .resources import Pod

if TYPE_CHECKING:
    import aiohttp

    from .kubernetes import Kubernetes

log = logging.getLogger(__name__)

LONGEST_LINE = 16_384  # the rest of a longer one is skipped
BEAT_S = 0.1
PODS_EVERY_S = 2.0
PODS_RETRY_S = 1.0
LONGEST_WAIT_S = 1.5  # between two tries to follow a pod
DENIED_WAIT_S = 10.0
SILENT_S = 90.0  # a stream without a byte for so long is opened anew: nobody would say that it is dead
QUIET_S = 0.15  # a stream that gives nothing for so long has given all that was there
STARTS_WITHIN = timedelta(seconds=5)  # NexNum writes its first line within this after its container began
FIRST_LINE_WITHIN = timedelta(seconds=120)


Place = tuple[bytes, bytes]  # a line's second and the nanoseconds in it
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)(?: |$)")


class LineCutter:
    """Chunks to lines, holding no more than LONGEST_LINE of an unfinished one."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, each cut to LONGEST_LINE bytes."""
        size = len(self._rest) + len(chunk)
        lines = (self._rest + chunk).split(b"\n")
        # A rest that has reached the limit is already cut: whatever is appended to it is cut away again.
        self._rest = lines.pop()[:LONGEST_LINE]
        return lines if size <= LONGEST_LINE else [line[:LONGEST_LINE] for line in lines]


def moment(line: bytes) -> datetime | None:
    """The kubelet's time at the beginning of a line, in UTC; None where there is none."""
    stamp = line.partition(b" ")[0]
    if not 20 <= len(stamp) <= 36 or stamp[4:5] != b"-":
        return None
    try:
        at = datetime.fromisoformat(stamp.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _place(line: bytes) -> Place | None:
    """Where a line stands in its log; None for one without a time."""
    found = _STAMP.match(line)
    return (found[1], (found[2] or b"").ljust(9, b"0")) if found else None


class Reader:
    """How far one container's log has been read, so that the next stream goes on exactly there."""

    def __init__(self) -> None:
        self.last_at: datetime | None = None
        self._last: Place | None = None
        self._same = 0  # lines with the time of the last one: a burst may share it
        self._skip: int | None = None

    def since(self, seconds: int, lines: int) -> dict[str, str]:
        """The query for the next stream. The API counts whole seconds, so some lines come again."""
        query = {"tailLines": str(lines)}
        if self.last_at is None:
            return query | {"sinceSeconds": str(seconds)}
        return query | {"sinceTime": self.last_at.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def reopen(self) -> None:
        """A new stream begins."""
        self._skip = None if self._last is None else self._same

    def fresh(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """The lines that had not been read before, and whether some may be missing in front of them."""
        gap = False
        if self._skip is not None:
            lines, gap = self._skipped(lines)
        self._note(lines)
        return lines, gap

    def _skipped(self, lines: list[bytes]) -> tuple[list[bytes], bool]:
        """The last line read must come again, or what lay between is lost: rotated away, or cut by tailLines."""
        for index, line in enumerate(lines):
            place = _place(line)
            if place is None or self._last is None or place < self._last:
                continue
            if place == self._last and self._skip:
                self._skip -= 1
                continue
            gap = self._skip == self._same and place > self._last
            self._skip = None
            return lines[index:], gap
        return [], False

    def _note(self, lines: list[bytes]) -> None:
        stamped = next((line for line in reversed(lines) if _place(line)), None)
        if stamped is None:
            return
        newest = _place(stamped)
        if newest != self._last:
            self._last, self._same, self.last_at = newest, 0, moment(stamped)
        for line in reversed(lines):
            place = _place(line)
            if place not in (newest, None):
                break
            self._same += place is not None


class Followed:
    """One pod whose container runs, and its stream."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.container = ""
        self.breakers = PodBreakers()
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

    def take(self, chunk: bytes, logbook: Logbook) -> bool:
        """Fold what came; True when a breaker's state has changed."""
        self.bytes_at = time.monotonic()
        self.lost_at = None
        lines, gap = self._reader.fresh(self._cutter.cut(chunk))
        if not lines:
            return False
        if gap:
            self.breakers.forget()
        self._lines += len(lines)
        self._first = self._first or moment(lines[0])
        self._newest = moment(lines[-1]) or self._newest
        one, other = MARKS
        changed = False
        for line in lines:
            if (one in line or other in line) and (event := parse(line[line.find(b" ") + 1 :])):
                at = moment(line)
                changed |= at is not None and logbook.fold(self.breakers, at, event)
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


class Logs:
    """The followed pods of the deployment. `wake` is set when a breaker's state has changed."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self.logbook = Logbook()
        self.wake = asyncio.Event()
        self.followed: dict[str, Followed] = {}  # by the pod's uid
        self.pods = 0  # whose container runs
        self.error: SourceError | None = None
        self._known: dict[str, Followed] = {}
        self._listed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, bound_s: float) -> None:
        """Begin to follow; at the first time wait until what is there has been read, or until `bound_s` seconds.

        Raises what has ended the following, which is a bug and nothing else.
        """
        self._raise_bugs()
        if self._task is not None:
            self.settle()
            return
        self._task = asyncio.create_task(self._run(), name="logs")
        try:
            async with asyncio.timeout(bound_s):
                await self._listed.wait()
                while not self.settle():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log.info("not all logs were read within %g s", bound_s)
        self._raise_bugs()

    def settle(self) -> bool:
        """Whether all that was there has been read from every followed pod."""
        lines = self.kubernetes.settings.log_tail_lines
        return all([pod.settle(lines) for pod in self.followed.values()])

    def close(self) -> None:
        for pod in self.followed.values():
            if pod.task is not None:
                pod.task.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        failed_at = 0.0
        while True:
            try:
                pods = await self.kubernetes.pods()
            except SourceError as error:
                failed_at = failed_at if self.error else time.monotonic()
                self.error = error
                self._listed.set()
                await asyncio.sleep(PODS_RETRY_S)
                continue
            silent_since = time.monotonic() - SILENT_S if self.error is None else failed_at
            self.error = None
            self._match(pods)
            self._listed.set()
            self._restart_silent(silent_since)
            await asyncio.sleep(PODS_EVERY_S)

    def _match(self, pods: Iterable[Pod]) -> None:
        """Follow the pods whose container runs, as many as the settings allow; let go of the others."""
        settings = self.kubernetes.settings
        running = {}
        known = {}
        for pod in sorted(pods, key=lambda pod: pod.metadata.name):
            uid = pod.metadata.uid
            if uid in self._known:
                known[uid] = self._known[uid]
            status = pod.container(settings.container)
            if status is not None and status.state.running is not None:
                running[uid] = (pod, status)
        self.pods = len(running)
        # Those that are followed already come first: a pod that joins doesn't push one out.
        wanted = sorted(running, key=lambda uid: uid not in self.followed)[: settings.follow_pods]
        for uid in self.followed.keys() - set(wanted):
            self._let_go(self.followed.pop(uid))
        for uid in wanted:
            pod, status = running[uid]
            followed = known.setdefault(uid, Followed(pod.metadata.name))
            followed.born(status.state.running.started_at)
            if uid not in self.followed:
                self.followed[uid] = followed
                followed.container = status.name
                self._follow(followed)
        self._known = known

    def _follow(self, pod: Followed) -> None:
        if pod.task is not None:
            pod.task.cancel()
        pod.error, pod.bytes_at = None, time.monotonic()
        pod.task = asyncio.create_task(self._keep_following(pod), name=f"log of {pod.name}")

    def _let_go(self, pod: Followed) -> None:
        if pod.task is not None:
            pod.task.cancel()
            pod.task = None
        pod.breakers.forget()
        self.wake.set()

    def _restart_silent(self, since: float) -> None:
        """Open anew the streams that have given nothing since that moment: after an outage they may hang for good."""
        for pod in self.followed.values():
            if pod.bytes_at < since and pod.error is None:
                self._follow(pod)

    async def _keep_following(self, pod: Followed) -> None:
        wait = 0.2
        while True:
            began = time.monotonic()
            try:
                await self._stream(pod)
                pod.error = None
            except SourceError as error:
                if pod.error is None:
                    log.warning("the log of pod %s can't be followed: %s", pod.name, error)
                pod.error = error
            pod.lost_at = pod.lost_at or time.monotonic()
            wait = 0.2 if time.monotonic() - began > 5 else min(2 * wait, LONGEST_WAIT_S)
            await asyncio.sleep(DENIED_WAIT_S if isinstance(pod.error, Denied) else wait)

    async def _stream(self, pod: Followed) -> None:
        """Follow one stream to its end, which comes with the container's, or the connection's."""
        settings = self.kubernetes.settings
        query = pod.open(settings.log_since_s, settings.log_tail_lines, datetime.now(UTC))
        async with self.kubernetes.log(pod.name, pod.container, query) as response:
            pod.error = None
            while chunk := await response.content.readany():
                if pod.take(chunk, self.logbook):
                    self.wake.set()
                await _rest(response)

    def _raise_bugs(self) -> None:
        tasks = [self._task, *(pod.task for pod in self.followed.values())]
        for task in tasks:
            if task is not None and task.done() and not task.cancelled():
                task.result()


async def _rest(response: aiohttp.ClientResponse) -> None:
    """Leave the stream to the kernel until the next beat, which all streams share."""
    transport = response.connection.transport if response.connection else None
    if transport is None:
        return
    transport.pause_reading()
    try:
        await asyncio.sleep(BEAT_S - asyncio.get_running_loop().time() % BEAT_S)
    finally:
        transport.resume_reading()
