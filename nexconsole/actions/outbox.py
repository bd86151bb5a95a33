"""outbox.retry: puts one FAILED event back to PENDING. NexNum never does this by itself. (nexnum.md#outbox)"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ActionError
from ..model import Reading, value_of
from ..signals.outbox import TABLE, Outbox, OutboxEvents
from ..signals.workloads import Workloads
from ..text.sanitize import clean
from ..text.units import count, duration
from . import shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import change_rows
from .guards import asked, fresh, may_update
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import Read

WRITTEN = ("status", "retry_count", "error", "updated_at")
LOOK_EVERY_S = 1.0
SUGGESTED = 20
RECENT_S = 3600.0  # a release so young is worth a doubt
EVENT_SQL = """
SELECT id::text AS id, event_type, aggregate_type, status, retry_count, left(error, 2000) AS error,
       extract(epoch FROM now() - created_at)::float8 AS age_s,
       extract(epoch FROM now() - updated_at)::float8 AS failed_s
FROM outbox_events_v2 WHERE id = $1
"""
# The old error goes, because an event PUBLISHED with one counts as dropped; it stands in the plan and in the journal.
# At 5 retries no consumer would take it any more (nexnum.md#outbox).
RETRY_SQL = """\
UPDATE {schema}.outbox_events_v2 SET status = 'PENDING', retry_count = 0, error = NULL, updated_at = {now} \
WHERE id = {id} AND status = 'FAILED' AND retry_count = {retries} RETURNING id"""


class RetryEvent:
    """Puts one failed event back into the queue; any worker may take it."""

    name = "outbox.retry"
    title = "Put a failed event back to PENDING"
    synonyms = ("retry event", "requeue", "redrive", "dead letter", "outbox failed")
    arguments = (Argument(name="event", kind="event", help="the event's id"),)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        events = value_of(readings, "outbox events", OutboxEvents)
        failed = [event for event in (events.events if events else ()) if event.status == "FAILED"]
        return tuple(
            Suggestion(
                title=f"Retry event {event.id} {event.event_type} - {event.error or 'no error kept'}",
                arguments={"event": event.id},
                weight=0.1,
            )
            for event in failed[:SUGGESTED]
        )

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return None if sources.has("postgres") else "the outbox can't be reached: set postgres.url (DATABASE_URL)"

    async def permitted(self, context: Context) -> Guard:
        return await asked(context, TABLE, WRITTEN)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        wanted = arguments.get("event", "").strip()
        columns = await context.sources.postgres.require(
            TABLE, "id", "event_type", "aggregate_type", "created_at", *WRITTEN
        )
        async with context.sources.postgres.read("the event query") as tx:
            row = await _event(tx, wanted)
            rights = await may_update(tx, TABLE, WRITTEN)
        now = "now()" if columns["updated_at"].endswith("with time zone") else "(now() AT TIME ZONE 'UTC')"
        kind, error = clean(row["event_type"], 80), clean(row["error"] or "", 300)
        shown = {"event_type": kind, "error": error, "age_s": round(row["age_s"], 1)}
        identity = {"status": "FAILED", "retry_count": row["retry_count"]}
        sql = RETRY_SQL.format(
            schema=shell_commands.sql_name(context.sources.postgres.schema),
            now=now,
            id=shell_commands.sql_text(row["id"]),
            retries=row["retry_count"],
        )
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(Target(kind="event", id=row["id"], identity=identity, shown=shown),),
            effect=f"Puts event {row['id']} ({kind}) back to PENDING after {row['retry_count']} tries, its error"
            f" cleared ({error or 'none was kept'}): the next worker takes it. No undo: what is published stays so",
            command=shell_commands.psql(context.settings, sql),
            guards=(
                rights,
                fresh(context, "outbox"),
                *_consumer(context, row),
                _again(context, row, error),
            ),
            confirm=Confirmation(kind="letter", text="r"),
            undo=None,
            watch="the event is PUBLISHED, or FAILED again with its new error",
            deadline_s=context.settings.actions.verify_s,
            details={"now": now},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        target = plan.targets[0]
        schema = shell_commands.sql_name(context.sources.postgres.schema)
        sql = RETRY_SQL.format(schema=schema, now=plan.details["now"], id="$1", retries="$2")

        async def work(connection: asyncpg.Connection) -> Outcome:
            rows = await connection.fetch(sql, target.id, target.identity["retry_count"])
            if len(rows) == 1:
                return Outcome(state="done", answer=f"UPDATE 1: event {target.id} is PENDING", touched=(target,))
            row = await connection.fetchrow(f"SELECT status, retry_count FROM {TABLE} WHERE id = $1", target.id)
            now = "is gone" if row is None else f"is {clean(row['status'], 20)} after {row['retry_count']} tries now"
            return Outcome(state="refused", answer=f"event {target.id} {now}: nothing was changed")

        return await change_rows(context, work)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        target = plan.targets[0]

        async def look() -> SettledOutcome:
            async with context.sources.postgres.read("the event query") as tx:
                rows = await tx.fetch(EVENT_SQL, target.id)
            if not rows:
                return SettledOutcome(happened=False, said=f"event {target.id} is not in the table any more")
            same = rows[0]["status"] == "FAILED" and rows[0]["retry_count"] == target.identity["retry_count"]
            said = f"event {target.id} is {clean(rows[0]['status'], 20)} after {rows[0]['retry_count']} tries"
            return SettledOutcome(happened=not same, said=said, touched=(target,))

        return await settled(outcome, look, context, lingers=False)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        target = plan.targets[0]
        began = asyncio.get_running_loop().time()

        async def look(last: bool) -> Verdict | None:
            async with context.sources.postgres.read("the event query") as tx:
                rows = await tx.fetch(EVENT_SQL, target.id)
            waited = asyncio.get_running_loop().time() - began
            return _verdict(rows[0] if rows else None, target.id, outcome, waited, last)

        return await watch(plan.deadline_s, look, LOOK_EVERY_S)


async def _event(tx: Read, wanted: str) -> Mapping[str, Any]:
    """The event's row if it is FAILED. Raises ActionError saying what it is instead."""
    rows = await tx.fetch(EVENT_SQL, wanted)
    shown = clean(wanted, 60) or "(no id given)"
    if not rows:
        raise ActionError(f"there is no event {shown} in {TABLE}: give the whole id of a FAILED one")
    row = rows[0]
    if row["status"] == "PUBLISHED" and row["error"] is not None:
        reason = "it was dropped: PUBLISHED with an error. Publishing it again would repeat what was done"
    elif row["status"] != "FAILED":
        reason = f"it is {clean(row['status'], 20)}, and only FAILED events are put back"
    elif clean(row["id"]) != row["id"]:
        reason = "its id holds characters that can't be shown: use psql"
    else:
        return row
    raise ActionError(f"event {shown} is not retried: {reason}")


