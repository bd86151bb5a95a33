"""The faults that an instructor injects, by name. This module imports nothing slow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import DrillError
from .documented import DOCUMENTED
from .faults import AtProvider, Fault
from .further_kinds import FURTHER
from .kind_model import BLOCKED, CIRCUIT, CONNECTIONS, FAILING, LAG, LOCKS, REDIS, REFUSED, SLOTS, STUCK, FaultKind
from .staged_causes import (
    BestRoute,
    Cause,
    Crowd,
    InCluster,
    Kill,
    LockLeak,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)

SCENARIOS = {scenario.name: scenario for scenario in DOCUMENTED}


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


_DOCUMENTED = (
    FaultKind(
        name="provider-outage",
        title="a provider's upstream stops answering (--provider, else smsbower)",
        causes=lambda provider: (_upstream("provider-outage", provider),),
        provider="smsbower",
        scenarios=(FAILING, CIRCUIT),
        helps=("provider.disable {target}", "circuit.open {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.close"),
        truth=("provider-unreachable {target}",),
    ),
    FaultKind(
        name="flapping-circuit",
        title="a provider comes and goes while many look at its prices (--provider, else tiger-sms)",
        causes=_flapping,
        provider="tiger-sms",
        scenarios=(CIRCUIT,),
        helps=("provider.disable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.close"),
        truth=("provider-flaps {target}",),
    ),
    FaultKind(
        name="database-stall",
        title="a forgotten transaction holds most wallets",
        causes=_staged(SCENARIOS["database-stall"].stall),
        scenarios=(BLOCKED, FAILING, STUCK),
        helps=("backend.terminate {target}",),
        harms=("backend.terminate", "provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
        truth=("session-blocks",),
    ),
    FaultKind(
        name="outbox-poison",
        title="a release is rolled out that can't read some events (cleared by going back to the one before)",
        causes=_staged(SCENARIOS["outbox-poison"].release),
        scenarios=(LAG,),
        helps=("rollout.undo", "outbox.retry"),
        harms=("provider.disable", "pods.restart"),
        truth=("release-breaks-outbox",),
    ),
    FaultKind(
        name="outbox-stopped",
        title="nothing consumes the outbox any more",
        causes=lambda provider: (Stop(begins_s=0, loop="outbox"),),
        scenarios=(LAG,),
        helps=("outbox.process",),
        harms=("provider.disable", "pods.restart"),
        truth=("outbox-stopped",),
    ),
    FaultKind(
        name="reconciler-stopped",
        title="purchases are killed in the middle for four minutes, and nothing frees them",
        causes=lambda provider: (Stop(begins_s=0, loop="reconciler"), Kill(begins_s=0, share=0.25, lasts_s=240)),
        scenarios=(STUCK,),
        helps=("reconcile.run",),
        harms=("provider.disable", "pods.restart"),
        truth=("reconciler-stopped",),
    ),
    FaultKind(
        name="stale-locks",
        title="for ten minutes purchases leave locks without an end behind, which keep their customers out",
        causes=_staged(SCENARIOS["stale-locks"].leak),
        scenarios=(LOCKS,),
        helps=("locks.flush",),
        harms=("provider.disable", "pods.restart"),
        truth=("orphaned-locks",),
    ),
    FaultKind(
        name="slot-starvation",
        title="polling takes a provider's slots: purchases there wait, and all go there (--provider, else smsbower)",
        causes=_more("slot-starvation"),
        provider="smsbower",
        scenarios=(SLOTS,),
        helps=("slots.clear {target}", "provider.disable {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open", "circuit.close"),
        truth=("slots-taken {target}",),
    ),
    FaultKind(
        name="best-route-blackout",
        title="somebody disables a provider by SQL: best route finds nothing (--provider, else smsbower)",
        causes=_more("best-route-blackout"),
        provider="smsbower",
        scenarios=(REFUSED,),
        helps=("provider.enable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
        truth=("provider-disabled {target}",),
    ),
    FaultKind(
        name="balance-empty",
        title="our balance at a provider runs out (--provider, else smsbower)",
        causes=_more("balance-empty"),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=("provider.disable {target}",),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open"),
        asks=("topped-up-by", "refilled-by"),
        truth=("balance-used-up {target}",),
    ),
    FaultKind(
        name="html-answers",
        title="a provider's upstream answers with a page instead of data (--provider, else smsbower)",
        causes=lambda provider: (UpstreamFault(provider=provider, begins_s=0, answers=((UpstreamAnswer.HTML, 0.9),)),),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=("provider.disable {target}", "circuit.open {target}"),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
        truth=("provider-answers-nonsense {target}",),
    ),
    FaultKind(
        name="search-down",
        title="Meilisearch does not run: no offer is found, and outbox events fail",
        causes=_more("search-down"),
        scenarios=(REFUSED, LAG),
        helps=("outbox.retry",),
        harms=("provider.disable", "pods.restart", "rollout.undo"),
        asks=("search-owner", "index-owner"),
        truth=("search-down",),
    ),
    FaultKind(
        name="one-bad-pod",
        title="the oldest pod reaches no upstream any more",
        causes=_more("one-bad-pod"),
        scenarios=(FAILING, CIRCUIT),
        helps=("pods.restart {target}", "pods.restart"),
        harms=("provider.disable", "rollout.undo", "circuit.open"),
        truth=("pod-cut-off",),
    ),
    FaultKind(
        name="connections-exhausted",
        title="pods keep database connections that they never use again",
        causes=_more("connections-exhausted"),
        scenarios=(CONNECTIONS,),
        helps=("pods.restart", "backend.terminate"),
        harms=("provider.disable", "deployment.scale"),
        truth=("connections-used-up",),
    ),
    FaultKind(
        name="redis-full",
        title="Redis has used up its memory: it takes no write",
        causes=_more("redis-full"),
        scenarios=(REDIS,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "locks.flush"),
        asks=("memory-by",),
        truth=("redis-full",),
    ),
    FaultKind(
        name="bad-release",
        title="a release is rolled out with which most purchases fail (cleared by going back to the one before)",
        causes=_staged(SCENARIOS["bad-release"].release),
        scenarios=(FAILING,),
        helps=("rollout.undo",),
        harms=("provider.disable", "pods.restart", "circuit.open"),
        truth=("bad-release",),
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
        scenarios=(FAILING,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
        truth=("database-down",),
    ),
    FaultKind(
        name="redis-down",
        title="Redis does not run; it comes back empty",
        causes=lambda provider: (Stopped(begins_s=0, server="redis"),),
        scenarios=(FAILING,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "deployment.scale"),
        truth=("redis-down",),
    ),
)
KINDS = {kind.name: kind for kind in (*_DOCUMENTED, *FURTHER)}


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
