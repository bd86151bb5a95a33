"""Verifies that a journal is as it was written: nothing edited, missing, reordered, doubled or torn.

Four proofs: each line's id is a hash of the line; each writer's entries are counted and chained; each entry names its
predecessor in the file; a hidden file beside the journal keeps the last entry's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError, in_words
from ..text.sanitize import clean
from .entries import Entry, JournalProblem, Proof, Writer
from .files import remembered_last
from .layout import last_file
from .proofs import BY_ITSELF
from .reader import JournalScan, scan_file


def verify(file: Path) -> tuple[JournalProblem, ...]:
    """Everything wrong with one file of a journal, by line; () where it is as it was written. Raises JournalError."""
    return problems_of(file, scan_file(file), remembered(file))


@dataclass(frozen=True)
class RememberedEnd:
    """The id of the entry that was written last, "" where none is known; `unread` is why it can't be read."""

    id: str
    unread: JournalProblem | None = None


def remembered(file: Path) -> RememberedEnd:
    """What is remembered of the file's end. Read it before the file: an entry that is added meanwhile is there too."""
    try:
        return RememberedEnd(remembered_last(file))
    except (OSError, JournalError) as error:
        sentence = f"whether its end is missing is not known: {last_file(file).name} can't be read ({in_words(error)})"
        return RememberedEnd("", JournalProblem(line=0, what="unreadable", sentence=sentence))


def problems_of(file: Path, scan: JournalScan, end: RememberedEnd) -> tuple[JournalProblem, ...]:
    """The same, for a file that has been read."""
    problems = [*([end.unread] if end.unread else []), *scan.problems, *_chains(scan.lines)]
    if end.id and all(entry.id != end.id for _, entry in scan.lines):
        sentence = f"the last entry that was written here ({end.id[:8]}) is missing"
        problems.append(JournalProblem(line=scan.ends_at + 1, what="missing", sentence=sentence))
    return tuple(sorted(problems, key=lambda problem: problem.line))


def forged_lines(lines: Iterable[tuple[int, Entry]]) -> Iterator[JournalProblem]:
    """The entries that another than the one whom they name has written, and those that lack the signature that is
    demanded: what a console records by itself may wait for its next."""
    for line, entry in lines:
        waits = entry.proof is Proof.UNSIGNED and entry.kind in BY_ITSELF and not entry.sig
        if not entry.counts and entry.intact and not waits:
            who = f"{entry.writer}@{clean(entry.writer.host, 100)}"
            yield JournalProblem(line=line, what=str(entry.proof), sentence=f"names {who}: {entry.doubt}")


def _chains(lines: tuple[tuple[int, Entry], ...]) -> Iterator[JournalProblem]:
    first: dict[str, int] = {}
    places: dict[tuple[Writer, int], tuple[int, Entry]] = {}
    for line, entry in lines:
        first.setdefault(entry.id, line)
        places.setdefault((entry.writer, entry.seq), (line, entry))
    for line, entry in lines:
        if not entry.intact:
            yield JournalProblem(line=line, what="edited", sentence="this line was changed after it was written")
        elif first[entry.id] != line:
            yield JournalProblem(line=line, what="duplicated", sentence=f"line {first[entry.id]} stands here once more")
        elif problem := _before(line, entry, first) or _own_before(line, entry, places):
            yield problem


def _before(line: int, entry: Entry, first: dict[str, int]) -> JournalProblem | None:
    """What is wrong with the entry that stood last in the file when this one was written."""
    if not entry.after or first.get(entry.after, line) < line:
        return None
    if entry.after in first:
        return JournalProblem(
            line=line, what="reordered", sentence=f"line {first[entry.after]} was written before this one"
        )
    return JournalProblem(
        line=line, what="missing", sentence=f"the entry before this line ({entry.after[:8]}) is missing"
    )


def _own_before(line: int, entry: Entry, places: dict[tuple[Writer, int], tuple[int, Entry]]) -> JournalProblem | None:
    """What is wrong with the same writer's entry before this one."""
    own_line, _ = places[entry.writer, entry.seq]
    if own_line != line:
        sentence = f"entry {entry.seq} of {entry.writer} already stands in line {own_line}, and is another"
        return JournalProblem(line=line, what="edited", sentence=sentence)
    if entry.seq == 1:
        return None
    if (entry.writer, entry.seq - 1) not in places:
        sentence = f"entry {entry.seq - 1} of {entry.writer} is missing before this line"
        return JournalProblem(line=line, what="missing", sentence=sentence)
    before_line, before = places[entry.writer, entry.seq - 1]
    if before_line > line:
        sentence = f"line {before_line} of the same console was written before this one"
        return JournalProblem(line=line, what="reordered", sentence=sentence)
    if before.intact and before.digest != entry.prev:
        return JournalProblem(line=line, what="edited", sentence=f"this line does not follow from line {before_line}")
    return None
