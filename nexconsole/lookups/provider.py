"""A provider's row, by its name. (nexnum.md#provider-rows)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..model import Value
from ..text.sanitize import clean, clean_name

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class ProviderDetails(Value):
    """`found`: some row has this name. None where a column is missing or holds nothing. Times are UTC."""

    found: bool
    id: str = ""
    name: str = ""
    display_name: str = ""
    active: bool | None = None
    priority: int | None = None
    rivals: int | None = None
    sync_status: str = ""
    synced_at: datetime | None = None
    updated_at: datetime | None = None


# By name in any case, the exact one first; credentials and mappings are never read.
SQL = """
SELECT id::text AS id, name, {display} AS display_name, {active} AS active, {priority} AS priority,
       {sync} AS sync_status, {synced} AS synced_s, {updated} AS updated_s,
       (SELECT count(*) FROM providers o WHERE {rival})::int AS rivals
FROM providers p WHERE lower(name) = lower($1::text) OR id::text = $1::text ORDER BY name <> $1::text LIMIT 1
"""


async def read(sources: Sources, settings: Settings, subject: Subject) -> ProviderDetails:
    columns = await sources.postgres.require("providers", "id", "name")
    active = next((f'"{column}"' for column in ("is_active", "isActive") if column in columns), "")

    def has(name: str, sql: str, kind: str) -> str:
        return sql if name in columns else f"NULL::{kind}"

    sql = SQL.format(
        display=has("display_name", "display_name", "text"),
        active=active or "NULL::boolean",
        priority=has("priority", "priority", "int"),
        sync=has("sync_status", "sync_status", "text"),
        synced=has("last_sync_at", "extract(epoch FROM last_sync_at)::float8", "float8"),
        updated=has("updated_at", "extract(epoch FROM updated_at)::float8", "float8"),
        rival=f"o.{active} AND o.priority < p.priority" if active and "priority" in columns else "false",
    )
    async with sources.postgres.read("the provider's query") as tx:
        rows = await tx.fetch(sql, subject.arguments.get("provider") or subject.id)
    if not rows:
        return ProviderDetails(source="postgres", found=False)
    row = rows[0]
    return ProviderDetails(
        source="postgres",
        found=True,
        id=clean_name(row["id"]),
        name=clean_name(row["name"]),
        display_name=clean_name(row["display_name"] or ""),
        active=row["active"],
        priority=row["priority"],
        rivals=row["rivals"] if active and row["priority"] is not None else None,
        sync_status=clean(row["sync_status"] or "", 40),
        synced_at=moment_of(row["synced_s"]),
        updated_at=moment_of(row["updated_s"]),
    )


def moment_of(epoch_s: float | None) -> datetime | None:
    """A time from the database; None where there is none, or one that no calendar has."""
    try:
        return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None
