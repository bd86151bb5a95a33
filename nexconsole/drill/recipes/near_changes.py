"""Near in time to a change, a restart or another trouble: that misleads, or it is the second cause."""

from __future__ import annotations

import random

from ..cluster_causes import ChangedConfig, LyingAlert
from ..scenario_model import DrillScenario
from ..staged_causes import (
    EmptiedRedis,
    PoisonEvents,
    SlowUpstream,
    Stopped,
    Surge,
    UpstreamAnswer,
    UpstreamFault,
)
from .drawing import CHEAPEST, COUNTRIES, Recipe, ago, before, busy, loaded, provider, rate
from .faults_drawn import (
    answering,
    edited,
    empty_account,
    few_mishaps,
    herring,
    innocent_config,
    innocent_release,
    no_answer,
    outage,
    restarted,
    rotated_secret,
    sawtooth,
    staged,
)

GROUP = "mixed"


def edit_before_mixed_errors(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 6)
    answers = (UpstreamAnswer.UNAVAILABLE, 0.66), (UpstreamAnswer.RATE_LIMITED, 0.26)
    return DrillScenario(
        name="edit-before-mixed-errors",
        title="A provider that somebody has just edited fails in two ways",
        expect=f"{name} answers most requests with 503, and some with 429; the edit is not to blame.",
        truth=(f"provider-unreachable {name}",),
        partly=(f"provider-limits-rate {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            answering("provider-errors", name, begins_s, *answers),
            edited(draws, name, before(draws, begins_s, 20, 90)),
        ),
    )


def release_before_three_outages(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 6)
    names = [provider(draws)]
    for _ in range(2):
        names.append(provider(draws, *names))
    refused = (UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 0.97), 3))
    begun = [begins_s + round(draws.uniform(0, 15), 1) for _ in names]
    return DrillScenario(
        name="release-before-three-outages",
        title="Many purchases fail, minutes after a release",
        expect=f"{', '.join(names)} answer 503, all at once; the other two sell, to pods of the same image.",
        truth=tuple(f"provider-unreachable {each}" for each in names),
        group=GROUP,
        purchases_per_s=rate(draws, 2.6, 3.0),
        weights=dict.fromkeys(names, 0.22),
        faults=(
            *(answering("provider-errors", *each, refused) for each in zip(names, begun, strict=True)),
            innocent_release(draws, before(draws, begins_s, 120, 360)),
        ),
    )


def restart_after_a_secret(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1, 4)
    return DrillScenario(
        name="restart-after-a-secret",
        title="A pod ran out of memory at night, after a Secret was rotated",
        expect="Nothing is wrong: the pod is back with the new secret, and what fails now and then fails by chance.",
        group=GROUP,
        purchases_per_s=rate(draws, 0.35, 0.6),
        faults=(
            restarted(begins_s),
            rotated_secret(before(draws, begins_s, 30, 150)),
            few_mishaps(ago(draws, 8, 20), round(draws.uniform(0.02, 0.035), 3)),
        ),
    )


def config_after_an_outage(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 1, 3)
    ended_s = before(draws, begins_s, 560, 700)
    past = UpstreamFault(provider=name, begins_s=before(draws, ended_s, 120, 200), answers=no_answer(draws, 0.9))
    return DrillScenario(
        name="config-after-an-outage",
        title="A provider was away ten minutes ago; now somebody has changed a setting",
        expect=f"Nothing is wrong any more: {name} has sold again for long, and no pod has read the setting.",
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            herring("provider-outage", past, provider=name, ends_s=ended_s),
            innocent_config(draws, begins_s),
        ),
    )


def empty_balance_on_best_route(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 7)
    return DrillScenario(
        name="empty-balance-on-best-route",
        title="A pod ran out of memory, and since then one purchase in ten fails",
        expect=f"Our balance at {CHEAPEST} is used up; best route hides most of it, for it goes on to the next.",
        truth=(f"balance-used-up {CHEAPEST}",),
        group=GROUP,
        eras=("head",),
        best_route=round(draws.uniform(0.6, 0.7), 2),
        purchases_per_s=rate(draws, 2.6, 3.0),
        faults=(
            empty_account(CHEAPEST, begins_s),
            restarted(before(draws, begins_s, 10, 60)),
        ),
    )


def slow_provider_on_best_route(draws: random.Random) -> DrillScenario:
    ramp_s, factor = round(draws.uniform(260, 400)), round(draws.uniform(9, 12), 1)
    slow = SlowUpstream(provider=CHEAPEST, begins_s=ago(draws, 6, 9), factor=factor, ramp_s=ramp_s)
    return DrillScenario(
        name="slow-provider-on-best-route",
        title="Nearly every purchase takes longer and longer, and few fail",
        expect=f"{CHEAPEST} gets slower, and best route asks it first; no other provider is slow.",
        truth=(f"provider-slow {CHEAPEST}",),
        partly=(f"provider-unreachable {CHEAPEST}",),
        group=GROUP,
        eras=("head",),
        best_route=round(draws.uniform(0.65, 0.8), 2),
        purchases_per_s=busy(draws),
        faults=(
            staged("slow-provider", slow, provider=CHEAPEST, shows_after_s=round(ramp_s / 3)),
            edited(draws, provider(draws, CHEAPEST), ago(draws, 6, 9)),
        ),
    )


