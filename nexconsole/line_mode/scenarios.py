"""The runbook's scenarios in lines: which fits, its steps by number, and what settles each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..actions.registry import COMMANDS
from ..catalogue import LOGS, by_name
from ..errors import NexConsoleError
from ..model import State
from ..runbook.library import Library, library
from ..runbook.model import Branch, Question, Runbook, Scenario, Step
from ..runbook.resolution import Fit, Node, bindings, fitting, resolve
from ..session.operation import StepRef
from ..text.sanitize import clean
from .choices import Choice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..session.session import Session


class Front(Protocol):
    """What the steps need of the console."""

    def say(self, text: str) -> None: ...
    def offer(self, choices: Sequence[Choice]) -> None: ...
    async def ask(self, question: str) -> str | None: ...
    async def act(self, action: str, arguments: Mapping[str, str], *, step: StepRef | None = None) -> None: ...
    async def recorded(self, write: Callable[[], Awaitable[object]], done: str = "") -> None: ...


class Scenarios:
    """`runbook` is the one in force, None until it has been read."""

    def __init__(self, session: Session, front: Front) -> None:
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
        return fitting(self.runbook, session.readings, session.settings, session.clock(), leading)

    def choices(self) -> list[Choice]:
        if self.runbook is None:
            return []
        fits = {fit.scenario.id for fit in self._fits()}
        return [
            Choice(
                name=f"scenario.{scenario.id}",
                title=f"Scenario: {scenario.title}" + (" - fits now" if scenario.id in fits else ""),
                run=lambda scenario=scenario: self.steps(scenario),  # type: ignore[misc]
                words=("runbook", scenario.severity),
                weight=2.0 if scenario.id in fits else 0.3,
            )
            for scenario in self.runbook.chapters()
        ]

    async def show(self) -> None:
        """The steps of the scenario that fits best."""
        fits = self._fits()
        if not fits:
            self._front.say("no scenario fits what is read: type `scenario` to list them")
            return
        await self.steps(fits[0].scenario)

    async def steps(self, scenario: Scenario) -> None:
        """Number what can be done of it; steps in branches that do not apply are left out."""
        self._front.say(_name(scenario))
        walk = self._session.walk(scenario.id)
        answers = walk.answers if walk is not None else {}
        taken = walk.taken if walk is not None else {}
        session = self._session
        nodes = resolve(scenario, session.readings, session.settings, session.clock(), answers, taken)
        rows = list(_flat(nodes, ()))
        self._front.offer([self._choice(scenario, node, around) for node, around in rows])

    def _choice(self, scenario: Scenario, node: Node, around: tuple[Node, ...]) -> Choice:
        step = node.step
        walk = self._session.walk(scenario.id)
        mark = walk.marks.get(step.id) if walk is not None else None
        state = f"{mark.state}: {mark.answer or mark.reason}".rstrip(": ") if mark and mark.state != "pending" else ""
        known = node.answer.text if node.answer is not None else ""
        word = {"look": "look", "do": "DO", "ask": "ask"}.get(step.kind, "") if isinstance(step, Step) else "if"
        call = " ".join((step.call.name, *(node.arguments or ()))) if isinstance(step, Step) and step.call else ""
        told = state or known or (call if word == "DO" else "")
        return Choice(
            name=step.id,
            title=f"{word}: {clean(step.title, 200)}" + (f" = {clean(told, 200)}" if told else ""),
            run=lambda: self._settle(scenario, node, around),
            why_not=self._why_not(scenario, node),
        )

    def _why_not(self, scenario: Scenario, node: Node) -> str:
        step = node.step
        if not isinstance(step, Step) or step.kind != "do":
            return ""
        if step.call is None or step.call.name not in COMMANDS:
            return "this console has no such action"
        if node.gate is not None:
            return f"answer step {scenario.place(node.gate.id)} first: {clean(node.gate.title, 120)}"
        return clean(node.missing) if node.arguments is None else ""

    async def _settle(self, scenario: Scenario, node: Node, around: tuple[Node, ...]) -> None:
        step = node.step
        taken = {each.step.id: dict(bindings(each)) for each in around}
        if names := bindings(node):
            taken[step.id] = dict(names)
        reference = StepRef(scenario=scenario.id, step=step.id, title=step.title, chapter=scenario.title, taken=taken)
        if isinstance(step, Branch):
            self._front.say(f"{clean(step.title)}: {clean(node.because or 'not known')}")
        elif step.kind == "do" and step.call is not None:
            await self._do(reference, step.call.name, node)
        elif step.kind == "look" and node.answer is not None and node.answer.known:
            late = f" ({node.answer.basis()})" if node.answer.state is not State.FRESH else ""
            await self._done(reference, node.answer.text + late)
        else:
            await self._ask(reference, step.question or Question())

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
        if not question.accepts(text):
            self._front.say("not recorded: that is no answer to it" + words)
            return
        await self._done(reference, text)

    async def _done(self, reference: StepRef, answer: str) -> None:
        await self._front.recorded(lambda: self._session.settle(reference, "done", answer=answer), "recorded")


def _flat(nodes: Sequence[Node], around: tuple[Node, ...]) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    for node in nodes:
        if node.applies is False:
            continue
        yield node, around
        if isinstance(node.step, Branch):
            yield from _flat(node.nodes, (*around, node))


def _name(scenario: Scenario) -> str:
    title = clean(scenario.title, 80)
    return f"scenario {scenario.number} ({title})" if scenario.number else title
