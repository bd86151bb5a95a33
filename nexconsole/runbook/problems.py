"""Checks a parsed runbook's names and arguments.

Scope: what a look finds ({provider}) and what a person answers are known to later steps of the same list and to all
steps nested in those. What a condition finds is known in its branch. A probe with an explicit argument gives no name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..catalogue import KINDS, Argument, Catalogue
from ..signals.onset_figures import WATCHED
from ..signals.probe import Probe
from ..signals.registry import probes as known_probes
from ..text.suggestions import did_you_mean
from .expression import placeholder
from .model import Branch, Call, Comparison, Condition, Parsed, Question, RunbookProblem, Scenario, Step
from .parser import parse

ANSWER_KINDS = (*KINDS, "number", "word")
_DIMENSIONS = {"": "a plain number", "ratio": "a share, such as 10 %", "seconds": "a time, such as 5 min"}


def check(text: str, catalogue: Catalogue, probes: Mapping[str, Probe] | None = None) -> tuple[RunbookProblem, ...]:
    """Everything in a runbook's Markdown that can't be understood, by line; () for a good one."""
    return problems(parse(text), catalogue, probes)


def problems(
    parsed: Parsed, catalogue: Catalogue, probes: Mapping[str, Probe] | None = None
) -> tuple[RunbookProblem, ...]:
    """The notation's problems and the names', by line."""
    checker = NameChecker(catalogue, known_probes() if probes is None else probes)
    for level in parsed.runbook.levels:
        for rule in level.rules:
            if rule.condition:
                checker.condition(rule.condition, rule.line, NameScope())
    for chapter in parsed.runbook.chapters():
        checker.chapter(chapter)
    if not parsed.problems and not parsed.runbook.chapters() and not parsed.has_causes:
        checker.wrong(1, "there is no scenario here: a heading such as `## 1. Title (SEV-2)`")
    return tuple(sorted({*parsed.problems, *checker.problems}))


def unknown_scenarios(chapters: Iterable[Scenario], known: Collection[str]) -> tuple[RunbookProblem, ...]:
    """What these chapters are said to explain although there is no scenario of that id; `known`: the ids in force."""
    return tuple(
        RunbookProblem(
            line=explained.line,
            text=f"there is no scenario #{explained.scenario}{did_you_mean(explained.scenario, known)}",
        )
        for chapter in chapters
        for explained in chapter.explains
        if explained.scenario not in known
    )


@dataclass
class NameScope:
    """What is known at a step: names with their argument kinds, and questions with their names."""

    gives: dict[str, str] = field(default_factory=dict)
    asked: dict[str, Question] = field(default_factory=dict)

    def inner(self) -> NameScope:
        return NameScope(dict(self.gives), dict(self.asked))


class NameChecker:
    """Collects what is wrong with names and arguments. Who checks other chapters, such as causes, uses it too."""

    def __init__(self, catalogue: Catalogue, probes: Mapping[str, Probe]) -> None:
        self.catalogue, self.probes = catalogue, probes
        self.problems: list[RunbookProblem] = []

    def wrong(self, line: int, text: str) -> None:
        self.problems.append(RunbookProblem(line=line, text=text))

    def chapter(self, chapter: Scenario) -> None:
        for trigger in chapter.triggers:
            self.condition(trigger.condition, trigger.line, NameScope())
        for explained in chapter.explains:
            if explained.scenario == chapter.id:
                self.wrong(explained.line, f"{chapter.id} can't explain itself")
            if explained.condition is not None:
                self.condition(explained.condition, explained.line, NameScope())
        self._steps(chapter.steps, NameScope())

    def _steps(self, steps: tuple[Step | Branch, ...], scope: NameScope) -> None:
        for step in steps:
            if isinstance(step, Branch):
                inner = scope.inner()
                inner.gives |= self.condition(step.condition, step.line, scope)
                self._steps(step.steps, inner)
            elif step.kind == "ask":
                self._question(step, scope)
            elif step.kind == "look":
                assert step.call is not None
                scope.gives |= self.look(step.call, step.line, scope)
            else:
                assert step.call is not None
                self.do(step.call, step.line, scope)

    def _question(self, step: Step, scope: NameScope) -> None:
        question = step.question
        if question is None or not question.name:
            return
        name = question.name
        if name in self.probes:
            self.wrong(step.line, f"{name} is a probe, so it can't be an answer's name")
        if name in scope.asked:
            self.wrong(step.line, f"{name} was already asked before")
        if question.kind not in ANSWER_KINDS:
            self.wrong(step.line, f"there is no kind {question.kind}; there are {', '.join(ANSWER_KINDS)}")
        if "or" in question.words or len(set(question.words)) < len(question.words):
            self.wrong(step.line, f"the answers to {name} are not distinct words")
        scope.asked[name] = question
        scope.gives[name] = question.kind

    def look(self, call: Call, line: int, scope: NameScope) -> dict[str, str]:
        """Complain about a probe's call; the names that it gives to what comes after it."""
        probe = self._probe(call, line)
        return self._called(call, probe, line, scope) if probe else {}

    def do(self, call: Call, line: int, scope: NameScope) -> None:
        """Complain about an action's call."""
        action = self.catalogue.get(call.name)
        if action is None:
            self.wrong(line, f"there is no action {call.name}{did_you_mean(call.name, self.catalogue)}")
        else:
            self._arguments(call, action.arguments, line, scope)

    def condition(self, condition: Condition, line: int, scope: NameScope) -> dict[str, str]:
        """Complain about each part; the names that it gives to what is nested beneath."""
        gives: dict[str, str] = {}
        for part in condition.parts:
            name = part.call.name
            if name in scope.asked and not part.call.arguments:
                self._answered(part, scope.asked[name], line)
            elif "." not in name and name not in self.probes:
                self.wrong(line, f"nothing answers {name}: it is no probe, and nobody is asked for it before")
            elif probe := self._probe(part.call, line):
                gives |= self._called(part.call, probe, line, scope)
                self._compared(part, probe, line)
        return gives

    def _probe(self, call: Call, line: int) -> Probe | None:
        probe = self.probes.get(call.name)
        if probe is None:
            self.wrong(line, f"there is no probe {call.name}{did_you_mean(call.name, self.probes)}")
        return probe

    def _called(self, call: Call, probe: Probe, line: int, scope: NameScope) -> dict[str, str]:
        self._arguments(call, (probe.argument,) if probe.argument else (), line, scope)
        return {} if call.arguments else dict(probe.gives)

    def _arguments(self, call: Call, wanted: tuple[Argument, ...], line: int, scope: NameScope) -> None:
        given = call.arguments
        for argument in wanted[len(given) :]:
            if argument.required:
                self.wrong(line, f"{call.name} lacks its {argument.name}: write `{call} {{{argument.name}}}` or a word")
        if len(given) > len(wanted):
            takes = ", ".join(argument.name for argument in wanted) or "nothing"
            self.wrong(line, f"{call.name} takes {takes}, not {' '.join(given[len(wanted) :])} as well")
        for word, argument in zip(given, wanted, strict=False):
            for text in self._misfits(word, argument, scope):
                self.wrong(line, f"{call.name}: {text}")

    def _misfits(self, word: str, argument: Argument, scope: NameScope) -> Iterator[str]:
        name = placeholder(word)
        if name is None:
            if wanted := KINDS[argument.kind](word):
                yield f"{argument.name} must be {wanted}, not {word}"
            elif argument.kind == "figure" and word not in WATCHED:
                yield f"no figure {word} is watched{did_you_mean(word, WATCHED)}"
        elif name not in scope.gives:
            known = ", ".join(f"{{{each}}}" for each in scope.gives) or "nothing"
            yield f"nothing before this line says which {{{name}}} is meant; known here: {known}"
        elif argument.kind not in ("text", {"number": "count"}.get(scope.gives[name], scope.gives[name])):
            yield f"{{{name}}} is a {scope.gives[name]}, but {argument.name} must be a {argument.kind}"

    def _answered(self, part: Comparison, question: Question, line: int) -> None:
        name, value = part.call.name, part.value
        if not part.operator:
            self.wrong(line, f"{name} is no flag: compare it, such as `{name} is {(question.words or ('...',))[0]}`")
        elif question.words and (part.operator not in ("is", "is not") or str(value) not in question.words):
            self.wrong(line, f"this can never hold: {name} is one of {', '.join(question.words)}")
        elif question.kind == "number" and not (isinstance(value, float) and not part.unit):
            self.wrong(line, f"{name} is a plain number: compare it with one")
        elif question.kind != "number" and part.operator not in ("is", "is not"):
            self.wrong(line, f"{name} is no number, so nothing can be {part.operator} it")

    def _compared(self, part: Comparison, probe: Probe, line: int) -> None:
        name, operator, value = probe.name, part.operator, part.value
        if probe.kind == "flag":
            if operator and (operator not in ("is", "is not") or value not in ("yes", "no")):
                self.wrong(line, f"{name} is a flag: write `{name}` alone, or `is yes`, or `is no`")
        elif not operator:
            self.wrong(line, f"{name} is no flag: compare it with something")
        elif probe.kind == "number":
            if not isinstance(value, float) or part.unit != probe.unit:
                self.wrong(line, f"{name} must be compared with {_DIMENSIONS[probe.unit]}")
        elif operator not in ("is", "is not"):
            self.wrong(line, f"{name} is a word, so it can only be `is` or `is not` another")
        elif probe.words and value not in probe.words:
            self.wrong(line, f"this can never hold: {name} is one of {', '.join(probe.words)}")
