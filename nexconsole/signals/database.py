"""Database: long transactions, who blocks whom, connections used. (nexnum.md#sessions)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from ..catalogue import Argument
from ..model import Value, utc_now
from ..text.sanitize import clean
from ..text.units import count, duration, percent, several
from .database_sessions import DatabaseSession, SeenBlocker, seen_lately
from .probe import Probe, ProbeOptions, ProbeResult, Read, View, answers
from .signal import (
    EVERY_PURCHASE,
    LISTED,
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
)

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Database(Value):
    """`hidden` sessions belong to other roles and can't be seen; `restricted` says that the role lacks pg_monitor.

    `lately`: who blocked others in the last minute: where few buy, at most moments nobody waits for it.
    """

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
    lately: tuple[SeenBlocker, ...] = ()

    @property
    def nearly_used_up(self) -> bool:
        """Whether hardly any connection is left."""
        return bool(self.max_connections) and self.connections >= NEARLY * self.max_connections


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
        lately=seen_lately(sessions, previous.lately if isinstance(previous, Database) else (), utc_now()),
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


MANY_BLOCKED = 5  # database sessions
SEVERAL_BLOCKED = 2
KEPT_S = 10.0
IDLE, IDLE_S, SEVERAL = "idle in transaction", 5.0, 3  # who idles for so long and blocks so many is not at work
CONNECTIONS = "connections"
NEARLY = 0.9  # of the connections: the runbook's limit
USED_UP = 0.98  # of the connections: the next to ask may get none


def _reasons(value: Database, settings: Settings) -> Iterator[Judgement]:
    if value.blocked:
        many, root = value.blocked >= MANY_BLOCKED, blocker(value)
        yield Judgement(
            "SEV-2" if many else "SEV-3",
            _blocks(value, root),
            about="blocked sessions",
            explains=(*EVERY_PURCHASE, "reservations", CONNECTIONS) if many or _keeps(value, root) else (),
            step=f"end session {root.pid}" if root is not None else "",
        )
    if value.nearly_used_up:
        yield Judgement(
            "SEV-2",
            f"{count(value.connections)} of {count(value.max_connections)} database connections are used",
            about=CONNECTIONS,
            explains=EVERY_PURCHASE if value.connections >= USED_UP * value.max_connections else (),
        )


def _keeps(value: Database, root: DatabaseSession | None) -> bool:
    """Whether one session keeps several waiting for longer than they have patience: others come as they give up."""
    return root is not None and value.blocked >= SEVERAL_BLOCKED and (root.transaction_s or 0.0) >= KEPT_S


def blocker(value: Database) -> DatabaseSession | None:
    """The one session that all blocked ones wait for, directly or behind others; None where there is no such one."""
    waiting = [session for session in value.sessions if session.blocked_by]
    roots = [session for session in value.sessions if session.blocks and not session.blocked_by]
    if len(roots) != 1 or len(waiting) < value.blocked:
        return None
    return roots[0] if {session.pid for session in waiting} <= _behind(value, roots[0]) else None


def _behind(value: Database, root: DatabaseSession) -> set[int]:
    """The sessions that wait for this one, directly or behind others."""
    waiting = [session for session in value.sessions if session.blocked_by]
    reached, seen = [root.pid], {root.pid}
    while reached:
        pid = reached.pop()
        behind = {session.pid for session in waiting if pid in session.blocked_by} - seen
        seen |= behind
        reached += behind
    return seen - {root.pid}


def _blocks(value: Database, root: DatabaseSession | None) -> str:
    """`database session 4711 blocks 12 others (idle in transaction for 6 min)`; where it is not known which, how many
    are blocked."""
    if root is None:
        sessions = f"{several(value.blocked, 'database session')} {'is' if value.blocked == 1 else 'are'}"
        return f"{sessions} blocked by another"
    others = "another" if value.blocked == 1 else f"{count(value.blocked)} others"
    age = f" for {duration(root.transaction_s)}" if root.transaction_s is not None else ""
    state = f" ({root.state}{age})" if root.state else ""
    return f"database session {root.pid} blocks {others}{state}"


def _summary(value: Database) -> str:
    return (
        f"{count(value.long)} long transactions, {count(value.blocked)} blocked, "
        f"{count(value.connections)} of {count(value.max_connections)} connections"
    )


def _numbers(value: Database, every: float, now: datetime) -> Numbers:
    return {
        "sessions_blocked": None if not value.blocked and value.restricted else value.blocked,
        "connections": value.connections,
    }


def _states(value: Database, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    many = value.blocked >= 5
    words = (
        f"{count(value.blocked)} database sessions are blocked" if many else "database sessions are no longer blocked"
    )
    yield SubjectState("blocked sessions", "many" if many else "few", words, usual=not many)


def _details(value: Database) -> Iterator[str]:
    sessions = sorted(value.sessions, key=lambda one: -one.blocks)
    for one in sessions[:LISTED]:
        if one.blocks or one.blocked_by:
            does = f"blocks {one.blocks}" if one.blocks else f"blocked by {', '.join(map(str, one.blocked_by[:5]))}"
            state = one.state or "state hidden"
            yield f"pid {one.pid} {one.application} {state}, {duration(one.transaction_s or 0)}: {does}"


MONITOR = "GRANT pg_monitor to the console's role"


def _blockers(view: View[Database]) -> ProbeResult:
    value = view.value
    blockers = sorted((s for s in value.sessions if s.blocks), key=lambda s: (bool(s.blocked_by), -s.blocks))
    if not blockers:
        return _none_seen(value, "no session blocks another")
    return ProbeResult(text=_told(blockers[0]), value=float(len(blockers)), gives={"pid": str(blockers[0].pid)})


def _kept(session: DatabaseSession) -> bool:
    """Whether it idles in its transaction for long."""
    return session.state == IDLE and (session.transaction_s or 0.0) >= KEPT_S


def _blocked_lately(view: View[Database]) -> ProbeResult:
    most = max((view.value.blocked, *(one.blocked for one in view.value.lately)))
    waited = several(most, "session waits or waited", "sessions wait or waited")
    return ProbeResult(text=f"{waited} for another's lock in the last minute", value=float(most))


def _is_blocker(view: View[Database]) -> ProbeResult:
    """Whether most that wait, wait for this session, directly or behind others, and it lasts."""
    value = view.value
    session = next((each for each in value.sessions if str(each.pid) == view.argument), None)
    if session is None:
        return ProbeResult(text=f"not known: no session {view.argument} was seen", value=None)
    if not session.blocks or session.blocked_by:
        if not session.blocked_by and any(one.pid == session.pid for one in value.lately):
            return ProbeResult(text=f"session {session.pid} blocked others in the last minute", value=_kept(session))
        return ProbeResult(text=f"session {session.pid} is not what others wait for", value=False)
    behind = len(_behind(value, session))
    age = session.transaction_s
    for_ = f" for {duration(age)}" if age is not None else ""
    text = f"session {session.pid} blocks {count(behind)} of {count(value.blocked)} that wait"
    text += f" ({session.state}{for_})" if session.state else ""
    lasts = age is None or age >= (IDLE_S if behind >= SEVERAL and session.state == IDLE else KEPT_S)
    return ProbeResult(text=text, value=2 * behind >= value.blocked and lasts)


def _told(session: DatabaseSession) -> str:
    who = f"pid {session.pid} ({session.application or session.user})"
    age = f" for {duration(session.transaction_s)}" if session.transaction_s is not None else ""
    state = f", {session.state}{age}" if session.state else ""
    return f"{who} blocks {session.blocks}{state}: {session.query[:120]}"


def _none_seen(value: Database, text: str) -> ProbeResult:
    """Zero is only known where nothing is hidden."""
    if value.restricted and value.hidden:
        hidden = several(value.hidden, "session")
        return ProbeResult(text=f"not known: {hidden} of other roles can't be seen", value=None, lacks=MONITOR)
    return ProbeResult(text=text, value=0.0)


def _counted(noun: str, attribute: str) -> Read:
    def read(view: View[Database]) -> ProbeResult:
        count = getattr(view.value, attribute)
        text = f"{several(count, 'session')} {noun}"
        return ProbeResult(text=text, value=float(count)) if count else _none_seen(view.value, text)

    return read


def _longest(view: View[Database]) -> ProbeResult:
    value = view.value
    aged = [session for session in value.sessions if session.transaction_s is not None]
    if not aged:
        return _none_seen(value, "no transaction lasts longer than 1 s")
    oldest = max(aged, key=lambda session: session.transaction_s or 0)
    age = oldest.transaction_s or 0.0
    return ProbeResult(
        text=f"pid {oldest.pid} is in a transaction for {duration(age)}", value=age, gives={"pid": str(oldest.pid)}
    )


def _connections(view: View[Database]) -> ProbeResult:
    value = view.value
    if not value.max_connections:
        return ProbeResult(text="not known: the server did not say how many it allows", value=None)
    share = value.connections / value.max_connections
    return ProbeResult(
        text=f"{count(value.connections)} of {count(value.max_connections)} are used ({percent(share)})", value=share
    )


def _slow(view: View[Database]) -> ProbeResult:
    """Sessions at work for longer than a second that wait for nobody's lock."""
    busy = [s for s in view.value.sessions if s.state == "active" and not s.blocked_by and (s.query_s or 0.0) > 1]
    text = f"{several(len(busy), 'session')} at work for over 1 s, without waiting for a lock"
    return ProbeResult(text=text, value=float(len(busy))) if busy else _none_seen(view.value, text)


