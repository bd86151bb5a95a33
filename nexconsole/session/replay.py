"""The session of a replay: what was done is seen as it was on record by then, and nothing can be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..incident.actions import actions_in
from ..incident.open_items import OpenItem, open_items
from ..incident.proposals import Proposal
from ..journal import Entry, merge
from .capabilities import Capabilities, Capability
from .incident_store import IncidentStore
from .remote_operations import remote_operations
from .session import Session

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from .monitor import Monitor

REPLAY = "this is a replay: nothing can be done in it"
PLAYER = Capabilities(granted=frozenset({Capability.LOOK}), because=REPLAY)
SHOWN_FOR = timedelta(minutes=3)  # an action that has ended is shown for so long, for nobody dismisses it


class ReplayIncidentStore(IncidentStore):
    """One incident's record up to a moment. Nothing is read, and nothing written."""

    async def run(self) -> None:
        """There is nothing to follow."""

    def tell(self, name: str, entries: Sequence[Entry]) -> None:
        """From now on this is on record."""
        self.current = name if entries else None
        self.on_record = merge(entries)
        self.entries = self.judge.counted(self.on_record)
        self._changed()

    def waiting(self) -> tuple[tuple[Proposal, float], ...]:
        """What could be spoken to then, by the proposers' clocks: the record has no other."""
        now = self._clock()
        found = (
            (proposal, (proposal.until - now).total_seconds()) for proposal in self.proposals if not proposal.ended
        )
        return tuple((proposal, left) for proposal, left in found if left > 0)

    def record_of(self, name: str) -> tuple[Entry, ...]:
        return self.on_record if name == self.current else ()

    @property
    def in_force(self) -> tuple[OpenItem, ...]:
        return tuple(item for item in open_items(actions_in(self.entries), self._clock()) if item.in_force)

    def join(self, name: str) -> None:
        """There is no other."""


class ReplaySession(Session):
    """`all_entries` is the whole record: what has no end in there was lost."""

    incident_store: ReplayIncidentStore

    def __init__(
        self,
        all_entries: Sequence[Entry],
        settings: Settings,
        sources: Sources,
        monitor: Monitor,
        *,
        clock: Callable[[], datetime],
        capabilities: Capabilities = PLAYER,
        **options: Any,
    ) -> None:
        self._all = tuple(all_entries)
        store = ReplayIncidentStore(settings, clock, capabilities=capabilities)
        super().__init__(
            settings, sources, monitor, capabilities=capabilities, clock=clock, incident_store=store, **options
        )
        self.notices.rings = False  # what is over rings no more

    def _recorded(self) -> None:
        now = self.clock()
        self._there = remote_operations(self.entries, self.journal.writer, now - SHOWN_FOR, now, whole=self._all)
        self._changed()
