"""Scenarios that the causes' chapters were written without: whoever tunes a rule does not read this file."""

from __future__ import annotations

import random
from dataclasses import replace

from .cluster_causes import CrashingPods, LyingAlert, Scaled
from .recipes.drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .recipes.faults_drawn import (
    answering,
    disabled,
    edited,
    herring,
    innocent_config,
    innocent_release,
    leaking_connections,
    no_answer,
    outage,
    outbox_stopped,
    restarted,
    staged,
    stall,
)
from .scenario_model import DrillScenario, StagedFault
from .staged_causes import (
    EgressDown,
    ReadOnlyDatabase,
    SlowUpstream,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
)

GROUP = "held back"


def _held_back(
    number: int,
    draws: random.Random,
    title: str,
    expect: str,
    *faults: StagedFault,
    truth: tuple[str, ...] = (),
    partly: tuple[str, ...] = (),
    missing: tuple[str, ...] = (),
    weights: dict[str, float] | None = None,
) -> DrillScenario:
    return DrillScenario(
        name=f"held-back-{number}",
        title=title,
        expect=expect,
        truth=truth,
        partly=partly,
        missing=missing,
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        weights=weights or {},
        faults=faults,
    )


def held_back_1(draws: random.Random) -> DrillScenario:
    first = provider(draws)
    second = provider(draws, first)
    unavailable = (UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 1.0), 3))
    return _held_back(
        1,
        draws,
        "Two providers fail, one after the other",
        f"{first} answers nobody; {second} answers 503.",
        outage(draws, first, ago(draws, 4, 8)),
        answering("provider-errors", second, ago(draws, 2, 3.5), unavailable),
        truth=(f"provider-unreachable {first}", f"provider-unreachable {second}"),
        weights={**loaded(draws, first), **loaded(draws, second)},
    )


def held_back_2(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 0.5, 2)
    return _held_back(
        2,
        draws,
        "Nobody can buy, minutes after a release",
        "PostgreSQL does not run; the release is well.",
        staged("database-down", Stopped(begins_s=begins_s, server="postgres")),
        innocent_release(draws, begins_s - round(draws.uniform(150, 400), 1)),
        truth=("database-down",),
    )


def held_back_3(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return _held_back(
        3,
        draws,
        "One provider sells nothing, and the outbox grows",
        f"{name} has no numbers in any country; nothing consumes the outbox.",
        answering("out-of-stock", name, ago(draws, 3, 7), (UpstreamAnswer.NO_NUMBERS, 0.96)),
        outbox_stopped(ago(draws, 5, 9)),
        truth=(f"out-of-stock {name}", "outbox-stopped"),
        weights=loaded(draws, name),
    )


def held_back_4(draws: random.Random) -> DrillScenario:
    return _held_back(
        4,
        draws,
        "A pod ran out of memory, and somebody edited a provider",
        "Nothing is wrong: the pod is back, and the edit changes no sale.",
        restarted(ago(draws, 2, 5)),
        edited(draws, provider(draws), ago(draws, 1, 8)),
    )


def held_back_5(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 6)
    return _held_back(
        5,
        draws,
        "A provider sells nothing since a pod was started anew, and Prometheus does not answer",
        f"{name} refuses our key, to every pod.",
        answering("key-refused", name, begins_s, (UpstreamAnswer.BAD_KEY, 1.0)),
        restarted(begins_s - round(draws.uniform(10, 60), 1)),
        truth=(f"provider-key-refused {name}",),
        missing=("prometheus",),
        weights=loaded(draws, name),
    )


def held_back_6(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 0.7, 3)
    return _held_back(
        6,
        draws,
        "Nobody can buy, right after a change of the configuration",
        "Redis does not run; no pod has read the change.",
        staged("redis-down", Stopped(begins_s=begins_s, server="redis")),
        innocent_config(draws, begins_s - round(draws.uniform(20, 150), 1)),
        truth=("redis-down",),
    )


def held_back_7(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1.5, 4)
    return _held_back(
        7,
        draws,
        "Purchases hang everywhere since a release, and no log can be read",
        "One session holds wallets; the release is well.",
        stall(draws, begins_s),
        innocent_release(draws, begins_s - round(draws.uniform(60, 240), 1)),
        truth=("session-blocks",),
        missing=("logs",),
    )


def held_back_8(draws: random.Random) -> DrillScenario:
    country = draws.choice(list(COUNTRIES))
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider="", begins_s=ago(draws, 3, 9), answers=answers, countries=(COUNTRIES[country],))
    return _held_back(
        8,
        draws,
        "Some purchases fail at every provider, and the cluster grants us nothing",
        f"There are no numbers of {country} to be had anywhere.",
        staged("country-out", cause),
        truth=(f"country-out {country}",),
        missing=("rights",),
    )


