"""Scenarios that the causes' chapters were written without: whoever tunes a rule does not read this file."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import wraps
from typing import Any

from . import staged_causes as causes
from .cluster_causes import ChangedConfig, LyingAlert
from .recipes import faults_drawn as drawn
from .recipes.drawing import COUNTRIES, Recipe, ago, before, loaded, provider
from .scenario_model import DrillScenario, StagedFault
from .staged_causes import UpstreamAnswer

GROUP = "held back"
CHEAPEST = "smsbower"  # what best route takes
QUIET, USUAL, BUSY = (0.35, 0.6), (1.3, 2.1), (2.6, 3.0)  # purchases a second


def _answers(answer: UpstreamAnswer, share: float) -> causes.Answers:
    return ((answer, round(share, 3)),)


def _held_back(
    draws: random.Random,
    title: str,
    expect: str,
    *faults: StagedFault,
    rate: tuple[float, float] = USUAL,
    **more: Any,
) -> DrillScenario:
    """`more` are further fields of DrillScenario; the name is that of the function."""
    return DrillScenario(
        name="",
        title=title,
        expect=expect,
        group=GROUP,
        held_back=True,
        purchases_per_s=round(draws.uniform(*rate), 2),
        faults=faults,
        **more,
    )


def held_back_1(draws: random.Random) -> DrillScenario:
    name, share = provider(draws), round(draws.uniform(0.55, 0.68), 3)
    return _held_back(
        draws,
        "Few customers come, some fail, and Prometheus does not answer",
        f"{name} answers more than half of the purchases with a page.",
        drawn.answering("html-answers", name, ago(draws, 3, 8), (UpstreamAnswer.HTML, share)),
        truth=(f"provider-answers-nonsense {name}",),
        missing=("prometheus",),
        weights={name: round(draws.uniform(0.5, 0.6), 2)},
        rate=(0.5, 0.6),
    )


def held_back_2(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 6)
    answers = (UpstreamAnswer.UNAVAILABLE, 0.66), (UpstreamAnswer.RATE_LIMITED, 0.26)
    return _held_back(
        draws,
        "A provider that somebody has just edited fails in two ways",
        f"{name} answers most requests with 503, and some with 429; the edit is not to blame.",
        drawn.answering("provider-errors", name, begins_s, *answers),
        drawn.edited(draws, name, before(draws, begins_s, 20, 90)),
        truth=(f"provider-unreachable {name}",),
        partly=(f"provider-limits-rate {name}",),
        weights=loaded(draws, name),
    )


def held_back_3(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 6)
    names = [provider(draws)]
    for _ in range(2):
        names.append(provider(draws, *names))
    refused = (UpstreamAnswer.UNAVAILABLE, round(draws.uniform(0.9, 0.97), 3))
    begun = [begins_s + round(draws.uniform(0, 15), 1) for _ in names]
    return _held_back(
        draws,
        "Many purchases fail, minutes after a release",
        f"{', '.join(names)} answer 503, all at once; the other two sell, to pods of the same image.",
        *(drawn.answering("provider-errors", *each, refused) for each in zip(names, begun, strict=True)),
        drawn.innocent_release(draws, before(draws, begins_s, 120, 360)),
        truth=tuple(f"provider-unreachable {each}" for each in names),
        weights=dict.fromkeys(names, 0.22),
        rate=BUSY,
    )


def held_back_4(draws: random.Random) -> DrillScenario:
    name, period_s = provider(draws), round(draws.uniform(85, 110), 1)
    answers, failing_s = _answers(UpstreamAnswer.RESET, draws.uniform(0.9, 1.0)), round(draws.uniform(22, 30), 1)
    cause = causes.UpstreamFault(
        provider=name, begins_s=ago(draws, 9, 14), answers=answers, period_s=period_s, failing_s=failing_s
    )
    return _held_back(
        draws,
        "Purchases fail in waves, and Redis can't be read",
        f"{name}, of which many buy, comes and goes every minute and a half.",
        drawn.staged("flapping-circuit", cause, provider=name, shows_after_s=round(2 * period_s + 15)),
        truth=(f"provider-flaps {name}",),
        partly=(f"provider-unreachable {name}",),
        missing=("redis",),
        weights=loaded(draws, name),
        rate=BUSY,
    )


def held_back_5(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1, 4)
    answers = _answers(UpstreamAnswer.NO_NUMBERS, draws.uniform(0.02, 0.035))
    mishaps = causes.UpstreamFault(provider="", begins_s=ago(draws, 8, 20), answers=answers)
    return _held_back(
        draws,
        "A pod ran out of memory at night, after a Secret was rotated",
        "Nothing is wrong: the pod is back with the new secret, and what fails now and then fails by chance.",
        drawn.restarted(begins_s),
        drawn.rotated_secret(before(draws, begins_s, 30, 150)),
        drawn.herring("few-mishaps", mishaps),
        rate=QUIET,
    )


def held_back_6(draws: random.Random) -> DrillScenario:
    first, begins_s = provider(draws), ago(draws, 1, 3)
    return _held_back(
        draws,
        "A release on a busy day, with two providers now faster, now slower, and no logs",
        "Nothing is wrong.",
        drawn.innocent_release(draws, begins_s),
        drawn.busy_day(draws, before(draws, begins_s, 90, 300)),
        drawn.sawtooth(draws, first, ago(draws, 12, 20)),
        drawn.sawtooth(draws, provider(draws, first), ago(draws, 12, 20)),
        missing=("logs",),
        rate=(1.1, 1.5),
        browses_per_s=3.0,
    )


def held_back_7(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 1, 3)
    ended_s = before(draws, begins_s, 560, 700)
    answers = drawn.no_answer(draws, 0.9)
    past = causes.UpstreamFault(provider=name, begins_s=before(draws, ended_s, 120, 200), answers=answers)
    return _held_back(
        draws,
        "A provider was away ten minutes ago; now somebody has changed a setting",
        f"Nothing is wrong any more: {name} has sold again for long, and no pod has read the setting.",
        drawn.herring("provider-outage", past, provider=name, ends_s=ended_s),
        drawn.innocent_config(draws, begins_s),
        weights=loaded(draws, name),
    )


def held_back_8(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1.5, 4)
    change = ChangedConfig(begins_s=begins_s, key="OUTBOX_BATCH", value="25", rolls=True)
    return _held_back(
        draws,
        "A setting was changed, all pods are new, a provider was edited, and Prometheus does not answer",
        "Nothing is wrong: all sell as before.",
        drawn.herring("innocent-config", change),
        drawn.edited(draws, provider(draws), before(draws, begins_s, 30, 200)),
        missing=("prometheus",),
    )


def held_back_9(draws: random.Random) -> DrillScenario:
    unused = provider(draws, CHEAPEST)
    wanted, begins_s = provider(draws, unused), ago(draws, 2, 4)
    away = causes.UpstreamFault(
        provider=unused, begins_s=ago(draws, 20, 26), answers=_answers(UpstreamAnswer.RESET, 0.97)
    )
    crowd = causes.Crowd(begins_s=begins_s, provider=wanted, purchases=0.6, visits=0.5)
    return _held_back(
        draws,
        "A circuit is open, everybody wants another provider, a pod was restarted, and Redis can't be read",
        f"Nothing is wrong: nobody buys from {unused}, and {wanted} serves them all.",
        drawn.herring("unused-circuit", away, provider=unused),
        drawn.herring("crowd", crowd, provider=wanted),
        drawn.restarted(before(draws, begins_s, 20, 90)),
        missing=("redis",),
        weights={unused: 0.0},
        visits={unused: 0.15},
    )


def held_back_10(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    answers = _answers(UpstreamAnswer.RESET, draws.uniform(0.72, 0.85))
    return _held_back(
        draws,
        "Some purchases fail at every provider, after a release, and Redis can't be read",
        "One of the newer pods hardly reaches anybody; the others, of the same image, are well.",
        drawn.staged("one-bad-pod", causes.CutOffPod(begins_s=begins_s, answers=answers)),
        drawn.innocent_release(draws, before(draws, begins_s, 90, 240)),
        truth=("pod-cut-off",),
        missing=("redis",),
    )


def held_back_11(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 7)
    return _held_back(
        draws,
        "A pod ran out of memory, and since then one purchase in ten fails",
        f"Our balance at {CHEAPEST} is used up; best route hides most of it, for it goes on to the next.",
        drawn.empty_account(CHEAPEST, begins_s),
        drawn.restarted(before(draws, begins_s, 10, 60)),
        truth=(f"balance-used-up {CHEAPEST}",),
        rate=BUSY,
        eras=("head",),
        best_route=round(draws.uniform(0.6, 0.7), 2),
    )


def held_back_12(draws: random.Random) -> DrillScenario:
    ramp_s, factor = round(draws.uniform(260, 400)), round(draws.uniform(9, 12), 1)
    cause = causes.SlowUpstream(provider=CHEAPEST, begins_s=ago(draws, 6, 9), factor=factor, ramp_s=ramp_s)
    return _held_back(
        draws,
        "Nearly every purchase takes longer and longer, and few fail",
        f"{CHEAPEST} gets slower, and best route asks it first; no other provider is slow.",
        drawn.staged("slow-provider", cause, provider=CHEAPEST, shows_after_s=round(ramp_s / 3)),
        drawn.edited(draws, provider(draws, CHEAPEST), ago(draws, 6, 9)),
        truth=(f"provider-slow {CHEAPEST}",),
        partly=(f"provider-unreachable {CHEAPEST}",),
        eras=("head",),
        best_route=round(draws.uniform(0.65, 0.8), 2),
    )


def held_back_13(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return _held_back(
        draws,
        "A provider does not answer, and somebody tried to help by emptying Redis",
        f"{name} does not answer, before and after; Redis has lost its keys.",
        drawn.outage(draws, name, ago(draws, 4, 6)),
        drawn.staged("redis-emptied", causes.EmptiedRedis(begins_s=ago(draws, 0.3, 1.2))),
        truth=(f"provider-unreachable {name}", "redis-emptied"),
        weights=loaded(draws, name),
    )


def held_back_14(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 18, 24)
    restarts_s = round(-begins_s - draws.uniform(120, 300), 1)
    cause = ChangedConfig(
        begins_s=begins_s, key="MEILI_INDEX", value="offers_v3", breaks="search", restarts_after_s=(restarts_s,)
    )
    return _held_back(
        draws,
        "A third of the customers finds no offer, though the search is well",
        "One pod was started anew and has read a setting of long before: it asks for an index that there is not.",
        drawn.staged("bad-config", cause, shows_after_s=restarts_s + 5),
        truth=("bad-config",),
        rate=BUSY,
    )


def held_back_15(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 4)
    cause = causes.Stopped(begins_s=begins_s, server="postgres", back_s=round(draws.uniform(15, 30), 1))
    return _held_back(
        draws,
        "Purchases broke off after a release, and a provider is now faster, now slower",
        f"PostgreSQL was restarted; the release and {name} are well.",
        drawn.staged("database-restarted", cause),
        drawn.innocent_release(draws, before(draws, begins_s, 60, 200)),
        drawn.sawtooth(draws, name, ago(draws, 12, 20)),
        truth=("database-restarted",),
        partly=("database-down",),
    )


def held_back_16(draws: random.Random) -> DrillScenario:
    image, slow_s = f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.2", round(draws.uniform(0.85, 1.1), 2)
    release = causes.StagedRelease(image=image, begins_s=ago(draws, 5, 9), slow_s=slow_s)
    return _held_back(
        draws,
        "The outbox grows, nothing fails in it, and no log can be read",
        "The release takes a second for an event: some are published, more come.",
        drawn.staged("outbox-poison", release, shows_after_s=60.0),
        truth=("release-breaks-outbox",),
        missing=("logs",),
    )


def held_back_17(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 8)
    return _held_back(
        draws,
        "Some of few purchases fail since a Secret was rotated, and Prometheus does not answer",
        "One session holds a third of the wallets; no pod has read the Secret.",
        drawn.staged("database-stall", causes.WalletStall(begins_s=begins_s, share=round(draws.uniform(0.3, 0.4), 3))),
        drawn.rotated_secret(before(draws, begins_s, 20, 120)),
        truth=("session-blocks",),
        missing=("prometheus",),
        rate=(0.45, 0.6),
    )


def held_back_18(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws, CHEAPEST), ago(draws, 2, 7)
    return _held_back(
        draws,
        "Some customers are refused, hardly a purchase fails, and the cluster's API does not answer",
        f"Somebody disabled {name} by SQL: who asks for its offers is refused. Another's edit is not to blame.",
        drawn.disabled(name, begins_s),
        drawn.edited(draws, provider(draws, name), before(draws, begins_s, 10, 60)),
        truth=(f"provider-disabled {name}",),
        missing=("kubernetes",),
        weights=loaded(draws, name),
        eras=("head",),
    )


def held_back_19(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 6)
    surge = causes.Surge(begins_s=begins_s, factor=round(draws.uniform(6, 8), 1), ramp_s=round(draws.uniform(60, 150)))
    return _held_back(
        draws,
        "Purchases take longer and longer since a release",
        "Many times as many customers come as usual, and wait for slots; the release is well.",
        drawn.staged("traffic-surge", surge, shows_after_s=40.0),
        drawn.innocent_release(draws, before(draws, begins_s, 30, 120)),
        truth=("traffic-surge",),
        rate=(0.9, 1.1),
        browses_per_s=2.0,
        slot_s=0.6,
        eras=("head",),
    )


def held_back_20(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 4, 8)
    kind = draws.choice(("offer.imported", "currency.updated", "activation.migrated"))
    poison = causes.PoisonEvents(begins_s=begins_s, event_type=kind, every_s=round(draws.uniform(4, 7), 1))
    return _held_back(
        draws,
        "Events fail in the outbox, and a release was rolled out",
        f"Something writes {kind} events that nobody can process, since before the release.",
        drawn.staged("poison-events", poison, shows_after_s=15.0),
        drawn.innocent_release(draws, begins_s + round(draws.uniform(45, 75), 1)),
        truth=("outbox-poison",),
    )


def held_back_21(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 2, 5)
    answers = drawn.no_answer(draws, round(draws.uniform(0.36, 0.42), 3))
    return _held_back(
        draws,
        "On a busy day many purchases fail, everywhere, and the cluster grants us nothing",
        "A good part of what any pod sends to any provider gets lost.",
        drawn.staged("egress-down", causes.EgressDown(begins_s=begins_s, answers=answers)),
        drawn.busy_day(draws, before(draws, begins_s, 120, 240)),
        truth=("egress-down",),
        missing=("rights",),
    )


def held_back_22(draws: random.Random) -> DrillScenario:
    country = draws.choice(list(COUNTRIES))
    answers = _answers(UpstreamAnswer.NO_NUMBERS, draws.uniform(0.6, 0.75))
    where, begins_s = (COUNTRIES[country],), ago(draws, 5, 9)
    cause = causes.UpstreamFault(provider="", begins_s=begins_s, answers=answers, countries=where)
    lie = LyingAlert(begins_s=ago(draws, 2, 4), alert="RedisDown", summary="Redis has not answered for a minute")
    return _held_back(
        draws,
        "An alert says that Redis is down, and some purchases fail",
        f"Redis answers, the alert is wrong; of {country} there are hardly any numbers, at any provider.",
        drawn.staged("country-out", cause, shows_after_s=20.0),
        drawn.staged("lying-alert", lie, shows_after_s=10.0),
        truth=(f"country-out {country}", "alert-lies RedisDown"),
        rate=(0.6, 0.9),
    )


def _named(recipe: Recipe) -> Recipe:
    @wraps(recipe)
    def drawn_scenario(draws: random.Random) -> DrillScenario:
        return replace(recipe(draws), name=recipe.__name__.replace("_", "-"))

    return drawn_scenario


_ALL: tuple[Recipe, ...] = (
    *(held_back_1, held_back_2, held_back_3, held_back_4, held_back_5, held_back_6, held_back_7, held_back_8),
    *(held_back_9, held_back_10, held_back_11, held_back_12, held_back_13, held_back_14, held_back_15, held_back_16),
    *(held_back_17, held_back_18, held_back_19, held_back_20, held_back_21, held_back_22),
)
RECIPES = tuple(map(_named, _ALL))
