"""Reads journals, and finds intents without an end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import JournalError
from ..storage.plain_files import open_plain, reason
from .entries import Entries, Entry, EntryKind, JournalProblem, decode
from .files import MAX_FILE, RETRY_S
from .processes import Life, life
from .ranking import counted

SETTLE_S = 1.0  # how long a line that has no end yet may take its writer
MOST_LINES = 1_000_000  # of a file; of more no console could hold the entries
MOST_PROBLEMS = 100  # of a file that are told one by one


@dataclass(frozen=True)
class JournalScan:
    """The entries with their line numbers, what could not be read, and how many lines there are."""

    lines: tuple[tuple[int, Entry], ...]
    problems: tuple[JournalProblem, ...]
    ends_at: int
    owner: os.stat_result | None = None  # the file, as it was read

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(entry for _, entry in self.lines)


def scan(text: bytes, before: int = 0) -> JournalScan:
    """Read these lines; `before` is how many came before them. A last line without its end is read as well."""
    lines: list[tuple[int, Entry]] = []
    problems: list[JournalProblem] = []
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
        problems.append(
            JournalProblem(line=number, what="unreadable", sentence=f"and {more} lines before it are no entries")
        )
    if number >= MOST_LINES:
        sentence = f"what stands after {MOST_LINES} lines is not read: move the file away"
        problems.append(JournalProblem(line=number, what="unreadable", sentence=sentence))
    return JournalScan(tuple(lines), tuple(problems), number)


def _split(text: bytes, most: int) -> Iterator[bytes]:
    """The lines, `most` of them at the most, without making all of them at once."""
    start = 0
    while start < len(text) and most > 0:
        end = text.find(b"\n", start)
        end = end if end >= 0 else len(text)
        yield text[start:end]
        start, most = end + 1, most - 1


def _unreadable(number: int, line: bytes, said: str) -> JournalProblem:
    if line.startswith(b'{"id":"') and not line.endswith(b"}"):
        sentence = f"torn after {len(line)} bytes: its console or its disk stopped in the middle of writing"
        return JournalProblem(line=number, what="torn", sentence=sentence)
    return JournalProblem(line=number, what="unreadable", sentence=f"is not an entry: {said}")


def scan_file(file: Path) -> JournalScan:
    """Read the whole file, up to what a journal may hold. Raises JournalError."""
    try:
        with open(open_plain(file, os.O_RDONLY), "rb") as opened:
            text = opened.read(MAX_FILE)
            if text and len(text) < MAX_FILE and not text.endswith(b"\n"):
                with _settled(opened.fileno()):
                    opened.seek(0)
                    text = opened.read(MAX_FILE)
            found = os.fstat(opened.fileno())
    except FileNotFoundError as error:
        raise JournalError(f"{file}: there is no such journal") from error
    except OSError as error:
        raise JournalError(f"{file}: can't be read: {reason(error)}") from error
    journal_scan = replace(scan(text), owner=found)
    if found.st_size > MAX_FILE:
        problems = (*journal_scan.problems, too_large(journal_scan.ends_at, found.st_size))
        return replace(journal_scan, problems=problems)
    return journal_scan


def too_large(line: int, size: int) -> JournalProblem:
    sentence = f"the file has {size >> 20} MiB; what stands after {MAX_FILE >> 20} is not read: move it away"
    return JournalProblem(line=line, what="unreadable", sentence=sentence)


@contextlib.contextmanager
def _settled(descriptor: int) -> Iterator[None]:
    """Keep writers out, once the one that may be in the middle of the last line is through; not waiting for long."""
    deadline = time.monotonic() + SETTLE_S
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
    journal_scan = scan_file(file)
    return Entries(entries=journal_scan.entries, problems=journal_scan.problems)


def unreadable(error: JournalError) -> Entries:
    """An unreadable journal, for callers that read others too."""
    return Entries(problems=(JournalProblem(line=0, what="unreadable", sentence=str(error)),))


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
    entries = counted(entries)
    ended = {str(entry.data.get("intent")) for entry in entries if entry.kind == EntryKind.OUTCOME}
    return tuple(
        Unfinished(entry=entry, life=_life(entry))
        for entry in entries
        if entry.kind == EntryKind.INTENT and entry.id not in ended
    )


def unjudged(entries: Iterable[Entry]) -> tuple[Unfinished, ...]:
    """The intents whose outcome called for a verdict that is not there, with whether their console still runs.

    A verdict, an undo, and what a person found by looking (another writer's outcome) settle it.
    """
    entries = counted(entries)
    begun = {entry.id: entry for entry in entries if entry.kind == EntryKind.INTENT}
    left: dict[str, Entry] = {}
    settled: set[str] = set()
    for entry in entries:
        intent = begun.get(str(entry.data.get("intent")))
        if intent is None:
            continue
        if entry.kind == EntryKind.OUTCOME and entry.writer == intent.writer and _open(entry):
            left[intent.id] = entry
        elif entry.kind in (EntryKind.OUTCOME, EntryKind.VERDICT, EntryKind.UNDO):
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
