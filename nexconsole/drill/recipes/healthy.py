"""Nothing is wrong, though it looks like something."""

from __future__ import annotations

import random

from ..scenario_model import DrillScenario
from ..staged_causes import SlowUpstream, Surge, UpstreamAnswer, UpstreamFault
from .drawing import Recipe, ago, busy, provider
from .faults_drawn import few_mishaps, herring, innocent_release, no_answer

GROUP = "healthy"


def quiet_night(draws: random.Random) -> DrillScenario:
    mishaps = few_mishaps(ago(draws, 6, 20), round(draws.uniform(0.09, 0.14), 3))
    return DrillScenario(
        name="quiet-night",
        title="Hardly anybody buys at night, and some of the few fail by chance",
        expect="About four purchases a minute, of which here and there one fails, each for itself; no circuit is open.",
        group=GROUP,
        purchases_per_s=round(draws.uniform(0.055, 0.075), 3),
        browses_per_s=round(draws.uniform(0.3, 0.6), 2),
        faults=(mishaps,),
    )


def spike_that_is_over(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 8, 11)
    ends_s = begins_s + round(draws.uniform(45, 80), 1)
    spike = UpstreamFault(provider=name, begins_s=begins_s, answers=no_answer(draws, 0.9))
    return DrillScenario(
        name="spike-that-is-over",
        title="A provider was away for a minute, a while ago",
        expect=f"{name} failed for a minute and is well since; the five minutes that count are clean.",
        partly=(f"provider-unreachable {name}",),  # until its breakers let it sell again, nothing else can be seen
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(herring("provider-outage", spike, provider=name, ends_s=ends_s),),
    )


def busy_hour(draws: random.Random) -> DrillScenario:
    surge = Surge(
        begins_s=ago(draws, 4, 10), factor=round(draws.uniform(1.8, 2.4), 2), ramp_s=round(draws.uniform(30, 240))
    )
    return DrillScenario(
        name="busy-hour",
        title="Twice as many customers come as usual, and all are served",
        expect="Purchases and visits double; nothing waits, nothing fails beyond the usual; more pods may be started.",
        group=GROUP,
        purchases_per_s=round(draws.uniform(1.2, 1.6), 2),
        browses_per_s=3.0,
        faults=(herring("busy-day", surge),),
    )


def deploy_in_progress(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="deploy-in-progress",
        title="A release is being rolled out, and nothing fails",
        expect="Pods are replaced one after the other by ones of a newer image; purchases go on as before.",
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(innocent_release(draws, round(draws.uniform(4, 12), 1)),),
    )


def flapping_of_nobody(draws: random.Random) -> DrillScenario:
    name = provider(draws, "smsbower")
    cause = UpstreamFault(
        provider=name,
        begins_s=ago(draws, 9, 20),
        answers=((UpstreamAnswer.RESET, round(draws.uniform(0.9, 0.99), 3)),),
        period_s=round(draws.uniform(65, 95), 1),
        failing_s=round(draws.uniform(13, 20), 1),
    )
    return DrillScenario(
        name="flapping-of-nobody",
        title="A provider that nobody buys from comes and goes",
        expect=f"{name}'s circuit opens and closes again and again, and no purchase fails by it: nobody buys there.",
        group=GROUP,
        purchases_per_s=busy(draws),
        weights={name: 0.0},
        visits={name: 0.5},
        faults=(herring("flapping-circuit", cause, provider=name),),
    )


def sawtooth_latency(draws: random.Random) -> DrillScenario:
    name, period_s = provider(draws), round(draws.uniform(90, 200), 1)
    cause = SlowUpstream(
        provider=name,
        begins_s=ago(draws, 15, 25),
        factor=round(draws.uniform(2.2, 3.2), 2),
        ramp_s=period_s * 0.95,
        period_s=period_s,
    )
    return DrillScenario(
        name="sawtooth-latency",
        title="A provider's latency climbs and falls back, again and again",
        expect=f"{name} takes up to three times as long as usual, and falls back each time; nothing fails.",
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(herring("sawtooth", cause, provider=name),),
    )


RECIPES: tuple[Recipe, ...] = (
    quiet_night,
    spike_that_is_over,
    busy_hour,
    deploy_in_progress,
    flapping_of_nobody,
    sawtooth_latency,
)
