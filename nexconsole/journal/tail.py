"""Follows a growing journal."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from ..errors import JournalError
from ..storage.plain_files import not_plain, open_plain, reason
from .entries import MAX_LINE, Entries, Entry, JournalProblem
from .files import MAX_FILE
from .reader import MOST_LINES, SETTLE_S, scan, too_large, unreadable


class Tail:
    """A growing journal. A line counts once its end is written; no entry is returned twice.

    What can't be read is reported once per line; a last line that stays without its end is torn. A missing file is
    empty; a replaced or shortened one is read again. A line longer than any entry is skipped.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.owner: os.stat_result | None = None  # the file, as it was read last
        self.given: set[str] = set()  # the ids of all that it gave; of a line that was changed, its hash
        self._begin(None)

    def _begin(self, file: tuple[int, int] | None) -> None:
        self._read_file = file  # device and inode
        self._read_to = 0
        self._lines = 0
        self._told: set[int] = set()  # the lines that can't be read
        self._rest, self._rest_since = b"", 0.0  # what came after the last line's end
        self._passing = False  # whether what comes next belongs to a line that is passed over
        self._nothing_at: tuple[int, int] | None = None  # size and time of change at which nothing is left to be told

    def poll(self) -> Entries:
        """What came since the last call: one lstat() where nothing did. Raises JournalError."""
        try:
            seen = self.file.lstat()
            if what := not_plain(seen.st_mode):
                raise JournalError(f"{self.file}: {what}")
            if (seen.st_dev, seen.st_ino) != self._read_file or seen.st_size < self._read_to:
                self._begin((seen.st_dev, seen.st_ino))
            mark = (seen.st_size, seen.st_mtime_ns)
            if seen.st_size == self._read_to or mark == self._nothing_at or self._lines >= MOST_LINES:
                return Entries()
            with open(open_plain(self.file, os.O_RDONLY), "rb") as opened:
                self.owner = os.fstat(opened.fileno())
                opened.seek(self._read_to)
                added = opened.read(max(0, MAX_FILE - self._read_to))
        except FileNotFoundError:
            return Entries()
        except OSError as error:
            raise JournalError(f"{self.file}: can't be read: {reason(error)}") from error
        whole, rest = self._parted(added)
        read = scan(whole, self._lines)
        self._lines = read.ends_at
        new = [(entry.id if entry.intact else entry.digest, entry) for _, entry in read.lines]
        new = [(key, entry) for key, entry in new if key not in self.given]
        self.given.update(key for key, _ in new)
        torn = self._torn(rest)
        journal_problems = [*read.problems, *torn, *self._over(seen.st_size)]
        if torn or len(self._rest) == 0:
            self._nothing_at = mark
        problems = tuple(problem for problem in journal_problems if problem.line not in self._told)
        self._told.update(problem.line for problem in problems)
        return Entries(entries=tuple(entry for _, entry in new), problems=problems)

    def _parted(self, added: bytes) -> tuple[bytes, bytes]:
        """The whole lines, and what came after the last one's end."""
        if self._passing:
            end = added.find(b"\n")
            self._read_to += end + 1 if end >= 0 else len(added)
            if end < 0:
                return b"", b""
            added, self._passing = added[end + 1 :], False
            self._lines += 1
        place = added.rfind(b"\n") + 1
        whole, rest = added[:place], added[place:]
        self._read_to += len(whole)
        if len(rest) > MAX_LINE:
            self._read_to += len(rest)
            self._passing = True
        return whole, rest

    def _over(self, size: int) -> tuple[JournalProblem, ...]:
        """Whether the file has outgrown what is read of a journal."""
        return (too_large(self._lines + 2, size),) if size > MAX_FILE and self._read_to >= MAX_FILE else ()

    def _torn(self, rest: bytes) -> tuple[JournalProblem, ...]:
        """A last line without its end, once it has been left so for longer than a writer takes."""
        if self._passing:
            self._rest = b""
            sentence = f"is not an entry: longer than {MAX_LINE} bytes"
            return (JournalProblem(line=self._lines + 1, what="unreadable", sentence=sentence),)
        if rest != self._rest:
            self._rest, self._rest_since = rest, time.monotonic()
        if not rest or time.monotonic() - self._rest_since < SETTLE_S:
            return ()
        return scan(rest, self._lines).problems


def follow(file: Path, every: float = 0.25) -> AsyncIterator[Entries]:
    """What the journal holds, then what is added, seen within `every` seconds and a little. Never ends.

    Trouble with the file comes as a Problem of line 0, once, and following goes on.
    """
    tail = Tail(file)
    return followed(lambda: [tail], every)


async def followed(tails: Callable[[], Sequence[Tail]], every: float) -> AsyncIterator[Entries]:
    """The same for several files: what came in all of them since, together. Of two files the one is read though the
    other can't be."""
    said: dict[Path, str] = {}
    while True:
        entries: list[Entry] = []
        problems: list[JournalProblem] = []
        for tail in await asyncio.to_thread(tails):
            try:
                found = await asyncio.to_thread(tail.poll)
                said.pop(tail.file, None)
            except JournalError as error:
                repeated, said[tail.file] = said.get(tail.file) == str(error), str(error)
                found = Entries() if repeated else unreadable(error)
            entries += found.entries
            problems += found.problems
        if entries or problems:
            yield Entries(entries=tuple(entries), problems=tuple(problems))
        await asyncio.sleep(every)
