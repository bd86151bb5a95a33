"""The faults of the market: each scenario's own, and those that an instructor injects.

A fault defines causes, never figures: the market behaves by them, and every symptom follows. This module imports
nothing slow.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import DrillError
from .scenarios import (
    SCENARIOS,
    BestRoute,
    Cause,
    Crowd,
    DisabledBySql,
    DrillScenario,
    EmptyAccount,
    InCluster,
    Kill,
    LockLeak,
    Polling,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)

AtProvider = UpstreamFault | Crowd | Polling | DisabledBySql | EmptyAccount  # what happens at one provider
LASTING = Kill | LockLeak | Polling  # each has its own end


def generator(*seeds: object) -> random.Random:
    """A generator of its own for everything that is drawn: the same seeds give the same numbers."""
    return random.Random("/".join(map(str, seeds)))


class Fault:
    """One fault in one market. Times are drill time in seconds; `ends_s` is None for one that lasts."""

    def __init__(
        self, name: str, causes: tuple[Cause, ...], seed: int, *, provider: str = "", ends_s: float | None = None
    ) -> None:
        self.name = name
        self.causes = causes
        self.seed = seed
        self.provider = provider
        self.begins_s = min(cause.begins_s for cause in causes)
        self.ends_s = ends_s
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
        return not isinstance(cause, LASTING) or now_s < cause.begins_s + cause.lasts_s


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """A fault that can be injected: its causes from drill time 0 on, and what is true of it for the score.

    `scenarios` are the runbook's chapters that fit, by id. `helps` and `harms` are actions, with a target where only
    that one is meant; `{target}` stands for what the fault is about; nothing helps where it is for others to mend.
    `provider` is the usual one, "" where none is asked for. `asks` are steps of the runbook by id: somebody outside
    ends the fault when a console has answered one of them.
    """

    name: str
    title: str
    causes: Callable[[str], tuple[Cause, ...]]
    provider: str = ""
    scenarios: tuple[str, ...]
    helps: tuple[str, ...]
    harms: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


def _upstream(scenario: str, provider: str) -> UpstreamFault:
    return replace(SCENARIOS[scenario].upstream[0], provider=provider, begins_s=0)


def _flapping(provider: str) -> tuple[Cause, ...]:
    staged = SCENARIOS["flapping-circuit"]
    (purchases,), (visits,) = staged.weights.values(), staged.visits.values()
    crowd = Crowd(begins_s=0, provider=provider, purchases=purchases, visits=visits)
    return _upstream(staged.name, provider), crowd


def _more(scenario: str) -> Callable[[str], tuple[Cause, ...]]:
    """The scenario's further causes, at whichever provider."""

    def causes(provider: str) -> tuple[Cause, ...]:
        staged = SCENARIOS[scenario]
        own = (replace(cause, begins_s=0) for cause in staged.more)
        found = [
            replace(one, provider=provider) if isinstance(one, AtProvider) and one.provider else one for one in own
        ]
        if staged.best_route:
            found.append(BestRoute(begins_s=0, share=staged.best_route))
        return tuple(found)

    return causes


def _staged(cause: StagedRelease | WalletStall | LockLeak | None) -> Callable[[str], tuple[Cause, ...]]:
    assert cause is not None
    return lambda provider: (replace(cause, begins_s=0),)


