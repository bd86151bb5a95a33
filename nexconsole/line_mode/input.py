"""Lines that a person types, with the moment at which each came."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from dataclasses import dataclass
from typing import Protocol, TextIO

LONGEST = 2_000  # characters of a line; what is longer was not typed by a person
SOONEST_S = 0.3  # after a question; what comes sooner was typed before anybody could read it


@dataclass(frozen=True)
class TypedLine:
    """`text` without its line end; None at the end of the input. `at`: monotonic seconds."""

    text: str | None
    at: float


class TypedLines(Protocol):
    """Where typed lines come from."""

    async def next(self) -> TypedLine:
        """The next line; waits for it."""


class LineInput:
    """Reads `stream` in a thread of its own, since reading a terminal can't be cancelled."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a key of another encoding does not end the console
        self._stream = stream
        self._lines: asyncio.Queue[TypedLine] = asyncio.Queue(maxsize=1000)
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        threading.Thread(target=self._read, name="lines", daemon=True).start()

    async def next(self) -> TypedLine:
        return await self._lines.get()

    def _read(self) -> None:
        while True:
            text = self._line()
            line = TypedLine(text.rstrip("\r\n") if text else None, time.monotonic())
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._put, line)
            if not text:
                return

    def _line(self) -> str:
        """The next line; what is longer than anybody types is cut, and its rest is no line of its own."""
        try:
            text = rest = self._stream.readline(LONGEST)
            while len(rest) == LONGEST and not rest.endswith("\n"):
                rest = self._stream.readline(LONGEST)
        except (OSError, ValueError):  # the terminal is gone
            return ""
        return text

    def _put(self, line: TypedLine) -> None:
        if not self._lines.full():
            self._lines.put_nowait(line)
