"""What changed, when, from what to what, by whom: the types that the signal `changes` publishes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..model import SignalKey, Value

RECONCILER, STOPPED = "reconciler", "stopped"  # a scheduler's target, and what it is after it stopped


class ChangeKind(StrEnum):
    RELEASE = "release"  # a new revision of a deployment, whose image differs
    ROLLOUT = "rollout"  # a new revision with the same image
    REPLICAS = "replicas"  # by a person
    AUTOSCALER = "autoscaler"
    CONFIG = "config"  # a ConfigMap, by its version
    SECRET = "secret"  # a Secret, by its version, never its content
    RESTART = "restart"  # of a pod or a container, with the reason
    EVICTION = "eviction"
    PROVIDER = "provider"  # a provider's row
    AUDIT = "audit"  # a row of NexNum's audit log
    DATABASE = "database"  # PostgreSQL was restarted, reloaded its settings, or another server took over
    REDIS = "redis"
    SCHEDULER = "scheduler"  # scheduled work stopped, or runs again
    ALERT = "alert"  # an alert began or ended to fire
    RULES = "rules"  # Prometheus loaded its rules anew
    ACTION = "action"  # done by a console, ours or another


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change. `at` is UTC; `within_s` how uncertain it is: the time between two polls, or 0 where it is stamped.

    `subject` is what changed ("deployment nexnum-app", "provider smsbower"), `target` its bare name. `before` and
    `after` are "" where they are not known or must not be shown. `who` is "" where nobody knows. `source`: who says so.
    """

    at: datetime
    kind: ChangeKind
    subject: str
    target: str
    text: str
    before: str = ""
    after: str = ""
    who: str = ""
    within_s: float = 0.0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class KnownSince:
    """Each change of this kind since then is in the log, as far as the log reaches."""

    kind: ChangeKind
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ChangeLog(Value):
    """`changes`: of the last hours, the newest first, bounded. `read` are the kinds that could be read: what is not
    among them may have changed without a trace here. `known_from`: how far back changes are known, by kind."""

    changes: tuple[Change, ...] = ()
    read: tuple[ChangeKind, ...] = ()
    known_from: tuple[KnownSince, ...] = ()

    def since(self, kind: ChangeKind) -> datetime | None:
        """How far back changes of this kind are known; None where it can't be read."""
        return next((known.at for known in self.known_from if known.kind is kind), None)


CHANGES: SignalKey[ChangeLog] = SignalKey("changes")
