"""The model of a parsed runbook: scenarios with triggers, steps and branches. Immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..text.pod_names import in_units


@dataclass(frozen=True, kw_only=True)
class Call:
    """A probe or an action by name, with its arguments: words, or "{provider}" for what an earlier step found."""

    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.arguments))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`call operator value`; the operator "" asks a flag as it is.

    `value` is a word or a number; a number's `unit` is "" or what `expression.UNITS` calls its dimension,
    and the number is in that dimension's own unit (seconds, or a ratio of 0..1).
    """

    call: Call
    operator: str = ""
    value: str | float | None = None
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Comparisons joined by "and" or by "or", never by both. `text` is what the runbook says."""

    text: str
    parts: tuple[Comparison, ...]
    joined: str = "and"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question to a person: one of `words`, or something of a kind ("number", "text", "pod", ...).

    Conditions and arguments refer to the answer by `name`; "" where nothing does.
    """

    name: str = ""
    kind: str = "text"
    words: tuple[str, ...] = ()

    def accepts(self, answer: str) -> bool:
        """Whether this is an answer to the question; an empty one never is."""
        if self.words:
            return answer in self.words
        return bool(answer.strip()) and (self.kind != "number" or is_number(answer))


def is_number(text: str) -> bool:
    try:
        return float(text) == float(text)  # NaN is no answer
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class Step:
    """A line of a scenario. kind "look": `call` is a probe; "do": an action; "ask": `question` is set.

    `id` is unique and stays when lines move: "stuck-reservations/reservations.stuck". `line` counts from 1.
    """

    kind: str
    id: str
    title: str
    line: int
    detail: str = ""
    call: Call | None = None
    question: Question | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Steps that apply when the condition holds."""

    id: str
    title: str
    line: int
    condition: Condition
    steps: tuple[Step | Branch, ...] = ()
    detail: str = ""


def worded(steps: tuple[Step | Branch, ...], unit: str) -> tuple[Step | Branch, ...]:
    """The steps as people speak of them where NexNum runs: of containers, not of pods."""
    if unit == "pod":
        return steps
    own = tuple(replace(step, title=in_units(step.title, unit), detail=in_units(step.detail, unit)) for step in steps)
    return tuple(replace(step, steps=worded(step.steps, unit)) if isinstance(step, Branch) else step for step in own)


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One of the conditions that open a scenario; any one of them is enough."""

    title: str
    line: int
    condition: Condition


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A scenario, by its id, that fits for the reason of another: the other one comes first, always or while the
    condition holds."""

    scenario: str
    title: str
    line: int
    condition: Condition | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A chapter. `severity` is "SEV-1".."SEV-3"; an emergency command has both it and triggers, or neither.

    `prose` holds the paragraphs before the first subheading; `origin` the file, "" for the runbook that we ship.
    `explains`: whose trigger holds because of what this one is about.
    """

    id: str
    title: str
    line: int
    number: str = ""
    severity: str = ""
    triggers: tuple[Trigger, ...] = ()
    explains: tuple[Explained, ...] = ()
    steps: tuple[Step | Branch, ...] = ()
    prose: tuple[str, ...] = ()
    last_line: int = 0
    origin: str = ""

    def walk(self) -> Iterator[Step | Branch]:
        """Every step and branch in the order of the lines."""
        return _walk(self.steps)

    def place(self, id: str) -> str:
        """Where a step stands, counted as in the runbook: "8.1" is the first step beneath the eighth; "" for none."""
        return ".".join(map(str, _place(self.steps, id)))

    def calls(self) -> Iterator[Call]:
        """Every probe and action that a step or a branch's condition names."""
        for step in self.walk():
            if isinstance(step, Branch):
                yield from (part.call for part in step.condition.parts)
            elif step.call is not None:
                yield step.call


def _place(steps: tuple[Step | Branch, ...], id: str) -> tuple[int, ...]:
    for number, step in enumerate(steps, 1):
        if step.id == id:
            return (number,)
        if isinstance(step, Branch) and (inner := _place(step.steps, id)):
            return (number, *inner)
    return ()


def _walk(steps: tuple[Step | Branch, ...]) -> Iterator[Step | Branch]:
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from _walk(step.steps)


@dataclass(frozen=True, kw_only=True)
class SeverityRule:
    """One reason for a severity level; without a condition only a person can tell."""

    title: str
    line: int
    condition: Condition | None = None


@dataclass(frozen=True, kw_only=True)
class SeverityLevel:
    """A severity level: "SEV-1", its word, and any one of the rules is enough."""

    name: str
    title: str
    line: int
    rules: tuple[SeverityRule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Runbook:
    levels: tuple[SeverityLevel, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    commands: tuple[Scenario, ...] = ()

    def chapters(self) -> tuple[Scenario, ...]:
        """Scenarios, then emergency commands."""
        return self.scenarios + self.commands

    def chapter(self, id: str) -> Scenario | None:
        return next((chapter for chapter in self.chapters() if chapter.id == id), None)

    def alerts(self) -> tuple[str, ...]:
        """The alerts that triggers, conditions and looks name, each once."""
        calls = [part.call for condition in self._conditions() for part in condition.parts]
        for chapter in self.chapters():
            calls += [step.call for step in chapter.walk() if isinstance(step, Step) and step.call]
        named = (call.arguments[0] for call in calls if call.name == "alerts.firing" and call.arguments)
        return tuple(dict.fromkeys(name for name in named if not name.startswith("{")))

    def _conditions(self) -> Iterator[Condition]:
        yield from (rule.condition for level in self.levels for rule in level.rules if rule.condition)
        for chapter in self.chapters():
            yield from (trigger.condition for trigger in chapter.triggers)
            yield from (each.condition for each in chapter.explains if each.condition)
            yield from (step.condition for step in chapter.walk() if isinstance(step, Branch))


@dataclass(frozen=True, kw_only=True, order=True)
class RunbookProblem:
    """What can't be understood, and where: the line counts from 1."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A text as far as it could be understood; what a problem lies in may be missing from the runbook.

    `has_causes`: it has chapters of causes, which `causes/chapters.py` reads.
    """

    runbook: Runbook
    problems: tuple[RunbookProblem, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)  # step id -> line
    has_causes: bool = False
