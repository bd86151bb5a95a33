"""Readings as they are recorded and as they are read back: true, small, and without secrets."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import recordings
import sample_readings as sample
from controller import until
from recordings import outbox, recorded, settings

from nexconsole.journal import Scrubber
from nexconsole.model import Reading, State
from nexconsole.recording import packing, recorder
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.recording.scrubbing import ValueScrubber
from nexconsole.storage.schema import recording_file

at = recordings.at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return recording_file(tmp_path / "INC-20260123-1407.jsonl")


async def test_what_is_read_back_is_what_stood_on_screen_at_any_moment_in_any_order(file):
    told = list(recordings.readings(200))
    await recordings.record(file, told, settings())
    opened = RecordingFile.open(file)
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
    opened = RecordingFile.open(file)
    assert list(opened.changes(at(20), at(140))) == [(when, one) for when, one in told if at(20) < when <= at(140)]
    assert len(list(opened.changes(at(-9), at(500)))) == len(told)


async def test_ten_minutes_of_all_signals_each_second_take_less_than_3_mb_and_open_at_once(file):
    await recordings.record(file, recordings.readings(600), settings())
    assert file.stat().st_size < 3_000_000
    began = time.monotonic()
    opened = RecordingFile.open(file)
    opened.at(at(300))
    assert time.monotonic() - began < 1.0
    assert len(opened._kept) == 1 < len(opened._segments)


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
    clock = recordings.HandClock()
    first, second = (Recorder(settings(), file, clock) for _ in range(2))
    for turn in range(8):
        clock.now = at(turn)
        for console in (first, second):
            console.take(outbox(turn, pending=turn))
        assert (first._turn(), second._turn()) == (True, False)
    await first.close()
    clock.now = at(9)
    second.take(outbox(9, pending=9))
    assert second._turn()
    await second.close()
    opened = RecordingFile.open(file)
    assert [one.value.pending for _, one in opened.changes(at(-1), at(10))] == [*range(8), 9]
    assert opened.at(at(8))["outbox"].value.pending == 7


async def test_it_records_by_itself_and_closing_loses_nothing(file, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recorder, "FLUSH_S", 0.05)
    console = Recorder(settings(every_s=0.001), file)
    running = asyncio.create_task(console.run())
    console.take(outbox(0, pending=1))
    await until(lambda: console.records)
    now = datetime.now(UTC)
    console.take(replace(outbox(0, pending=2), taken_at=now, attempted_at=now))
    await console.close()
    await asyncio.wait_for(running, 20)
    opened = RecordingFile.open(file)
    assert opened.at(opened.span[1])["outbox"].value.pending == 2
    assert console.trouble == ""


async def test_the_newest_figures_are_recorded_on_closing_whatever_the_rate(file):
    opened = await recorded(file, [outbox(0.0), outbox(0.5, pending=9)], settings(every_s=60.0))
    assert opened.at(opened.span[1])["outbox"].value.pending == 9


async def test_what_came_last_is_within_the_recording(file):
    opened = await recorded(file, [outbox(0.0), outbox(10.0004, pending=7)])
    assert opened.at(opened.span[1])["outbox"].value.pending == 7
    assert opened.span[1] == at(10.0004)


async def test_a_rate_of_0_records_nothing(file):
    console = Recorder(settings(every_s=0.0), file)
    console.take(outbox(0))
    await asyncio.wait_for(console.run(), 20)
    await console.close()
    assert not file.exists() and console.trouble == ""


def stored(file: Path) -> list[str]:
    """Every text of a recording that begins before its first keyframe."""
    with closing(sqlite3.connect(file)) as connection:
        packed = connection.execute("SELECT readings FROM keyframe UNION ALL SELECT reading FROM reading").fetchall()
        return [packing.unpack(one).decode() for (one,) in packed]


async def test_no_secret_of_the_settings_and_no_credential_is_recorded(file):
    base = sample.incident()["database"]
    query = "SELECT 1 -- hush-hush-1 postgres://u:other-secret@h/d Authorization: Bearer abcdefgh12345"
    session = replace(base.value.sessions[0], query=query, application="hush-hush-1")
    reading = replace(base, value=replace(base.value, sessions=(session,)), error="refused for hush-hush-1")
    chosen = settings(postgres={"url": "postgresql://nexnum:hush-hush-1@db/nexnum"})
    opened = await recorded(file, [reading], chosen)
    text = "\n".join(stored(file))
    assert "SELECT 1" in text
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
    many = tuple(
        replace(base.providers[0], name=f"provider-{n}", holders=base.providers[0].holders * 30) for n in range(60)
    )
    told, values = [], [replace(base, providers=many, lines_dropped=n) for n in range(60)]
    for n, value in enumerate(values):
        told.append(Reading(signal="circuits", every=1.0, value=value, taken_at=at(n / 20), attempted_at=at(n / 20)))
        told.append(outbox(n / 20, pending=n))
    opened = await recorded(file, told, settings(every_s=0.05))
    changes = [one for _, one in opened.changes(at(-1), at(10))]
    circuits = [one for one in changes if one.signal == "circuits"]
    assert sum(one.signal == "outbox" for one in changes) > 40 > len(circuits) > 1
    assert opened.at(at(2.95))["circuits"].state(at(2.95)) is State.FRESH


async def test_what_differs_in_numbers_and_times_alone_is_scrubbed_once(monkeypatch: pytest.MonkeyPatch):
    calls = []
    scrub = Scrubber.__call__
    monkeypatch.setattr(Scrubber, "__call__", lambda self, data: calls.append(data) or scrub(self, data))
    scrubber, told = ValueScrubber(settings()), [reading for _, reading in recordings.readings(8)]
    values = [msgspec.json.decode(scrubber.value(reading.signal, reading.value)) for reading in told]
    assert values == [msgspec.json.decode(msgspec.json.encode(reading.value)) for reading in told]
    assert len(calls) <= 2 * len({reading.signal for reading in told})  # in the calm and in the incident


@pytest.mark.parametrize("secret", ["hush-hush-1", "password=hush-hush-2", "12345678"])
async def test_a_secret_that_comes_later_is_hidden_though_all_else_is_as_it_was(secret: str):
    scrubber = ValueScrubber(
        settings(postgres={"url": "postgresql://u:hush-hush-1@db/n"}, redis={"url": "redis://:12345678@r"})
    )
    base = sample.incident()["database"].value
    with_text = [replace(base, sessions=(replace(base.sessions[0], query=text),)) for text in ("a", f"a {secret}", "a")]
    texts = [bytes(scrubber.value("database", value)) for value in with_text]
    assert b'"a"' in texts[0] and texts[2] == texts[0]
    assert b"***" in texts[1] and secret.split("=")[-1].encode() not in texts[1]


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 100_000])
def test_a_packed_text_is_unpacked_against_its_base_alone(size: int):
    chance = random.Random(size)
    base = chance.randbytes(size).hex().encode()[:size]
    text = base[: size // 2] + b"a little" + base[size // 2 :]
    packed = packing.pack(text, base)
    assert packing.unpack(packed, base) == text
    assert len(packed) < 200 + size // 20
    for other in (b"another base" * 1000, b""):
        if base:
            with pytest.raises(ValueError):
                packing.unpack(packed, other)
    with pytest.raises(ValueError):
        packing.unpack(packed[:-1], base)
