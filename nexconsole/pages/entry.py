"""An entry of the journal in full: who, where, when, what came of it, and its plan with all targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..journal import Entry, EntryKind
from ..journal.sentences import sentence as words_of
from ..text.units import clock, count, moment
from ..widgets.spans import Line, Span, folded, plain, plain_command
from .changes import JOURNAL, end_words, ends_of, plan_of, targets_of
from .section import PageContext, Section, by_urgency, fact, sentence

NOUN = "Entry"
SIGNALS = frozenset[str]()
MOST_TARGETS = 200
KINDS: dict[str, str] = {
    EntryKind.INTENT: "an action",
    EntryKind.SEVERITY: "the severity as the rules judge it",
    EntryKind.DECLARED: "the severity as a person declares it",
    EntryKind.SEEN: "something that changed by itself",
    EntryKind.CAUSE: "a likely cause, as the console ranks it",
    EntryKind.STEP: "a step of the runbook",
    EntryKind.FIGURES: "how things stood",
}


def _entry(context: PageContext) -> Entry | None:
    return next((entry for entry in context.entries if entry.id == context.subject.id), None)


def present(context: PageContext) -> bool | None:
    return _entry(context) is not None


def headline(context: PageContext) -> Span:
    entry = _entry(context)
    return (plain(words_of(entry), 500), "strong") if entry is not None else ("it is not on record here", "muted")


def sections(context: PageContext) -> tuple[Section, ...]:
    entry = _entry(context)
    if entry is None:
        return ()
    plan = plan_of(entry)
    return by_urgency(
        (
            Section("Who, where, when", tuple(_about(entry, context)), provenance=JOURNAL, least=4),
            Section("What came of it", tuple(_came(entry, context)), provenance=JOURNAL),
            Section("The plan", tuple(_plan(plan, context)), provenance=JOURNAL, least=5),
            Section("Targets", tuple(_targets(plan, context)), provenance=JOURNAL, least=5),
            Section("Guards", tuple(_guards(plan, context)), provenance=JOURNAL),
        )
    )


def _about(entry: Entry, context: PageContext) -> Iterator[Line]:
    width, writer = context.width, entry.writer
    yield from fact(
        "who",
        [
            (plain(str(writer), 160), "text"),
            (f"account {plain(writer.account, 60)}" if writer.account else "", "muted"),
        ],
        width,
    )
    yield from fact("where", (f"{plain(writer.host, 120)}, process {writer.pid}", "text"), width)
    yield from fact("when", (moment(entry.at), "text"), width)
    what = KINDS.get(entry.kind) or plain(entry.kind, 40)
    yield from fact("what", (what, "text"), width)
    yield from fact("entry", (plain(entry.id, 40), "faint"), width)


def _came(entry: Entry, context: PageContext) -> Iterator[Line]:
    if entry.kind != EntryKind.INTENT:
        return
    ends = ends_of(entry.id, context.entries)
    for end in ends:
        yield from fact(clock(end.at), [(end.kind, "muted"), end_words(end)], context.width)
    if not any(end.kind == EntryKind.OUTCOME for end in ends):
        yield from sentence("no outcome is on record: what became of it is not known here", "warn", context.width)
    elif not any(end.kind == EntryKind.VERDICT for end in ends):
        yield from sentence("no verdict is on record: whether it helped is not known here", "muted", context.width)


def _plan(plan: Mapping[str, Any], context: PageContext) -> Iterator[Line]:
    width = context.width
    if effect := plan.get("effect"):
        yield from fact("effect", (plain(effect, 2000), "text"), width)
    if command := plan.get("command"):
        for n, line in enumerate(folded(plain_command(command, 2000), width - 13)):
            yield ((f"{'command' if n == 0 else '':<13}", "muted"), (line, "muted"))
    if watch := plan.get("watch"):
        yield from fact("watched", (plain(watch, 1000), "text"), width)
    undo = plan.get("undo")
    if isinstance(undo, dict):
        yield from fact("undo", (plain(undo.get("action", "") or undo.get("text", ""), 200), "text"), width)


def _targets(plan: Mapping[str, Any], context: PageContext) -> Iterator[Line]:
    targets = targets_of(plan)
    for target in targets[:MOST_TARGETS]:
        words: list[Span] = [(plain(target.get("id", ""), 500), "text")]
        for part in (target.get("identity"), target.get("shown")):
            if isinstance(part, dict):
                words += [(f"{plain(name, 40)} {plain(text, 200)}", "muted") for name, text in list(part.items())[:12]]
        if target.get("chosen") is False:
            words.append(("left out", "text"))
        yield from fact(plain(target.get("kind", "target"), 12), words, context.width)
    if len(targets) > MOST_TARGETS:
        yield from sentence(
            f"and {count(len(targets) - MOST_TARGETS)} more: the report lists them", "muted", context.width
        )


def _guards(plan: Mapping[str, Any], context: PageContext) -> Iterator[Line]:
    guards = plan.get("guards")
    for guard in guards if isinstance(guards, list) else ():
        if isinstance(guard, dict):
            level = str(guard.get("level", ""))
            ink = "muted" if level == "ok" else "warn"
            words: list[Span] = [
                (plain(guard.get("name", ""), 100), "text"),
                (plain(guard.get("reason", ""), 1000), "text"),
            ]
            yield from fact(
                plain(level, 12),
                [*((text, ink if n == 0 else style) for n, (text, style) in enumerate(words))],
                context.width,
            )
