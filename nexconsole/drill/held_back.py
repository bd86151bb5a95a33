"""Scenarios that the causes' chapters were written without: whoever tunes a rule does not read this file.

These are about providers and load, and about days on which nothing is wrong; `held_back_servers` has the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from .cluster_causes import ChangedConfig
from .recipes.drawing import COUNTRIES, Recipe, ago, loaded, provider, rate
from .recipes.faults_drawn import (
    answering,
    disabled,
    edited,
    empty_account,
    few_mishaps,
    herring,
    innocent_config,
    innocent_release,
    no_answer,
    restarted,
    sawtooth,
    staged,
)
from .scenario_model import DrillScenario, StagedFault
from .staged_causes import (
    DisabledBySql,
    EgressDown,
    PoisonEvents,
    Polling,
    SlowUpstream,
    Surge,
    UpstreamAnswer,
    UpstreamFault,
)

GROUP = "held back"
LATENCY_S = {"smsbower": 0.55, "tiger-sms": 0.40, "5sim": 0.35, "onlinesim": 0.70, "grizzlysms": 0.50}  # as usual


def held_back(
    number: int,
    title: str,
    expect: str,
    *faults: StagedFault,
    purchases_per_s: float,
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
        purchases_per_s=purchases_per_s,
        weights=weights or {},
        faults=faults,
    )


# --- one provider ---


def held_back_1(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    answers = (
        (UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.76, 0.82), 3)),  # each is tried three times
        (UpstreamAnswer.TIMEOUT, 0.05),
    )
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 16, 24), answers=answers)
    scenario = held_back(
        1,
        "Every second purchase at one provider has failed for a quarter of an hour; Redis can't be read",
        f"About half of what is asked of {name} ends with 503, some with no answer; few buy at this hour.",
        staged("provider-outage", cause, provider=name, shows_after_s=700.0),
        truth=(f"provider-unreachable {name}",),
        missing=("redis",),
        weights={name: round(draws.uniform(0.34, 0.45), 2)},
        purchases_per_s=rate(draws, 0.45, 0.65),
    )
    return replace(scenario, browses_per_s=1.5)


def held_back_2(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 4, 8)
    other = provider(draws, name)
    page = ((UpstreamAnswer.HTML, round(draws.uniform(0.5, 0.7), 3)),)
    none = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.88, 0.96), 3)),)
    ramp_s = round(draws.uniform(150, 260))
    kind, cause_id, answers, grows_s, shows_s, what = draws.choice(
        (
            ("html-answers", "provider-answers-nonsense", page, 0.0, 0.0, "answers more than half with a page"),
            ("out-of-stock", "out-of-stock", none, ramp_s, ramp_s * 0.4, "sells its last numbers, in every country"),
        )
    )
    cause = UpstreamFault(provider=name, begins_s=begins_s, answers=answers, ramp_s=grows_s)
    return held_back(
        2,
        "Complaints about one provider; its neighbour gets slower at times, and Prometheus does not answer",
        f"{name} {what}. That {other} is slower now and then hurts nobody.",
        staged(kind, cause, provider=name, shows_after_s=round(shows_s)),
        sawtooth(draws, other, begins_s - round(draws.uniform(300, 600), 1)),
        truth=(f"{cause_id} {name}",),
        missing=("prometheus",),
        weights=loaded(draws, name),
        purchases_per_s=rate(draws, 1.2, 2.0),
    )


def held_back_5(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 3, 7)
    factor = round(draws.uniform(4.8, 5.6) / LATENCY_S[name], 1)
    return held_back(
        5,
        "Customers of one provider wait for long, some in vain; it was edited in the admin panel just before",
        f"{name} takes about five seconds for each answer, all at once; the edit changed its place in the list.",
        staged(
            "slow-provider",
            SlowUpstream(provider=name, begins_s=begins_s, factor=factor),
            provider=name,
            shows_after_s=20.0,
        ),
        edited(draws, name, begins_s - round(draws.uniform(40, 150), 1)),
        truth=(f"provider-slow {name}",),
        partly=(f"provider-unreachable {name}",),
        weights=loaded(draws, name),
        purchases_per_s=rate(draws, 1.0, 1.8),
    )


def held_back_8(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 3, 8)
    scenario = held_back(
        8,
        "Customers of one provider get 404 since minutes after a release",
        f"Somebody disabled {name} by SQL: who wants it is refused and leaves no row. The release is well.",
        disabled(name, begins_s),
        innocent_release(draws, begins_s - round(draws.uniform(150, 360), 1)),
        truth=(f"provider-disabled {name}",),
        weights=loaded(draws, name),
        purchases_per_s=rate(draws, 1.3, 2.2),
    )
    return replace(scenario, eras=("head",))


# --- two at once ---


def held_back_3(draws: random.Random) -> DrillScenario:
    first = provider(draws)
    second = provider(draws, first)
    begins_s = ago(draws, 3, 6)
    share = (UpstreamAnswer.RATE_LIMITED, round(draws.uniform(0.88, 0.97), 3))
    busy_day = Surge(begins_s=begins_s - round(draws.uniform(120, 300), 1), factor=1.7, ramp_s=90.0)
    return held_back(
        3,
        "A busy evening, and two providers sell hardly anything",
        f"{first} and {second} answer 429: we ask them for more than we may. The others serve the many customers.",
        answering("rate-limited", first, begins_s, share),
        answering("rate-limited", second, begins_s + round(draws.uniform(20, 80), 1), share),
        herring("busy-day", busy_day),
        truth=(f"provider-limits-rate {first}", f"provider-limits-rate {second}"),
        partly=("traffic-surge",),
        weights={first: 0.3, second: 0.27},
        purchases_per_s=rate(draws, 1.2, 1.6),
    )


def held_back_4(draws: random.Random) -> DrillScenario:
    refuses = provider(draws)
    flaps = provider(draws, refuses)
    period_s, failing_s = round(draws.uniform(80, 105), 1), round(draws.uniform(17, 23), 1)
    flapping = UpstreamFault(
        provider=flaps,
        begins_s=ago(draws, 9, 13),
        answers=((UpstreamAnswer.RESET, round(draws.uniform(0.93, 0.99), 3)),),
        period_s=period_s,
        failing_s=failing_s,
    )
    scenario = held_back(
        4,
        "One provider has been unsteady for a while, and now another sells nothing at all",
        f"{refuses} refuses our key; {flaps} comes and goes every minute and a half, as before.",
        staged("flapping-circuit", flapping, provider=flaps, shows_after_s=round(2 * period_s + failing_s)),
        answering("key-refused", refuses, ago(draws, 2, 5), (UpstreamAnswer.BAD_KEY, 1.0)),
        truth=(f"provider-key-refused {refuses}", f"provider-flaps {flaps}"),
        partly=(f"provider-unreachable {flaps}",),
        weights={**loaded(draws, refuses), flaps: 0.16},
        purchases_per_s=rate(draws, 1.5, 2.4),
    )
    return replace(scenario, visits={flaps: 0.55})


def held_back_6(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    event = draws.choice(("offer.imported", "currency.updated", "activation.migrated"))
    poison = PoisonEvents(begins_s=ago(draws, 12, 18), event_type=event, every_s=round(draws.uniform(5, 9), 1))
    return held_back(
        6,
        "Events have failed since an import began, and now a provider sells us nothing",
        f"Nobody topped up our account at {name}; and somebody writes {event} events that nothing can process.",
        staged("poison-events", poison, shows_after_s=30.0),
        empty_account(name, ago(draws, 2, 6)),
        truth=(f"balance-used-up {name}", "outbox-poison"),
        weights=loaded(draws, name),
        purchases_per_s=rate(draws, 1.0, 1.9),
    )


# --- all providers, or none in particular ---


def held_back_7(draws: random.Random) -> DrillScenario:
    country, begins_s = draws.choice(list(COUNTRIES)), ago(draws, 5, 9)
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.8, 0.92), 3)),)
    cause = UpstreamFault(provider="", begins_s=begins_s, answers=answers, countries=(COUNTRIES[country],))
    return held_back(
        7,
        "A quarter of the few purchases of the night fails; a pod was killed for its memory before",
        f"Hardly any provider has a number of {country} left. The pod is back, and as well as the others.",
        staged("country-out", cause, shows_after_s=90.0),
        restarted(begins_s - round(draws.uniform(60, 200), 1)),
        truth=(f"country-out {country}",),
        purchases_per_s=rate(draws, 0.42, 0.6),
    )


def _crowded(draws: random.Random) -> DrillScenario:
    surge = Surge(begins_s=ago(draws, 3, 6), factor=round(draws.uniform(6.0, 7.5), 1), ramp_s=80.0)
    scenario = held_back(
        9,
        "",
        "A campaign brings six times as many customers as usual: more than one provider's slots can take.",
        staged("traffic-surge", surge, shows_after_s=40.0),
        truth=("traffic-surge",),
        partly=("slots-taken smsbower",),
        purchases_per_s=rate(draws, 0.9, 1.05),
    )
    return replace(scenario, browses_per_s=0.9, slot_s=0.6)


def _polled(draws: random.Random) -> DrillScenario:
    name, numbers = provider(draws), draws.randrange(26, 40)
    polling = Polling(begins_s=ago(draws, 3, 6), provider=name, numbers=numbers, lasts_s=3600.0)
    scenario = held_back(
        9,
        "",
        f"Polling takes more slots of {name} than there are: who buys there waits, for longer and longer.",
        staged("slot-starvation", polling, provider=name, shows_after_s=50.0),
        truth=(f"slots-taken {name}",),
        weights=loaded(draws, name),
        purchases_per_s=rate(draws, 1.0, 1.5),
    )
    return replace(scenario, browses_per_s=3.0)


def held_back_9(draws: random.Random) -> DrillScenario:
    """Many customers, or many live numbers: either takes the slots."""
    build: Callable[[random.Random], DrillScenario] = _crowded if draws.random() < 0.5 else _polled
    title = "Purchases take minutes and hardly any fails; the cluster's API does not answer"
    return replace(build(draws), title=title, missing=("kubernetes",), eras=("head",))


def held_back_10(draws: random.Random) -> DrillScenario:
    cause = EgressDown(begins_s=ago(draws, 3, 7), answers=no_answer(draws, round(draws.uniform(0.58, 0.72), 3)))
    return held_back(
        10,
        "More than half of everything fails; Redis refuses our password",
        "A gateway drops most of what the pods send out: at every provider, on every pod, whatever they ask for.",
        staged("egress-down", cause),
        truth=("egress-down",),
        missing=("redis",),
        purchases_per_s=rate(draws, 1.8, 2.6),
    )


# --- nothing is wrong ---


def held_back_11(draws: random.Random) -> DrillScenario:
    mishaps = few_mishaps(ago(draws, 14, 22), round(draws.uniform(0.02, 0.03), 3))
    return held_back(
        11,
        "Early in the morning a few purchases fail, and a release went out",
        "Nothing is wrong: now and then a number has just been sold; the release is well.",
        mishaps,
        innocent_release(draws, ago(draws, 3, 6)),
        purchases_per_s=rate(draws, 0.4, 0.55),
    )


def held_back_12(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 16, 18)
    ends_s = round(begins_s + draws.uniform(70, 110), 1)
    spike = UpstreamFault(provider=name, begins_s=begins_s, answers=no_answer(draws, 0.92))
    return held_back(
        12,
        "The page of a quarter of an hour ago is read only now, after somebody changed a setting",
        f"{name} was away for a minute and a half, and has sold again for long. The setting has been read by no pod.",
        herring("provider-outage", spike, provider=name, ends_s=ends_s),
        innocent_config(draws, round(ends_s + draws.uniform(680, 760), 1)),
        purchases_per_s=rate(draws, 1.2, 2.0),
    )


def held_back_13(draws: random.Random) -> DrillScenario:
    surge = Surge(begins_s=ago(draws, 9, 14), factor=round(draws.uniform(1.4, 1.7), 2), ramp_s=180.0)
    scenario = held_back(
        13,
        "A busy afternoon; one pod ran out of memory, and Prometheus does not answer",
        "Nothing is wrong: the pod was back within seconds, and all who come are served.",
        herring("busy-day", surge),
        restarted(ago(draws, 2, 5)),
        missing=("prometheus",),
        purchases_per_s=rate(draws, 1.7, 2.0),
    )
    return replace(scenario, browses_per_s=4.0)


def held_back_14(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 8, 12)
    key = draws.choice(("JWT_SECRET", "ALERT_WEBHOOK_SECRET", "METRICS_SCRAPE_TOKEN"))
    rotated = ChangedConfig(begins_s=begins_s, key=key, value="rotated", secret=True, rolls=True)
    return held_back(
        14,
        "A Secret was rotated and all pods were replaced, then somebody changed a provider",
        "Nothing is wrong: what the pods read works, and the change is one of order.",
        herring("innocent-config", rotated),
        edited(draws, provider(draws), round(begins_s + draws.uniform(200, 400), 1)),
        purchases_per_s=rate(draws, 1.2, 1.9),
    )


def held_back_15(draws: random.Random) -> DrillScenario:
    unused = provider(draws, "smsbower")
    slower = provider(draws, unused)
    begins_s = ago(draws, 13, 17)
    switched_off = DisabledBySql(begins_s=begins_s - round(draws.uniform(600, 900), 1), provider=unused)
    scenario = held_back(
        15,
        "One provider is slow at times, one is switched off, and the cluster shows us nothing",
        f"Nothing is wrong: nobody has bought at {unused} for months, and {slower} is quick again each time.",
        herring("best-route-blackout", switched_off, provider=unused),
        sawtooth(draws, slower, begins_s),
        edited(draws, provider(draws, unused, slower), round(begins_s + draws.uniform(500, 700), 1)),
        partly=(f"provider-disabled {unused}",),
        missing=("rights",),
        weights={unused: 0.0},
        purchases_per_s=rate(draws, 1.4, 2.2),
    )
    return replace(scenario, eras=("head",))


RECIPES: tuple[Recipe, ...] = (
    *(held_back_1, held_back_2, held_back_3, held_back_4, held_back_5, held_back_6, held_back_7, held_back_8),
    *(held_back_9, held_back_10, held_back_11, held_back_12, held_back_13, held_back_14, held_back_15),
)
