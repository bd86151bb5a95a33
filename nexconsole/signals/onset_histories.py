"""The histories that onsets are looked for in: rows, counters, the flight record, and what this console has read.

Each source is asked at its own modest pace; what fails leaves a note, and the next best history serves.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import NotConfigured, SourceError
from .figure_memory import figure_memory, joined
from .history_steps import HistoryStep
from .likelihood import LEVEL
from .onset_figures import ATTEMPTS, FAILURE_RATE, LATENCY, LEVELS, WATCHED
from .purchase_steps import ALL, PurchaseSteps, counted_steps, read_steps

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

T = TypeVar("T")
Series = Mapping[tuple[str, str], tuple[tuple[float, float], ...]]

NAME = "onset"
PURCHASES = "purchases"  # by the rows: a history, and the note where they can't be read
MOST_PROVIDERS = 20  # the busiest are watched one by one
SPAN_S = 3600.0
COUNTERS_EVERY_S = 15.0
WINDOWS_S = (30, 60, 120)  # of counters: as fine as the scrapes allow
LATENCY_EVERY_S, LATENCY_STEP_S, LATENCY_WINDOW_S, LATENCY_SPAN_S = 20.0, 15, 60, 1800.0
RECORD_EVERY_S = 60.0
RECORD_S = 6 * 3600.0
DEEP_EVERY_S, DEEP_STEP_S, DEEP_S = 600.0, 300, 25 * 3600.0
LEAST_POINTS = 5


class FigureHistory(NamedTuple):
    """A figure's steps and where they came from. `level`: they are levels over a window, whatever the figure is."""

    steps: list[HistoryStep]
    source: str
    level: bool = False


@dataclass
class OnsetMemory:
    """What the next reading has to know. Times are epoch seconds; `at` is when each history was asked for."""

    rows: PurchaseSteps = field(default_factory=PurchaseSteps)
    at: dict[str, float] = field(default_factory=dict)
    window_s: int = WINDOWS_S[0]
    counted: tuple[dict[str, list[HistoryStep]], dict[str, list[HistoryStep]]] = field(default_factory=lambda: ({}, {}))
    deep: tuple[dict[str, list[HistoryStep]], dict[str, list[HistoryStep]]] = field(default_factory=lambda: ({}, {}))
    latency: list[HistoryStep] = field(default_factory=list)
    record: Series = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def due(self, what: str, now: float, every: float) -> bool:
        """Whether it is time to ask for it again; from now on that is now."""
        if 0 <= now - self.at.get(what, -math.inf) < every:
            return False
        self.at[what] = now
        return True

    async def tried(self, what: str, answer: Awaitable[T]) -> T | None:
        """The answer; None, and a note, where a source fails; a source that nobody set needs no note."""
        self.notes.pop(what, None)
        try:
            return await answer
        except NotConfigured:
            return None
        except SourceError as error:
            self.notes[what] = f"no history of {what}: {error}"
            return None


def memory_of(sources: Sources) -> OnsetMemory:
    kept = sources.memory.get(NAME)
    if not isinstance(kept, OnsetMemory):
        kept = sources.memory[NAME] = OnsetMemory()
    return kept


async def histories(sources: Sources, settings: Settings, now: float) -> dict[tuple[str, str], FigureHistory]:
    """Every history that there is, by figure and subject ("": of all)."""
    memory = memory_of(sources)
    await _record(sources, memory, now)
    found = await _purchases(sources, settings, memory, now)
    found |= _levels(sources, memory, now)
    if latency := await _latency(sources, settings, memory, now):
        found[LATENCY, ALL] = latency
    return found


async def _purchases(
    sources: Sources, settings: Settings, memory: OnsetMemory, now: float
) -> dict[tuple[str, str], FigureHistory]:
    """From the rows, which have each purchase's moment; else from counters; else from what was recorded of them."""
    rows = memory.rows
    if sources.has("postgres"):
        await memory.tried(PURCHASES, read_steps(sources, rows))
        if PURCHASES not in memory.notes:
            keys = (ALL, *rows.providers()[:MOST_PROVIDERS])
            return {
                (figure, key): FigureHistory(of(key), "postgres")
                for key in keys
                for figure, of in ((FAILURE_RATE, rows.failures), (ATTEMPTS, rows.attempts))
            }
    if sources.has("prometheus"):
        failures, attempts = await _counted(sources, settings, memory, now)
        if attempts.get(ALL):
            busy = sorted(attempts, key=lambda key: -math.fsum(step.amount for step in attempts[key]))
            return {
                (figure, key): FigureHistory(of[key], "prometheus")
                for key in busy[: MOST_PROVIDERS + 1]
                for figure, of in ((FAILURE_RATE, failures), (ATTEMPTS, attempts))
            }
    return {
        (figure, subject): FigureHistory(_samples(points), "record", True)
        for (figure, subject), points in memory.record.items()
        if figure in (FAILURE_RATE, ATTEMPTS)
    }


