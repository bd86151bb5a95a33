"""What an entry of the journal is told as: its message, or none."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..journal import OUTSIDE, Entry, EntryKind, Proof, Writer
from ..settings import Settings
from ..text.units import clock
from .harmless import harmless
from .message import LEVELS, URGENCY, Message, Urgency, name_of, rank, worse

LONGEST_TITLE, LONGEST_BODY = 200, 2_000  # characters
MOST_REASONS = 3
VERDICT_URGENCY: Mapping[str, Urgency] = {"worked": "success", "recovered": "success", "worse": "failure"}
ENDED_BADLY = ("refused", "failed", "unknown")  # outcomes that no verdict need follow


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message before its common parts. `key`: what is told once; `text` and `reason` are sentences."""

    kind: str
    headline: str
    text: str = ""
    reason: str = ""
    level: str = ""
    was: str = ""
    what: str = ""
    title: str = ""
    urgency: Urgency = "info"
    key: tuple[str, ...] = ()
    loud: bool = False
    page: Literal["", "trigger", "resolve"] = ""


@dataclass(frozen=True, kw_only=True)
class PlacedEntry:
    """An entry among the others: `journal` is its journal's name, `before` all that stands before it, in order."""

    entry: Entry
    journal: str
    before: Sequence[Entry] = field(default=())

    @property
    def data(self) -> Mapping[str, Any]:
        return self.entry.data

    @property
    def who(self) -> str:
        return _person(self.entry.writer)

    def word(self, name: str, limit: int = 500) -> str:
        """A text of the entry's data; "" where it has none."""
        value = self.data.get(name)
        return harmless(value, limit) if isinstance(value, str) else ""

    def last(self, kind: str) -> Entry | None:
        return next((entry for entry in reversed(self.before) if entry.kind == kind), None)

    @property
    def level(self) -> str:
        """The severity by what stands before it."""
        return _level(self.last(EntryKind.SEVERITY))


def message_of(placed: PlacedEntry, settings: Settings, find: Callable[[str], Entry | None]) -> Message | None:
    """The message that an entry makes; None for one that nobody outside is told of, and for a forged one. `find` gives
    an entry by its id."""
    say = DRAFTS.get(placed.entry.kind)
    if say is None or placed.entry.proof is Proof.FORGED:
        return None
    draft = say(placed, find)
    return None if draft is None else _message(draft, placed, settings)


def lost_message(intent: Entry, journal: str, settings: Settings) -> Message:
    """That a console ended before anybody knew what became of this action."""
    placed = PlacedEntry(entry=intent, journal=journal)
    what, _ = _action(intent)
    text = f"UNKNOWN: {placed.who}'s console ended before it knew what became of {what}: somebody must look"
    draft = Draft(kind="action", headline=text, what=what, urgency="failure", key=("lost", intent.id))
    return _message(draft, placed, settings)


def _message(draft: Draft, placed: PlacedEntry, settings: Settings) -> Message:
    entry, level = placed.entry, draft.level or placed.level
    incident = "" if placed.journal == OUTSIDE else placed.journal
    where = " ".join(filter(None, (harmless(settings.environment, 24).upper(), harmless(settings.name, 30))))
    fields = {
        "environment": harmless(settings.environment, 24),
        "name": harmless(settings.name, 30),
        "incident": incident,
        "title": draft.title,
        "kind": draft.kind,
        "level": level,
        "was": draft.was,
        "who": placed.who,
        "what": draft.what,
        "text": draft.text or draft.headline,
        "reason": draft.reason,
        "at": f"{clock(entry.at)}Z",
    }
    template = settings.notify.templates.get(draft.kind)
    written = string.Formatter().vformat(template, (), fields) if template is not None else ""
    lines = [written] if template is not None else [draft.text, draft.reason]
    foot = ", ".join(filter(None, (incident, placed.who, fields["at"])))
    return Message(
        id=name_of(settings.environment, settings.name, *(draft.key or (draft.kind, entry.id))),
        about=entry.id,
        kind=draft.kind,
        title=f"[{where}] {draft.headline}"[:LONGEST_TITLE],
        body="\n".join(filter(None, (*lines, foot)))[:LONGEST_BODY],
        level=level,
        urgency=draft.urgency,
        at=entry.at,
        loud=draft.loud,
        page=draft.page,
    )


