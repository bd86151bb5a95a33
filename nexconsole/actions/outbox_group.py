"""outbox.retry all: the FAILED events that share one error, and the plan to put them back. (nexnum.md#outbox)

Events of activations are left alone: put back, they are often taken by the generic worker, which publishes them undone.
FAILED they can still be seen and be put back one at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from ..errors import ActionError
from ..signals.outbox import ERROR_CHARACTERS, TABLE, OutboxEvent, error_shape
from ..text.sanitize import clean
from ..text.units import count, duration, period, several
from . import shell_commands
from .action import Context, make_plan
from .guards import fresh, may_update
from .outbox_guards import UNDONE, cause_guard, of_activation, worker_guard
from .plan import Confirmation, Guard, Plan, Target

ALL = "all"
WRITTEN = ("status", "retry_count", "error", "updated_at")
MOST = 2_000  # so many fit into one entry of the journal
LOOKED_AT = 5_000  # FAILED events that are ever read, the oldest
SAMPLES = 3
GROUPS = 4
# When the row was last written: an event that failed again since the preview has another time, and is left alone.
MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US'
FAILED_SQL = f"""
SELECT id::text AS id, event_type, aggregate_type, retry_count, left(error, 2000) AS error,
       extract(epoch FROM now() - created_at)::float8 AS age_s,
       extract(epoch FROM now() - updated_at)::float8 AS failed_s,
       to_char(updated_at, '{MOMENT}') AS failed_at
