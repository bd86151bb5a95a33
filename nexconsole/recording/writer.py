"""A recording as its one writer holds it: locked against every other console, growing up to its limit."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError
from ..storage.schema import RECORDING
from ..storage.sqlite_file import CLOSING, SqliteFormat, refuse_hostile_journal, sentence
from .database import open_for_writing
from .prelude import Prelude
from .writer_lock import PATIENCE_S, WriterLock

BEFORE = "before"  # in a span's console: it tells of the time before the incident, and this is where that is from
NEARLY = 0.9  # of the limit, from which on a recording that has said so is not taken up again


@dataclass(frozen=True)
class Turn:
    """What is written at once. Times are in nanoseconds since 1970, and rise from one row to the next.

    `span` is the begin of a new span, if one begins. `readings` are (time, signal, packed). A flight record keeps
    `points` too: (metric, whose it is, all that is known of it since the newest stretch began), and `stretch`, when
    that was.
    """

    end: int
    span: int | None
    keyframe: tuple[int, bytes] | None
    readings: Sequence[tuple[int, str, bytes]]
    stretch: int = 0
    points: Sequence[tuple[str, str, bytes]] = ()


class RecordingWriter:
    """`limit` in bytes; `full` is what the recording says at its end when it is reached; `console` is JSON.

    Everything here blocks, and raises JournalError where nothing can be recorded (any more).
    """

    format: SqliteFormat = RECORDING
    stops = "nothing is recorded for replay"

    def __init__(self, file: Path, limit: int, full: str, console: str) -> None:
        self.file, self.limit, self._full, self._console = file, limit, full, console
        self._lock = WriterLock(file)
        self._connection: sqlite3.Connection | None = None
        self._inode: os.stat_result | None = None
        self._signals: dict[str, int] = {}
        self._span = 0  # begin of the newest one
        self.end = 0  # the last time on record

    def holds(self) -> bool:
        """Whether this is the recorder, and the file still the one at its path."""
        with self._explained():
            if self._connection is not None and not self._is_current():
                self.release()
        return self._connection is not None

    def take(self) -> bool:
        """Become the recorder; False while another console is."""
        with self._explained():
            if not self._lock.acquire():
                return False
            self._connection = open_for_writing(self.file, self.format, time.monotonic() + PATIENCE_S)
            self._inode = os.lstat(self.file)
            ended = self._read_on(self._connection)
            size = self._inode.st_size
        if size >= self.limit or (ended and size > NEARLY * self.limit):
            self.release()
            raise JournalError(self._full)
        return True

    def write(self, turn: Turn) -> None:
        """Put it on disk; where that would be over the limit, say so in the recording instead and raise."""
        assert self._connection is not None
        with self._explained():
            refuse_hostile_journal(self.file)
            with CLOSING:
                fits = self._commit(self._connection, turn)
        if not fits:
            self.release()
            raise JournalError(self._full)

    def prepend(self, prelude: Prelude) -> None:
        """Put what was before into a recording that holds nothing yet, all of it or nothing."""
        if not prelude.spans:
            return
        assert self._connection is not None and not self.end
        console = self._console[:-1] + f', "{BEFORE}": "flight record"}}'
        with self._explained(), CLOSING:
            self._connection.execute("BEGIN IMMEDIATE")
            self._refuse_second_writer(self._connection)
            for begin, end in prelude.spans:
                self._connection.execute("INSERT INTO span VALUES (?, ?, ?, '')", (begin, end, console))
            self._connection.executemany("INSERT INTO keyframe VALUES (?, ?)", prelude.keyframes)
            rows = ((at, self._number(self._connection, name), packed) for at, name, packed in prelude.readings)
            self._connection.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")
            self._span, self.end = prelude.spans[-1]

    def release(self) -> None:
        """Let another console record."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release()

    def _read_on(self, connection: sqlite3.Connection) -> bool:
        """Learn where the recording stands; whether it has ended."""
        self._signals = {name: number for number, name in connection.execute("SELECT id, name FROM signal")}
        newest = connection.execute("SELECT begin, end, ended FROM span ORDER BY begin DESC LIMIT 1").fetchone()
        self._span, self.end, ended = newest or (0, 0, "")
        return bool(ended)

    def _commit(self, connection: sqlite3.Connection, turn: Turn) -> bool:
        """Whether there was room for it."""
        self._insert(connection, turn)
        if self._size(connection) > self.limit:
            connection.execute("ROLLBACK")
            self._say_full(connection, turn.end)
            return False
        connection.execute("COMMIT")
        self._written(turn)
        return True

    def _insert(self, connection: sqlite3.Connection, turn: Turn) -> None:
        """In a transaction that stays open."""
        connection.execute("BEGIN IMMEDIATE")
        self._refuse_second_writer(connection)
        if turn.span is not None:
            connection.execute("INSERT INTO span VALUES (?, ?, ?, '')", (turn.span, turn.end, self._console))
        if turn.keyframe is not None:
            connection.execute("INSERT INTO keyframe VALUES (?, ?)", turn.keyframe)
        rows = [(at, self._number(connection, signal), packed) for at, signal, packed in turn.readings]
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
        span = self._span if turn.span is None else turn.span
        connection.execute("UPDATE span SET end = ? WHERE begin = ?", (turn.end, span))

    def _written(self, turn: Turn) -> None:
        """The turn is on disk."""
        self._span, self.end = self._span if turn.span is None else turn.span, turn.end

    def _refuse_second_writer(self, connection: sqlite3.Connection) -> None:
        """On some network file systems each host has locks of its own: whoever sees the other's rows gives way."""
        newest = connection.execute("SELECT begin, end FROM span ORDER BY begin DESC LIMIT 1").fetchone()
        if (newest or (0, 0)) != (self._span, self.end):
            raise JournalError(
                f"{self.stops}: {self.file}: another console records there too: the file system's locks do not reach it"
            )

    def _say_full(self, connection: sqlite3.Connection, now: int) -> None:
        if not self._span:
            connection.execute("INSERT INTO span VALUES (?, ?, ?, ?)", (now, now, self._console, self._full))
        connection.execute("UPDATE span SET ended = ? WHERE begin = ?", (self._full, self._span))

    def _is_current(self) -> bool:
        try:
            return self._inode is not None and os.path.samestat(self._inode, os.lstat(self.file))
        except FileNotFoundError:
            return False

    def _number(self, connection: sqlite3.Connection, signal: str) -> int:
        if signal not in self._signals:
            number = len(self._signals) + 1
            connection.execute("INSERT INTO signal VALUES (?, ?)", (number, signal))
            self._signals[signal] = number
        return self._signals[signal]

    @staticmethod
    def _size(connection: sqlite3.Connection) -> int:
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(size)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever fails lets another console record."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self.release()
            raise JournalError(f"{self.stops}: {self.file}: {sentence(error)}") from error
        except BaseException:
            self.release()
            raise
