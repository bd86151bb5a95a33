"""The journals that matter now: what is on record, where the next entry goes, and which incident this console is in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import JournalError
from ..incident.actions import actions_in
from ..incident.incident import Incident, fold
from ..incident.judgement import Judge
from ..incident.open_items import OpenItem, open_items
from ..incident.prelude import prelude_of
from ..incident.proposals import Proposal, proposals_in
from ..journal import (
    OUTSIDE,
    Entry,
    EntryKind,
    Journal,
    Proof,
    better,
    journal_folder,
    merge,
    new_incident,
    open_journal,
    replaces,
)
from ..journal.sentences import mark
from ..settings import Settings
from ..text.sanitize import clean
from .arrivals import Arrivals
from .capabilities import Capabilities, Capability, capabilities_of
from .journal_parts import JournalParts, PartScan, PartsLook

log = logging.getLogger(__name__)

EVERY_S = 0.25  # how often the folder is looked at
OPEN_FOR = timedelta(hours=24)  # an incident that nobody has touched for so long is not joined by itself
RECENT = timedelta(hours=48)  # journals touched within are followed
IN_FORCE_EVERY = timedelta(seconds=5)  # what is in force is looked for anew, for a silence ends by itself
MOST_LOST = 1000  # sentences on what can't be read


@dataclass(frozen=True, kw_only=True)
class IncidentSummary:
    """An incident of late, as its opening and closing entries have it."""

    id: str
    title: str
    opened_at: datetime
    opened_by: str
    touched_at: datetime
    open: bool


class IncidentStore:
    """`changed` is called on the loop whenever something was read or written, `heard` for each entry of another
    console that came after the first look. Nothing is read before `run`."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        capabilities: Capabilities | None = None,
        changed: Callable[[], None] = lambda: None,
        heard: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        self._settings, self._clock, self._changed, self._heard = settings, clock, changed, heard
        self._capabilities = capabilities or capabilities_of(settings)
        self._journals = {OUTSIDE: open_journal(settings, settings.operator)}
        self._parts = JournalParts(settings, self._journals[OUTSIDE].writer)
        self._kept: dict[str, dict[str, Entry]] = {OUTSIDE: {}}  # journal's name -> its entries by id
        self._ordered: dict[str, tuple[Entry, ...]] = {}  # the same in order, until something comes to it
        self._places: dict[str, str] = {}  # id of an intent or a proposal -> journal's name
        self._arrivals = Arrivals(clock)
        self.listeners: list[Callable[[str, Entry], None]] = []  # hear of each entry, with its journal's name
        self._refused: set[str] = set()  # sentences on files that are none, or can't be read, each said once
        self._chosen: str | None = None  # the incident that the operator has opened or joined
        self._folded: tuple[tuple[Entry, ...], Incident | None] = ((), None)
        self._in_force: tuple[datetime, int, tuple[OpenItem, ...]] = (datetime.min.replace(tzinfo=UTC), 0, ())
        self._proposed: tuple[tuple[Entry, ...], tuple[Proposal, ...]] = ((), ())
        self._read = self._trying = False
        self._unread = self._unwritten = ""  # why a journal can't be read, or written, at the last try
        self.current: str | None = None  # the id of the incident that entries go to
        self.judge = Judge(settings.roles)
        self.on_record: tuple[Entry, ...] = ()  # of the current incident and of what is done outside of any
        self.entries: tuple[Entry, ...] = ()  # those of them that count (judgement)
        self.incidents: Mapping[str, IncidentSummary] = {}
        self.lost: tuple[str, ...] = ()  # the lines that can't be read, torn ones above all, each in a sentence

    def follow(self, changed: Callable[[], None], heard: Callable[[Entry], None]) -> None:
        """Call these from now on."""
        self._changed, self._heard = changed, heard

    @property
    def trouble(self) -> str:
        """Why a journal can't be written or read, at the last try; "" where it can."""
        return self._unwritten or self._unread

    @property
    def unread(self) -> str:
        """Why a journal can't be read, at the last try: what others say there is not heard."""
        return self._unread

    @property
    def journal(self) -> Journal:
        """Where the next entry goes."""
        return self.journal_of(self.current or OUTSIDE)

    @property
    def incident(self) -> Incident | None:
        """The current incident by now; None outside of any."""
        if self.current is None:
            return None
        if self._folded[0] is not self.on_record:
            own = self.record_of(self.current)
            self._folded = (self.on_record, fold(own, prelude_of(own, self.record_of(OUTSIDE)), self.judge))
        return self._folded[1]

    @property
    def in_force(self) -> tuple[OpenItem, ...]:
        """What was done lately, in any incident or outside of them, and still has an effect; the oldest first."""
        written = sum(map(len, self._kept.values()))
        now = self._clock()
        at, known, items = self._in_force
        if written != known or not at <= now < at + IN_FORCE_EVERY:
            everything = merge(*(self.of(name) for name in self._kept))
            items = tuple(item for item in open_items(actions_in(everything), now) if item.in_force)
            self._in_force = (now, written, items)
        return items

    @property
    def names(self) -> frozenset[str]:
        """What this operator is called in entries."""
        return frozenset({self._settings.operator, str(self.journal.writer)})

    @property
    def sealed(self) -> str | None:
        """Why this console can't write what people write; None where it can."""
        return self._capabilities.why_not(Capability.NOTE)

    def _sealed_for(self, kind: str) -> str | None:
        """Why this console can't write an entry of this kind: who may only propose writes proposals."""
        proposes = kind == EntryKind.PROPOSED and Capability.PROPOSE in self._capabilities
        return None if proposes else self.sealed

    @property
    def observing(self) -> str | None:
        """Why this operator can't act in the current incident; None where the roles allow it."""
        if self.incident is None or not self.names & {*self.incident.observers}:
            return None
        return (
            "this console only observes: its operator has the role of an observer (the incident screen shows the roles)"
        )

    def of(self, name: str) -> tuple[Entry, ...]:
        """What counts of one journal, in order (judgement)."""
        return self.judge.counted(self.record_of(name))

    def record_of(self, name: str) -> tuple[Entry, ...]:
        """What one journal holds, in order, also what counts for nothing."""
        if name not in self._ordered:
            self._ordered[name] = merge(self._kept.get(name, {}).values())
        return self._ordered[name]

    def find(self, id: str) -> Entry | None:
        """The entry with this id, in whichever journal it stands."""
        return next((kept[id] for kept in self._kept.values() if id in kept), None)

    def before(self, name: str, entry: Entry) -> tuple[Entry, ...]:
        """What stands before an entry of this journal, in order: there and outside of incidents."""
        everything = merge(self.of(OUTSIDE), self.of(name)) if name != OUTSIDE else self.of(OUTSIDE)
        place = next((place for place, each in enumerate(everything) if each.id == entry.id), len(everything))
        return everything[:place]

    def place(self, intent: str) -> str:
        """The journal in which an intent or a proposal stands."""
        return self._places.get(intent, OUTSIDE)

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
            look = await asyncio.to_thread(self._look)
            trouble = next(
                (scan.trouble for scan in look.scans if scan.trouble and scan.name in (OUTSIDE, self.current)), ""
            )
        except JournalError as error:
            look, trouble = PartsLook(), str(error)
        refused = (*look.refused, *(scan.trouble for scan in look.scans if scan.trouble))
        new = [fromkey for fromkey in dict.fromkeys(refused) if fromkey not in self._refused]
        self._unread = trouble
        news = bool(look.settled) or any(scan.read.entries or scan.read.problems for scan in look.scans)
        if trouble != said or new or news or not self._read:
            self._refused.update(new)
            self._lose(new)
            self._take(look.scans, look.settled)
            self._changed()
        return trouble

    def _look(self) -> PartsLook:
        """What came to any journal since the last look. In a thread."""
        look = self._parts.look(self._clock() - RECENT)
        self.judge.permissions.learn({entry.writer.account for scan in look.scans for entry in scan.read.entries})
        return look

    def _take(self, scans: Sequence[PartScan], settled: Sequence[tuple[str, Entry]]) -> None:
        first, self._read = not self._read, True
        new = [entry for scan in scans for entry in self._keep(scan.name, scan.read.entries, first)]
        new += [entry for name, entry in settled if self._settle(name, entry)]
        self._lose([f"{scan.name}: {problem}" for scan in scans for problem in scan.read.problems])
        self._lose(list(dict.fromkeys(mark(entry) for entry in new if entry.proof is Proof.FORGED)))
        self._choose()
        if not first:
            for entry in new:
                if entry.writer != self.journal.writer and entry.counts and entry.kind != EntryKind.HEAD:
                    self._heard(entry)

    def _lose(self, sentences: Sequence[str]) -> None:
        self.lost += tuple(sentences)[: max(0, MOST_LOST - len(self.lost))]

    def _keep(self, name: str, entries: Sequence[Entry], first: bool = False) -> list[Entry]:
        kept = self._kept.setdefault(name, {})
        new = [entry for entry in entries if entry.id not in kept or better(entry, kept[entry.id])]
        for entry in new:
            self._arrivals.note(entry, first)
            kept[entry.id] = entry
            self._noted(name, entry)
        self._hear(name, [entry for entry in new if entry.counts])
        return new

    def _hear(self, name: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            for listener in self.listeners:
                listener(name, entry)

    def _noted(self, name: str, entry: Entry) -> None:
        """An entry is there now, or its proof is another than it was."""
        self._ordered.pop(name, None)
        if entry.counts:
            self.journal_of(name).observe(entry.order)
            if entry.kind in (EntryKind.INTENT, EntryKind.PROPOSED):
                self._places[entry.id] = name

    def _settle(self, name: str, entry: Entry) -> bool:
        """An entry's signature was checked; whether it counts since then, or is forged."""
        before = self._kept.get(name, {}).get(entry.id)
        if before is None or not replaces(entry, before):
            return False
        self._kept[name][entry.id] = entry
        self._noted(name, entry)
        if entry.counts and not before.counts:
            self._hear(name, [entry])
        return entry.counts != before.counts

    def age_s(self, entry: Entry) -> float:
        """For how many seconds this entry has been known here (arrivals)."""
        return self._arrivals.age_s(entry)

    def came_at(self, entry: Entry) -> datetime:
        """When it came, by this host's clock (arrivals)."""
        return self._arrivals.came_at(entry, self.journal.writer)

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What was proposed in the incident or outside of any, with what became of it."""
        if self._proposed[0] is not self.entries:
            self._proposed = (self.entries, proposals_in(self.entries))
        return self._proposed[1]

    def waiting(self) -> tuple[tuple[Proposal, float], ...]:
        """What is proposed in the incident or outside of any and may still be spoken to, with the seconds that are
        left for it, in the order in which it came."""
        found = []
        for proposal in self.proposals:
            entry = self._kept[self._places[proposal.id]][proposal.id] if proposal.id in self._places else None
            if entry is not None and not proposal.ended and (left := proposal.lasts_s - self.age_s(entry)) > 0:
                found.append((proposal, left))
        return tuple(found)

    def _choose(self) -> None:
        """Which incident is the current one by what is on record, and what its entries are."""
        self.incidents = {
            name: known for name in self._kept if name != OUTSIDE and (known := _known(name, self.of(name))) is not None
        }
        if self._chosen is not None and not self._is_open(self._chosen):
            self._chosen = None
        self.current = self._chosen or self._newest()
        outside = self.record_of(OUTSIDE)
        self.on_record = merge(outside, self.record_of(self.current)) if self.current else outside
        self.entries = self.judge.counted(self.on_record)

    def _is_open(self, name: str) -> bool:
        return name in self.incidents and self.incidents[name].open

    def _newest(self) -> str | None:
        since = self._clock() - OPEN_FOR
        live = [incident for incident in self.incidents.values() if incident.open and incident.touched_at > since]
        now = self._clock()  # none is newer than now, whatever a clock said
        return max(live, key=lambda one: (min(one.opened_at, now), one.id)).id if live else None

    # --- writing ----------------------------------------------------------------------------------------------

    async def record(self, kind: str, data: Mapping[str, Any]) -> Entry:
        """Write an entry durably; what became of an intent or a proposal, where that stands. Raises JournalError."""
        return (await self.put(kind, data))[0]

    async def put(self, kind: str, data: Mapping[str, Any]) -> tuple[Entry, str]:
        """The same, with the name of the journal in which it stands."""
        of = next((str(data[key]) for key in ("intent", "proposal") if data.get(key)), "")
        name = self._places.get(of, self.current or OUTSIDE)
        return await self._record(name, kind, data), name

    async def record_in(self, name: str, kind: str, data: Mapping[str, Any]) -> Entry:
        """Write an entry in this journal, whichever is the current one. Raises JournalError."""
        return await self._record(name, kind, data)

    async def _record(self, name: str, kind: str, data: Mapping[str, Any]) -> Entry:
        if (sealed := self._sealed_for(kind)) is not None:
            raise JournalError(sealed)
        if self.on_record:  # whatever was known is earlier, also where it stands in another journal
            self.journal_of(name).observe(self.on_record[-1].order)
        try:
            entry = await asyncio.to_thread(self.journal_of(name).append, kind, data)
        except JournalError as error:
            self._unwritten = str(error)
            self._changed()
            raise
        self._unread = self._unwritten = ""
        self._keep(name, (entry,))
        if (unsigned := self.journal_of(name).unsigned) and unsigned not in self._refused:
            self._refused.add(unsigned)
            self._lose([unsigned])
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
        if self.sealed is not None:
            raise JournalError(self.sealed)
        name = await asyncio.to_thread(new_incident, journal_folder(self._settings), self._clock())
        self._chosen = name
        await self._record(name, EntryKind.OPENED, data)
        return name

    def join(self, name: str) -> None:
        """Entries go to this incident from now on; it must be open."""
        if self._is_open(name):
            self._chosen = name
            self._choose()
            self._changed()


def _known(name: str, ordered: Sequence[Entry]) -> IncidentSummary | None:
    marks = [entry for entry in ordered if entry.kind in (EntryKind.OPENED, EntryKind.CLOSED)]
    opened = next((entry for entry in marks if entry.kind == EntryKind.OPENED), None)
    if opened is None:
        return None
    return IncidentSummary(
        id=name,
        title=clean(opened.data.get("title") or "", 200),
        opened_at=opened.at,
        opened_by=str(opened.writer),
        touched_at=ordered[-1].at,
        open=marks[-1].kind == EntryKind.OPENED,
    )