_FAILING = "high-purchase-failure-rate"
_CIRCUIT = "provider-circuit-breaker-open"
_STUCK = "stuck-reservations"
_LAG = "outbox-worker-lag"
_SLOTS = "purchases-wait-for-slots"
_REFUSED = "customers-are-refused"
_CONNECTIONS = "database-connections-used-up"
_BLOCKED = "a-session-blocks-others"
_REDIS = "redis-takes-no-writes"
_KINDS = (
    FaultKind(
        name="provider-outage",
        title="a provider's upstream stops answering (--provider, else smsbower)",
        causes=lambda provider: (_upstream("provider-outage", provider),),
        provider="smsbower",
        scenarios=(_FAILING, _CIRCUIT),
        helps=("provider.disable {target}", "circuit.open {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.close"),
    ),
    FaultKind(
        name="flapping-circuit",
        title="a provider comes and goes while many look at its prices (--provider, else tiger-sms)",
        causes=_flapping,
        provider="tiger-sms",
        scenarios=(_CIRCUIT,),
        helps=("provider.disable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.close"),
    ),
    FaultKind(
        name="database-stall",
        title="a forgotten transaction holds most wallets",
        causes=_staged(SCENARIOS["database-stall"].stall),
        scenarios=(_BLOCKED, _FAILING, _STUCK),
        helps=("backend.terminate {target}",),
        harms=("backend.terminate", "provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
    ),
    FaultKind(
        name="outbox-poison",
        title="a release is rolled out that can't read some events (cleared by going back to the one before)",
        causes=_staged(SCENARIOS["outbox-poison"].release),
        scenarios=(_LAG,),
        helps=("rollout.undo", "outbox.retry"),
        harms=("provider.disable", "pods.restart"),
    ),
    FaultKind(
        name="outbox-stopped",
        title="nothing consumes the outbox any more",
        causes=lambda provider: (Stop(begins_s=0, loop="outbox"),),
        scenarios=(_LAG,),
        helps=("outbox.process",),
        harms=("provider.disable", "pods.restart"),
    ),
    FaultKind(
        name="reconciler-stopped",
        title="purchases are killed in the middle for four minutes, and nothing frees them",
        causes=lambda provider: (Stop(begins_s=0, loop="reconciler"), Kill(begins_s=0, share=0.25, lasts_s=240)),
        scenarios=(_STUCK,),
        helps=("reconcile.run",),
        harms=("provider.disable", "pods.restart"),
    ),
    FaultKind(
        name="stale-locks",
        title="for ten minutes purchases leave locks without an end behind, which keep their customers out",
        causes=_staged(SCENARIOS["stale-locks"].leak),
        scenarios=("flush-abandoned-locks",),
        helps=("locks.flush",),
        harms=("provider.disable", "pods.restart"),
    ),
    FaultKind(
        name="slot-starvation",
        title="polling takes a provider's slots: purchases there wait, and all go there (--provider, else smsbower)",
        causes=_more("slot-starvation"),
        provider="smsbower",
        scenarios=(_SLOTS,),
        helps=("slots.clear {target}", "provider.disable {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open", "circuit.close"),
    ),
    FaultKind(
        name="best-route-blackout",
        title="somebody disables a provider by SQL: best route finds nothing (--provider, else smsbower)",
        causes=_more("best-route-blackout"),
        provider="smsbower",
        scenarios=(_REFUSED,),
        helps=("provider.enable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
    ),
    FaultKind(
        name="balance-empty",
        title="our balance at a provider runs out (--provider, else smsbower)",
        causes=_more("balance-empty"),
        provider="smsbower",
        scenarios=(_FAILING,),
        helps=("provider.disable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open"),
        asks=("topped-up-by", "refilled-by"),
    ),
    FaultKind(
        name="html-answers",
        title="a provider's upstream answers with a page instead of data (--provider, else smsbower)",
        causes=lambda provider: (UpstreamFault(provider=provider, begins_s=0, answers=((UpstreamAnswer.HTML, 0.9),)),),
        provider="smsbower",
        scenarios=(_FAILING,),
        helps=("provider.disable {target}", "circuit.open {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
    ),
    FaultKind(
        name="search-down",
        title="Meilisearch does not run: no offer is found, and outbox events fail",
        causes=_more("search-down"),
        scenarios=(_REFUSED, _LAG),
        helps=("outbox.retry",),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
        asks=("search-owner", "index-owner"),
    ),
    FaultKind(
        name="one-bad-pod",
        title="the oldest pod reaches no upstream any more",
        causes=_more("one-bad-pod"),
        scenarios=(_FAILING, _CIRCUIT),
        helps=("pods.restart {target}", "pods.restart"),
        harms=("provider.disable", "rollout.undo", "circuit.open"),
    ),
    FaultKind(
        name="connections-exhausted",
        title="pods keep database connections that they never use again",
        causes=_more("connections-exhausted"),
        scenarios=(_CONNECTIONS,),
        helps=("pods.restart", "backend.terminate"),
        harms=("provider.disable", "deployment.scale"),
    ),
    FaultKind(
        name="redis-full",
        title="Redis has used up its memory: it takes no write",
        causes=_more("redis-full"),
        scenarios=(_REDIS,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "locks.flush"),
        asks=("memory-by",),
    ),
    FaultKind(
        name="bad-release",
        title="a release is rolled out with which most purchases fail (cleared by going back to the one before)",
        causes=_staged(SCENARIOS["bad-release"].release),
        scenarios=(_FAILING,),
        helps=("rollout.undo",),
        harms=("provider.disable", "pods.restart", "circuit.open"),
    ),
    FaultKind(
        name="best-route",
        title="most customers leave it to NexNum which provider sells",
        causes=lambda provider: (BestRoute(begins_s=0, share=0.8),),
        scenarios=(),
        helps=(),
    ),
    FaultKind(
        name="foreign-pods",
        title="evicted, finished, canary, debug and stuck pods carry the deployment's labels",
        causes=lambda provider: (InCluster(begins_s=0, what="strangers"),),
        scenarios=(),
        helps=(),
    ),
    FaultKind(
        name="sidecar",
        title="the pods get a mesh's proxy as their first container (they are replaced)",
        causes=lambda provider: (InCluster(begins_s=0, what="sidecar"),),
        scenarios=(),
        helps=(),
    ),
    FaultKind(
        name="change-freeze",
        title="an admission webhook denies every change in the cluster",
        causes=lambda provider: (InCluster(begins_s=0, what="freeze"),),
        scenarios=(),
        helps=(),
    ),
    FaultKind(
        name="hanging-kubelet",
        title="one node's kubelet sends no log lines any more",
        causes=lambda provider: (InCluster(begins_s=0, what="hanging"),),
        scenarios=(),
        helps=(),
    ),
    FaultKind(
        name="database-down",
        title="PostgreSQL does not run; it comes back with its data",
        causes=lambda provider: (Stopped(begins_s=0, server="postgres"),),
        scenarios=(_FAILING,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
    ),
    FaultKind(
        name="redis-down",
        title="Redis does not run; it comes back empty",
        causes=lambda provider: (Stopped(begins_s=0, server="redis"),),
        scenarios=(_FAILING,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
    ),
)
KINDS = {kind.name: kind for kind in _KINDS}


def kind_named(name: str) -> FaultKind:
    """The kind of this name. Raises DrillError listing the names."""
    if name not in KINDS:
        raise DrillError(f"There is no fault named {name!r}; choose one of: {', '.join(KINDS)}.")
    return KINDS[name]


def injected(name: str, *, begins_s: float, seed: int, provider: str = "", ends_s: float | None = None) -> Fault:
    """A fault of this kind from `begins_s` on. Raises DrillError for an unknown one."""
    kind = kind_named(name)
    if provider and not kind.provider:
        raise DrillError(f"{name} is no provider's fault: leave --provider out.")
    provider = provider or kind.provider
    causes = tuple(replace(cause, begins_s=begins_s) for cause in kind.causes(provider))
    return Fault(name, causes, seed, provider=provider, ends_s=ends_s)


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
    return own + tuple(Fault(f.kind, f.causes, seed, provider=f.provider, ends_s=f.ends_s) for f in scenario.faults)
