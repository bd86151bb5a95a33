"""Daemon threads for a blocking client library.

A pool of concurrent.futures joins its threads at exit, so one hanging server would hold the terminal. These are
abandoned instead.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class AllHang(Exception):
    """Every thread has been at one call for longer than that call was allowed to take."""


@dataclass(frozen=True)
class _Job:
    call: Callable[[], Any]
    allowed_s: float
    future: asyncio.Future[Any]


class Threads:
    """At most `count` threads, started when first needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._started = 0
        self._overdue_at: dict[int, float] = {}  # thread -> monotonic time at which its call has overrun

    async def run(self, call: Callable[[], T], allowed_s: float) -> T:
        """What `call` returns or raises; AllHang at once where no thread can be expected to become free.

        Cancelling the wait abandons the call: it is skipped if no thread has begun it.
        """
        overdue_at, now = tuple(self._overdue_at.values()), time.monotonic()
        if len(overdue_at) == self._count and max(overdue_at) < now:
            raise AllHang
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = _Job(call, allowed_s, future)
        if self._started < self._count and self._started - len(overdue_at) <= self._jobs.qsize():
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name} {self._started}", daemon=True).start()
        self._jobs.put(job)
        return await future

    def close(self) -> None:
        """Let the threads end, each after the call that it is at."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        me = threading.get_ident()
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                continue
            self._overdue_at[me] = time.monotonic() + job.allowed_s
            result, error = None, None
            try:
                result = job.call()
            except Exception as raised:
                error = raised
            del self._overdue_at[me]
            loop = job.future.get_loop()
            try:
                loop.call_soon_threadsafe(_settle, job.future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
