"""What a reconcile does to the money that wallets hold. (nexnum.md#wallets)

A crashed purchase is an order and an activation, and the route releases the hold for each. The oldest versions subtract
it from `reserved` twice; the newest stop at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..errors import SourceError
from .action import Context
from .era import is_newest
from .plan import Guard
from .refunds import PER_CALL, ROUTE_STUCK_S, money

HOLDS_SQL = f"""
WITH released AS (
  SELECT user_id, sum(amount) AS amount FROM (
    (SELECT user_id, amount FROM purchase_orders WHERE status = 'PENDING' AND expires_at < now()
     ORDER BY expires_at LIMIT {PER_CALL})
    UNION ALL
    (SELECT user_id, price FROM activations WHERE state = 'RESERVED'
     AND created_at <= now() - make_interval(secs => $1) ORDER BY created_at LIMIT {PER_CALL})
  ) rows GROUP BY user_id
)
SELECT count(*) AS wallets, coalesce(sum(reserved), 0)::numeric AS before,
       coalesce(sum(reserved - amount), 0)::numeric AS after,
       coalesce(sum(greatest(reserved - amount, least(reserved, 0))), 0)::numeric AS clamped,
       count(*) FILTER (WHERE reserved < amount) AS below,
       coalesce(min(reserved - amount), 0)::numeric AS lowest
FROM released JOIN wallets USING (user_id)
"""


@dataclass(frozen=True, kw_only=True)
class Holds:
    """`reserved` of the wallets that one call touches, summed: now, after it, and after it where it stops at zero.

    `below` of them hold less than is released, the worst would end at `lowest`. `clamps`: this version stops at zero.
    """

    wallets: int
    before: Decimal
    after: Decimal
    clamped: Decimal
    below: int
    lowest: Decimal
    clamps: bool

    def __str__(self) -> str:
        end = self.clamped if self.clamps else self.after
        return f"`reserved` of {_wallets(self.wallets)} {money(self.before)} -> {money(end)}"


async def read(context: Context) -> Holds | SourceError:
    try:
        postgres = context.sources.postgres
        tables = await postgres.columns()
        await postgres.require("wallets", "user_id", "reserved")
        await postgres.require("purchase_orders", "user_id", "amount", "status", "expires_at")
        await postgres.require("activations", "user_id", "price", "state", "created_at")
        async with postgres.read("the holds query") as tx:
            row = await tx.row(HOLDS_SQL, ROUTE_STUCK_S)
    except SourceError as error:
        return error
    return Holds(**dict(row), clamps=is_newest(tables))


def guard(holds: Holds | SourceError) -> Guard:
    name = "holds"
    if isinstance(holds, SourceError):
        return Guard(name=name, level="warn", reason=f"what becomes of `reserved` can't be read: {holds}")
    if not holds.wallets:
        return Guard(name=name, level="ok", reason="no wallet's `reserved` changes")
    if not holds.below:
        return Guard(name=name, level="ok", reason=str(holds))
    if holds.clamps:
        reason = f"{holds}: {_wallets(holds.below)} hold less than is released, and this version stops at zero"
        return Guard(name=name, level="ok", reason=reason)
    reason = (
        f"{holds}: this version releases a purchase's hold twice, for its order and for its activation;"
        f" {_wallets(holds.below)} would go below zero, the lowest to {money(holds.lowest)}"
    )
    return Guard(name=name, level="warn", reason=reason)


def _wallets(count: int) -> str:
    return f"{count} wallet{'' if count == 1 else 's'}"
