"""Evaluates a runbook on readings: which scenarios fit, what each look answers, which branches apply.

Truth has three values. None is unknown: it rules no branch in or out, and opens no scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..model import Reading, State
from ..settings import Settings
from ..severity import LEVELS
from ..signals.probe import Probe, ProbeAnswer, answer, unit_of
from ..signals.registry import probes as known_probes
from .expression import placeholder
from .model import (
    Branch,
    Call,
    Comparison,
    Condition,
    Question,
    Runbook,
    Scenario,
    SeverityLevel,
    Step,
    Trigger,
    is_number,
    worded,
)

TOO_OLD_S = 60.0  # a branch is not picked by readings older than this


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Whether a condition holds (None: not known), why, and the answers that it rests on."""

    holds: bool | None
    because: str
    answers: tuple[ProbeAnswer, ...] = ()
    gives: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A scenario whose trigger holds, and why. `stale`: what it rests on is no longer being read."""

    scenario: Scenario
    trigger: Trigger
    because: str
    stale: bool = False
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Node:
    """A step or a branch as it stands now.

    applies: True, False (greyed, `because` says why) or None (nothing known rules it in or out).
    A look has its `answer`; a branch its `truth` and the nodes beneath it; an ask what was `answered`;
    a do its `arguments`, or None with `missing` saying what it still waits for; `again` are those by what the looks
    find now, whatever was kept: once it is done, doing it again means the next one; or None with `over` saying why.
    `gate` is the question that a do waits for: nobody has answered it, and a branch around the do goes by its answer.
    `suggested` is the answer that looks before the question found, under its name.
    """

    step: Step | Branch
    applies: bool | None
    because: str = ""
    answer: ProbeAnswer | None = None
    truth: Truth | None = None
    answered: str | None = None
    arguments: tuple[str, ...] | None = None
    again: tuple[str, ...] | None = None
    over: str = ""
    missing: str = ""
    gate: Step | None = None
    suggested: str = ""
    nodes: tuple[Node, ...] = ()


def fitting(
    runbook: Runbook, readings: Mapping[str, Reading], settings: Settings, now: datetime, leading: Sequence[str] = ()
) -> tuple[Fit, ...]:
    """The scenarios, and commands that have triggers, of which one holds, the most severe first; of those that are
    equally severe, what speaks of the first of the `leading` signals: those of the reasons, in the order in which the
    operator reads them. What explains another comes before it, however severe that one is.

    Old readings count: a source that fell silent makes nothing well (it is `stale` then).
    """
    world = ReadingsContext(readings, settings, now)
    fits = []
    for scenario in runbook.chapters():
        for trigger in scenario.triggers:
            truth = world.truth(trigger.condition, patient=True)
            if truth.holds:
                stale = any(each.state is not State.FRESH for each in truth.answers)
                signals = tuple(each.signal for each in truth.answers)
                fits.append(
                    Fit(scenario=scenario, trigger=trigger, because=truth.because, stale=stale, signals=signals)
                )
                break
    places = {signal: n for n, signal in reversed([*enumerate(leading)])}

    def place(fit: Fit) -> int:
        return min((places.get(signal, len(leading)) for signal in fit.signals), default=len(leading))

    return _causes_first(sorted(fits, key=lambda fit: (LEVELS.index(fit.scenario.severity), place(fit))), world)


def _causes_first(fits: Sequence[Fit], world: ReadingsContext) -> tuple[Fit, ...]:
    """The same, each after those that explain it. A reading that is old explains nothing."""
    causes: dict[str, list[Fit]] = {}
    for fit in fits:
        for explained in fit.scenario.explains if not fit.stale else ():
            if explained.condition is None or world.truth(explained.condition).holds:
                causes.setdefault(explained.scenario, []).append(fit)
    ordered: dict[str, Fit] = {}

    def put(fit: Fit, effects: tuple[str, ...]) -> None:
        for cause in causes.get(fit.scenario.id, ()):
            if cause.scenario.id not in effects:
                put(cause, (*effects, cause.scenario.id))
        ordered.setdefault(fit.scenario.id, fit)

    for fit in fits:
        put(fit, (fit.scenario.id,))
    return tuple(ordered.values())


def level(levels: Sequence[SeverityLevel], readings: Mapping[str, Reading], settings: Settings, now: datetime) -> str:
    """The severity by the Markdown's rules: "SEV-1".."SEV-3" or "none". severity.judge is what the console uses."""
    world = ReadingsContext(readings, settings, now)
    for each in sorted(levels, key=lambda one: one.name):
        if any(rule.condition and world.truth(rule.condition, patient=True).holds for rule in each.rules):
            return each.name
    return "none"


