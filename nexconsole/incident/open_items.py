"""What an incident leaves open: disabled providers, silences, a scaled deployment, actions with an unknown result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..text.units import clock_minute, date
from .actions import ActionRecord


@dataclass(frozen=True, kw_only=True)
class OpenItem:
    """Something that a person must still end or check. `intent` is "" for a step."""

    kind: Literal["provider", "silence", "deployment", "action", "step"]
    what: str
    since: datetime
    by: str
    intent: str = ""
    subject: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it still affects the system, rather than only needing a check."""
        return self.kind in IN_FORCE


IN_FORCE = ("provider", "silence", "deployment")


def open_items(actions: Iterable[ActionRecord], at: datetime) -> list[OpenItem]:
    """What the actions have left open at this time (UTC), in order of beginning.

    A recorded undo or the opposite action ends an item; one with an unknown result ends nothing.
    """
    taken = sorted(actions, key=lambda one: (one.ended_at or one.at, one.at, one.intent))
    disabled: dict[str, ActionRecord] = {}
    silences: dict[str, ActionRecord] = {}
    scaled: dict[str, tuple[int, int, ActionRecord]] = {}  # replicas before and now
    for one in taken:
        if not one.happened:
            continue
        if one.action == "provider.disable" and one.undone_at is None:
            disabled.setdefault(one.subject, one)
        elif one.action == "provider.enable":
            disabled.pop(one.subject, None)
        elif one.action == "alert.silence" and one.undone_at is None and not _expired(one, at):
            silences.update(dict.fromkeys(one.silences or (one.intent,), one))
        elif one.action == "alert.unsilence":
            silences.pop(one.subject, None)
        elif one.replicas is not None and one.undone_at is None:
            before, now = one.replicas
            if one.subject in scaled:
                before = scaled[one.subject][0]
            scaled[one.subject] = before, now, one
            if now == before:
                del scaled[one.subject]
    items = [_standing("provider", f"{target} is disabled", one) for target, one in disabled.items()]
    items += [
        _standing("silence", _silence(action_record), action_record)
        for action_record in {silence.intent: silence for silence in silences.values()}.values()
    ]
    items += [
        _standing("deployment", f"{target} is scaled to {now}, from {before}", one)
        for target, (before, now, one) in scaled.items()
    ]
    items += [
        _standing("action", f"{action_record.name}: its outcome is unknown", action_record)
        for action_record in taken
        if action_record.unknown
    ]
    items += [
        _standing("action", f"{action_record.name}: no verdict is on record", action_record)
        for action_record in taken
        if action_record.unjudged
    ]
    return sorted(items, key=lambda one: (one.since, one.what))


def _ends(action_record: ActionRecord) -> datetime | None:
    return (
        (action_record.ended_at or action_record.at) + timedelta(seconds=action_record.lasts_s)
        if action_record.lasts_s is not None
        else None
    )


def _expired(action_record: ActionRecord, at: datetime) -> bool:
    ends = _ends(action_record)
    return ends is not None and ends <= at


def _silence(action_record: ActionRecord) -> str:
    ends = _ends(action_record)
    until = f" until about {date(ends)} {clock_minute(ends)}Z" if ends else ""
    return f"alerts of {next(iter(action_record.arguments.values()), '?')} are silenced{until}"


def _standing(
    kind: Literal["provider", "silence", "deployment", "action"], what: str, action_record: ActionRecord
) -> OpenItem:
    watch = f". Check whether {action_record.watch}" if kind == "action" and action_record.watch else ""
    since = action_record.ended_at or action_record.at
    return OpenItem(
        kind=kind,
        what=what + watch,
        since=since,
        by=action_record.by,
        intent=action_record.intent,
        subject=action_record.subject,
    )
