"""What can go wrong with a recording: it harms nothing else, little is lost, and it is said in a sentence."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import recordings
from disasters import root_only, small_disk
from recordings import at, outbox, recorded, settings

from nexconsole.errors import JournalError
from nexconsole.recording import database, recorder, values
from nexconsole.recording.packing import pack
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.storage import schema, sqlite_file
from nexconsole.storage.sqlite_file import STOPPED

BUSY_S = 1.0  # what a busy machine may add
SCRIPT = Path(__file__).with_name("recorder_process.py")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return schema.recording_file(tmp_path / "INC-20260123-1407.jsonl")


@contextmanager
def opened(file: Path) -> Iterator[RecordingFile]:
    recording = RecordingFile.open(file)
    try:
        yield recording
    finally:
        recording.close()


def record_until_refused(console: Recorder, clock: recordings.HandClock, seconds: int = 1000) -> None:
    """Record all signals, a turn a second, until it raises."""
    for when, reading in recordings.readings(seconds):
        if when != clock.now:
            console._turn()
        clock.now = when
        console.take(reading)


def pending(recording: RecordingFile, seconds: float) -> int:
    return recording.at(at(seconds))["outbox"].value.pending


# --- consoles that die ------------------------------------------------------------------------------------------


@contextmanager
def consoles(file: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes = [
        subprocess.Popen([sys.executable, str(SCRIPT), str(file)], stdout=subprocess.PIPE) for _ in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def says(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it becomes the recorder in this time."""
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.stdout.readline():
            return True
        time.sleep(0.02)
    return False


