"""backend.cancel and backend.terminate: act on one Postgres session, identified by pid and start time.
(nexnum.md#sessions, #pooler)

Postgres reuses pids. So the statement itself compares the session's start time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals.database import Database
from ..text.sanitize import clean
from ..text.units import duration, moment
from . import failure_rate_change, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import change_rows
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources

LOOK_EVERY_S = 0.5
DEADLINE_S = 20.0
POOLERS = ("pgbouncer", "supavisor", "pgcat", "odyssey", "pgpool")
SESSION_SQL = """
SELECT a.pid, a.backend_start, a.usename AS "user", coalesce(a.application_name, '') AS application, a.state,
       coalesce(a.backend_type, '') AS kind, a.query, a.query_start, a.datname = current_database() AS here,
       extract(epoch FROM now() - a.xact_start)::float8 AS transaction_s,
       extract(epoch FROM now() - a.query_start)::float8 AS query_s,
       coalesce(r.rolsuper, false) AS super,
       a.usesysid IS NOT NULL AND pg_has_role(a.usesysid, 'USAGE') AS same_role,
       pg_has_role('pg_signal_backend', 'USAGE') AS may_signal,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS am_super,
       current_user AS role, pg_is_in_recovery() AS replica,
       (SELECT count(*) FROM pg_stat_activity b
        WHERE b.wait_event_type = 'Lock' AND a.pid = ANY (pg_blocking_pids(b.pid))) AS blocks
FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid WHERE a.pid = $1
"""
SIGNAL_SQL = "SELECT {function}(pid) AS answer FROM pg_stat_activity WHERE pid = {pid} AND backend_start = {started}"


@dataclass(frozen=True, kw_only=True)
class SignalBackend:
    """Either action; `function` is the Postgres function."""

    name: str
    title: str
    synonyms: tuple[str, ...]
    function: str
    verb: str
    letter: str
    ends_session: bool
    arguments: tuple[Argument, ...] = (Argument(name="pid", kind="pid", help="the session's process id"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        """The sessions that block others, as far as the signal can reach them."""
        database = value_of(readings, "database", Database)
        found = []
        for session in database.sessions if database else ():
            idle = (session.state or "").startswith("idle in transaction")
            if session.blocks and not session.blocked_by and (idle <= self.ends_session):
                state = session.state or "state hidden"
                why = f"blocks {session.blocks} others for {duration(session.transaction_s or 0)}, {state}"
                title = f"{self.verb.capitalize()} session {session.pid} {session.application} - {why}"
                weight = min(0.9, session.blocks / 20) + (0.05 if idle == self.ends_session else 0)
                found.append(Suggestion(title=title, arguments={"pid": str(session.pid)}, weight=weight))
        return tuple(found)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if sources.has("postgres") else "sessions can't be reached: set postgres.url (DATABASE_URL)"

    async def permitted(self, context: Context) -> Guard:
        """The permission for sessions of other roles. A role may always signal its own."""
        sql = (
            "SELECT current_user AS role, pg_has_role('pg_signal_backend', 'USAGE') OR"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS may"
        )
        name = "role may signal"
        try:
            async with context.sources.postgres.read("the roles query") as tx:
                row = await tx.row(sql)
        except SourceError as error:
            return Guard(name=name, level="warn", reason=f"could not be asked: {error}")
        role = clean(row["role"], 60)
        if row["may"]:
            return Guard(name=name, level="ok", reason=f"role {role} may signal other roles' sessions")
        reason = f"role {role} may {self.verb} its own sessions only: GRANT pg_signal_backend TO {role}"
        return Guard(name=name, level="warn", reason=reason)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        pid = _pid(arguments.get("pid", ""))
        async with context.sources.postgres.read("the session query") as tx:
            rows = await tx.fetch(SESSION_SQL, pid)
        if not rows:
            raise ActionError(f"session {pid} is gone: nothing to {self.verb}")
        row = rows[0]
        started = "" if row["backend_start"] is None else row["backend_start"].isoformat(timespec="microseconds")
        query = clean(row["query"] or "", 300)
        shown = {
            "user": clean(row["user"] or "", 60),
            "application": clean(row["application"], 60),
            "state": row["state"],
            "transaction_s": _rounded(row["transaction_s"]),
            "query_s": _rounded(row["query_s"]),
            "blocks": row["blocks"],
            "query": query,
        }
        sql = self.sql(pid, started)
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(Target(kind="session", id=str(pid), identity={"backend_start": started}, shown=shown),),
            effect=self._effect(row, shown),
            command=shell_commands.psql(context.settings, sql),
            guards=self._guards(context, row),
            confirm=Confirmation(kind="letter", text=self.letter),
            undo=None,
            watch=f"session {pid} {'is gone' if self.ends_session else 'has ended its query'}, blocks nobody, and"
            " customers buy again where they could not",
            deadline_s=min(DEADLINE_S, context.settings.actions.verify_s),
            details={
                "query_start": None if row["query_start"] is None else row["query_start"].isoformat(),
                "blocks": row["blocks"],
                "state": row["state"],
                "before": await failure_rate_change.before(context),
            },
        )

    def sql(self, pid: int | str, started: str) -> str:
        """The statement. `started` is the session's start time (ISO 8601), as the pid may be reused."""
        return SIGNAL_SQL.format(function=self.function, pid=pid, started=shell_commands.sql_text(started))

    def _effect(self, row: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
        what = "Ends" if self.ends_session else "Cancels the query of"
        long = "" if shown["transaction_s"] is None else f", in its transaction for {duration(shown['transaction_s'])}"
        loses = "; what its transaction has done is rolled back" if self.ends_session else ""
        names = (
            f"{shown['user'] or 'no user'}, {shown['application'] or 'no name'}, {row['state'] or 'state hidden'}{long}"
        )
        query = shown["query"] or "no query"
        return f"{what} session {row['pid']} ({names}), which blocks {row['blocks']} others: {query}{loses}. No undo"

    def _guards(self, context: Context, row: Mapping[str, Any]) -> tuple[Guard, ...]:
        guards = [_visible(row), _whose(row), _right(row, self.verb)]
        if row["replica"]:
            guards.append(
                Guard(name="replica", level="warn", reason="this is a replica: the primary's sessions aren't here")
            )
        if not self.ends_session and row["state"] is not None and row["state"] != "active":
            reason = f"it is {row['state']}: it runs no query to cancel: only backend.terminate ends it"
            guards.append(Guard(name="state", level="warn", reason=reason))
        if _pooled(context, row):
            reason = "this is a pooler's connection: the client that uses it now sees an error"
            guards.append(Guard(name="pooler", level="warn", reason=reason))
        if not row["blocks"]:
            guards.append(Guard(name="blocks", level="warn", reason="it blocks nobody now"))
        return tuple(guards)

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        target = plan.targets[0]
        started = datetime.fromisoformat(str(target.identity["backend_start"]))
        sql = SIGNAL_SQL.format(function=self.function, pid="$1", started="$2")

        async def work(connection: asyncpg.Connection) -> Outcome:
            rows = await connection.fetch(sql, int(target.id), started)
            if not rows:
                said = f"session {target.id} is gone: nothing was sent"
                return Outcome(state="refused", answer=said)
            if rows[0]["answer"]:
                return Outcome(state="done", answer=f"{self.function} answered true", touched=(target,))
            return Outcome(state="failed", answer=f"{self.function} answered false: session {target.id} got no signal")

        outcome = await change_rows(context, work, at_once=True)
        if outcome.state == "refused" and "permission denied" in outcome.answer:
            return Outcome(state="refused", answer=f"{outcome.answer}. It takes GRANT pg_signal_backend TO this role")
        return outcome

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        target = plan.targets[0]

        async def look() -> SettledOutcome:
            async with context.sources.postgres.read("the session query") as tx:
                rows = await tx.fetch(SESSION_SQL, int(target.id))
            same = [row for row in rows if _started(row) == target.identity["backend_start"]]
            if not same:
                return SettledOutcome(happened=True, said=f"session {target.id} is gone", touched=(target,))
            said = f"session {target.id} still exists, {same[0]['state']}"
            ended = not self.ends_session and plan.details["state"] == "active" and _moved(plan, same[0])
            return SettledOutcome(
                happened=ended, said=f"{said}, its query has ended" if ended else said, touched=(target,)
            )

        return await settled(outcome, look, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        target, before = plan.targets[0], int(plan.details["blocks"])
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def look(last: bool) -> Verdict | None:
            verdict = await session(last)
            if verdict is None or verdict.state != "worked":
                return verdict
            then, waited = plan.details["before"], loop.time() - began
            return await failure_rate_change.seen_by_customers(verdict, then, context, waited, last)

        async def session(last: bool) -> Verdict | None:
            async with context.sources.postgres.read("the session query") as tx:
                rows = await tx.fetch(SESSION_SQL, int(target.id))
                waiting = (await tx.row(WAITING_SQL))["waiting"]
            same = [row for row in rows if _started(row) == target.identity["backend_start"]]
            freed = f"it blocked {before} others, and {waiting} sessions wait for a lock now"
            if not same:
                return Verdict(state="worked", because=f"session {target.id} is gone: {freed}")
            row = same[0]
            if not self.ends_session and _moved(plan, row) and plan.details["state"] == "active":
                if not row["blocks"]:
                    return Verdict(
                        state="worked", because=f"its query has ended, the session is {row['state']}: {freed}"
                    )
                if last:
                    said = f"its query has ended, but session {target.id} is {row['state']} and blocks {row['blocks']}"
                    return Verdict(state="no effect", because=f"{said} still: only backend.terminate ends it")
            if last:
                said = f"session {target.id} still exists, {row['state']}, and blocks {row['blocks']}"
                return Verdict(state="no effect", because=said)
            return None

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


WAITING_SQL = (
    "SELECT count(*) AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def _pid(text: str) -> int:
    word = text.strip()
    if not word.isascii() or not word.isdigit() or not 0 < int(word) < 2**31:
        raise ActionError(f"{clean(word, 40) or '(nothing)'} is not a pid: give the process id of a session")
    return int(word)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _moved(plan: Plan, row: Mapping[str, Any]) -> bool:
    """Whether the query that was shown has ended."""
    began = row["query_start"] and row["query_start"].isoformat()
    return bool(row["state"] != "active" or began != plan.details["query_start"])


def _started(row: Mapping[str, Any]) -> str:
    return "" if row["backend_start"] is None else row["backend_start"].isoformat(timespec="microseconds")


def _visible(row: Mapping[str, Any]) -> Guard:
    if row["backend_start"] is None:
        role = clean(row["role"], 60)
        reason = f"role {role} may not see when this session began, which identifies it: GRANT pg_monitor TO {role}"
        return Guard(name="identity", level="block", reason=reason)
    return Guard(name="identity", level="ok", reason=f"it began at {moment(row['backend_start'])}")


def _whose(row: Mapping[str, Any]) -> Guard:
    """Refuse sessions that must not be ended: replication, server processes, a console's own."""
    name, kind = "whose session", clean(row["kind"], 40)
    if row["application"] == "nexconsole":
        return Guard(name=name, level="block", reason="this is a console's own session, perhaps this one's")
    if kind and kind != "client backend":
        what = "replication depends on it" if kind == "walsender" else "it serves the server itself"
        return Guard(name=name, level="block", reason=f"this is not a client's session but a {kind}: {what}")
    if row["here"] is False:
        return Guard(name=name, level="warn", reason="this session is in another database of the same server")
    return Guard(name=name, level="ok", reason="a client's session")


def _right(row: Mapping[str, Any], verb: str) -> Guard:
    name, role, user = "role may signal", clean(row["role"], 60), clean(row["user"] or "", 60)
    if row["am_super"]:
        return Guard(name=name, level="ok", reason=f"role {role} is a superuser")
    if row["super"]:
        reason = f"{user} is a superuser, whose sessions only superusers may {verb}: pg_signal_backend is not enough"
        return Guard(name=name, level="block", reason=reason)
    if row["same_role"] or row["may_signal"]:
        return Guard(name=name, level="ok", reason=f"role {role} may {verb} it")
    reason = f"role {role} may not {verb} sessions of {user}: GRANT pg_signal_backend TO {role}"
    return Guard(name=name, level="block", reason=reason)


def _pooled(context: Context, row: Mapping[str, Any]) -> bool:
    """Whether clients reach this session through a pooler: by its name, or because our own address is one's."""
    names: Sequence[str] = (row["application"].lower(), (row["user"] or "").lower())
    return any(pooler in name for pooler in POOLERS for name in names) or context.sources.postgres.pooled


CANCEL = SignalBackend(
    name="backend.cancel",
    title="Cancel a database session's query",
    synonyms=("kill query", "cancel query", "stop query", "pg_cancel_backend"),
    function="pg_cancel_backend",
    verb="cancel",
    letter="q",
    ends_session=False,
)
TERMINATE = SignalBackend(
    name="backend.terminate",
    title="End a database session",
    synonyms=("kill session", "kill connection", "terminate", "unblock", "pg_terminate_backend"),
    function="pg_terminate_backend",
    verb="end",
    letter="t",
    ends_session=True,
)
ACTIONS: tuple[Action, ...] = (CANCEL, TERMINATE)
