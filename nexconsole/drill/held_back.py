"""Scenarios that the causes' chapters were written without: whoever tunes a rule does not read this file."""

from __future__ import annotations

import random

from .cluster_causes import ChangedConfig, LyingAlert
from .recipes.drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .recipes.faults_drawn import (
    answering,
    bad_release,
    disabled,
    edited,
    empty_account,
    herring,
    innocent_config,
    innocent_release,
    leaking_locks,
    no_answer,
    outage,
    outbox_stopped,
    restarted,
    search_down,
    staged,
)
from .scenario_model import DrillScenario
from .staged_causes import (
    CutOffPod,
    EgressDown,
    PoisonEvents,
    Polling,
    SlowDatabase,
    SlowUpstream,
    StagedRelease,
    Stop,
    Surge,
    UpstreamAnswer,
    UpstreamFault,
)

GROUP = "held back"


def held_back_1(draws: random.Random) -> DrillScenario:
    country, begins_s = draws.choice(list(COUNTRIES)), ago(draws, 4, 9)
    sellers = [provider(draws)]
    sellers.append(provider(draws, *sellers))
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.92, 1.0), 3)),)
    code = (COUNTRIES[country],)
    causes = [UpstreamFault(provider=name, begins_s=begins_s, answers=answers, countries=code) for name in sellers]
    return DrillScenario(
        name="held-back-1",
        title="Purchases fail here and there",
        expect=f"{' and '.join(sellers)} have no numbers of {country}; all else is sold.",
        truth=(f"country-out {country}",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        weights={sellers[0]: 0.4, sellers[1]: 0.35},
        faults=(staged("country-out", *causes), innocent_release(draws, begins_s - round(draws.uniform(60, 300), 1))),
    )


def held_back_2(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    timeouts = round(draws.uniform(0.6, 1.0), 3)
    answers = ((UpstreamAnswer.TIMEOUT, timeouts), (UpstreamAnswer.RESET, round(1 - timeouts, 3)))
    rotated = ChangedConfig(
        begins_s=begins_s - round(draws.uniform(40, 200), 1), key="JWT_SECRET", value="x", secret=True
    )
    return DrillScenario(
        name="held-back-2",
        title="Nearly everything fails, and a Secret was rotated right before",
        expect="No pod reaches any provider; the Secret has been read by no pod.",
        truth=("egress-down",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        faults=(
            staged("egress-down", EgressDown(begins_s=begins_s, answers=answers)),
            herring("innocent-config", rotated),
        ),
    )


def held_back_3(draws: random.Random) -> DrillScenario:
    cause = SlowDatabase(
        begins_s=ago(draws, 3, 6), wait_s=round(draws.uniform(1.7, 2.5), 2), reports=draws.randrange(5, 10)
    )
    return DrillScenario(
        name="held-back-3",
        title="Everything is slow, and Prometheus does not answer",
        expect="A reporting tool's statements run for minutes, and all others are slow.",
        truth=("database-overloaded",),
        group=GROUP,
        held_back=True,
        missing=("prometheus",),
        purchases_per_s=round(draws.uniform(1.0, 1.4), 2),
        faults=(staged("database-overloaded", cause, shows_after_s=10.0),),
    )


def held_back_4(draws: random.Random) -> DrillScenario:
    surge = Surge(begins_s=ago(draws, 5, 9), factor=round(draws.uniform(1.6, 2.1), 2), ramp_s=60.0)
    return DrillScenario(
        name="held-back-4",
        title="A release in the middle of a busy hour",
        expect="Nothing is wrong: more customers, newer pods, all are served.",
        group=GROUP,
        held_back=True,
        purchases_per_s=round(draws.uniform(1.1, 1.5), 2),
        browses_per_s=3.0,
        faults=(herring("busy-day", surge), innocent_release(draws, ago(draws, 1, 3))),
    )


def held_back_5(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    factor, ramp_s = round(draws.uniform(15, 20), 1), round(draws.uniform(100, 200))
    slow = SlowUpstream(provider=name, begins_s=ago(draws, 5, 8), factor=factor, ramp_s=ramp_s)
    kind = draws.choice(("offer.imported", "currency.updated"))
    poison = PoisonEvents(begins_s=ago(draws, 4, 9), event_type=kind, every_s=round(draws.uniform(4, 8), 1))
    return DrillScenario(
        name="held-back-5",
        title="Purchases get slower, and events fail",
        expect=f"{name} is slow; and somebody writes events that nobody can process.",
        truth=(f"provider-slow {name}", "outbox-poison"),
        partly=(f"provider-unreachable {name}",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            staged("slow-provider", slow, provider=name, shows_after_s=ramp_s / 4),
            staged("poison-events", poison, shows_after_s=15.0),
        ),
    )


def held_back_6(draws: random.Random) -> DrillScenario:
    name, ramp_s = provider(draws), round(draws.uniform(700, 1100))
    answers = ((UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 11, 15), answers=answers, ramp_s=ramp_s)
    return DrillScenario(
        name="held-back-6",
        title="Failures grow over a quarter of an hour",
        expect=f"{name} answers 503 to more and more requests.",
        truth=(f"provider-unreachable {name}",),
        group=GROUP,
        held_back=True,
        history_s=2400.0,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(staged("provider-errors", cause, provider=name, shows_after_s=ramp_s * 0.3),),
    )


def held_back_7(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 7)
    answers = ((UpstreamAnswer.RESET, round(draws.uniform(0.9, 1.0), 3)),)
    return DrillScenario(
        name="held-back-7",
        title="A share of the purchases fails, at every provider, after somebody edited one",
        expect="One pod reaches nobody; the edit is not to blame.",
        truth=("pod-cut-off",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        faults=(
            staged("one-bad-pod", CutOffPod(begins_s=begins_s, answers=answers)),
            edited(draws, provider(draws), begins_s - round(draws.uniform(20, 120), 1)),
        ),
    )


def held_back_8(draws: random.Random) -> DrillScenario:
    alert = draws.choice(("QueueStuck", "CriticalAPILatency", "WorkerQueueBacklog"))
    lie = LyingAlert(begins_s=ago(draws, 3, 10), alert=alert, summary="Above its limit for five minutes")
    return DrillScenario(
        name="held-back-8",
        title="A critical alert fires, right after a release",
        expect=f"{alert} lies; the release is well.",
        truth=(f"alert-lies {alert}",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        faults=(staged("lying-alert", lie, shows_after_s=10.0), innocent_release(draws, ago(draws, 11, 14))),
    )


def held_back_9(draws: random.Random) -> DrillScenario:
    name = "smsbower"  # best route takes the cheapest
    return DrillScenario(
        name="held-back-9",
        title="Customers are refused, and the outbox grows",
        expect=f"Somebody disabled {name} by SQL; and nothing consumes the outbox.",
        truth=(f"provider-disabled {name}", "outbox-stopped"),
        group=GROUP,
        held_back=True,
        eras=("head",),
        best_route=round(draws.uniform(0.75, 0.92), 2),
        purchases_per_s=busy(draws),
        faults=(disabled(name, ago(draws, 2, 7)), outbox_stopped(ago(draws, 7, 11))),
    )


def held_back_10(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="held-back-10",
        title="Purchases fail at one provider, and the cluster tells us nothing",
        expect=f"Our balance at {name} is used up; the cluster grants the console no rights.",
        truth=(f"balance-used-up {name}",),
        group=GROUP,
        held_back=True,
        missing=("rights",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(empty_account(name, ago(draws, 2, 7)), restarted(ago(draws, 7.5, 9))),
    )


def held_back_11(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 28, 38)
    return DrillScenario(
        name="held-back-11",
        title="Some customers can't buy any more, and it gets worse",
        expect="Orphaned locks grow, since purchases die between two steps; a ConfigMap changed minutes ago.",
        truth=("orphaned-locks",),
        group=GROUP,
        held_back=True,
        history_s=2700.0,
        purchases_per_s=busy(draws),
        faults=(
            leaking_locks(draws, begins_s, round(draws.uniform(0.01, 0.018), 4)),
            innocent_config(draws, ago(draws, 2, 9)),
        ),
    )


def held_back_12(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    begins_s = ago(draws, 2, 5)
    spike = UpstreamFault(provider=name, begins_s=begins_s - 500, answers=no_answer(draws, 0.9))
    return DrillScenario(
        name="held-back-12",
        title="No offer is found, and a provider was away a while ago",
        expect=f"Meilisearch does not run; {name} was away for a minute, and is well since.",
        truth=("search-down",),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        faults=(
            search_down(begins_s),
            herring("provider-outage", spike, provider=name, ends_s=round(begins_s - 430, 1)),
        ),
    )


def held_back_13(draws: random.Random) -> DrillScenario:
    """The release breaks purchases, and a provider is away as well."""
    name = provider(draws)
    return DrillScenario(
        name="held-back-13",
        title="Purchases fail everywhere, at one provider more than at the others",
        expect=f"The release is bad, and {name} does not answer.",
        truth=("bad-release", f"provider-unreachable {name}"),
        group=GROUP,
        held_back=True,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(bad_release(draws, ago(draws, 4, 8)), outage(draws, name, ago(draws, 1.5, 3))),
    )


def held_back_14(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    begins_s, numbers = -round(draws.uniform(70, 120), 1), draws.randrange(700, 1100)
    return DrillScenario(
        name="held-back-14",
        title="Purchases hang at one provider; nothing fails",
        expect=f"Polling has taken the slots of {name}; a release of before is not to blame.",
        truth=(f"slots-taken {name}",),
        group=GROUP,
        held_back=True,
        eras=("head",),
        purchases_per_s=round(draws.uniform(0.8, 1.2), 2),
        weights=loaded(draws, name),
        faults=(
            staged(
                "slot-starvation", Polling(begins_s=begins_s, provider=name, numbers=numbers, lasts_s=60), provider=name
            ),
            innocent_release(draws, begins_s - round(draws.uniform(200, 400), 1)),
        ),
    )


def held_back_15(draws: random.Random) -> DrillScenario:
    version = f"1.{draws.randrange(5, 9)}.0"
    release = StagedRelease(
        image=f"ghcr.io/nexnum/nexnum-app:{version}",
        begins_s=ago(draws, 5, 9),
        refuses=frozenset({draws.choice(("offer.restocked", "activation.provider_request"))}),
        slow_s=round(draws.uniform(0.5, 0.9), 2),
    )
    return DrillScenario(
        name="held-back-15",
        title="Events fail and wait since a release, and a reconciler that stopped long before",
        expect=f"{version} can't read some events; and nothing frees reservations.",
        truth=("release-breaks-outbox", "reconciler-stopped"),
        group=GROUP,
        held_back=True,
        history_s=2400.0,
        abandoned=0.03,
        purchases_per_s=busy(draws),
        faults=(
            staged("outbox-poison", release, shows_after_s=30.0),
            staged("reconciler-stopped", Stop(begins_s=ago(draws, 30, 36), loop="reconciler"), shows_after_s=700.0),
        ),
    )


def held_back_16(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.85, 0.97), 3)
    return DrillScenario(
        name="held-back-16",
        title="A provider refuses us, and Redis can't be read",
        expect=f"{name} answers 429; the console's password for Redis is no more.",
        truth=(f"provider-limits-rate {name}",),
        group=GROUP,
        held_back=True,
        missing=("redis",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("rate-limited", name, ago(draws, 2, 7), (UpstreamAnswer.RATE_LIMITED, share)),),
    )


RECIPES: tuple[Recipe, ...] = (
    *(held_back_1, held_back_2, held_back_3, held_back_4, held_back_5, held_back_6, held_back_7, held_back_8),
    *(held_back_9, held_back_10, held_back_11, held_back_12, held_back_13, held_back_14, held_back_15, held_back_16),
)
