"""Follows what the accounts of this host write in a journal, for sharing it with other hosts."""

from __future__ import annotations

from pathlib import Path

from ..errors import JournalError
from .entries import Entry
from .layout import ELSEWHERE, Origin, parts_of
from .proofs import FileOwner, Prover
from .tail import Tail


class LocalTail:
    """The files of a journal but those with other hosts' entries. What is forged is left out: passed on, nothing would
    show it any more."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._prover = journal, Prover()
        self._tails: dict[Path, Tail] = {}
        self.given: set[str] = set()  # the ids of all that it gave

    def poll(self) -> tuple[Entry, ...]:
        """What came since the last call. Raises JournalError where none of the files can be read."""
        entries: list[Entry] = []
        troubles: list[JournalError] = []
        parts = [part for part in parts_of(self._journal) if not part.file.name.endswith(ELSEWHERE)]
        parts.sort(key=lambda part: part.origin is Origin.EARLIER)  # what accounts' own files say of it is known then
        for part in parts:
            tail = self._tails.setdefault(part.file, Tail(part.file))
            try:
                added = tail.poll().entries
            except JournalError as error:
                troubles.append(error)
                continue
            if tail.owner is not None:
                owner = FileOwner.of(part.file, tail.owner)
                proved = self._prover.prove(self._journal.stem, part.origin, owner, added)
                entries += (entry for entry in proved if entry.counts and entry.id not in self.given)
        if troubles and len(troubles) == len(parts):
            raise troubles[0]
        self._prover.settle()  # nothing of it is passed on a second time
        self.given.update(entry.id for entry in entries)
        return tuple(entries)
