"""Progress of a reconcile: the rows that were planned, read again one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import SourceError
from ..text.units import count
from .action import Context
from .refunds import ROUTE_STUCK_S, money
from .settlement import SettledOutcome

MOST = 20_000  # rows of each kind that are remembered
STILL_S = 1.0  # the route works row by row: its figures are final when they stand still for so long
LOOKS = 20
ROWS_SQL = """
SELECT array(SELECT id FROM purchase_orders WHERE status = 'PENDING' AND expires_at < now()
             ORDER BY expires_at LIMIT $1) AS orders,
       array(SELECT id FROM activations WHERE state = 'RESERVED' AND created_at <= now() - make_interval(secs => $2)
             ORDER BY created_at LIMIT $1) AS stuck,
       array(SELECT id FROM activations WHERE state IN ('EXPIRED', 'FAILED', 'CANCELLED') AND refund_tx_id IS NULL
             LIMIT $1) AS failed
"""
SINCE_SQL = """
SELECT (SELECT count(*) FROM purchase_orders WHERE id = ANY ($1::text[]) AND status <> 'PENDING') AS orders,
       (SELECT count(*) FROM activations WHERE id = ANY ($2::text[]) AND state <> 'RESERVED') AS activations,
       count(*) AS refunds, coalesce(sum(price), 0)::numeric AS credited,
       count(*) FILTER (WHERE captured_tx_id IS NOT NULL) AS owed
FROM activations WHERE id = ANY ($2::text[] || $3::text[]) AND refund_tx_id IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Orders and activations freed, refunds and their sum; `owed` of the refunds had been paid for."""

    orders: int
    activations: int
    refunds: int
    credited: Decimal
    owed: int

    @property
    def any(self) -> bool:
        return bool(self.orders or self.activations or self.refunds)

    def __str__(self) -> str:
        refunds = f"refunded {self.refunds} ({money(self.credited)})" if self.refunds else "refunded none"
        return f"freed {count(self.orders)} orders and {count(self.activations)} activations, {refunds}"


async def rows(context: Context) -> dict[str, list[str]] | None:
    """The ids of the rows that a call may touch, for a plan's details; None where they can't be read."""
    try:
        postgres = context.sources.postgres
        await postgres.require("purchase_orders", "id", "status", "expires_at")
        await postgres.require("activations", "id", "state", "price", "refund_tx_id", "captured_tx_id", "created_at")
        async with postgres.read("the reconciler's rows") as tx:
            row = await tx.row(ROWS_SQL, MOST, ROUTE_STUCK_S)
    except SourceError:
        return None
    return {name: list(row[name]) for name in ("orders", "stuck", "failed")}


async def since(rows: Mapping[str, Any], context: Context) -> Progress:
    """Raises SourceError."""
    async with context.sources.postgres.read("the reconciler's rows") as tx:
        row = await tx.row(SINCE_SQL, rows["orders"], rows["stuck"], rows["failed"])
    return Progress(**dict(row))


async def found(rows: Mapping[str, Any], context: Context) -> SettledOutcome:
    """How much it has done, once the rows stop changing. Raises SourceError."""
    now = await since(rows, context)
    for _ in range(LOOKS if now.any else 0):
        await asyncio.sleep(STILL_S)
        before, now = now, await since(rows, context)
        if now == before:
            break
    return SettledOutcome(happened=now.any, said=f"since the preview it {now}")
