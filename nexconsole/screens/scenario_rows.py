"""A scenario's steps as rows: which of them wait for a person, which can be entered, and where the cursor goes next."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from ..runbook.model import Branch, Scenario, Step
from ..runbook.progress import ScenarioProgress, StepState
from ..runbook.resolution import Node, bindings
from ..session.operation import StepRef

CLOSING = "closing"  # the kind of the last row: what was done, what still stands, and what fits now


@dataclass(frozen=True)
class ScenarioRow:
    """A step or branch in sight: how deep it stands, and the branches around it."""

    node: Node
    depth: int
    around: tuple[Node, ...] = ()

    @property
    def id(self) -> str:
        return self.node.step.id

    @property
    def is_step(self) -> bool:
        return isinstance(self.node.step, Step)

    @property
    def kind(self) -> str:
        """look, do, ask or closing; "" for a branch."""
        return self.node.step.kind if isinstance(self.node.step, Step) else ""


def closing_row(scenario: Scenario) -> ScenarioRow:
    return ScenarioRow(Node(step=Step(kind=CLOSING, id=f"{scenario.id}#{CLOSING}", title="", line=0), applies=True), 0)


def rows_of(
    nodes: Sequence[Node], unfolded: Container[str], depth: int = 0, around: tuple[Node, ...] = ()
) -> Iterator[ScenarioRow]:
    """What is in sight: a branch that does not apply is folded, unless it is among `unfolded`."""
    for node in nodes:
        yield ScenarioRow(node, depth, around)
        if isinstance(node.step, Branch) and (node.applies is not False or node.step.id in unfolded):
            yield from rows_of(node.nodes, unfolded, depth + 1, (*around, node))


@dataclass(frozen=True)
class ScenarioRows:
    """The rows of one scenario and how far it has come. `walk` is None while nothing of it is on record."""

    scenario: Scenario
    rows: tuple[ScenarioRow, ...] = ()
    walk: ScenarioProgress | None = None

    def mark(self, id: str) -> StepState | None:
        """A step's result; None while it is pending."""
        mark = self.walk.marks.get(id) if self.walk else None
        return mark if mark is not None and mark.state != "pending" else None

    def waits(self, row: ScenarioRow) -> bool:
        """Whether it is a step that applies, or may, and has no result."""
        return row.kind in ("look", "do", "ask") and row.node.applies is not False and self.mark(row.id) is None

    def needs_person(self, row: ScenarioRow) -> bool:
        """Whether it waits for somebody's answer or action."""
        return row.kind in ("do", "ask") and self.waits(row)

    @property
    def unanswered(self) -> tuple[ScenarioRow, ...]:
        """The looks that apply and that no reading answers: who sees it elsewhere may say it."""
        return tuple(row for row in self.rows if row.kind == "look" and self.waits(row) and not answers_itself(row))

    def enterable(self, row: ScenarioRow) -> bool:
        """Whether the cursor stops there: not at headings."""
        return row.is_step

    @property
    def steps(self) -> tuple[ScenarioRow, ...]:
        """The steps that apply or may."""
        return tuple(row for row in self.rows if row.kind in ("look", "do", "ask") and row.node.applies is not False)

    @property
    def settled(self) -> int:
        return sum((mark := self.mark(row.id)) is not None and mark.settled for row in self.steps)

    @property
    def ended(self) -> bool:
        """Whether something was settled and nothing is left but looks that no reading answers."""
        marks = [mark for row in self.steps if (mark := self.mark(row.id)) is not None]
        left = len(self.steps) - len(marks) - len(self.unanswered)
        return bool(marks) and not left and all(mark.settled for mark in marks)

    def index(self, id: str) -> int:
        return next((n for n, row in enumerate(self.rows) if row.id == id), 0)

    def moved(self, id: str, by: int) -> str:
        """The row that is `by` rows on, of those that can be entered."""
        places = [n for n, row in enumerate(self.rows) if self.enterable(row)]
        if not places:
            return id
        here = self.index(id)
        beyond = [n for n in places if n > here] if by > 0 else [n for n in reversed(places) if n < here]
        if not beyond:
            return id if here in places else self.rows[places[-1 if by > 0 else 0]].id
        return self.rows[beyond[min(abs(by), len(beyond)) - 1]].id

    def nearest(self, place: int) -> str:
        """The row that can be entered and is the nearest to this place, the next one first."""
        places = [n for n, row in enumerate(self.rows) if self.enterable(row)]
        if not places:
            return self.rows[0].id if self.rows else ""
        return self.rows[min(places, key=lambda n: (abs(n - place), n < place))].id

    def after(self, id: str) -> list[ScenarioRow]:
        """All rows, those after this one first; in the rows' order where it is none."""
        here = next((n + 1 for n, row in enumerate(self.rows) if row.id == id), 0)
        return [*self.rows[here:], *self.rows[:here]]

    def next_person(self, id: str = "") -> str:
        """The question or action that comes next: what applies before what only may, what can be begun before what
        waits. Where that is an action whose target is not known, the unanswered look that would find it. Without any,
        the last look that a reading answers, so that all can be recorded; then the closing row."""
        rows = self.after(id)
        ready = [row for row in rows if self.needs_person(row)]
        if ready:
            first = min(ready, key=lambda row: (row.node.applies is None, row.kind == "do" and blocked(row)))
            return (self.finder_of(first) or first).id
        looks = [row for row in self.rows if row.kind == "look" and self.waits(row) and answers_itself(row)]
        if looks:
            return looks[-1].id
        if self.ended and self.rows[-1].kind == CLOSING:
            return self.rows[-1].id
        return self.unanswered[0].id if self.unanswered else ""

    def finder_of(self, row: ScenarioRow) -> ScenarioRow | None:
        """The first look before an action without a target that could find one and has no answer; None where the
        action has its target, or waits for a person's answer."""
        if row.kind != "do" or row.node.arguments is not None or row.node.gate is not None:
            return None
        before = self.rows[: self.index(row.id)]
        return next((one for one in self.unanswered if one in before and not told_whom(one)), None)

    def next_open(self, id: str) -> str:
        """The next step that has no result, looks included."""
        found = next((row.id for row in self.after(id) if self.waits(row)), "")
        return found or self.next_person(id)

    def next_do(self, id: str = "") -> ScenarioRow | None:
        """The next action without a result: before those that only may apply, those that do."""
        rows = [row for row in self.after(id) if row.kind == "do" and self.waits(row)]
        return min(rows, key=lambda row: row.node.applies is None, default=None)

    def looks(self, id: str) -> tuple[list[ScenarioRow], list[ScenarioRow]]:
        """The looks without a result up to this row that apply: those that are answered by now, and those that are
        not."""
        rows = [
            row
            for row in self.rows[: self.index(id) + 1]
            if row.kind == "look" and self.waits(row) and row.node.applies
        ]
        return [row for row in rows if answers_itself(row)], [row for row in rows if not answers_itself(row)]

    def reference(self, row: ScenarioRow, taking: bool = True) -> StepRef:
        """The step as its entry names it, with the branches around it and the names that they gave."""
        taken = {node.step.id: dict(bindings(node)) for node in row.around} if taking else {}
        if taking and (names := bindings(row.node)):
            taken[row.id] = dict(names)
        return StepRef(
            scenario=self.scenario.id,
            step=row.id,
            title=row.node.step.title,
            chapter=self.scenario.title,
            taken=taken,
        )


def answers_itself(row: ScenarioRow) -> bool:
    """Whether it is a look that readings answer now."""
    return row.node.answer is not None and row.node.answer.known


def told_whom(row: ScenarioRow) -> bool:
    """Whether it is told what to look at: then it finds no target."""
    step = row.node.step
    return isinstance(step, Step) and step.call is not None and bool(step.call.arguments)


def blocked(row: ScenarioRow) -> bool:
    """Whether it is an action that can't be begun yet."""
    return row.node.gate is not None or row.node.arguments is None
