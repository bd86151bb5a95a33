"""A console in a pseudo terminal of its own: what it shows, and every key that is pressed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import signal
import struct
import termios
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from fcntl import ioctl
from typing import TypeVar

import pyte

T = TypeVar("T")
KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}
PACE_S = 0.12  # between two keys, as a quick typist presses them
QUIET_S = 0.25  # a screen to which nothing was sent for so long is drawn
PATIENCE_S = 20.0
_IGNORED = ("NO_COLOR", "TMUX", "LINES", "COLUMNS", "SSH_TTY", "SSH_CONNECTION", "TEXTUAL")


class NotSeenError(Exception):
    """What was waited for did not appear in time; the text has the screen."""


class WalkedConsole:
    """`keys` are all keys pressed so far. Nothing is known of the program but its screen."""

    def __init__(self, columns: int, rows: int, pid: int, master: int) -> None:
        self.keys: list[str] = []
        self.columns, self.rows = columns, rows
        self._pid, self._master = pid, master
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._came = asyncio.Event()
        self._came_at = time.monotonic()
        self.ended = False
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            data = b""
        if data:
            self._stream.feed(data)
            self._came_at = time.monotonic()
        else:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self._master)
        self._came.set()

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def until(self, found: Callable[[], T | None], what: str, within: float = PATIENCE_S) -> T:
        """What `found` returns once it is neither None nor false. Raises NotSeenError."""
        deadline = time.monotonic() + within
        while not (value := found()):
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                why = "the console ended" if self.ended else f"not within {within:g} s"
                raise NotSeenError(f"{what}: {why}, after the keys: {' '.join(self.keys)}\n{self.text}")
            self._came.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), min(left, 0.5))
        return value

    async def see(self, pattern: str, within: float = PATIENCE_S) -> re.Match[str]:
        """Wait until the pattern stands on the screen."""
        return await self.until(lambda: re.search(pattern, self.text), f"expected {pattern!r}", within)

    async def miss(self, pattern: str, within: float = PATIENCE_S) -> None:
        """Wait until the pattern stands nowhere on the screen."""
        await self.until(lambda: not re.search(pattern, self.text), f"expected no {pattern!r}", within)

    async def drawn(self) -> None:
        """Wait until the answer to a key is drawn; a live screen is never quiet for long."""
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and time.monotonic() - self._came_at < QUIET_S:
            await asyncio.sleep(0.03)

    async def press(self, *keys: str) -> None:
        """Press these keys one after the other, each counted."""
        for key in keys:
            self.keys.append(key)
            os.write(self._master, KEYS.get(key, key).encode())
            await asyncio.sleep(PACE_S)
        await self.drawn()

    async def type(self, text: str) -> None:
        """Type the text: a key a character."""
        await self.press(*("space" if letter == " " else letter for letter in text))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


@asynccontextmanager
async def walked_console(
    argv: Sequence[str], environment: Mapping[str, str], columns: int, rows: int, patience_s: float = 30.0
) -> AsyncIterator[WalkedConsole]:
    """`argv` in a terminal of this size; in the end it is asked to end, and ended if it doesn't."""
    kept = {name: value for name, value in os.environ.items() if name not in _IGNORED}
    kept |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **environment}
    pid, master = pty.fork()
    if pid == 0:
        _become(argv, kept)
    ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    console = WalkedConsole(columns, rows, pid, master)
    try:
        yield console
    finally:
        os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(os.waitpid, pid, 0), patience_s)
            pid = 0
        if pid:
            os.killpg(pid, signal.SIGKILL)
        console.close()


def _become(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        while struct.unpack("HHHH", ioctl(0, termios.TIOCGWINSZ, bytes(8)))[0] == 0:
            time.sleep(0.0005)
        os.execvpe(argv[0], list(argv), dict(environment))
    finally:
        os._exit(127)
