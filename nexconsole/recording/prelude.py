"""The half hour before an incident: taken from the flight record, and put in front of the incident's recording."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ..errors import JournalError
from ..storage.schema import FLIGHT_RECORD, nanoseconds
from ..storage.sqlite_file import open_for_reading, sentence

log = logging.getLogger(__name__)

BEFORE = timedelta(minutes=30)  # and at most a stretch of the flight record more
MOST = 0.25  # of the recording's room
_BEGINS = "SELECT at FROM keyframe WHERE at > ? UNION SELECT begin FROM span WHERE begin > ? ORDER BY 1"
_FIRST = "SELECT max(at) FROM (SELECT at FROM keyframe UNION SELECT begin FROM span) WHERE at <= ?"
_SIZE = "SELECT coalesce(sum(length(reading)), 0) FROM reading WHERE at >= ?"
_SPANS = "SELECT max(begin, ?), end FROM span WHERE end >= ? ORDER BY begin"
_READINGS = (
    "SELECT r.at, s.name, r.reading FROM reading r JOIN signal s ON s.id = r.signal WHERE r.at >= ? ORDER BY r.at"
)


@dataclass(frozen=True)
class Prelude:
    """Rows of a recording, as its tables have them: spans (begin, end), keyframes, readings (time, signal, packed)."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    keyframes: list[tuple[int, bytes]] = field(default_factory=list)
    readings: list[tuple[int, str, bytes]] = field(default_factory=list)


def half_hour_before(record: Path, now: datetime, limit: int) -> Prelude:
    """What the flight record has of it, no more than a part of `limit` bytes; nothing where it can't be read."""
    try:
        with closing(open_for_reading(record, FLIGHT_RECORD, repair=False)[0]) as connection:
            return _read(connection, nanoseconds(now - BEFORE), int(limit * MOST))
    except FileNotFoundError:
        return Prelude()
    except JournalError as error:
        log.info("nothing was taken from the flight record: %s", error)
    except (OSError, sqlite3.Error) as error:
        log.info("nothing was taken from the flight record: %s: %s", record, sentence(error))
    return Prelude()


def _read(connection: sqlite3.Connection, wanted: int, most: int) -> Prelude:
    (first,) = connection.execute(_FIRST, (wanted,)).fetchone()
    begins = [at for (at,) in connection.execute(_BEGINS, (wanted, wanted))]
    begins = [first, *begins] if first is not None else begins
    for begin in begins:  # a stretch can be played from its beginning on, and from nowhere else
        if connection.execute(_SIZE, (begin,)).fetchone()[0] <= most:
            return Prelude(
                connection.execute(_SPANS, (begin, begin)).fetchall(),
                connection.execute("SELECT at, readings FROM keyframe WHERE at >= ? ORDER BY at", (begin,)).fetchall(),
                connection.execute(_READINGS, (begin,)).fetchall(),
            )
    return Prelude()
