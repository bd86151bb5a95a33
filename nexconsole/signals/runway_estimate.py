"""How a figure moves, with a range, and when it reaches a limit: by the median of all slopes (Theil and Sen).

No date comes from two points, and none lies farther ahead than the history supports. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

Point = tuple[float, float]  # epoch seconds, value

WINDOWS_S = (180.0, 600.0, 1800.0, 3600.0)  # the shortest in which the figure plainly moves tells the present pace
STEADY_WINDOWS_S = WINDOWS_S[1:]  # of what customers' demand moves: a few minutes of it are chance
LEAST_POINTS = 6
LEAST_SPAN_S = 90.0
MOST_POINTS = 48  # more are put together: the number of slopes grows with the square
CONFIDENCE = 1.96  # standard deviations of Kendall's score
CORRELATED = 2.0  # neighbours resemble each other: the range is so much wider than for independent points
FARTHEST = 12.0  # times the window: what lies farther ahead is no estimate
STALE_S = 90.0
LEAST_BOUGHT = 12
LONG_SPENDING = 100.0  # times the window: customers' demand is steadier than a leak


class Slope(NamedTuple):
    """A pace in units a second: the median, and the range that the points support; over `window_s` seconds."""

    low: float
    middle: float
    high: float
    window_s: float


class TimeLeft(NamedTuple):
    """In so many seconds from now, at the earliest and at the latest."""

    earliest_s: float
    latest_s: float


def slope(points: Sequence[Point], now: float, window_s: float, stale_s: float = STALE_S) -> Slope | None:
    """The pace over the last `window_s` seconds; None where the points are too few, or too old."""
    recent = [
        (at, value)
        for at, value in points
        if now - window_s <= at <= now and math.isfinite(value) and math.isfinite(at)
    ]
    recent.sort()
    if len(recent) < LEAST_POINTS or recent[-1][0] - recent[0][0] < LEAST_SPAN_S or now - recent[-1][0] > stale_s:
        return None
    recent = _thinned(recent)
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(recent, 2) if b[0] > a[0])
    if not slopes:
        return None
    many = len(recent)
    room = CORRELATED * CONFIDENCE * math.sqrt(many * (many - 1) * (2 * many + 5) / 18) / 2
    low, high = (len(slopes) - 1) / 2 - room, (len(slopes) - 1) / 2 + room
    first, last = max(0, math.floor(low)), min(len(slopes) - 1, math.ceil(high))
    return Slope(slopes[first], median(slopes), slopes[last], recent[-1][0] - recent[0][0])


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS`, each the median of a stretch."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(len(points) / MOST_POINTS)
    groups = [points[begin : begin + size] for begin in range(0, len(points), size)]
    return [(median(at for at, _ in group), median(value for _, value in group)) for group in groups]


def pace(
    points: Sequence[Point],
    now: float,
    *,
    up: bool,
    least: float,
    stale_s: float = STALE_S,
    windows_s: Sequence[float] = WINDOWS_S,
) -> Slope | None:
    """The present pace of a figure that plainly rises (or, not `up`, falls), by `least` at least over the window."""
    sign = 1.0 if up else -1.0
    for window_s in windows_s:
        found = slope(points, now, window_s, stale_s)
        if found is None:
            continue
        slowest = min(sign * found.low, sign * found.high)
        if slowest > 0 and sign * found.middle * found.window_s >= least:
            return found
    return None


def reaches(present: float, limit: float, found: Slope) -> TimeLeft | None:
    """When a figure that moves so is at the limit; None where it moves away from it, or where that is too far ahead."""
    left = limit - present
    if left == 0:
        return TimeLeft(0.0, 0.0)
    slow, fast = sorted((abs(found.low), abs(found.high)))
    if slow <= 0 or found.low * found.high <= 0 or (left > 0) != (found.middle > 0):
        return None
    earliest, latest = abs(left) / fast, abs(left) / slow
    return TimeLeft(earliest, latest) if latest <= FARTHEST * found.window_s else None


class Spending(NamedTuple):
    """What purchases of the last `window_s` seconds have cost: how many, the sum, and the sum of squares."""

    many: int
    total: float
    squares: float
    window_s: float


def used_up(balance: float, age_s: float, spending: Spending) -> TimeLeft | None:
    """When a balance that was so much `age_s` seconds ago is used up at this spending; None where too few were bought,
    or where it lasts for longer than such a stretch can tell.

    The range is that of chance: of how many come, and of what they cost.
    """
    many, total, squares, window_s = spending
    if many < LEAST_BOUGHT or total <= 0 or window_s <= 0:
        return None
    scatter = math.sqrt(squares) * CONFIDENCE
    slow, fast = max(0.0, total - scatter) / window_s, (total + scatter) / window_s
    left = balance - total / window_s * age_s
    if left <= 0:
        return TimeLeft(0.0, 0.0)
    if slow <= 0 or left / slow > LONG_SPENDING * window_s:
        return None
    return TimeLeft(left / fast, left / slow)
