"""Reads every signal: the newest readings, the severity that the rules give them, and what causes it. Front ends draw
all three."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..model import Reading, SourceHealth, utc_now

if TYPE_CHECKING:  # what the first frame does not wait for
    from ..causes.model import Explanation
    from ..settings import Settings
    from ..severity import Reason, Severity
    from ..signals.signal import Signal
    from ..sources import Sources

log = logging.getLogger(__name__)

Listener = Callable[[Reading], None]
# What it is, by these readings at this time (UTC) with this severity: pure, and a few milliseconds.
Explain = Callable[[Mapping[str, Reading], "Settings", datetime, "Severity"], "Explanation"]
EXPLAINED_S = 2.0  # the least time between two explanations
CALM_S = 10.0  # the same while no rule holds


@dataclass(frozen=True)
class Since:
    """Since when a reason holds (UTC). `seen`: it began under this console's eyes; else it may be older."""

    at: datetime
    seen: bool


class Monitor:
    """`readings`: the newest of each signal, by its name. `severity`: as judged last, None before the first reading.

    `explanation`: what it is, as far as the causes tell; None before the first one, and where no causes are known.
    `unexplained` says why there is none although there should be. `health` is asked whenever it is judged. `listeners`
    get each reading, after it was judged. `monotonic` is in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        health: Callable[[], tuple[SourceHealth, ...]] = tuple,
        readings: Mapping[str, Reading] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock, self.health, self._monotonic = settings, clock, health, monotonic
        self.readings: dict[str, Reading] = dict(readings or {})
        self.severity: Severity | None = None
        self._since: dict[tuple[str, str], Since] = {}  # by a reason's signal and what it is about
        self._judged: set[str] = set()  # the signals that had a value when they were judged before
        self.listeners: list[Listener] = []
        self.explanation: Explanation | None = None
        self.unexplained = ""
        self._explain: Explain | None = None
        self._explained_at = 0.0  # by `monotonic`
        self._newer = False  # whether a reading has come since

    def take(self, reading: Reading) -> None:
        """A new reading: the severity is judged anew, and the listeners get it."""
        self.readings[reading.signal] = reading
        self._newer = True
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
        self._explain_when_due(self.severity)

    def explain_with(self, explain: Explain) -> None:
        """From now on `explanation` says what it is; nobody pays for it before."""
        self._explain = explain
        self.explain_now()

    def explain_now(self) -> None:
        """The explanation by now, however young the last one is."""
        if self._explain is None or self.severity is None:
            return
        self._explained_at, self._newer = self._monotonic(), False
        try:
            self.explanation = self._explain(self.readings, self._settings, self._clock(), self.severity)
            self.unexplained = ""
        except Exception as error:  # a team's own chapter may hold anything; readings and severity stand without it
            if not self.unexplained:
                log.exception("the causes could not be ranked")
            self.explanation, self.unexplained = None, f"the causes can't be ranked: {type(error).__name__}: {error}"

    def _explain_when_due(self, severity: Severity) -> None:
        """Anew when something was read since, and not too often: it takes longer than to judge."""
        every = CALM_S if severity.level == "none" and not self._named else EXPLAINED_S
        if self._newer and self._monotonic() - self._explained_at >= every:
            self.explain_now()

    @property
    def _named(self) -> bool:
        return self.explanation is not None and bool(self.explanation.named)

    def since(self, reason: Reason) -> Since | None:
        """Since when a reason of this signal on this subject holds without a break; None for one that does not."""
        return self._since.get((reason.signal, reason.about))

    async def poll(self, signal: Signal[Any], sources: Sources) -> None:
        """Read one signal at its cadence; ends only where it is not configured."""
        from ..signals.readings import readings

        async for reading in readings(signal, sources, self._settings, self._clock):
            await asyncio.sleep(0)  # a key first: a thousand providers take a while to read, and again to judge
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
        self.explain_now()


async def _ask_api(sources: Sources) -> None:
    """No signal reads the API; its health says what came of it."""
    if sources.has("api"):
        try:
            await sources.api.ping()
        except SourceError:
            return
