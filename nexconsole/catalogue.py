"""Arguments of actions and probes, as data, and the NexNum API routes that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


def _any(word: str) -> str:
    return ""


def _whole(word: str) -> str:
    return "" if word.isdecimal() else "a whole number"


def _duration(word: str) -> str:
    return "" if word[:-1].isdecimal() and word[-1] in "smh" else "a time such as 30m or 2h"


CHANGES = (
    *("release", "rollout", "replicas", "autoscaler", "config", "secret", "restart", "eviction", "provider"),
    *("audit", "database", "redis", "scheduler", "alert", "rules", "action"),
)


def _change(word: str) -> str:
    return "" if word in CHANGES else f"a kind of change: {', '.join(CHANGES)}"


KINDS: Mapping[str, Callable[[str], str]] = {
    "provider": _any,
    "event": _any,
    "family": _any,
    "pod": _any,
    "pid": _whole,
    "count": _whole,
    "alert": _any,
    "country": _any,
    "service": _any,
    "lock": _any,
    "figure": _any,
    "duration": _duration,
    "change": _change,
    "text": _any,
}
"""The kinds of arguments. Each says what a word must be to stand there; "" where the word fits."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument. `kind`: one of KINDS. `help`: its meaning, for people."""

    name: str
    kind: str
    required: bool = True
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a row of a list stands for, as it was when its key was pressed.

    `kind`: provider, pod, event, session, reservation, lock, alert, finding, check, change, or entry (of the
    journal). `id`:
    its identity. `arguments` are words for arguments of actions by kind (KINDS): a session's is {"pid": "4711"}.
    All of it is text from outside: it is made harmless and masked where it is drawn.
    """

    kind: str
    id: str
    title: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of NexNum's API, with methods of which any one will do."""

    path: str
    methods: tuple[str, ...]


class CommandSpec(Protocol):
    """What a runbook may name after `Do`: an action, or a screen to open."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def arguments(self) -> tuple[Argument, ...]: ...


@runtime_checkable
class Routed(Protocol):
    """A command that uses NexNum's API; any one of `routes` is enough."""

    @property
    def routes(self) -> tuple[Route, ...]: ...


@runtime_checkable
class About(Protocol):
    """A command that is about kinds of subjects that none of its arguments names. (Subject.kind)"""

    @property
    def about(self) -> tuple[str, ...]: ...


Catalogue = Mapping[str, CommandSpec]
"""The commands that a runbook may name, by their stable names."""


@dataclass(frozen=True, kw_only=True)
class ScreenCommand:
    """A screen that a runbook opens. It changes nothing, so it is not an action."""

    name: str
    title: str
    arguments: tuple[Argument, ...] = ()


LOGS = "logs.show"
SCREENS: Mapping[str, ScreenCommand] = {
    LOGS: ScreenCommand(
        name=LOGS,
        title="Follow the pods' logs",
        arguments=(Argument(name="of", kind="text", required=False),),
    )
}


def by_name(command: CommandSpec, words: tuple[str, ...]) -> dict[str, str]:
    """A step's words by argument name."""
    return {argument.name: word for argument, word in zip(command.arguments, words, strict=False)}
