"""Prometheus' semantics over the market's samples: staleness, rates with their extrapolation, quantiles.

They are those of its 2.x: since 3.0 a window leaves out a sample at its very beginning.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache

from .promql import COMPARISONS, Aggregation, Binary, Expression, FunctionCall, Number, Selector

Labels = tuple[tuple[str, str], ...]  # sorted
Vector = dict[Labels, float]

LOOKBACK_S = 300.0
KEPT_S = 3600.0
SELECTORS_KEPT = 1000
JOB = "nexnum-app"
PORT = 3000


def instance(pod: str) -> dict[str, str]:
    """The labels that a scrape of this pod adds to its series."""
    return {"instance": f"{pod}:{PORT}", "job": JOB, "pod": pod}


class SampleSeries:
    """Samples in the order of time; `resets` is what a counter had lost by its resets up to each of them."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self.resets: list[float] = []

    def append(self, at: float, value: float) -> None:
        lost = self.resets[-1] if self.resets else 0.0
        self.resets.append(lost + self.values[-1] if self.values and value < self.values[-1] else lost)
        self.times.append(at)
        self.values.append(value)

    def forget(self, before: float) -> None:
        old = bisect_right(self.times, before)
        del self.times[:old], self.values[:old], self.resets[:old]


class SampleStore:
    """Series by labels. A series that its origin (a round of scrapes, of rules) no longer has is stale at once."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[SampleSeries, list[float]]] = {}
        self._names: dict[str, list[Labels]] = {}
        self._rounds: dict[str, list[float]] = {}
        self._found: dict[Selector, list[Labels]] = {}  # until a series comes or goes

    def add(self, origin: str, at: float, samples: Iterable[tuple[Labels, float]]) -> None:
        """One round: everything that `origin` has at this time."""
        rounds = self._rounds.setdefault(origin, [])
        rounds.append(at)
        for labels, value in samples:
            found = self._series.get(labels)
            if found is None:
                found = self._series[labels] = (SampleSeries(), rounds)
                self._found.clear()
                self._names.setdefault(dict(labels)["__name__"], []).append(labels)
            found[0].append(at, value)

    def forget(self, before: float) -> None:
        for rounds in self._rounds.values():
            del rounds[: bisect_right(rounds, before)]
        for labels, (series, _) in list(self._series.items()):
            series.forget(before)
            if not series.times:
                del self._series[labels]
                self._found.clear()
                self._names[dict(labels)["__name__"]].remove(labels)

    def find(self, selector: Selector) -> list[Labels]:
        """The labels of all series that match."""
        if selector not in self._found:
            if len(self._found) >= SELECTORS_KEPT:
                self._found.clear()
            named = self._names.get(selector.name, []) if selector.name else list(self._series)
            self._found[selector] = [labels for labels in named if _matches(selector, dict(labels))]
        return self._found[selector]

    def now(self, selector: Selector, at: float) -> Vector:
        vector: Vector = {}
        for labels in self.find(selector):
            series, rounds = self._series[labels]
            place = bisect_right(series.times, at) - 1
            newest = bisect_right(rounds, at) - 1
            if place >= 0 and series.times[place] == rounds[newest] and at - rounds[newest] <= LOOKBACK_S:
                vector[labels] = series.values[place]
        return vector

    def over(self, selector: Selector, at: float) -> Iterable[tuple[Labels, SampleSeries, int, int]]:
        """The matching series that have samples in [at - window, at], with the first's place and the last's."""
        assert selector.window is not None
        for labels in self.find(selector):
            series = self._series[labels][0]
            first = bisect_left(series.times, at - selector.window)
            last = bisect_right(series.times, at) - 1
            if first <= last:
                yield labels, series, first, last


class Scrapes:
    """Takes the market's snapshots into a database, each once; begins anew where the past was rewritten."""

    def __init__(self, samples: deque[tuple[float, dict[tuple[str, str, Labels], float]]]) -> None:
        self._samples = samples
        self._newest: object = None
        self._labels: dict[tuple[str, str, Labels], Labels] = {}

    def take(self, database: SampleStore) -> bool:
        """Add what is new. False where what was taken before is no longer true: the database must be a new one."""
        fresh = []
        for at, values in reversed(self._samples):
            if values is self._newest:
                break
            fresh.append((at, values))
        else:
            if self._newest is not None:
                self._newest = None
                return False
        for at, values in reversed(fresh):
            database.add("scrape", at, ((self._full(key), value) for key, value in values.items()))
            self._newest = values
        if fresh:
            database.forget(fresh[0][0] - KEPT_S)
        return True

    def _full(self, key: tuple[str, str, Labels]) -> Labels:
        full = self._labels.get(key)
        if full is None:
            pod, name, labels = key
            full = self._labels[key] = tuple(sorted({"__name__": name, **instance(pod), **dict(labels)}.items()))
        return full


