"""An incident: a pure fold over the journal's entries. Order and repetition of entries don't matter.

It uses nothing of this machine: no clock, no time zone, no process table. All texts are sanitized and redacted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..journal import Entry, EntryKind, merge
from ..journal.broken_glass import BrokenGlass, broken_glass_in
from ..journal.sentences import sentence
from ..runbook.progress import begins, progress_of
from ..severity import LEVELS
from ..signals.signal import MetricSpec
from ..text.sanitize import clean
from .actions import NO_ACTION, ActionRecord, actions_in
from .events import StateChange, changes_in, service_turns, told_once
from .judgement import TRUSTING, Judge, loud
from .metrics import MetricSample, samples_in
from .named_causes import NamedCause, named_in, turns_in
from .open_items import OpenItem, open_items
from .proposals import NO_PROPOSAL, Proposal, proposals_in
from .roles import OBSERVER as OBSERVER
from .roles import ROLES as ROLES
from .roles import RoleAssignment, assignments_in, current_assignments

CALM = "none"
MOST_CHANGES = 20  # before it began, that are kept
_KNOWN = frozenset(EntryKind)
BY_ITSELF = frozenset({EntryKind.SEEN, EntryKind.SEVERITY, EntryKind.CAUSE})  # of what counts only


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person who wrote entries, from one console or several. Times in UTC."""

    name: str
    hosts: tuple[str, ...]
    first: datetime
    last: datetime
    entries: int


@dataclass(frozen=True, kw_only=True)
class SeverityChange:
    """The severity from `at` on, with the sentences that hold its figures."""

    level: str
    at: datetime
    by: str
    because: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """0 is the worst; an unknown word is no worse than calm."""
        return LEVELS.index(self.level) if self.level in LEVELS else len(LEVELS) - 1


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A step's result, by whom and when. state: pending, running, done, skipped, failed, unknown."""

    step: str
    state: str
    by: str
    at: datetime
    answer: str = ""
    reason: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """In the runbook's words where they are on record, else its id."""
        return self.title or self.step