def held_back_9(draws: random.Random) -> DrillScenario:
    release = StagedRelease(
        image=f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.1",
        begins_s=ago(draws, 5, 10),
        refuses=frozenset({draws.choice(("offer.restocked", "activation.provider_request"))}),
    )
    lie = LyingAlert(begins_s=ago(draws, 2, 4), alert="PaymentLatencyHigh", summary="The 99th percentile is above 3 s")
    return _held_back(
        9,
        draws,
        "Events fail, and an alert on payments fires",
        "The release can't read some events; the alert fires whatever happens.",
        staged("outbox-poison", release, shows_after_s=30.0),
        staged("lying-alert", lie, shows_after_s=10.0),
        truth=("release-breaks-outbox", "alert-lies PaymentLatencyHigh"),
    )


def held_back_10(draws: random.Random) -> DrillScenario:
    name, ramp_s = provider(draws), round(draws.uniform(90, 200))
    answers = ((UpstreamAnswer.RATE_LIMITED, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 5, 9), answers=answers, ramp_s=ramp_s)
    return _held_back(
        10,
        draws,
        "More and more purchases fail at one provider",
        f"{name} answers 429 to more and more requests.",
        staged("rate-limited", cause, provider=name, shows_after_s=round(ramp_s / 3)),
        truth=(f"provider-limits-rate {name}",),
        weights=loaded(draws, name),
    )