def recorder_of(processes: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        for process in processes:
            if says(process, 0.05):
                return process
    raise AssertionError("nobody records")


def test_a_killed_recorder_loses_a_second_at_most_and_another_one_takes_over_in_two(file: Path):
    with consoles(file, 2) as processes:
        first = recorder_of(processes)
        (second,) = (process for process in processes if process is not first)
        time.sleep(recorder.TAKEOVER_S)  # both run, and one has seen that the other records
        first.kill()
        killed = datetime.now(UTC)
        assert says(second, 20.0)
        time.sleep(2 * recorder.FLUSH_S)
    with opened(file) as recording:
        ends = [(schema.moment(begin), schema.moment(end)) for begin, end in recording._spans]
        assert len(ends) == 2
        assert (killed - ends[0][1]).total_seconds() < 1.0 + BUSY_S
        assert (ends[1][0] - killed).total_seconds() < 2.0 + BUSY_S
        begin, end = recording.span
        times = [begin + n * (end - begin) / 200 for n in range(201)]
        assert all(recording.at(when)["outbox"].value.pending == 7 for when in times)


def test_a_recorder_that_is_killed_while_it_writes_leaves_what_it_had_committed(file: Path):
    ended = subprocess.run([sys.executable, str(SCRIPT), str(file), "torn"], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    journal = Path(f"{file}{sqlite_file.JOURNAL}")
    before = {path.name: path.read_bytes() for path in file.parent.glob("*INC*")}
    assert journal.stat().st_size > 4096
    with opened(file) as recording:
        assert recording.problems == [STOPPED]
        (pages,) = recording._connection.execute("PRAGMA page_count").fetchone()
        assert file.stat().st_size > pages * 4096  # a part of what was not committed stands in the file
        assert recording.span == (at(0), at(39))
        told = {reading.signal: reading for when, reading in recordings.readings(40) if when <= at(39)}
        assert recording.at(at(39)) == told
    assert {path.name: path.read_bytes() for path in file.parent.glob("*INC*")} == before
    clock = recordings.HandClock(at(50))
    following = Recorder(settings(), file, clock)
    following.take(outbox(50, pending=77))
    assert following._turn()
    following._last()
    assert not journal.exists()
    with opened(file) as recording:
        assert not recording.problems and recording.at(at(39)) == told and pending(recording, 50) == 77


def test_a_recorder_that_dies_while_a_replay_has_the_file_open_does_not_end_the_replay(file: Path, tmp_path: Path):
    torn = tmp_path / "torn.recording"
    subprocess.run([sys.executable, str(SCRIPT), str(torn), "torn"], timeout=60)
    with closing(sqlite3.connect(":memory:")) as memory:
        with opened(torn) as recording:
            recording._connection.backup(memory)
        with closing(sqlite3.connect(file)) as whole:
            memory.backup(whole)
    with opened(file) as recording:
        expected = recording.at(at(30))
        for suffix in ("", sqlite_file.JOURNAL):
            Path(f"{file}{suffix}").write_bytes(Path(f"{torn}{suffix}").read_bytes())
        assert recording.at(at(35)).keys() == expected.keys() and not recording.problems


# --- several consoles, readers and writers ----------------------------------------------------------------------


async def test_it_can_be_replayed_while_it_is_recorded(file):
    clock = recordings.HandClock()
    console = Recorder(settings(), file, clock)
    for when, reading in recordings.readings(60):
        if when != clock.now:
            console._turn()
        clock.now = when
        console.take(reading)
        if reading.signal == "alerts" and when in (at(30), at(50)):
            with opened(file) as recording:
                assert recording.span[1] == when - timedelta(seconds=1)
                assert recording.at(at(20)).keys() == recording.at(recording.span[1]).keys()
    with opened(file) as recording:
        console._turn()
        assert recording.at(at(58)) and not recording.problems
    await console.close()


async def test_a_reader_that_has_a_query_open_delays_the_recorder_and_no_more(file, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "WRITER_PATIENCE_S", 0.2)
    clock = recordings.HandClock()
    console = Recorder(settings(), file, clock)
    console.take(outbox(0))
    console._turn()
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM reading").fetchall()
        console.take(outbox(2))
        clock.now = at(2)
        with pytest.raises(JournalError, match="another program has locked it: see who by `fuser"):
            console._turn()
    following = Recorder(settings(), file, clock)
    following.take(outbox(3, pending=5))
    assert following._turn()
    await following.close()


async def test_where_locks_do_not_reach_the_other_host_the_second_writer_gives_way(file):
    clock = recordings.HandClock()
    first, second = (Recorder(settings(), file, clock) for _ in range(2))
    for console in (first, second):
        console._writer._lock.acquire = lambda: True  # as a network file system may have it
        console.take(outbox(0, pending=3))
        assert console._turn()
    clock.now = at(1)
    first.take(outbox(1))
    with pytest.raises(JournalError, match="another console records there too"):
        first._turn()
    second.take(outbox(1, pending=4))
    assert second._turn()
    with opened(file) as recording:
        assert pending(recording, 0) == 3 and pending(recording, 1) == 4
    await second.close()


async def test_a_recording_that_was_moved_away_is_begun_anew(file):
    clock = recordings.HandClock()
    console = Recorder(settings(), file, clock)
    console.take(outbox(0, pending=5))
    console._turn()
    file.rename(file.with_name("away.recording"))
    clock.now = at(4)
    console._turn()
    await console.close()
    with opened(file) as recording:
        assert pending(recording, 4) == 5


async def test_a_seek_goes_across_gaps_and_keyframes_in_any_order(file):
    told = [outbox(n, pending=n) for begin in (0, 200, 500) for n in range(begin, begin + 130)]
    with closing(await recorded(file, told)) as recording:
        places = [*range(0, 650, 7), 199, 200, 329, 330, 500, 629, 630]
        random.Random(1).shuffle(places)
        for seconds in places:
            inside = any(begin <= seconds < begin + 130 for begin in (0, 200, 500))
            assert [one.value.pending for one in recording.at(at(seconds)).values()] == [seconds] * inside
        changes = [one.value.pending for _, one in recording.changes(at(120), at(510))]
        assert changes == [*range(121, 130), *range(200, 330), *range(500, 511)]


# --- limits, disks and permissions ------------------------------------------------------------------------------


async def test_it_stops_at_its_limit_and_says_so_at_its_end_and_nobody_goes_on(file):
    clock = recordings.HandClock()
    with pytest.raises(JournalError, match=r"limit of 0\.1 MB \(recording\.limit_mb\)"):
        record_until_refused(Recorder(settings(limit_mb=0.1), file, clock), clock)
    size = file.stat().st_size
    assert 80_000 < size <= 100_000
    with opened(file) as recording:
        assert "has reached its limit of 0.1 MB" in recording.ended
        assert recording.at(recording.span[1]).keys() >= {"outbox", "circuits"}
    with pytest.raises(JournalError, match="limit"):
        Recorder(settings(limit_mb=0.1), file, clock)._turn()
    assert file.stat().st_size == size
    assert Recorder(settings(limit_mb=1.0), file, clock)._turn()


async def test_a_limit_that_nothing_fits_in_is_said_in_the_recording(file):
    clock = recordings.HandClock()
    with pytest.raises(JournalError, match="limit"):
        record_until_refused(Recorder(settings(limit_mb=0.021), file, clock), clock)
    with opened(file) as recording:
        assert "limit of 0.021 MB" in recording.ended and recording.at(at(0)) == {}


async def test_trouble_is_said_once_and_ends_the_recording_alone(tmp_path):
    (tmp_path / "folder").write_text("no folder")
    console = Recorder(settings(), tmp_path / "folder" / "INC-1.recording")
    console.take(outbox(0))
    await asyncio.wait_for(console.run(), 20)
    assert console.trouble.startswith("nothing is recorded for replay:") and "folder is a file" in console.trouble
    for n in range(10_000):
        console.take(outbox(n))
    assert len(console._waiting) <= recorder.MOST_WAITING
    await console.close()


@root_only
async def test_a_full_disk_ends_the_recording_and_what_is_there_can_be_played(tmp_path):
    folder = tmp_path / "disk"
    with small_disk(folder):
        clock = recordings.HandClock()
        with pytest.raises(JournalError, match=r"the disk is full: free some space|has its disk room"):
            record_until_refused(Recorder(settings(), folder / "INC-1.recording", clock), clock)
        with opened(folder / "INC-1.recording") as recording:
            assert recording.at(recording.span[1]) and not recording.problems


@pytest.mark.parametrize(("mode", "expected"), [(0o700, 0o600), (0o2770, 0o660)])
async def test_the_recording_and_what_lies_beside_it_are_for_whom_the_folder_is(tmp_path, mode: int, expected: int):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    clock = recordings.HandClock()
    console = Recorder(settings(), folder / "INC-1.recording", clock)
    console.take(outbox(0))
    console._turn()
    connection = console._writer._connection
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM reading")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    connection.execute("ROLLBACK")
    await console.close()
    assert modes == dict.fromkeys(("INC-1.recording", "INC-1.recording-journal", ".INC-1.recording.lock"), expected)


# --- files that are no recordings -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["INC-1.recording", "INC-1.recording-journal", ".INC-1.recording.lock"])
@pytest.mark.parametrize("make", [lambda path: path.symlink_to(path.with_name("target")), os.mkfifo])
async def test_neither_a_link_nor_a_pipe_is_written_to_or_read(tmp_path, name: str, make: Callable[[Path], None]):
    make(tmp_path / name)
    console = Recorder(settings(), tmp_path / "INC-1.recording")
    await asyncio.wait_for(console.run(), 20)
    assert "symbolic link" in console.trouble or "is a pipe" in console.trouble
    assert not (tmp_path / "target").exists()
    if not name.startswith("."):
        (tmp_path / "INC-1.recording").touch()
        with pytest.raises(JournalError):
            RecordingFile.open(tmp_path / "INC-1.recording")


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE reading (at INTEGER)")


def changed(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(statement)

    return change


def bytes_of(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


def huge(file: Path) -> None:
    os.truncate(file, sqlite_file.LARGEST_FILE + 1)


def names_a_super_journal(file: Path) -> None:
    Path(f"{file}-journal").write_bytes(b"x" * 512 + sqlite_file._SUPER_JOURNAL)


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS begin FROM n"
NOT_OURS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (bytes_of(b""), "holds no reading"),
    "words": (bytes_of(b"not a database"), "holds no reading: it is not an SQLite file"),
    "noise": (bytes_of(random.Random(7).randbytes(5000)), "holds no reading: it is not an SQLite file"),
    "half a header": (lambda file: os.truncate(file, 50), "holds no reading: it is not an SQLite file"),
    "cut off": (lambda file: os.truncate(file, 9000), "it is damaged or cut off"),
    "huge": (huge, "is larger than any recording"),
    "another program's": (lambda file: (file.unlink(), foreign(file)), "an SQLite file of another program"),
    "a later version's": (changed("PRAGMA user_version = 2"), "its tables are version 2, this one reads 1"),
    "a WAL": (changed("PRAGMA journal_mode = WAL"), "an SQLite file of another program"),
    "another table": (changed("CREATE TABLE more (x)"), "its tables are not those of a recording"),
    "a view": (changed(f"CREATE VIEW more AS {ENDLESS}"), "its tables are not those of a recording"),
    "a trigger": (changed("CREATE TRIGGER t AFTER UPDATE ON span BEGIN DELETE FROM span; END"), "are not those of"),
    "emptied": (changed("DELETE FROM span"), "holds no reading"),
    "texts for times": (changed("UPDATE span SET ended = x'00'"), "a row of it is not what a recording holds"),
    "another's journal": (names_a_super_journal, "is no journal of a recording"),
}


@pytest.mark.parametrize("name", NOT_OURS)
async def test_what_is_no_recording_is_refused_in_a_sentence(file: Path, name: str):
    make, expected = NOT_OURS[name]
    (await recorded(file, [outbox(n) for n in range(9)])).close()
    make(file)
    with pytest.raises(JournalError) as refused:
        RecordingFile.open(file)
    assert expected in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 300
    console = Recorder(settings(), file, recordings.HandClock(at(20)))
    if name in ("nothing", "emptied", "texts for times"):
        return
    with pytest.raises(JournalError, match=r"\A[^\n]{20,400}\Z"):
        console._turn()


def test_no_recording_is_said_as_that(file: Path):
    with pytest.raises(JournalError, match="there is no recording of this incident"):
        RecordingFile.open(file)


async def test_damage_in_the_middle_costs_no_more_than_the_minute_that_it_is_in(file):
    await recordings.record(file, recordings.readings(200), settings())
    with opened(file) as intact:
        expected = {seconds: intact.at(at(seconds)) for seconds in (30, 100, 140, 190, 199)}
    for table, column in (("reading", "reading"), ("keyframe", "readings")):
        damaged = file.with_name(f"{table}.recording")
        damaged.write_bytes(file.read_bytes())
        chosen = f"at BETWEEN {schema.nanoseconds(at(110))} AND {schema.nanoseconds(at(170))}"
        spoilt = f"CAST(substr({column}, 1, 20) || x'FF' || substr({column}, 22) AS BLOB)"
        changed(f"UPDATE {table} SET {column} = {spoilt} WHERE {chosen}")(damaged)
        with opened(damaged) as recording:
            for seconds in (30, 190, 199):
                assert recording.at(at(seconds)) == expected[seconds]
            assert not recording.problems
            rest = recording.at(at(140))
            assert rest.items() <= expected[140].items() and len(rest) < len(expected[140])
            assert recording.problems and all("can't be read" in problem for problem in recording.problems)


async def test_a_page_that_is_noise_costs_what_stood_on_it(file):
    await recordings.record(file, recordings.readings(80), settings())
    whole = file.read_bytes()
    for page in range(10, len(whole) // 4096, 9):
        file.write_bytes(whole[: page * 4096] + random.Random(page).randbytes(4096) + whole[(page + 1) * 4096 :])
        try:
            with opened(file) as recording:
                for seconds in (10, 40, 79):
                    recording.at(at(seconds))
                list(recording.changes(at(0), at(79)))
        except JournalError as error:
            assert "can't be read" in str(error)


async def test_signals_and_fields_of_other_versions_are_skipped_and_counted(file):
    (await recorded(file, [outbox(0)])).close()
    texts = {
        "weather": b'{"version":1,"every":2.0,"value":{"rain":1}}',
        "outbox": b'{"version":1,"later":1,"value":{"pending":3,"failed":0,"dropped":0,"oldest_pending_s":1,"x":1}}',
        "database": b'{"version":1,"value":{"connections":"many"}}',
        "alerts": b'{"version":9,"value":{}}',
        "locks": b'{"version":1,"taken":99999999999999999999999}',
        "slots": b"[]",
    }
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DELETE FROM signal")
        for number, (name, text) in enumerate(texts.items(), 1):
            key = schema.nanoseconds(at(1)) + number
            connection.execute("INSERT INTO signal VALUES (?, ?)", (number, name))
            connection.execute("INSERT INTO reading VALUES (?, ?, ?)", (key, number, pack(text)))
        connection.execute("UPDATE span SET end = ?", (schema.nanoseconds(at(2)),))
    with opened(file) as recording:
        found = recording.at(at(2))
        assert found.keys() == {"outbox"} and found["outbox"].value.pending == 3
        words = " ".join(recording.skipped)
        assert "the signal weather" in words and "the field x of outbox" in words
        assert "a value of database" in words and f"a reading of alerts in version {values.VERSION + 8}" in words
        assert len(recording.problems) == 2 and all("can't be read" in problem for problem in recording.problems)
