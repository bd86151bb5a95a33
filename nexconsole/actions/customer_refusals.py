"""Customers who are refused: they leave no row and no provider call, only log lines and HTTP answers.

(nexnum.md#refused)
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

from ..errors import SourceError
from ..signals.pod_logs import LOGS, follow
from ..sources.purchase_tally import REFUSED, WITHOUT_OFFER
from .action import Context

NO_OFFER = "404"
ANSWERS = "HTTP answers"
SCRAPES_S = 60.0  # shorter windows hold too few of Prometheus' scrapes
LEAST_S = 30.0  # logs that reach back less tell nothing of before
STEP_S = 10.0  # the logs are folded in steps of it, and whole steps are counted


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Of `customers` in the last `seconds` so many asked for what nobody offers, as `by` counted them."""

    count: int
    customers: int
    seconds: float
    by: str


async def count(context: Context, seconds: float) -> Refusals | None:
    """Of the last `seconds`, or of as many as the logs reach back; None where nobody counts them."""
    with contextlib.suppress(SourceError):
        if (refusals := await _logged(context, seconds)) is not None:
            return refusals
        return await _answered(context, seconds)
    return None


async def _logged(context: Context, seconds: float) -> Refusals | None:
    following = await follow(context.sources)
    if following.logs is None or not following.read:
        return None
    now = context.clock()
    reach = following.logs.reach_s(now)
    if reach is None or reach < min(seconds, LEAST_S):
        return None
    seconds = min(seconds, reach)
    window = following.logs.purchases.window(now.timestamp(), max(seconds, STEP_S))
    refused = sum(many for key, many in window.ended.items() if key.outcome == REFUSED and key.reason in WITHOUT_OFFER)
    asked = sum(window.ended.values()) + len(window.begun)
    return Refusals(count=refused, customers=asked, seconds=seconds, by=LOGS)


async def _answered(context: Context, seconds: float) -> Refusals | None:
    """By the counter of the purchase route's answers, where a version has it. Raises SourceError."""
    query = context.settings.prometheus.expressions.answers.replace("{window}", f"{round(seconds)}s")
    if seconds < SCRAPES_S or not query or not context.sources.has("prometheus"):
        return None
    samples = [sample for sample in await context.sources.prometheus.query(query) if math.isfinite(sample.value)]
    if not samples:
        return None
    refused = sum(sample.value for sample in samples if sample.labels.get("status_code") == NO_OFFER)
    asked = round(sum(sample.value for sample in samples))
    return Refusals(count=round(refused), customers=asked, seconds=seconds, by=ANSWERS)
