"""The funnel's parts: each pod's purchases, and what sales take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from ..text.sanitize import clean

MOST_PODS = 100
PODS_S = 120.0  # a pod's purchases are counted for no longer: one that was well before is told soon
RECENT_S = 900.0  # what was said of a failure longer ago says nothing of those of now
RELAPSES_S = 600.0
FAILED_IN_A_ROW, SOLD_IN_A_ROW = 3, 2  # fewer may be chance, where a part of all purchases fails
WELL = 0.2  # so much may fail at a provider beside its bursts, for it to be well in between
LEAST_BETWEEN = 10
LATE_S = 90.0  # sales that began since then say how long one takes now
EARLIER_S = 300.0  # and those before then how long one took
LEAST = 5  # sales that say how long one takes


@dataclass(frozen=True, kw_only=True)
class PodFunnel:
    """One pod's decided purchases of the last two minutes; of a busy pod the newest."""

    name: str
    decided: int
    failed: int


def by_pod(pods: Iterable[tuple[str, Iterable[tuple[float, bool]]]], since: float) -> tuple[PodFunnel, ...]:
    """The pods by name. Each comes with its decided purchases: when one began, and whether it failed."""
    found = []
    for name, decided in sorted(pods, key=lambda pod: pod[0])[:MOST_PODS]:
        recent = [failed for began, failed in decided if began >= since]
        found.append(PodFunnel(name=clean(name, 100), decided=len(recent), failed=sum(recent)))
    return tuple(found)


def usual(took: Iterable[float]) -> float | None:
    """The median in seconds; None where too few are known."""
    known = list(took)
    return round(median(known), 2) if len(known) >= LEAST else None


def newest(explained: Iterable[tuple[float, str]], now: float) -> dict[str, int]:
    """Failures by kind, the most frequent first, without those that are too old."""
    counts: dict[str, int] = {}
    for began, kind in explained:
        if now - began <= RECENT_S:
            counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def relapses(outcomes: Iterable[tuple[float, bool]], now: float) -> int:
    """How often several purchases in a row failed and then several were sold, where all is well in between."""
    runs = _runs(outcomes, now)
    if (_between(runs) or 0.0) >= WELL:
        return 0
    return sum(
        failed and many >= FAILED_IN_A_ROW and after >= SOLD_IN_A_ROW for (failed, many), (_, after) in pairwise(runs)
    )


def between(outcomes: Iterable[tuple[float, bool]], now: float) -> float | None:
    """The share that fails beside the bursts in which all fail; None where too few purchases are known."""
    share = _between(_runs(outcomes, now))
    return None if share is None else round(share, 3)


def _runs(outcomes: Iterable[tuple[float, bool]], now: float) -> list[tuple[bool, int]]:
    recent = (failed for began, failed in sorted(outcomes) if now - began <= RELAPSES_S)
    return [(failed, sum(1 for _ in run)) for failed, run in groupby(recent)]


def _between(runs: Sequence[tuple[bool, int]]) -> float | None:
    sold = sum(many for failed, many in runs if not failed)
    lone = sum(many for failed, many in runs if failed and many < FAILED_IN_A_ROW)
    return lone / (sold + lone) if sold + lone >= LEAST_BETWEEN else None


def sold_ago(sales: Iterable[Sequence[tuple[float, float]]], now: float) -> float | None:
    """Seconds since the newest sale was made, at whatever provider; None where none is known."""
    newest_of_each = (max(began + took for began, took in list(each)[-8:]) for each in sales if each)
    made = max(newest_of_each, default=None)
    return None if made is None else round(max(0.0, now - made), 1)
