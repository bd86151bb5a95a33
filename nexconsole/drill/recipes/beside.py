"""Something stands beside the cause: a change, an old trouble, or a second cause."""

from __future__ import annotations

import random

from ..cluster_causes import CrashingPods, LyingAlert
from ..scenario_model import DrillScenario
from ..staged_causes import (
    SlowUpstream,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
)
from .drawing import Recipe, ago, busy, loaded, provider
from .faults_drawn import (
    answering,
    disabled,
    edited,
    herring,
    innocent_config,
    innocent_release,
    leaking_connections,
    outage,
    outbox_stopped,
    restarted,
    staged,
    unused_circuit,
)

GROUP = "mixed"


def one_provider_after_another(draws: random.Random) -> DrillScenario:
    first = provider(draws)
    second = provider(draws, first)
    unavailable = (UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 1.0), 3))
    return DrillScenario(
        name="one-provider-after-another",
        title="Two providers fail, one after the other",
        expect=f"{first} answers nobody; {second} answers 503.",
        truth=(f"provider-unreachable {first}", f"provider-unreachable {second}"),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights={**loaded(draws, first), **loaded(draws, second)},
        faults=(
            outage(draws, first, ago(draws, 4, 8)),
            answering("provider-errors", second, ago(draws, 2, 3.5), unavailable),
        ),
    )


def release_before_a_dead_database(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 0.5, 2)
    return DrillScenario(
        name="release-before-a-dead-database",
        title="Nobody can buy, minutes after a release",
        expect="PostgreSQL does not run; the release is well.",
        truth=("database-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("database-down", Stopped(begins_s=begins_s, server="postgres")),
            innocent_release(draws, begins_s - round(draws.uniform(150, 400), 1)),
        ),
    )


def out_of_stock_and_outbox(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="out-of-stock-and-outbox",
        title="One provider sells nothing, and the outbox grows",
        expect=f"{name} has no numbers in any country; nothing consumes the outbox.",
        truth=(f"out-of-stock {name}", "outbox-stopped"),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            answering("out-of-stock", name, ago(draws, 3, 7), (UpstreamAnswer.NO_NUMBERS, 0.96)),
            outbox_stopped(ago(draws, 5, 9)),
        ),
    )


def restart_and_edit(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="restart-and-edit",
        title="A pod ran out of memory, and somebody edited a provider",
        expect="Nothing is wrong: the pod is back, and the edit changes no sale.",
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            restarted(ago(draws, 2, 5)),
            edited(draws, provider(draws), ago(draws, 1, 8)),
        ),
    )


def config_before_a_dead_redis(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 0.7, 3)
    return DrillScenario(
        name="config-before-a-dead-redis",
        title="Nobody can buy, right after a change of the configuration",
        expect="Redis does not run; no pod has read the change.",
        truth=("redis-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("redis-down", Stopped(begins_s=begins_s, server="redis")),
            innocent_config(draws, begins_s - round(draws.uniform(20, 150), 1)),
        ),
    )


def poisoning_release_and_a_lie(draws: random.Random) -> DrillScenario:
    release = StagedRelease(
        image=f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.1",
        begins_s=ago(draws, 5, 10),
        refuses=frozenset({draws.choice(("offer.restocked", "activation.provider_request"))}),
    )
    lie = LyingAlert(begins_s=ago(draws, 2, 4), alert="PaymentLatencyHigh", summary="The 99th percentile is above 3 s")
    return DrillScenario(
        name="poisoning-release-and-a-lie",
        title="Events fail, and an alert on payments fires",
        expect="The release can't read some events; the alert fires whatever happens.",
        truth=("release-breaks-outbox", "alert-lies PaymentLatencyHigh"),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("outbox-poison", release, shows_after_s=30.0),
            staged("lying-alert", lie, shows_after_s=10.0),
        ),
    )


