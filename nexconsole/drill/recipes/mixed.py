"""A cause with something beside it that misleads, hides it, or is a second cause."""

from __future__ import annotations

import random

from ..cluster_causes import ChangedConfig, LyingAlert
from ..scenario_model import DrillScenario
from ..staged_causes import (
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
from .drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .faults_drawn import (
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

GROUP = "mixed"


def two_sellers_without_a_country(draws: random.Random) -> DrillScenario:
    country, begins_s = draws.choice(list(COUNTRIES)), ago(draws, 4, 9)
    sellers = [provider(draws)]
    sellers.append(provider(draws, *sellers))
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.92, 1.0), 3)),)
    code = (COUNTRIES[country],)
    causes = [UpstreamFault(provider=name, begins_s=begins_s, answers=answers, countries=code) for name in sellers]
    return DrillScenario(
        name="two-sellers-without-a-country",
        title="Purchases fail here and there",
        expect=f"{' and '.join(sellers)} have no numbers of {country}; all else is sold.",
        truth=(f"country-out {country}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights={sellers[0]: 0.4, sellers[1]: 0.35},
        faults=(staged("country-out", *causes), innocent_release(draws, begins_s - round(draws.uniform(60, 300), 1))),
    )


def secret_before_an_egress_outage(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    timeouts = round(draws.uniform(0.6, 1.0), 3)
    answers = ((UpstreamAnswer.TIMEOUT, timeouts), (UpstreamAnswer.RESET, round(1 - timeouts, 3)))
    rotated = ChangedConfig(
        begins_s=begins_s - round(draws.uniform(40, 200), 1), key="JWT_SECRET", value="x", secret=True
    )
    return DrillScenario(
        name="secret-before-an-egress-outage",
        title="Nearly everything fails, and a Secret was rotated right before",
        expect="No pod reaches any provider; the Secret has been read by no pod.",
        truth=("egress-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("egress-down", EgressDown(begins_s=begins_s, answers=answers)),
            herring("innocent-config", rotated),
        ),
    )


def overload_without_prometheus(draws: random.Random) -> DrillScenario:
    cause = SlowDatabase(
        begins_s=ago(draws, 3, 6), wait_s=round(draws.uniform(1.7, 2.5), 2), reports=draws.randrange(5, 10)
    )
    return DrillScenario(
        name="overload-without-prometheus",
        title="Everything is slow, and Prometheus does not answer",
        expect="A reporting tool's statements run for minutes, and all others are slow.",
        truth=("database-overloaded",),
        group=GROUP,
        missing=("prometheus",),
        purchases_per_s=round(draws.uniform(1.0, 1.4), 2),
        faults=(staged("database-overloaded", cause, shows_after_s=10.0),),
    )


def release_in_a_busy_hour(draws: random.Random) -> DrillScenario:
    surge = Surge(begins_s=ago(draws, 5, 9), factor=round(draws.uniform(1.6, 2.1), 2), ramp_s=60.0)
    return DrillScenario(
        name="release-in-a-busy-hour",
        title="A release in the middle of a busy hour",
        expect="Nothing is wrong: more customers, newer pods, all are served.",
        group=GROUP,
        purchases_per_s=round(draws.uniform(1.1, 1.5), 2),
        browses_per_s=3.0,
        faults=(herring("busy-day", surge), innocent_release(draws, ago(draws, 1, 3))),
    )


def slow_provider_and_poison(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    factor, ramp_s = round(draws.uniform(15, 20), 1), round(draws.uniform(100, 200))
    slow = SlowUpstream(provider=name, begins_s=ago(draws, 5, 8), factor=factor, ramp_s=ramp_s)
    kind = draws.choice(("offer.imported", "currency.updated"))
    poison = PoisonEvents(begins_s=ago(draws, 4, 9), event_type=kind, every_s=round(draws.uniform(4, 8), 1))
    return DrillScenario(
        name="slow-provider-and-poison",
        title="Purchases get slower, and events fail",
        expect=f"{name} is slow; and somebody writes events that nobody can process.",
        truth=(f"provider-slow {name}", "outbox-poison"),
        partly=(f"provider-unreachable {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            staged("slow-provider", slow, provider=name, shows_after_s=ramp_s / 4),
            staged("poison-events", poison, shows_after_s=15.0),
        ),
    )


def errors_that_grow(draws: random.Random) -> DrillScenario:
    name, ramp_s = provider(draws), round(draws.uniform(700, 1100))
    answers = ((UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 11, 15), answers=answers, ramp_s=ramp_s)
    return DrillScenario(
        name="errors-that-grow",
        title="Failures grow over a quarter of an hour",
        expect=f"{name} answers 503 to more and more requests.",
        truth=(f"provider-unreachable {name}",),
        group=GROUP,
        history_s=2400.0,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        # Three tries hide it for as long as hardly half of the answers are errors.
        faults=(staged("provider-errors", cause, provider=name, shows_after_s=ramp_s * 0.55),),
    )


def edit_before_a_bad_pod(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 7)
    answers = ((UpstreamAnswer.RESET, round(draws.uniform(0.9, 1.0), 3)),)
    return DrillScenario(
        name="edit-before-a-bad-pod",
        title="A share of the purchases fails, at every provider, after somebody edited one",
        expect="One pod reaches nobody; the edit is not to blame.",
        truth=("pod-cut-off",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("one-bad-pod", CutOffPod(begins_s=begins_s, answers=answers)),
            edited(draws, provider(draws), begins_s - round(draws.uniform(20, 120), 1)),
        ),
    )


def release_before_a_lie(draws: random.Random) -> DrillScenario:
    alert = draws.choice(("QueueStuck", "CriticalAPILatency", "WorkerQueueBacklog"))
    lie = LyingAlert(begins_s=ago(draws, 3, 10), alert=alert, summary="Above its limit for five minutes")
    return DrillScenario(
        name="release-before-a-lie",
        title="A critical alert fires, right after a release",
        expect=f"{alert} lies; the release is well.",
        truth=(f"alert-lies {alert}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(staged("lying-alert", lie, shows_after_s=10.0), innocent_release(draws, ago(draws, 11, 14))),
    )


def disabled_and_outbox(draws: random.Random) -> DrillScenario:
    name = "smsbower"  # best route takes the cheapest
    return DrillScenario(
        name="disabled-and-outbox",
        title="Customers are refused, and the outbox grows",
        expect=f"Somebody disabled {name} by SQL; and nothing consumes the outbox.",
        truth=(f"provider-disabled {name}", "outbox-stopped"),
        group=GROUP,
        eras=("head",),
        best_route=round(draws.uniform(0.75, 0.92), 2),
        purchases_per_s=busy(draws),
        faults=(disabled(name, ago(draws, 2, 7)), outbox_stopped(ago(draws, 7, 11))),
    )


def balance_without_rights(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="balance-without-rights",
        title="Purchases fail at one provider, and the cluster tells us nothing",
        expect=f"Our balance at {name} is used up; the cluster grants the console no rights.",
        truth=(f"balance-used-up {name}",),
        group=GROUP,
        missing=("rights",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(empty_account(name, ago(draws, 2, 7)), restarted(ago(draws, 7.5, 9))),
    )


def config_before_locks(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 28, 38)
    return DrillScenario(
        name="config-before-locks",
        title="Some customers can't buy any more, and it gets worse",
        expect="Orphaned locks grow, since purchases die between two steps; a ConfigMap changed minutes ago.",
        truth=("orphaned-locks",),
        group=GROUP,
        history_s=2700.0,
        purchases_per_s=busy(draws),
        faults=(
            leaking_locks(draws, begins_s, round(draws.uniform(0.01, 0.018), 4)),
            innocent_config(draws, ago(draws, 2, 9)),
        ),
    )


def spike_before_search(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    begins_s = ago(draws, 2, 5)
    spike = UpstreamFault(provider=name, begins_s=begins_s - 500, answers=no_answer(draws, 0.9))
    return DrillScenario(
        name="spike-before-search",
        title="No offer is found, and a provider was away a while ago",
        expect=f"Meilisearch does not run; {name} was away for a minute, and is well since.",
        truth=("search-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            search_down(begins_s),
            herring("provider-outage", spike, provider=name, ends_s=round(begins_s - 430, 1)),
        ),
    )


def release_and_outage(draws: random.Random) -> DrillScenario:
    """The release breaks purchases, and a provider is away as well."""
    name = provider(draws)
    return DrillScenario(
        name="release-and-outage",
        title="Purchases fail everywhere, at one provider more than at the others",
        expect=f"The release is bad, and {name} does not answer.",
        truth=("bad-release", f"provider-unreachable {name}"),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(bad_release(draws, ago(draws, 4, 8)), outage(draws, name, ago(draws, 1.5, 3))),
    )


def release_before_slots(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    begins_s, numbers = -round(draws.uniform(70, 120), 1), draws.randrange(700, 1100)
    return DrillScenario(
        name="release-before-slots",
        title="Purchases hang at one provider; nothing fails",
        expect=f"Polling has taken the slots of {name}; a release of before is not to blame.",
        truth=(f"slots-taken {name}",),
        group=GROUP,
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


def release_and_reconciler(draws: random.Random) -> DrillScenario:
    version = f"1.{draws.randrange(5, 9)}.0"
    release = StagedRelease(
        image=f"ghcr.io/nexnum/nexnum-app:{version}",
        begins_s=ago(draws, 5, 9),
        refuses=frozenset({draws.choice(("offer.restocked", "activation.provider_request"))}),
        slow_s=round(draws.uniform(0.5, 0.9), 2),
    )
    return DrillScenario(
        name="release-and-reconciler",
        title="Events fail and wait since a release, and a reconciler that stopped long before",
        expect=f"{version} can't read some events; and nothing frees reservations.",
        truth=("release-breaks-outbox", "reconciler-stopped"),
        group=GROUP,
        history_s=2400.0,
        abandoned=0.03,
        purchases_per_s=busy(draws),
        faults=(
            staged("outbox-poison", release, shows_after_s=30.0),
            staged("reconciler-stopped", Stop(begins_s=ago(draws, 30, 36), loop="reconciler"), shows_after_s=700.0),
        ),
    )


def limits_without_redis(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    share = round(draws.uniform(0.85, 0.97), 3)
    return DrillScenario(
        name="limits-without-redis",
        title="A provider refuses us, and Redis can't be read",
        expect=f"{name} answers 429; the console's password for Redis is no more.",
        truth=(f"provider-limits-rate {name}",),
        group=GROUP,
        missing=("redis",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("rate-limited", name, ago(draws, 2, 7), (UpstreamAnswer.RATE_LIMITED, share)),),
    )


RECIPES: tuple[Recipe, ...] = (
    two_sellers_without_a_country,
    secret_before_an_egress_outage,
    overload_without_prometheus,
    release_in_a_busy_hour,
    slow_provider_and_poison,
    errors_that_grow,
    edit_before_a_bad_pod,
    release_before_a_lie,
    disabled_and_outbox,
    balance_without_rights,
    config_before_locks,
    spike_before_search,
    release_and_outage,
    release_before_slots,
    release_and_reconciler,
    limits_without_redis,
)
