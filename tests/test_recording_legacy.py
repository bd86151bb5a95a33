"""Recordings of earlier versions are still replayed: `gzip_chunks.readings` was written by version 0.1.0."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pytest
import sample_readings as sample
from legacy_chunks import KEY, chunk, milliseconds
from recordings import at, outbox, recorded, settings

from nexconsole.errors import JournalError
from nexconsole.recording.legacy import LegacyRecording
from nexconsole.recording.replay import listed, open_replay

WRITTEN = Path(__file__).with_name("data") / "gzip_chunks.readings"
NAME = "INC-20260123-1407"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(WRITTEN, tmp_path / f"{NAME}.readings"))


@pytest.mark.parametrize("seconds", [99, 0, 62, 30, 29, 59.5, 60, 305, 300, 31.9])
def test_the_readings_stand_there_that_an_earlier_version_recorded(file: Path, seconds: float):
    """Of 100 s and, after a gap, of 10 s: two more in the outbox each second, and no answer at 30 s and 31 s."""
    recording = LegacyRecording.open(file)
    found, second = recording.at(at(seconds)), int(seconds)
    failed = second in (30, 31)
    told = outbox(
        second, 58 if failed else 2 * second, "postgres did not answer" if failed else None, 29 if failed else None
    )
    assert found["outbox"].value.pending == told.value.pending
    assert (found["outbox"].error, found["outbox"].taken_at) == (told.error, told.taken_at)
    assert found["outbox"].attempted_at == told.attempted_at and found["outbox"].every == 2.0
    assert found["alerts"].absent and found["alerts"].error == "alertmanager is not configured"
    assert [row.name for row in found["circuits"].value.providers] == [
        row.name for row in sample.calm()["circuits"].value.providers
    ]
    assert not recording.problems and not recording.skipped


def test_its_span_its_gap_its_console_and_its_changes(file: Path):
    recording = LegacyRecording.open(file)
    assert recording.span == (at(0), at(309))
    assert recording.at(at(200)) == {} == recording.at(at(-1)) == recording.at(at(400))
    assert recording.about == {"environment": "production", "name": "nexnum-eu"} and recording.ended == ""
    changes = [reading for _, reading in recording.changes(at(-1), at(400))]
    assert len(changes) == 122
    assert [one.value.pending for one in changes if one.signal == "outbox"][32:102] == [*range(64, 200, 2), 600, 602]


def test_it_is_listed_and_opened_by_its_incident_where_there_is_no_other(file: Path):
    chosen = settings(journal={"folder": str(file.parent)})
    (line,) = listed(chosen)
    assert line.startswith(NAME) and "2026-01-23 14:07:31Z" in line and "5 min" in line
    replay = open_replay(NAME, chosen)
    assert (replay.begin, replay.end) == (at(0), at(309)) and replay.recording.file == file


async def test_where_both_versions_recorded_the_new_one_is_played_and_the_other_is_named(file: Path):
    chosen = settings(journal={"folder": str(file.parent)})
    (await recorded(file.with_suffix(".recording"), [outbox(0, pending=9)])).close()
    replay = open_replay(NAME, chosen)
    assert replay.recording.at(at(0))["outbox"].value.pending == 9
    assert any(f"nexconsole replay {file}" in problem for problem in replay.problems)
    replay.recording.close()
    assert open_replay(str(file), chosen).recording.span == (at(0), at(309))
    assert len(listed(chosen)) == 2


def test_a_torn_end_and_damage_in_the_middle_cost_what_stood_there(file: Path):
    whole = file.read_bytes()
    intact = LegacyRecording.open(file)
    for lost in (1, 40, 150):
        file.write_bytes(whole[:-lost])
        recording = LegacyRecording.open(file)
        assert "bytes of it can't be read" in recording.problems[0]
        assert recording.at(at(90)) == intact.at(at(90))
    middle = whole.index(b"\x1f\x8b\x08\x04", len(whole) // 3)
    for place in (middle + 1, middle + 80):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        recording = LegacyRecording.open(file)
        assert recording.at(at(5)) == intact.at(at(5)) and recording.at(at(305)) == intact.at(at(305))
        for seconds in (*range(38), *range(45, 100)):  # in the hole itself, what was known before it
            assert recording.at(at(seconds)).items() <= intact.at(at(seconds)).items()
        assert recording.problems and all("can't be read" in problem for problem in recording.problems)


def test_signals_and_fields_of_other_versions_are_skipped_and_counted(file: Path):
    lines: list[dict[str, object]] = [
        {"at": at(0), "signal": "weather", "every": 2.0, "value": [{"rain": 1}]},
        {
            "at": at(0),
            "signal": "outbox",
            "every": 2.0,
            "taken": at(0),
            "later": True,
            "value": [{"pending": 3, "failed": 0, "dropped": 0, "oldest_pending_s": None, "shape": "round"}],
        },
        {"at": at(0), "signal": "database", "every": 2.0, "taken": at(0), "value": [{"connections": "many"}]},
        {"at": at(1), "signal": "alerts", "every": 2.0, "taken": at(0), "value": {"pending": [3]}},
    ]
    file.write_bytes(chunk(lines, milliseconds(at(0)), milliseconds(at(2)), KEY))
    recording = LegacyRecording.open(file)
    found = recording.at(at(2))
    assert found.keys() == {"outbox"} and found["outbox"].value.pending == 3
    words = " ".join(recording.skipped)
    assert "the signal weather" in words and "the field shape of outbox" in words and "a value of database" in words
    assert "a change of alerts that fits nothing" in words


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", random.Random(7).randbytes(5000), gzip.compress(b"{}"), b"\x1f\x8b\x08\x04" * 99],
    ids=["nothing", "words", "noise", "a gzip file", "heads"],
)
def test_what_is_no_recording_is_refused_in_a_sentence(file: Path, content: bytes):
    file.write_bytes(content)
    with pytest.raises(JournalError, match="holds no reading"):
        LegacyRecording.open(file)
