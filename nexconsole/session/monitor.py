"""Reads every signal: the newest readings, and the severity that the rules give them. Front ends draw both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..model import Reading, SourceHealth, utc_now

if TYPE_CHECKING:  # what the first frame does not wait for
    from ..settings import Settings
    from ..severity import Reason, Severity
    from ..signals.signal import Signal
    from ..sources import Sources

Listener = Callable[[Reading], None]


@dataclass(frozen=True)
class Since:
    """Since when a reason holds (UTC). `seen`: it began under this console's eyes; else it may be older."""

    at: datetime
    seen: bool


class Monitor:
    """`readings`: the newest of each signal, by its name. `severity`: as judged last, None before the first reading.

    `health` is asked whenever it is judged. `listeners` get each reading, after it was judged.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        health: Callable[[], tuple[SourceHealth, ...]] = tuple,
        readings: Mapping[str, Reading] | None = None,
    ) -> None:
        self._settings, self._clock, self.health = settings, clock, health
        self.readings: dict[str, Reading] = dict(readings or {})
        self.severity: Severity | None = None
        self._since: dict[tuple[str, str], Since] = {}  # by a reason's signal and what it is about
        self._judged: set[str] = set()  # the signals that had a value when they were judged before
        self.listeners: list[Listener] = []

    def take(self, reading: Reading) -> None:
        """A new reading: the severity is judged anew, and the listeners get it."""
        self.readings[reading.signal] = reading
        self.judge()
        for listener in tuple(self.listeners):
            listener(reading)

    def judge(self) -> None:
        """The severity by now; called about once a second, for readings get old by nothing happening."""
        if not self.readings:
            self.severity = None
            return
        from ..severity import judge  # with all signals behind it; nothing that the first paint has to wait for

        now = self._clock()
        self.severity = judge(self.readings, self._settings, now, self.health())
        fresh = Since(now, True), Since(now, False)
        self._since = {
            key: self._since.get(key, fresh[key[0] in self.readings and key[0] not in self._judged])
            for reason in self.severity.reasons
            if (key := (reason.signal, reason.about))
        }
        self._judged = {name for name, reading in self.readings.items() if reading.value is not None}

    def since(self, reason: Reason) -> Since | None:
        """Since when a reason of this signal on this subject holds without a break; None for one that does not."""
        return self._since.get((reason.signal, reason.about))

    async def poll(self, signal: Signal[Any], sources: Sources) -> None:
        """Read one signal at its cadence; ends only where it is not configured."""
        from ..signals.readings import readings

        async for reading in readings(signal, sources, self._settings, self._clock):
            self.take(reading)

    async def read_all(self, sources: Sources, signals: Iterable[Signal[Any]] | None = None) -> None:
        """Every signal once, all at the same time, and the API's health. Closes nothing."""
        from ..signals.readings import read_once
        from ..signals.registry import polled

        sources.load()
        await sources.loaded()
        reads = (
            read_once(signal, sources, self._settings, self.readings.get(signal.name), self._clock)
            for signal in (polled(self._settings) if signals is None else signals)
        )
        taken, _ = await asyncio.gather(asyncio.gather(*reads), _ask_api(sources))
        self.readings.update((reading.signal, reading) for reading in taken)
        self.judge()


async def _ask_api(sources: Sources) -> None:
    """No signal reads the API; its health says what came of it."""
    if sources.has("api"):
        try:
            await sources.api.ping()
        except SourceError:
            return