def outage_and_emptied_redis(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="outage-and-emptied-redis",
        title="A provider does not answer, and somebody tried to help by emptying Redis",
        expect=f"{name} does not answer, before and after; Redis has lost its keys.",
        truth=(f"provider-unreachable {name}", "redis-emptied"),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            outage(draws, name, ago(draws, 4, 6)),
            staged("redis-emptied", EmptiedRedis(begins_s=ago(draws, 0.3, 1.2))),
        ),
    )


def config_read_by_one_pod(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 18, 24)
    restarts_s = round(-begins_s - draws.uniform(120, 300), 1)
    change = ChangedConfig(
        begins_s=begins_s, key="MEILI_INDEX", value="offers_v3", breaks="search", restarts_after_s=(restarts_s,)
    )
    return DrillScenario(
        name="config-read-by-one-pod",
        title="A third of the customers finds no offer, though the search is well",
        expect="One pod, started anew, has read a setting of long before: it asks for an index that there is not.",
        truth=("bad-config",),
        group=GROUP,
        purchases_per_s=rate(draws, 2.6, 3.0),
        faults=(staged("bad-config", change, shows_after_s=restarts_s + 5),),
    )


def release_before_a_database_restart(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 4)
    restart = Stopped(begins_s=begins_s, server="postgres", back_s=round(draws.uniform(15, 30), 1))
    return DrillScenario(
        name="release-before-a-database-restart",
        title="Purchases broke off after a release, and a provider is now faster, now slower",
        expect=f"PostgreSQL was restarted; the release and {name} are well.",
        truth=("database-restarted",),
        partly=("database-down",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("database-restarted", restart),
            innocent_release(draws, before(draws, begins_s, 60, 200)),
            sawtooth(draws, name, ago(draws, 12, 20)),
        ),
    )


def release_before_a_surge(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 6)
    surge = Surge(begins_s=begins_s, factor=round(draws.uniform(6, 8), 1), ramp_s=round(draws.uniform(60, 150)))
    return DrillScenario(
        name="release-before-a-surge",
        title="Purchases take longer and longer since a release",
        expect="Many times as many customers come as usual, and wait for slots; the release is well.",
        truth=("traffic-surge",),
        group=GROUP,
        eras=("head",),
        purchases_per_s=rate(draws, 0.9, 1.1),
        browses_per_s=2.0,
        slot_s=0.6,
        faults=(
            staged("traffic-surge", surge, shows_after_s=40.0),
            innocent_release(draws, before(draws, begins_s, 30, 120)),
        ),
    )


def release_after_poison(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 4, 8)
    kind = draws.choice(("offer.imported", "currency.updated", "activation.migrated"))
    poison = PoisonEvents(begins_s=begins_s, event_type=kind, every_s=round(draws.uniform(4, 7), 1))
    return DrillScenario(
        name="release-after-poison",
        title="Events fail in the outbox, and a release was rolled out",
        expect=f"Something writes {kind} events that nobody can process, since before the release.",
        truth=("outbox-poison",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("poison-events", poison, shows_after_s=15.0),
            innocent_release(draws, begins_s + round(draws.uniform(45, 75), 1)),
        ),
    )


def country_and_a_lie(draws: random.Random) -> DrillScenario:
    country, begins_s = draws.choice(list(COUNTRIES)), ago(draws, 5, 9)
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.6, 0.75), 3)),)
    cause = UpstreamFault(provider="", begins_s=begins_s, answers=answers, countries=(COUNTRIES[country],))
    lie = LyingAlert(begins_s=ago(draws, 2, 4), alert="RedisDown", summary="Redis has not answered for a minute")
    return DrillScenario(
        name="country-and-a-lie",
        title="An alert says that Redis is down, and some purchases fail",
        expect=f"Redis answers, the alert is wrong; of {country} there are hardly any numbers, at any provider.",
        truth=(f"country-out {country}", "alert-lies RedisDown"),
        group=GROUP,
        purchases_per_s=rate(draws, 0.6, 0.9),
        faults=(
            staged("country-out", cause, shows_after_s=20.0),
            staged("lying-alert", lie, shows_after_s=10.0),
        ),
    )


RECIPES: tuple[Recipe, ...] = (
    edit_before_mixed_errors,
    release_before_three_outages,
    restart_after_a_secret,
    config_after_an_outage,
    empty_balance_on_best_route,
    slow_provider_on_best_route,
    outage_and_emptied_redis,
    config_read_by_one_pod,
    release_before_a_database_restart,
    release_before_a_surge,
    release_after_poison,
    country_and_a_lie,
)
