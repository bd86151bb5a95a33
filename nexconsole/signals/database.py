"""Database: long transactions, who blocks whom, connections used. (nexnum.md#sessions)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..model import Value
from ..text.sanitize import clean
from .readings import Signal

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class DatabaseSession:
    """A client backend in a transaction for longer than 1 s. Ages in seconds; None where the role may not see."""

    pid: int
    user: str
    application: str
    state: str | None
    transaction_s: float | None
    query_s: float | None
    wait: str | None
    blocked_by: tuple[int, ...]
    blocks: int
    query: str
    started_at: datetime | None = None  # of the session: its pid is another's some day


@dataclass(frozen=True, kw_only=True)
class Database(Value):
    """`hidden` sessions belong to other roles and can't be seen; `restricted` says that the role lacks pg_monitor."""

    sessions: tuple[DatabaseSession, ...] = ()
    long: int = 0
    idle_in_transaction: int = 0
    blocked: int = 0
    connections: int = 0
    max_connections: int = 0
    hidden: int = 0
    restricted: bool = False
    read_only_role: bool = False
    server_version: str = ""


# What blocks whom is asked for waiting sessions only: pg_blocking_pids takes the lock manager's locks.
SESSIONS_SQL = """
SELECT pid, backend_start, usename AS "user", coalesce(application_name, '') AS application, state,
       extract(epoch FROM now() - xact_start)::float8 AS transaction_s,
       extract(epoch FROM now() - query_start)::float8 AS query_s,
       wait_event_type || ':' || wait_event AS wait,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END AS blocked_by,
       left(query, 400) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') = 'client backend'
  AND (wait_event_type = 'Lock' OR xact_start < clock_timestamp() - interval '1 second')
ORDER BY xact_start NULLS LAST LIMIT 200
"""
FIGURES_SQL = """
SELECT count(*) FILTER (WHERE coalesce(backend_type, 'client backend') = 'client backend' AND datid IS NOT NULL)
         AS connections,
       count(*) FILTER (WHERE query = '<insufficient privilege>' AND datname = current_database()) AS hidden,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int AS max_connections,
       current_setting('server_version') AS server_version,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
         OR pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS sees_all,
       current_user AS role, pg_is_in_recovery() AS replica,
       coalesce((SELECT bool_or(has_table_privilege(c.oid, 'UPDATE')) FROM pg_class c
                 WHERE c.relname = 'providers' AND pg_table_is_visible(c.oid)), false) AS may_update
FROM pg_stat_activity
"""


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Database:
    """Read sessions and connections; what the role may not see is counted as hidden, never as absent."""
    async with sources.postgres.read("the sessions query") as tx:
        rows = await tx.fetch(SESSIONS_SQL)
        figures = await tx.row(FIGURES_SQL)
    sessions = tuple(_session(row, rows) for row in rows)
    notes = []
    if not figures["sees_all"] and figures["hidden"]:
        notes.append(
            f"role {clean(figures['role'], 60)} can't see other roles' sessions ({figures['hidden']} hidden): "
            "GRANT pg_monitor to it"
        )
    if figures["replica"]:
        notes.append("this server is a read-only replica: the primary's sessions are not here")
    return Database(
        source="postgres",
        notes=tuple(notes),
        sessions=sessions,
        long=sum(1 for session in sessions if (session.transaction_s or 0) > 1),
        idle_in_transaction=sum(1 for session in sessions if (session.state or "").startswith("idle in transaction")),
        blocked=sum(1 for session in sessions if session.blocked_by),
        connections=figures["connections"],
        max_connections=figures["max_connections"],
        hidden=figures["hidden"],
        restricted=not figures["sees_all"],
        read_only_role=not figures["may_update"],
        server_version=clean(figures["server_version"], 40),
    )


def _session(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> DatabaseSession:
    return DatabaseSession(
        pid=row["pid"],
        user=clean(row["user"] or "", 60),
        application=clean(row["application"], 60),
        state=row["state"],
        transaction_s=row["transaction_s"],
        query_s=row["query_s"],
        wait=row["wait"],
        blocked_by=tuple(row["blocked_by"]),
        blocks=sum(1 for other in rows if row["pid"] in other["blocked_by"]),
        query=clean(row["query"] or "", 300),
        started_at=row["backend_start"],
    )


SIGNAL = Signal(name="database", read=read)
