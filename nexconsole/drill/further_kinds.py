"""Further faults that can be injected, by what they are about."""

from __future__ import annotations

from .kind_model import CIRCUIT, FAILING, FaultKind
from .server_kinds import BACKGROUND, CLUSTER, SERVERS
from .staged_causes import Cause, Crowd, EgressDown, SlowUpstream, UpstreamAnswer, UpstreamFault

_UPSTREAM_HELPS = ("provider.disable {target}",)
_UPSTREAM_HARMS = ("provider.disable", "pods.restart", "rollout.undo")


def answering(answer: UpstreamAnswer, share: float, provider: str) -> tuple[Cause, ...]:
    return (UpstreamFault(provider=provider, begins_s=0, answers=((answer, share),)),)


_AT_PROVIDERS = (
    FaultKind(
        name="provider-errors",
        title="a provider answers with 503 (--provider, else smsbower)",
        causes=lambda provider: answering(UpstreamAnswer.UNAVAILABLE, 0.97, provider),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=_UPSTREAM_HELPS,
        harms=_UPSTREAM_HARMS,
        truth=("provider-unreachable {target}",),
        group="providers",
    ),
    FaultKind(
        name="rate-limited",
        title="a provider answers with 429: too many requests (--provider, else smsbower)",
        causes=lambda provider: answering(UpstreamAnswer.RATE_LIMITED, 0.97, provider),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=_UPSTREAM_HELPS,
        harms=_UPSTREAM_HARMS,
        truth=("provider-limits-rate {target}",),
        group="providers",
    ),
    FaultKind(
        name="slow-provider",
        title="a provider gets slower and slower, until its answers time out (--provider, else smsbower)",
        causes=lambda provider: (SlowUpstream(provider=provider, begins_s=0, factor=16.0, ramp_s=240.0),),
        provider="smsbower",
        scenarios=(FAILING, CIRCUIT),
        helps=(*_UPSTREAM_HELPS, "circuit.open {target}"),
        harms=_UPSTREAM_HARMS,
        truth=("provider-slow {target}",),
        group="providers",
    ),
    FaultKind(
        name="key-refused",
        title="a provider refuses our key (--provider, else smsbower)",
        causes=lambda provider: answering(UpstreamAnswer.BAD_KEY, 1.0, provider),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=_UPSTREAM_HELPS,
        harms=_UPSTREAM_HARMS,
        truth=("provider-key-refused {target}",),
        group="providers",
    ),
    FaultKind(
        name="out-of-stock",
        title="a provider has no numbers to sell (--provider, else smsbower)",
        causes=lambda provider: answering(UpstreamAnswer.NO_NUMBERS, 0.96, provider),
        provider="smsbower",
        scenarios=(FAILING,),
        helps=_UPSTREAM_HELPS,
        harms=(*_UPSTREAM_HARMS, "circuit.open"),
        truth=("out-of-stock {target}",),
        group="providers",
    ),
    FaultKind(
        name="country-out",
        title="no provider has numbers of India",
        causes=lambda provider: (
            UpstreamFault(provider="", begins_s=0, answers=((UpstreamAnswer.NO_NUMBERS, 0.97),), countries=("91",)),
        ),
        scenarios=(FAILING,),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open"),
        truth=("country-out India",),
        group="providers",
    ),
    FaultKind(
        name="egress-down",
        title="no pod reaches any provider",
        causes=lambda provider: (
            EgressDown(begins_s=0, answers=((UpstreamAnswer.TIMEOUT, 0.7), (UpstreamAnswer.RESET, 0.3))),
        ),
        scenarios=(FAILING, CIRCUIT),
        helps=(),
        harms=("provider.disable", "pods.restart", "rollout.undo", "circuit.open"),
        truth=("egress-down",),
        group="providers",
    ),
)
_HARMLESS = (
    FaultKind(
        name="sawtooth",
        title="a provider's latency climbs and falls back, and nothing fails (--provider, else smsbower)",
        causes=lambda provider: (
            SlowUpstream(provider=provider, begins_s=0, factor=3.0, ramp_s=110.0, period_s=120.0),
        ),
        provider="smsbower",
        scenarios=(),
        helps=(),
        group="healthy",
    ),
    FaultKind(
        name="few-mishaps",
        title="now and then a provider has just sold its last number",
        causes=lambda provider: (UpstreamFault(provider="", begins_s=0, answers=((UpstreamAnswer.NO_NUMBERS, 0.08),)),),
        scenarios=(),
        helps=(),
        group="healthy",
    ),
    FaultKind(
        name="crowd",
        title="half of the customers want one provider (--provider, else 5sim)",
        causes=lambda provider: (Crowd(begins_s=0, provider=provider, purchases=0.5, visits=0.6),),
        provider="5sim",
        scenarios=(),
        helps=(),
        group="misleading",
    ),
    FaultKind(
        name="unused-circuit",
        title="a provider that nobody buys from does not answer (--provider, else grizzlysms)",
        causes=lambda provider: (
            UpstreamFault(provider=provider, begins_s=0, answers=((UpstreamAnswer.RESET, 0.97),)),
            Crowd(begins_s=0, provider=provider, purchases=0.0, visits=0.15),
        ),
        provider="grizzlysms",
        scenarios=(),
        helps=(),
        group="misleading",
    ),
)
FURTHER = (*_AT_PROVIDERS, *SERVERS, *CLUSTER, *BACKGROUND, *_HARMLESS)
