"""The data of an action: plan, guards, outcome, verdict. All frozen plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

Scalar = str | int | float | bool | None
GuardLevel = Literal["ok", "warn", "block"]
OutcomeState = Literal["done", "refused", "failed", "unknown"]
VerdictState = Literal["worked", "recovered", "no effect", "worse", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to change, by identity: a row's id, a pod's UID, a key with its value, a pid with its start.

    `identity` must still hold when the action executes; `shown` is for display only (age, owner, load). In JSON both
    lie beside `kind` and `id`. Not `chosen`: found and shown, but left alone.
    """

    kind: str
    id: str
    identity: Mapping[str, Scalar] = field(default_factory=dict)
    shown: Mapping[str, Scalar] = field(default_factory=dict)
    chosen: bool = True

    def as_dict(self) -> dict[str, object]:
        return {"kind": self.kind, "id": self.id, **self.identity, **self.shown, "chosen": self.chosen}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One check before execution. ok: passed; warn: shown, does not stop; block: nothing is executed."""

    name: str
    level: GuardLevel
    reason: str


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What confirms the plan: one letter key, or a text to type in full (the target's name, a sum)."""

    kind: Literal["letter", "type"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Undo:
    """The undo, prepared with the plan: an action with its arguments, and its shell command."""

    action: str
    arguments: Mapping[str, str]
    command: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A prepared action. `command` is the literal SQL, redis-cli, kubectl or curl that does the same; secrets in it are
    environment variables ($CRON_SECRET). `watch` says what the verdict checks, until `deadline_s` seconds later.

    `summary` is one line for targets that are not single things: "changes 210 rows". `details` are facts for execute
    and verify alone (plain JSON data, no secrets). `one_by_one`: many targets come and go by themselves. Then each is
    compared with its identity when it is changed, and the confirmation covers the ones shown: a target that is gone,
    changed or new is left alone.
    """

    action: str
    arguments: Mapping[str, str]
    targets: tuple[Target, ...]
    effect: str
    command: str
    guards: tuple[Guard, ...] = ()
    confirm: Confirmation
    undo: Undo | None = None
    watch: str = ""
    deadline_s: float = 60.0
    details: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    one_by_one: bool = False
    taken_at: datetime
    expires_at: datetime

    @property
    def blocked(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if guard.level == "block")

    @property
    def chosen(self) -> tuple[Target, ...]:
        """The targets that will be changed."""
        return tuple(target for target in self.targets if target.chosen)

    @property
    def fingerprint(self) -> str:
        """A hash of the targets and of the confirmation. Figures that are only shown don't count."""
        identity = [self.action, sorted(self.arguments.items()), self.confirm]
        if not self.one_by_one:
            identity += [[target.kind, target.id, dict(target.identity)] for target in self.chosen]
        identity += [guard.name for guard in self.blocked]
        return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]

    def as_dict(self) -> dict[str, object]:
        """The plan's JSON shape: action, targets, effect, command, guards, confirm, undo, taken_at, expires_at."""
        return {
            "action": self.action,
            "arguments": dict(self.arguments),
            "targets": [target.as_dict() for target in self.targets],
            "effect": self.effect,
            "command": self.command,
            "guards": self.guards,
            "confirm": self.confirm,
            "undo": self.undo,
            "watch": self.watch,
            "taken_at": self.taken_at,
            "expires_at": self.expires_at,
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome. done: the system confirmed it. refused: the system, or a change since the preview, prevented it.
    failed: an error. In the last two nothing was changed but what is `touched`. unknown: nothing proves that it
    happened or not.

    `touched` lists what was really changed, with what the undo needs. Not `answered`: no answer, or only a gateway's;
    the request may still be running.
    """

    state: OutcomeState
    answer: str
    touched: tuple[Target, ...] = ()
    answered: bool = True


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether it helped, with the figures; unknown where they can't be read or it is too early.

    recovered: all is well again, and so is what was left alone, or it was before the action: it proves nothing.
    """

    state: VerdictState
    because: str
