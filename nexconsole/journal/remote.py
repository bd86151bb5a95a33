"""A journal as the union of its files: what this folder's consoles wrote, and what came from other hosts.

`INC-20261123-1342/maria.elsewhere` holds other hosts' entries as maria's consoles took them over, in order of arrival.
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
from .accounts import own_account
from .entries import Entries, Entry, JournalProblem, Writer, decode
from .files import MAX_FILE, locked_own, read_between, refuse_large
from .heads import against_heads
from .layout import ELSEWHERE, JournalPart, file_for, parts_folder, parts_of
from .proofs import FileOwner, Prover
from .reader import JournalScan, scan_file, unreadable
from .tail import Tail, followed
from .verify import RememberedEnd, forged_lines, problems_of, remembered
from .writer import write_synced

_ID = slice(7, 39)  # where a line has its id


def remote_file(journal: Path) -> Path:
    """Where this account's consoles keep what comes from other hosts. Raises JournalError."""
    return file_for(journal, ELSEWHERE, own_account())


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
        with locked_own(file, lock_timeout_s) as descriptor:
            size = os.fstat(descriptor).st_size
            refuse_large(file, size)
            held = read_between(descriptor, 0, size)
            known = _whole(entries, held)
            for part in parts_of(journal):
                if part.file != file and len(known) < len(entries):
                    known |= _whole(entries, _text(part.file))
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


def _text(file: Path) -> bytes:
    """What stands in another file of the journal; nothing where it can't be read: then it is kept once more."""
    try:
        return read_plain(file, MAX_FILE)
    except (OSError, JournalError):
        return b""


def read_incident(journal: Path, prover: Prover | None = None) -> Entries:
    """Every entry of the journal's files, forged ones too, with what proves it and with what could not be read. Raises
    JournalError where nothing can be. Without a prover no signature is checked."""
    prover = prover or Prover()
    parts = parts_of(journal)
    if not parts and not parts_folder(journal).is_dir():
        raise JournalError(f"{journal}: there is no such journal")
    entries: list[Entry] = []
    problems: list[JournalProblem] = []
    unread: list[str] = []
    for part in parts:
        try:
            entries += _proved(journal.stem, part, scan := scan_file(part.file), prover)
        except JournalError as error:
            unread.append(str(error))
            problems += unreadable(error).problems
            continue
        among = f"({part.file.name}) " if part.file != journal and len(parts) > 1 else ""
        problems += [replace(problem, sentence=f"{among}{problem.sentence}") for problem in scan.problems]
    if unread and not entries:
        raise JournalError(unread[0])
    return Entries(entries=prover.settled(entries), problems=tuple(problems))


def _proved(name: str, part: JournalPart, scan: JournalScan, prover: Prover) -> tuple[Entry, ...]:
    """What a file holds, each entry with what is known of it at once."""
    if scan.owner is None:
        return scan.entries
    return prover.prove(name, part.origin, FileOwner.of(part.file, scan.owner), scan.entries)


def follow_incident(journal: Path, every: float = 0.25) -> AsyncIterator[Entries]:
    """As `follow`, for what this folder's consoles and other hosts' write."""
    tails: dict[Path, Tail] = {}

    def there() -> list[Tail]:
        for part in parts_of(journal):
            tails.setdefault(part.file, Tail(part.file))
        return list(tails.values())

    return followed(there, every)


def verify_incident(journal: Path, prover: Prover | None = None) -> dict[Path, tuple[JournalProblem, ...]]:
    """Everything wrong with each file of the journal, that it can't be read, too. Against the entries that other
    consoles say that they have read (heads), what is missing or was rewritten is found as well. Raises JournalError
    where there is no such journal."""
    prover = prover or Prover()
    parts = parts_of(journal)
    if not parts and not parts_folder(journal).is_dir():
        raise JournalError(f"{journal}: there is no such journal")
    found: dict[Path, list[JournalProblem]] = {}
    scans: dict[JournalPart, JournalScan] = {}
    own: set[str] = set()
    ends: dict[JournalPart, RememberedEnd] = {}
    for part in parts:
        found[part.file] = []
        ends[part] = remembered(part.file)
        try:
            scan = scan_file(part.file)
            proved = _proved(journal.stem, part, scan, prover)
            lines = tuple((number, entry) for (number, _), entry in zip(scan.lines, proved, strict=True))
            scans[part] = replace(scan, lines=lines)
        except JournalError as error:
            found[part.file] += unreadable(error).problems
            continue
        if not part.file.name.endswith(ELSEWHERE):
            own |= {entry.id for entry in scan.entries}
    settled = iter(prover.settled(entry for scan in scans.values() for entry in scan.entries))
    for part, scan in scans.items():
        scans[part] = replace(scan, lines=tuple((number, next(settled)) for number, _ in scan.lines))
    held = _digests(entry for scan in scans.values() for entry in scan.entries)
    for part, scan in scans.items():
        elsewhere = part.file.name.endswith(ELSEWHERE)
        found[part.file] += _other_problems(scan, own, held) if elsewhere else problems_of(part.file, scan, ends[part])
        found[part.file] += forged_lines(scan.lines)
    for file, problem in against_heads(journal, scans):
        found.setdefault(file, []).append(problem)
    return {file: tuple(sorted(problems, key=lambda one: one.line)) for file, problems in found.items()}


def _digests(entries: Iterable[Entry]) -> dict[tuple[Writer, int], set[str]]:
    """The digests of the intact entries, by writer and number, in whichever file they stand."""
    held: dict[tuple[Writer, int], set[str]] = {}
    for entry in entries:
        if entry.intact:
            held.setdefault((entry.writer, entry.seq), set()).add(entry.digest)
    return held


def _other_problems(
    scan: JournalScan, own: set[str], held: Mapping[tuple[Writer, int], set[str]]
) -> Iterator[JournalProblem]:
    """Each entry must be as it was written, here once, and follow from its writer's entry before it, which another
    console of this folder may have taken over (`held`).

    In which order they came, and what stood before them in their own file, says nothing.
    """
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
            before = held.get((entry.writer, entry.seq - 1))
            if before is None:
                sentence = f"entry {entry.seq - 1} of {entry.writer} never came here"
                yield JournalProblem(line=line, what="missing", sentence=sentence)
            elif entry.prev not in before:
                there = places.get((entry.writer, entry.seq - 1))
                sentence = f"this line does not follow from {f'line {there[0]}' if there else 'the one before it'}"
                yield JournalProblem(line=line, what="edited", sentence=sentence)
