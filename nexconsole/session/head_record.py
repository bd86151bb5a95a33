"""Heads enter the record of an incident by themselves: how far this console has read what others wrote, so that what
one of them takes back later is found.

One is written some time after others did something, and at once when the incident is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import JournalError
from ..journal import EntryKind
from ..journal.heads import heads_of
from ..journal.proofs import BY_ITSELF
from .incident_store import IncidentStore

log = logging.getLogger(__name__)

EVERY_S, LATER_S = 60.0, 300.0  # between two heads of an incident; after the first few, a longer time
FEW = 10
MOST = 300  # heads of one console in one incident


class HeadRecord:
    """`spawn` runs a coroutine beside the screen; `every_s`: between two heads of an incident, at least."""

    def __init__(
        self,
        incident_store: IncidentStore,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._incident_store, self._spawn, self._every_s = incident_store, spawn, every_s
        self._held: dict[str, dict[str, Any]] = {}  # by the journal's name: the heads that are on record
        self._written: dict[str, int] = {}  # how many
        self._at: dict[str, float] = {}  # when the last was written, or this console came in (loop's time)
        self._seen: dict[str, int] = {}  # how many entries there were then
        self._closed: set[str] = set()
        self._writing = False

    def look(self) -> None:
        """Called about once a second."""
        now = asyncio.get_running_loop().time()
        current = self._incident_store.current
        if current is not None:
            self._at.setdefault(current, now)
            self._closed.discard(current)
            written = self._written.get(current, 0)
            if now - self._at[current] >= (self._every_s if written < FEW else LATER_S):
                self._begin(current, now)
        for name in self._at:
            known = self._incident_store.incidents.get(name)
            if known is not None and not known.open and name not in self._closed:
                self._closed.add(name)
                self._begin(name, now)

    def _begin(self, name: str, now: float) -> None:
        entries = self._incident_store.of(name)
        if self._writing or len(entries) == self._seen.get(name) or self._written.get(name, 0) >= MOST:
            return
        me = self._incident_store.journal.writer
        since = self._seen.get(name, 0)
        self._at[name], self._seen[name] = now, len(entries)
        others = (entry for entry in entries if entry.writer.person != me.person)
        if not any(entry.kind not in BY_ITSELF and entry.kind != EntryKind.HEAD for entry in others):
            return
        held = self._held.setdefault(name, {})
        if heads := heads_of(entries, me, held):
            log.debug("%s: %d heads, %d entries since the last", name, len(heads), len(entries) - since)
            self._writing = True
            self._spawn(self._record(name, heads))

    async def _record(self, name: str, heads: dict[str, dict[str, Any]]) -> None:
        try:
            await self._incident_store.record_in(name, EntryKind.HEAD, {"heads": heads})
            self._held[name] |= heads
            self._written[name] = self._written.get(name, 0) + 1
        except JournalError as error:
            log.warning("how far %s was read could not be recorded: %s", name, error)
        finally:
            self._writing = False