FROM {TABLE} WHERE status = 'FAILED' ORDER BY created_at LIMIT $1
"""
BATCH_SQL = """\
UPDATE {schema}.outbox_events_v2 AS e SET status = 'PENDING', retry_count = 0, error = NULL, updated_at = {now} \
FROM {shown} AS shown (id, retries, failed_at) WHERE e.id = shown.id AND e.status = 'FAILED' \
AND e.retry_count = shown.retries AND to_char({moved}, '{moment}') = shown.failed_at RETURNING e.id"""


@dataclass(frozen=True, kw_only=True)
class FailedGroup:
    """Events that failed with one error. `others`: FAILED with another; `capped`: there are more than were read."""

    error: str
    rows: tuple[Mapping[str, Any], ...]
    others: int
    capped: bool

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(clean(row["event_type"], 80) for row in self.rows))


def is_group(plan: Plan) -> bool:
    return plan.arguments.get("event") == ALL


def shared_errors(events: Sequence[OutboxEvent]) -> list[tuple[str, str, int]]:
    """Type, error and number of those of which several failed alike, the largest group first."""
    alike: Counter[tuple[str, str]] = Counter()
    errors: dict[tuple[str, str], str] = {}
    for event in events:
        if event.error and event.aggregate_type.lower() != "activation":
            key = (event.event_type, error_shape(event.error))
            alike[key] += 1
            errors.setdefault(key, event.error)
    return [(key[0], errors[key], number) for key, number in alike.most_common(GROUPS) if number > 1]


async def prepare(action: str, arguments: Mapping[str, str], context: Context) -> Plan:
    """Raises ActionError where nothing can be put back, or where it is not clear which error is meant."""
    columns = await context.sources.postgres.require(
        TABLE, "id", "event_type", "aggregate_type", "created_at", *WRITTEN
    )
    async with context.sources.postgres.read("the failed events") as tx:
        rows = await tx.fetch(FAILED_SQL, LOOKED_AT + 1)
        rights = await may_update(tx, TABLE, WRITTEN)
    wanted, kind = (clean(arguments.get(name, "").strip(), ERROR_CHARACTERS) for name in ("error", "type"))
    group = _group(rows, wanted, kind)
    zoned = columns["updated_at"].endswith("with time zone")
    return _plan(
        action, {"event": ALL, "error": group.error, **({"type": kind} if kind else {})}, group, rights, zoned, context
    )


def _group(rows: Sequence[Mapping[str, Any]], error: str, kind: str) -> FailedGroup:
    """Raises ActionError."""
    capped, rows = len(rows) > LOOKED_AT, rows[:LOOKED_AT]
    if not rows:
        raise ActionError("no event is FAILED: there is nothing to put back")
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if not kind or clean(row["event_type"], 80) == kind:
            alike.setdefault(error_shape(row["error"] or ""), []).append(row)
    without = len(alike.pop("", ()))
    if error:
        found = alike.get(error_shape(error), [])
    else:
        found = next(iter(alike.values())) if len(alike) == 1 else []
    if not found:
        raise ActionError(_which(alike, without, error, kind))
    said = clean(found[0]["error"], ERROR_CHARACTERS)
    return FailedGroup(error=said, rows=tuple(found), others=len(rows) - len(found), capped=capped)


def _which(alike: Mapping[str, Sequence[Mapping[str, Any]]], without: int, error: str, kind: str) -> str:
    of = f" of type {kind}" if kind else ""
    ordered = sorted(alike.values(), key=len, reverse=True)
    told = [f"{several(len(rows), 'event')}: {clean(rows[0]['error'], 120)}" for rows in ordered[:GROUPS]]
    told += [f"{several(without, 'event')} without an error: put these back one at a time"] * bool(without)
    there = f": {'; '.join(told)}" if told else ""
    if error:
        return f"no event{of} is FAILED with {error}{there}"
    return f"say which error{of} is meant{there}" if told else f"no event{of} is FAILED"


def _plan(
    action: str, arguments: Mapping[str, str], group: FailedGroup, rights: Guard, zoned: bool, context: Context
) -> Plan:
    rules, settings = context.settings.outbox, context.settings
    chosen = [row for row in group.rows if not _left_alone(row)]
    if not chosen:
        raise ActionError(f"none of {several(len(group.rows), 'event')} is put back: {_left_alone(group.rows[0])}")
    taken = chosen[: min(MOST, max(1, rules.retry_limit))]
    targets = tuple(_target(row) for row in taken)
    targets += tuple(_target(row) for row in group.rows if _left_alone(row))
    batches = [targets[start : start + batch_size(context)] for start in range(0, len(taken), batch_size(context))]
    now = "now()" if zoned else "(now() AT TIME ZONE 'UTC')"
    details = {"now": now, "moved": "e.updated_at AT TIME ZONE 'UTC'" if zoned else "e.updated_at"}
    typed = len(taken) > settings.actions.typed_above
    return make_plan(
        context,
        action=action,
        arguments=arguments,
        targets=targets,
        effect=_effect(group, taken, context),
        command="\n".join(
            shell_commands.psql(settings, statement(context, details, _values(batch))) for batch in batches
        ),
        guards=(rights, *_guards(group, chosen, taken, context)),
        confirm=Confirmation(kind="type", text=ALL) if typed else Confirmation(kind="letter", text="r"),
        undo=None,
        watch="the events are PUBLISHED, or FAILED again with their new error",
        deadline_s=settings.actions.verify_s,
        details=details,
        one_by_one=True,
    )


def _effect(group: FailedGroup, taken: Sequence[Mapping[str, Any]], context: Context) -> str:
    rules, size = context.settings.outbox, batch_size(context)
    samples = ", ".join(clean(row["id"], 80) for row in taken[:SAMPLES])
    more = f" and {count(len(taken) - SAMPLES)} more" if len(taken) > SAMPLES else ""
    batches = ceil(len(taken) / size)
    by = (
        f"{several(batches, 'batch', 'batches')} of up to {count(size)}, {period(rules.retry_pause_s)} apart"
        if batches > 1
        else "one batch"
    )
    alike = len({clean(row["error"], ERROR_CHARACTERS) for row in taken} - {group.error})
    others = f", and {count(alike)} more that differ in numbers alone" if alike else ""
    first = "; if the first one fails again, or nobody takes it, the rest stays FAILED" if batches > 1 else ""
    return (
        f"Puts {several(len(taken), 'FAILED event')} ({', '.join(group.types[:SAMPLES])}) back to PENDING, the oldest"
        f" {duration(taken[0]['age_s'])} old, their error cleared ({group.error}{others}): {by}{first}."
        f" {samples}{more}."
        " No undo: what is published stays so"
    )


def _guards(
    group: FailedGroup, chosen: Sequence[Mapping[str, Any]], taken: Sequence[Mapping[str, Any]], context: Context
) -> list[Guard]:
    guards = [fresh(context, "outbox"), *worker_guard(context)]
    guards.append(cause_guard(context, min(row["failed_s"] for row in taken), group.error))
    if activations := sum(of_activation(row) for row in group.rows):
        reason = (
            f"{several(activations, 'event')} of activations left alone: what is put back {UNDONE}. Put back one at a"
            " time what must be"
        )
        guards.append(Guard(name="activations", level="warn", reason=reason))
    if len(chosen) > len(taken):
        reason = f"{count(len(taken))} of {count(len(chosen))} are put back at a time: do it again for the rest"
        guards.append(Guard(name="many", level="warn", reason=reason))
    if group.capped:
        reason = f"only the oldest {count(LOOKED_AT)} FAILED events were looked at: there are more"
        guards.append(Guard(name="all seen", level="warn", reason=reason))
    if group.others:
        reason = f"{several(group.others, 'FAILED event')} of another error or type left alone"
        guards.append(Guard(name="others", level="ok", reason=reason))
    return guards


def _left_alone(row: Mapping[str, Any]) -> str:
    """Why the event is not put back with the others; "" where it is."""
    if of_activation(row):
        return f"of an activation: it {UNDONE}"
    return "its id holds characters that can't be shown: use psql" if clean(row["id"]) != row["id"] else ""


def _target(row: Mapping[str, Any]) -> Target:
    why = _left_alone(row)
    shown = {"age_s": round(row["age_s"], 1), **({"because": why} if why else {})}
    identity = {"status": "FAILED", "retry_count": row["retry_count"], "failed_at": row["failed_at"]}
    return Target(kind="event", id=clean(row["id"], 80), identity=identity, shown=shown, chosen=not why)


def batch_size(context: Context) -> int:
    return max(1, context.settings.outbox.retry_batch)


def statement(context: Context, details: Mapping[str, Any], shown: str) -> str:
    """The conditional UPDATE of one batch; `shown`: the rows as previewed, as SQL."""
    schema = shell_commands.sql_name(context.sources.postgres.schema)
    return BATCH_SQL.format(schema=schema, now=details["now"], moved=details["moved"], moment=MOMENT, shown=shown)


def _values(batch: Sequence[Target]) -> str:
    rows = (
        f"({shell_commands.sql_text(target.id)}, {target.identity['retry_count']},"
        f" {shell_commands.sql_text(str(target.identity['failed_at']))})"
        for target in batch
        if target.chosen
    )
    return f"(VALUES {', '.join(rows)})"
