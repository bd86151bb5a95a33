"""An action that doubles a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from acting import Desk

from nexconsole.actions.action import Context, make_plan
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from nexconsole.settings import Settings
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

START = datetime(2026, 1, 23, 14, 7, 31, tzinfo=UTC)


@dataclass
class DoubledWorld:
    """What the action below changes: a number, by whom it was last touched, and a clock."""

    value: int = 1
    now: datetime = START
    story: list[str] = field(default_factory=list)


@dataclass
class Double:
    """An action on a World: doubles its value. What is to go wrong is given in."""

    world: DoubledWorld
    guards: tuple[Guard, ...] = ()
    prepare_error: Exception | None = None
    execute: Callable[..., Any] = None  # type: ignore[assignment]
    watch: Callable[..., Any] | None = None
    one_by_one: bool = False
    bystanders: tuple[str, ...] = ()

    name = "world.double"
    title = "Double it"
    synonyms = ()
    arguments = ()

    def __post_init__(self) -> None:
        self.execute = self.execute or self._execute

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        self.world.story.append("prepare")
        if self.prepare_error is not None:
            raise self.prepare_error
        value = self.world.value
        others = [Target(kind="number", id=name, chosen=False) for name in self.bystanders]
        return make_plan(
            context,
            action=self.name,
            arguments=dict(arguments),
            targets=(Target(kind="number", id="it", identity={"value": value}), *others),
            effect=f"Doubles {value}",
            command=f"double {value}",
            guards=self.guards,
            confirm=Confirmation(kind="letter", text="d"),
            undo=Undo(action="world.halve", arguments={}, command="halve"),
            deadline_s=0.2,
            details={"taken": len(self.world.story)},
            one_by_one=self.one_by_one,
        )

    async def _execute(self, plan: Plan, context: Context) -> Outcome:
        self.world.story.append("execute")
        if self.world.value != plan.targets[0].identity["value"]:
            return Outcome(state="refused", answer="it changed: nothing was done")
        self.world.value *= 2
        return Outcome(state="done", answer="doubled", touched=plan.targets)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        self.world.story.append("verify")
        if self.watch is not None:
            return await self.watch()
        return Verdict(state="worked", because=f"it is {self.world.value}")


def context_of(world: DoubledWorld) -> Context:
    return Context(
        settings=Settings(),
        sources=Sources(LazyClients(), {}),
        readings=dict,
        operator="maria",
        clock=lambda: world.now,
    )


def told(world: DoubledWorld, answer: Callable[[Plan], str | None] | None = None) -> Desk:
    """A desk that writes into the world's own story, so that the order of everything is seen."""
    controller = Desk(answer)
    controller.story = world.story
    return controller
