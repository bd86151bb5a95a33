"""Read a journal, whole or as it grows, and lay several together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import JournalError
from .entries import MAX_LINE, Entries, Entry, Kind, Problem, decode
from .files import MAX_FILE, RETRY_S, not_plain, open_plain, reason
from .processes import Life, life

_SETTLE_S = 1.0  # how long a line that has no end yet may take its writer
MOST_LINES = 1_000_000  # of a file; of more no console could hold the entries
MOST_PROBLEMS = 100  # of a file that are told one by one


@dataclass(frozen=True)
class Scan:
    """The entries with their line numbers, what could not be read, and how many lines there are."""

    lines: tuple[tuple[int, Entry], ...]
    problems: tuple[Problem, ...]
    ends_at: int


def scan(text: bytes, before: int = 0) -> Scan:
    """Read these lines; `before` is how many came before them. A last line without its end is read as well."""
    lines: list[tuple[int, Entry]] = []
    problems: list[Problem] = []
    number, more = before, 0
    for number, line in enumerate(_split(text, MOST_LINES - before), before + 1):
        if not line.strip():
            continue
        try:
            lines.append((number, decode(line)))
        except ValueError as error:
            if len(problems) < MOST_PROBLEMS:
                problems.append(_unreadable(number, line, str(error)))
            else:
                more += 1
    if more:
        problems.append(Problem(line=number, what="unreadable", sentence=f"and {more} lines before it are no entries"))
    if number >= MOST_LINES:
        sentence = f"what stands after {MOST_LINES} lines is not read: move the file away"
        problems.append(Problem(line=number, what="unreadable", sentence=sentence))
    return Scan(tuple(lines), tuple(problems), number)


def _split(text: bytes, most: int) -> Iterator[bytes]:
    """The lines, `most` of them at the most, without making all of them at once."""
    start = 0
    while start < len(text) and most > 0:
        end = text.find(b"\n", start)
        end = end if end >= 0 else len(text)
        yield text[start:end]
        start, most = end + 1, most - 1


def _unreadable(number: int, line: bytes, said: str) -> Problem:
    if line.startswith(b'{"id":"') and not line.endswith(b"}"):
        sentence = f"torn after {len(line)} bytes: its console or its disk stopped in the middle of writing"
        return Problem(line=number, what="torn", sentence=sentence)
    return Problem(line=number, what="unreadable", sentence=f"is not an entry: {said}")


def scan_file(file: Path) -> Scan:
    """Read the whole file, up to what a journal may hold. Raises JournalError."""
    try:
        with open(open_plain(file, os.O_RDONLY), "rb") as opened:
            text = opened.read(MAX_FILE)
            if text and len(text) < MAX_FILE and not text.endswith(b"\n"):
                with _settled(opened.fileno()):
                    opened.seek(0)
                    text = opened.read(MAX_FILE)
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError as error:
        raise JournalError(f"{file}: there is no such journal") from error
    except OSError as error:
        raise JournalError(f"{file}: can't be read: {reason(error)}") from error
    found = scan(text)
    if size > MAX_FILE:
        return replace(found, problems=(*found.problems, _too_large(found.ends_at, size)))
    return found


def _too_large(line: int, size: int) -> Problem:
    sentence = f"the file has {size >> 20} MiB; what stands after {MAX_FILE >> 20} is not read: move it away"
    return Problem(line=line, what="unreadable", sentence=sentence)


@contextlib.contextmanager
def _settled(descriptor: int) -> Iterator[None]:
    """Keep writers out, once the one that may be in the middle of the last line is through; not waiting for long."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(RETRY_S)
    yield
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def read(file: Path) -> Entries:
    """Every entry in the order of the file, with what could not be read. Raises JournalError."""
    found = scan_file(file)
    return Entries(entries=tuple(entry for _, entry in found.lines), problems=found.problems)


