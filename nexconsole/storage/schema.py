"""The tables of a recording and of the flight record.

Every time in them is in nanoseconds since 1970 (UTC), and is the row's key.

The clock gives microseconds. The last three digits keep rows of the same microsecond apart and in order.

- `span`: from when to when a console recorded. `console` is JSON (environment, name); `ended` says why it stopped
  before the incident did, if it did.
- `keyframe`: what was known of every signal, about once a minute: `{signal: reading}`, packed.
- `reading`: one signal's reading, packed against the keyframe before it.
- `signal`: a signal's number in `reading`.

The flight record has two more, so that a figure over many hours is cheap to read:

- `figure`: a figure's number in `points`, its metric and whose it is ("" for all).
- `points`: what a figure was from `begin` on, which is the time of a span or a keyframe: rows of POINT, milliseconds
  from there and the value.

How a reading is written is in `recording/values.py`, how it is packed in `recording/packing.py`.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .sqlite_file import SqliteFormat

SUFFIX = ".recording"
_TABLES = {
    "span": "CREATE TABLE span (begin INTEGER PRIMARY KEY, end INTEGER NOT NULL,"
    " console TEXT NOT NULL, ended TEXT NOT NULL)",
    "keyframe": "CREATE TABLE keyframe (at INTEGER PRIMARY KEY, readings BLOB NOT NULL)",
    "reading": "CREATE TABLE reading (at INTEGER PRIMARY KEY, signal INTEGER NOT NULL, reading BLOB NOT NULL)",
    "signal": "CREATE TABLE signal (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
}
_FIGURES = {
    "figure": "CREATE TABLE figure (id INTEGER PRIMARY KEY, metric TEXT NOT NULL, subject TEXT NOT NULL)",
    "points": "CREATE TABLE points (begin INTEGER NOT NULL, figure INTEGER NOT NULL, points BLOB NOT NULL,"
    " PRIMARY KEY (begin, figure)) WITHOUT ROWID",
}
RECORDING = SqliteFormat(0x4E585243, 1, _TABLES)  # "NXRC" in the file's header
FLIGHT_RECORD = SqliteFormat(0x4E584652, 1, _TABLES | _FIGURES, shrinks=True)  # "NXFR"
POINT = struct.Struct("<Id")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def recording_file(journal: Path) -> Path:
    """Where the recording of this journal's incident lies."""
    return journal.with_suffix(SUFFIX)


def nanoseconds(at: datetime) -> int:
    """A time as the tables have it."""
    return (at - _EPOCH) // _MICROSECOND * 1000


def moment(at: int) -> datetime:
    """A time of the tables, in UTC and whole microseconds."""
    return _EPOCH + timedelta(microseconds=at // 1000)
