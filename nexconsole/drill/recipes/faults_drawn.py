"""Single faults with drawn figures, of which scenarios are put together. `begins_s` is drill time."""

from __future__ import annotations

import random

from ..cluster_causes import ChangedConfig, EditedProvider, RestartedPod
from ..scenario_model import StagedFault
from ..staged_causes import (
    Answers,
    Cause,
    DisabledBySql,
    EmptyAccount,
    LeakedConnections,
    LockLeak,
    SlowUpstream,
    StagedRelease,
    Stop,
    Stopped,
    Surge,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)

HARMLESS_KEYS = (("LOG_LEVEL", "debug"), ("OUTBOX_BATCH", "25"), ("FEATURE_BANNER", "black-friday"))


def staged(kind: str, *causes: Cause, provider: str = "", shows_after_s: float = 0.0) -> StagedFault:
    return StagedFault(kind=kind, causes=causes, provider=provider, shows_after_s=shows_after_s)


def herring(kind: str, cause: Cause, *, provider: str = "", ends_s: float | None = None) -> StagedFault:
    """Something that nothing follows from."""
    return StagedFault(kind=kind, causes=(cause,), provider=provider, herring=True, ends_s=ends_s)


def answering(kind: str, name: str, begins_s: float, *answers: tuple[UpstreamAnswer, float]) -> StagedFault:
    """A provider that gives these answers from now on."""
    return staged(kind, UpstreamFault(provider=name, begins_s=begins_s, answers=answers), provider=name)


def no_answer(draws: random.Random, share: float = 1.0) -> Answers:
    """Time-outs and refused connections, in a drawn mixture."""
    timeouts = round(draws.uniform(0.5, 0.8), 3)
    return (UpstreamAnswer.TIMEOUT, round(timeouts * share, 3)), (
        UpstreamAnswer.RESET,
        round((1 - timeouts) * share, 3),
    )


def outage(draws: random.Random, name: str, begins_s: float) -> StagedFault:
    answers = no_answer(draws, round(draws.uniform(0.93, 1.0), 3))
    return staged("provider-outage", UpstreamFault(provider=name, begins_s=begins_s, answers=answers), provider=name)


def empty_account(name: str, begins_s: float) -> StagedFault:
    return staged("balance-empty", EmptyAccount(begins_s=begins_s, provider=name), provider=name)


def disabled(name: str, begins_s: float) -> StagedFault:
    return staged("best-route-blackout", DisabledBySql(begins_s=begins_s, provider=name), provider=name)


def stall(draws: random.Random, begins_s: float) -> StagedFault:
    return staged("database-stall", WalletStall(begins_s=begins_s, share=round(draws.uniform(0.55, 0.85), 3)))


def search_down(begins_s: float) -> StagedFault:
    return staged("search-down", Stopped(begins_s=begins_s, server="search"))


def outbox_stopped(begins_s: float) -> StagedFault:
    return staged("outbox-stopped", Stop(begins_s=begins_s, loop="outbox"), shows_after_s=60.0)


def leaking_connections(begins_s: float, over_s: float) -> StagedFault:
    cause = LeakedConnections(begins_s=begins_s, leaves=3, over_s=over_s)
    return staged("connections-leak", cause, shows_after_s=over_s * 0.85)


def leaking_locks(draws: random.Random, begins_s: float, share: float) -> StagedFault:
    cause = LockLeak(begins_s=begins_s, lasts_s=3600.0, share=share)
    return staged("slow-lock-leak", cause, shows_after_s=round(draws.uniform(60, 90)))


def bad_release(draws: random.Random, begins_s: float) -> StagedFault:
    version = f"1.{draws.randrange(5, 9)}.{draws.randrange(0, 4)}"
    cause = StagedRelease(
        image=f"ghcr.io/nexnum/nexnum-app:{version}", begins_s=begins_s, misasks=round(draws.uniform(0.4, 0.8), 3)
    )
    return staged("bad-release", cause, shows_after_s=10.0)


def innocent_release(draws: random.Random, begins_s: float) -> StagedFault:
    image = f"ghcr.io/nexnum/nexnum-app:1.4.{draws.randrange(3, 9)}"
    return herring("innocent-release", StagedRelease(image=image, begins_s=begins_s))


def innocent_config(draws: random.Random, begins_s: float) -> StagedFault:
    key, value = draws.choice(HARMLESS_KEYS)
    return herring("innocent-config", ChangedConfig(begins_s=begins_s, key=key, value=value))


def edited(draws: random.Random, name: str, begins_s: float) -> StagedFault:
    cause = EditedProvider(begins_s=begins_s, provider=name, priority=draws.randrange(6, 20))
    return herring("provider-edited", cause, provider=name)


def restarted(begins_s: float) -> StagedFault:
    return herring("pod-restarted", RestartedPod(begins_s=begins_s))


def rotated_secret(begins_s: float) -> StagedFault:
    """Pods read it at their next start, and it is right."""
    return herring("innocent-config", ChangedConfig(begins_s=begins_s, key="JWT_SECRET", value="x", secret=True))


def busy_day(draws: random.Random, begins_s: float) -> StagedFault:
    factor, ramp_s = round(draws.uniform(1.5, 1.9), 2), round(draws.uniform(40, 120))
    return herring("busy-day", Surge(begins_s=begins_s, factor=factor, ramp_s=ramp_s))


def sawtooth(draws: random.Random, name: str, begins_s: float) -> StagedFault:
    factor, period_s = round(draws.uniform(1.8, 2.6), 2), round(draws.uniform(80, 150), 1)
    cause = SlowUpstream(provider=name, begins_s=begins_s, factor=factor, ramp_s=period_s * 0.9, period_s=period_s)
    return herring("sawtooth", cause, provider=name)


def unused_circuit(name: str, begins_s: float) -> StagedFault:
    """A circuit that is open at a provider of which nobody buys: give it no weight."""
    away = UpstreamFault(provider=name, begins_s=begins_s, answers=((UpstreamAnswer.RESET, 0.97),))
    return herring("unused-circuit", away, provider=name)


def few_mishaps(begins_s: float, share: float) -> StagedFault:
    """Now and then a number has just been sold, at any provider."""
    answers = ((UpstreamAnswer.NO_NUMBERS, share),)
    return herring("few-mishaps", UpstreamFault(provider="", begins_s=begins_s, answers=answers))
