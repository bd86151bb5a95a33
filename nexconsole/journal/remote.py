"""Entries from consoles of other hosts, beside this folder's own.

`INC-20261123-1342.jsonl.elsewhere` holds the same lines in order of arrival. An incident is the union of both files.
Everything here blocks but `follow_incident`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import JournalError
from ..storage.plain_files import read_plain, reason
from .entries import Entries, Entry, JournalProblem, Writer, decode
from .files import ELSEWHERE, MAX_FILE, locked, read_between, refuse_large
from .reader import read, scan_file, unreadable
from .tail import Tail, followed
from .verify import verify
from .writer import write_synced

_ID = slice(7, 39)  # where a line has its id


def remote_file(journal: Path) -> Path:
    """Where the entries of other hosts lie, beside an incident's journal."""
    return journal.with_name(journal.name + ELSEWHERE)


def parse_remote_entry(line: bytes) -> Entry:
    """The entry that came from another host as this line. Raises ValueError for what no console wrote."""
    if b"\n" in line or b"\r" in line:
        raise ValueError("is more than a line")
    entry = decode(line)
    if not entry.intact:
        raise ValueError("was changed after it was written")
    return entry


def import_entries(journal: Path, lines: Iterable[bytes], lock_timeout_s: float = 3.0) -> tuple[Entry, ...]:
    """Keep these entries of other hosts durably, each once; which of them are new here.

    Lines that no console wrote are left out. Raises JournalError: then none is kept.
    """
    entries: dict[str, Entry] = {}
    for line in lines:
        with contextlib.suppress(ValueError):
            entry = parse_remote_entry(line)
            entries[entry.id] = entry
    if not entries:
        return ()
    file = remote_file(journal)
    try:
        with locked(file, lock_timeout_s) as descriptor:
            size = os.fstat(descriptor).st_size
            refuse_large(file, size)
            held = read_between(descriptor, 0, size)
            known = _whole(entries, held) | _whole(entries, _text(journal))
            new = [entry for id, entry in entries.items() if id not in known]
            if new:
                torn = b"\n" if held and not held.endswith(b"\n") else b""
                write_synced(descriptor, size, torn + b"".join(entry.line + b"\n" for entry in new))
    except OSError as error:
        raise JournalError(f"{file}: can't be written: {reason(error)}") from error
    return tuple(new)


def _whole(entries: Mapping[str, Entry], text: bytes) -> set[str]:
    """The ids of those of the entries that stand in the text whole: half of one is none."""
    wanted = {id.encode() for id in entries}
    found: set[str] = set()
    for line in text.split(b"\n"):
        if line[_ID] in wanted:
            with contextlib.suppress(ValueError):
                found.add(parse_remote_entry(line).id)
    return found


def _text(journal: Path) -> bytes:
    """What the consoles of this folder wrote; nothing where they have not yet."""
    try:
        return read_plain(journal, MAX_FILE)
    except FileNotFoundError:
        return b""


def read_incident(journal: Path) -> Entries:
    """Every entry of this folder's consoles and of other hosts', with what could not be read. Raises JournalError
    where neither can be."""
    other = remote_file(journal)
    if not os.path.lexists(other):
        return read(journal)
    if not os.path.lexists(journal):
        here = Entries()
    else:
        here = _read_or_said(journal)
    there = _read_or_said(other)
    if not (here.entries or there.entries) and any(problem.line == 0 for problem in (*here.problems, *there.problems)):
        raise JournalError(next(problem.sentence for problem in (*here.problems, *there.problems) if problem.line == 0))
    problems = tuple(
        replace(problem, sentence=f"({other.name}) {problem.sentence}") if problem.line else problem
        for problem in there.problems
    )
    return Entries(entries=here.entries + there.entries, problems=here.problems + problems)


def _read_or_said(file: Path) -> Entries:
    try:
        return read(file)
    except JournalError as error:
        return unreadable(error)


def follow_incident(journal: Path, every: float = 0.25) -> AsyncIterator[Entries]:
    """As `follow`, for what this folder's consoles and other hosts' write."""
    return followed((Tail(journal), Tail(remote_file(journal))), every)


def verify_incident(journal: Path) -> dict[Path, tuple[JournalProblem, ...]]:
    """Everything wrong with the journal and with what came from other hosts, by file; that it can't be read, too.
    Raises JournalError where there is neither."""
    other = remote_file(journal)
    if not os.path.lexists(other) and not os.path.lexists(journal):
        raise JournalError(f"{journal}: there is no such journal")
    found: dict[Path, tuple[JournalProblem, ...]] = {}
    own: set[str] = set()
    if os.path.lexists(journal):
        try:
            found[journal] = verify(journal)
            own = {entry.id for entry in read(journal).entries}
        except JournalError as error:
            found[journal] = unreadable(error).problems
    if os.path.lexists(other):
        try:
            found[other] = tuple(_other_problems(other, own))
        except JournalError as error:
            found[other] = unreadable(error).problems
    return found


def _other_problems(file: Path, own: set[str]) -> Iterator[JournalProblem]:
    """Each entry must be as it was written, here once, and follow from its writer's entry before it.

    In which order they came, and what stood before them in their own file, says nothing.
    """
    scan = scan_file(file)
    yield from scan.problems
    first: dict[str, int] = {}
    places: dict[tuple[Writer, int], tuple[int, Entry]] = {}
    for line, entry in scan.lines:
        first.setdefault(entry.id, line)
        if entry.intact:
            places.setdefault((entry.writer, entry.seq), (line, entry))
    for line, entry in scan.lines:
        if not entry.intact:
            yield JournalProblem(line=line, what="edited", sentence="this line was changed after it was written")
        elif first[entry.id] != line:
            yield JournalProblem(line=line, what="duplicated", sentence=f"line {first[entry.id]} stands here once more")
        elif entry.id in own:
            yield JournalProblem(line=line, what="duplicated", sentence="this folder's own journal has this entry")
        elif (twin := places[entry.writer, entry.seq])[0] != line:
            sentence = f"entry {entry.seq} of {entry.writer} already stands in line {twin[0]}, and is another"
            yield JournalProblem(line=line, what="edited", sentence=sentence)
        elif entry.seq > 1:
            before = places.get((entry.writer, entry.seq - 1))
            if before is None:
                sentence = f"entry {entry.seq - 1} of {entry.writer} never came here"
                yield JournalProblem(line=line, what="missing", sentence=sentence)
            elif before[1].digest != entry.prev:
                sentence = f"this line does not follow from line {before[0]}"
                yield JournalProblem(line=line, what="edited", sentence=sentence)
