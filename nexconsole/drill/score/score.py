"""How a rehearsal went, computed from its journal's fold and from what the drill knows to be true of its faults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...incident.actions import ActionRecord
from ...incident.incident import CALM, Incident, StepRecord
from ...incident.open_items import OpenItem
from ...incident.timing import calm_spells, recovered
from ...text.units import duration

HELPED, NOTHING, HARM, REFUSED, FAILED, UNKNOWN = "helped", "did nothing", "did harm", "refused", "failed", "unknown"
EFFECTS = (HELPED, NOTHING, HARM, REFUSED, FAILED, UNKNOWN)
_BY_VERDICT = {"worked": HELPED, "recovered": NOTHING, "no effect": NOTHING, "worse": HARM}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is true of one fault. `target` is what it is about, "" where no name tells more than the scenario does.

    `scenarios` are the runbook's that fit, by id. `helps` and `harms` are actions, each with a target where only that
    one is meant; whatever helps does no harm. `ended_at`: when it was taken back or ended by itself. Times in UTC.
    """

    fault: str
    began_at: datetime
    target: str = ""
    scenarios: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    harms: tuple[str, ...] = ()
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Something that was reached: after how long, by what, and who did it ("" for the rules)."""

    after: timedelta
    what: str
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Relapse:
    """A calm that did not last: after how long it came, and for how long it was."""

    after: timedelta
    lasted: timedelta


@dataclass(frozen=True, kw_only=True)
class FaultCourse:
    """One fault from where it counts: its beginning, or the console's opening if that came later.

    detect: the first severity on record or the first look, whichever came first; while another fault is still felt only
    what is about this one. diagnose: the first answer or action
    that names the right scenario and target. mitigate: the first right action whose verdict was: worked. recover: the
    severity back to none for good, or until another fault began. None where that never came.
    relapses: when it was calm and broken again, though no other fault had begun.
    """

    fault: Diagnosis
    since: datetime
    detect: Reached | None
    diagnose: Reached | None
    mitigate: Reached | None
    recover: Reached | None
    relapses: tuple[Relapse, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An action and what it did to the incident: one of EFFECTS."""

    action: ActionRecord
    effect: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """The whole rehearsal. `lasted` is from its opening to its end."""

    opened_at: datetime
    lasted: timedelta
    courses: tuple[FaultCourse, ...]
    actions: tuple[Judged, ...]
    skipped: tuple[StepRecord, ...]
    standing: tuple[OpenItem, ...]

    @property
    def effects(self) -> dict[str, int]:
        """How many actions had each effect; every one of EFFECTS is in there."""
        counted = Counter(judged.effect for judged in self.actions)
        return {effect: counted[effect] for effect in EFFECTS}


def score(incident: Incident, diagnoses: Iterable[Diagnosis], opened_at: datetime, ended_at: datetime) -> Score:
    """The score of an incident in which these faults were at work; one that began after the end is left out."""
    begun = sorted(
        (diagnose for diagnose in diagnoses if diagnose.began_at < ended_at), key=lambda one: (one.began_at, one.fault)
    )
    return Score(
        opened_at=opened_at,
        lasted=ended_at - opened_at,
        courses=tuple(_course(incident, diagnosis, max(diagnosis.began_at, opened_at), begun) for diagnosis in begun),
        actions=tuple(Judged(action=action, effect=_effect(action, begun)) for action in incident.actions),
        skipped=tuple(step for walk in incident.scenarios for step in walk.steps if step.state == "skipped"),
        standing=incident.standing,
    )


