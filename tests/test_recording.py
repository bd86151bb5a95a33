"""Readings as they are recorded and as they are read back: true, small, without secrets, and harmless when it fails."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import recordings
import sample_readings as sample
from controller import until
from disasters import root_only, small_disk

from nexconsole.errors import JournalError
from nexconsole.model import Reading, State
from nexconsole.settings import Settings
from nexconsole.warroom.recordings import recording
from nexconsole.warroom.recordings.differences import applied, difference
from nexconsole.warroom.recordings.playback import Recording
from nexconsole.warroom.recordings.recording import Recorder, recording_file

SCRIPT = Path(__file__).with_name("recorder_process.py")
at = recordings.at


def settings(every_s: float = 1.0, limit_mb: float = 20.0, **tables: object) -> Settings:
    return msgspec.convert({"recording": {"every_s": every_s, "limit_mb": limit_mb}, **tables}, Settings)


def outbox(seconds: float, pending: int = 4, error: str | None = None, taken: float | None = None) -> Reading:
    value = replace(sample.calm()["outbox"].value, pending=pending)
    when = at(seconds if taken is None else taken)
    return Reading(signal="outbox", every=2.0, value=value, taken_at=when, attempted_at=at(seconds), error=error)


async def recorded(file: Path, told: list[Reading], chosen: Settings | None = None) -> Recording:
    """A recording of these readings, each at the time of its try."""
    timed = [(reading.attempted_at or recordings.BEGIN, reading) for reading in told]
    await recordings.record(file, timed, chosen or settings())
    return Recording.open(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return recording_file(tmp_path / "INC-20260123-1407.jsonl")


async def test_what_is_read_back_is_what_stood_on_screen_at_any_moment_in_any_order(file):
    told = list(recordings.readings(200))
    await recordings.record(file, told, settings())
    opened = Recording.open(file)
    for seconds in (150, 3, 199, 61, 60, 59.5, 120, 0, 88):
        expected = {reading.signal: reading for when, reading in told if when <= at(seconds)}
        assert opened.at(at(seconds)) == expected
    assert not opened.skipped and not opened.problems


@pytest.mark.parametrize("world", sample.WORLDS)
async def test_errors_ages_and_what_is_not_configured_are_read_back_as_they_were(file, world: str):
    told = [*sample.WORLDS[world]().values(), sample.events()]
    opened = await recorded(file, told)
    found = opened.at(sample.NOW)
    assert found == {reading.signal: reading for reading in told}
    assert [one.state(sample.NOW) for one in found.values()] == [one.state(sample.NOW) for one in told]


async def test_changes_are_given_once_and_in_order_between_two_times(file):
    told = list(recordings.readings(150))
    await recordings.record(file, told, settings())
    opened = Recording.open(file)
    assert list(opened.changes(at(20), at(140))) == [(when, one) for when, one in told if at(20) < when <= at(140)]
    assert len(list(opened.changes(at(-9), at(500)))) == len(told)


async def test_half_an_hour_of_all_signals_each_second_takes_less_than_5_mb_and_opens_at_once(file):
    await recordings.record(file, recordings.readings(1800), settings())
    assert file.stat().st_size < 5_000_000
    began = time.monotonic()
    opened = Recording.open(file)
    opened.at(at(900))
    assert time.monotonic() - began < 1.0
    assert len(opened._unpacked) < 20 < len(opened.chunks)


async def test_readings_are_thinned_but_the_first_failure_and_the_newest_figures_are_kept(file):
    told = [outbox(n / 4, pending=n) for n in range(41)]
    told += [outbox(10.3, 40, "postgres did not answer", taken=10.0), outbox(10.6, 99)]
    opened = await recorded(file, [*told, outbox(21, 99, "gone", taken=10.6)], settings(every_s=2.0))
    changes = list(opened.changes(at(-1), at(30)))
    assert [one.value.pending for _, one in changes[:5]] == [0, 8, 16, 24, 32]
    assert opened.at(at(10.4))["outbox"].error == "postgres did not answer"
    assert opened.at(at(10.7))["outbox"].error is None
    assert opened.at(at(20))["outbox"].value.pending == 99


async def test_a_slow_rate_makes_no_reading_look_stale_that_was_not(file):
    opened = await recorded(file, [outbox(n, pending=n) for n in range(61)], settings(every_s=20.0))
    now = at(18)
    assert opened.at(now)["outbox"].state(now) is State.FRESH
    assert opened.at(now)["outbox"].age(now) == 18.0


async def test_where_no_console_recorded_nothing_is_known(file):
    told = [outbox(n) for n in range(20)] + [outbox(n) for n in range(300, 320)]
    opened = await recorded(file, told)
    assert opened.at(at(10)) and opened.at(at(310))
    assert opened.at(at(150)) == {} == opened.at(at(-1)) == opened.at(at(400))
    assert opened.span == (at(0), at(319))


async def test_a_console_that_joins_later_does_not_double_and_takes_over_when_the_recorder_goes(file):
    clock = recordings.Hand()
    first, second = (Recorder(settings(), file, clock) for _ in range(2))
    for turn in range(8):
        clock.now = at(turn)
        for recorder in (first, second):
            recorder.take(outbox(turn, pending=turn))
        assert (first._turn(), second._turn()) == (True, False)
    await first.close()
    clock.now = at(9)
    second.take(outbox(9, pending=9))
    assert second._turn()
    await second.close()
    opened = Recording.open(file)
    assert [one.value.pending for _, one in opened.changes(at(-1), at(10))] == [*range(8), 9]
    assert opened.at(at(8))["outbox"].value.pending == 7


def test_a_recorder_that_is_killed_is_followed_by_another_within_seconds_and_little_is_lost(file: Path):
    processes = [subprocess.Popen([sys.executable, str(SCRIPT), str(file)], stdout=subprocess.PIPE) for _ in range(2)]
    first, second = processes if _says(processes[0]) else reversed(processes)
    while Recording.open(file).chunks[-1].end - Recording.open(file).chunks[0].begin < 2000:
        time.sleep(0.05)
    first.kill()
    ended = datetime.now(UTC)
    first.wait()
    assert _says(second, 20.0)
    second.kill()
    second.wait()
    for process in processes:
        process.stdout.close()
    opened = Recording.open(file)
    begin, end = opened.span
    assert end > ended
    whole = [one for n in range(1000) if (one := begin + n * (end - begin) / 1000) < ended - timedelta(seconds=1)]
    assert whole and all(opened.at(one)["outbox"].value.pending == 7 for one in whole)


def _says(process: subprocess.Popen[bytes], seconds: float = 5.0) -> bool:
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.stdout.readline():
            return True
        time.sleep(0.02)
    return False


async def test_it_records_by_itself_and_closing_loses_nothing(file, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recording, "FLUSH_S", 0.05)
    recorder = Recorder(settings(every_s=0.001), file)
    running = asyncio.create_task(recorder.run())
    recorder.take(outbox(0, pending=1))
    await until(lambda: file.exists() and file.stat().st_size)
    now = datetime.now(UTC)
    recorder.take(replace(outbox(0, pending=2), taken_at=now, attempted_at=now))
    await recorder.close()
    await asyncio.wait_for(running, 5.0)
    opened = Recording.open(file)
    assert opened.at(opened.span[1])["outbox"].value.pending == 2
    assert recorder.trouble == ""


async def test_the_newest_figures_are_recorded_on_closing_whatever_the_rate(file):
    opened = await recorded(file, [outbox(0.0), outbox(0.5, pending=9)], settings(every_s=60.0))
    assert opened.at(opened.span[1])["outbox"].value.pending == 9


async def test_what_came_in_the_last_millisecond_is_within_the_recording(file):
    opened = await recorded(file, [outbox(0.0), outbox(10.0004, pending=7)])
    assert opened.at(opened.span[1])["outbox"].value.pending == 7
    assert opened.span[1] == at(10.001)


async def test_a_rate_of_0_records_nothing(file):
    recorder = Recorder(settings(every_s=0.0), file)
    recorder.take(outbox(0))
    await asyncio.wait_for(recorder.run(), 5.0)
    await recorder.close()
    assert not file.exists() and recorder.trouble == ""


# --- what can go wrong ------------------------------------------------------------------------------------------


async def test_a_torn_end_is_skipped_and_said_and_the_next_recorder_goes_on_behind_it(file):
    await recordings.record(file, recordings.readings(100), settings())
    whole = file.read_bytes()
    for lost in (1, 40, 900):
        file.write_bytes(whole[:-lost])
        opened = Recording.open(file)
        assert "their console stopped while it wrote them" in opened.problems[0]
        assert opened.at(at(80))["circuits"].value.providers
    clock = recordings.Hand(at(200))
    recorder = Recorder(settings(), file, clock)
    recorder.take(outbox(200, pending=77))
    assert recorder._turn()
    await recorder.close()
    opened = Recording.open(file)
    assert "in the middle of it can't be read" in opened.problems[0]
    assert opened.at(at(200))["outbox"].value.pending == 77
    assert opened.at(at(80))["circuits"].value.providers


async def test_damage_in_the_middle_costs_no_more_than_the_minute_that_it_is_in(file):
    told = list(recordings.readings(300))
    await recordings.record(file, told, settings())
    intact = Recording.open(file)
    chunk = intact.chunks[intact.place(at(130))]
    for place in (chunk.offset + 1, chunk.offset + chunk.size // 2):
        damaged = bytearray(file.read_bytes())
        damaged[place] ^= 0xFF
        other = file.with_name("damaged.readings")
        other.write_bytes(damaged)
        opened = Recording.open(other)
        for seconds in (100, 250, 299):
            assert opened.at(at(seconds)) == intact.at(at(seconds))
        assert opened.at(at(140)).keys() <= intact.at(at(140)).keys()
        assert all(reading == intact.at(at(140))[name] for name, reading in opened.at(at(140)).items())
        assert len(opened.problems) == 1 and "can't be read" in opened.problems[0]


async def test_it_stops_at_its_limit_and_says_so_at_its_end_and_nobody_goes_on(file):
    chosen = settings(limit_mb=0.05)
    clock = recordings.Hand()
    recorder = Recorder(chosen, file, clock)
    with pytest.raises(JournalError, match=r"limit of 0\.05 MB \(recording\.limit_mb\)"):
        for when, reading in recordings.readings(1000):
            clock.now = when
            recorder.take(reading)
            if reading.signal == "alerts":
                recorder._turn()
    size = file.stat().st_size
    assert 40_000 < size <= 50_000
    assert "has reached its limit of 0.05 MB" in Recording.open(file).ended
    with pytest.raises(JournalError, match="limit"):
        Recorder(chosen, file, clock)._turn()
    assert file.stat().st_size == size


async def test_trouble_is_said_once_and_ends_the_recording_alone(tmp_path):
    (tmp_path / "folder").write_text("no folder")
    recorder = Recorder(settings(), tmp_path / "folder" / "INC-1.readings")
    recorder.take(outbox(0))
    await asyncio.wait_for(recorder.run(), 5.0)
    assert recorder.trouble.startswith("nothing is recorded for replay:") and "folder is a file" in recorder.trouble
    for n in range(10_000):
        recorder.take(outbox(n))
    assert len(recorder._waiting) <= recording.MOST_WAITING
    await recorder.close()


async def test_neither_a_link_nor_a_pipe_is_written_to(tmp_path):
    (tmp_path / "link.readings").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe.readings")
    for name in ("link", "pipe"):
        recorder = Recorder(settings(), tmp_path / f"{name}.readings")
        await asyncio.wait_for(recorder.run(), 5.0)
        assert recorder.trouble
    assert not (tmp_path / "elsewhere").exists()


@root_only
async def test_a_full_disk_ends_the_recording_and_what_is_there_can_be_played(tmp_path):
    folder = tmp_path / "disk"
    with small_disk(folder):
        clock = recordings.Hand()
        recorder = Recorder(settings(), folder / "INC-1.readings", clock)
        with pytest.raises(JournalError, match="the disk is full"):
            for when, reading in recordings.readings(1000):
                clock.now = when
                recorder.take(reading)
                if reading.signal == "alerts":
                    recorder._turn()
        opened = Recording.open(folder / "INC-1.readings")
        assert opened.at(at(5)) and not opened.problems
        opened.close()


async def test_a_recording_that_was_moved_away_is_begun_anew(file):
    clock = recordings.Hand()
    recorder = Recorder(settings(), file, clock)
    recorder.take(outbox(0, pending=5))
    recorder._turn()
    file.rename(file.with_name("away.readings"))
    clock.now = at(4)
    recorder._turn()
    await recorder.close()
    assert Recording.open(file).at(at(4))["outbox"].value.pending == 5


@pytest.mark.parametrize(("mode", "expected"), [(0o700, 0o600), (0o2770, 0o660)])
async def test_the_recording_is_for_whom_its_folder_is(tmp_path, mode: int, expected: int):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    await recorded(folder / "INC-1.readings", [outbox(0)])
    assert (folder / "INC-1.readings").stat().st_mode & 0o777 == expected


async def test_no_secret_of_the_settings_and_no_credential_is_recorded(file):
    base = sample.incident()["database"]
    query = "SELECT 1 -- hush-hush-1 postgres://u:other-secret@h/d Authorization: Bearer abcdefgh12345"
    session = replace(base.value.sessions[0], query=query, application="hush-hush-1")
    reading = replace(base, value=replace(base.value, sessions=(session,)), error="refused for hush-hush-1")
    chosen = settings(postgres={"url": "postgresql://nexnum:hush-hush-1@db/nexnum"})
    opened = await recorded(file, [reading], chosen)
    text = gzip.decompress(file.read_bytes()).decode()
    for secret in ("hush-hush-1", "other-secret", "abcdefgh12345"):
        assert secret not in text
    assert opened.at(sample.NOW)["database"].error == "refused for ***"


async def test_a_monstrous_reading_is_cut_and_says_so(file):
    base = sample.incident()["database"]
    many = tuple(replace(base.value.sessions[0], pid=n, query="x" * 100_000) for n in range(300))
    opened = await recorded(file, [replace(base, value=replace(base.value, sessions=many))])
    value = opened.at(sample.NOW)["database"].value
    assert any(note.startswith("not recorded: value.sessions") for note in value.notes)
    assert file.stat().st_size < 1_000_000


async def test_a_huge_reading_is_recorded_more_seldom_so_that_a_core_is_not_filled(file):
    base = sample.incident()["circuits"].value
    many = tuple(replace(base.providers[0], name=f"provider-{n}", holders=base.providers[0].holders * 30)
                 for n in range(60))  # fmt: skip
    told, values = [], [replace(base, providers=many, lines_dropped=n) for n in range(60)]
    for n, value in enumerate(values):
        told.append(Reading(signal="circuits", every=1.0, value=value, taken_at=at(n / 20), attempted_at=at(n / 20)))
        told.append(outbox(n / 20, pending=n))
    opened = await recorded(file, told, settings(every_s=0.05))
    changes = [one for _, one in opened.changes(at(-1), at(10))]
    circuits = [one for one in changes if one.signal == "circuits"]
    assert sum(one.signal == "outbox" for one in changes) > 40 > len(circuits) > 1
    assert opened.at(at(2.95))["circuits"].state(at(2.95)) is State.FRESH


async def test_signals_and_fields_of_other_versions_are_skipped_and_counted(file):
    lines = [
        {"at": at(0), "signal": "behaviour", "every": 2.0, "value": [{"rain": 1}]},
        {"at": at(0), "signal": "outbox", "every": 2.0, "taken": at(0), "later": True,
         "value": [{"pending": 3, "failed": 0, "dropped": 0, "oldest_pending_s": None, "shape": "round"}]},
        {"at": at(0), "signal": "database", "every": 2.0, "taken": at(0), "value": [{"connections": "many"}]},
        {"at": at(1), "signal": "alerts", "every": 2.0, "taken": at(0), "value": {"pending": [3]}},
    ]  # fmt: skip
    text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    from nexconsole.warroom.recordings.chunks import KEY, milliseconds, pack

    file.write_bytes(pack(text, milliseconds(at(0)), milliseconds(at(2)), KEY))
    opened = Recording.open(file)
    found = opened.at(at(2))
    assert found.keys() == {"outbox"} and found["outbox"].value.pending == 3
    words = " ".join(opened.skipped)
    assert "the signal behaviour" in words and "the field shape of outbox" in words and "a value of database" in words
    assert "a change of alerts that fits nothing" in words


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", random.Random(7).randbytes(5000), gzip.compress(b"{}"), b"\x1f\x8b\x08\x04" * 99],
    ids=["nothing", "words", "noise", "a gzip file", "heads"],
)
def test_what_is_no_recording_is_refused_in_a_sentence(file: Path, content: bytes):
    file.write_bytes(content)
    with pytest.raises(JournalError, match="holds no reading"):
        Recording.open(file)


def test_no_recording_is_said_as_that(file: Path):
    with pytest.raises(JournalError, match="there is no recording of this incident"):
        Recording.open(file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1, "b": [1, 2, 3, 4, 5]}, {"a": 2, "b": [1, 2, 9, 4, 5]}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": None}}}),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3, "b": [[]]}]),
        ([], [1]),
        ({"a": True}, {"a": 1}),
        (None, {"a": 1}),
        ({"a": 1}, None),
        ({"a": []}, {"a": {}}),
    ],
)
def test_a_difference_makes_the_new_of_the_old(old: object, new: object):
    before = msgspec.json.encode(old)
    change = msgspec.json.decode(msgspec.json.encode(difference(old, new)))
    assert msgspec.json.encode(applied(old, change)) == msgspec.json.encode(new)
    assert msgspec.json.encode(old) == before
