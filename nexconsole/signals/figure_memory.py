"""What this console has read of late: each signal's newest value, and the figures of its last hour.

No question is asked for it. Signals that compare with before, or with others, look here: onset and runway.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..model import Reading, Value

if TYPE_CHECKING:
    from ..sources import Sources
    from .signal import Signal

V = TypeVar("V", bound=Value)

KEPT_S = 3600.0
LEAST_S = 4.5  # between two samples of a figure
MOST_FIGURES = 500
WAIT_S = 0.05
NAME = "figures"


class _Samples:
    """Times (epoch seconds) and values, in the order of time."""

    def __init__(self) -> None:
        self.times, self.values = array("d"), array("d")

    def add(self, at: float, value: float) -> None:
        if self.times and at < self.times[-1] + LEAST_S:
            if at > self.times[-1] - KEPT_S:
                return
            self.times, self.values = array("d"), array("d")  # the clock was set back by far
        self.times.append(at)
        self.values.append(value)
        if self.times[0] < at - KEPT_S * 1.1:
            old = next(n for n, time in enumerate(self.times) if time >= at - KEPT_S)
            del self.times[:old], self.values[:old]


class FigureMemory:
    """`readings`: the newest of each signal that was read here."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}
        self._samples: dict[str, _Samples] = {}

    def take(self, signal: Signal[Any], reading: Reading) -> None:
        """A reading, good or not. What is not new adds nothing."""
        before = self.readings.get(signal.name)
        self.readings[signal.name] = reading
        value, at = reading.value, reading.taken_at
        if value is None or at is None or reading.error or (before is not None and before.taken_at == at):
            return
        if signal.numbers is None:
            return
        for name, number in signal.numbers(value, reading.every, at).items():
            self.add(name, at.timestamp(), number)

    def add(self, figure: str, at: float, number: float | None) -> None:
        """A sample of a figure; None is no sample, for it is not zero."""
        if number is None or not math.isfinite(number):
            return
        samples = self._samples.get(figure)
        if samples is None:
            if len(self._samples) >= MOST_FIGURES:
                return
            samples = self._samples[figure] = _Samples()
        samples.add(at, float(number))

    def points(self, figure: str, since: float = 0.0) -> list[tuple[float, float]]:
        """(epoch seconds, value) in the order of time."""
        samples = self._samples.get(figure)
        if samples is None:
            return []
        return [point for point in zip(samples.times, samples.values, strict=True) if point[0] >= since]

    def value(self, signal: str, kind: type[V]) -> V | None:
        """The signal's last good value, if its newest try was good."""
        reading = self.readings.get(signal)
        value = reading.value if reading is not None and not reading.error else None
        return value if isinstance(value, kind) else None

    async def heard(self, names: Iterable[str], patience_s: float) -> None:
        """Return when each of these signals was tried once, or when patience ends: they may be read at this moment."""
        wanted, until = set(names), time.monotonic() + patience_s
        while wanted - self.readings.keys() and time.monotonic() < until:
            await asyncio.sleep(WAIT_S)


def figure_memory(sources: Sources) -> FigureMemory:
    """The memory of who reads these sources."""
    kept = sources.memory.get(NAME)
    if not isinstance(kept, FigureMemory):
        kept = sources.memory[NAME] = FigureMemory()
    return kept


def remembered(sources: Sources, signal: Signal[Any], reading: Reading) -> Reading:
    """The reading, which the memory now has too."""
    figure_memory(sources).take(signal, reading)
    return reading


def joined(older: Iterable[tuple[float, float]], newer: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Both in order: of the older ones those before the newer begin."""
    begin = newer[0][0] if newer else math.inf
    return [*(point for point in older if point[0] < begin), *newer]


Series = Mapping[tuple[str, str], tuple[tuple[float, float], ...]]
