"""A program in a pseudo terminal of its own, with the arrival of everything that it writes.

A thread does nothing but read and stamp. What a screen would show is worked out behind it, so that neither its cost nor
this process's other business is charged to the program. The terminal answers no query, as many don't.
"""

from __future__ import annotations

import contextlib
import os
import pty
import queue
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from types import TracebackType

from .screen import Screen

ROWS, COLUMNS = 40, 120
PATIENCE_S = 20.0
# Enough for a reading thread to be scheduled at once: it shares the interpreter with the screen's model.
SWITCH_S = 0.0001
_IGNORED = ("NO_COLOR", "TMUX", "LINES", "COLUMNS", "SSH_TTY", "SSH_CONNECTION", "TEXTUAL")


class NeverHappened(Exception):
    """What was waited for did not come in time; the text has the screen."""


class BenchmarkTerminal:
    """`argv` in a terminal of ROWS by COLUMNS. Times are `time.perf_counter`'s; `began` is that of the start."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        sys.setswitchinterval(SWITCH_S)
        self.screen = Screen(ROWS, COLUMNS)
        self.bytes = 0  # written so far
        self.ended: float | None = None  # when, and with which code
        self.code: int | None = None
        self._arrived: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._closing = False
        kept = {name: value for name, value in os.environ.items() if name not in _IGNORED}
        kept |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **(environment or {})}
        self.began = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            _become(argv, kept)
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._wait)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> BenchmarkTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the program if it still runs, and everything that it started."""
        if self.ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._threads[1].join(5)
        self._closing = True
        self._threads[0].join(5)
        os.close(self._master)

    # --- what comes -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while not self._closing:
            try:
                if not select.select([self._master], [], [], 0.1)[0]:
                    continue
                data = os.read(self._master, 1 << 16)
            except OSError:  # the other side is closed
                return
            at = time.perf_counter()
            self.bytes += len(data)
            self._arrived.put((at, data))

    def _wait(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.ended, self.code = time.perf_counter(), os.waitstatus_to_exitcode(status)

    def until(self, true: Callable[[Screen], object], patience_s: float = PATIENCE_S, after: float = 0.0) -> float:
        """When what came (after that moment) made it true of the screen. Raises NeverHappened."""
        deadline = time.perf_counter() + patience_s
        while True:
            at = self._take(deadline - time.perf_counter())
            if at is None:
                ended = f"; the program ended with {self.code}" if self.ended else ""
                raise NeverHappened(f"not within {patience_s:g} s{ended}:\n{self.screen.text.rstrip()}")
            if at >= after and true(self.screen):
                return at

    def rest(self, seconds: float) -> None:
        """Take in whatever comes for so long."""
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            if self._take(left) is None and self.ended is not None:
                return

    def quiet(self, seconds: float, patience_s: float = 3.0) -> None:
        """Take in whatever comes until nothing has come for so long."""
        deadline = time.perf_counter() + patience_s
        while time.perf_counter() < deadline and self._take(seconds) is not None:
            pass

    def _take(self, patience_s: float) -> float | None:
        """Show the next chunk; when it came. None: none came in time, or none will."""
        deadline = time.perf_counter() + patience_s
        while True:
            ended = self.ended
            try:
                at, data = self._arrived.get(timeout=max(0.0, min(0.1, deadline - time.perf_counter())))
            except queue.Empty:
                if ended is not None or time.perf_counter() >= deadline:
                    return None
                continue
            self.screen.feed(data)
            return at

    # --- what goes --------------------------------------------------------------------------------------------

    def press(self, keys: str) -> float:
        """Send keys; when."""
        at = time.perf_counter()
        os.write(self._master, keys.encode())
        return at

    def leave(self, keys: str, patience_s: float = PATIENCE_S) -> float:
        """Send the keys that end the program; how many seconds it took to be gone."""
        at = self.press(keys)
        self.rest_until_ended(patience_s)
        if self.ended is None:
            raise NeverHappened(f"still running {patience_s:g} s after {keys!r}:\n{self.screen.text.rstrip()}")
        return self.ended - at

    def rest_until_ended(self, patience_s: float) -> None:
        deadline = time.perf_counter() + patience_s
        while self.ended is None and time.perf_counter() < deadline:
            self._take(0.05)

    # --- what it takes ----------------------------------------------------------------------------------------

    def cpu_s(self) -> float:
        """CPU seconds of the program so far, all threads, those that ended too."""
        return time.clock_gettime(_cpu_clock(self.pid))

    def memory_mb(self) -> float:
        """The proportional set size: what it shares with others counts by its share."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        raise NeverHappened("the kernel tells no Pss")


def _cpu_clock(pid: int) -> int:
    """The clock of a whole process's CPU time, to the nanosecond: clock_getcpuclockid(3), which Python lacks."""
    return (~pid << 3) | 2


def _become(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        # The size is set by the parent; nobody should look before that.
        while struct.unpack("HHHH", ioctl(0, termios.TIOCGWINSZ, bytes(8)))[0] == 0:
            time.sleep(0.0005)
        os.execvpe(argv[0], list(argv), dict(environment))
    finally:
        os._exit(127)
