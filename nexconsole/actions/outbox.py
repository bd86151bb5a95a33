"""outbox.retry: puts one FAILED event back to PENDING, or all that failed with one error (outbox_group.py). NexNum
never does this by itself. (nexnum.md#outbox)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ActionError
from ..model import Reading, value_of
from ..signals.outbox import TABLE, OutboxEvents
from ..text.sanitize import clean
from ..text.units import count, duration
from . import outbox_group, outbox_group_retry, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .connections import change_rows
from .guards import asked, fresh, may_update
from .outbox_group_retry import GroupRetry
from .outbox_guards import UNDONE, cause_guard, of_activation, worker_guard
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .settlement import SettledOutcome, settled
from .verdicts import watch

if TYPE_CHECKING:
    import asyncpg

    from ..settings import Settings
    from ..sources import Sources
    from ..sources.postgres import Read

LOOK_EVERY_S = 1.0
SUGGESTED = 20
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
    """Puts one failed event back into the queue, or a group of them; any worker may take it."""

    name = "outbox.retry"
    title = "Put a failed event back to PENDING, or all with one error"
    synonyms = ("retry event", "retry all", "requeue", "redrive", "dead letter", "outbox failed")
    arguments = (
        Argument(name="event", kind="event", help="the event's id; or `all` for those that failed with one error"),
        Argument(name="error", kind="text", required=False, help="with `all`: the error, as one of them has it"),
        Argument(name="type", kind="text", required=False, help="with `all`: only events of this type"),
    )

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        events = value_of(readings, "outbox events", OutboxEvents)
        failed = [event for event in (events.events if events else ()) if event.status == "FAILED"]
        groups = (
            Suggestion(
                title=f"Retry all {kind} that failed with: {error} - {count(number)} of those on screen",
                arguments={"event": outbox_group.ALL, "error": error, "type": kind},
                weight=0.15,
            )
            for kind, error, number in outbox_group.shared_errors(failed)
        )
        return *groups, *(
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
        return await asked(context, TABLE, outbox_group.WRITTEN)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        wanted = arguments.get("event", "").strip()
        if wanted == outbox_group.ALL:
            return await outbox_group.prepare(self.name, arguments, context)
        if stray := [name for name in ("error", "type") if arguments.get(name)]:
            raise ActionError(f"{' and '.join(stray)} may only be given with `all`, not with one event")
        columns = await context.sources.postgres.require(
            TABLE, "id", "event_type", "aggregate_type", "created_at", *outbox_group.WRITTEN
        )
        async with context.sources.postgres.read("the event query") as tx:
            row = await _event(tx, wanted)
            rights = await may_update(tx, TABLE, outbox_group.WRITTEN)
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
                *worker_guard(context),
                *_activation(row),
                cause_guard(context, row["failed_s"], error),
            ),
            confirm=Confirmation(kind="letter", text="r"),
            undo=None,
            watch="the event is PUBLISHED, or FAILED again with its new error",
            deadline_s=context.settings.actions.verify_s,
            details={"now": now},
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        if outbox_group.is_group(plan):
            return await GroupRetry(plan, context).run()
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
        if outbox_group.is_group(plan):
            return await outbox_group_retry.settle(plan, outcome, context)
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
        if outbox_group.is_group(plan):
            return await outbox_group_retry.verify(plan, outcome, context)
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


def _activation(row: Mapping[str, Any]) -> tuple[Guard, ...]:
    if not of_activation(row):
        return ()
    reason = f"an activation's event that is put back {UNDONE}"
    return (Guard(name="activation", level="warn", reason=reason),)


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