_PID = {"pid": "pid"}


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="database", kind=kind, read=read, **options)


PROBES = (
    _probe("database.answers", "whether the database answers this console", answers, "flag", always=True),
    _probe("database.blockers", "sessions that block others", _blockers, gives=_PID),
    _probe(
        "database.blocker",
        "whether a session is the one that all others wait for",
        _is_blocker,
        "flag",
        argument=Argument(name="pid", kind="pid"),
    ),
    _probe("database.blocked", "sessions that wait for another's lock", _counted("blocked", "blocked")),
    _probe("database.blocked-lately", "sessions that waited for another's lock in the last minute", _blocked_lately),
    _probe(
        "database.idle",
        "sessions idle in a transaction",
        _counted("idle in a transaction", "idle_in_transaction"),
    ),
    _probe("database.slow", "sessions that run for long without waiting for a lock", _slow),
    _probe("database.longest", "age of the oldest transaction", _longest, unit="seconds", gives=_PID),
    _probe("database.connections", "share of the connections in use", _connections, unit="ratio"),
)
SIGNAL = Signal(
    name="database",
    kind=Database,
    read=read,
    summary=_summary,
    needs=("postgres",),
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "sessions_blocked": MetricSpec("database sessions blocked", count),
        "connections": MetricSpec("database connections", count),
    },
    exported=(
        gauge("database_sessions_blocked", "Database sessions that wait for another.", "blocked"),
        gauge("database_connections", "Database connections in use.", "connections"),
        gauge("database_connections_limit", "Database connections that there may be.", "max_connections"),
    ),
    observe=_states,
    details=_details,
    arguments={"pid": lambda value: (str(session.pid) for session in value.sessions)},
    probes=PROBES,
)
