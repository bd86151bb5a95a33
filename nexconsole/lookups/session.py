"""A backend of Postgres, by its pid and its beginning: a pid is another's some day. (nexnum.md#sessions)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..model import Value
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

QUERY = 4_000  # characters


@dataclass(frozen=True, kw_only=True)
class WantedLock:
    """A lock that the session waits for."""

    kind: str
    of: str
    mode: str


@dataclass(frozen=True, kw_only=True)
class SessionRow(Value):
    """Ages in seconds; None where the role may not see."""

    found: bool
    pid: int = 0
    started_at: datetime | None = None
    user: str = ""
    application: str = ""
    state: str = ""
    transaction_s: float | None = None
    query_s: float | None = None
    state_s: float | None = None
    wait: str = ""
    blocked_by: tuple[int, ...] = ()
    wants: tuple[WantedLock, ...] = ()
    query: str = ""
    query_cut: bool = False


SQL = """
SELECT pid, backend_start, usename::text AS "user", application_name, state,
       extract(epoch FROM now() - xact_start)::float8 AS transaction_s,
       extract(epoch FROM now() - query_start)::float8 AS query_s,
       extract(epoch FROM now() - state_change)::float8 AS state_s,
       wait_event_type || ':' || wait_event AS wait,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END AS blocked_by,
       left(query, $2) AS query, length(query) > $2 AS cut
FROM pg_stat_activity WHERE pid = $1
"""
WANTS_SQL = """
SELECT locktype, mode, coalesce((SELECT relname FROM pg_class WHERE oid = l.relation), '')::text AS of
FROM pg_locks l WHERE pid = $1 AND NOT granted LIMIT 5
"""


async def read(sources: Sources, settings: Settings, subject: Subject, before: Value | None) -> SessionRow:
    pid = subject.arguments.get("pid") or subject.id
    if not pid.isdecimal() or int(pid) >= 1 << 31:
        return SessionRow(source="postgres", found=False)
    async with sources.postgres.read("the session's query") as tx:
        rows = await tx.fetch(SQL, int(pid), QUERY)
        wants = await tx.fetch(WANTS_SQL, int(pid)) if rows and rows[0]["blocked_by"] else ()
    known = before.started_at if isinstance(before, SessionRow) else None
    if not rows or (known is not None and rows[0]["backend_start"] not in (known, None)):
        return SessionRow(source="postgres", found=False, started_at=known)
    row = rows[0]
    return SessionRow(
        source="postgres",
        found=True,
        pid=row["pid"],
        started_at=row["backend_start"] or known,
        user=clean(row["user"] or "", 60),
        application=clean(row["application_name"] or "", 60),
        state=clean(row["state"] or "", 40),
        transaction_s=row["transaction_s"],
        query_s=row["query_s"],
        state_s=row["state_s"],
        wait=clean(row["wait"] or "", 80),
        blocked_by=tuple(dict.fromkeys(row["blocked_by"])),
        wants=tuple(
            WantedLock(kind=clean(lock["locktype"], 40), of=clean(lock["of"], 80), mode=clean(lock["mode"], 40))
            for lock in wants
        ),
        query=clean(row["query"] or "", QUERY),
        query_cut=bool(row["cut"]),
    )
