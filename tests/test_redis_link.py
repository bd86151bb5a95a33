"""The link drops, or a console is told to end, while an action is under way: what the journal tells then."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import attended
import pyte
import pytest
from acting import add_provider
from controller import entries, kinds, until, until_done_by

from nexconsole.journal import unjudged

MAIN = "from nexconsole.__main__ import main; main()"


class ConsoleProcess:
    """A console as its operator's shell starts it: it owns its terminal, and hears when that hangs up."""

    def __init__(self, owns: bool = True, **environment: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 120))
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if owns else None,
        )
        os.close(slave)
        self.written = b""
        self._connected = True
        self.listening = True
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the console has ended
            while self._connected:
                if select.select([self.master], [], [], 0.05)[0] and self.listening:
                    self.written += os.read(self.master, 65536)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def hang_up(self) -> None:
        if self._connected:
            self._connected = False
            self._reader.join()
            os.close(self.master)

    async def wrote(self, *words: bytes) -> None:
        await until(lambda: all(word in self.written for word in words), 30.0)

    def shows(self, *words: str) -> bool:
        """Whether a terminal that was given all that was written shows them."""
        screen = pyte.Screen(120, 40)
        pyte.ByteStream(screen).feed(self.written)
        shown = "\n".join(screen.display)
        return all(word in shown for word in words)

    async def ended(self) -> int:
        await until(lambda: self.process.poll() is not None, 40.0)
        return self.process.returncode


@contextmanager
def console(database: Any, folder: Path, owns: bool = True) -> Iterator[ConsoleProcess]:
    config = folder / "settings.toml"
    config.write_text(f'[journal]\nfolder = "{folder / "journal"}"\n[warroom]\nobjection_s = 0\n')
    one = ConsoleProcess(owns, DATABASE_URL=database.url, NEXCONSOLE_CONFIG=str(config), USER="maria")
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        one.hang_up()


@pytest.fixture
async def held(database: Any) -> Any:
    """A transaction of somebody else's that holds smsbower's row: whoever changes it waits."""
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    other = await asyncpg.connect(database.server.admin_url)
    await other.execute("BEGIN; SELECT 1 FROM providers WHERE name = 'smsbower' FOR UPDATE")
    yield other
    await other.close()


async def send_disabling(one: ConsoleProcess, folder: Path) -> None:
    """Through the palette and the dialog, until the change waits for the row."""
    await one.wrote(b"commands", b"smsbower")
    one.press("\x10")
    await one.wrote(b"hat to do:")
    one.press("disable smsbower")
    await one.wrote(b"provider.disable")
    await asyncio.sleep(0.5)
    await until_done_by(lambda: one.press("\r"), lambda: b"changes nothing" in one.written)
    await asyncio.sleep(1.0)  # as long as the dialog believes no key
    await until_done_by(lambda: one.press("d"), lambda: kinds(folder / "journal") == ["intent"])


async def write_note(one: ConsoleProcess) -> None:
    """Unseen: from whatever was begun before, with time for the line to open."""
    one.press("\x1b")
    await asyncio.sleep(0.5)
    one.press("n")
    await asyncio.sleep(1.5)
    one.press("nobody sees this\r")


async def is_active(database: Any) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")


def terminate(one: ConsoleProcess) -> None:
    one.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("end", [ConsoleProcess.hang_up, terminate], ids=lambda end: end.__name__)
async def test_what_is_being_sent_is_finished_and_its_outcome_recorded(
    database: Any, held: Any, tmp_path: Path, end: Callable[[ConsoleProcess], None]
) -> None:
    with console(database, tmp_path) as one:
        await send_disabling(one, tmp_path)
        end(one)
        await asyncio.sleep(0.5)
        assert one.process.poll() is None  # it waits for the answer
        await held.execute("COMMIT")
        await one.ended()
        intent, outcome = entries(tmp_path / "journal")
        assert outcome.data["outcome"]["state"] == "done" and outcome.data["intent"] == intent.id
        assert not await is_active(database)
        assert [one.entry.id for one in unjudged((intent, outcome))] == [intent.id]


