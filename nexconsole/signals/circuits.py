"""Circuits: the state of every holder of every SMS provider's breaker. (facts 3.1, 3.2, 3.3)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One holder of breaker state: a pod's own (kind "pod") or the one in Redis (kind "shared").

    state: open, half-open, closed or unknown (no line of it was seen and its silence proves nothing).
    `closes_in_s` is the cool-down left in seconds; for a pod it follows from the settings' cool-down,
    for the shared one from PTTL. None: no cool-down is known (a half-open one waits for traffic).
    """

    kind: str
    where: str
    state: str
    since: datetime | None = None
    closes_in_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProviderCircuit:
    """One provider. `state` is the worst of its holders: open, then half-open, unknown, closed.

    `opened` counts OPEN transitions in the last 10 minutes over all pods' logs (the most of any one pod decides
    `flapping`, at 3). `seen_429` and `seen_5xx` count log lines in the same 10 minutes; a 5xx never trips
    the pods' breaker (facts 3.2). `last_traffic` is the newest log line of a request to this provider.
    """

    name: str
    id: str | None
    active: bool | None
    state: str
    holders: tuple[Holder, ...] = ()
    flapping: bool = False
    opened: int = 0
    seen_429: int = 0
    seen_5xx: int = 0
    last_traffic: datetime | None = None
    display_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Circuits(Value):
    """All SMS providers, the most urgent first; how many pods' logs were followed, of how many."""

    providers: tuple[ProviderCircuit, ...] = ()
    pods_followed: int = 0
    pods: int = 0
    lines_dropped: int = 0
