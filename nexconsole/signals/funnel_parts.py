"""The funnel's parts: each pod's purchases, and what sales take."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from math import log
from statistics import median

from ..text.sanitize import clean_name

MOST_PODS = 100
PODS_S = 120.0  # a pod's purchases are counted for no longer: one that was well before is told soon
RECENT_S = 900.0  # what was said of a failure longer ago says nothing of those of now
RELAPSES_S = 600.0
FAILED_IN_A_ROW, SOLD_IN_A_ROW = 3, 5  # fewer may be chance, where a part of all purchases fails
WELL = 0.2  # so much may fail at a provider beside its bursts, for it to be well in between
LEAST_BETWEEN = 10
SO_MANY_BY_CHANCE = 0.004  # so seldom are so many sold in a row where a part of all fails
LATE_S = 90.0  # sales that began in so long up to the newest say how long one takes now
EARLIER_S = 300.0  # and those before then how long one took
LEAST = 5  # sales that say how long one takes
RUN_S = 900.0  # what failed longer ago belongs to no run of now
A_SALE = 0.1  # of a failure: a stretch of which more than one in eleven fails is one run
LONG_S = 5.0  # a purchase in flight for so long is no sale so far
TWO = 2  # purchases of another provider that say whether it is well
Runs = Sequence[tuple[bool, int]]  # in order: whether they failed, and how many did so in a row
HALF = 0.5  # of the share that fails at the one: others that fail less are well


@dataclass(frozen=True, kw_only=True)
class FailingRun:
    """A provider's stretch of failures that reaches up to now: it began `since_s` ago with the first that failed.

    `sold_last`: so many were sold since the last that failed, and none is in flight for long beside them. Of the
    others' purchases that began since `others_sold` were sold; `well` and `bad` of these providers are so since.
    """

    since_s: float
    decided: int
    failed: int
    sold_last: int = 0
    others: int = 0
    others_sold: int = 0
    well: int = 0
    bad: int = 0


@dataclass(frozen=True, kw_only=True)
class PodFunnel:
    """One pod's decided purchases of the last two minutes; of a busy pod the newest. Those failed, too, that it refused
    for want of an offer."""

    name: str
    decided: int
    failed: int


def by_pod(pods: Iterable[tuple[str, Iterable[tuple[float, bool]]]], since: float) -> tuple[PodFunnel, ...]:
    """The pods by name. Each comes with its decided purchases: when one began, and whether it failed."""
    found = []
    for name, decided in sorted(pods, key=lambda pod: pod[0])[:MOST_PODS]:
        recent = [failed for began, failed in decided if began >= since]
        found.append(PodFunnel(name=clean_name(name, 100), decided=len(recent), failed=sum(recent)))
    return tuple(found)


def usual(took: Iterable[float]) -> float | None:
    """The median in seconds; None where too few are known."""
    known = list(took)
    return round(median(known), 2) if len(known) >= LEAST else None


def now_and_before(
    sales: Sequence[tuple[float, float]], now: float, passed_on: Iterable[float] = ()
) -> tuple[float | None, float | None]:
    """What a provider's newest sales took and what earlier ones did. Where it sells no more, the last that it sold say
    how slow it had become. Those that were `passed_on` to it took as long as others had kept them."""
    elsewhere = {*passed_on}
    sales = [sale for sale in sales if sale[0] not in elsewhere]
    if not sales:
        return None, None
    newest_began = max(began for began, _ in sales)
    if now - newest_began > EARLIER_S:
        return None, None
    late = [took for began, took in sales if began >= newest_began - LATE_S]
    if len(late) < LEAST:  # it hardly sells any more: the last ones say what it has come to
        late = [took for began, took in sorted(sales)[-LEAST:] if began >= newest_began - EARLIER_S]
    return usual(late), usual(took for began, took in sales if began < newest_began - EARLIER_S)


def newest(explained: Iterable[tuple[float, str]], now: float) -> dict[str, int]:
    """Failures by kind, the most frequent first, without those that are too old."""
    counts: dict[str, int] = {}
    for began, kind in explained:
        if now - began <= RECENT_S:
            counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def relapses(outcomes: Iterable[tuple[float, bool]], now: float, rejected: Iterable[float] = ()) -> int:
    """How often several purchases in a row failed and then several were sold, where all is well in between.

    Each pod has a breaker of its own, so that one sells while another still fails: a stretch in which some fail is over
    as well where so many are sold in a row as hardly come by chance.
    """
    told = _recent(outcomes, now)
    if (_between(_asked(told, rejected)) or 0.0) >= WELL:
        return 0
    runs = _runs(told)
    in_a_row = sum(
        failed and many >= FAILED_IN_A_ROW and after >= SOLD_IN_A_ROW for (failed, many), (_, after) in pairwise(runs)
    )
    return max(in_a_row, _recoveries(runs))


def between(outcomes: Iterable[tuple[float, bool]], now: float, rejected: Iterable[float] = ()) -> float | None:
    """The share that fails beside the bursts in which all fail; None where too few purchases are known.

    Those that an open breaker `rejected` are left out: nobody asked the provider.
    """
    share = _between(_asked(_recent(outcomes, now), rejected))
    return None if share is None else round(share, 3)


def _recent(outcomes: Iterable[tuple[float, bool]], now: float) -> list[tuple[float, bool]]:
    return [each for each in sorted(outcomes) if now - each[0] <= RELAPSES_S]


def _asked(outcomes: Iterable[tuple[float, bool]], rejected: Iterable[float]) -> Runs:
    """The runs of those that reached the provider."""
    unasked = {*rejected}
    return _runs(each for each in outcomes if each[0] not in unasked)


def _runs(outcomes: Iterable[tuple[float, bool]]) -> Runs:
    return [(failed, sum(1 for _ in run)) for failed, run in groupby(failed for _, failed in outcomes)]


def _recoveries(runs: Runs) -> int:
    """How often at least three failed, and then more were sold in a row than chance would have it."""
    failed, sold = (sum(many for fails, many in runs if fails is which) for which in (True, False))
    if not failed or not sold:
        return 0
    enough = log(SO_MANY_BY_CHANCE) / log(sold / (failed + sold))
    found, so_far = 0, 0
    for fails, many in runs:
        if fails:
            so_far += many
        elif many >= enough:
            found, so_far = found + (so_far >= FAILED_IN_A_ROW), 0
    return found


def _between(runs: Runs) -> float | None:
    sold = sum(many for failed, many in runs if not failed)
    lone = sum(many for failed, many in runs if failed and many < FAILED_IN_A_ROW)
    return lone / (sold + lone) if sold + lone >= LEAST_BETWEEN else None


def sold_ago(sales: Iterable[Sequence[tuple[float, float]]], now: float) -> float | None:
    """Seconds since the newest sale was made, at whatever provider; None where none is known."""
    newest_of_each = (max(began + took for began, took in list(each)[-8:]) for each in sales if each)
    made = max(newest_of_each, default=None)
    return None if made is None else round(max(0.0, now - made), 1)


class Outcomes:
    """Each provider's decided purchases of the last minutes, in order, prepared once for all of them."""

    def __init__(self, outcomes: Mapping[str, Iterable[tuple[float, bool]]], now: float) -> None:
        self._now = now
        self._of = {
            name: sorted(each for each in decided if now - each[0] <= RUN_S)
            for name, decided in outcomes.items()
            if name
        }
        self._failed = {name: [0, *accumulate(fails for _, fails in each)] for name, each in self._of.items()}

    def failing_run(self, name: str, waiting: Iterable[float] = ()) -> FailingRun | None:
        """The stretch up to now in which a provider fails, and how the others fare since; None where it does not fail.

        `waiting`: when those began that are in flight there.
        """
        outcomes = self._of.get(name, [])
        begin = _run_begins(outcomes)
        if begin is None:
            return None
        since, run = outcomes[begin][0], outcomes[begin:]
        failed = sum(fails for _, fails in run)
        last = max([began for began, fails in run if fails] + [each for each in waiting if self._now - each > LONG_S])
        others = [self._since(other, since) for other in self._of if other != name]
        bad = sum(decided >= TWO and fails >= HALF * failed / len(run) * decided for decided, fails in others)
        return FailingRun(
            since_s=round(max(0.0, self._now - since), 1),
            decided=len(run),
            failed=failed,
            sold_last=sum(began > last for began, _ in run),
            others=len(others),
            others_sold=sum(decided - fails for decided, fails in others),
            well=sum(decided >= TWO for decided, _ in others) - bad,
            bad=bad,
        )

    def _since(self, name: str, since: float) -> tuple[int, int]:
        """How many purchases that began since then were decided there, and how many of them failed."""
        first = bisect_left(self._of[name], (since, False))
        failed = self._failed[name]
        return len(self._of[name]) - first, failed[-1] - failed[first]


def _run_begins(outcomes: Sequence[tuple[float, bool]]) -> int | None:
    """Where the stretch begins that ends with the last and has the most failures beyond one in eleven."""
    best, begin, weight = 0.0, None, 0.0
    for place in range(len(outcomes) - 1, -1, -1):
        weight += 1.0 if outcomes[place][1] else -A_SALE
        if weight > best:
            best, begin = weight, place
    return begin
