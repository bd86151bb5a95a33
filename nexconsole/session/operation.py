"""One action as the operator sees it, from its first question to its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ..actions.perform import CANCELLED, ActionResult
from ..actions.plan import Outcome, Plan, Undo, Verdict

Phase = Literal["preparing", "asking", "waiting", "sending", "watching", "ended"]


@dataclass(frozen=True, kw_only=True)
class StepRef:
    """The step of a scenario that an action is taken for, in the runbook's words too, and the branches that it settles
    (resolution.bindings). `chapter` is the scenario's title."""

    scenario: str
    step: str
    title: str = ""
    chapter: str = ""
    taken: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Operation:
    """One action under way or ended, here or (`elsewhere`) on another console; changes until `phase` is ended.

    `unfinished`: its console ended between intent and outcome, so that its outcome is unknown;
    `unjudged`: between outcome and verdict, so that nobody knows whether it helped.
    """

    action: str
    arguments: Mapping[str, str]
    began_at: datetime
    by: str
    phase: Phase = "preparing"
    elsewhere: bool = False
    unfinished: bool = False
    unjudged: bool = False
    plan: Plan | None = None
    intent: str | None = None
    watch: str = ""
    command: str = ""
    watch_until: datetime | None = None
    progress: str = ""
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    stopped: str | None = None
    undone: bool = False
    stopping: bool = False
    doubt: str = ""  # which consoles its targets could not be reserved against
    way_back: Undo | None = None  # of an action that this operator took at another console, as it is on record
    alone: bool = False  # it needed the others' silence or word, and nobody else was here
    broke_glass: str = ""  # the reason why it is sent without the second person that it needs
    ended_at: datetime | None = None  # here
    result: ActionResult | None = None  # the path's own word, as far as it has come

    def take(self, result: ActionResult) -> None:
        """How far it has come, or how it has ended."""
        self.result = result
        self.plan, self.outcome, self.verdict = result.plan, result.outcome, result.verdict
        self.stopped, self.doubt = result.stopped, result.doubt

    @property
    def name(self) -> str:
        return " ".join((self.action, *self.arguments.values()))

    @property
    def cancelled(self) -> bool:
        """Whether the operator who was asked has left it: nothing has happened."""
        return self.phase == "ended" and self.stopped == CANCELLED

    @property
    def lost(self) -> bool:
        """Whether somebody must look what became of it, because its console has ended."""
        return (self.unfinished and self.outcome is None) or (self.unjudged and self.verdict is None)

    @property
    def undo(self) -> Undo | None:
        """The way back, while something may have been changed that was not taken back yet."""
        outcome = self.outcome
        changed = outcome is not None and (outcome.state in ("done", "unknown") or bool(outcome.touched))
        way_back = self.plan.undo if self.plan is not None else self.way_back
        return way_back if changed and not self.undone else None


DOING = {
    "preparing": "previewing",
    "asking": "previewing",
    "waiting": "waiting for the others' say on",
    "sending": "executing",
    "watching": "watching the effect of",
}


def doing(operations: Iterable[Operation]) -> str:
    """The newest that has not ended, as what its operator is doing; "" where all have."""
    live = [operation for operation in operations if operation.phase in DOING]
    return f"{DOING[live[-1].phase]} {live[-1].name}" if live else ""
