"""A source is missing, and the rest tells it all the same."""

from __future__ import annotations

import random

from ..cluster_causes import Scaled
from ..scenario_model import DrillScenario
from ..staged_causes import (
    EgressDown,
    ReadOnlyDatabase,
    SlowUpstream,
    UpstreamAnswer,
    UpstreamFault,
)
from .drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .faults_drawn import (
    answering,
    innocent_release,
    no_answer,
    restarted,
    staged,
    stall,
)

GROUP = "blind"


def key_refused_without_prometheus(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 6)
    return DrillScenario(
        name="key-refused-without-prometheus",
        title="A provider sells nothing since a pod was started anew, and Prometheus does not answer",
        expect=f"{name} refuses our key, to every pod.",
        truth=(f"provider-key-refused {name}",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            answering("key-refused", name, begins_s, (UpstreamAnswer.BAD_KEY, 1.0)),
            restarted(begins_s - round(draws.uniform(10, 60), 1)),
        ),
    )


def stall_without_logs(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1.5, 4)
    return DrillScenario(
        name="stall-without-logs",
        title="Purchases hang everywhere since a release, and no log can be read",
        expect="One session holds wallets; the release is well.",
        truth=("session-blocks",),
        group=GROUP,
        missing=("logs",),
        purchases_per_s=busy(draws),
        faults=(
            stall(draws, begins_s),
            innocent_release(draws, begins_s - round(draws.uniform(60, 240), 1)),
        ),
    )


def country_without_rights(draws: random.Random) -> DrillScenario:
    country = draws.choice(list(COUNTRIES))
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider="", begins_s=ago(draws, 3, 9), answers=answers, countries=(COUNTRIES[country],))
    return DrillScenario(
        name="country-without-rights",
        title="Some purchases fail at every provider, and the cluster grants us nothing",
        expect=f"There are no numbers of {country} to be had anywhere.",
        truth=(f"country-out {country}",),
        group=GROUP,
        missing=("rights",),
        purchases_per_s=busy(draws),
        faults=(staged("country-out", cause),),
    )


def one_pod_without_prometheus(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="one-pod-without-prometheus",
        title="Everything is slow, and Prometheus does not answer",
        expect="Somebody scaled the deployment to one pod.",
        truth=("too-few-pods",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=round(draws.uniform(1.8, 2.2), 2),
        faults=(staged("scaled-down", Scaled(begins_s=ago(draws, 3, 8), replicas=1), shows_after_s=20.0),),
    )


def read_only_without_a_cluster(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="read-only-without-a-cluster",
        title="No purchase works any more, and the cluster's API does not answer",
        expect="PostgreSQL takes no write.",
        truth=("database-read-only",),
        partly=("database-restarted",),
        group=GROUP,
        missing=("kubernetes",),
        purchases_per_s=busy(draws),
        faults=(staged("database-read-only", ReadOnlyDatabase(begins_s=ago(draws, 1, 4))),),
    )


def egress_without_logs(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="egress-without-logs",
        title="Nearly everything fails, and no log can be read",
        expect="No pod reaches any provider.",
        truth=("egress-down",),
        group=GROUP,
        missing=("logs",),
        purchases_per_s=busy(draws),
        faults=(staged("egress-down", EgressDown(begins_s=ago(draws, 2, 6), answers=no_answer(draws))),),
    )


def slow_provider_without_a_cluster(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    factor, ramp_s = round(draws.uniform(15, 21), 1), round(draws.uniform(100, 220))
    cause = SlowUpstream(provider=name, begins_s=ago(draws, 5, 8), factor=factor, ramp_s=ramp_s)
    return DrillScenario(
        name="slow-provider-without-a-cluster",
        title="Purchases take longer and longer, and the cluster's API does not answer",
        expect=f"{name} gets slower and slower.",
        truth=(f"provider-slow {name}",),
        partly=(f"provider-unreachable {name}",),
        group=GROUP,
        missing=("kubernetes",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(staged("slow-provider", cause, provider=name, shows_after_s=round(ramp_s / 4)),),
    )


RECIPES: tuple[Recipe, ...] = (
    key_refused_without_prometheus,
    stall_without_logs,
    country_without_rights,
    one_pod_without_prometheus,
    read_only_without_a_cluster,
    egress_without_logs,
    slow_provider_without_a_cluster,
)
