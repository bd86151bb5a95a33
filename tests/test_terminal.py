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
from pathlib import Path

import pytest

PATIENCE_S = 20.0
CRASHING = """
from nexconsole.screens.console import ConsoleScreen
def tick(self):
    raise RuntimeError("a pane broke")
ConsoleScreen.tick = tick
"""
MAIN = "from nexconsole.__main__ import main; main()"
ALTERNATE_OFF, MOUSE_OFF, CURSOR_ON = b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?25h"


@dataclass
class PtyTerminal:
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
def console(
    code: str = MAIN, *arguments: str, term: str | None = "xterm-256color", size: tuple[int, int] = (24, 80)
) -> Iterator[tuple[PtyTerminal, list]]:
    """The console without any source in a terminal of its own; also how that terminal was set before."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, size)
    before = termios.tcgetattr(slave)
    environment = {name: value for name, value in os.environ.items() if name not in ("TERM", "COLUMNS", "LINES")}
    environment |= {"TERM": term} if term is not None else {}
    argv = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=environment)
    try:
        yield PtyTerminal(master, process), before
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
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


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer among the terminals that terminfo knows."""
    (tmp_path / "paper.ti").write_text("paper|a printer,\n\tam, hc, cols#80, cr=^M, ind=^J,\n")
    subprocess.run(["tic", "-o", str(tmp_path), str(tmp_path / "paper.ti")], check=True)
    monkeypatch.setenv("TERMINFO", str(tmp_path))


def end_of(terminal: PtyTerminal) -> str:
    """What it wrote, once it has ended by itself."""
    terminal.read(None)
    return terminal.written.decode()


@pytest.mark.parametrize(
    ("term", "size", "said"),
    [
        ("dumb", (24, 80), "TERM=dumb"),
        ("unknown", (24, 80), "TERM=unknown"),
        ("", (24, 80), "TERM is not set"),
        (None, (24, 80), "TERM is not set"),
        ("paper", (24, 80), "TERM=paper"),  # terminfo knows it, and that it places no cursor
        ("xterm-256color", (3, 10), "10 by 3 cells"),
        ("xterm-256color", (24, 19), "19 by 24 cells"),
        ("xterm-256color", (4, 80), "80 by 4 cells"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("drill",), ("console", "--present")], ids=["", "drill", "present"])
def test_a_terminal_that_cannot_show_the_console_is_told_so_before_anything_is_drawn(
    term: str | None, size: tuple[int, int], said: str, arguments: tuple[str, ...], paper: None
) -> None:
    with console(MAIN, *arguments, term=term, size=size) as (terminal, _):
        text = end_of(terminal)
        assert terminal.process.returncode == 2
        assert text.startswith("nexconsole: ") and said in text and "\x1b" not in text
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize("term", ["screen", "vt220", "tmux-256color", "a-terminal-newer-than-this-machine"])
def test_a_terminal_that_places_the_cursor_is_taken_whatever_its_name(term: str) -> None:
    with console(term=term) as (terminal, _):
        terminal.read(b"not configured")
        os.write(terminal.master, b"q")
        terminal.read(None)
        assert terminal.process.returncode == 0


@pytest.mark.parametrize("size", [(6, 20), (0, 0), (6, 200), (100, 20)])
def test_the_least_terminal_and_one_that_does_not_say_its_size_show_the_console(size: tuple[int, int]) -> None:
    with console(size=size) as (terminal, _):
        terminal.read(b"\x1b[?25l")
        time.sleep(1.5)
        os.write(terminal.master, b"?")
        time.sleep(0.3)
        os.write(terminal.master, b"\x1b")
        time.sleep(0.3)
        os.write(terminal.master, b"q")
        terminal.read(None)
        assert terminal.process.returncode == 0, terminal.written[-2000:]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bogus",), "there is no option --bogus"),
        (("-x",), "there is no option -x"),
        (("console", "--theme"), "expected one argument"),
        (("--theme", "pink"), "theme"),
        (("--config", "/nowhere.toml"), "/nowhere.toml"),
        (("--database-url", "mysql://x"), "postgres.url"),
    ],
)
def test_what_is_asked_wrongly_is_said_on_the_screen_that_stays(arguments: tuple[str, ...], said: str) -> None:
    with console(MAIN, *arguments) as (terminal, _):
        end_of(terminal)
        assert terminal.process.returncode == 2
        assert_given_back(terminal.written)
        stays = terminal.written[terminal.written.rindex(ALTERNATE_OFF) :].decode()
        assert said in stays and "nexconsole: " in stays and "Traceback" not in stays


BROKEN = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "nexconsole.%s":
            raise RuntimeError("a broken installation")
sys.meta_path.insert(0, Broken())
"""


@pytest.mark.parametrize("module", ["cli", "settings", "app", "sources"])
def test_a_crash_before_the_screen_stands_is_told_on_the_screen_that_stays(module: str) -> None:
    with console(BROKEN % module + MAIN) as (terminal, _):
        end_of(terminal)
        assert terminal.process.returncode not in (0, None)
        assert_given_back(terminal.written)
        assert b"a broken installation" in terminal.written[terminal.written.rindex(ALTERNATE_OFF) :]
