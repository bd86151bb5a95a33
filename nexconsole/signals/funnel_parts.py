"""The funnel's parts: each pod's purchases, and what sales take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from ..text.sanitize import clean

MOST_PODS = 100
LEAST = 5  # sales that say how long one takes


@dataclass(frozen=True, kw_only=True)
class PodFunnel:
    """One pod's decided purchases of the window; of a busy pod the newest."""

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
