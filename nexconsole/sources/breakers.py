"""Breaker state of SMS providers from pods' log events. (nexnum.md#breakers, #breaker-rules)

No I/O and no clock here. Times are the kubelet's, of each line.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .breaker_lines import BreakerEvent

OPEN, HALF_OPEN, CLOSED, UNKNOWN = "open", "half-open", "closed", "unknown"
PROVIDERS = 5_000  # names come from the log: bounded, like everything else from there
OPENINGS_KEPT = 100
WINDOW_S = 600
STEP_S = 10
SETTLES_AFTER = timedelta(seconds=60)  # longer than opossum's 45 s: by then a probe has closed or opened the breaker
REJECTS_WITHIN = timedelta(seconds=2)  # a rejection is logged at once, in the same turn of the pod's event loop
RACE = timedelta(seconds=1)


@dataclass(slots=True)
class Breaker:
    """One pod's breaker for one provider, as far as the log proves it.

    `since` is when it went to `state`, None where that was not seen. `seen` is the newest line that bears on it.
    `first` and `second` are requests while nothing is proved: a half-open breaker lets one through and then closes,
    opens or rejects, so two that stay unanswered by any such line prove it closed, and so does a minute's silence.
    """

    state: str = UNKNOWN
    since: datetime | None = None
    seen: datetime | None = None
    first: datetime | None = None
    second: datetime | None = None
    openings: deque[float] | None = None
    shown: Any = None  # what a reader has made of the present state; gone when that changes

    def turn(self, at: datetime, state: str) -> None:
        """The breaker itself says its new state."""
        if state == OPEN:
            self.openings = self.openings or deque(maxlen=OPENINGS_KEPT)
            self.openings.append(at.timestamp())
        self._go(state, at, at)

    def reject(self, at: datetime) -> bool:
        """A request was rejected. A half-open one rejects, too, while its probe is under way."""
        if self.state in (OPEN, HALF_OPEN) or (self.state == CLOSED and self.since and at - self.since < RACE):
            return False
        self._go(OPEN, None, at)
        return True

    def request(self, at: datetime) -> None:
        if self.state != UNKNOWN:
            return
        self.seen = at
        if self.first is None:
            self.first = at
        elif self.second is None:
            self.second = at
        elif at - self.second > REJECTS_WITHIN:
            self._go(CLOSED, None, at)

    def settle(self, now: datetime) -> str:
        """The state at `now`."""
        if self.state == UNKNOWN and self.first is not None:
            quiet = self.second is not None and now - self.second > REJECTS_WITHIN
            if quiet or now - self.first > SETTLES_AFTER:
                self._go(CLOSED, None, self.seen)
        return self.state

    def _go(self, state: str, since: datetime | None, seen: datetime | None) -> None:
        self.state, self.since, self.seen = state, since, seen
        self.first = self.second = self.shown = None

    def opened(self, now: datetime, window_s: float) -> int:
        """How often it opened in the last `window_s` seconds."""
        earliest = now.timestamp() - window_s
        return sum(at >= earliest for at in self.openings or ())


class Count:
    """How many there were in the last ten minutes, give or take ten seconds; bounded whatever comes."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}

    def add(self, at: datetime) -> None:
        step = int(at.timestamp()) // STEP_S
        self._steps[step] = self._steps.get(step, 0) + 1
        if len(self._steps) > 2 * WINDOW_S // STEP_S:
            self._forget(max(self._steps) - WINDOW_S // STEP_S)

    def total(self, now: datetime) -> int:
        self._forget(int(now.timestamp()) // STEP_S - WINDOW_S // STEP_S)
        return sum(self._steps.values())

    def _forget(self, before: int) -> None:
        if any(step < before for step in self._steps):
            self._steps = {step: count for step, count in self._steps.items() if step >= before}


@dataclass(slots=True)
class BreakerTraffic:
    """What all pods' logs say of one provider. `name` is as the logs spell it.

    A request that fails with a status has a response line and a failed line at newer versions, only the latter at
    older ones: the greater of the two counts is the number of such responses.
    """

    name: str
    last: datetime | None = None
    counts: dict[str, Count] = field(default_factory=dict)

    def count(self, what: str, at: datetime) -> None:
        if what not in self.counts:
            self.counts[what] = Count()
        self.counts[what].add(at)

    def total(self, what: str, now: datetime) -> int:
        return self.counts[what].total(now) if what in self.counts else 0

    def opened(self, now: datetime) -> int:
        return self.total(OPEN, now)

    def closed(self, now: datetime) -> int:
        return self.total(CLOSED, now)

    def seen_429(self, now: datetime) -> int:
        return self.total("retry", now) + max(self.total("response 429", now), self.total("failed 429", now))

    def seen_5xx(self, now: datetime) -> int:
        return max(self.total("response 5xx", now), self.total("failed 5xx", now))


@dataclass(slots=True)
class PodBreakers:
    """The breakers in one container's memory. `covered`: the log was read since the container began."""

    breakers: dict[str, Breaker] = field(default_factory=dict)
    covered: bool = False
    lifecycle: tuple[str, datetime] | None = None

    def forget(self, before: datetime | None = None) -> None:
        """Lines may be missing, or the process is a new one: what was proved before that moment no longer is.

        How often a breaker opened stays true.
        """
        self.covered = False
        self.lifecycle = None
        kept = {}
        for name, breaker in self.breakers.items():
            if before is not None and breaker.seen is not None and breaker.seen >= before:
                kept[name] = breaker
            elif breaker.openings:
                kept[name] = Breaker(openings=breaker.openings)
        self.breakers = kept


@dataclass(frozen=True, slots=True)
class SharedOpening:
    """A pod said that the shared breaker opened; for how long, where it said so."""

    at: datetime
    open_s: float | None


class BreakerHistory:
    """The fold over all pods' logs: breakers by pod, traffic by provider (lower-case names), shared openings by uuid.

    `dropped` counts lines that were not folded because their provider's name was one too many.
    """

    def __init__(self) -> None:
        self.traffic: dict[str, BreakerTraffic] = {}
        self.shared: dict[str, SharedOpening] = {}
        self.dropped = 0

    def fold(self, pod: PodBreakers, at: datetime, event: BreakerEvent) -> bool:
        """Take one event of a pod's in; True when a breaker's state has changed by it."""
        if event.kind == "lifecycle":
            pod.lifecycle = (event.state, at)
            return True
        if event.kind == "shared":
            return self._share(event, at)
        key = event.name.lower()
        breaker, traffic = pod.breakers.get(key), self.traffic.get(key)
        if traffic is None:
            if len(self.traffic) >= PROVIDERS:
                self.dropped += 1
                return False
            traffic = self.traffic[key] = BreakerTraffic(event.name)
        if breaker is None:
            breaker = pod.breakers[key] = Breaker()
        if event.kind in (OPEN, HALF_OPEN, CLOSED):
            breaker.turn(at, event.kind)
            if event.kind in (OPEN, CLOSED):
                traffic.count(event.kind, at)
            return True
        if event.kind == "rejected":
            return breaker.reject(at)
        if traffic.last is None or at > traffic.last:
            traffic.last = at
        if event.kind == "request":
            breaker.request(at)
            return False
        return self._answered(traffic, event, at)

    def _answered(self, traffic: BreakerTraffic, event: BreakerEvent, at: datetime) -> bool:
        if event.kind == "retry":
            traffic.count("retry", at)
        elif event.status == 429:
            traffic.count(f"{event.kind} 429", at)
        elif 500 <= event.status < 600:
            traffic.count(f"{event.kind} 5xx", at)
        return False

    def _share(self, event: BreakerEvent, at: datetime) -> bool:
        uuid = event.name.lower()
        known = self.shared.get(uuid)
        if known is None and len(self.shared) >= PROVIDERS:
            self.dropped += 1
            return False
        if known is None or at >= known.at:
            self.shared[uuid] = SharedOpening(at, event.open_s)
        return True
