"""The journals that matter now: what is on record, where the next entry goes, and which incident this console is in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..journal import (
    OUTSIDE,
    Entries,
    Entry,
    Journal,
    Kind,
    Tail,
    journal_file,
    journal_folder,
    merge,
    new_incident,
    open_journal,
    recent_files,
)
from ..settings import Settings
from ..warroom.incident import Incident, fold
from ..warroom.standing import Standing, standing
from ..warroom.taking import taken_in

log = logging.getLogger(__name__)

EVERY_S = 0.25  # how often the folder is looked at
OPEN_FOR = timedelta(hours=24)  # an incident that nobody has touched for so long is not joined by itself
RECENT = timedelta(hours=48)  # journals touched within are followed
IN_FORCE_EVERY = timedelta(seconds=5)  # what is in force is looked for anew, for a silence ends by itself


@dataclass(frozen=True, kw_only=True)
class Known:
    """An incident of late, as its opening and closing entries have it."""

    id: str
    title: str
    opened_at: datetime
    opened_by: str
    touched_at: datetime
    open: bool


class Logbook:
    """`changed` is called on the loop whenever something was read or written, `heard` for each entry of another
    console that came after the first look. Nothing is read before `run`."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        changed: Callable[[], None] = lambda: None,
        heard: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        self._settings, self._clock, self._changed, self._heard = settings, clock, changed, heard
        self._journals = {OUTSIDE: open_journal(settings, settings.operator)}
        self._tails: dict[Path, Tail] = {}
        self._kept: dict[str, dict[str, Entry]] = {OUTSIDE: {}}  # journal's name -> its entries by id
        self._ordered: dict[str, tuple[Entry, ...]] = {}  # the same in order, until something comes to it
        self._intents: dict[str, str] = {}  # intent's id -> journal's name
        self._chosen: str | None = None  # the incident that the operator has opened or joined
        self._folded: tuple[tuple[Entry, ...], Incident | None] = ((), None)
        self._in_force: tuple[datetime, int, tuple[Standing, ...]] = (datetime.min.replace(tzinfo=UTC), 0, ())
        self._read = self._trying = False
        self._unread = self._unwritten = ""  # why a journal can't be read, or written, at the last try
        self.current: str | None = None  # the id of the incident that entries go to
        self.entries: tuple[Entry, ...] = ()  # of the current incident and of what is done outside of any
        self.incidents: Mapping[str, Known] = {}
        self.lost: tuple[str, ...] = ()  # the lines that can't be read, torn ones above all, each in a sentence

    @property
    def trouble(self) -> str:
        """Why a journal can't be written or read, at the last try; "" where it can."""
        return self._unwritten or self._unread

    @property
    def journal(self) -> Journal:
        """Where the next entry goes."""
        return self.journal_of(self.current or OUTSIDE)

    @property
    def incident(self) -> Incident | None:
        """The current incident by now; None outside of any."""
        if self.current is None:
            return None
        if self._folded[0] is not self.entries:
            self._folded = (self.entries, fold(self.of(self.current)))
        return self._folded[1]

    @property
    def in_force(self) -> tuple[Standing, ...]:
        """What was done lately, in any incident or outside of them, and still has an effect; the oldest first."""
        written = sum(map(len, self._kept.values()))
        now = self._clock()
        at, known, found = self._in_force
        if written != known or not at <= now < at + IN_FORCE_EVERY:
            everything = merge(*(self.of(name) for name in self._kept))
            found = tuple(one for one in standing(taken_in(everything), now) if one.in_force)
            self._in_force = (now, written, found)
        return found

    @property
    def observing(self) -> str | None:
        """Why this operator can't act in the current incident; None where the roles allow it."""
        if self.incident is None or self._settings.operator not in self.incident.observers:
            return None
        return "this console only observes: its operator has the role of an observer (i shows the roles)"

    def of(self, name: str) -> tuple[Entry, ...]:
        """What one journal holds, in order."""
        if name not in self._ordered:
            self._ordered[name] = merge(self._kept.get(name, {}).values())
        return self._ordered[name]

    def as_context(self) -> list[dict[str, Any]]:
        """The entries as actions get them: an undo finds there what was really touched."""
        return [
            {"id": entry.id, "at": entry.at, "writer": str(entry.writer), "kind": entry.kind, "data": entry.data}
            for entry in self.entries
        ]

    def journal_of(self, name: str) -> Journal:
        """This console's hand in one journal."""
        if name not in self._journals:
            self._journals[name] = open_journal(self._settings, self._settings.operator, name)
        return self._journals[name]

    # --- reading ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the folder; never ends. What other consoles write is seen within a second."""
        said = ""
        while True:
            said = await self.look(said)
            await asyncio.sleep(EVERY_S)

    async def look(self, said: str = "") -> str:
        """Read what came to the journals; why they can't be read, "" where they can. `said`: why not, the last time."""
        try:
            found = await asyncio.to_thread(self._look)
            trouble = ""
        except JournalError as error:
            found, trouble = [], str(error)
        if trouble != said or any(read.entries or read.problems for _, read in found) or not self._read:
            self._unread = trouble
            self._take(found)
            self._changed()
        return trouble

    def _look(self) -> list[tuple[str, Entries]]:
        """What came to any journal since the last look, each with its journal's name. In a thread."""
        folder = journal_folder(self._settings)
        outside = journal_file(folder)
        self._tails.setdefault(outside, Tail(outside))
        for file in recent_files(folder, self._clock() - RECENT):
            self._tails.setdefault(file, Tail(file))
        return [(file.name.partition(".")[0], tail.poll()) for file, tail in list(self._tails.items())]

    def _take(self, found: Sequence[tuple[str, Entries]]) -> None:
        first, self._read = not self._read, True
        new = [entry for name, read in found for entry in self._keep(name, read.entries)]
        self.lost += tuple(f"{name}: line {one.line} {one.sentence}" for name, read in found for one in read.problems)
        self._choose()
        if not first:
            for entry in new:
                if entry.writer != self.journal.writer:
                    self._heard(entry)

    def _keep(self, name: str, entries: Sequence[Entry]) -> list[Entry]:
        kept = self._kept.setdefault(name, {})
        new = [entry for entry in entries if entry.id not in kept]
        if new:
            self._ordered.pop(name, None)
        for entry in new:
            kept[entry.id] = entry
            if entry.kind == Kind.INTENT:
                self._intents[entry.id] = name
        return new

    def _choose(self) -> None:
        """Which incident is the current one by what is on record, and what its entries are."""
        self.incidents = {
            name: known for name in self._kept if name != OUTSIDE and (known := _known(name, self.of(name))) is not None
        }  # fmt: skip
        if self._chosen is not None and not self._is_open(self._chosen):
            self._chosen = None
        self.current = self._chosen or self._newest()
        self.entries = merge(self.of(OUTSIDE), self.of(self.current)) if self.current else self.of(OUTSIDE)

    def _is_open(self, name: str) -> bool:
        return name in self.incidents and self.incidents[name].open

    def _newest(self) -> str | None:
        since = self._clock() - OPEN_FOR
        live = [one for one in self.incidents.values() if one.open and one.touched_at > since]
        return max(live, key=lambda one: (one.opened_at, one.id)).id if live else None

    # --- writing ----------------------------------------------------------------------------------------------

    async def record(self, kind: str, data: Mapping[str, Any]) -> Entry:
        """Write an entry durably. What became of an intent goes where that intent stands. Raises JournalError."""
        name = self._intents.get(str(data.get("intent")), self.current or OUTSIDE)
        return await self._record(name, kind, data)

    async def _record(self, name: str, kind: str, data: Mapping[str, Any]) -> Entry:
        if self._settings.journal.read_only:
            raise JournalError("this console only watches")
        try:
            entry = await asyncio.to_thread(self.journal_of(name).append, kind, data)
        except JournalError as error:
            self._unwritten = str(error)
            self._changed()
            raise
        self._unread = self._unwritten = ""
        self._keep(name, (entry,))
        self._choose()
        self._changed()
        return entry

    async def try_again(self) -> None:
        """Whether the journal can be written by now: that it can't is said no longer than it lasts."""
        if not self._unwritten or self._trying:
            return
        self._trying = True
        try:
            await asyncio.to_thread(self.journal.try_again)
            self._unwritten = ""
        except JournalError as error:
            self._unwritten = str(error)
        finally:
            self._trying = False
        self._changed()

    async def open(self, data: Mapping[str, Any]) -> str:
        """Begin a new incident with this opening entry; its id. Raises JournalError."""
        if self._settings.journal.read_only:
            raise JournalError("this console only watches")
        name = await asyncio.to_thread(new_incident, journal_folder(self._settings), self._clock())
        self._chosen = name
        await self._record(name, Kind.OPENED, data)
        return name

    def join(self, name: str) -> None:
        """Entries go to this incident from now on; it must be open."""
        if self._is_open(name):
            self._chosen = name
            self._choose()
            self._changed()


def _known(name: str, ordered: Sequence[Entry]) -> Known | None:
    marks = [entry for entry in ordered if entry.kind in (Kind.OPENED, Kind.CLOSED)]
    opened = next((entry for entry in marks if entry.kind == Kind.OPENED), None)
    if opened is None:
        return None
    return Known(
        id=name,
        title=str(opened.data.get("title") or ""),
        opened_at=opened.at,
        opened_by=str(opened.writer),
        touched_at=ordered[-1].at,
        open=marks[-1].kind == Kind.OPENED,
    )