class Tail:
    """A journal as it grows. A line counts once its end is written; no entry is given twice.

    What can't be read is told once a line; a last line that stays without its end is torn. A file that isn't there
    yet is empty; one that was replaced or cut short is read anew. A line that is longer than any entry is passed over.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
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
        found = [*read.problems, *torn, *self._over(seen.st_size)]
        if torn or len(self._rest) == 0:
            self._nothing_at = mark
        problems = tuple(one for one in found if one.line not in self._told)
        self._told.update(one.line for one in problems)
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

    def _over(self, size: int) -> tuple[Problem, ...]:
        """Whether the file has outgrown what is read of a journal."""
        return (_too_large(self._lines + 2, size),) if size > MAX_FILE and self._read_to >= MAX_FILE else ()

    def _torn(self, rest: bytes) -> tuple[Problem, ...]:
        """A last line without its end, once it has been left so for longer than a writer takes."""
        if self._passing:
            self._rest = b""
            sentence = f"is not an entry: longer than {MAX_LINE} bytes"
            return (Problem(line=self._lines + 1, what="unreadable", sentence=sentence),)
        if rest != self._rest:
            self._rest, self._rest_since = rest, time.monotonic()
        if not rest or time.monotonic() - self._rest_since < _SETTLE_S:
            return ()
        return scan(rest, self._lines).problems


def follow(file: Path, every: float = 0.25) -> AsyncIterator[Entries]:
    """What the journal holds, then what is added, seen within `every` seconds and a little. Never ends.

    Trouble with the file comes as a Problem of line 0, once, and following goes on.
    """
    return followed((Tail(file),), every)


async def followed(tails: Sequence[Tail], every: float) -> AsyncIterator[Entries]:
    """The same for several files: what came in all of them since, together. Of two files the one is read though the
    other can't be."""
    said: dict[Path, str] = {}
    while True:
        entries: list[Entry] = []
        problems: list[Problem] = []
        for tail in tails:
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


def unreadable(error: JournalError) -> Entries:
    """What a file that can't be read holds for whoever reads others besides."""
    return Entries(problems=(Problem(line=0, what="unreadable", sentence=str(error)),))


def merge(*journals: Iterable[Entry]) -> tuple[Entry, ...]:
    """The union by id, in the order of the entries' `order`, then of (at, writer, seq): the same in whatever order
    entries arrive, or how often, and what was read before something was written stands before it."""
    union: dict[str, Entry] = {}
    for entries in journals:
        for entry in entries:
            other = union.get(entry.id)
            if other is None or _rank(entry) < _rank(other):
                union[entry.id] = entry
    return tuple(sorted(union.values(), key=lambda one: (one.order, one.at, one.writer, one.seq, one.id)))


def better(entry: Entry, other: Entry) -> bool:
    """Whether, of two lines with one id, this is the one that counts."""
    return _rank(entry) < _rank(other)


def _rank(entry: Entry) -> tuple[bool, bytes]:
    """Of two lines with one id the intact one counts."""
    return not entry.intact, entry.line


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """An intent without an outcome, or with one (`outcome`: done or unknown) that nobody has judged.

    RUNNING: its console may still be at it. GONE: its effect must be checked.
    """

    entry: Entry
    life: Life
    outcome: Entry | None = None


def unfinished(entries: Iterable[Entry]) -> tuple[Unfinished, ...]:
    """The intents that no outcome names, with whether their console still runs."""
    entries = tuple(entries)
    ended = {str(entry.data.get("intent")) for entry in entries if entry.kind == Kind.OUTCOME}
    return tuple(
        Unfinished(entry=entry, life=_life(entry))
        for entry in entries
        if entry.kind == Kind.INTENT and entry.id not in ended
    )


def unjudged(entries: Iterable[Entry]) -> tuple[Unfinished, ...]:
    """The intents whose outcome called for a verdict that is not there, with whether their console still runs.

    A verdict, an undo, and what a person found by looking (another writer's outcome) settle it.
    """
    entries = tuple(entries)
    begun = {entry.id: entry for entry in entries if entry.kind == Kind.INTENT}
    left: dict[str, Entry] = {}
    settled: set[str] = set()
    for entry in entries:
        intent = begun.get(str(entry.data.get("intent")))
        if intent is None:
            continue
        if entry.kind == Kind.OUTCOME and entry.writer == intent.writer and _open(entry):
            left[intent.id] = entry
        elif entry.kind in (Kind.OUTCOME, Kind.VERDICT, Kind.UNDO):
            settled.add(intent.id)
    return tuple(
        Unfinished(entry=begun[id], life=_life(begun[id]), outcome=outcome)
        for id, outcome in left.items()
        if id not in settled
    )


def _open(outcome: Entry) -> bool:
    """Whether it is watched what comes of it: what was refused or failed is not."""
    said = outcome.data.get("outcome")
    return isinstance(said, dict) and said.get("state") in ("done", "unknown")


def _life(entry: Entry) -> Life:
    writer = entry.writer
    return life(writer.host, writer.pid, writer.start, socket.gethostname())