def _level(entry: Entry | None) -> str:
    level = entry.data.get("level") if entry is not None else None
    return level if isinstance(level, str) and level in LEVELS else "none"


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _action(entry: Entry | None) -> tuple[str, str]:
    """An action's name with its arguments, and its effect."""
    plan = _table(entry.data.get("plan")) if entry is not None else {}
    arguments = _table(plan.get("arguments"))
    words = [str(plan.get("action") or "an action"), *map(str, arguments.values())]
    return harmless(" ".join(words), 120), harmless(plan.get("effect") or "", 300)


def _sentences(value: Any) -> str:
    listed: Iterable[Any] = value[:MOST_REASONS] if isinstance(value, list) else ()
    more = f" and {len(value) - MOST_REASONS} more" if isinstance(value, list) and len(value) > MOST_REASONS else ""
    return "; ".join(harmless(each, 200) for each in listed) + more


# --- by kind ------------------------------------------------------------------------------------------------------


def _opened(placed: PlacedEntry, find: object) -> Draft:
    level = worse(placed.word("level") or "none", placed.level)
    title = placed.word("title", 200)
    return Draft(
        kind="opened",
        headline=f"incident opened: {title}" + (f" ({level})" if level != "none" else ""),
        text=f"{placed.who} has opened {placed.journal}: {title}",
        title=title,
        level=level,
        urgency="warning" if level == "none" else URGENCY[level],
        page="trigger",
    )


def _severity(placed: PlacedEntry, find: object) -> Draft | None:
    level, was = _level(placed.entry), placed.level
    if level == was:
        return None  # another console has said it, or it stood before the incident was opened
    other = next(
        (each for each in reversed(placed.before) if each.kind == EntryKind.SEVERITY and _level(each) != level), None
    )
    reason = _sentences(placed.data.get("because"))
    ends = level == "none" and placed.journal == OUTSIDE
    return Draft(
        kind="severity",
        headline=f"{_named(level)} (was {_named(was)})" + (f": {reason}" if reason else ""),
        text=f"severity {_named(level)}, was {_named(was)}",
        reason=reason,
        level=worse(level, was),
        was=was,
        urgency=URGENCY[level],
        key=("severity", level, other.id if other is not None else ""),
        page="trigger" if rank(level) < rank(was) else "resolve" if ends else "",
    )


def _declared(placed: PlacedEntry, find: object) -> Draft:
    level = placed.word("level", 20) or "none"
    return Draft(
        kind="severity",
        headline=f"{placed.who} declares {_named(level)}",
        text=f"{placed.who} declares {_named(level)}",
        reason=placed.word("reason"),
        level=worse(level, placed.level),
        was=placed.level,
        urgency=URGENCY.get(level, "warning"),
        page="trigger" if rank(level) < rank("none") else "",
    )


def _named(level: str) -> str:
    return "calm" if level == "none" else level


def _cause(placed: PlacedEntry, find: object) -> Draft:
    name = placed.word("cause", 120)
    last = next(
        (
            e
            for e in reversed(placed.before)
            if e.kind == EntryKind.CAUSE and e.data.get("cause") == placed.data.get("cause")
        ),
        None,
    )
    state, text = placed.word("state", 20), placed.word("text", 300) or placed.word("title", 200) or name
    gone = state == "withdrawn"
    return Draft(
        kind="cause",
        headline=f"no longer likely: {text}" if gone else f"likely cause: {text}",
        text=f"no longer likely: {text}" if gone else f"likely cause: {text}",
        reason="" if gone else _sentences(placed.data.get("evidence")),
        what=name,
        key=("cause", placed.journal, name, state, last.id if last is not None else ""),
    )


def _outcome(placed: PlacedEntry, find: Callable[[str], Entry | None]) -> Draft | None:
    outcome = _table(placed.data.get("outcome"))
    state = str(outcome.get("state") or "unknown")
    if state not in ENDED_BADLY:
        return None  # its verdict is told
    intent = find(str(placed.data.get("intent")))
    what, effect = _action(intent)
    word = "UNKNOWN whether it happened" if state == "unknown" else state
    return Draft(
        kind="action",
        headline=f"{_by(intent, placed)}: {what}: {word}",
        text=effect,
        reason=harmless(outcome.get("answer") or "", 300),
        what=what,
        urgency="failure" if state == "unknown" else "warning",
    )


