"""The flight record as its one writer holds it: bounded in time and in bytes, the oldest dropped in small steps.

What is damaged, or is no flight record in the place that is ours, is set aside (`NAME.aside`), and a new one is begun.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from ..settings import Settings
from ..sources.flight_record import MOST_FIGURES
from ..storage.schema import FLIGHT_RECORD
from ..storage.sqlite_file import JOURNAL, ForeignFile, LargeFile, damage, sentence
from .database import open_for_writing
from .writer import RecordingWriter, Turn
from .writer_lock import PATIENCE_S

ASIDE = ".aside"
FULL = 0.95  # of the limit, from which on the oldest is dropped
MOST_DROPPED = 3  # stretches of a commit, where there are more bytes than there may be
AGED_EVERY = 6  # commits: a clock that is far ahead for a while must not empty the record
VACUUMED = 64  # pages given back at once
MOST_FREE = 0.25  # of the pages; what is free beyond that goes back to the disk
_OLDEST = (
    "SELECT at FROM (SELECT at FROM (SELECT at FROM keyframe ORDER BY at LIMIT 3)"
    " UNION SELECT begin FROM (SELECT begin FROM span ORDER BY begin LIMIT 3)) ORDER BY 1 LIMIT 2"
)
_DROP = (
    "DELETE FROM reading WHERE at < :at",
    "DELETE FROM points WHERE begin < :at",
    "DELETE FROM keyframe WHERE at < :at",
    "DELETE FROM span WHERE begin < :at AND (end <= :at OR EXISTS (SELECT 1 FROM span WHERE begin = :at))",
    "UPDATE span SET begin = :at WHERE begin < :at",
)
_UNUSED = "DELETE FROM figure WHERE id NOT IN (SELECT figure FROM points)"


class SetAside(JournalError):
    """What lay in the record's place lies beside it now: a new record can be begun."""


class FlightRecordWriter(RecordingWriter):
    """`crowded`: it is over its limit and holds one stretch alone; a new one should begin, so that it can be dropped.

    Everything here blocks, and raises JournalError.
    """

    format = FLIGHT_RECORD
    stops = "the flight record stands still"

    def __init__(self, file: Path, settings: Settings, console: str) -> None:
        rules = settings.recorder
        super().__init__(file, int(rules.limit_mb * 1e6), "", console)
        self._kept_ns = int(rules.hours * 3600e9)
        self._is_ours = not rules.file  # nobody has named the place: nothing of anybody else's lies there
        self._figures: dict[tuple[str, str], int] = {}
        self._commits = 0
        self.crowded = False

    @property
    def aside(self) -> Path:
        return self.file.with_name(self.file.name + ASIDE)

    def take(self) -> bool:
        """Become the recorder; False while another console is."""
        with self._explained():
            if not self._lock.acquire():
                return False
            self._connection = open_for_writing(self.file, self.format, time.monotonic() + PATIENCE_S)
            self._inode = os.lstat(self.file)
            self._read_on(self._connection)
            self._forget_aside()
        return True

    def set_aside(self, why: str) -> None:
        """Begin anew with the next `take`, and keep what there is. Only the record's holder may call it.

        Raises SetAside with a sentence that says so, or another JournalError where it can't be done.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            for suffix in (JOURNAL, ""):  # which belong together
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{self.file}{suffix}", f"{self.aside}{suffix}")
        except OSError as error:
            raise JournalError(f"{self.stops}: {self.file}: can't be set aside: {sentence(error)}") from error
        finally:
            self.release()
        raise SetAside(f"{self.file}: {why}: it is kept as {self.aside.name}, and a new one is begun")

    def _read_on(self, connection: sqlite3.Connection) -> bool:
        connection.execute(_UNUSED)
        rows = connection.execute("SELECT id, metric, subject FROM figure LIMIT ?", (MOST_FIGURES,))
        self._figures = {(metric, subject): number for number, metric, subject in rows}
        ended = super()._read_on(connection)
        numbers = (self._span, self.end, *self._signals.values(), *self._figures.values())
        if not all(isinstance(number, int) for number in numbers):
            self.set_aside("holds what no flight record does")
        return ended

    def _commit(self, connection: sqlite3.Connection, turn: Turn) -> bool:
        self._insert(connection, turn)
        for metric, subject, packed in turn.points:
            number = self._figure(connection, metric, subject)
            if number is not None:
                connection.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", (turn.stretch, number, packed))
        dropped = self._drop(connection, turn.end)
        connection.execute("COMMIT")
        self._written(turn)
        self._span = max(self._span, dropped)
        self._shrink(connection)
        return True

    def _figure(self, connection: sqlite3.Connection, metric: str, subject: str) -> int | None:
        """Its number; None where there are too many figures already."""
        key = metric, subject
        if key not in self._figures and len(self._figures) < MOST_FIGURES:
            number = max(self._figures.values(), default=0) + 1
            connection.execute("INSERT INTO figure VALUES (?, ?, ?)", (number, metric, subject))
            self._figures[key] = number
        return self._figures.get(key)

    def _drop(self, connection: sqlite3.Connection, end: int) -> int:
        """Drop the oldest stretches that there is no room or no time for; what is left begins then, 0: as before."""
        self._commits += 1
        boundary, aged = 0, self._commits % AGED_EVERY == 0
        self.crowded = False
        for _ in range(MOST_DROPPED):
            full = self._used(connection) > FULL * self.limit
            if not (full or aged):
                break
            oldest = [at for (at,) in connection.execute(_OLDEST)]
            if len(oldest) < 2:
                self.crowded = full
                break
            if not full and oldest[1] > end - self._kept_ns:
                break
            boundary = oldest[1]
            for statement in _DROP:
                connection.execute(statement, {"at": boundary})
            aged = False
        return boundary

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Give some of the free pages back to the disk, where they are many or the file is larger than it may be."""
        pages, free = self._pragma(connection, "page_count"), self._pragma(connection, "freelist_count")
        if free and (free > MOST_FREE * pages or self._size(connection) > self.limit):
            connection.executescript(f"PRAGMA incremental_vacuum({VACUUMED})")  # a step a page: `execute` takes one

    def _used(self, connection: sqlite3.Connection) -> int:
        """Bytes of the pages that hold something."""
        return self._size(connection) - self._pragma(connection, "freelist_count") * self._pragma(
            connection, "page_size"
        )

    @staticmethod
    def _pragma(connection: sqlite3.Connection, name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _forget_aside(self) -> None:
        """What was set aside is kept for as long as a reading is."""
        with contextlib.suppress(FileNotFoundError):
            if time.time() - os.lstat(self.aside).st_mtime > self._kept_ns / 1e9:
                for suffix in (JOURNAL, ""):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(f"{self.aside}{suffix}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever fails lets another console record; what can't be used is set aside."""
        try:
            with super()._explained():
                try:
                    yield
                except ForeignFile as error:
                    if self._is_ours:
                        self.set_aside("is no flight record")
                    raise JournalError(f"{error}: it is left as it is: name another one in recorder.file") from error
                except LargeFile:
                    self.set_aside("is larger than any flight record")
                except sqlite3.DatabaseError as error:
                    if why := damage(error):
                        self.set_aside(why)
                    raise
        except SetAside:
            raise
        except JournalError as error:
            words = str(error)
            raise JournalError(words if words.startswith(self.stops) else f"{self.stops}: {words}") from error
