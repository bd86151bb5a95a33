"""The result of one outbox batch: what became of the events that were pending. (nexnum.md#outbox)

The newest route answers early and goes on in the background: events turn FAILED seconds after its answer. So a verdict
waits until the rows stop changing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SourceError
from ..signals.outbox import TABLE
from ..text.units import count, duration, several
from .action import Context
from .plan import Verdict

MOST = 2_000  # events that are remembered, the oldest; a batch takes 20 to 60 of them
STILL_S = 8.0  # events are taken one after the other: none for so long, and the batch has ended
WAITING_SQL = f"SELECT array(SELECT id FROM {TABLE} WHERE status = 'PENDING' ORDER BY created_at LIMIT $1) AS ids"
NOW_SQL = f"""
SELECT count(*) FILTER (WHERE status = 'PENDING') AS waiting, count(*) FILTER (WHERE status = 'FAILED') AS failed,
       count(*) FILTER (WHERE status = 'PUBLISHED' AND error IS NULL) AS published,
       count(*) FILTER (WHERE status = 'PUBLISHED' AND error IS NOT NULL) AS dropped
FROM {TABLE} WHERE id = ANY ($1::text[])
"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The events that were pending, by their present state. `dropped`: PUBLISHED with an error, so not done."""

    waiting: int
    failed: int
    published: int
    dropped: int

    def __str__(self) -> str:
        parts = [f"{count(self.published)} published", f"{count(self.failed)} FAILED"]
        parts += [f"{count(self.dropped)} published undone"] * bool(self.dropped)
        return ", ".join([*parts, f"{count(self.waiting)} still waiting"])


async def waiting(context: Context) -> list[str] | None:
    """The ids of the pending events, oldest first; None where they can't be read."""
    try:
        await context.sources.postgres.require(TABLE, "id", "status", "error", "created_at")
        async with context.sources.postgres.read("the waiting events") as tx:
            return list((await tx.row(WAITING_SQL, MOST))["ids"])
    except SourceError:
        return None


async def now(ids: Sequence[str], context: Context) -> Batch:
    """Raises SourceError."""
    async with context.sources.postgres.read("the waiting events") as tx:
        return Batch(**dict(await tx.row(NOW_SQL, list(ids))))


class OutboxWatch:
    """Polls the events until none changes any more."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._began = self._moved = asyncio.get_running_loop().time()
        self._last: Batch | None = None

    async def look(self, context: Context, last: bool) -> Verdict | None:
        """Raises SourceError."""
        at, batch = asyncio.get_running_loop().time(), await now(self._ids, context)
        if batch != self._last:
            self._last, self._moved = batch, at
        taken = len(self._ids) - batch.waiting
        still = not batch.waiting or (taken and at - self._moved >= STILL_S)
        return judge(len(self._ids), batch, at - self._began) if still or last else None


def judge(before: int, batch: Batch, waited_s: float) -> Verdict:
    """The batch's verdict, once its rows stop changing."""
    said = f"of {several(before, 'event')} that waited: {batch} after {duration(waited_s)}"
    if batch.failed:
        return Verdict(state="worse", because=f"{said}; nothing retries what is FAILED")
    if batch.dropped and batch.dropped >= batch.published:
        return Verdict(state="worse", because=said)
    if batch.waiting >= before:
        return Verdict(state="no effect", because=said)
    return Verdict(state="worked", because=said)
