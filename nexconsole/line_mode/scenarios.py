"""The runbook's scenarios in lines: which fits, its steps by number, and what settles each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..actions.registry import COMMANDS
from ..catalogue import LOGS, by_name
from ..causes.scenarios import caused, caused_first, target_for
from ..errors import NexConsoleError
from ..model import State
from ..runbook.library import Library, library
from ..runbook.model import Branch, Question, Runbook, Scenario, Step
from ..runbook.resolution import Fit, Node, fitting, resolve
from ..screens.scenario_rows import ScenarioRow, ScenarioRows, answers_itself, rows_of
from ..session.operation import StepRef
from ..signals.registry import probes, signals
from ..text.choices import meant
from ..text.sanitize import clean
from ..text.units import several
from .choices import Choice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..session.session import Session


class StepConsole(Protocol):
    """What the steps need of the console."""

    def say(self, text: str) -> None: ...
    def offer(self, choices: Sequence[Choice]) -> None: ...
    async def ask(self, question: str) -> str | None: ...
    async def act(self, action: str, arguments: Mapping[str, str], *, step: StepRef | None = None) -> None: ...
    async def recorded(self, write: Callable[[], Awaitable[object]], done: str = "") -> None: ...


class Scenarios:
    """`runbook` is the one in force, None until it has been read."""

    def __init__(self, session: Session, front: StepConsole) -> None:
        self._session, self._front = session, front
        self._library: Library | None = None

    @property
    def runbook(self) -> Runbook | None:
        return self._library.runbook if self._library is not None else None

    async def load(self) -> None:
        """Read the runbooks in force once; one that can't be understood is said."""
        try:
            self._library = await asyncio.to_thread(library, self._session.settings, COMMANDS)
        except NexConsoleError as error:
            self._front.say(str(error))
            bare = msgspec.structs.replace(self._session.settings, runbooks="")
            self._library = await asyncio.to_thread(library, bare, COMMANDS)

    def fit(self) -> str:
        """The scenario that fits best; "" where none does."""
        return next((_name(fit.scenario) for fit in self._fits()), "")

    def _fits(self) -> tuple[Fit, ...]:
        session = self._session
        if self.runbook is None or not session.readings:
            return ()
        severity = session.monitor.severity
        leading = tuple(reason.signal for reason in severity.reasons) if severity is not None else ()
        fits = fitting(self.runbook, session.readings, session.settings, session.clock(), leading)
        return caused_first(fits, caused(self.runbook, session.monitor.explanation))

    def choices(self) -> list[Choice]:
        if self.runbook is None:
            return []
        fits = {fit.scenario.id for fit in self._fits()}
        return [
            Choice(
                name=f"scenario.{scenario.id}",
                title=f"Scenario: {scenario.title}" + (" - fits now" if scenario.id in fits else ""),
                run=partial(self.steps, scenario),
                words=("runbook", scenario.severity),
                weight=2.0 if scenario.id in fits else 0.3,
            )
            for scenario in self.runbook.chapters()
        ]

    async def show(self) -> None:
        """The steps of the scenario that fits best."""
        fits = self._fits()
        if not fits:
            early = "not all is read yet: type s again in a moment, or `scenario` to list them"
            none = "no scenario fits what is read: type `scenario` to list them"
            self._front.say(early if self._session.begins else none)
            return
        await self.steps(fits[0].scenario)

    async def steps(self, scenario: Scenario) -> None:
        """Number what can be done of it; steps in branches that do not apply are left out."""
        self._front.say(_name(scenario))
        await self._read_what_it_asks(scenario)
        walk = self._session.walk(scenario.id)
        answers = walk.answers if walk is not None else {}
        taken = walk.taken if walk is not None else {}
        session = self._session
        target = target_for(scenario.id, session.monitor.explanation)
        nodes = resolve(scenario, session.readings, session.settings, session.clock(), answers, taken, target)
        rows = ScenarioRows(scenario, tuple(row for row in rows_of(nodes, ()) if row.node.applies is not False), walk)
        choices = [self._choice(rows, row) for row in rows.rows]
        if rows.rows and (looks := rows.looks(rows.rows[-1].id)[0]):
            title = f"record the {several(len(looks), 'look')} that readings answer"
            choices.append(Choice(name="step.looks", title=title, run=partial(self._record_looks, rows, looks)))
        self._front.offer(choices)

    async def _read_what_it_asks(self, scenario: Scenario) -> None:
        """Once, what is read on demand alone: no pane looks at it here."""
        session = self._session
        known = probes(session.settings)
        asked = {known[call.name].signal for call in scenario.calls() if call.name in known}
        wanted = [signal for signal in signals(session.settings) if signal.on_demand and signal.name in asked]
        if wanted:
            await session.monitor.read_all(session.sources, wanted)

    def _choice(self, rows: ScenarioRows, row: ScenarioRow) -> Choice:
        step = row.node.step
        mark = rows.mark(row.id)
        state = f"{mark.state}: {mark.answer or mark.reason}".rstrip(": ") if mark is not None else ""
        known = row.node.answer.text if row.node.answer is not None else ""
        call = " ".join((step.call.name, *(row.node.arguments or ()))) if isinstance(step, Step) and step.call else ""
        told = state or known or (call if row.kind == "do" else "")
        word = {"do": "DO", "": "if"}.get(row.kind, row.kind)
        return Choice(
            name=step.id,
            title=f"{word}: {clean(step.title, 200)}" + (f" = {clean(told, 200)}" if told else ""),
            run=partial(self._settle, rows, row),
            why_not=self._why_not(rows, row),
        )

    def _why_not(self, rows: ScenarioRows, row: ScenarioRow) -> str:
        step, node = row.node.step, row.node
        if not isinstance(step, Step) or step.kind != "do":
            return ""
        if step.call is None or step.call.name not in COMMANDS:
            return "this console has no such action"
        if node.gate is not None:
            return f"answer step {rows.scenario.place(node.gate.id)} first: {clean(node.gate.title, 120)}"
        return clean(node.missing) if node.arguments is None else ""

    async def _settle(self, rows: ScenarioRows, row: ScenarioRow) -> None:
        step = row.node.step
        if isinstance(step, Branch):
            self._front.say(f"{clean(step.title)}: {clean(row.node.because or 'not known')}")
        elif step.kind == "do" and step.call is not None:
            await self._do(rows.reference(row), step.call.name, row.node)
        elif step.kind == "look" and answers_itself(row):
            await self._done(rows.reference(row), _answer(row))
        else:
            await self._ask(rows.reference(row), step.question or Question())

    async def _record_looks(self, rows: ScenarioRows, looks: Sequence[ScenarioRow]) -> None:
        """As they were answered when they were listed."""
        for row in looks:
            await self._done(rows.reference(row), _answer(row))

    async def _do(self, reference: StepRef, name: str, node: Node) -> None:
        if name == LOGS:
            self._front.say("the logs are read in the console (l) or by kubectl logs")
            return
        await self._front.act(name, by_name(COMMANDS[name], node.arguments or ()), step=reference)

    async def _ask(self, reference: StepRef, question: Question) -> None:
        words = f" ({', '.join(question.words)})" if question.words else ""
        text = await self._front.ask(f"{clean(reference.title)}{words}; an empty line leaves it open")
        if text is None:
            return
        text = meant(text, question.words) or text
        if not question.accepts(text):
            self._front.say("not recorded: that is no answer to it" + words)
            return
        await self._done(reference, text)

    async def _done(self, reference: StepRef, answer: str) -> None:
        await self._front.recorded(lambda: self._session.settle(reference, "done", answer=answer), "recorded")


def _answer(row: ScenarioRow) -> str:
    answer = row.node.answer
    assert answer is not None
    return answer.text + (f" ({answer.basis()})" if answer.state is not State.FRESH else "")


def _name(scenario: Scenario) -> str:
    title = clean(scenario.title, 80)
    return f"scenario {scenario.number} ({title})" if scenario.number else title
