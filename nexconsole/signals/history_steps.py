"""The steps of a figure's history: what was counted or seen in each, cleaned, and put together where they are many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

FINE_S = 600.0  # the newest steps stay as they are
MOST_STEPS = 120
LONGEST_S = 12 * 3600.0  # what is older only says what is usual at this time of the day
DAY_S, SAME_HOUR_S, MOST_DAYS = 86_400.0, 1800.0, 8


class HistoryStep(NamedTuple):
    """A step that begins at `at` (epoch seconds) and lasts `length` seconds (0: a sample).

    `amount` of `of`: failures of purchases, purchases of seconds, or a level (`of` is 1).
    """

    at: float
    amount: float
    of: float = 1.0
    length: float = 0.0

    @property
    def end(self) -> float:
        return self.at + self.length


def sound(points: Iterable[HistoryStep], now: float, *, counts: bool) -> list[HistoryStep]:
    """In order, each moment once, up to `now`. What can't be is left out: NaN, a counter that ran backwards, more
    failures than purchases are made as many."""
    kept: dict[float, HistoryStep] = {}
    for step in points:
        at, amount, of, length = step
        if not math.isfinite(at + amount + of + length) or at > now or of < 0 or length < 0:
            continue
        if not counts or (amount >= 0 and of > 0):
            kept[at] = step
    return [kept[at] for at in sorted(kept)]


def coarsened(steps: Sequence[HistoryStep], now: float, level: bool) -> tuple[list[HistoryStep], list[HistoryStep]]:
    """The last hours in at most about `MOST_STEPS` steps, the newest as fine as they were; and those of other days at
    this time of the day."""
    long = bool(steps) and now - steps[0].at > DAY_S - SAME_HOUR_S
    days = [step for step in steps if _same_hour(now - step.at)] if long else []
    recent = [step for step in steps if now - step.at <= LONGEST_S]
    fine = [step for step in recent if now - step.at <= FINE_S][-MOST_STEPS // 2 :]
    old = recent[: len(recent) - len(fine)]
    room = MOST_STEPS - len(fine)
    if len(old) > room:
        old = _merged(old, (old[-1].end - old[0].at) / room, level)
    return old + fine, days


def _same_hour(age: float) -> bool:
    day = round(age / DAY_S)
    return 1 <= day <= MOST_DAYS and abs(age - day * DAY_S) <= SAME_HOUR_S


def _merged(steps: Sequence[HistoryStep], length: float, level: bool) -> list[HistoryStep]:
    """Steps of at least this length; a gap is not bridged."""
    merged: list[HistoryStep] = []
    group: list[HistoryStep] = []
    until = 0.0
    for step in steps:
        if group and step.at + step.length > until:
            merged.append(_one(group, level))
            group = []
        if not group:
            until = step.at + length
        group.append(step)
    return [*merged, _one(group, level)] if group else merged


def _one(group: Sequence[HistoryStep], level: bool) -> HistoryStep:
    length = max(step.end for step in group) - group[0].at
    if level:
        return HistoryStep(group[0].at, median(step.amount for step in group), 1.0, length)
    return HistoryStep(
        group[0].at, math.fsum(step.amount for step in group), math.fsum(step.of for step in group), length
    )