def resolve(
    scenario: Scenario,
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    answers: Mapping[str, str] | None = None,
    taken: Mapping[str, Mapping[str, str]] | None = None,
    given: Mapping[str, str] | None = None,
) -> tuple[Node, ...]:
    """The scenario's tree as it stands now. `answers`: what people answered, by the ask's step id; `given`: names that
    are known before any look.

    `taken`: the branches and looks that were settled, by id, with the names that they gave then (`given`). A
    taken branch applies whatever the numbers say by now: disabling the one provider that fails makes its own
    condition false, and what remains to be done there must not grey out, nor forget the provider. Nor does the branch
    for another answer to the same question open then: numbers that heal pass through it.
    """
    known = _KnownValues({name: (word, "") for name, word in (given or {}).items()})
    steps = worded(scenario.steps, unit_of(readings))
    return ReadingsContext(readings, settings, now, answers, taken).nodes(steps, known, True, "")


def bindings(node: Node) -> Mapping[str, str]:
    """The names that a look or a branch gives now: what to keep when its step is settled."""
    if isinstance(node.step, Branch):
        return node.truth.gives if node.truth is not None else {}
    told_whom = node.step.call is not None and node.step.call.arguments
    return node.answer.gives if node.answer is not None and not told_whom else {}


@dataclass
class _KnownValues:
    """What is known at a step: names for arguments ("" with the reason where there is none), and questions.

    `kept` are names as they were when their look or branch was settled: they go before what is found now. `gates` are
    the unanswered questions that the branches around go by.
    """

    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: dict[str, tuple[Question, str | None, Step]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    gates: tuple[Step, ...] = ()

    def inner(self, gates: tuple[Step, ...] = ()) -> _KnownValues:
        return _KnownValues(dict(self.names), dict(self.asked), dict(self.kept), (*self.gates, *gates))

    def unanswered(self, condition: Condition) -> tuple[Step, ...]:
        """The questions of this condition that nobody has answered."""
        asked = [self.asked[part.call.name] for part in condition.parts if part.call.name in self.asked]
        return tuple(step for question, answered, step in asked if answered is None or not question.accepts(answered))

    def name(self, name: str, value: str, why: str) -> None:
        """A name is found anew, or is not found."""
        self.names[name] = (value, why)
        self.kept.pop(name, None)

    def filled(self, call: Call, anew: bool = False) -> tuple[tuple[str, ...] | None, str]:
        """The call's arguments with each {name} filled in, or None and what is missing; `anew`: nothing is kept."""
        filled = []
        for word in call.arguments:
            name = placeholder(word)
            found, why = (word, "") if name is None else self.names.get(name, ("", "nothing says which"))
            kept = "" if name is None or anew else self.kept.get(name, "")
            value = kept or found
            if not value:
                return None, f"{{{name}}} is not known: {why.removeprefix('not known: ')}"
            filled.append(value)
        return tuple(filled), ""


class ReadingsContext:
    """Readings, settings, the time, and what people answered: all that a runbook can be held against."""

    def __init__(
        self,
        readings: Mapping[str, Reading],
        settings: Settings,
        now: datetime,
        answers: Mapping[str, str] | None = None,
        taken: Mapping[str, Mapping[str, str]] | None = None,
        probes: Mapping[str, Probe] | None = None,
    ) -> None:
        self.readings, self.settings, self.now = readings, settings, now
        self.answers, self.taken = answers or {}, taken or {}
        self.probes = known_probes(settings) if probes is None else probes

    # --- conditions -------------------------------------------------------------------------------------------

    def truth(self, condition: Condition, known: _KnownValues | None = None, patient: bool = False) -> Truth:
        """`patient`: however old a reading is, it counts."""
        parts = [self._part(part, known or _KnownValues(), patient) for part in condition.parts]
        decisive = condition.joined == "or"
        told = next((part for part in parts if part.holds is decisive), None)
        if told is None:
            told = next((part for part in parts if part.holds is None), None)
        holds = told.holds if told else not decisive
        shown = [told] if told else parts
        gives: dict[str, str] = {}
        for part in sorted(parts, key=lambda part: part.holds is not True):
            gives = dict(part.gives) | gives
        answers = tuple(each for part in parts for each in part.answers)
        return Truth(holds=holds, because="; ".join(part.because for part in shown), answers=answers, gives=gives)

    def _part(self, part: Comparison, known: _KnownValues, patient: bool) -> Truth:
        if part.call.name in known.asked:
            return self._told(part, *known.asked[part.call.name][:2])
        probe_answer, why = self.look(part.call, known)
        if probe_answer is None:
            return Truth(holds=None, because=why)
        if not probe_answer.known:
            return Truth(holds=None, because=probe_answer.text, answers=(probe_answer,))
        if probe_answer.state is not State.FRESH and not patient and (probe_answer.age_s or 0.0) > TOO_OLD_S:
            return Truth(
                holds=None,
                because=f"not known any more: {probe_answer.text} ({probe_answer.basis()})",
                answers=(probe_answer,),
            )
        holds = compare(probe_answer.value, part)
        gives = {name: value for name, value in probe_answer.gives.items() if name in self._offers(part.call)}
        return Truth(holds=holds, because=probe_answer.text, answers=(probe_answer,), gives=gives)

    def _told(self, part: Comparison, question: Question, answered: str | None) -> Truth:
        if answered is None or not question.accepts(answered):
            return Truth(holds=None, because=f"nobody has answered {question.name} yet")
        value = float(answered) if question.kind == "number" and is_number(answered) else answered
        return Truth(holds=compare(value, part), because=f"{question.name} is {answered}")

    # --- steps ------------------------------------------------------------------------------------------------

    def look(self, call: Call, known: _KnownValues | None = None) -> tuple[ProbeAnswer | None, str]:
        """The probe's answer; or None, and what its argument still waits for."""
        probe = self.probes.get(call.name)
        if probe is None:
            return None, f"there is no probe {call.name}"
        arguments, missing = (known or _KnownValues()).filled(call)
        if arguments is None:
            return None, missing
        return answer(probe, self.readings, self.settings, self.now, " ".join(arguments)), ""

    def nodes(
        self, steps: tuple[Step | Branch, ...], known: _KnownValues, applies: bool | None, because: str
    ) -> tuple[Node, ...]:
        taken = [step for step in steps if isinstance(step, Branch) and step.id in self.taken]
        return tuple(self._node(step, known, applies, because, taken) for step in steps)

    def _node(
        self, step: Step | Branch, known: _KnownValues, applies: bool | None, because: str, taken: Sequence[Branch]
    ) -> Node:
        if isinstance(step, Branch):
            return self._branch(step, known, applies, because, taken)
        if step.kind == "ask":
            question, answered = step.question or Question(), self.answers.get(step.id)
            suggested, _ = known.names.get(question.name, ("", ""))
            if question.name:
                known.asked[question.name] = (question, answered, step)
                known.name(question.name, answered or "", "nobody has answered it yet")
            return Node(step=step, applies=applies, because=because, answered=answered, suggested=suggested)
        call = step.call or Call(name="")
        if step.kind == "do":
            (arguments, missing), (again, over) = known.filled(call), known.filled(call, anew=True)
            return Node(
                step=step,
                applies=applies,
                because=because,
                arguments=arguments,
                again=again,
                over=over,
                missing=missing,
                gate=next(iter(known.gates), None),
            )
        probe_answer, missing = self.look(call, known)
        self._learn(call, probe_answer, known)
        self._keep(step.id, known)
        return Node(step=step, applies=applies, because=because, answer=probe_answer, missing=missing)

    def _offers(self, call: Call) -> Mapping[str, str]:
        """The names that a call gives: none where it was told whom to look at."""
        probe = self.probes.get(call.name)
        return probe.gives if probe is not None and not call.arguments else {}

    def _learn(self, call: Call, probe_answer: ProbeAnswer | None, known: _KnownValues) -> None:
        """What a look finds replaces what an earlier one found, also when it finds nothing."""
        for name in self._offers(call):
            if probe_answer is None:
                known.name(name, "", "its look has no answer")
            else:
                known.name(name, probe_answer.gives.get(name, ""), probe_answer.text)

    def _keep(self, id: str, known: _KnownValues) -> None:
        known.kept |= self.taken.get(id, {})

    def _branch(
        self, branch: Branch, known: _KnownValues, applies: bool | None, because: str, taken: Sequence[Branch]
    ) -> Node:
        truth = self.truth(branch.condition, known)
        # What a probe can't tell bars nobody; a person who was not asked does.
        inner = known.inner(known.unanswered(branch.condition) if truth.holds is None else ())
        for part in branch.condition.parts:
            for name in self._offers(part.call):
                inner.name(name, truth.gives.get(name, ""), truth.because)
        own, why = applies, because
        if applies is not False and (applies or truth.holds is False):
            own, why = truth.holds, truth.because
        instead = next((other for other in taken if _excludes(other, branch)), None)
        if branch.id in self.taken:
            own, why = True, "this branch was taken"
        elif instead is not None and applies is not False:
            own, why = False, f'the branch for "{instead.title}" was taken; by now {truth.because}'
        self._keep(branch.id, inner)
        nodes = self.nodes(branch.steps, inner, own, why)
        return Node(step=branch, applies=own, because=why, truth=truth, nodes=nodes)


def _excludes(branch: Branch, other: Branch) -> bool:
    """Whether both ask the same for different answers, such as one provider or all, or a turn that takes a minute and
    one that does not: only one of them is gone down."""
    if "or" in (branch.condition.joined, other.condition.joined):
        return False
    pairs = ((first, second) for first in branch.condition.parts for second in other.condition.parts)
    return any(first.call == second.call and _contrary(first, second) for first, second in pairs)


def _contrary(first: Comparison, second: Comparison) -> bool:
    """Whether no value makes both true."""
    operators = {comparison.operator or "is" for comparison in (first, second)}
    values = ["yes" if comparison.operator == "" else comparison.value for comparison in (first, second)]
    if "is not" in operators:
        return operators == {"is", "is not"} and values[0] == values[1]
    if not all(isinstance(value, (int, float)) for value in values):
        return operators == {"is"} and values[0] != values[1]
    return _apart(first, second) or _apart(second, first)


def _apart(low: Comparison, high: Comparison) -> bool:
    """Whether all numbers that the first lets through are below those of the second."""
    if low.operator not in ("<", "<=", "is") or high.operator not in (">", ">=", "is"):
        return False
    most, least = float(low.value or 0), float(high.value or 0)
    return most < least or (most == least and (low.operator == "<" or high.operator == ">"))


FLAGS = {"yes": True, "no": False}


def compare(value: float | str | bool | None, part: Comparison) -> bool | None:
    """The comparison's truth; None where the two can't be compared."""
    if isinstance(value, bool):
        wanted = True if part.value is None else FLAGS.get(str(part.value))
        if wanted is None:
            return None
        return (value is wanted) is (part.operator != "is not")
    if part.operator in ("is", "is not"):
        expected = part.value
        if isinstance(value, str) != isinstance(expected, str):
            expected, value = str(expected), str(value)
        return (value == expected) is (part.operator == "is")
    if not isinstance(value, (int, float)) or not isinstance(part.value, (int, float)):
        return None
    operator = part.operator
    if operator == ">=":
        return value >= part.value
    if operator == ">":
        return value > part.value
    if operator == "<=":
        return value <= part.value
    return value < part.value if operator == "<" else None
