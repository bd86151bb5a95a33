"""What each provider's rows tell of its purchases: what its sales take, and whether it fails in bursts.

The pods' logs tell more; where they can't be read, this is what there is. (nexnum.md#purchase-rows)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .funnel_parts import EARLIER_S, LATE_S, LEAST, LEAST_BETWEEN, RELAPSES_S, WELL, recoveries

if TYPE_CHECKING:
    from .purchase_steps import PurchaseSteps, StepCounts

MOST = 20  # providers, the busiest
HALF = 0.5  # of a step's purchases: where fewer fail, it is well there
Steps = Sequence[tuple[float, "StepCounts"]]


@dataclass(frozen=True, kw_only=True)
class RowOutcomes:
    """One provider's, as `ProviderFunnel` has them of the logs: `took_s` is what its newest sales took (mean of 90 s),
    `before_s` what those took that began five minutes before; `sold_s` the age of its newest sale, to ten seconds;
    `relapses` how often in ten minutes it failed and then was well; `between` the share that failed in between."""

    name: str
    took_s: float | None = None
    before_s: float | None = None
    sold_s: float | None = None
    relapses: int = 0
    between: float | None = None


def row_outcomes(rows: PurchaseSteps) -> tuple[RowOutcomes, ...]:
    """Of the busiest providers."""
    return tuple(_outcomes(name, rows.counts(name), rows.read_to) for name in rows.providers()[:MOST])


def _outcomes(name: str, steps: Steps, now: float) -> RowOutcomes:
    newest = max((at for at, one in steps if one.sold), default=None)
    fresh = newest is not None and now - newest <= EARLIER_S
    begin = newest if newest is not None and fresh else now
    recent = [one for at, one in steps if now - at <= RELAPSES_S and one.decided]
    share = _between(recent)
    return RowOutcomes(
        name=name,
        took_s=_mean(one for at, one in steps if at >= begin - LATE_S) if fresh else None,
        before_s=_mean(one for at, one in steps if at < begin - EARLIER_S) if fresh else None,
        sold_s=None if newest is None else round(max(0.0, now - newest), 1),
        relapses=0 if (share or 0.0) >= WELL else recoveries(list(_runs(recent))),
        between=None if share is None else round(share, 3),
    )


def _mean(steps: Iterable[StepCounts]) -> float | None:
    """What a sale took on average, in seconds; None where too few are known."""
    timed = [(one.timed, one.sold_s) for one in steps if one.timed]
    many = sum(number for number, _ in timed)
    return round(sum(seconds for _, seconds in timed) / many, 2) if many >= LEAST else None


def _runs(steps: Iterable[StepCounts]) -> Iterable[tuple[bool, int]]:
    """Failures and sales in a row; of a step with both nobody knows the order, and so it is no run of sales."""
    sold = 0
    for one in steps:
        if not one.failed:
            sold += one.sold
            continue
        if sold:
            yield False, sold
        sold = 0
        yield True, one.failed
        if one.sold:
            yield False, min(1, one.sold)
    if sold:
        yield False, sold


def _between(steps: Iterable[StepCounts]) -> float | None:
    well = [one for one in steps if one.failed < HALF * one.decided]
    decided = sum(one.decided for one in well)
    return sum(one.failed for one in well) / decided if decided >= LEAST_BETWEEN else None
