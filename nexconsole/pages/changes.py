"""What was changed about a subject, by the journal: each action with its time, who, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..journal import Entry, EntryKind
from ..journal.sentences import sentence as words_of
from ..text.units import clock
from ..widgets.spans import Line, plain
from .section import PageContext, Section, fact, sentence

MOST = 12
JOURNAL: Line = (("journal", "muted"),)
STATES = {"done": "text", "worked": "text"}  # any other outcome or verdict is worth an eye


def changes(context: PageContext, *names: str, title: str = "What was changed") -> Section:
    """The journal's actions on a target of one of these names, the newest first."""
    wanted = {name.casefold() for name in names if name}
    found = [entry for entry in context.entries if entry.kind == EntryKind.INTENT and _about(entry, wanted)]
    ends = _ends(context.entries)
    lines: list[Line] = []
    for entry in reversed(found[-MOST:]):
        lines += _told(entry, ends.get(entry.id, []), context.width)
    if len(found) > MOST:
        lines += sentence(f"and {len(found) - MOST} before: J shows the journal", "muted", context.width)
    if not lines:
        lines = list(sentence("nothing is on record here", "muted", context.width))
    return Section(title, tuple(lines), provenance=JOURNAL)


def _ends(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Outcomes, verdicts and undos by the intent's id."""
    ends: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind in (EntryKind.OUTCOME, EntryKind.VERDICT, EntryKind.UNDO):
            ends.setdefault(str(entry.data.get("intent")), []).append(entry)
    return ends


def ends_of(intent: str, entries: Iterable[Entry]) -> list[Entry]:
    """What came of an intent, in order."""
    return _ends(entries).get(intent, [])


def _about(entry: Entry, wanted: set[str]) -> bool:
    return any(name.casefold() in wanted for name in _named(plan_of(entry)))


def _named(plan: Mapping[str, Any]) -> Iterator[str]:
    arguments = plan.get("arguments")
    if isinstance(arguments, dict):
        yield from map(str, arguments.values())
    for target in targets_of(plan):
        yield str(target.get("id", ""))
        shown = target.get("shown")
        if isinstance(shown, dict):
            yield from (str(shown[key]) for key in ("name", "provider", "pod") if key in shown)


def plan_of(entry: Entry) -> Mapping[str, Any]:
    """An entry's plan, as it is on record; nothing where it has none."""
    plan = entry.data.get("plan")
    return plan if isinstance(plan, dict) else {}


def targets_of(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A plan's targets, as they are on record."""
    targets = plan.get("targets")
    return [target for target in targets if isinstance(target, dict)] if isinstance(targets, list) else []


def _told(intent: Entry, ends: Iterable[Entry], width: int) -> tuple[Line, ...]:
    who = plain(str(intent.writer).partition("@")[0], 24)
    lines = fact(clock(intent.at), [(who, "muted"), (plain(words_of(intent)), "strong")], width)
    for end in ends:
        lines += fact(f"  {clock(end.at)}", end_words(end), width)
    return lines


def end_words(end: Entry) -> tuple[str, str]:
    """What came of an action: outcome, verdict or undo, in words and ink."""
    if end.kind == EntryKind.UNDO:
        return f"undone by {plain(str(end.writer).partition('@')[0], 24)}", "text"
    part = end.data.get(end.kind)
    state = str(part.get("state")) if isinstance(part, dict) else ""
    return plain(words_of(end)), STATES.get(state, "warn")
