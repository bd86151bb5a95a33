"""The active faults of a market, which its parts ask before they act."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from typing import TypeVar

from ..cluster_causes import ChangedConfig
from ..drill_clock import DrillClock
from ..faults import Fault, staged
from ..scenario_model import DrillScenario
from ..staged_causes import (
    Answers,
    BestRoute,
    Cause,
    Crowd,
    CutOffPod,
    EgressDown,
    EmptyAccount,
    FillingMemory,
    FullMemory,
    Kill,
    LeakedConnections,
    LockLeak,
    PoisonEvents,
    Polling,
    ReadOnlyDatabase,
    SlowDatabase,
    SlowUpstream,
    StagedRelease,
    Stop,
    Stopped,
    Surge,
    UpstreamFault,
    WalletStall,
)

T = TypeVar("T", bound=Cause)
POOL_EMPTY = 0.05  # the share of statements that get no connection, for each second above one that each takes
NO_CONNECTION = 0.3  # the share of statements that find no connection where hardly any is left


class ActiveFaults:
    """The faults that hold, will hold or have held, in the order in which they were given; the newest counts.

    The scenario's own is the first of them. What is drawn for a fault comes from its own generator.
    """

    def __init__(self, drill_clock: DrillClock, scenario: DrillScenario, seed: int) -> None:
        self.drill_clock = drill_clock
        self.faults: list[Fault] = list(staged(scenario, seed))
        self._old_locks = scenario.leak is not None

    def add(self, fault: Fault) -> None:
        self.faults.append(fault)

    def clear(self, fault: Fault) -> None:
        """End it now, or keep it from beginning."""
        fault.ends_s = self.drill_clock.now()

    def causes(self) -> Iterator[Cause]:
        """All causes of all faults, whether they hold or not."""
        for fault in self.faults:
            yield from fault.causes

    def _now(self, kind: type[T]) -> Iterator[tuple[T, Fault]]:
        now_s = self.drill_clock.now()
        for fault in reversed(self.faults):
            for cause in fault.causes:
                if isinstance(cause, kind) and fault.holds(cause, now_s):
                    yield cause, fault

    def answers(self, provider: str, country: str) -> tuple[Answers, random.Random] | None:
        """How a provider's upstream misbehaves, and what draws its answers; None while it is well."""
        now_s = self.drill_clock.now()
        found = (pair for pair in self._now(UpstreamFault) if pair[0].concerns(provider, country))
        return next(((cause.answers_at(now_s), fault.draws) for cause, fault in found), None)

    def slowed(self, provider: str) -> float:
        """How many times as long as usual a provider takes."""
        now_s = self.drill_clock.now()
        factors = (each.factor_at(now_s) for each, _ in self._now(SlowUpstream) if each.provider in ("", provider))
        return math.prod(factors)

    def surge(self) -> float:
        """How many times as many as usual come."""
        now_s = self.drill_clock.now()
        return math.prod(each.factor_at(now_s) for each, _ in self._now(Surge))

    def release(self, image: str) -> StagedRelease | None:
        """What a release does wrong, whenever a pod runs it; None for one that is in order."""
        return next((each for each in self.causes() if isinstance(each, StagedRelease) and each.image == image), None)

    def poison(self) -> Iterator[PoisonEvents]:
        """What writes events that nobody can process."""
        yield from (cause for cause, _ in self._now(PoisonEvents))

    def database(self, *, write: bool) -> tuple[float, str]:
        """For the played past: how much longer a statement takes, in seconds, and why it fails, "" where it does not.
        Draws where connections are used up."""
        if self.server_down("postgres"):
            return 0.0, "connect ECONNREFUSED 10.96.0.12:5432"
        if write and any(True for _ in self._now(ReadOnlyDatabase)):
            return 0.0, "cannot execute UPDATE in a read-only transaction"
        for cause, fault in self._now(LeakedConnections):
            full = self.drill_clock.now() >= cause.begins_s + cause.over_s
            if full and fault.draws.random() < NO_CONNECTION:
                return 0.0, "remaining connection slots are reserved for roles with the SUPERUSER attribute"
        wait_s = 0.0
        for slow, fault in self._now(SlowDatabase):
            wait_s += slow.wait_s
            if fault.draws.random() < max(0.0, slow.wait_s - 1.0) * POOL_EMPTY:
                return 10.0, "Timed out fetching a new connection from the connection pool"
        return wait_s, ""

    def keyspace(self, *, write: bool) -> str:
        """For the played past: why Redis does not do it, or ""."""
        if self.server_down("redis"):
            return "connect ECONNREFUSED 10.96.0.13:6379"
        now_s = self.drill_clock.now()
        full = any(True for _ in self._now(FullMemory))
        full |= any(now_s >= cause.begins_s + cause.lasts_s for cause, _ in self._now(FillingMemory))
        return "OOM command not allowed when used memory > 'maxmemory'." if write and full else ""

    def statement_wait(self) -> float:
        """How much longer each statement takes, in seconds."""
        return sum(cause.wait_s for cause, _ in self._now(SlowDatabase))

    def stopped(self, loop: str) -> bool:
        return any(cause.loop == loop for cause, _ in self._now(Stop))

    def kills(self) -> bool:
        """Whether this purchase's process dies now. Draws where a fault asks for it."""
        return any([fault.draws.random() < cause.share for cause, fault in self._now(Kill)])

    def takes_old_lock(self) -> bool:
        """Whether purchases take the old lock too: from the first leak on they always do."""
        self._old_locks = self._old_locks or any(True for _ in self._now(LockLeak))
        return self._old_locks

    def leaks(self) -> bool:
        """Whether this purchase's process dies between SETNX and EXPIRE. Draws where a fault asks for it."""
        return any([fault.draws.random() < cause.share for cause, fault in self._now(LockLeak)])

    def stalls(self) -> bool:
        return any(True for _ in self._now(WalletStall))

    def shares(self, usual: Mapping[str, float], of: str) -> Mapping[str, float]:
        """The providers' shares of the "purchases" or the "visits", as far as a fault changes them."""
        changed = {cause.provider: getattr(cause, of) for cause, _ in self._now(Crowd)}
        return {**usual, **changed} if changed else usual

    def polls(self) -> dict[str, int]:
        """How many live numbers the worker polls now, by provider."""
        return {cause.provider: cause.numbers for cause, _ in self._now(Polling)}

    def best_route(self, usual: float) -> float:
        """The share of the customers who leave it to NexNum which provider sells."""
        return next((cause.share for cause, _ in self._now(BestRoute)), usual)

    def empty(self, provider: str) -> bool:
        """Whether our account there has run out."""
        return any(cause.provider == provider for cause, _ in self._now(EmptyAccount))

    def server_down(self, server: str) -> bool:
        """Whether "postgres", "redis" or "search" does not run."""
        return any(cause.server == server for cause, _ in self._now(Stopped))

    def misconfigured(self, booted: float) -> str:
        """What a process that was started then (epoch seconds) can't do for its configuration's sake, or ""."""
        found = (cause for cause, _ in self._now(ChangedConfig) if booted >= self.drill_clock.clock_at(cause.begins_s))
        return next((cause.breaks for cause in found if cause.breaks), "")

    def egress(self) -> Answers:
        """What every process gets where none reaches any upstream."""
        return next((cause.answers for cause, _ in self._now(EgressDown)), ())

    def cut_off(self) -> Answers:
        """What the pod gets that reaches no upstream; () while each reaches them."""
        return next((cause.answers for cause, _ in self._now(CutOffPod)), ())
