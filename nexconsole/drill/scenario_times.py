"""A scenario at another time, and one drawn from a seed: pure functions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from .scenario_model import DrillScenario, StagedFault
from .staged_causes import Cause, LockLeak, Polling, StagedRelease, WalletStall

BEFORE_S = 300.0  # so much of an ordinary past lies before the first cause
LONGEST_HISTORY_S = 5400.0
T = TypeVar("T", bound=Cause)


def own_begins(scenario: DrillScenario) -> Iterator[float]:
    """When the causes that stand in the scenario itself begin, in seconds of drill time."""
    causes: list[Cause] = [*scenario.upstream, *scenario.more]
    causes += filter(None, (scenario.release, scenario.stall, scenario.leak))
    yield from (cause.begins_s for cause in causes)
    yield from (at for at in (scenario.outbox_stops_s, scenario.reconciler_stops_s) if at is not None)


def onset_s(scenario: DrillScenario) -> float:
    """The drill time at which the first symptom can show; where nothing is wrong, when the first thing happens."""
    shows = [begins + scenario.shows_after_s for begins in own_begins(scenario)]
    shows += [fault.begins_s + fault.shows_after_s for fault in scenario.faults if not fault.herring]
    return min(shows or [fault.begins_s for fault in scenario.faults] or [0.0])


def shifted(scenario: DrillScenario, by_s: float) -> DrillScenario:
    """The same scenario with each cause `by_s` later, or earlier below 0; its past is as long as that needs."""
    moved = replace(
        scenario,
        killed_until_s=scenario.killed_until_s + by_s if scenario.killed else 0.0,
        upstream=tuple(_later(cause, by_s) for cause in scenario.upstream),
        release=None if scenario.release is None else _later(scenario.release, by_s),
        outbox_stops_s=None if scenario.outbox_stops_s is None else scenario.outbox_stops_s + by_s,
        reconciler_stops_s=None if scenario.reconciler_stops_s is None else scenario.reconciler_stops_s + by_s,
        stall=None if scenario.stall is None else _later(scenario.stall, by_s),
        leak=None if scenario.leak is None else _later(scenario.leak, by_s),
        more=tuple(_later(cause, by_s) for cause in scenario.more),
        faults=tuple(_fault_later(fault, by_s) for fault in scenario.faults),
    )
    first = min((*own_begins(moved), *(fault.begins_s for fault in moved.faults)), default=0.0)
    return replace(moved, history_s=max(moved.history_s, min(BEFORE_S - first, LONGEST_HISTORY_S)))


def staged_after(scenario: DrillScenario, seconds: float) -> DrillScenario:
    """The scenario so that the drill starts `seconds` after the first symptom could show."""
    return shifted(scenario, -seconds - onset_s(scenario))


def varied(scenario: DrillScenario, draws: random.Random) -> DrillScenario:
    """The same causes at other times and with other figures, within a fifth or so."""
    stretch = draws.uniform(0.8, 1.25)
    busy, share = draws.uniform(0.85, 1.2), draws.uniform(0.9, 1.12)

    def other(cause: T) -> T:
        moved = replace(cause, begins_s=cause.begins_s * stretch)
        match moved:
            case WalletStall() | LockLeak():
                return replace(moved, share=moved.share * share)
            case StagedRelease():
                return replace(moved, misasks=moved.misasks * share)
            case Polling():
                return replace(moved, numbers=round(moved.numbers * share))
        return moved

    return replace(
        scenario,
        purchases_per_s=scenario.purchases_per_s * busy,
        killed_until_s=scenario.killed_until_s * stretch,
        upstream=tuple(other(cause) for cause in scenario.upstream),
        release=None if scenario.release is None else other(scenario.release),
        outbox_stops_s=None if scenario.outbox_stops_s is None else scenario.outbox_stops_s * stretch,
        reconciler_stops_s=None if scenario.reconciler_stops_s is None else scenario.reconciler_stops_s * stretch,
        stall=None if scenario.stall is None else other(scenario.stall),
        leak=None if scenario.leak is None else other(scenario.leak),
        more=tuple(other(cause) for cause in scenario.more),
    )


def _later(cause: T, by_s: float) -> T:
    return replace(cause, begins_s=round(cause.begins_s + by_s, 3))


def _fault_later(fault: StagedFault, by_s: float) -> StagedFault:
    ends_s = None if fault.ends_s is None else round(fault.ends_s + by_s, 3)
    return replace(fault, causes=tuple(_later(cause, by_s) for cause in fault.causes), ends_s=ends_s)
