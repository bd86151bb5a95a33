"""What other consoles do, and what a dead one left behind: a fold over the journal."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import datetime, timedelta

from ..actions.perform import EXECUTE_LIMIT_S
from ..actions.plan import Outcome, Verdict
from ..journal import Entry, Kind, Life, Unfinished, Writer, unfinished, unjudged
from .operation import Operation

RECENT = timedelta(minutes=10)  # what was begun before this console is shown if it is no older and has not ended
MATTERS = timedelta(hours=12)  # whether an older action helped is no news: the journal says so still
PATIENCE = timedelta(seconds=EXECUTE_LIMIT_S)  # for a console on another host, of which nobody knows whether it lives
WATCHING = timedelta(seconds=600)  # the same for a verdict: a rollout's takes longest


def others(
    entries: Iterable[Entry], me: Writer, since: datetime, now: datetime, whole: Iterable[Entry] | None = None
) -> dict[str, Operation]:
    """The actions of all writers but `me`, by their intents' ids: those that began after `since`, that have not
    ended, or that nobody knows the end of.

    `whole` is all that was ever recorded, where `entries` are only what was by a moment that has passed: whose
    console lives now says nothing then.
    """
    entries = tuple(entries)
    ends = None if whole is None else {(str(entry.data.get("intent")), entry.kind) for entry in whole}
    lost = {one.entry.id for one in unfinished(entries) if _ended(one, now, ends)}
    watched = {one.entry.id: _ended(one, now, ends) for one in unjudged(entries)}
    unseen = {id for id, ended in watched.items() if ended}
    found: dict[str, Operation] = {}
    for entry in entries:
        if entry.kind == Kind.INTENT:
            matters = entry.id in lost or (entry.id in unseen and now - entry.at < MATTERS)
            if entry.writer != me and (matters or entry.at > since - RECENT):
                found[entry.id] = _begun(entry, entry.id in lost, entry.id in unseen)
        elif (operation := found.get(intent := str(entry.data.get("intent")))) is not None:
            _conclude(operation, entry, intent in watched and intent not in unseen)
    return {intent: one for intent, one in found.items() if one.lost or one.phase != "ended" or one.began_at >= since}


def _ended(intent: Unfinished, now: datetime, ends: Set[tuple[str, str]] | None) -> bool:
    """Whether its console will say no more of it, as far as can be told from here; `ends` is what was said at last."""
    last, patience = (intent.entry, PATIENCE) if intent.outcome is None else (intent.outcome, WATCHING)
    life = intent.life
    if ends is not None:
        kind = Kind.OUTCOME if intent.outcome is None else Kind.VERDICT
        life = Life.RUNNING if (intent.entry.id, kind) in ends else Life.UNKNOWN
    return life is Life.GONE or (life is Life.UNKNOWN and now - last.at > patience)


def _begun(entry: Entry, lost: bool, unseen: bool) -> Operation:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    return Operation(
        action=str(plan.get("action", "an action")),
        arguments={str(k): str(v) for k, v in arguments.items()} if isinstance(arguments, dict) else {},
        began_at=entry.at,
        by=str(entry.writer),
        phase="ended" if lost or unseen else "sending",
        elsewhere=True,
        unfinished=lost,
        unjudged=unseen,
        intent=entry.id,
        watch=str(plan.get("watch") or "it helped"),
        command=str(plan.get("command") or ""),
    )


def _conclude(operation: Operation, entry: Entry, watched: bool) -> None:
    part = entry.data.get(entry.kind)
    if not isinstance(part, dict):
        return
    if entry.kind == Kind.OUTCOME:
        operation.outcome = Outcome(state=part.get("state", "unknown"), answer=str(part.get("answer", "")))
        operation.phase = "watching" if watched else "ended"
    elif entry.kind == Kind.VERDICT:
        operation.verdict = Verdict(state=part.get("state", "unknown"), because=str(part.get("because", "")))
        operation.phase = "ended"
