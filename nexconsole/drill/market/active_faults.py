"""The active faults of a market, which its parts ask before they act."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import TypeVar

from ..drill_clock import DrillClock
from ..faults import Fault, staged
from ..scenarios import (
    Answers,
    BestRoute,
    Cause,
    Crowd,
    CutOffPod,
    DrillScenario,
    EmptyAccount,
    Kill,
    LockLeak,
    Polling,
    Stop,
    Stopped,
    UpstreamFault,
    WalletStall,
)

T = TypeVar("T", bound=Cause)


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

    def _now(self, kind: type[T]) -> Iterator[tuple[T, Fault]]:
        now_s = self.drill_clock.now()
        for fault in reversed(self.faults):
            for cause in fault.causes:
                if isinstance(cause, kind) and fault.holds(cause, now_s):
                    yield cause, fault

    def answers(self, provider: str) -> tuple[Answers, random.Random] | None:
        """How a provider's upstream misbehaves, and what draws its answers; None while it is well."""
        found = (pair for pair in self._now(UpstreamFault) if pair[0].provider == provider)
        return next(((cause.answers, fault.draws) for cause, fault in found), None)

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

    def search_down(self) -> bool:
        return any(cause.server == "search" for cause, _ in self._now(Stopped))

    def cut_off(self) -> Answers:
        """What the pod gets that reaches no upstream; () while each reaches them."""
        return next((cause.answers for cause, _ in self._now(CutOffPod)), ())
