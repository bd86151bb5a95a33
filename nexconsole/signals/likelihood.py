"""How likely counts and levels are, given that nothing changed among them: negative logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable

SHARE, PACE, LEVEL = "share", "pace", "level"  # failures of purchases, purchases in seconds, samples

EXACT = 200  # trials: with more of them the normal distribution will do

Cost = Callable[[float, float, float, int], float]


def cost_of(kind: str, noise: float) -> Cost:
    """The cost of a stretch, given its sums: amount, of, squares of amounts, and how many steps.

    `noise`: of levels their deviation; of counts how many times more than chance they scatter.
    """
    if kind == SHARE:
        return lambda amount, of, squares, many: binomial(amount, of) / noise
    if kind == PACE:
        return lambda amount, of, squares, many: poisson(amount, of) / noise
    return lambda amount, of, squares, many: (squares - amount * amount / many) / (2 * noise * noise)


def binomial(hits: float, trials: float) -> float:
    """Of so many hits in trials of one chance."""
    if hits <= 0 or hits >= trials:
        return 0.0
    return -(hits * math.log(hits / trials) + (trials - hits) * math.log(1 - hits / trials))


def poisson(events: float, seconds: float) -> float:
    """Of so many events in seconds at one pace."""
    return events - events * math.log(events / seconds) if events > 0 and seconds > 0 else 0.0


def at_most(hits: int, trials: int, chance: float) -> float:
    """How often chance has so few hits, or fewer, in so many trials: 0..1."""
    if trials > EXACT:
        deviation = math.sqrt(trials * chance * (1 - chance)) or 1.0
        return 0.5 * (1 + math.erf((hits + 0.5 - trials * chance) / deviation / math.sqrt(2)))
    return min(1.0, sum(math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(hits + 1)))
