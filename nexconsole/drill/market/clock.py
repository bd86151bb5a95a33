"""The world's clock: plays the past as fast as it computes, then continues in real time.

The same coroutines run in both. While the clock is virtual they may await only `sleep()` and each other; what sleeps
when the clock goes live continues in the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

Work = Coroutine[Any, Any, None]


class _Pause:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[_Pause, None, None]:
        yield self


class Job:
    """A coroutine that the clock runs; `cancel()` ends it wherever it is, as a killed process ends."""

    def __init__(self, work: Work, on_done: Callable[[Job], None]) -> None:
        self.work = work
        self.done = False
        self._on_done = on_done
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            return
        if self._timer is not None:
            self._timer.cancel()
        if not self.done:
            self.work.close()
            self.finish()

    def finish(self) -> None:
        self.done = True
        self._on_done(self)

    def attach(self, crashed: Callable[[BaseException], None]) -> None:
        """Hand the coroutine to the running event loop, from the point where it stands."""

        def ended(task: asyncio.Task[None]) -> None:
            self.finish()
            error = None if task.cancelled() else task.exception()
            if error is not None:
                crashed(error)

        self._timer = None
        self._task = asyncio.create_task(self.work)
        self._task.add_done_callback(ended)

    def attach_later(self, delay: float, crashed: Callable[[BaseException], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self.attach, crashed)


class Clock:
    """Seconds since the epoch. `crashed` becomes the first exception that a job ended with after going live."""

    def __init__(self, start: float) -> None:
        self._now = start
        self.live = False
        self.crashed: asyncio.Future[None] | None = None
        self._due: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return time.time() if self.live else self._now

    async def sleep(self, seconds: float) -> None:
        if self.live:
            await asyncio.sleep(seconds)
        else:
            await _Pause(max(0.0, seconds))

    def spawn(self, work: Work, on_done: Callable[[Job], None] = lambda job: None) -> Job:
        """Run a coroutine from now on, beside the others."""
        job = Job(work, on_done)
        if self.live:
            job.attach(self._crash)
        else:
            heapq.heappush(self._due, (self._now, next(self._order), job))
        return job

    def run_until(self, end: float) -> None:
        """Play everything that is due before `end`; the order depends on nothing but what was spawned."""
        while self._due and self._due[0][0] <= end:
            due, _, job = heapq.heappop(self._due)
            if job.done:
                continue
            self._now = max(self._now, due)
            try:
                pause = job.work.send(None)
            except StopIteration:
                job.finish()
                continue
            heapq.heappush(self._due, (self._now + pause.seconds, next(self._order), job))
        self._now = max(self._now, end)

    def go_live(self) -> None:
        """From here on time is real. Call it in the event loop that is to carry on."""
        self.crashed = asyncio.get_running_loop().create_future()
        self.live = True
        now = self.now()
        for due, _, job in sorted(self._due, key=lambda entry: entry[:2]):
            if not job.done:
                job.attach_later(max(0.0, due - now), self._crash)
        self._due.clear()

    def close(self) -> None:
        """End what still waits in the past."""
        for _, _, job in self._due:
            job.cancel()
        self._due.clear()

    def _crash(self, error: BaseException) -> None:
        if self.crashed is not None and not self.crashed.done():
            self.crashed.set_exception(error)