def _course(incident: Incident, fault: Diagnosis, since: datetime, faults: Sequence[Diagnosis]) -> FaultCourse:
    def first(found: Iterator[tuple[datetime, str, str]]) -> Reached | None:
        after = [(at, what, by) for at, what, by in found if at >= since]
        if not after:
            return None
        at, what, by = min(after)
        return Reached(after=at - since, what=what, by=by)

    calm, relapses = _calms(incident, fault, since, faults)
    return FaultCourse(
        fault=fault,
        since=since,
        detect=first(_own_signs(incident, fault) if _felt(incident, fault, faults) else _signs(incident)),
        diagnose=first(_namings(incident, fault)),
        mitigate=first(_remedies(incident, fault)),
        recover=first(iter([(calm, "", "")] if calm else [])),
        relapses=relapses,
    )


def _calms(
    incident: Incident, fault: Diagnosis, since: datetime, faults: Sequence[Diagnosis]
) -> tuple[datetime | None, tuple[Relapse, ...]]:
    """When it was calm for good, as far as this fault is concerned, and when it was so for a while."""
    relapses: list[Relapse] = []
    for begin, end in calm_spells(incident):
        if begin < since:
            continue
        others = (other.began_at for other in faults if other is not fault)
        if end is None or any(begin <= began <= end for began in others):
            return begin, tuple(relapses)
        relapses.append(Relapse(after=begin - since, lasted=end - begin))
    return recovered(incident), tuple(relapses)


def _signs(incident: Incident) -> Iterator[tuple[datetime, str, str]]:
    """What shows that it was noticed, by the rules or by a person."""
    for level in incident.levels:
        if level.level != CALM:
            yield level.at, level.level, ""
    for walk in incident.scenarios:
        yield walk.begun_at, walk.scenario, walk.begun_by
        yield from ((step.at, step.step, step.by) for step in walk.steps)
    for action in incident.actions:
        yield action.at, action.name, action.by


def _felt(incident: Incident, fault: Diagnosis, faults: Sequence[Diagnosis]) -> bool:
    """Whether another fault was felt when this one began, so that not every sign is one of this one."""
    earlier = [
        other
        for other in faults
        if other.began_at < fault.began_at and (other.ended_at is None or other.ended_at > fault.began_at)
    ]
    level = next((level.level for level in reversed(incident.levels) if level.at <= fault.began_at), CALM)
    return bool(earlier) and level != CALM


def _own_signs(incident: Incident, fault: Diagnosis) -> Iterator[tuple[datetime, str, str]]:
    """What shows that this fault was noticed beside another: its scenario was opened, or it was named."""
    for walk in incident.scenarios:
        if walk.scenario in fault.scenarios:
            yield walk.begun_at, walk.scenario, walk.begun_by
    yield from _namings(incident, fault)


def _namings(incident: Incident, fault: Diagnosis) -> Iterator[tuple[datetime, str, str]]:
    """Answers and actions that name the right scenario and target."""
    for walk in incident.scenarios:
        if walk.scenario in fault.scenarios:
            for step in walk.steps:
                if step.state == "done" and step.answer and _names(fault.target, step.answer):
                    yield step.at, step.step, step.by
    for action in incident.actions:
        fits = action.scenario in fault.scenarios and bool(fault.target) and _is_about(action, fault.target)
        if fits or _any_of(fault.helps, action):
            yield action.at, action.name, action.by


def _remedies(incident: Incident, fault: Diagnosis) -> Iterator[tuple[datetime, str, str]]:
    for action in incident.actions:
        if action.verdict == "worked" and action.verdict_at and _any_of(fault.helps, action):
            yield action.verdict_at, action.name, action.by


def _effect(action: ActionRecord, faults: Sequence[Diagnosis]) -> str:
    """What it did. The drill's truth counts before the verdict: a provider that was well and was disabled is harm."""
    if action.outcome in (REFUSED, FAILED):
        return action.outcome
    if action.unknown:
        return UNKNOWN
    by_now = [fault for fault in faults if fault.began_at <= action.at]
    if any(_any_of(fault.helps, action) for fault in by_now):
        return _BY_VERDICT.get(action.verdict, UNKNOWN)
    if action.verdict == "worse" or any(_any_of(fault.harms, action) for fault in by_now):
        return HARM
    return NOTHING if action.verdict in _BY_VERDICT else UNKNOWN


