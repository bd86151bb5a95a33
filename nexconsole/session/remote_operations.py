"""What other consoles do, and what a dead one left behind: a fold over the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..actions.perform import EXECUTE_LIMIT_S
from ..actions.plan import Outcome, Target, Undo, Verdict
from ..actions.registry import ACTIONS
from ..journal import Entry, EntryKind, Life, Unfinished, Writer, unfinished, unjudged
from .operation import Operation

RECENT = timedelta(minutes=10)  # what was begun before this console is shown if it is no older and has not ended
MATTERS = timedelta(hours=12)  # whether an older action helped is no news: the journal says so still
PATIENCE = timedelta(seconds=EXECUTE_LIMIT_S)  # for a console on another host, of which nobody knows whether it lives
WATCHING = timedelta(seconds=600)  # the same for a verdict: a rollout's takes longest


def remote_operations(
    entries: Iterable[Entry],
    me: Writer,
    since: datetime,
    now: datetime,
    whole: Iterable[Entry] | None = None,
    came_at: Callable[[Entry], datetime] = lambda entry: entry.at,
) -> dict[str, Operation]:
    """The actions of all writers but `me`, by their intents' ids: those that began after `since`, that have not
    ended, or that nobody knows the end of.

    `whole` is all that was ever recorded, where `entries` are only what was by a moment that has passed: whose
    console lives now says nothing then. `came_at`: when an entry was written by the clock that gives `since` and
    `now`; that of another host may be hours out.
    """
    entries = tuple(entries)
    ends = None if whole is None else {(str(entry.data.get("intent")), entry.kind) for entry in whole}
    lost = {one.entry.id for one in unfinished(entries) if _ended(one, now, ends, came_at)}
    watched = {one.entry.id: _ended(one, now, ends, came_at) for one in unjudged(entries)}
    unseen = {id for id, ended in watched.items() if ended}
    found: dict[str, Operation] = {}
    for entry in entries:
        if entry.kind == EntryKind.INTENT:
            at = came_at(entry)
            matters = entry.id in lost or (entry.id in unseen and now - at < MATTERS)
            if entry.writer != me and (matters or at > since - RECENT):
                found[entry.id] = _begun(entry, at, entry.id in lost, entry.id in unseen)
        elif (operation := found.get(intent := str(entry.data.get("intent")))) is not None:
            _conclude(operation, entry, intent in watched and intent not in unseen)
    return {intent: one for intent, one in found.items() if one.lost or one.phase != "ended" or one.began_at >= since}


def own_before(entries: Iterable[Entry], me: Writer, since: datetime) -> Operation | None:
    """The last action that this operator took at another console of this host, or before this one was started, if it
    began after `since` and can be taken back still. Who it was is the account, not the process."""
    entries = tuple(entries)
    mine = (me.person, me.operator)
    undone = {str(entry.data.get("intent")) for entry in entries if entry.kind == EntryKind.UNDO}
    for place in range(len(entries) - 1, -1, -1):
        entry = entries[place]
        if entry.kind != EntryKind.INTENT or entry.writer == me or (entry.writer.person, entry.writer.operator) != mine:
            continue
        if not me.account or entry.at < since or entry.id in undone:
            continue
        operation = _begun(entry, entry.at, False, False)
        operation.way_back = _way_back(entry)
        for after in entries[place:]:
            if after.data.get("intent") == entry.id:
                _conclude(operation, after, False)
        if operation.undo is not None:
            return operation
    return None


def _way_back(intent: Entry) -> Undo | None:
    plan = intent.data.get("plan")
    undo = plan.get("undo") if isinstance(plan, dict) else None
    arguments = undo.get("arguments") if isinstance(undo, dict) else None
    if not isinstance(undo, dict) or not isinstance(arguments, dict) or undo.get("action") not in ACTIONS:
        return None
    given = {str(name): str(value) for name, value in arguments.items()}
    return Undo(action=undo["action"], arguments=given, command=str(undo.get("command") or ""))


def _ended(
    intent: Unfinished, now: datetime, ends: Set[tuple[str, str]] | None, came_at: Callable[[Entry], datetime]
) -> bool:
    """Whether its console will say no more of it, as far as can be told from here; `ends` is what was said at last."""
    last, patience = (intent.entry, PATIENCE) if intent.outcome is None else (intent.outcome, WATCHING)
    life = intent.life
    if ends is not None:
        kind = EntryKind.OUTCOME if intent.outcome is None else EntryKind.VERDICT
        life = Life.RUNNING if (intent.entry.id, kind) in ends else Life.UNKNOWN
    return life is Life.GONE or (life is Life.UNKNOWN and now - came_at(last) > patience)


def _begun(entry: Entry, at: datetime, lost: bool, unseen: bool) -> Operation:
    plan = entry.data.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    arguments = plan.get("arguments")
    return Operation(
        action=str(plan.get("action", "an action")),
        arguments={str(k): str(v) for k, v in arguments.items()} if isinstance(arguments, dict) else {},
        began_at=at,
        by=str(entry.writer),
        phase="ended" if lost or unseen else "sending",
        elsewhere=True,
        unfinished=lost,
        unjudged=unseen,
        intent=entry.id,
        watch=str(plan.get("watch") or "it helped"),
        command=str(plan.get("command") or ""),
    )


def _touched(outcome: Mapping[str, Any]) -> tuple[Target, ...]:
    """What was changed, by kind and id."""
    touched = outcome.get("touched")
    found = [one for one in touched if isinstance(one, dict)] if isinstance(touched, list) else []
    return tuple(Target(kind=str(one.get("kind")), id=str(one.get("id"))) for one in found)


def _conclude(operation: Operation, entry: Entry, watched: bool) -> None:
    part = entry.data.get(entry.kind)
    if not isinstance(part, dict):
        return
    if entry.kind == EntryKind.OUTCOME:
        operation.outcome = Outcome(state=part.get("state", "unknown"), answer=str(part.get("answer", "")))
        operation.outcome = replace(operation.outcome, touched=_touched(part))
        operation.phase = "watching" if watched else "ended"
    elif entry.kind == EntryKind.VERDICT:
        operation.verdict = Verdict(state=part.get("state", "unknown"), because=str(part.get("because", "")))
        operation.phase = "ended"
