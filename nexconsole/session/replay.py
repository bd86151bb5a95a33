"""The operator's side in a replay: what was done is seen as it was on record by then, and nothing can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from ..errors import JournalError
from ..incident.actions import actions_in
from ..incident.open_items import OpenItem, open_items
from ..incident.proposals import Proposal, proposals_in
from ..journal import Entry, merge
from ..sharing.presence import Presence
from .incident_store import IncidentStore
from .remote_operations import remote_operations
from .session import Session

REPLAY = "this is a replay: nothing can be done in it"
SHOWN_FOR = timedelta(minutes=3)  # an action that has ended is shown for so long, for nobody dismisses it


class ReplayIncidentStore(IncidentStore):
    """One incident's record up to a moment. Nothing is read, and nothing written."""

    async def run(self) -> None:
        """There is nothing to follow."""

    def tell(self, name: str, entries: Sequence[Entry]) -> None:
        """From now on this is on record."""
        self.current = name if entries else None
        self.entries = merge(entries)
        self._changed()

    def waiting(self) -> tuple[tuple[Proposal, float], ...]:
        """What could be spoken to then, by the proposers' clocks: the record has no other."""
        now = self._clock()
        found = (
            (proposal, (proposal.until - now).total_seconds())
            for proposal in proposals_in(self.entries)
            if not proposal.ended
        )
        return tuple((proposal, left) for proposal, left in found if left > 0)

    def of(self, name: str) -> tuple[Entry, ...]:
        return self.entries if name == self.current else ()

    @property
    def in_force(self) -> tuple[OpenItem, ...]:
        return tuple(item for item in open_items(actions_in(self.entries), self._clock()) if item.in_force)

    async def record(self, kind: str, data: Mapping[str, Any]) -> NoReturn:
        raise JournalError(REPLAY)

    async def open(self, data: Mapping[str, Any]) -> NoReturn:
        raise JournalError(REPLAY)

    def join(self, name: str) -> None:
        """There is no other."""


class ReplaySession(Session):
    """`all_entries` is the whole record: what has no end in there was lost."""

    LOGBOOK = ReplayIncidentStore
    LIVE = False
    incident_store: ReplayIncidentStore

    def __init__(self, all_entries: Sequence[Entry], *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._all = tuple(all_entries)

    def start(self) -> None:
        """There is nothing to follow."""

    @property
    def here(self) -> tuple[Presence, ...]:
        """Who was here then is not on record; who wrote something is."""
        return ()

    def observing(self) -> str:
        return REPLAY

    def judged(self, level: str, because: Sequence[str]) -> None:
        """What was judged is on record."""

    def watch(self) -> None:
        """What was seen is on record."""

    def look_again(self) -> None:
        """Nobody lives in a record."""

    def _recorded(self) -> None:
        now = self.clock()
        self._there = remote_operations(self.entries, self.journal.writer, now - SHOWN_FOR, now, whole=self._all)
        self._changed()
