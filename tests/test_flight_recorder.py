"""The flight record: always kept, bounded in time and bytes, one for several consoles, whatever happens to its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import recordings
import sample_readings as sample
from flight_consoles import FlightConsole, without_syncing
from recordings import at

from nexconsole.recording.recording_file import RecordingFile
from nexconsole.sources.flight_record import FlightRecordSource


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "flight" / "x.record"


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    without_syncing(monkeypatch)


@contextmanager
def opened(file: Path) -> Iterator[RecordingFile]:
    with closing(RecordingFile.open(file)) as recording:
        yield recording


def pending(file: Path, seconds: float) -> int | None:
    with opened(file) as recording:
        found = recording.at(at(seconds)).get("outbox")
        assert not recording.problems
    return found.value.pending if found is not None else None


def size(file: Path) -> int:
    return file.stat().st_size


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


async def points(file: Path, figure: str = "outbox_pending") -> list[float]:
    found = await FlightRecordSource(file).series([figure], float("-inf"), float("inf"))
    return [value for _, value in found.get((figure, ""), ())]


# --- what is kept -----------------------------------------------------------------------------------------------


async def test_readings_and_figures_are_kept_and_can_be_played_by_their_time(file: Path) -> None:
    console = FlightConsole(file)
    console.turns(0, 700)
    await console.close()
    assert [pending(file, seconds) for seconds in (0, 305, 690)] == [0, 30, 69]
    assert await points(file) == list(range(70))
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)


async def test_a_providers_figures_are_kept_with_its_name(file: Path) -> None:
    console = FlightConsole(file, begin=0)
    for reading in sample.incident().values():
        console.recorder.take(reading)
    console.recorder._turn()
    found = await FlightRecordSource(file).series(["failure_rate", "attempts"], 0, 1e11)
    one = next(one for one in sample.incident()["transactions"].value.providers if one.failure_rate)
    assert found["failure_rate", one.name][0][1] == pytest.approx(one.failure_rate, abs=1e-4)
    assert found["attempts", one.name][0][1] == one.attempts and ("failure_rate", "") in found
    await console.close()


async def test_a_figure_that_is_not_known_has_no_point_and_not_zero(file: Path) -> None:
    console = FlightConsole(file)
    console.turns(0, 60)
    for seconds in range(60, 120, 10):  # nobody reads: what stands there gets stale
        console.clock.now = at(seconds)
        console.recorder._turn()
    console.turns(120, 150)
    await console.close()
    assert await points(file) == [0, 1, 2, 3, 4, 5, 12, 13, 14]


async def test_old_stretches_are_dropped_in_small_steps_and_what_is_left_can_be_played(file: Path) -> None:
    console = FlightConsole(file, hours=1.0)
    console.turns(0, 3 * 3600)
    with opened(file) as recording:
        begin, end = recording.span
    assert end == at(3 * 3600 - 10)
    assert timedelta(hours=1) <= end - begin <= timedelta(hours=1, minutes=12)
    assert [pending(file, seconds) for seconds in (0, 3600, 2 * 3600, 10_000)] == [None, None, 720, 1000]
    kept = await points(file)
    assert kept == list(range(int(kept[0]), 1080)) and 360 <= len(kept) <= 440
    await console.close()


async def test_the_file_does_not_grow_over_its_limit_and_gives_room_back(file: Path) -> None:
    console = FlightConsole(file, limit_mb=1.2)
    sizes = []
    for when, reading in recordings.readings(3600, every=10.0):
        if when != console.clock.now:
            console.recorder._turn()
            sizes.append(size(file))
        console.clock.now = when
        console.recorder.take(reading)
    assert 1e6 < max(sizes) <= 1.2e6
    with opened(file) as recording:
        begin, end = recording.span
        assert end - begin < timedelta(hours=1) and recording.at(begin + timedelta(minutes=2)).keys() > {"outbox"}
    await console.close()
    smaller = FlightConsole(file, begin=3600, limit_mb=0.6)
    smaller.turns(3600, 3600 + 150)
    assert size(file) <= 0.6e6 and pending(file, 3600 + 140) == (3600 + 140) // 10
    await smaller.close()


async def test_where_nothing_was_recorded_nothing_is_shown(file: Path) -> None:
    console = FlightConsole(file)
    console.turns(0, 100)
    console.turns(1000, 1100)
    await console.close()
    assert [pending(file, seconds) for seconds in (50, 500, 1050)] == [5, None, 105]


# --- several consoles -------------------------------------------------------------------------------------------


async def test_of_several_consoles_one_records_and_another_goes_on_where_it_ends(file: Path) -> None:
    first, second = FlightConsole(file), FlightConsole(file)
    assert first.turn(0) and not second.turn(0)
    assert not second.turn(10) and first.turn(10, pending=7)
    assert not second.recorder._waiting  # who does not record holds nothing back
    await first.close()
    assert second.turn(20, pending=8)
    await second.close()
    assert [pending(file, seconds) for seconds in (15, 20)] == [7, 8]


async def test_the_record_is_read_while_it_is_written(file: Path) -> None:
    console = FlightConsole(file)
    console.turns(0, 100)
    with opened(file) as recording:
        console.turns(100, 1500)
        assert recording.at(at(55))["outbox"].value.pending == 5
        assert await points(file) == list(range(150))
    await console.close()


async def test_what_is_dropped_while_it_is_played_is_said_and_breaks_nothing(file: Path) -> None:
    console = FlightConsole(file, hours=1.0)
    console.turns(0, 1300)
    with opened(file) as recording:
        console.turns(1300, 3 * 3600)
        assert recording.at(at(700)) == {}
        assert "was dropped meanwhile" in recording.problems[0]
    await console.close()


# --- what it costs ----------------------------------------------------------------------------------------------


def test_where_turns_take_long_it_records_more_seldom_and_never_takes_a_hundredth_of_a_core(file: Path) -> None:
    recorder = FlightConsole(file).recorder
    every = []
    for took_s in (0.005, 0.4, 0.4, 0.4, 0.005, 0.005):
        recorder._mind_cost(took_s)
        every.append(recorder._every.total_seconds())
    usual = every[0]
    begun = FlightConsole(file).recorder
    begun._mind_cost(0.4)
    assert begun._every.total_seconds() == every[2]
    assert every[:2] == [usual, usual]  # one alone, as of a keyframe, is no habit
    assert every[2] == every[3] and 0.4 / every[3] < 0.01
    assert every[4:] == [usual, usual]