async def _counted(
    sources: Sources, settings: Settings, memory: OnsetMemory, now: float
) -> tuple[dict[str, list[HistoryStep]], dict[str, list[HistoryStep]]]:
    """By the finest windows that the scrapes allow."""
    if memory.due("counters", now, COUNTERS_EVERY_S):
        for window_s in (each for each in WINDOWS_S if each >= memory.window_s):
            counted = await memory.tried("counters", counted_steps(sources, settings, now, SPAN_S, window_s))
            if counted is None:
                break
            memory.counted = counted
            if len(counted[1].get(ALL, ())) >= LEAST_POINTS:
                memory.window_s = window_s
                break
    return memory.counted


async def deep_purchases(
    sources: Sources, settings: Settings, now: float, figure: str, subject: str
) -> list[HistoryStep]:
    """A day of counters in coarse steps, asked for only where the finer history does not reach the beginning, or where
    the time of the day may explain it."""
    memory = memory_of(sources)
    if not sources.has("prometheus"):
        return []
    if memory.due("a day", now, DEEP_EVERY_S):
        deep = await memory.tried("a day", counted_steps(sources, settings, now, DEEP_S, DEEP_STEP_S))
        memory.deep = deep if deep is not None else memory.deep
    failures, attempts = memory.deep
    return (failures if figure == FAILURE_RATE else attempts).get(subject, [])


async def _latency(sources: Sources, settings: Settings, memory: OnsetMemory, now: float) -> FigureHistory | None:
    """By the minute from Prometheus; None where it has no such series."""
    if not sources.has("prometheus"):
        return None
    if memory.due("latency", now, LATENCY_EVERY_S):
        end = now // LATENCY_STEP_S * LATENCY_STEP_S
        kept = [step for step in memory.latency if end - LATENCY_SPAN_S <= step.at < end - LATENCY_WINDOW_S]
        start = kept[-1].end + LATENCY_STEP_S if kept else end - LATENCY_SPAN_S  # the rest is known already
        expression = settings.prometheus.expressions.latency_p95.replace("{window}", f"{LATENCY_WINDOW_S}s")
        series = await memory.tried("latency", sources.prometheus.query_range(expression, start, end, LATENCY_STEP_S))
        worst: dict[float, float] = {}
        for one in series or ():
            for at, value in one.points:
                worst[at] = max(value, worst.get(at, 0.0))
        if series is not None:
            newest = [HistoryStep(at - LATENCY_STEP_S, worst[at], 1.0, LATENCY_STEP_S) for at in sorted(worst)]
            memory.latency = [*kept, *newest]
    return FigureHistory(memory.latency, "prometheus") if len(memory.latency) >= LEAST_POINTS else None


async def _record(sources: Sources, memory: OnsetMemory, now: float) -> None:
    """What the flight record has of the time before this console began."""
    if memory.due("record", now, RECORD_EVERY_S):
        try:
            record = sources.record
        except NotConfigured:
            return
        series = await memory.tried("the flight record", record.series(WATCHED, now - RECORD_S, now))
        memory.record = series if series is not None else memory.record


def _levels(sources: Sources, memory: OnsetMemory, now: float) -> dict[tuple[str, str], FigureHistory]:
    """What this console has read, and before that what was recorded."""
    own = figure_memory(sources)
    found = {}
    for figure in LEVELS:
        recorded, read = memory.record.get((figure, ALL), ()), own.points(figure, now - SPAN_S)
        points = joined(recorded, read)
        if points:
            older = bool(recorded) and points[0][0] < (read[0][0] if read else math.inf)
            found[figure, ALL] = FigureHistory(_samples(points), "record" if older else "this console", True)
    return found


def _samples(points: Iterable[tuple[float, float]]) -> list[HistoryStep]:
    return [HistoryStep(at, value) for at, value in points]


def is_level(history: FigureHistory, kind: str) -> bool:
    """Whether the history has levels where the figure's own kind is another."""
    return history.level and kind != LEVEL
