"""Read a journal, whole or as it grows, and lay several together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError
from .entries import Entries, Entry, Kind, Problem, decode
from .files import RETRY_S, open_plain
from .processes import Life, life

_SETTLE_S = 1.0  # how long a line that has no end yet may take its writer


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
    split = text.split(b"\n")
    if not split[-1]:
        split.pop()
    for number, line in enumerate(split, before + 1):
        if not line.strip():
            continue
        try:
            lines.append((number, decode(line)))
        except ValueError as error:
            problems.append(_unreadable(number, line, str(error)))
    return Scan(tuple(lines), tuple(problems), before + len(split))


def _unreadable(number: int, line: bytes, said: str) -> Problem:
    if line.startswith(b'{"id":"') and not line.endswith(b"}"):
        sentence = f"torn after {len(line)} bytes: its console or its disk stopped in the middle of writing"
        return Problem(line=number, what="torn", sentence=sentence)
    return Problem(line=number, what="unreadable", sentence=f"is not an entry: {said}")


def scan_file(file: Path) -> Scan:
    """Read the whole file. Raises JournalError."""
    try:
        with open(open_plain(file, os.O_RDONLY), "rb") as opened:
            text = opened.read()
            if text and not text.endswith(b"\n"):
                with _settled(opened.fileno()):
                    opened.seek(0)
                    text = opened.read()
    except FileNotFoundError as error:
        raise JournalError(f"{file}: there is no such journal") from error
    except OSError as error:
        raise JournalError(f"{file}: can't be read: {(error.strerror or str(error)).lower()}") from error
    return scan(text)


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
    yet is empty; one that was replaced or cut short is read anew.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read_file: tuple[int, int] | None = None
        self._read_to = 0
        self._lines = 0
        self.given: set[str] = set()  # the ids of all that it gave
        self._told: set[int] = set()  # the lines that can't be read
        self._rest, self._rest_since = b"", 0.0  # what came after the last line's end

    def poll(self) -> Entries:
        """What came since the last call: one stat() where nothing did. Raises JournalError."""
        try:
            seen = self.file.stat()
            if (seen.st_dev, seen.st_ino) != self._read_file or seen.st_size < self._read_to:
                self._read_file, self._read_to, self._lines = (seen.st_dev, seen.st_ino), 0, 0
                self._told.clear()
            if seen.st_size == self._read_to:
                return Entries()
            with open(open_plain(self.file, os.O_RDONLY), "rb") as opened:
                opened.seek(self._read_to)
                added = opened.read()
        except FileNotFoundError:
            return Entries()
        except OSError as error:
            raise JournalError(f"{self.file}: can't be read: {(error.strerror or str(error)).lower()}") from error
        whole = added[: added.rfind(b"\n") + 1]
        read = scan(whole, self._lines)
        self._read_to += len(whole)
        self._lines = read.ends_at
        new = [entry for _, entry in read.lines if entry.id not in self.given]
        self.given.update(entry.id for entry in new)
        found = [*read.problems, *self._torn(added[len(whole) :])]
        problems = tuple(one for one in found if one.line not in self._told)
        self._told.update(one.line for one in problems)
        return Entries(entries=tuple(new), problems=problems)

    def _torn(self, rest: bytes) -> tuple[Problem, ...]:
        """A last line without its end, once it has been left so for longer than a writer takes."""
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
    """The same for several files: what came in all of them since, together."""
    said = ""
    while True:
        found: list[Entries] = []
        try:
            for tail in tails:
                found.append(await asyncio.to_thread(tail.poll))
            said = ""
        except JournalError as error:
            repeated, said = str(error) == said, str(error)
            if not repeated:
                found.append(Entries(problems=(Problem(line=0, what="unreadable", sentence=said),)))
        together = Entries(
            entries=tuple(entry for one in found for entry in one.entries),
            problems=tuple(problem for one in found for problem in one.problems),
        )
        if together.entries or together.problems:
            yield together
        await asyncio.sleep(every)


def merge(*journals: Iterable[Entry]) -> tuple[Entry, ...]:
    """The union by id, ordered by (at, writer, seq): the same in whatever order entries arrive, or how often."""
    union: dict[str, Entry] = {}
    for entries in journals:
        for entry in entries:
            other = union.get(entry.id)
            if other is None or _rank(entry) < _rank(other):
                union[entry.id] = entry
    return tuple(sorted(union.values(), key=lambda entry: (entry.at, entry.writer, entry.seq, entry.id)))


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
