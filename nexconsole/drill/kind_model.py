"""A kind of fault: what can be injected, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .staged_causes import Cause

# The runbook's chapters, by id.
FAILING = "high-purchase-failure-rate"
CIRCUIT = "provider-circuit-breaker-open"
STUCK = "stuck-reservations"
LAG = "outbox-worker-lag"
SLOTS = "purchases-wait-for-slots"
REFUSED = "customers-are-refused"
CONNECTIONS = "database-connections-used-up"
BLOCKED = "a-session-blocks-others"
REDIS = "redis-takes-no-writes"
LOCKS = "flush-abandoned-locks"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """A fault that can be injected: its causes from drill time 0 on, and what is true of it for the score.

    `scenarios` are the runbook's chapters that fit, by id. `helps` and `harms` are actions, with a target where only
    that one is meant; `{target}` stands for what the fault is about; nothing helps where it is for others to mend.
    `provider` is the usual one, "" where none is asked for. `asks` are steps of the runbook by id: somebody outside
    ends the fault when a console has answered one of them. `truth` are the causes that it is, by the runbook's ids;
    none where nothing is wrong. `group` sorts the list.
    """

    name: str
    title: str
    causes: Callable[[str], tuple[Cause, ...]]
    provider: str = ""
    scenarios: tuple[str, ...]
    helps: tuple[str, ...]
    harms: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()
    group: str = "documented"
