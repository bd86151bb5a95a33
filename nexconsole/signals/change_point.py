"""Since when a figure is out of its usual range: a change point by the likelihood of counts, or by medians.

The history is cut where it changes most (least description), so that a step, a ramp and a spike that is over are told
apart. The usual range is that of what came before a cut, by median and MAD: earlier excursions and sawteeth do not
hide a new one, and do not make one. No clock and no source here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

from .history_steps import MOST_STEPS, HistoryStep, coarsened, sound
from .likelihood import LEVEL, SHARE, binomial, cost_of, poisson

PENALTY = 7.0  # of a cut, in log-likelihood: what chance alone would gain
EVIDENCE = 10.0  # log-likelihood that the time since the onset is not as usual; of shares and paces
SUSPICION = 4.0  # the same, from which on it is worth a closer look
LEAST_STEPS = 5  # before the onset: fewer show no usual value
LEVEL_STEPS = 3  # since the onset, of a level: two samples may be a spike
WIDE = 4.0  # so many deviations from the median are still usual
BLOCK_S, STILL_S = 60.0, 300.0
ALIKE = 2.0  # log-likelihood: cuts that explain the history nearly as well
ROOM = 0.1  # beside what was seen at this time on other days


@dataclass(frozen=True, kw_only=True)
class OnsetRules:
    """How a figure is judged. `kind`: SHARE (failures of purchases), PACE (purchases in seconds), LEVEL (samples).

    `worse`: 1 where more is worse, -1 where less is; `both`: the good way is told too. It must differ by `least` (in
    the figure's unit) and by `factor` from the usual value. Above `limit` it is bad whatever it was before. A history
    whose newest step is older than `stale_s` says nothing of now. `before_s`: so much history shows a usual value.
    """

    kind: str = LEVEL
    worse: int = 1
    both: bool = False
    least: float = 0.0
    factor: float = 1.0
    limit: float | None = None
    least_hits: float = 4.0  # failures since the onset; of shares
    stale_s: float = 60.0
    before_s: float = 120.0


class ChangePoint(NamedTuple):
    """`at` (epoch seconds): when it left its usual range, give or take `within` seconds; None: before the history.

    `before`: the usual value, None where no history shows one; `after`: the one since. `worse`: it is the bad way.
    """

    at: float | None
    before: float | None
    after: float
    within: float
    worse: bool = True


class _UsualRange(NamedTuple):
    low: float
    high: float
    center: float


def onset_of(points: Sequence[HistoryStep], now: float, rules: OnsetRules) -> ChangePoint | None:
    """Since when the figure is out of its usual range; None where it is in it at `now`, or where nobody can tell.

    `points` in any order; what is not finite or negative where it counts, and what lies after `now`, is left out.
    """
    steps, days = coarsened(sound(points, now, counts=rules.kind != LEVEL), now, rules.kind == LEVEL)
    if not steps or now - steps[-1].end > rules.stale_s:
        return None
    noise = _noise(steps, rules)
    if rules.kind == LEVEL:
        steps = _smooth(steps)
    if _unsuspicious(steps, rules):
        return None
    cuts = _cuts(steps, rules, noise)
    for number, cut in enumerate(cuts[1:-1], 1):
        found = _left_at(steps, cuts[number:], cut, rules, noise, days)
        if found is not None:
            return found
    return _always(steps, cuts, rules)


def told_by(steps: Sequence[HistoryStep], now: float, rules: OnsetRules) -> bool:
    """Whether a history is new and long enough to tell that the figure is in its usual range."""
    if len(steps) < LEAST_STEPS or now - steps[-1].end > rules.stale_s:
        return False
    return steps[-1].end - steps[0].at >= rules.before_s


def still_out(steps: Sequence[HistoryStep], before: float, rules: OnsetRules) -> float | None:
    """The value of the last minutes, where it is not back at what was usual; None where it is, or where none is known.

    For what has been so for longer than its history reaches.
    """
    value = _value([step for step in steps if step.end > steps[-1].end - STILL_S], rules)
    return value if not math.isnan(value) and _differs(before, value, rules, rules.worse) else None


def _value(steps: Sequence[HistoryStep], rules: OnsetRules) -> float:
    """The figure over these steps; NaN where nothing was counted."""
    if rules.kind == LEVEL:
        return median(step.amount for step in steps)
    of = math.fsum(step.of for step in steps)
    return math.fsum(step.amount for step in steps) / of if of else math.nan


def _smooth(steps: list[HistoryStep]) -> list[HistoryStep]:
    """Single samples that stand out are no change; the newest needs another one that says the same."""
    values = [step.amount for step in steps]
    if len(values) < LEVEL_STEPS:
        return steps
    padded = [values[0], *values, _last(values)]
    return [step._replace(amount=median(padded[n : n + 3])) for n, step in enumerate(steps)]


def _last(values: Sequence[float]) -> float:
    """What stands after the newest: the one before it, so that the newest alone moves nothing."""
    return values[-2]


def _unsuspicious(steps: Sequence[HistoryStep], rules: OnsetRules) -> bool:
    """Whether a cheap look suffices: the last minute is not beyond the better part of the history."""
    newest = [step for step in steps if step.end > steps[-1].end - BLOCK_S]
    now = _value(newest, rules)
    if math.isnan(now):
        return True
    values = sorted(value for block in _blocks(steps, rules) if not math.isnan(value := _value(block, rules)))
    if rules.limit is not None and (now - rules.limit) * rules.worse > 0:
        return False
    low, high = values[len(values) // 4], values[-1 - len(values) // 4]
    last = steps[-1].amount / steps[-1].of if steps[-1].of else now
    beyond = _differs(low if rules.worse > 0 else high, now, rules, rules.worse)
    sudden = rules.kind == LEVEL and _differs(low if rules.worse > 0 else high, last, rules, rules.worse)
    good = rules.both and _differs(high if rules.worse > 0 else low, now, rules, -rules.worse)
    return not (beyond or good or sudden) or (rules.kind != LEVEL and not _unlike(steps, rules))


def _unlike(steps: Sequence[HistoryStep], rules: OnsetRules) -> bool:
    """Whether any stretch up to now, of some lengths, is hardly as all before it by chance."""
    length = 2
    while length < len(steps):
        if _gain(steps[:-length], steps[-length:], rules) >= SUSPICION:
            return True
        length *= 2
    return False


def _differs(usual: float, value: float, rules: OnsetRules, way: int) -> bool:
    """Whether a value is so far from a usual one, up (1) or down (-1), that it matters."""
    factor = max(1.0, rules.factor)
    if way > 0:
        return value >= usual + rules.least and value >= usual * factor
    return value <= usual - rules.least and value * factor <= usual


def _blocks(steps: Sequence[HistoryStep], rules: OnsetRules) -> list[list[HistoryStep]]:
    """Steps of about a minute together: what is counted is too few to be a value otherwise. Levels stay as they are."""
    if rules.kind == LEVEL:
        return [[step] for step in steps]
    blocks: list[list[HistoryStep]] = []
    begun = -math.inf
    for step in steps:
        if not blocks or step.end - begun > BLOCK_S + 1.0:
            blocks.append([])
            begun = step.at
        blocks[-1].append(step)
    if len(blocks) > 1 and blocks[-1][-1].end - blocks[-1][0].at < BLOCK_S / 2:
        tail = blocks.pop()
        blocks[-1] += tail
    return blocks


def _noise(steps: Sequence[HistoryStep], rules: OnsetRules) -> float:
    """LEVEL: the deviation between neighbours. Else how many times more than chance counts scatter, 1 or more."""
    if rules.kind == LEVEL:
        jumps = [abs(b.amount - a.amount) for a, b in pairwise(steps[-MOST_STEPS // 2 :])]  # the fine ones
        usual = median(jumps) / 0.954 if jumps else 0.0
        center = abs(median(step.amount for step in steps))
        return max(usual, rules.least / 3, 0.02 * center, 1e-9)
    overall = _value(steps, rules)
    scatter = []
    for one, other in pairwise(steps):
        if not (one.of and other.of):
            continue
        chance = overall * (1 - overall) if rules.kind == SHARE else overall
        variance = chance * (1 / one.of + 1 / other.of)
        if variance > 0:
            scatter.append((one.amount / one.of - other.amount / other.of) ** 2 / variance)
    return min(5.0, max(1.0, median(scatter) / 0.455)) if len(scatter) >= 2 * LEAST_STEPS else 1.0


def _cuts(steps: Sequence[HistoryStep], rules: OnsetRules, noise: float) -> list[int]:
    """Where the history changes: [0, ..., len(steps)], each stretch from one to the next, by least description."""
    cost = cost_of(rules.kind, noise)
    values = [(step.amount, step.of, step.amount * step.amount) for step in steps]
    amounts, ofs, squares = ([0.0, *accumulate(column)] for column in zip(*values, strict=True))
    best, origin = [-PENALTY], [0]
    open_at = [0]  # where a stretch may begin; what can never be best again is let go
    for end in range(1, len(steps) + 1):
        amount, of, square = amounts[end], ofs[end], squares[end]
        costs = [
            (best[at] + cost(amount - amounts[at], of - ofs[at], square - squares[at], end - at), at) for at in open_at
        ]
        least, begin = min(costs)
        best.append(least + PENALTY)
        origin.append(begin)
        open_at = [each for each_cost, each in costs if each_cost <= least + PENALTY] + [end]
    cuts = [len(steps)]
    while cuts[-1]:
        cuts.append(origin[cuts[-1]])
    return cuts[::-1]


def _left_at(
    steps: Sequence[HistoryStep],
    cuts: Sequence[int],
    cut: int,
    rules: OnsetRules,
    noise: float,
    days: Sequence[HistoryStep],
) -> ChangePoint | None:
    """The onset, if it lies at this cut: all before it is usual, and what came since is mostly out of that range."""
    before, since = steps[:cut], steps[cut:]
    usual = _usual(before, rules, noise, days)
    if usual is None:
        return None
    last = steps[cuts[-2] : cuts[-1]]
    way = _way(usual, last, rules)
    if way == 0 or (way != rules.worse and not rules.both) or _way(usual, steps[cuts[0] : cuts[1]], rules) != way:
        return None
    out_s = in_s = 0.0
    for begin, end in pairwise(cuts):
        length = steps[end - 1].end - steps[begin].at
        if _way(usual, steps[begin:end], rules) == way:
            out_s += length
        else:
            in_s += length
    if in_s > out_s or not _evident(before, since, last, rules, noise):
        return None
    cut = _moved(steps, cut, usual, rules, way)
    within = _within(steps, cut, rules, noise)
    after = _value(last if rules.kind == LEVEL else steps[cut:], rules)
    return ChangePoint(steps[cut].at, usual.center, after, within, way == rules.worse)


def _usual(
    before: Sequence[HistoryStep], rules: OnsetRules, noise: float, days: Sequence[HistoryStep]
) -> _UsualRange | None:
    """The range of these steps; None where they are too few, or too short a time, to have one.

    What is above the limit is not usual, unless hardly anything else is known.
    """
    if len(before) < LEAST_STEPS or before[-1].end - before[0].at < rules.before_s:
        return None
    blocks = [block for block in _blocks(before, rules) if not math.isnan(_value(block, rules))]
    if rules.limit is not None:
        limit = rules.limit
        well = [block for block in blocks if (_value(block, rules) - limit) * rules.worse <= 0]
        blocks = well if len(well) >= max(2, len(blocks) // 5) else blocks
    values = sorted(_value(block, rules) for block in blocks)
    if not values:
        return None
    if rules.kind == LEVEL:
        center, chance = median(values), 0.0
    else:
        center = _value([step for block in blocks for step in block], rules)
        of = median(sum(step.of for step in block) for block in blocks)
        chance = (center * (1 - center) if rules.kind == SHARE else center) / of if of else 0.0
        if (middle := median(values)) and abs(center - middle) > 3 * math.sqrt(chance):
            center = middle  # an excursion among them weighs more than it lasted
    deviation = 1.4826 * median(abs(value - center) for value in values)
    spread = WIDE * math.sqrt(max(0.0, deviation * deviation - 1.5 * chance))
    low, high = center - spread, center + spread
    if rules.kind == LEVEL:
        low, high = _level_range(values, center, max(deviation, noise), 2 * noise + rules.least / 2)
    others = sorted(step.amount / step.of for step in days if step.of)
    if len(others) >= 3:
        low = min(low, others[len(others) // 10] * (1 - ROOM))
        high = max(high, others[-1 - len(others) // 10] * (1 + ROOM))
    return _UsualRange(low, high, center)


def _level_range(values: Sequence[float], center: float, deviation: float, room: float) -> tuple[float, float]:
    """By the deviation, but not far beyond what was nearly the extreme: a sawtooth deviates much and has sharp edges.
    What was seen for a tenth of the time is usual."""
    tenth, hardly = len(values) // 10, len(values) // 50
    low = max(center - WIDE * deviation, values[hardly] - room)
    high = min(center + WIDE * deviation, values[-1 - hardly] + room)
    return min(low, values[tenth]), max(high, values[-1 - tenth])


def _way(usual: _UsualRange, steps: Sequence[HistoryStep], rules: OnsetRules) -> int:
    """1: above the usual range, -1: below it, 0: in it."""
    value = _value(steps, rules)
    if math.isnan(value):
        return 0
    if value > usual.high and _differs(usual.center, value, rules, 1):
        return 1
    if value < usual.low and _differs(usual.center, value, rules, -1):
        return -1
    return 0


def _evident(
    before: Sequence[HistoryStep],
    since: Sequence[HistoryStep],
    last: Sequence[HistoryStep],
    rules: OnsetRules,
    noise: float,
) -> bool:
    """Whether what came since can't be chance."""
    if rules.kind == LEVEL:
        return len(since) >= LEVEL_STEPS
    if rules.kind == SHARE and rules.worse > 0 and math.fsum(step.amount for step in since) < rules.least_hits:
        return False
    return _gain(before, since, rules) / noise >= EVIDENCE


def _gain(one: Sequence[HistoryStep], other: Sequence[HistoryStep], rules: OnsetRules) -> float:
    """The log-likelihood that two stretches of counts differ."""
    likelihood = binomial if rules.kind == SHARE else poisson
    sums = [(sum(step.amount for step in part), sum(step.of for step in part)) for part in (one, other)]
    together = (sums[0][0] + sums[1][0], sums[0][1] + sums[1][1])
    return likelihood(*together) - likelihood(*sums[0]) - likelihood(*sums[1])


def _moved(steps: Sequence[HistoryStep], cut: int, usual: _UsualRange, rules: OnsetRules, way: int) -> int:
    """The cut where a level, step by step, left the range: a ramp is cut into stairs."""
    if rules.kind != LEVEL:
        return cut

    def out(step: HistoryStep) -> bool:
        return step.amount > usual.high if way > 0 else step.amount < usual.low

    while cut > 1 and out(steps[cut - 1]):
        cut -= 1
    while cut < len(steps) - 1 and not out(steps[cut]):
        cut += 1
    return cut


def _within(steps: Sequence[HistoryStep], cut: int, rules: OnsetRules, noise: float) -> float:
    """How far a cut could be moved without explaining the history much worse, in seconds; a step at least."""
    least = max(steps[cut].end - steps[cut].at, steps[cut].at - steps[cut - 1].at)
    if rules.kind == LEVEL:
        return least
    cost = cost_of(rules.kind, noise)
    begin, end = max(0, cut - 30), min(len(steps), cut + 30)

    def whole(at: int) -> float:
        return sum(
            cost(sum(step.amount for step in part), sum(step.of for step in part), 0.0, len(part))
            for part in (steps[begin:at], steps[at:end])
        )

    best = whole(cut)
    first = last = cut
    while first - 1 > begin and whole(first - 1) <= best + ALIKE:
        first -= 1
    while last + 1 < end and whole(last + 1) <= best + ALIKE:
        last += 1
    return max(least, steps[cut].at - steps[first].at, steps[last].at - steps[cut].at)


def _always(steps: Sequence[HistoryStep], cuts: Sequence[int], rules: OnsetRules) -> ChangePoint | None:
    """Beyond the limit for as long as anything is known."""
    if rules.limit is None or (rules.kind == LEVEL and len(steps) < LEVEL_STEPS):
        return None
    limit = rules.limit
    beyond = [(_value(steps[begin:end], rules) - limit) * rules.worse > 0 for begin, end in pairwise(cuts)]
    hits = math.fsum(step.amount for step in steps)
    if not all(beyond) or (rules.kind == SHARE and hits < 2 * rules.least_hits):
        return None
    after = _value(steps[cuts[-2] :] if rules.kind == LEVEL else steps, rules)
    return ChangePoint(None, None, after, 0.0)
