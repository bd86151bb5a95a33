"""A recording's SQLite file read back, also while it is being recorded."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from ..errors import JournalError, in_words
from ..model import Reading
from ..storage.schema import FLIGHT_RECORD, RECORDING, moment
from ..storage.sqlite_file import STOPPED, open_for_reading, sentence
from ..text.sanitize import clean
from .packing import LARGEST, unpack
from .playback import Playback
from .seek import Segment, StoredReading
from .values import decode
from .writer import BEFORE

FORMATS = (RECORDING, FLIGHT_RECORD)
_READINGS = "SELECT at, signal, reading FROM reading WHERE at >= ? AND at < ? ORDER BY at"
_END = (1 << 63) - 1  # later than any time of SQLite
NO_RECORDING = "there is no recording of this incident"
_TEXTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CONSOLE = msgspec.json.Decoder(dict[str, str])


class RecordingFile(Playback):
    """`rows` are those of the table span, `keyframes` the times of the table keyframe."""

    def __init__(
        self, file: Path, connection: sqlite3.Connection, rows: Sequence[tuple[int, int, str, str]], keyframes: set[int]
    ) -> None:
        spans = [(begin, end) for begin, end, _, _ in rows]
        super().__init__(file, spans, sorted(keyframes | {begin for begin, _ in spans}))
        self._connection = connection
        self._keyframes = keyframes
        self.about, self.ended = _about(rows[0][2]), clean(rows[-1][3], 200)
        self.begins_at = next((begin for begin, _, console, _ in rows if BEFORE not in _about(console)), rows[0][0])
        numbers = _fetched(connection, "SELECT id, name FROM signal", (int, str))
        self._signals: dict[int, str] = dict(numbers)

    @classmethod
    def open(cls, file: Path) -> Self:
        """Learn what there is; no reading is read yet. Raises JournalError."""
        try:
            connection, repaired = open_for_reading(file, *FORMATS)
        except FileNotFoundError as error:
            raise JournalError(f"{file}: {NO_RECORDING}") from error
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{file}: can't be read: {sentence(error)}") from error
        try:
            spans = "SELECT begin, end, console, ended FROM span ORDER BY begin"
            rows = _fetched(connection, spans, (int, int, str, str))
            if not rows:
                raise JournalError(f"{file}: holds no reading")
            keyframes = {at for (at,) in _fetched(connection, "SELECT at FROM keyframe", (int,))}
            recording = cls(file, connection, rows, keyframes)
        except (sqlite3.Error, ValueError) as error:
            connection.close()
            raise JournalError(f"{file}: can't be read: {_why(error)}") from error
        except BaseException:
            connection.close()
            raise
        if repaired:
            recording.problems.append(STOPPED)
        return recording

    def close(self) -> None:
        self._connection.close()

    def _read(self, begin: int, end: int | None) -> Segment:
        try:
            texts = self._keyframe(begin) if begin in self._keyframes else {}
            rows = self._rows(_READINGS, (int, int, bytes), (begin, _END if end is None else end))
        except (OSError, JournalError, sqlite3.Error, ValueError, RecursionError) as error:
            self._report(begin, _why(error))
            return Segment()
        known = (self._stored(begin, signal, bytes, text) for signal, text in texts.items())
        readings = []
        for at, number, packed in rows:
            signal = self._signals.get(number, f"number {number}")
            readings.append(self._stored(at, signal, unpack, packed, texts.get(signal, b"")))
        return Segment(tuple(known), tuple(readings))

    def _keyframe(self, at: int) -> dict[str, bytes]:
        rows = self._rows("SELECT readings FROM keyframe WHERE at = ?", (bytes,), (at,))
        if not rows:
            raise ValueError("it was dropped meanwhile")
        return {signal: bytes(text) for signal, text in _TEXTS.decode(unpack(rows[0][0])).items()}

    def _rows(self, query: str, types: tuple[type, ...], values: tuple[int, ...]) -> list[Any]:
        try:
            return _fetched(self._connection, query, types, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        self._connection.close()  # its recorder has died since it was opened, and while it wrote
        self._connection, _ = open_for_reading(self.file, *FORMATS)
        return _fetched(self._connection, query, types, values)

    def _stored(self, at: int, signal: str, unpacked: Callable[..., bytes], *packed: bytes) -> StoredReading:
        return StoredReading(at, signal, partial(self._decoded, at, signal, partial(unpacked, *packed)))

    def _decoded(self, at: int, signal: str, text: Callable[[], bytes]) -> Reading | None:
        try:
            return decode(text(), signal, moment(at), self.skipped)
        except (ValueError, RecursionError) as error:
            self._report(at, str(error))
            return None


def _why(error: Exception) -> str:
    return sentence(error) if isinstance(error, sqlite3.Error | OSError) else in_words(error)


def _about(console: str) -> dict[str, str]:
    try:
        return _CONSOLE.decode(console)
    except msgspec.MsgspecError:
        return {}


def _fetched(
    connection: sqlite3.Connection, query: str, types: tuple[type, ...], values: tuple[int, ...] = ()
) -> list[Any]:
    """The rows, all at once: a query that stays open keeps the recorder from writing. Raises ValueError where they are
    no recording's: SQLite lets any value stand in any column."""
    rows, size = [], 0
    with contextlib.closing(connection.execute(query, values)) as cursor:
        for row in cursor:
            if not all(isinstance(value, type_) for value, type_ in zip(row, types, strict=True)):
                raise ValueError("a row of it is not what a recording holds")
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes))
            if size > LARGEST:
                raise ValueError("it is more than a minute can hold")
    return rows
