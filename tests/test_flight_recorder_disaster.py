"""The flight record through what can happen: killed consoles, full disks, hostile files, clocks that jump."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from controller import until
from flight_consoles import FlightConsole, settings, without_syncing
from recordings import HandClock, at, outbox

from nexconsole.errors import JournalError
from nexconsole.recording import flight_recorder, flight_writer
from nexconsole.recording.database import open_for_writing
from nexconsole.recording.flight_recorder import GOES_ON, FlightRecorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.sources.flight_record import FlightRecordSource
from nexconsole.storage import sqlite_file
from nexconsole.storage.schema import FLIGHT_RECORD, nanoseconds

SCRIPT = Path(__file__).with_name("flight_process.py")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "flight" / "x.record"


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    without_syncing(monkeypatch)


async def points(file: Path) -> list[float]:
    found = await FlightRecordSource(file).series(["outbox_pending"], float("-inf"), float("inf"))
    return [value for _, value in found.get(("outbox_pending", ""), ())]


# --- consoles that die ------------------------------------------------------------------------------------------


@contextmanager
def console(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(file)], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_console_that_is_killed_while_it_writes_loses_one_turn_at_most(file: Path) -> None:
    chance = random.Random(3)
    with console(file) as standby:
        assert b"recording" in standby.stdout.readline()
        with console(file) as one:
            time.sleep(chance.uniform(0.3, 0.6))  # in the middle of some write
            standby.kill()
            standby.wait()
            assert b"recording" in one.stdout.readline()  # and the other one goes on
    with closing(sqlite3.connect(file)) as connection:  # rolls back what was not finished, as any writer does
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(RecordingFile.open(file)) as recording:
        assert recording.spans and not recording.problems
        for begin, end in recording.spans:
            assert recording.at(begin + (end - begin) / 2).keys() <= {"outbox"}
        assert recording.at(recording.span[1])["outbox"].value.pending >= 1


# --- full disks -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_disk")
async def test_a_full_disk_is_said_once_and_what_was_there_stays_and_it_goes_on(file: Path, monkeypatch) -> None:
    clock, said = HandClock(), []
    recorder = FlightRecorder(settings(file), said.append, clock)
    monkeypatch.setattr(flight_recorder, "RETRY_S", 0.01)
    monkeypatch.setattr(flight_recorder, "COMMIT_S", 0.01)
    recorder.take(outbox(0, pending=1))
    running = asyncio.create_task(recorder.run())
    await until(lambda: recorder.records)
    drop = recorder._writer._drop
    monkeypatch.setattr(recorder._writer, "_drop", full)
    clock.now = at(20)
    recorder.take(outbox(20, pending=2))
    await until(lambda: recorder.trouble)
    assert await points(file) == [1]
    monkeypatch.setattr(recorder._writer, "_drop", drop)
    clock.now = at(40)
    recorder.take(outbox(40, pending=3))
    await until(lambda: recorder.records and not recorder.trouble)
    await recorder.close()
    await running
    assert (await points(file))[0] == 1 and (await points(file))[-1] == 3
    assert len(said) == 2 and "the disk is full: free some space" in said[0] and said[1] == GOES_ON
    assert said[0].startswith("the flight record stands still: ")


def full(*_: object) -> int:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


LIMITED = """
import resource, signal, sys
from pathlib import Path
import pytest
from flight_consoles import FlightConsole, without_syncing
without_syncing(pytest.MonkeyPatch())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
console = FlightConsole(Path(sys.argv[1]))
try:
    for seconds in range(0, 100_000, 10):
        console.turn(seconds, pending=seconds)
except Exception as error:
    print(type(error).__name__, error)
