"""Reservations: what the runbook calls pending, in every table that can mean it. (facts 1.5)"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import MissingSchema
from ..model import Value
from .readings import Signal

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Pile:
    """One table's share. `stuck`: purchase orders and offers past expires_at, activations RESERVED too long."""

    pending: int
    stuck: int
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True)
class Reservations(Value):
    """Sums over `by_table` ("purchase_orders", "activations", "offer_reservations"); `oldest_s` of all pending.

    A table that is missing is not in `by_table` and has a note. `capped`: a count reached its bound.
    """

    pending: int
    stuck: int
    oldest_s: float | None
    by_table: dict[str, Pile] = field(default_factory=dict)
    capped: bool = False


# A pile's table, what makes its row pending, and what makes a pending row stuck. Each is served by an
# index: (status, expires_at) or (state, created_at); the oldest is the first of that index.
PILES = {
    "purchase_orders": ("status = 'PENDING'", "expires_at < now()", "expires_at"),
    "activations": ("state = 'RESERVED'", "created_at < now() - make_interval(secs => $2)", "created_at"),
    "offer_reservations": ("status = 'PENDING'", "expires_at < now()", "expires_at"),
}
PILE_SQL = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {pending} LIMIT $1) p) AS pending,
       (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {pending} AND {stuck} LIMIT $1) s) AS stuck,
       (SELECT extract(epoch FROM now() - created_at)::float8 FROM {table}
        WHERE {pending} ORDER BY {order} LIMIT 1) AS oldest_s,
       $2::float8 AS stuck_after_s
"""


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Reservations:
    """Count each table that is there; MissingSchema only when none of the two that matter is."""
    bound = settings.outbox.count_limit + 1
    rules = settings.reservations
    piles, notes, failure = {}, [], None
    for table, (pending, stuck, order) in PILES.items():
        try:
            await sources.postgres.require(table, "created_at", pending.split()[0], order)
        except MissingSchema as error:
            failure = failure or error
            notes.append(str(error))
            continue
        sql = PILE_SQL.format(table=table, pending=pending, stuck=stuck, order=order)
        async with sources.postgres.read(f"the {table} query") as tx:
            row = await tx.row(sql, bound, float(rules.stuck_after_s))
        piles[table] = Pile(pending=row["pending"], stuck=row["stuck"], oldest_s=row["oldest_s"])
    if failure and not piles.keys() & {"purchase_orders", "activations"}:
        raise failure
    ages = [pile.oldest_s for pile in piles.values() if pile.oldest_s is not None]
    return Reservations(
        source="postgres",
        notes=tuple(notes),
        pending=sum(pile.pending for pile in piles.values()),
        stuck=sum(pile.stuck for pile in piles.values()),
        oldest_s=max(ages, default=None),
        by_table=piles,
        capped=any(pile.pending >= bound for pile in piles.values()),
    )


SIGNAL = Signal(name="reservations", read=read, timeout=6.0)
