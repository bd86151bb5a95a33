"""Working with consoles on other hosts: which incident they have open, and its entries both ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ..journal import OUTSIDE
from ..settings import Settings
from ..sharing.announcement import announced, withdraw
from ..sharing.stream import IncidentStream
from .incident_store import IncidentStore

log = logging.getLogger(__name__)

EVERY_S = 0.5
NOT_YET = "other hosts are not reached yet"
ASK_S = 3.0  # how often other hosts are asked which incident they have open


class HostSync:
    """Keeps a stream for every incident that this console was in, and one for what is done outside of any. Does nothing
    where settings name no Redis.

    `spawn` runs a coroutine beside the screen; `changed` is called when it can be reached, or can't any more.
    """

    def __init__(
        self,
        settings: Settings,
        incident_store: IncidentStore,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[], None],
        announces: bool = True,
    ) -> None:
        self._announces = announces
        self._settings, self._incident_store, self._spawn, self._changed = settings, incident_store, spawn, changed
        self._streams: dict[str, IncidentStream] = {}
        self._closed: set[str] = set()  # incidents that other hosts were told to be closed

    @property
    def configured(self) -> bool:
        return bool(self._settings.warroom.redis_url)

    @property
    def _current(self) -> str:
        return self._incident_store.current or OUTSIDE

    @property
    def trouble(self) -> str:
        """Why what is written now can't be shared with other hosts; "" where it can, or none are to be."""
        if not self.configured:
            return ""
        stream = self._streams.get(self._current)
        if stream is None:
            return NOT_YET
        return stream.trouble or ("" if stream.reached else NOT_YET)

    @property
    def owes(self) -> bool:
        """Whether other hosts have not been told yet of something that is written here."""
        unshared = self.configured and self._current not in self._streams
        return unshared or any(stream.owes for stream in self._streams.values())

    def has_told(self, name: str, entry: str) -> bool:
        """Whether other hosts can read this entry of this journal, where there are to be any."""
        return not self.configured or (name in self._streams and self._streams[name].has(entry))

    def nudge(self) -> None:
        """An entry was written here."""
        for stream in self._streams.values():
            stream.nudge()

    async def run(self) -> None:
        """Never ends, unless settings name no Redis."""
        asked_at = -ASK_S
        loop = asyncio.get_running_loop()
        while self.configured:
            self._share(OUTSIDE)
            for known in tuple(self._incident_store.incidents.values()):
                if known.open and known.id == self._incident_store.current:
                    self._share(known.id)
                elif not known.open and known.id in self._streams and known.id not in self._closed:
                    self._closed.add(known.id)
                    self._streams[known.id].announcing = False
                    if self._announces:
                        await withdraw(self._settings, known.id)
            if self._incident_store.current is None and loop.time() - asked_at >= ASK_S:
                asked_at = loop.time()
                there = await announced(self._settings)
                if there is not None and there not in self._closed:
                    self._share(there)
            await asyncio.sleep(EVERY_S)

    def _share(self, incident: str) -> None:
        if incident not in self._streams:
            log.info("sharing %s with other hosts", incident)
            stream = IncidentStream(self._settings, self._incident_store.journal_of(incident), changed=self._changed)
            stream.announcing = incident != OUTSIDE and self._announces
            self._streams[incident] = stream
            self._spawn(stream.run())
