"""The oldest pending rows of one table of purchases; whose they are is not read. (nexnum.md#stuck-rows)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import Value
from ..signals.reservations import PILES
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

MOST = 100


@dataclass(frozen=True, kw_only=True)
class PendingRow:
    """One row. `overdue_s` is negative where it is not due yet; None where nothing says when it is."""

    id: str
    age_s: float | None
    overdue_s: float | None
    what: str
    provider: str


@dataclass(frozen=True, kw_only=True)
class PendingRows(Value):
    """The oldest; `more`: there are others behind them."""

    found: bool
    rows: tuple[PendingRow, ...] = ()
    more: bool = False


SQL = """
SELECT id::text AS id, extract(epoch FROM now() - created_at)::float8 AS age_s, {overdue} AS overdue_s,
       {what} AS what, {provider} AS provider
FROM {table} WHERE {pending} ORDER BY {order} LIMIT $1
"""


async def read(sources: Sources, settings: Settings, subject: Subject) -> PendingRows:
    if subject.id not in PILES:
        return PendingRows(source="postgres", found=False)
    pending, _, order = PILES[subject.id]
    columns = await sources.postgres.require(subject.id, "id", "created_at", pending.split()[0], order)
    due = "expires_at" if order == "expires_at" else "created_at + make_interval(secs => $2)"
    named = [f"{name}::text" for name in ("service_name", "country_name", "country_code") if name in columns][:2]
    provider = next((name for name in ("provider_id", "provider") if name in columns), "")
    sql = SQL.format(
        table=subject.id,
        pending=pending,
        order=order,
        overdue=f"extract(epoch FROM now() - ({due}))::float8 + 0 * $2::float8",
        what=f"concat_ws(', ', {', '.join(named)})" if named else "''",
        provider=f"{provider}::text" if provider else "NULL::text",
    )
    async with sources.postgres.read(f"the oldest {subject.id}") as tx:
        rows = await tx.fetch(sql, MOST + 1, float(settings.reservations.stuck_after_s))
    return PendingRows(
        source="postgres",
        found=True,
        rows=tuple(
            PendingRow(
                id=clean(row["id"], 80),
                age_s=row["age_s"],
                overdue_s=row["overdue_s"],
                what=clean(row["what"] or "", 120),
                provider=clean(row["provider"] or "", 80),
            )
            for row in rows[:MOST]
        ),
        more=len(rows) > MOST,
    )