def evaluate(expression: Expression, database: SampleStore, at: float) -> Vector | float:
    """The value of an expression at a time (epoch seconds): a vector, or a number for a scalar."""
    match expression:
        case Number(value):
            return value
        case Selector():
            return database.now(expression, at)
        case FunctionCall("histogram_quantile", (share, buckets)):
            return _quantiles(evaluate(share, database, at), evaluate(buckets, database, at))
        case FunctionCall(function, (Selector() as selector,)):
            return _growth(database, selector, at, per_second=function == "rate")
        case Aggregation(op, by, over):
            return _aggregate(op, by, evaluate(over, database, at))
        case Binary(op, left, right):
            return _binary(op, evaluate(left, database, at), evaluate(right, database, at))
    raise TypeError(f"no way to evaluate {expression!r}")


def _matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.label, "")) for matcher in selector.matchers)


def _growth(database: SampleStore, selector: Selector, at: float, *, per_second: bool) -> Vector:
    """increase() and rate(): what a counter gained, extrapolated to the window's edges where they are near."""
    vector: Vector = {}
    window = selector.window or 0.0
    for labels, series, first, last in database.over(selector, at):
        if first == last:
            continue
        gained = series.values[last] - series.values[first] + series.resets[last] - series.resets[first]
        covered = series.times[last] - series.times[first]
        mean = covered / (last - first)
        before, after = series.times[first] - (at - window), at - series.times[last]
        if gained > 0 and series.values[first] >= 0:  # a counter did not exist below zero
            before = min(before, covered * series.values[first] / gained)
        before, after = (edge if edge < mean * 1.1 else mean / 2 for edge in (before, after))
        gained *= (covered + before + after) / covered
        vector[_without(labels, "__name__")] = gained / window if per_second else gained
    return vector


def _aggregate(op: str, by: frozenset[str], vector: Vector | float) -> Vector:
    assert isinstance(vector, dict)
    groups: Vector = {}
    for labels, value in vector.items():
        group = tuple(pair for pair in labels if pair[0] in by)
        groups[group] = groups.get(group, 0.0) + (value if op == "sum" else 1.0)
    return groups


def _binary(op: str, left: Vector | float, right: Vector | float) -> Vector | float:
    if isinstance(left, float) and isinstance(right, float):
        return _arithmetic(op, left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        others = {_without(labels, "__name__"): value for labels, value in right.items()}
        pairs = [(labels, value, others.get(_without(labels, "__name__"))) for labels, value in left.items()]
        return _combined(op, [(labels, a, b, a) for labels, a, b in pairs if b is not None])
    if isinstance(left, dict):
        assert isinstance(right, float)
        return _combined(op, [(labels, value, right, value) for labels, value in left.items()])
    assert isinstance(right, dict)
    return _combined(op, [(labels, left, value, value) for labels, value in right.items()])


def _combined(op: str, sides: list[tuple[Labels, float, float, float]]) -> Vector:
    """A comparison keeps the vector's own values where it holds; arithmetic makes new ones, without a name."""
    if op in COMPARISONS:
        return {labels: kept for labels, a, b, kept in sides if _compare(op, a, b)}
    return {_without(labels, "__name__"): _arithmetic(op, a, b) for labels, a, b, _ in sides}


def _compare(op: str, a: float, b: float) -> bool:
    return {">": a > b, "<": a < b, ">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b}[op]


def _arithmetic(op: str, a: float, b: float) -> float:
    if op == "/" and b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)
    return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[op]()


def _quantiles(share: Vector | float, buckets: Vector | float) -> Vector:
    assert isinstance(share, float) and isinstance(buckets, dict)
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        bound = dict(labels).get("le")
        if bound is not None:
            group = _without(labels, "__name__", "le")
            histograms.setdefault(group, []).append((float(bound.replace("Inf", "inf")), count))
    return {labels: _quantile(share, sorted(found)) for labels, found in histograms.items()}


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float:
    """A quantile of a histogram, linear inside its bucket; in the last one, that bucket's lower bound."""
    if not 0 <= share <= 1:
        return math.copysign(math.inf, share - 0.5)
    if len(buckets) < 2 or buckets[-1][0] != math.inf:
        return math.nan
    counts: list[float] = []
    for _, count in buckets:  # extrapolation can make a larger bucket a little smaller than the one inside it
        counts.append(max([count, *counts[-1:]]))
    if counts[-1] == 0:
        return math.nan
    rank = share * counts[-1]
    place = next(i for i, count in enumerate(counts) if count >= rank)
    if place == len(buckets) - 1:
        return buckets[-2][0]
    upper = buckets[place][0]
    if place == 0 and upper <= 0:
        return upper
    lower, below = (buckets[place - 1][0], counts[place - 1]) if place else (0.0, 0.0)
    return lower + (upper - lower) * (rank - below) / (counts[place] - below)


@lru_cache(maxsize=20_000)
def _without(labels: Labels, *names: str) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)
