"""What an action is before, while and after it runs: plan, guards, outcome, verdict. All frozen, all plain data."""

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
VerdictState = Literal["worked", "no effect", "worse", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that will be touched, by identity: a row's id, a pod's UID, a key with its value, a pid with its start.

    `identity` is what must still hold when the action executes; `shown` is for the eye only (age, owner, load).
    In JSON both lie beside `kind` and `id`. Not `chosen`: found and shown, but left alone.
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
    """An interlock. ok: looked at and fine; warn: shown, does not stop; block: nothing will be executed."""

    name: str
    level: GuardLevel
    reason: str


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the operator must give: one letter key, or a text typed in full (the target's name, a sum)."""

    kind: Literal["letter", "type"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Undo:
    """The way back, prepared with the plan: an action with its arguments, and the literal command of it."""

    action: str
    arguments: Mapping[str, str]
    command: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An action prepared. `command` is the literal SQL, redis-cli, kubectl or curl that does the same; secrets in it
    are environment variables ($CRON_SECRET). `watch` says what the verdict will look at, until `deadline_s` after.

    `summary` says in one line what is changed where the targets are no things one by one: "changes 210 rows".
    `details` are action-private facts that execute and verify need (plain JSON data, no secrets).
    `one_by_one`: so many targets come and go by themselves that each is held against its identity as it is touched,
    and a confirmation holds for those that were shown: what is gone or changed by then, or new, is left alone.
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
        """The targets that will be touched."""
        return tuple(target for target in self.targets if target.chosen)

    @property
    def fingerprint(self) -> str:
        """Changes when what would be touched or what must be typed changes; figures only shown don't count."""
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
    """What became of it. done: the system said so; refused: it (or the world having changed) said no; failed: an error;
    in both cases nothing was changed but what is `touched`. unknown: nothing proves that it happened or not.

    `touched` lists the ids that were really changed, with what the undo needs to put them back. Not `answered`: no
    answer came, or a gateway's: what was sent may be at work still.
    """

    state: OutcomeState
    answer: str
    touched: tuple[Target, ...] = ()
    answered: bool = True


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether it helped, and the figures that say so; unknown where they can't be read or it is too early."""

    state: VerdictState
    because: str
