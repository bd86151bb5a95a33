"""The session's notifier: made only where the settings say whom to tell, and this console may write entries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..journal import OUTSIDE, Entry
from ..settings import Settings
from .capabilities import Capabilities, Capability
from .incident_store import IncidentStore
from .rises import Rises

if TYPE_CHECKING:
    from ..notify.notifier import Notifier

NOBODY = "nobody outside is told from here: [notify] names no service for this environment"
LEAVE_S = 2.0


class Notices:
    """`leave_s`: how long leaving waits for what is on its way. `changed` is called when `trouble` is another."""

    def __init__(
        self,
        settings: Settings,
        incident_store: IncidentStore,
        changed: Callable[[], None],
        capabilities: Capabilities,
    ) -> None:
        self.rises = Rises()
        self.leave_s = LEAVE_S
        self.rings = True  # whether this terminal may tell of a rise
        self._store = incident_store
        self._notifier: Notifier | None = None
        notify = settings.notify
        if Capability.NOTE in capabilities and notify.named and notify.tells_in(settings.environment):
            self._notifier = _notifier(settings, incident_store, changed)
            incident_store.listeners.append(self._heard)

    def _heard(self, journal: str, entry: Entry) -> None:
        """Nothing of it is done while the entry is being kept."""
        if self._notifier is not None:
            own = entry.writer == self._store.journal.writer
            asyncio.get_running_loop().call_soon(lambda: self._take(journal, entry, own))

    def _take(self, journal: str, entry: Entry, own: bool) -> None:
        if self._notifier is not None and self._store.judge.counts(entry):
            self._notifier.take(journal, entry, own=own)

    @property
    def trouble(self) -> str:
        """Who was not told the last time, and why; "" where all were, or nobody is to be."""
        return self._notifier.trouble if self._notifier is not None else ""

    def tick(self, lost: Iterable[str]) -> None:
        """Once a second; `lost`: intents whose console ended before their outcome was known."""
        if self._notifier is None:
            return
        self._notifier.tick(self._store.current is not None)
        for intent in lost:
            if (entry := self._store.find(intent)) is not None:
                self._notifier.take_lost(self._store.place(intent), entry)

    async def acknowledge(self) -> str:
        """Tell the pagers that somebody is at it; a sentence on what came of it. Raises JournalError."""
        return await self._notifier.acknowledge() if self._notifier is not None else NOBODY

    async def close(self) -> None:
        if self._notifier is not None:
            await self._notifier.close(self.leave_s)


def _notifier(
    settings: Settings,
    store: IncidentStore,
    changed: Callable[[], None],
) -> Notifier:
    from ..notify.notifier import Notifier

    return Notifier(
        settings,
        age_s=store.age_s,
        record=store.record,
        find=store.find,
        before=store.before,
        place=lambda: store.current or OUTSIDE,
        changed=changed,
    )
