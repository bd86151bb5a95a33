"""Reads what came to the files of every journal since the last look, with what proves each entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..errors import JournalError
from ..journal import Entries, Entry, FileOwner, JournalPart, JournalWatch, Origin, Prover, Tail, Writer, journal_folder
from ..journal.accounts import own_uid
from ..journal.layout import ELSEWHERE, JOURNAL
from ..settings import Settings
from ..storage.plain_files import not_plain


@dataclass(frozen=True)
class PartScan:
    """What came to one file of a journal; `trouble` is why it can't be read."""

    name: str
    read: Entries
    trouble: str = ""


@dataclass(frozen=True)
class PartsLook:
    """What came to the files, sentences on which of them are none, and entries that came before, whose signatures have
    been checked since, each with its journal's name."""

    scans: tuple[PartScan, ...] = ()
    refused: tuple[str, ...] = ()
    settled: tuple[tuple[str, Entry], ...] = ()


class JournalParts:
    """The files of all journals, followed. Everything here blocks, and is for one thread at a time."""

    def __init__(self, settings: Settings, me: Writer) -> None:
        self._watch = JournalWatch(journal_folder(settings))
        self._prover = Prover.of(settings, me)
        self._tails: dict[Path, tuple[str, JournalPart, Tail]] = {}

    def look(self, since: datetime) -> PartsLook:
        """What came to any file of a journal that was touched after `since`. Raises JournalError."""
        there = self._watch.look(since)
        parts = [*self._watch.outside(), *(part for parts in there.parts.values() for part in parts)]
        for part in parts:
            if part.file not in self._tails:
                self._tails[part.file] = (_name(part), part, Tail(part.file))
        refusals = {file: _foreign(file) for file in self._tails}
        strange = sorted(filter(None, refusals.values()))
        plain = [found for file, found in self._tails.items() if not refusals[file]]
        scans = tuple(self._scan(name, part, tail) for name, part, tail in plain)
        settled = self._prover.settle()
        trouble = (self._prover.trouble,) if self._prover.trouble else ()
        return PartsLook(scans, (*there.refused, *strange, *trouble), settled)

    def _scan(self, name: str, part: JournalPart, tail: Tail) -> PartScan:
        try:
            read = tail.poll()
        except JournalError as error:
            return PartScan(name, Entries(), str(error))
        if read.entries and tail.owner is not None:
            proved = self._prover.prove(name, part.origin, FileOwner.of(part.file, tail.owner), read.entries)
            read = replace(read, entries=proved)
        return PartScan(name, read)


def _foreign(file: Path) -> str:
    """Why this is in the place of a journal's file and is none, where another account has put it there: that takes
    nobody what the others write. "" for a file, for none, and for what stands in this account's own place."""
    try:
        found = file.lstat()
    except OSError:  # not there, or for `Tail` to say
        return ""
    what = not_plain(found.st_mode)
    return f"{file.parent.name}/{file.name}: {what}" if what and found.st_uid != own_uid() else ""


def _name(part: JournalPart) -> str:
    """The name of the journal to which a file belongs."""
    if part.origin is Origin.EARLIER:
        return part.file.name.removesuffix(ELSEWHERE).removesuffix(JOURNAL)
    return part.file.parent.name
