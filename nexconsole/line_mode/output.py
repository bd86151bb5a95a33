"""Writes lines in a thread of its own: a terminal that is held, or a link that stalls, holds up nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

MOST = 5_000  # lines that wait; more are counted
LOOK_S = 0.02


class LineOutput:
    """`lost` is called, in the event loop, when nothing can be written any more."""

    def __init__(self, stream: TextIO | None, lost: Callable[[OSError], None]) -> None:
        self._number = stream.fileno() if stream is not None else None
        self._encoding = stream.encoding if stream is not None else "utf-8"
        self._loop, self._lost = asyncio.get_running_loop(), lost
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._dropped = self._added = self._done = 0
        threading.Thread(target=self._run, name="written lines", daemon=True).start()

    def write(self, text: str) -> None:
        with self._changed:
            if self._number is None:
                return
            if len(self._waiting) >= MOST:
                self._dropped += 1
                return
            self._tell_dropped()
            self._waiting.append(text)
            self._added += 1
            self._changed.notify()

    def _tell_dropped(self) -> None:
        """In their place, behind what waits."""
        if self._dropped:
            self._waiting.append(f"{self._dropped} lines could not be shown")
            self._added, self._dropped = self._added + 1, 0

    async def written(self) -> None:
        """Wait until what is to be written by now was taken by the terminal."""
        until = self._added
        while self._done < until and self._number is not None:
            await asyncio.sleep(LOOK_S)

    def close(self, within_s: float) -> None:
        """Give the last lines a moment."""
        until = time.monotonic() + within_s
        while self._done < self._added and self._number is not None and time.monotonic() < until:
            time.sleep(LOOK_S)

    def _run(self) -> None:
        """By the file's number: at the end a stream's lock would wait for a thread that writes."""
        while (number := self._number) is not None:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                text = self._waiting.popleft()
                if not self._waiting:
                    self._tell_dropped()
            data = f"{text}\n".encode(self._encoding, "backslashreplace")
            try:
                while data:
                    data = data[os.write(number, data) :]
            except OSError as error:
                self._number = None
                self._loop.call_soon_threadsafe(self._lost, error)
            self._done += 1
