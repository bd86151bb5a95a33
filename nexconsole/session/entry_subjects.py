"""What the journal's entries and an incident's open items stand for, and what their actions were about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..actions.registry import ACTIONS
from ..catalogue import Subject
from ..incident.open_items import OpenItem
from ..journal import Entry

KEPT = ("provider", "event", "family", "pod", "alert")
"""Arguments that mean the same later: a session's process id may be another session's by now."""


def entry_subject(entry: Entry, title: str, entries: Iterable[Entry]) -> Subject:
    """The entry; it gives what its action was about, also where it only tells of the action's outcome."""
    planned = _plan(entry)
    if not planned and (intent := str(entry.data.get("intent") or "")):
        planned = _plan_of(intent, entries)
    return Subject(kind="entry", id=entry.id, title=title, arguments=_arguments(planned))


def open_item_subject(item: OpenItem, entries: Iterable[Entry]) -> Subject:
    """The provider that is disabled; else the action that left it open."""
    arguments = _arguments(_plan_of(item.intent, entries)) if item.intent else {}
    if item.kind == "provider" and (name := arguments.get("provider")):
        return Subject(kind="provider", id=name, title=item.what, arguments=arguments)
    return Subject(kind="entry", id=item.intent or item.what, title=item.what, arguments=arguments)


def _plan(entry: Entry) -> Mapping[str, Any]:
    plan = entry.data.get("plan")
    return plan if isinstance(plan, dict) else {}


def _plan_of(intent: str, entries: Iterable[Entry]) -> Mapping[str, Any]:
    return next((_plan(entry) for entry in entries if entry.id == intent), {})


def _arguments(plan: Mapping[str, Any]) -> dict[str, str]:
    """Its words by kind, as the action's own declaration names them."""
    name, given = plan.get("action"), plan.get("arguments")
    if not isinstance(name, str) or not isinstance(given, dict) or name not in ACTIONS:
        return {}
    return {
        argument.kind: word
        for argument in ACTIONS[name].arguments
        if argument.kind in KEPT and isinstance(word := given.get(argument.name), str) and word
    }
