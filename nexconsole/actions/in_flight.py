"""Purchases in flight at a provider: they queue for a slot, and no breaker stops them. (nexnum.md#slots)"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ..errors import SourceError
from ..signals import traffic
from ..signals.counts import SourceCounts
from ..text.units import duration, period, several
from .action import Context
from .plan import Guard
from .provider_rows import ProviderRow

TURN_S = 2.0  # calls of one provider, from all pods together, go out so far apart
SQL = """
SELECT count(*) AS waiting FROM activations
WHERE {states} AND captured_tx_id IS NULL AND lower(provider_id) = lower($1)
  AND created_at BETWEEN now() - make_interval(secs => $2) AND now() - make_interval(secs => $3)
"""
LONGEST_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """`count` purchases are in flight at the provider; a new one would wait `wait_s` seconds (None: not known)."""

    count: int
    wait_s: float | None = None

    def __str__(self) -> str:
        waits = self.wait_s is not None and self.wait_s >= TURN_S
        ahead = f" (next slot in {duration(self.wait_s)})" if waits else ""
        return f"{several(self.count, 'purchase')} in flight there{ahead}"


async def read(context: Context, row: ProviderRow, seen: SourceCounts | None) -> InFlight:
    """What is in flight there now, as far as it is known."""
    count = seen.of(row.name).in_flight if seen is not None else 0
    wait_s = None
    if context.sources.has("redis"):
        with contextlib.suppress(SourceError, ValueError):
            ((value, _),) = await context.sources.redis.peek([f"ratelimit:provider:{row.id}"])
            wait_s = max(0.0, int(value or 0) / 1000 - context.clock().timestamp()) if value else 0.0
    return InFlight(count=count, wait_s=wait_s)


def guard(waiting: InFlight) -> Guard:
    name = "in flight"
    if not waiting.count:
        return Guard(name=name, level="ok", reason="no purchase is in flight there")
    reason = f"{waiting}: they still go out, one every {period(TURN_S)}; opening the breaker does not stop them"
    return Guard(name=name, level="warn", reason=reason)


async def left(context: Context, name: str, since_s: float) -> int:
    """How many of those in flight `since_s` ago still are. Raises SourceError."""
    columns = await context.sources.postgres.require(
        "activations", "state", "captured_tx_id", "provider_id", "created_at"
    )
    sql = SQL.format(states=traffic.state_in(columns["state"], traffic.UNDECIDED_STATES))
    async with context.sources.postgres.read("the purchases in flight") as tx:
        return int((await tx.row(sql, name, LONGEST_S, since_s))["waiting"])
