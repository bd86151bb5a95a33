"""Whether a late outbox catches up: the verdict on the pods where purchases were fine before. (nexnum.md#outbox)

The outbox workers run in the pods. So a bad release shows here, and so does a restart without effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import SourceError
from ..signals.outbox import TABLE
from ..text.units import count, duration
from .action import Context
from .plan import Verdict

WATCH_S = 30.0  # several rounds of the workers
CLEAR, LEAST = 0.05, 10  # so many fewer of those that waited, and no less than so many, are no chance
QUEUE_SQL = f"""
SELECT (SELECT count(*) FROM (SELECT 1 FROM {TABLE} WHERE status = 'PENDING' LIMIT $1) p) AS pending,
       (SELECT count(*) FROM (SELECT 1 FROM {TABLE} WHERE status = 'FAILED' LIMIT $1) f) AS failed,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM {TABLE}
        WHERE status = 'PENDING' ORDER BY created_at LIMIT 1) AS oldest_s
"""


@dataclass(frozen=True, kw_only=True)
class OutboxQueue:
    """The outbox at one moment. `capped`: at least this many are pending. `oldest_s` is 0 for an empty queue."""

    pending: int
    failed: int
    oldest_s: float
    capped: bool = False


async def measure(context: Context) -> OutboxQueue:
    """Raises SourceError."""
    limit = context.settings.outbox.count_limit
    await context.sources.postgres.require(TABLE, "status", "created_at")
    async with context.sources.postgres.read("the outbox query") as tx:
        row = await tx.row(QUEUE_SQL, limit)
    return OutboxQueue(
        pending=row["pending"], failed=row["failed"], oldest_s=row["oldest_s"] or 0.0, capped=row["pending"] >= limit
    )


async def before(context: Context) -> dict[str, Any] | None:
    """The late outbox as plain data for a plan; None where it is not late or can't be read."""
    if not context.sources.has("postgres"):
        return None
    try:
        queue = await measure(context)
    except SourceError:
        return None
    return asdict(queue) if queue.oldest_s > context.settings.outbox.stuck_after_s else None


def restored(data: object) -> OutboxQueue | None:
    return OutboxQueue(**data) if isinstance(data, Mapping) else None


def judge(then: OutboxQueue, now: OutboxQueue, waited_s: float, last: bool) -> Verdict | None:
    """The queue's change over `waited_s`; None while it is not clear."""
    failed = now.failed - then.failed
    more = f", {count(failed)} more FAILED" if failed > 0 else ""
    said = (
        f"of the late outbox {count(then.pending)} events waited then, {count(now.pending)}"
        f" after {duration(waited_s)}{more}"
    )
    if now.capped:
        return Verdict(state="unknown", because=f"{said}: too many to count") if last else None
    enough = max(CLEAR * then.pending, min(LEAST, then.pending))
    if then.pending - now.pending >= enough and not more:
        return Verdict(state="worked", because=f"{said}: it catches up")
    if waited_s < WATCH_S and not last:
        return None
    if now.pending >= then.pending:
        return Verdict(state="no effect", because=f"{said}: it does not catch up")
    return Verdict(state="unknown", because=f"{said}: too early to tell") if last else None