def _any_of(meant: Iterable[str], action: ActionRecord) -> bool:
    """Whether the action is one of these, such as `provider.disable smsbower` or `reconcile.run`."""
    split = (one.partition(" ") for one in meant)
    return any(name == action.action and (not target or _is_about(action, target)) for name, _, target in split)


def _is_about(action: ActionRecord, target: str) -> bool:
    return any(_names(target, text) for text in (action.subject, *action.arguments.values(), *action.targets))


def _names(target: str, text: str) -> bool:
    """Whether the text holds the target as a word; without a target any text does."""
    return re.search(rf"(?<![\w-]){re.escape(target)}(?![\w-])", text, re.IGNORECASE) is not None


def advice(found: Score) -> str:
    """One sentence, the most useful that the numbers allow."""
    harmful = next((judged.action for judged in found.actions if judged.effect == HARM), None)
    if harmful is not None:
        return f"{harmful.name} did harm: its preview says whom it touches, so read that before confirming."
    if not found.courses:
        return "Nothing was wrong, so every action was one too many." if found.actions else "Nothing was wrong."
    lasting = [course for course in found.courses if course.fault.ended_at is None] or found.courses
    unnamed = next((course for course in lasting if course.diagnose is None), None)
    if unnamed is not None:
        where = f": the runbook's {unnamed.fault.scenarios[0]} leads there" if unnamed.fault.scenarios else ""
        return f"Nobody named {unnamed.fault.fault}{where}; press s when a scenario fits."
    early = _before_diagnosis(found)
    if early:
        return f"{early[0].name} came before the diagnosis and did nothing: let the looks answer first, then act."
    unhelped = next((course for course in lasting if course.mitigate is None and course.fault.helps), None)
    if unhelped is not None:
        remedy = unhelped.fault.helps[0]
        return f"{unhelped.fault.fault} was named, but nothing that worked was done against it: {remedy} would have."
    untidy = _untidy(found)
    if untidy is not None and all(course.recover for course in found.courses):
        return f"It is over, but not tidied up: {untidy.what}."
    return _longest(found.courses)


def _untidy(found: Score) -> OpenItem | None:
    """What is still in force, unless it is what keeps a fault that lasts from hurting."""
    lasting = [remedy for course in found.courses if course.fault.ended_at is None for remedy in course.fault.helps]
    needed = {
        action.action.intent for action in found.actions if action.effect == HELPED and _any_of(lasting, action.action)
    }
    return next((open_item for open_item in found.standing if open_item.intent not in needed), None)


def _before_diagnosis(found: Score) -> list[ActionRecord]:
    named = [course.since + course.diagnose.after for course in found.courses if course.diagnose]
    return [action.action for action in found.actions if action.effect == NOTHING and action.action.at < min(named)]


def _longest(courses: Sequence[FaultCourse]) -> str:
    """Where most of the time went."""
    parts = []
    for course in courses:
        marks = [
            mark.after if mark else None for mark in (course.detect, course.diagnose, course.mitigate, course.recover)
        ]
        begins = [timedelta(), *marks[:-1]]
        for name, begin, end in zip(_STRETCHES, begins, marks, strict=True):
            if begin is not None and end is not None and end > begin:
                parts.append((end - begin, name))
    if not parts:
        return "Well done."
    length, (stretch, hint) = max(parts, key=lambda part: part[0])
    return f"Most of the time, {duration(length, exact=True)}, went {stretch}: {hint}."


_STRETCHES = (
    ("before anything was noticed", "keep the console open where it is seen, and its alerts on"),
    ("between noticing and naming the cause", "open the scenario that fits at once, its looks answer by themselves"),
    ("between naming the cause and what helped", "prepare the action while somebody else checks the diagnosis"),
    ("between what helped and calm", "that is the system's own time, so watch it and change nothing"),
)
