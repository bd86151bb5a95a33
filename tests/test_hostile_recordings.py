"""Whatever a file in a recording's place holds, a replay goes through it or refuses it in a sentence."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hostile import VALUES
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st
from legacy_chunks import KEY, chunk, milliseconds
from recordings import outbox, recorded

from nexconsole.errors import JournalError
from nexconsole.recording.legacy import LegacyRecording
from nexconsole.recording.packing import pack
from nexconsole.recording.playback import Playback
from nexconsole.recording.recording_file import RecordingFile

NAME = "INC-20261123-1342"
RECORDED = st.fixed_dictionaries(
    {
        "at": st.sampled_from(
            [
                "2026-11-23T13:42:00Z",
                "2026-11-23T13:42:03Z",
                "2026-11-23T13:42:00",
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59-14:00",
            ]
        )
    },
    optional={
        "signal": st.sampled_from(["transactions", "outbox", "teleports", ""]),
        "every": st.sampled_from([0.0, 1e300, -5.0]),
        "taken": st.sampled_from(["2026-11-23T13:42:00Z", "2026-11-23T13:42:00", "0001-01-01T00:00:00+14:00", None]),
        "value": st.sampled_from([[], [{}], [{"pending": 1}], {"pending": [3]}, {"0": {"1": []}}, [[]], {}])
        | VALUES.map(lambda value: [value]),
        "console": st.just({"environment": "\x1b[31m", "name": "x"}),
        "ended": st.sampled_from(["", "\x1b[31mfull"]),
    },
)


@checked(max_examples=100, deadline=None)
@given(told=st.lists(st.lists(RECORDED, max_size=4), min_size=1, max_size=4), torn=st.binary(max_size=30))
def test_whatever_an_earlier_versions_recording_holds_it_can_be_gone_through(tmp_path_factory, told, torn) -> None:
    file = tmp_path_factory.mktemp("fuzz") / f"{NAME}.readings"
    begin = milliseconds(datetime(2026, 11, 23, 13, 42, tzinfo=UTC))
    with file.open("wb") as out:
        for place, lines in enumerate(told):
            at = begin + place * 4000
            out.write(chunk(lines, at, at + 4000, KEY if place % 2 == 0 else 0))
        out.write(torn)
    go_through(LegacyRecording.open(file))


def go_through(recording: Playback) -> None:
    first, last = recording.span
    for when in (first - timedelta(days=1), first, first + timedelta(seconds=2), last, last + timedelta(days=1), first):
        recording.at(when)
    list(recording.changes(first, last))
    assert all(problem for problem in recording.problems)
    recording.close()


NUMBERS = st.sampled_from([0, 1, 2, 10**18, 10**18 + 5_000, 17 * 10**17, -1, 2**63 - 1, -(2**63)])
TEXTS = st.fixed_dictionaries(
    {"version": st.sampled_from([1, 2, -1, "1"])},
    optional={
        "every": st.sampled_from([0.0, 1e300, -5.0]),
        "taken": st.sampled_from([0, 10**17, -(10**17), 10**30, None]),
        "value": VALUES | st.just({"pending": 1}),
    },
).map(lambda text: json.dumps(text).encode())
PACKED = st.binary(max_size=30) | TEXTS.map(pack)
KEYFRAMES = st.binary(max_size=30) | st.dictionaries(
    st.sampled_from(["transactions", "outbox", "teleports", ""]), TEXTS.map(json.loads)
).map(lambda texts: pack(json.dumps(texts).encode()))


@pytest.fixture(scope="module")
async def empty_recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("empty") / "x.recording"
    (await recorded(file, [outbox(0)])).close()
    return file.read_bytes()


@checked(max_examples=100, deadline=None)
@given(
    spans=st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from(["{}", "[", '{"name":1}'])), min_size=1, max_size=3),
    keyframes=st.lists(st.tuples(NUMBERS, KEYFRAMES), max_size=3),
    readings=st.lists(st.tuples(NUMBERS, st.sampled_from([1, 2, 9]), PACKED | st.none() | st.just("text")), max_size=4),
)
def test_whatever_a_recording_holds_it_can_be_gone_through(
    tmp_path_factory, empty_recording, spans, keyframes, readings
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / f"{NAME}.recording"
    file.write_bytes(empty_recording)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table in ("span", "reading", "keyframe"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("INSERT INTO signal VALUES (2, 'teleports')")
        connection.executemany("INSERT OR IGNORE INTO span VALUES (?, ?, ?, '\x1b[31mfull')", spans)
        connection.executemany("INSERT OR IGNORE INTO keyframe VALUES (?, ?)", keyframes)
        connection.executemany("INSERT OR IGNORE INTO reading VALUES (?, ?, ?)", readings)
    try:
        go_through(RecordingFile.open(file))
    except JournalError as error:
        assert "\n" not in str(error)
