"""What each provider's rows tell of its purchases: what its sales take, and whether it fails in bursts.

The pods' logs tell more; where they can't be read, this is what there is. (nexnum.md#purchase-rows)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from .funnel_parts import (
    EARLIER_S,
    FAILED_IN_A_ROW,
    LATE_S,
    LEAST,
    LEAST_BETWEEN,
    RELAPSES_S,
    WELL,
)
from .likelihood import at_most

if TYPE_CHECKING:
    from .purchase_steps import PurchaseSteps, StepCounts

MOST = 20  # providers, the busiest
SO_FEW_BY_CHANCE = 0.03  # so seldom does chance spare a stretch of several steps
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
        took_s=_mean(_late(steps, begin)) if fresh else None,
        before_s=_mean([one for at, one in steps if at < begin - EARLIER_S]) if fresh else None,
        sold_s=None if newest is None else round(max(0.0, now - newest), 1),
        relapses=0 if (share or 0.0) >= WELL else _recoveries(recent),
        between=None if share is None else round(share, 3),
    )


def _late(steps: Steps, newest: float) -> list[StepCounts]:
    """Those of the newest sales; where it hardly sells any more, as far back as there are enough."""
    found: list[StepCounts] = []
    for at, one in reversed(steps):
        enough = at < newest - LATE_S and sum(each.timed for each in found) >= LEAST
        if enough or at < newest - EARLIER_S:
            break
        found.append(one)
    return found


def _mean(steps: Sequence[StepCounts]) -> float | None:
    """What a sale took on average, in seconds; None where too few are known."""
    many = sum(one.timed for one in steps)
    return round(sum(one.sold_s for one in steps) / many, 2) if many >= LEAST else None


def _recoveries(steps: Sequence[StepCounts]) -> int:
    """How often some failed and then so few of so many as hardly come by chance, where the part fails that fails of all
    since the first bad step."""
    begin = next((n for n, one in enumerate(steps) if not _is_well(one)), len(steps))
    since = steps[begin:]
    part = sum(one.failed for one in since) / max(1, sum(one.decided for one in since))
    found, before = 0, 0
    for well, stretch in groupby(since, _is_well):
        failed, decided = (sum(column) for column in zip(*((one.failed, one.decided) for one in stretch), strict=True))
        if not well:
            before += failed
        elif at_most(failed, decided, part) <= SO_FEW_BY_CHANCE:
            found, before = found + (before >= FAILED_IN_A_ROW), 0
    return found


def _is_well(one: StepCounts) -> bool:
    return one.failed < HALF * one.decided


def _between(steps: Iterable[StepCounts]) -> float | None:
    well = [one for one in steps if _is_well(one)]
    decided = sum(one.decided for one in well)
    return sum(one.failed for one in well) / decided if decided >= LEAST_BETWEEN else None