"""


async def test_a_file_that_may_not_grow_keeps_all_that_it_had(file: Path) -> None:
    made = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LIMITED, str(file)],
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
    )
    assert made.stdout.startswith("JournalError the flight record stands still: "), made.stdout + made.stderr
    kept = await points(file)
    assert len(kept) > 10 and kept == list(range(0, len(kept) * 10, 10))


@pytest.mark.usefixtures("quick_disk")
async def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "flight").write_text("no folder")
    one = FlightConsole(tmp_path / "flight" / "x.record")
    with pytest.raises(JournalError, match=r"the flight record stands still: .*its folder is a file"):
        one.turn(0)
    await one.close()


# --- files that are none ----------------------------------------------------------------------------------------


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE mine (x)")


def changed(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        open_for_writing(file, FLIGHT_RECORD, time.monotonic()).close()
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(statement)

    return change


def looked_at(file: Path) -> tuple[int, int, int]:
    found = file.lstat()
    return found.st_ino, found.st_mode, found.st_size


REFUSED: dict[str, Callable[[Path], object]] = {
    "a link": lambda file: file.symlink_to(file.with_name("elsewhere")),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a newer version's": changed("PRAGMA user_version = 9"),
    "another program's": foreign,
    "words": lambda file: file.write_bytes(b"somebody's notes" * 1000),
}


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_not_ours_in_a_place_that_somebody_named_is_refused_and_left_alone(file: Path, what: str) -> None:
    file.parent.mkdir()
    REFUSED[what](file)
    before = looked_at(file)
    one = FlightConsole(file)
    with pytest.raises(JournalError, match="the flight record stands still: "):
        one.turn(0)
    assert looked_at(file) == before
    assert not file.with_name("elsewhere").exists() and not file.with_name("x.record.aside").exists()
    await one.close()


def torn(file: Path) -> None:
    changed("INSERT INTO span VALUES (1, 2, '', '')")(file)
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))


def fake(file: Path) -> None:
    changed("INSERT INTO span VALUES (1, 2, '', '')")(file)
    os.truncate(file, sqlite_file.LARGEST_FILE + 1)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "damaged": (torn, "damaged"),
    "2 GB of nothing": (fake, "larger than any flight record"),
    "words in the place of times": (
        changed("INSERT INTO span VALUES (5, 'soon', '', '')"),
        "holds what no flight record does",
    ),
    "times to come": (
        changed(f"INSERT INTO span VALUES (5, {nanoseconds(at(86_400))}, '', '')"),
        "the clock has been put back",
    ),
    "the end of all times": (changed(f"INSERT INTO span VALUES (5, {2**63 - 1}, '', '')"), "put back"),
}


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("what", UNUSABLE)
async def test_a_record_of_ours_that_can_not_be_gone_on_with_is_set_aside(file: Path, what: str) -> None:
    file.parent.mkdir()
    spoil, why = UNUSABLE[what]
    spoil(file)
    one = FlightConsole(file)
    assert one.turn(0, pending=7)
    assert len(one.recorder._set_aside) == 1 and why in one.recorder._set_aside[0]
    assert file.with_name("x.record.aside").exists() and await points(file) == [7]
    await one.close()


@pytest.mark.usefixtures("quick_disk")
async def test_what_lies_in_our_own_place_and_is_no_record_is_set_aside(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    clock = HandClock()
    recorder = FlightRecorder(settings(""), clock=clock)
    recorder.file.parent.mkdir(parents=True)
    recorder.file.write_bytes(b"\0" * 10_000)
    recorder.take(outbox(0))
    assert recorder._turn() and "is no flight record" in recorder._set_aside[0]
    await recorder.close()


@pytest.mark.usefixtures("quick_disk")
async def test_a_file_that_is_damaged_while_it_is_written_is_set_aside(file: Path) -> None:
    one = FlightConsole(file)
    for seconds in range(0, 700, 10):
        one.turn(seconds)
    one.recorder._writer._connection.execute("PRAGMA cache_size = 1")  # it does not have what it wrote in memory
    spoil(file)
    for seconds in range(700, 1500, 10):
        one.turn(seconds, pending=9)
    assert len(one.recorder._set_aside) == 1
    assert set(await points(file)) == {9}
    await one.close()


def spoil(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))


# --- clocks -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_disk")
async def test_a_clock_that_goes_back_by_a_day_begins_a_new_record_and_keeps_the_old_one(file: Path) -> None:
    one = FlightConsole(file, begin=86_400)
    for seconds in (86_400, 86_410, 0, 10, 20):
        assert one.turn(seconds, pending=seconds % 86_400 + 1)
    assert "24 h from now: the clock has been put back" in one.recorder._set_aside[0]
    assert await points(file) == [1, 11, 21]
    with closing(RecordingFile.open(file.with_name("x.record.aside"))) as aside:
        assert aside.span == (at(86_400), at(86_410))
    await one.close()


@pytest.mark.usefixtures("quick_disk")
async def test_a_clock_that_goes_back_by_a_minute_goes_on_in_the_same_record(file: Path) -> None:
    one = FlightConsole(file)
    for seconds in (0, 100, 40, 60, 110, 120):
        assert one.turn(seconds, pending=seconds)
    assert not one.recorder._set_aside and (await points(file))[-1] == 120
    await one.close()


@pytest.mark.usefixtures("quick_disk")
async def test_a_clock_that_is_far_ahead_for_a_while_does_not_empty_the_record(file: Path) -> None:
    one = FlightConsole(file, hours=1.0)
    for seconds in range(0, 3600, 15):
        one.turn(seconds)
    for seconds in range(10**8, 10**8 + 60, 10):  # three years
        one.turn(seconds)
    with closing(RecordingFile.open(file)) as recording:
        assert recording.span[0] <= at(700)
    await one.close()


@pytest.mark.usefixtures("quick_disk")
async def test_what_was_set_aside_is_kept_as_long_as_a_reading_is(file: Path) -> None:
    file.parent.mkdir()
    aside = file.with_name("x.record.aside")
    aside.write_bytes(b"x")
    os.utime(aside, (time.time() - 49 * 3600,) * 2)
    one = FlightConsole(file)
    one.turn(0)
    assert not aside.exists()
    await one.close()


async def test_where_locks_do_not_reach_the_other_host_the_second_writer_gives_way(file: Path) -> None:
    first, second = FlightConsole(file), FlightConsole(file)
    for one in (first, second):
        one.recorder._writer._lock.acquire = lambda: True  # as a network file system may have it
        assert one.turn(0)
    with pytest.raises(JournalError, match="another console records there too"):
        first.turn(10)
    assert second.turn(10)
    assert flight_writer.ASIDE not in "".join(entry.name for entry in os.scandir(file.parent))
    for one in (first, second):
        await one.close()
