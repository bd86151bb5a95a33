"""What an incident leaves behind: providers disabled, silences that last, a deployment that is scaled, actions that
nobody knows the end of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from .actions import ActionRecord


@dataclass(frozen=True, kw_only=True)
class OpenItem:
    """Something that somebody must still end or look at. `intent` is "" for a step."""

    kind: Literal["provider", "silence", "deployment", "action", "step"]
    what: str
    since: datetime
    by: str
    intent: str = ""
    subject: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it still has an effect on the system, rather than being something to look at."""
        return self.kind in IN_FORCE


IN_FORCE = ("provider", "silence", "deployment")


def open_items(actions: Iterable[ActionRecord], at: datetime) -> list[OpenItem]:
    """What the actions left standing at this time (UTC), in order of beginning.

    An undo that was recorded and the opposite action both end it; one whose end is unknown ends nothing.
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
    found = [_standing("provider", f"{target} is disabled", one) for target, one in disabled.items()]
    found += [
        _standing("silence", _silence(one), one) for one in {one.intent: one for one in silences.values()}.values()
    ]
    found += [
        _standing("deployment", f"{target} is scaled to {now}, from {before}", one)
        for target, (before, now, one) in scaled.items()
    ]
    found += [_standing("action", f"{one.name}: nobody knows what became of it", one) for one in taken if one.unknown]
    found += [_standing("action", f"{one.name}: no verdict is on record", one) for one in taken if one.unjudged]
    return sorted(found, key=lambda one: (one.since, one.what))


def _ends(one: ActionRecord) -> datetime | None:
    return (one.ended_at or one.at) + timedelta(seconds=one.lasts_s) if one.lasts_s is not None else None


def _expired(one: ActionRecord, at: datetime) -> bool:
    ends = _ends(one)
    return ends is not None and ends <= at


def _silence(one: ActionRecord) -> str:
    ends = _ends(one)
    until = f" until about {ends:%Y-%m-%d %H:%M}Z" if ends else ""
    return f"alerts of {next(iter(one.arguments.values()), '?')} are silenced{until}"


def _standing(kind: Literal["provider", "silence", "deployment", "action"], what: str, one: ActionRecord) -> OpenItem:
    watch = f". Look whether {one.watch}" if kind == "action" and one.watch else ""
    since = one.ended_at or one.at
    return OpenItem(kind=kind, what=what + watch, since=since, by=one.by, intent=one.intent, subject=one.subject)