def run_disabling(database: Any, folder: Path) -> subprocess.Popen[str]:
    config = folder / "settings.toml"
    config.write_text(f'[journal]\nfolder = "{folder / "journal"}"\n[actions]\nprovider_cache_s = 1\nverify_s = 1\n')
    command = [*attended.COMMAND, "run", "provider.disable", "smsbower", "--confirm", "d", "--json"]
    environment = {**os.environ, "DATABASE_URL": database.url, "NEXCONSOLE_CONFIG": str(config)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGHUP, ["intent", "outcome", "verdict"]),
        (signal.SIGINT, ["intent", "outcome"]),
        (signal.SIGTERM, ["intent", "outcome"]),
    ],
)
async def test_a_command_that_is_told_to_end_finishes_and_records_what_it_sent(
    database: Any, held: Any, tmp_path: Path, number: signal.Signals, told: list[str]
) -> None:
    process = run_disabling(database, tmp_path)
    await until(lambda: kinds(tmp_path / "journal") == ["intent"], 20.0)
    process.send_signal(number)
    await asyncio.sleep(0.3)
    await held.execute("COMMIT")
    printed, _ = await asyncio.to_thread(process.communicate, timeout=30)
    assert kinds(tmp_path / "journal") == told and not await is_active(database)
    document = json.loads(printed)
    assert document["outcome"]["state"] == "done" and process.returncode == 4  # too few attempts to tell, or untold
    assert (document["verdict"] is None) == ("verdict" not in told)


async def test_a_command_that_is_told_twice_leaves_at_once_and_says_that_it_does_not_know(
    database: Any, held: Any, tmp_path: Path
) -> None:
    process = run_disabling(database, tmp_path)
    await until(lambda: kinds(tmp_path / "journal") == ["intent"], 20.0)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
    printed, _ = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 4 and json.loads(printed)["outcome"]["state"] == "unknown"
    assert kinds(tmp_path / "journal") == ["intent"] and await is_active(database)


async def test_a_terminal_that_goes_without_a_signal_ends_the_console(database: Any, tmp_path: Path) -> None:
    """As under `su`, where the console does not own its terminal and no SIGHUP comes."""
    with console(database, tmp_path, owns=False) as one:
        await one.wrote(b"postgres")
        one.hang_up()
        assert await one.ended() == 128 + signal.SIGHUP


async def test_a_console_that_is_told_to_go_on_and_hangs_up_leaves_no_process_behind(
    database: Any, tmp_path: Path
) -> None:
    """As tmux and sshd end a session: SIGHUP with SIGCONT, to a process that was never stopped."""
    with console(database, tmp_path) as one:
        await one.wrote(b"postgres")
        before = one.threads()
        for _ in range(8):
            one.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.05)
        assert one.threads() < before + 8  # two for each that begins anew
        one.hang_up()
        assert await one.ended() == 128 + signal.SIGHUP


async def test_a_terminal_that_takes_nothing_for_a_while_holds_up_nothing_and_is_drawn_anew(
    database: Any, tmp_path: Path
) -> None:
    with console(database, tmp_path) as one:
        await one.wrote(b"postgres", b"commands")
        one.listening = False
        for _ in range(60):  # more than the terminal and the queue before it take
            one.press("t")
            await asyncio.sleep(0.05)
        await until_done_by(lambda: write_note(one), lambda: "note" in kinds(tmp_path / "journal"))
        one.written, one.listening = b"", True
        await until(lambda: one.shows("1 Transactions", "4 Reservations", "7 Alerts"), 30.0)


async def test_a_terminal_that_takes_nothing_does_not_keep_a_console_from_ending(database: Any, tmp_path: Path) -> None:
    with console(database, tmp_path) as one:
        await one.wrote(b"postgres")
        one.listening = False
        for _ in range(60):
            one.press("t")
            await asyncio.sleep(0.02)
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 128 + signal.SIGTERM
