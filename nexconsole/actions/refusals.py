"""Customers who are refused: they leave no row and no provider call, only log lines and HTTP answers. (facts 10.3)"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ..errors import SourceError
from ..signals.pod_logs import LOGS, follow
from ..sources.purchase_tally import REFUSED, WITHOUT_OFFER
from .action import Context

LEAST_S = 30.0  # logs that reach back less tell nothing of before
STEP_S = 10.0  # the logs are folded in steps of it, and whole steps are counted


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Customers in the last `seconds` who asked for what nobody offers, as `by` counted them."""

    count: int
    seconds: float
    by: str = LOGS


async def count(context: Context, seconds: float) -> Refusals | None:
    """Of the last `seconds`, or of as many as the logs reach back; None where nobody counts them."""
    with contextlib.suppress(SourceError):
        following = await follow(context.sources)
        if following.logs is None or not following.read:
            return None
        now = context.clock()
        reach = following.logs.reach_s(now)
        if reach is None or reach < min(seconds, LEAST_S):
            return None
        seconds = min(seconds, reach)
        window = following.logs.purchases.window(now.timestamp(), max(seconds, STEP_S))
        refused = sum(
            many for key, many in window.ended.items() if key.outcome == REFUSED and key.reason in WITHOUT_OFFER
        )
        return Refusals(count=refused, seconds=seconds)
    return None
