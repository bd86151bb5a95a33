"""An outbox event's row with its whole error, and how many failed with the same. (nexnum.md#outbox)

The payload stays where it is, but for a correlation id in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import Value
from ..signals.outbox import TABLE
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

ERROR = 4_000  # characters of an error
ALIKE = 200  # of them by which two errors are the same
LOOKED_AT = 2_000  # failed events, the oldest first


@dataclass(frozen=True, kw_only=True)
class EventRow(Value):
    """Ages in seconds. `alike` other failed events have the same error, of the `looked_at` oldest failed ones."""

    found: bool
    id: str = ""
    status: str = ""
    event_type: str = ""
    aggregate_type: str = ""
    aggregate_id: str = ""
    retries: int = 0
    age_s: float | None = None
    changed_s: float | None = None
    error: str = ""
    error_cut: bool = False
    correlation_id: str = ""
    alike: int | None = None
    looked_at: int = 0


SQL = """
SELECT id::text AS id, status::text AS status, event_type, aggregate_type, aggregate_id::text AS aggregate_id,
       retry_count, left(error, $2) AS error, length(error) > $2 AS cut,
       extract(epoch FROM now() - created_at)::float8 AS age_s, {changed} AS changed_s, {correlation} AS correlation_id
FROM outbox_events_v2 WHERE id = {key}
"""
ALIKE_SQL = """
SELECT count(*)::int AS seen, count(*) FILTER (WHERE left(error, $3) = $2 AND id::text <> $1)::int AS alike
FROM (SELECT id, error FROM outbox_events_v2 WHERE status = 'FAILED' ORDER BY created_at LIMIT $4) failed
"""


async def read(sources: Sources, settings: Settings, subject: Subject) -> EventRow:
    columns = await sources.postgres.require(TABLE, "id", "event_type", "aggregate_type", "retry_count", "error")
    changed = "extract(epoch FROM now() - updated_at)::float8" if "updated_at" in columns else "NULL::float8"
    json = columns.get("payload") in ("json", "jsonb")
    sql = SQL.format(
        changed=changed,
        correlation="left(payload->>'correlationId', 100)" if json else "NULL::text",
        key="($1::text)::uuid" if columns["id"] == "uuid" else "$1",
    )
    async with sources.postgres.read("the event's query") as tx:
        rows = await tx.fetch(sql, subject.arguments.get("event") or subject.id, ERROR)
        if not rows:
            return EventRow(source="postgres", found=False)
        row = rows[0]
        same = await tx.row(ALIKE_SQL, row["id"], row["error"][:ALIKE], ALIKE, LOOKED_AT) if row["error"] else None
    return EventRow(
        source="postgres",
        found=True,
        id=clean(row["id"], 80),
        status=clean(row["status"], 20),
        event_type=clean(row["event_type"], 80),
        aggregate_type=clean(row["aggregate_type"], 80),
        aggregate_id=clean(row["aggregate_id"] or "", 100),
        retries=row["retry_count"],
        age_s=row["age_s"],
        changed_s=row["changed_s"],
        error=clean(row["error"] or "", ERROR),
        error_cut=bool(row["cut"]),
        correlation_id=clean(row["correlation_id"] or "", 100),
        alike=None if same is None else same["alike"],
        looked_at=0 if same is None else same["seen"],
    )
