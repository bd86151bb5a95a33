"""The faults of a market: each with its causes, its time and its own generator.

A fault defines causes, never figures: the market behaves by them, and every symptom follows. This module imports
nothing slow.
"""

from __future__ import annotations

import random

from .scenario_model import DrillScenario
from .staged_causes import (
    Cause,
    Crowd,
    DisabledBySql,
    EmptyAccount,
    Kill,
    LockLeak,
    Polling,
    SlowUpstream,
    Stop,
    Stopped,
    UpstreamFault,
)

# what happens at one provider
AtProvider = UpstreamFault | SlowUpstream | Crowd | Polling | DisabledBySql | EmptyAccount
LASTING = Kill | LockLeak | Polling  # each has its own end


def generator(*seeds: object) -> random.Random:
    """A generator of its own for everything that is drawn: the same seeds give the same numbers."""
    return random.Random("/".join(map(str, seeds)))


class Fault:
    """One fault in one market. Times are drill time in seconds; `ends_s` is None for one that lasts."""

    def __init__(
        self,
        name: str,
        causes: tuple[Cause, ...],
        seed: int,
        *,
        provider: str = "",
        ends_s: float | None = None,
        herring: bool = False,
    ) -> None:
        self.name = name
        self.causes = causes
        self.seed = seed
        self.provider = provider
        self.begins_s = min(cause.begins_s for cause in causes)
        self.ends_s = ends_s
        self.herring = herring  # it is there to mislead
        self.draws = generator(seed, name, provider)

    def __str__(self) -> str:
        return f"{self.name} at {self.provider}" if self.provider else self.name

    def ended(self, now_s: float) -> bool:
        return self.ends_s is not None and now_s >= self.ends_s

    def holds(self, cause: Cause, now_s: float) -> bool:
        """Whether this cause of its works now."""
        if now_s < cause.begins_s or self.ended(now_s):
            return False
        if isinstance(cause, UpstreamFault):
            return cause.holds(now_s)
        if isinstance(cause, Stopped):
            return cause.back_s is None or now_s < cause.begins_s + cause.back_s
        return not isinstance(cause, LASTING) or now_s < cause.begins_s + cause.lasts_s


def staged(scenario: DrillScenario, seed: int) -> tuple[Fault, ...]:
    """The scenario's faults, its own first, with the times that it states; none where all is well."""
    causes: list[Cause] = [*scenario.upstream, *scenario.more]
    causes += filter(None, (scenario.release, scenario.stall, scenario.leak))
    if scenario.outbox_stops_s is not None:
        causes.append(Stop(begins_s=scenario.outbox_stops_s, loop="outbox"))
    if scenario.reconciler_stops_s is not None:
        causes.append(Stop(begins_s=scenario.reconciler_stops_s, loop="reconciler"))
    if scenario.killed:
        lasts_s = scenario.history_s + scenario.killed_until_s
        causes.append(Kill(begins_s=-scenario.history_s, share=scenario.killed, lasts_s=lasts_s))
    provider = next((cause.provider for cause in causes if isinstance(cause, AtProvider) and cause.provider), "")
    own = (Fault(scenario.name, tuple(causes), seed, provider=provider),) if causes else ()
    return own + tuple(
        Fault(f.kind, f.causes, seed, provider=f.provider, ends_s=f.ends_s, herring=f.herring) for f in scenario.faults
    )