@dataclass(frozen=True, kw_only=True)
class ScenarioRun:
    """One run through a scenario, from its beginning to the next. Its steps are in order of time."""

    scenario: str
    begun_at: datetime
    begun_by: str
    people: tuple[str, ...]
    title: str = ""
    steps: tuple[StepRecord, ...] = ()

    @property
    def name(self) -> str:
        return self.title or self.scenario


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One line of the timeline."""

    at: datetime
    by: str
    kind: str
    text: str
    id: str = ""  # of the entry
    mark: str = ""  # why the entry counts for nothing, or what is to be said of it


@dataclass(frozen=True, kw_only=True)
class Incident:
    """The whole incident. `begin` and `end` are the first and last entry's times, None without entries.

    `closed` is the closing entry's reason, None where there is none. `since`: when its severity was first judged, as
    known to who opened it, else `begin`. `levels` are judged by the rules, `declared` by people. `roles` holds the
    present commander, operator and scribe; a vacant role is missing. `observers` only watch. `held` has every role
    assignment. `causes` were named as likely. `others` counts entries of unknown kinds. `before` counts the entries
    about what was done just before it was opened. `changed`: what had changed before it began ("release nexnum-app"),
    as the console knew that opened it. `metrics`: titles and units of its figures; None: those of the signals without
    settings. `broken_glass`: what was sent without the second person that it needs.
    """

    title: str = ""
    since: datetime | None = None
    opened_by: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    closed: str | None = None
    people: tuple[Person, ...] = ()
    levels: tuple[SeverityChange, ...] = ()
    declared: tuple[SeverityChange, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    observers: tuple[str, ...] = ()
    held: tuple[RoleAssignment, ...] = ()
    changes: tuple[StateChange, ...] = ()
    causes: tuple[NamedCause, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    broken_glass: tuple[BrokenGlass, ...] = ()
    figures: tuple[MetricSample, ...] = ()
    scenarios: tuple[ScenarioRun, ...] = ()
    actions: tuple[ActionRecord, ...] = ()
    notes: tuple[TimelineEntry, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    standing: tuple[OpenItem, ...] = ()
    metrics: Mapping[str, MetricSpec] | None = None
    changed: tuple[str, ...] = ()
    others: Mapping[str, int]
    before: int = 0

    @property
    def lasted(self) -> timedelta:
        return self.end - self.begin if self.begin is not None and self.end is not None else timedelta()

    @property
    def commander(self) -> str:
        """The commander; "" for none."""
        return self.roles.get("commander", "")

    @property
    def level(self) -> str:
        """The severity in force: the last declared one, else the judged one; "" for neither."""
        return (self.declared or self.levels or (SeverityChange(level="", at=datetime.min, by=""),))[-1].level


def fold(entries: Iterable[Entry], before: Iterable[Entry] = (), judge: Judge = TRUSTING) -> Incident:
    """The incident of these entries, of one journal or of several merged. `before` (see prelude) holds what was done
    before it was opened: its actions are the incident's, its times are not. `judge` says which entries count; the
    others stand in the timeline, marked.
    """
    written = tuple(entry for entry in merge(entries) if entry.kind != EntryKind.HEAD)
    ordered = judge.counted(written)
    if not ordered:
        return Incident(others={})
    prelude = judge.counted(merge(before))
    told = merge(ordered, prelude)
    actions = actions_in(told)
    scenarios = _scenarios(told)
    held = assignments_in(ordered)
    roles, observers = current_assignments(held)
    proposals = proposals_in(told)
    timeline = _timeline(merge(written, before), actions, proposals, judge)
    opened = next((entry for entry in ordered if entry.kind == EntryKind.OPENED), None)
    return Incident(
        title=_text(opened.data.get("title"), 200) if opened else "",
        since=_since(opened, ordered[0]),
        opened_by=str(opened.writer) if opened else "",
        begin=_time(ordered[0]),
        end=max(_time(ordered[0]), _time(ordered[-1])),  # by two clocks it may have ended before it began
        closed=_closed(ordered),
        people=_people(told),
        levels=_levels(ordered, EntryKind.SEVERITY),
        declared=_levels(ordered, EntryKind.OPENED, EntryKind.DECLARED),
        roles=roles,
        observers=observers,
        held=held,
        changes=changes_in(ordered),
        causes=named_in(ordered),
        proposals=proposals,
        broken_glass=broken_glass_in(told, judge.mark),
        figures=samples_in(ordered),
        scenarios=scenarios,
        actions=actions,
        notes=tuple(line for line in timeline if line.kind == EntryKind.NOTE),
        timeline=timeline,
        standing=_all_standing(ordered, actions, scenarios),
        changed=_changed(opened),
        others=dict(sorted(Counter(clean(entry.kind, 40) for entry in ordered if entry.kind not in _KNOWN).items())),
        before=len(prelude),
    )


def _time(entry: Entry) -> datetime:
    return entry.at.astimezone(UTC)


def _text(value: Any, limit: int = 500) -> str:
    return clean(value, limit) if value not in (None, "") else ""


def _closed(entries: tuple[Entry, ...]) -> str | None:
    """Why it was closed; None where it is open, or was opened again."""
    last = next((entry for entry in reversed(entries) if entry.kind in (EntryKind.OPENED, EntryKind.CLOSED)), None)
    return _text(last.data.get("reason")) if last is not None and last.kind == EntryKind.CLOSED else None


def _people(entries: tuple[Entry, ...]) -> tuple[Person, ...]:
    wrote: dict[str, list[Entry]] = {}
    for entry in entries:
        wrote.setdefault(str(entry.writer), []).append(entry)
    return tuple(
        Person(
            name=name,
            hosts=tuple(sorted({clean(entry.writer.host, 100) for entry in own})),
            first=_time(own[0]),
            last=_time(own[-1]),
            entries=len(own),
        )
        for name, own in wrote.items()
    )


def _changed(opened: Entry | None) -> tuple[str, ...]:
    said = opened.data.get("changes") if opened else None
    return (
        tuple(_text(one, 200) for one in said[:MOST_CHANGES] if isinstance(one, str)) if isinstance(said, list) else ()
    )


def _since(opened: Entry | None, first: Entry) -> datetime:
    """When it began: never later than its first entry, and no more than a day before it."""
    begin = _time(first)
    try:
        said = datetime.fromisoformat(str(opened.data.get("since"))).astimezone(UTC) if opened else begin
    except (ValueError, OverflowError):
        return begin
    return said if begin - timedelta(days=1) <= said <= begin else begin


def _levels(entries: tuple[Entry, ...], *kinds: EntryKind) -> tuple[SeverityChange, ...]:
    """Each change of severity once, although several consoles may record it; every declaration, with its reason."""
    levels: list[SeverityChange] = []
    declared = EntryKind.DECLARED in kinds
    for entry in entries:
        if entry.kind not in kinds:
            continue
        level = _text(entry.data.get("level"), 20)
        because = entry.data.get("because") or entry.data.get("reason")
        sentences = because if isinstance(because, list) else [because]
        words = tuple(filter(None, map(_text, sentences)))
        if level and (not levels or levels[-1].level != level or (declared and words not in ((), levels[-1].because))):
            levels.append(SeverityChange(level=level, at=_time(entry), by=str(entry.writer), because=words))
    return tuple(levels)


def _scenarios(entries: tuple[Entry, ...]) -> tuple[ScenarioRun, ...]:
    # An outcome that names no intent as a text belongs to no step.
    usable = [
        entry for entry in entries if entry.kind != EntryKind.OUTCOME or isinstance(entry.data.get("intent"), str)
    ]
    begun: list[tuple[int, str]] = []
    touched: dict[str, datetime] = {}
    for place, one in enumerate(usable):
        name = one.data.get("scenario")
        if one.kind not in (EntryKind.STEP, EntryKind.INTENT) or not isinstance(name, str):
            continue
        if begins(one, touched.get(name)):
            begun.append((place, name))
        if begins(one, touched.get(name)) or name in touched:
            touched[name] = one.at
    walks = []
    for nth, (place, scenario) in enumerate(begun):
        until = next((other for other, name in begun[nth + 1 :] if name == scenario), len(usable))
        # What was sent in this walk may be answered when the next has begun.
        late = (entry for entry in usable[until:] if entry.kind == EntryKind.OUTCOME)
        walk = progress_of([*usable[place:until], *late], scenario)
        if walk is not None:
            walks.append(_walked(walk))
    return tuple(walks)


def _walked(walk: Any) -> ScenarioRun:
    steps = [
        StepRecord(
            step=_text(step, 200),
            state=mark.state,
            by=mark.by,
            at=mark.at.astimezone(UTC),
            title=_text(mark.title, 200),
            answer=_text(mark.answer),
            reason=_text(mark.reason),
        )
        for step, mark in walk.marks.items()
    ]
    steps.sort(key=lambda step: (step.at, step.step))
    return ScenarioRun(
        scenario=_text(walk.scenario, 200),
        begun_at=walk.begun_at.astimezone(UTC),
        begun_by=walk.begun_by,
        title=_text(walk.title, 200),
        people=tuple(dict.fromkeys([walk.begun_by, *(step.by for step in steps)])),
        steps=tuple(steps),
    )


def _timeline(
    entries: tuple[Entry, ...], actions: tuple[ActionRecord, ...], proposals: tuple[Proposal, ...], judge: Judge
) -> tuple[TimelineEntry, ...]:
    names = {action.intent: action.name for action in actions}
    proposed = {proposal.id: proposal.name for proposal in proposals}
    agents = {proposal.id: proposal.by for proposal in proposals if proposal.agent}
    counted = judge.counted(entries)
    told, turns = told_once(counted) | service_turns(counted), turns_in(counted)
    lines = []
    for entry in entries:
        if entry.kind not in _KNOWN or entry.kind in (EntryKind.FIGURES, EntryKind.HEAD):
            continue
        if (mark := judge.mark(entry)) and entry.kind in BY_ITSELF:
            continue
        if entry.kind in (EntryKind.SEEN, EntryKind.SEVERITY, EntryKind.NOTIFIED) and entry.id not in told:
            continue
        if entry.kind == EntryKind.CAUSE and entry.id not in turns:
            continue
        text = sentence(entry)
        if entry.kind in (EntryKind.OUTCOME, EntryKind.VERDICT, EntryKind.UNDO):
            name = names.get(str(entry.data.get("intent")), NO_ACTION)
            text = f"{name} was taken back" if entry.kind == EntryKind.UNDO else f"{name}: {text}"
        elif entry.kind in (EntryKind.OBJECTED, EntryKind.APPROVED, EntryKind.STOPPED):
            text = f"{proposed.get(str(entry.data.get('proposal')), NO_PROPOSAL)}: {text}"
        text = f"{loud(mark)}: {text}" if mark else text
        by = agents.get(entry.id) or str(entry.writer)
        line = TimelineEntry(at=_time(entry), by=by, kind=entry.kind, text=text, id=entry.id, mark=mark)
        lines.append(line)
    return tuple(lines)


def _all_standing(
    entries: tuple[Entry, ...], actions: tuple[ActionRecord, ...], scenarios: tuple[ScenarioRun, ...]
) -> tuple[OpenItem, ...]:
    running = (
        OpenItem(kind="step", what=f"{walk.name}, {step.name}: begun and not ended", since=step.at, by=step.by)
        for walk in scenarios
        for step in walk.steps
        if step.state == "running"
    )
    return tuple(sorted((*open_items(actions, _time(entries[-1])), *running), key=lambda one: (one.since, one.what)))