def held_back_11(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    other = provider(draws, name, "smsbower")
    unused = UpstreamFault(provider=other, begins_s=ago(draws, 20, 26), answers=((UpstreamAnswer.RESET, 0.97),))
    return _held_back(
        11,
        draws,
        "A provider's purchases fail, and another's circuit is open",
        f"{name} answers with pages; nobody buys from {other}, whose circuit has been open for long.",
        answering("html-answers", name, ago(draws, 2, 8), (UpstreamAnswer.HTML, 0.94)),
        herring("unused-circuit", unused, provider=other),
        truth=(f"provider-answers-nonsense {name}",),
        weights={**loaded(draws, name), other: 0.0},
    )


def held_back_12(draws: random.Random) -> DrillScenario:
    scenario = _held_back(
        12,
        draws,
        "Everything is slow, and Prometheus does not answer",
        "Somebody scaled the deployment to one pod.",
        staged("scaled-down", Scaled(begins_s=ago(draws, 3, 8), replicas=1), shows_after_s=20.0),
        truth=("too-few-pods",),
        missing=("prometheus",),
    )
    return replace(scenario, purchases_per_s=round(draws.uniform(1.8, 2.2), 2))


def held_back_13(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 4, 9)
    crash = CrashingPods(begins_s=begins_s, after_s=round(draws.uniform(14, 26), 1), oom=draws.random() < 0.5)
    return _held_back(
        13,
        draws,
        "Purchases break off; a provider was edited right before",
        "Containers end soon after their start, again and again.",
        staged("crash-loop", crash),
        edited(draws, provider(draws), begins_s - round(draws.uniform(30, 120), 1)),
        truth=("pods-crash",),
    )


def held_back_14(draws: random.Random) -> DrillScenario:
    return _held_back(
        14,
        draws,
        "No purchase works any more, and the cluster's API does not answer",
        "PostgreSQL takes no write.",
        staged("database-read-only", ReadOnlyDatabase(begins_s=ago(draws, 1, 4))),
        truth=("database-read-only",),
        partly=("database-restarted",),
        missing=("kubernetes",),
    )


def held_back_15(draws: random.Random) -> DrillScenario:
    name, period_s = provider(draws), round(draws.uniform(100, 180), 1)
    cause = SlowUpstream(
        provider=name,
        begins_s=ago(draws, 14, 22),
        factor=round(draws.uniform(2.0, 3.0), 2),
        ramp_s=period_s * 0.9,
        period_s=period_s,
    )
    return _held_back(
        15,
        draws,
        "A release while a provider is now faster, now slower",
        "Nothing is wrong.",
        herring("sawtooth", cause, provider=name),
        innocent_release(draws, ago(draws, 1, 4)),
    )


def held_back_16(draws: random.Random) -> DrillScenario:
    name = "smsbower"  # best route takes the cheapest
    begins_s = ago(draws, 2, 7)
    scenario = _held_back(
        16,
        draws,
        "Customers are refused since a change of the configuration",
        f"Somebody disabled {name} by SQL; no pod has read the change.",
        disabled(name, begins_s),
        innocent_config(draws, begins_s - round(draws.uniform(20, 120), 1)),
        truth=(f"provider-disabled {name}",),
    )
    return replace(scenario, eras=("head",), best_route=round(draws.uniform(0.75, 0.92), 2))


def held_back_17(draws: random.Random) -> DrillScenario:
    return _held_back(
        17,
        draws,
        "Nearly everything fails, and no log can be read",
        "No pod reaches any provider.",
        staged("egress-down", EgressDown(begins_s=ago(draws, 2, 6), answers=no_answer(draws))),
        truth=("egress-down",),
        missing=("logs",),
    )


def held_back_18(draws: random.Random) -> DrillScenario:
    over_s = round(draws.uniform(500, 800))
    scenario = _held_back(
        18,
        draws,
        "Purchases begin to fail, a quarter of an hour after a release",
        "Pods keep connections that they do not use; those of the former image did so, too.",
        leaking_connections(-round(over_s * draws.uniform(0.92, 1.05), 1), over_s),
        innocent_release(draws, -over_s - round(draws.uniform(60, 200), 1)),
        truth=("connections-used-up",),
    )
    return replace(scenario, history_s=2400.0)


def held_back_19(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    factor, ramp_s = round(draws.uniform(15, 21), 1), round(draws.uniform(100, 220))
    cause = SlowUpstream(provider=name, begins_s=ago(draws, 5, 8), factor=factor, ramp_s=ramp_s)
    return _held_back(
        19,
        draws,
        "Purchases take longer and longer, and the cluster's API does not answer",
        f"{name} gets slower and slower.",
        staged("slow-provider", cause, provider=name, shows_after_s=round(ramp_s / 4)),
        truth=(f"provider-slow {name}",),
        partly=(f"provider-unreachable {name}",),
        missing=("kubernetes",),
        weights=loaded(draws, name),
    )


def held_back_20(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    scenario = _held_back(
        20,
        draws,
        "A provider fails, and reservations are stuck for long",
        f"{name} does not answer; and the reconciler stopped half an hour ago.",
        outage(draws, name, ago(draws, 2, 5)),
        staged("reconciler-stopped", Stop(begins_s=ago(draws, 30, 36), loop="reconciler"), shows_after_s=700.0),
        truth=(f"provider-unreachable {name}", "reconciler-stopped"),
        weights=loaded(draws, name),
    )
    return replace(scenario, history_s=2700.0, abandoned=0.03)


RECIPES: tuple[Recipe, ...] = (
    *(held_back_1, held_back_2, held_back_3, held_back_4, held_back_5, held_back_6, held_back_7, held_back_8),
    *(held_back_9, held_back_10, held_back_11, held_back_12, held_back_13, held_back_14, held_back_15, held_back_16),
    *(held_back_17, held_back_18, held_back_19, held_back_20),
)