def limits_that_grow(draws: random.Random) -> DrillScenario:
    name, ramp_s = provider(draws), round(draws.uniform(90, 200))
    answers = ((UpstreamAnswer.RATE_LIMITED, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 5, 9), answers=answers, ramp_s=ramp_s)
    return DrillScenario(
        name="limits-that-grow",
        title="More and more purchases fail at one provider",
        expect=f"{name} answers 429 to more and more requests.",
        truth=(f"provider-limits-rate {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(staged("rate-limited", cause, provider=name, shows_after_s=round(ramp_s / 3)),),
    )


def pages_and_an_unused_circuit(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    other = provider(draws, name, "smsbower")
    unused = unused_circuit(other, ago(draws, 20, 26))
    return DrillScenario(
        name="pages-and-an-unused-circuit",
        title="A provider's purchases fail, and another's circuit is open",
        expect=f"{name} answers with pages; nobody buys from {other}, whose circuit has been open for long.",
        truth=(f"provider-answers-nonsense {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights={**loaded(draws, name), other: 0.0},
        faults=(
            answering("html-answers", name, ago(draws, 2, 8), (UpstreamAnswer.HTML, 0.94)),
            unused,
        ),
    )


def edit_before_crashes(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 4, 9)
    crash = CrashingPods(begins_s=begins_s, after_s=round(draws.uniform(14, 26), 1), oom=draws.random() < 0.5)
    return DrillScenario(
        name="edit-before-crashes",
        title="Purchases break off; a provider was edited right before",
        expect="Containers end soon after their start, again and again.",
        truth=("pods-crash",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("crash-loop", crash),
            edited(draws, provider(draws), begins_s - round(draws.uniform(30, 120), 1)),
        ),
    )


def release_in_a_sawtooth(draws: random.Random) -> DrillScenario:
    name, period_s = provider(draws), round(draws.uniform(100, 180), 1)
    cause = SlowUpstream(
        provider=name,
        begins_s=ago(draws, 14, 22),
        factor=round(draws.uniform(2.0, 3.0), 2),
        ramp_s=period_s * 0.9,
        period_s=period_s,
    )
    return DrillScenario(
        name="release-in-a-sawtooth",
        title="A release while a provider is now faster, now slower",
        expect="Nothing is wrong.",
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            herring("sawtooth", cause, provider=name),
            innocent_release(draws, ago(draws, 1, 4)),
        ),
    )


def config_before_a_blackout(draws: random.Random) -> DrillScenario:
    name = "smsbower"
    begins_s = ago(draws, 2, 7)
    return DrillScenario(
        name="config-before-a-blackout",
        title="Customers are refused since a change of the configuration",
        expect=f"Somebody disabled {name} by SQL; no pod has read the change.",
        truth=(f"provider-disabled {name}",),
        group=GROUP,
        eras=("head",),
        best_route=round(draws.uniform(0.75, 0.92), 2),
        purchases_per_s=busy(draws),
        faults=(
            disabled(name, begins_s),
            innocent_config(draws, begins_s - round(draws.uniform(20, 120), 1)),
        ),
    )


def release_before_a_leak(draws: random.Random) -> DrillScenario:
    over_s = round(draws.uniform(500, 800))
    return DrillScenario(
        name="release-before-a-leak",
        title="Purchases begin to fail, a quarter of an hour after a release",
        expect="Pods keep connections that they do not use; those of the former image did so, too.",
        truth=("connections-used-up",),
        group=GROUP,
        history_s=2400.0,
        purchases_per_s=busy(draws),
        faults=(
            leaking_connections(-round(over_s * draws.uniform(0.92, 1.05), 1), over_s),
            innocent_release(draws, -over_s - round(draws.uniform(60, 200), 1)),
        ),
    )


def outage_and_reconciler(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="outage-and-reconciler",
        title="A provider fails, and reservations are stuck for long",
        expect=f"{name} does not answer; and the reconciler stopped half an hour ago.",
        truth=(f"provider-unreachable {name}", "reconciler-stopped"),
        group=GROUP,
        history_s=2700.0,
        abandoned=0.03,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            outage(draws, name, ago(draws, 2, 5)),
            staged("reconciler-stopped", Stop(begins_s=ago(draws, 30, 36), loop="reconciler"), shows_after_s=700.0),
        ),
    )


RECIPES: tuple[Recipe, ...] = (
    one_provider_after_another,
    release_before_a_dead_database,
    out_of_stock_and_outbox,
    restart_and_edit,
    config_before_a_dead_redis,
    poisoning_release_and_a_lie,
    limits_that_grow,
    pages_and_an_unused_circuit,
    edit_before_crashes,
    release_in_a_sawtooth,
    config_before_a_blackout,
    release_before_a_leak,
    outage_and_reconciler,
)