def _verdict(placed: PlacedEntry, find: Callable[[str], Entry | None]) -> Draft:
    verdict = _table(placed.data.get("verdict"))
    state = harmless(verdict.get("state") or "unknown", 20)
    intent = find(str(placed.data.get("intent")))
    what, effect = _action(intent)
    return Draft(
        kind="action",
        headline=f"{_by(intent, placed)}: {what}: {'effect not known' if state == 'unknown' else state}",
        text=effect,
        reason=harmless(verdict.get("because") or "", 300),
        what=what,
        urgency=VERDICT_URGENCY.get(state, "warning"),
    )


def _person(writer: Writer) -> str:
    """Who it is, without a host behind an @: that would be masked as a customer's mail address."""
    name = harmless(writer.operator.partition("@")[0], 60)
    return f"{name} (account {harmless(writer.account, 40)})" if writer.labelled else name


def _by(intent: Entry | None, placed: PlacedEntry) -> str:
    return _person(intent.writer) if intent is not None else placed.who


def _proposed(placed: PlacedEntry, find: object) -> Draft:
    needs, agent = placed.word("needs", 20), placed.word("agent", 60)
    what, effect = _action(placed.entry)
    kind = "proposal" if agent or needs == "confirmation" else "approval" if needs == "approval" else "objection"
    who = f"{agent} for {placed.who}" if agent else placed.who
    ask = {
        "proposal": f"an agent proposes {what}: a person must confirm it",
        "approval": f"approval wanted for {what}",
        "objection": f"objections wanted: {what} is sent unless somebody objects",
    }
    return Draft(
        kind=kind,
        headline=ask[kind],
        text=f"{harmless(who, 160)} proposes: {effect or what}",
        reason=placed.word("reason"),
        what=what,
        urgency="warning",
    )


def _broke_glass(placed: PlacedEntry, find: object) -> Draft:
    what, effect = _action(placed.entry)
    return Draft(
        kind="broke_glass",
        headline=f"GLASS BROKEN by {placed.who}: {what} without the second person that it needs",
        text=effect,
        reason=f"reason given: {placed.word('reason') or 'none'}",
        what=what,
        urgency="failure",
        loud=True,
        page="trigger",
    )


def _role(placed: PlacedEntry, find: object) -> Draft | None:
    if placed.data.get("role") != "commander":
        return None
    earlier = (e for e in reversed(placed.before) if e.kind == EntryKind.ROLE and e.data.get("role") == "commander")
    opened = next((n for n, e in enumerate(reversed(placed.before)) if e.kind == EntryKind.OPENED), None)
    since = placed.before[len(placed.before) - opened :] if opened is not None else ()
    last = next(earlier, None)
    if last is None or last not in since:
        return None  # who opens an incident commands it first
    before, person = harmless(last.data.get("person") or "nobody", 100), placed.word("person", 100) or "nobody"
    text = f"commander: {person}, was {before}"
    return None if before == person else Draft(kind="handover", headline=text, text=text, what=person)


def _closed(placed: PlacedEntry, find: object) -> Draft:
    opened = next((e for e in reversed(placed.before) if e.kind == EntryKind.OPENED), None)
    title = harmless(opened.data.get("title") or "", 200) if opened is not None else ""
    return Draft(
        kind="closed",
        headline=f"incident closed: {title or placed.journal}",
        text=f"{placed.who} has closed {placed.journal}",
        reason=placed.word("reason"),
        title=title,
        level=min((_level(e) for e in placed.before if e.kind == EntryKind.SEVERITY), key=rank, default="none"),
        urgency="success",
        key=("closed", placed.journal, opened.id if opened is not None else ""),
        page="resolve",
    )


DRAFTS: Mapping[str, Callable[[PlacedEntry, Callable[[str], Entry | None]], Draft | None]] = {
    EntryKind.OPENED: _opened,
    EntryKind.SEVERITY: _severity,
    EntryKind.DECLARED: _declared,
    EntryKind.CAUSE: _cause,
    EntryKind.OUTCOME: _outcome,
    EntryKind.VERDICT: _verdict,
    EntryKind.PROPOSED: _proposed,
    EntryKind.BROKE_GLASS: _broke_glass,
    EntryKind.ROLE: _role,
    EntryKind.CLOSED: _closed,
}
