"""What other consoles do, and what a dead one left behind: a fold over the journal."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from ..actions.perform import EXECUTE_LIMIT_S
from ..actions.plan import Outcome, Verdict
from ..journal import Entry, Kind, Life, Writer, unfinished
from ..journal.processes import life
from .operation import Operation

RECENT = timedelta(minutes=10)  # what was begun before this console is shown if it is no older and has not ended
PATIENCE = timedelta(seconds=EXECUTE_LIMIT_S)  # for a console on another host, of which nobody knows whether it lives


def others(entries: Iterable[Entry], me: Writer, since: datetime, now: datetime) -> dict[str, Operation]:
    """The actions of all writers but `me`, by their intents' ids: those that began after `since`, that have not
    ended, or that nobody knows the end of."""
    entries = tuple(entries)
    lost = {one.entry.id for one in unfinished(entries)
            if one.life is Life.GONE or (one.life is Life.UNKNOWN and now - one.entry.at > PATIENCE)}  # fmt: skip
    found: dict[str, Operation] = {}
    writers: dict[str, Writer] = {}
    for entry in entries:
        if entry.kind == Kind.INTENT:
            if entry.writer != me and (entry.id in lost or entry.at > since - RECENT):
                found[entry.id] = _begun(entry, entry.id in lost)
                writers[entry.id] = entry.writer
        elif (operation := found.get(intent := str(entry.data.get("intent")))) is not None:
            _conclude(operation, entry, writers[intent])
    return {
        intent: one for intent, one in found.items() if one.unfinished or one.phase != "ended" or one.began_at >= since
    }


def _begun(entry: Entry, lost: bool) -> Operation:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    return Operation(
        action=str(plan.get("action", "an action")),
        arguments={str(k): str(v) for k, v in arguments.items()} if isinstance(arguments, dict) else {},
        began_at=entry.at,
        by=str(entry.writer),
        phase="ended" if lost else "sending",
        elsewhere=True,
        unfinished=lost,
        intent=entry.id,
        watch=str(plan.get("watch") or ""),
        command=str(plan.get("command") or ""),
    )


def _conclude(operation: Operation, entry: Entry, writer: Writer) -> None:
    """`writer` wrote the intent: a verdict can only come from there, and while that console lives."""
    part = entry.data.get(entry.kind)
    if not isinstance(part, dict):
        return
    if entry.kind == Kind.OUTCOME:
        operation.outcome = Outcome(state=part.get("state", "unknown"), answer=str(part.get("answer", "")))
        open_end = operation.outcome.state in ("done", "unknown") and entry.writer == writer
        alive = life(writer.host, writer.pid, writer.start, socket.gethostname()) is not Life.GONE
        operation.phase = "watching" if open_end and alive else "ended"
    elif entry.kind == Kind.VERDICT:
        operation.verdict = Verdict(state=part.get("state", "unknown"), because=str(part.get("because", "")))
        operation.phase = "ended"