def _consumer(context: Context, row: Mapping[str, Any]) -> list[Guard]:
    """Which worker will take it, as far as that is known."""
    guards = []
    outbox = value_of(context.readings(), "outbox", Outbox)
    if outbox is not None and outbox.drained_per_min == 0 and outbox.pending:
        reason = f"the outbox does not drain ({count(outbox.pending)} pending): it will wait with the others"
        guards.append(Guard(name="worker", level="warn", reason=reason))
    if clean(row["aggregate_type"], 40).lower() == "activation":
        reason = (
            "an activation's event that is put back is often taken by the generic worker, which publishes it undone"
        )
        guards.append(Guard(name="activation", level="warn", reason=reason))
    return guards


def _again(context: Context, row: Mapping[str, Any], error: str) -> Guard:
    name = "cause"
    if not error:
        return Guard(name=name, level="warn", reason="no error was kept: why it failed is not known")
    level, by_release = _release(context, row["failed_s"])
    if by_release:
        return Guard(name=name, level=level, reason=f"it failed with: {error}; {by_release}")
    if "payload" in error.lower():
        reason = f"its payload was refused ({error}), and has not changed: it will most likely fail again"
        return Guard(name=name, level="warn", reason=reason)
    return Guard(name=name, level="ok", reason=f"it failed with: {error}; while that lasts, it fails again")


def _release(context: Context, failed_s: float) -> tuple[Literal["ok", "warn"], str]:
    """Whether the running release is the one with which it failed; "" where that is not known."""
    workloads = value_of(context.readings(), "workloads", Workloads)
    release = workloads.release if workloads is not None else None
    if workloads is None or release is None or release.since is None:
        return "ok", ""
    if release.gone_back and all(pod.age_s is not None and pod.age_s < failed_s for pod in workloads.pods):
        return "ok", f"{release.before} was rolled back since, and {release.images} runs"
    age_s = (context.clock() - release.since).total_seconds()
    if failed_s < age_s < RECENT_S:
        return "warn", f"{release.images}, released {duration(age_s)} ago, ran then and still runs"
    return "ok", ""


def _verdict(row: Mapping[str, Any] | None, id: str, outcome: Outcome, waited: float, last: bool) -> Verdict | None:
    if row is None:
        return Verdict(state="unknown", because=f"event {id} is not in the table any more")
    error, status = clean(row["error"] or "", 300), row["status"]
    if status == "PUBLISHED" and row["error"] is not None:
        return Verdict(state="no effect", because=f"event {id} was PUBLISHED undone, with an error: {error}")
    if status == "PUBLISHED":
        return Verdict(state="worked", because=f"event {id} is PUBLISHED without an error after {duration(waited)}")
    if status == "FAILED" and outcome.state == "done":
        return Verdict(state="no effect", because=f"event {id} is FAILED again: {error or 'no error was kept'}")
    if not last:
        return None
    if status == "FAILED":
        return Verdict(state="no effect", because=f"event {id} is FAILED as before: the change was not made")
    return Verdict(state="unknown", because=f"event {id} is still {clean(status, 20)} after {duration(waited)}")


RETRY = RetryEvent()
ACTIONS: tuple[Action, ...] = (RETRY,)
