"""The terminal is given back as it was taken, however the console ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

PATIENCE_S = 20.0
CRASHING = """
from nexconsole.screens.console import Console
def tick(self):
    raise RuntimeError("a pane broke")
Console.tick = tick
"""
MAIN = "from nexconsole.__main__ import main; main()"
ALTERNATE_OFF, MOUSE_OFF, CURSOR_ON = b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?25h"


@dataclass
class Terminal:
    master: int
    process: subprocess.Popen[bytes]
    written: bytes = b""

    def read(self, until: bytes | None) -> None:
        """Take what is written until `until` is, or with None until the process has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while until is None or until not in self.written:
            assert time.monotonic() < deadline, self.written[-2000:]
            if select.select([self.master], [], [], 0.05)[0]:
                self.written += os.read(self.master, 65536)
            elif until is None and self.process.poll() is not None:
                return


@contextmanager
def console(code: str = MAIN) -> Iterator[tuple[Terminal, list]]:
    """The console without any source in a terminal of its own; also how that terminal was set before."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave)
    try:
        yield Terminal(master, process), before
        assert termios.tcgetattr(slave) == before
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def assert_given_back(written: bytes) -> None:
    """Every mode that was set is off again, and nothing is drawn on the alternate screen afterwards."""
    assert written.count(b"\x1b[?1049h") >= 1
    end = written.rindex(ALTERNATE_OFF)
    assert b"\x1b[?1049h" not in written[end:]
    assert written.rfind(MOUSE_OFF) >= written.rfind(b"\x1b[?1000h")
    assert written.rfind(CURSOR_ON) >= written.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(number: signal.Signals) -> None:
    with console() as (terminal, _):
        terminal.read(b"not configured")
        terminal.process.send_signal(number)
        terminal.read(None)
        assert terminal.process.returncode == 128 + number
        assert_given_back(terminal.written)


@pytest.mark.parametrize("after_s", [0.1, 0.2, 0.4])
def test_a_signal_before_the_screen_stands_gives_the_terminal_back(after_s: float) -> None:
    with console() as (terminal, _):
        terminal.read(b"is starting")
        time.sleep(after_s)  # somewhere among the imports, or just after them
        terminal.process.terminate()
        terminal.read(None)
        assert terminal.process.returncode == 128 + signal.SIGTERM
        assert_given_back(terminal.written)


def test_the_key_that_leaves_gives_the_terminal_back() -> None:
    with console() as (terminal, _):
        terminal.read(b"not configured")
        os.write(terminal.master, b"q")
        terminal.read(None)
        assert terminal.process.returncode == 0
        assert_given_back(terminal.written)


def test_a_crash_gives_the_terminal_back_and_is_loud() -> None:
    with console(CRASHING + MAIN) as (terminal, _):
        terminal.read(None)
        assert terminal.process.returncode != 0
        assert_given_back(terminal.written)
        assert b"a pane broke" in terminal.written[terminal.written.rindex(ALTERNATE_OFF) :]
