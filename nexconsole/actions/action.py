"""The interface of every action, and the context in which it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, Required, TypedDict, Unpack

from ..catalogue import Argument, CommandSpec
from ..errors import ActionError, SettingsError
from ..model import Reading, utc_now
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

Progress = Callable[[str], None]


async def _no_entries() -> Sequence[Mapping[str, Any]]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A suggested use, from the readings: `Disable provider smsbower - 41 % failing`. Higher `weight` comes first."""

    title: str
    arguments: Mapping[str, str]
    weight: float = 0.0


@dataclass(kw_only=True)
class Context:
    """What an action works with. `readings` is the newest reading of every signal, as on the operator's screen.

    Actions read through `sources`. They change things through connections of their own (connections.py). `entries`
    gives the incident's journal, oldest first, each {id, at, writer, kind, data}. An undo learns from it what was
    really changed, also after a restart.
    """

    settings: Settings
    sources: Sources
    readings: Callable[[], Mapping[str, Reading]]
    operator: str
    clock: Callable[[], datetime] = utc_now
    cancelled: Callable[[], bool] = lambda: False
    progress: Progress = field(default=lambda text: None)
    entries: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]] = field(default=_no_entries)


class Action(CommandSpec, Protocol):
    """An emergency command. Its name, title, arguments and help are declared here alone; `registry.py` has a line for
    it.

    It may also be `Routed` or `Settling`, say which subjects it is `About`, have `rights` (of the cluster), or be done
    `ByHand` (a part of the sheet).
    """

    @property
    def synonyms(self) -> tuple[str, ...]:
        """Other words that the palette finds it by."""

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        """Likely targets, from the readings. Reads nothing."""

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        """Why the action is unavailable here (nothing configured, no such API). None where it may be tried."""

    async def permitted(self, context: Context) -> Guard:
        """Whether this role has the permission. Asks without changing anything, and names the missing GRANT or RBAC
        rule.
        """

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        """Read the system and freeze the plan. Raises ActionError where there is no target."""

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        """Execute the plan on targets that are still as previewed. Never retried; a time-out is an unknown outcome.

        Expected failures are Outcomes; only bugs raise.
        """

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        """Watch the effect until the plan's deadline, or until it is clear."""


class PlanFields(TypedDict, total=False):
    """A Plan's fields but for its two times."""

    action: Required[str]
    arguments: Required[Mapping[str, str]]
    targets: Required[tuple[Target, ...]]
    effect: Required[str]
    command: Required[str]
    guards: tuple[Guard, ...]
    confirm: Required[Confirmation]
    undo: Undo | None
    watch: str
    deadline_s: float
    details: Mapping[str, Any]
    summary: str
    one_by_one: bool


def make_plan(context: Context, **fields: Unpack[PlanFields]) -> Plan:
    """A plan stamped with the time it was taken and the time at which it must be prepared again."""
    now = context.clock()
    return Plan(taken_at=now, expires_at=now + timedelta(seconds=context.settings.actions.plan_expires_s), **fields)


def named_arguments(action: Action, words: Sequence[str], already: Mapping[str, str] | None = None) -> dict[str, str]:
    """Words in the order of the action's arguments, or as name=value, beside those that there are already.

    Raises SettingsError, which is usage.
    """
    given = dict(already or {})
    names = [argument.name for argument in action.arguments if argument.name not in given]
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and name in names):
            name, value = next((free for free in names if free not in given), ""), word
        if not name:
            raise SettingsError(
                f"{action.name} takes no more than {len(names)} arguments: {', '.join(names) or 'none'}"
            )
        given[name] = value
    missing = [argument.name for argument in action.arguments if argument.required and argument.name not in given]
    if missing:
        raise SettingsError(f"{action.name} needs {', '.join(missing)}")
    return given


__all__ = [
    "Action",
    "ActionError",
    "Argument",
    "Confirmation",
    "Context",
    "Guard",
    "Outcome",
    "Plan",
    "Suggestion",
    "Target",
    "Undo",
    "Verdict",
    "make_plan",
    "named_arguments",
]
