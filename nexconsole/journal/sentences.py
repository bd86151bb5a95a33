"""Journal entries as sentences, and sentences for an intent without an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..text.sanitize import clean
from .broken_glass import planned
from .entries import Entry, EntryKind, Proof
from .processes import Life
from .reader import Unfinished


def unknown(intent: Unfinished) -> str:
    """The sentence for an intent without an outcome or verdict, and what to check."""
    who, what = intent.entry.writer, sentence(intent.entry)
    watch = clean(_words(_part(intent.entry.data, "plan"), "watch"))
    if intent.outcome is not None:
        return _unjudged(intent, f"{who} on {clean(who.host, 100)}", f"whether {watch}" if watch else "what came of it")
    how = f": {watch}" if watch else ""
    if intent.life is Life.RUNNING:
        return f"UNDER WAY: {who}'s console has not said yet what became of: {what}"
    if intent.life is Life.GONE:
        return f"UNKNOWN: {who}'s console ended before it knew what became of: {what}. Check whether it happened{how}"
    where = clean(who.host, 100)
    return f"UNKNOWN: no outcome yet from {who} on {where} for: {what}. Ask, or check whether it happened{how}"


def _unjudged(intent: Unfinished, where: str, how: str) -> str:
    """The outcome is known, its effect is not."""
    assert intent.outcome is not None
    who, said = intent.entry.writer, f"{sentence(intent.entry)}: {sentence(intent.outcome)}"
    if intent.life is Life.RUNNING:
        return f"UNDER WAY: {who}'s console still watches {how}, after: {said}"
    if intent.life is Life.GONE:
        return f"NO VERDICT: {who}'s console ended while it watched what came of: {said}. Check {how}"
    return f"NO VERDICT yet from {where} for: {said}. Ask, or check {how}"


def mark(entry: Entry) -> str:
    """What to say first of an entry that counts for nothing, such as `FORGED (its file belongs to eve, it names piet)`;
    "" for one that counts."""
    if entry.counts:
        return ""
    word = "FORGED" if entry.proof is Proof.FORGED else "UNSIGNED"
    return f"{word} ({clean(entry.doubt, 200)})" if entry.doubt else word


def sentence(entry: Entry) -> str:
    """One line on what an entry records; the data as they are, for a kind that this version doesn't know."""
    say = SENTENCES.get(entry.kind)
    said = say(entry.data) if say else "of a kind that this version does not know: "
    if not say or not said:
        said += msgspec.json.encode(entry.data).decode()
    return clean(said, 500)


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else data


def _words(data: Mapping[str, Any], *names: str) -> str:
    """The named values that are there, one after the other."""
    values = (data.get(name) for name in names)
    return " ".join(", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in values if value)


def _intent(data: Mapping[str, Any]) -> str:
    plan = _part(data, "plan")
    arguments = plan.get("arguments")
    given = " ".join(map(str, arguments.values())) if isinstance(arguments, dict) else ""
    late = "recorded only after it was sent" if data.get("late") else ""
    name = " ".join(filter(None, (_words(plan, "action"), given)))
    said = ": ".join(filter(None, (name, late, _words(plan, "effect"))))
    return f"{said} (proposed by {data['proposed_by']})" if data.get("proposed_by") else said


def _proposed(data: Mapping[str, Any]) -> str:
    if data.get("needs") == "confirmation":
        agent, because = data.get("agent") or "without a name", data.get("reason") or "no reason given"
        return f"agent {agent} proposes {_intent(data)}; because: {because} (waits for a person to confirm it)"
    wait = "waits for a second person's approval" if data.get("needs") == "approval" else "others may object"
    return f"{_intent(data)} ({wait})"


def _broke_glass(data: Mapping[str, Any]) -> str:
    reason = data.get("reason") or "no reason given"
    return f"BROKE THE GLASS: {planned(data.get('plan'))} without a second person: {reason}"


def _role(data: Mapping[str, Any]) -> str:
    person = data.get("person")
    return f"{person} is {data.get('role')}" if person else f"{data.get('role')}: none"


def _cause(data: Mapping[str, Any]) -> str:
    said = _words(data, "text") or _words(data, "title") or _words(data, "cause")
    return f"no longer likely: {said}" if data.get("state") == "withdrawn" else f"likely: {said}"


def _figures(data: Mapping[str, Any]) -> str:
    figures = data.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    return ", ".join(f"{name} {value}" for name, value in figures.items() if value is not None)


def _step(data: Mapping[str, Any]) -> str:
    """In the runbook's words where they are on record, else by its ids."""
    state = _words(data, "state")
    named = f"{data['title']}: {state}" if data.get("title") else _words(data, "scenario", "step", "state")
    return ": ".join(filter(None, (named, _words(data, "answer", "reason"))))


def _notified(data: Mapping[str, Any]) -> str:
    words = {"sent": "told", "limited": "held back from", "unknown": "perhaps told"}
    word = words.get(_words(data, "state"), "not told:")
    return ": ".join(filter(None, (f"{word} {_words(data, 'to')}", _words(data, "reason"))))


def _acknowledged(data: Mapping[str, Any]) -> str:
    taken = data.get("state") == "sent"
    return ": ".join(
        filter(None, (f"{_words(data, 'to')} {'took it' if taken else 'did not take it'}", _words(data, "reason")))
    )


def _head(data: Mapping[str, Any]) -> str:
    """How far others were read: their writers' last entries by number."""
    heads = data.get("heads")
    heads = heads if isinstance(heads, dict) else {}
    read = (f"{key.partition('/')[0]} to {head.get('seq')}" for key, head in heads.items() if isinstance(head, dict))
    return f"has read {', '.join(read)}"


def _labelled(part: str, *names: str) -> Callable[[Mapping[str, Any]], str]:
    """`state: the rest` of a nested value."""

    def say(data: Mapping[str, Any]) -> str:
        value = _part(data, part)
        return ": ".join(filter(None, (_words(value, name) for name in names)))

    return say


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    EntryKind.OPENED: _labelled("", "level", "title"),
    EntryKind.SEVERITY: _labelled("", "level", "because"),
    EntryKind.DECLARED: _labelled("", "level", "reason"),
    EntryKind.ROLE: _role,
    EntryKind.SEEN: _labelled("", "text"),
    EntryKind.CAUSE: _cause,
    EntryKind.FIGURES: _figures,
    EntryKind.PROPOSED: _proposed,
    EntryKind.OBJECTED: lambda data: f"objects: {data.get('reason') or 'no reason given'}",
    EntryKind.APPROVED: lambda data: "approves",
    EntryKind.STOPPED: _labelled("", "reason"),
    EntryKind.STEP: _step,
    EntryKind.INTENT: _intent,
    EntryKind.OUTCOME: _labelled("outcome", "state", "answer"),
    EntryKind.VERDICT: _labelled("verdict", "state", "because"),
    EntryKind.UNDO: lambda data: f"of {data.get('intent')}" if data.get("intent") else "",
    EntryKind.NOTE: _labelled("", "text"),
    EntryKind.CLOSED: _labelled("", "reason"),
    EntryKind.NOTIFIED: _notified,
    EntryKind.ACKNOWLEDGED: _acknowledged,
    EntryKind.BROKE_GLASS: _broke_glass,
    EntryKind.HEAD: _head,
}
