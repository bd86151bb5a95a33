"""A scenario: the causes of a drill, and what is true of it.

Times are seconds relative to the moment at which the drill starts; the past is negative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .staged_causes import Cause, LockLeak, Staged, StagedRelease, UpstreamFault, WalletStall

HISTORY_S = 1800.0
SLOT_S = 0.1  # between two purchases' calls of a provider: closer than the real 2 s, so that a drill's customers fit
BROWSES_PER_S = 5.0  # price checks, which call the provider through the pod's breaker too


@dataclass(frozen=True, kw_only=True)
class StagedFault:
    """One fault of a scenario, with its own causes. `kind` is its name among those that can be injected (faults.KINDS).

    `shows_after_s`: how long after its first cause the first symptom can show. `herring`: it is there to mislead, and
    nothing follows from it. `ends_s`: when it is over (None: it lasts).
    """

    kind: str
    causes: tuple[Cause, ...]
    provider: str = ""
    shows_after_s: float = 0.0
    herring: bool = False
    ends_s: float | None = None

    @property
    def begins_s(self) -> float:
        return min(cause.begins_s for cause in self.causes)


@dataclass(frozen=True, kw_only=True)
class DrillScenario:
    """What is staged; `expect` says what the console should show.

    `truth` are the causes that are at work, by the runbook's ids, with the target where there is one
    ("provider-unreachable smsbower"); none where nothing is wrong. `faults` are further faults. `shows_after_s`: how
    long after the first of its other causes the first symptom can show. `missing` are sources that the console can't
    read: "prometheus", "kubernetes" (it does not answer), "rights" (it grants none), "logs", "redis". `group` sorts
    the list. `partly` are causes that are true for a while, or in part. `held_back`: the rules were made without it.
    """

    name: str
    title: str
    expect: str
    history_s: float = HISTORY_S
    purchases_per_s: float = 1.6
    browses_per_s: float = BROWSES_PER_S
    abandoned: float = 0.002  # share of purchases whose process dies in the middle
    killed: float = 0.0  # the same, in addition, until `killed_until_s`: a spell that is over
    killed_until_s: float = 0.0
    upstream: tuple[UpstreamFault, ...] = ()
    release: StagedRelease | None = None
    outbox_stops_s: float | None = None
    reconciler_stops_s: float | None = None
    stall: WalletStall | None = None
    leak: LockLeak | None = None
    more: tuple[Staged, ...] = ()
    eras: tuple[str, ...] = ("head", "old")
    best_route: float = 0.0  # share of the customers who leave it to NexNum which provider sells
    slot_s: float = SLOT_S
    weights: dict[str, float] = field(default_factory=dict)  # a provider's share of the purchases, where it differs
    visits: dict[str, float] = field(default_factory=dict)  # and of the price checks
    truth: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    faults: tuple[StagedFault, ...] = ()
    shows_after_s: float = 0.0
    missing: tuple[str, ...] = ()
    group: str = "documented"
    held_back: bool = False
