"""A source is missing, and what is left is faint, or something beside it misleads."""

from __future__ import annotations

import random

from ..cluster_causes import ChangedConfig
from ..scenario_model import DrillScenario
from ..staged_causes import (
    Crowd,
    CutOffPod,
    EgressDown,
    StagedRelease,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)
from .drawing import CHEAPEST, Recipe, ago, before, busy, loaded, provider, rate
from .faults_drawn import (
    answering,
    busy_day,
    disabled,
    edited,
    herring,
    innocent_release,
    no_answer,
    restarted,
    rotated_secret,
    sawtooth,
    staged,
    unused_circuit,
)

GROUP = "blind"


def pages_without_prometheus(draws: random.Random) -> DrillScenario:
    name, share = provider(draws), round(draws.uniform(0.55, 0.68), 3)
    return DrillScenario(
        name="pages-without-prometheus",
        title="Few customers come, some fail, and Prometheus does not answer",
        expect=f"{name} answers more than half of the purchases with a page.",
        truth=(f"provider-answers-nonsense {name}",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=rate(draws, 0.5, 0.6),
        weights={name: round(draws.uniform(0.5, 0.6), 2)},
        faults=(answering("html-answers", name, ago(draws, 3, 8), (UpstreamAnswer.HTML, share)),),
    )


def flapping_without_redis(draws: random.Random) -> DrillScenario:
    name, period_s = provider(draws), round(draws.uniform(85, 110), 1)
    cause = UpstreamFault(
        provider=name,
        begins_s=ago(draws, 9, 14),
        answers=((UpstreamAnswer.RESET, round(draws.uniform(0.9, 1.0), 3)),),
        period_s=period_s,
        failing_s=round(draws.uniform(22, 30), 1),
    )
    return DrillScenario(
        name="flapping-without-redis",
        title="Purchases fail in waves, and Redis can't be read",
        expect=f"{name}, of which many buy, comes and goes every minute and a half.",
        truth=(f"provider-flaps {name}",),
        partly=(f"provider-unreachable {name}",),
        group=GROUP,
        missing=("redis",),
        purchases_per_s=rate(draws, 2.6, 3.0),
        weights=loaded(draws, name),
        faults=(staged("flapping-circuit", cause, provider=name, shows_after_s=round(2 * period_s + 15)),),
    )


def busy_release_without_logs(draws: random.Random) -> DrillScenario:
    first, begins_s = provider(draws), ago(draws, 1, 3)
    return DrillScenario(
        name="busy-release-without-logs",
        title="A release on a busy day, with two providers now faster, now slower, and no logs",
        expect="Nothing is wrong.",
        group=GROUP,
        missing=("logs",),
        purchases_per_s=rate(draws, 1.1, 1.5),
        browses_per_s=3.0,
        faults=(
            innocent_release(draws, begins_s),
            busy_day(draws, before(draws, begins_s, 90, 300)),
            sawtooth(draws, first, ago(draws, 12, 20)),
            sawtooth(draws, provider(draws, first), ago(draws, 12, 20)),
        ),
    )


def new_pods_without_prometheus(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1.5, 4)
    change = ChangedConfig(begins_s=begins_s, key="OUTBOX_BATCH", value="25", rolls=True)
    return DrillScenario(
        name="new-pods-without-prometheus",
        title="A setting was changed, all pods are new, a provider was edited, and Prometheus does not answer",
        expect="Nothing is wrong: all sell as before.",
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=busy(draws),
        faults=(
            herring("innocent-config", change),
            edited(draws, provider(draws), before(draws, begins_s, 30, 200)),
        ),
    )


def crowd_without_redis(draws: random.Random) -> DrillScenario:
    unused = provider(draws, CHEAPEST)
    wanted, begins_s = provider(draws, unused), ago(draws, 2, 4)
    crowd = Crowd(begins_s=begins_s, provider=wanted, purchases=0.6, visits=0.5)
    return DrillScenario(
        name="crowd-without-redis",
        title="A circuit is open, everybody wants another provider, a pod was restarted, and Redis can't be read",
        expect=f"Nothing is wrong: nobody buys from {unused}, and {wanted} serves them all.",
        group=GROUP,
        missing=("redis",),
        purchases_per_s=busy(draws),
        weights={unused: 0.0},
        visits={unused: 0.15},
        faults=(
            unused_circuit(unused, ago(draws, 20, 26)),
            herring("crowd", crowd, provider=wanted),
            restarted(before(draws, begins_s, 20, 90)),
        ),
    )


def bad_pod_without_redis(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    answers = ((UpstreamAnswer.RESET, round(draws.uniform(0.72, 0.85), 3)),)
    return DrillScenario(
        name="bad-pod-without-redis",
        title="Some purchases fail at every provider, after a release, and Redis can't be read",
        expect="One of the newer pods hardly reaches anybody; the others, of the same image, are well.",
        truth=("pod-cut-off",),
        group=GROUP,
        missing=("redis",),
        purchases_per_s=busy(draws),
        faults=(
            staged("one-bad-pod", CutOffPod(begins_s=begins_s, answers=answers)),
            innocent_release(draws, before(draws, begins_s, 90, 240)),
        ),
    )


def slow_outbox_without_logs(draws: random.Random) -> DrillScenario:
    image, slow_s = f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.2", round(draws.uniform(0.85, 1.1), 2)
    release = StagedRelease(image=image, begins_s=ago(draws, 5, 9), slow_s=slow_s)
    return DrillScenario(
        name="slow-outbox-without-logs",
        title="The outbox grows, nothing fails in it, and no log can be read",
        expect="The release takes a second for an event: some are published, more come.",
        truth=("release-breaks-outbox",),
        group=GROUP,
        missing=("logs",),
        purchases_per_s=busy(draws),
        faults=(staged("outbox-poison", release, shows_after_s=60.0),),
    )


def stall_without_prometheus(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 8)
    cause = WalletStall(begins_s=begins_s, share=round(draws.uniform(0.3, 0.4), 3))
    return DrillScenario(
        name="stall-without-prometheus",
        title="Some of few purchases fail since a Secret was rotated, and Prometheus does not answer",
        expect="One session holds a third of the wallets; no pod has read the Secret.",
        truth=("session-blocks",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=rate(draws, 0.45, 0.6),
        faults=(
            staged("database-stall", cause),
            rotated_secret(before(draws, begins_s, 20, 120)),
        ),
    )


def disabled_without_a_cluster(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws, CHEAPEST), ago(draws, 2, 7)
    return DrillScenario(
        name="disabled-without-a-cluster",
        title="Some customers are refused, hardly a purchase fails, and the cluster's API does not answer",
        expect=f"Somebody disabled {name} by SQL: who asks for its offers is refused. Another's edit is not to blame.",
        truth=(f"provider-disabled {name}",),
        group=GROUP,
        missing=("kubernetes",),
        eras=("head",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            disabled(name, begins_s),
            edited(draws, provider(draws, name), before(draws, begins_s, 10, 60)),
        ),
    )


def losses_without_prometheus(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    answers = no_answer(draws, round(draws.uniform(0.36, 0.42), 3))
    return DrillScenario(
        name="losses-without-prometheus",
        title="On a busy day many purchases fail, everywhere, and Prometheus does not answer",
        expect="A good part of what any pod sends to any provider gets lost.",
        truth=("egress-down",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=busy(draws),
        faults=(
            staged("egress-down", EgressDown(begins_s=begins_s, answers=answers)),
            busy_day(draws, before(draws, begins_s, 120, 240)),
        ),
    )


RECIPES: tuple[Recipe, ...] = (
    pages_without_prometheus,
    flapping_without_redis,
    busy_release_without_logs,
    new_pods_without_prometheus,
    crowd_without_redis,
    bad_pod_without_redis,
    slow_outbox_without_logs,
    stall_without_prometheus,
    disabled_without_a_cluster,
    losses_without_prometheus,
)
