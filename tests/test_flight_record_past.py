"""What it looked like at a time that has passed: status, replay, and the half hour before an incident."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import msgspec
import pytest
import recordings
import sample_readings as sample
from flight_consoles import FlightConsole, settings, without_syncing
from recordings import at, outbox

from nexconsole import settings as settings_module
from nexconsole import status
from nexconsole.causes import published
from nexconsole.causes.model import Evidence, Side
from nexconsole.cli import status as status_command
from nexconsole.cli.main import run
from nexconsole.errors import JournalError, SettingsError
from nexconsole.journal import open_journal
from nexconsole.model import State
from nexconsole.recording import past
from nexconsole.recording.recorder import Recorder
from nexconsole.recording.recording_file import RecordingFile
from nexconsole.recording.replay import open_replay
from nexconsole.settings import Settings
from nexconsole.signals.onset import ONSET
from nexconsole.signals.probe import ProbeAnswer
from nexconsole.sources.flight_record import FlightRecordSource, RecordState

NOW = datetime(2026, 11, 30, 6, 58, 20, tzinfo=UTC)
RECORDED: list[bytes] = []  # the record of the fixture, which is made once
SCHEMA = Path(status.__file__).parent / "schemas" / "status.schema.json"


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    without_syncing(monkeypatch)


@pytest.fixture
async def record(tmp_path: Path) -> Path:
    """Calm for ten minutes, an incident for ten; nothing for ten; then calm again."""
    file = tmp_path / "x.record"
    if RECORDED:
        file.write_bytes(RECORDED[0])
        return file
    console = FlightConsole(file)
    for begin, readings in ((0, sample.calm()), (600, sample.incident()), (1800, sample.calm())):
        for seconds in range(begin, begin + 600, 10):
            console.clock.now = at(seconds)
            for reading in readings.values():
                now = console.clock.now
                console.recorder.take(replace(reading, every=10.0, taken_at=now, attempted_at=now))
            console.recorder._turn()
    await console.close()
    RECORDED.append(file.read_bytes())
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03:00", "2026-11-30 03:00:00"),
        ("23:15", "2026-11-29 23:15:00"),  # yesterday, for today's is still to come
        ("06:58", "2026-11-30 06:58:00"),
        ("06:59", "2026-11-29 06:59:00"),
        ("03:00:30Z", "2026-11-30 03:00:30"),
        ("yesterday 03:00", "2026-11-29 03:00:00"),
        ("2026-11-29 05:00", "2026-11-29 05:00:00"),
        ("2026-11-29T05:00:00+02:00", "2026-11-29 03:00:00"),
    ],
)
def test_a_time_of_the_day_is_the_last_such_one(text: str, expected: str) -> None:
    assert past.time_of(text, NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "25:00", "+10:00", "yesterday", "yesterday soon", "2026-12-01 03:00", ""])
def test_what_is_no_time_or_still_to_come_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--at"):
        past.time_of(text, NOW)


def command_line(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_command, "utc_now", lambda: at(3600))
    config = tmp_path / "config.toml"
    config.write_text(f'name = "nexnum-eu"\n[recorder]\nfile = "{record}"\n', encoding="utf-8")
    monkeypatch.setenv("NEXCONSOLE_CONFIG", str(config))


def test_status_at_a_time_says_what_was_then_and_that_it_is_past(record, tmp_path, monkeypatch, capsys) -> None:
    command_line(record, tmp_path, monkeypatch)
    assert run(["status", "--at", f"{at(900):%H:%M:%S}"]) == 2
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"THE PAST: as it was at {at(900):%Y-%m-%d %H:%M:%S}Z, 45 min ago, from the flight record"
    assert shown[1] == "PRODUCTION nexnum-eu  SEV-1" and any(line.startswith("transactions ") for line in shown)
    assert run(["status", "--at", f"{at(300):%H:%M:%S}"]) in (0, 1)
    assert "SEV-1" not in capsys.readouterr().out


def test_status_at_a_time_as_json_has_the_time_and_the_shape(record, tmp_path, monkeypatch, capsys) -> None:
    command_line(record, tmp_path, monkeypatch)
    assert run(["status", "--json", "--at", f"{at(900).isoformat()}"]) == 2
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert document["past"] is True and datetime.fromisoformat(document["at"]) == at(900)
    assert document["transactions"]["state"] == "fresh" and document["exit_code"] == 2


def test_where_nothing_was_recorded_it_is_said_with_the_nearest_times(record, tmp_path, monkeypatch, capsys) -> None:
    command_line(record, tmp_path, monkeypatch)
    assert run(["status", "--at", at(1500).isoformat()]) == 3
    words = capsys.readouterr().err
    gap = f"no console ran from {at(1190):%Y-%m-%d %H:%M:%S}Z to {at(1800):%Y-%m-%d %H:%M:%S}Z (10 min)"
    assert f"nothing was recorded at {at(1500):%Y-%m-%d %H:%M:%S}Z" in words and gap in words
    assert run(["status", "--at", at(-900).isoformat()]) == 3
    assert "the flight record is from" in capsys.readouterr().err
    assert run(["status", "--at", at(900).isoformat(), "--watch"]) == 3
    assert run(["status", "--at", "soon"]) == 3


def test_without_a_record_that_is_said(tmp_path, monkeypatch, capsys) -> None:
    command_line(tmp_path / "none.record", tmp_path, monkeypatch)
    assert run(["status", "--at", at(900).isoformat()]) == 3
    assert "there is no flight record yet" in capsys.readouterr().err
    assert run(["--at", "2020-01-01 03:00"]) == 1


async def test_the_flight_record_is_played_with_the_incident_of_that_time(record: Path, tmp_path: Path) -> None:
    chosen = msgspec.structs.replace(
        settings(record), journal=settings_module.JournalSettings(folder=str(tmp_path / "journal"))
    )
    of = past.replay_at(chosen, at(900))
    assert (of.name, of.begin, of.end, of.entries) == (past.NAME, at(0), at(2390), ())
    assert of.recording.at(at(900))["transactions"].value.failures
    assert past.replay_at(chosen, at(1500)).problems[0].startswith("nothing was recorded at ")
    with pytest.raises(JournalError, match="the flight record is from"):
        past.replay_at(chosen, at(9000))


async def test_a_new_incidents_recording_begins_with_the_half_hour_before(record: Path, tmp_path: Path) -> None:
    file = tmp_path / "INC-20260123-1407.recording"
    clock = recordings.HandClock(at(2395))
    recorder = Recorder(Settings(), file, clock, record)
    for seconds in (2395, 2397):
        clock.now = at(seconds)
        recorder.take(outbox(seconds, pending=9))
        recorder._turn()
    await recorder.close()
    with closing(RecordingFile.open(file)) as recording:
        assert recording.span[0] <= at(2395) - timedelta(minutes=30) + timedelta(minutes=1)
        assert recording.opened == at(2395)
        assert recording.at(at(900)) == RecordingFile.open(record).at(at(900)) != {}
        assert recording.at(at(1500)) == {} and recording.at(at(2000)).keys() == sample.calm().keys()
        assert recording.at(at(2397))["outbox"].value.pending == 9
        assert recording.recorded(at(2392)) and not recording.problems


async def test_only_a_recording_that_is_new_gets_it(record: Path, tmp_path: Path) -> None:
    file = tmp_path / "INC-1.recording"
    for begin in (2395, 2500):
        clock = recordings.HandClock(at(begin))
        recorder = Recorder(Settings(), file, clock, record)
        recorder.take(outbox(begin))
        recorder._turn()
        await recorder.close()
    with closing(RecordingFile.open(file)) as recording:
        assert sum(begin < at(2395) for begin, _ in recording.spans) == 2


@pytest.mark.parametrize("content", [None, b"", b"not a record" * 1000])
async def test_without_a_readable_record_an_incident_is_recorded_all_the_same(tmp_path: Path, content) -> None:
    record = tmp_path / "x.record"
    if content is not None:
        record.write_bytes(content)
    recorder = Recorder(Settings(), tmp_path / "INC-1.recording", recordings.HandClock(), record)
    recorder.take(outbox(0))
    assert recorder._turn()
    await recorder.close()


async def test_what_comes_first_never_takes_more_than_a_part_of_the_room(record: Path, tmp_path: Path) -> None:
    small = recordings.settings(limit_mb=0.3)
    recorder = Recorder(small, tmp_path / "INC-1.recording", recordings.HandClock(at(2395)), record)
    recorder.take(outbox(2395))
    assert recorder._turn()
    await recorder.close()


async def test_a_replay_begins_at_the_incident_and_its_times_count_from_there(record: Path, tmp_path: Path) -> None:
    chosen = msgspec.convert({"journal": {"folder": str(tmp_path)}}, Settings)
    journal = open_journal(chosen, "maria", "INC-1")
    recorder = Recorder(Settings(), journal.journal.with_suffix(".recording"), recordings.HandClock(at(2395)), record)
    recorder.take(outbox(2395))
    recorder._turn()
    await recorder.close()
    of = open_replay("INC-1", chosen)
    assert of.start == at(2395) and of.begin < at(700)
    of.recording.close()


def test_the_state_of_the_record_is_one_line() -> None:
    now = at(7200)
    assert RecordState().said(now).startswith("nothing is recorded yet")
    assert RecordState(error="refused").said(now) == "NOT KNOWN: refused"
    found = RecordState(since=at(0), until=at(7190)).said(now)
    assert re.fullmatch(r"since \S+ \S+Z, 119 min; records now", found)
    assert "nobody records now" in RecordState(since=at(0), until=at(3600)).said(now)


async def test_status_has_the_state_of_the_record(record: Path) -> None:
    state = await FlightRecordSource(record).state()
    assert (state.since, state.until, state.error) == (at(0), at(2390), None)
    broken = record.with_name("y.record")
    broken.mkdir()
    assert "is a folder" in ((await FlightRecordSource(broken).state()).error or "")


def test_a_probe_that_names_its_signal_by_its_key_is_published_as_text() -> None:
    answer = ProbeAnswer(
        probe="onset.is failure_rate", text="since 14:03", value=True, signal=ONSET, state=State.FRESH, age_s=1.0
    )
    line = published._line(Evidence(side=Side.FOR, title="it fails", text="it fails", holds=True, answers=(answer,)))
    assert json.loads(msgspec.json.encode(line))["readings"][0]["signal"] == "onset"
