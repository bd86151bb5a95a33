"""Incidents put together by chance: one cause, two or none, what misleads beside it, and a source that may be missing.

Whoever tunes a rule can't know what another seed draws.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from nexconsole.drill.cluster_causes import ChangedConfig, CrashingPods, LyingAlert, Scaled
from nexconsole.drill.recipes import faults_drawn as faults
from nexconsole.drill.recipes.drawing import COUNTRIES, PROVIDERS, ago, loaded, provider
from nexconsole.drill.recipes.faults_drawn import answering, herring, staged
from nexconsole.drill.scenario_model import DrillScenario, StagedFault
from nexconsole.drill.scenarios import scenario_named
from nexconsole.drill.server_kinds import REDIS_SECRET, WRONG_URL
from nexconsole.drill.staged_causes import (
    CutOffPod,
    EgressDown,
    EmptiedRedis,
    FullMemory,
    PoisonEvents,
    Polling,
    ReadOnlyDatabase,
    SlowDatabase,
    SlowUpstream,
    StagedRelease,
    Stop,
    Stopped,
    Surge,
    UpstreamAnswer,
    UpstreamFault,
)

NAME = "drawn-"  # before its seed
MISSING = ("", "", "", "prometheus", "kubernetes", "rights", "logs", "redis")
CLUSTER = frozenset({"kubernetes", "rights"})
LOGS = CLUSTER | {"logs"}


@dataclass(frozen=True, kw_only=True)
class DrawnFault:
    """One fault with what is true of it. `needs`: sources without which nobody could tell. `weights` are
    the scenario's; `other` is what else of it has to be so."""

    fault: StagedFault
    truth: str
    partly: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    weights: dict[str, float] = field(default_factory=dict)
    other: Callable[[DrillScenario], DrillScenario] = lambda scenario: scenario


Draw = Callable[[random.Random, str], DrawnFault]  # its generator, and the provider that it is to be about


def _answers(kind: str, cause: str, answer: UpstreamAnswer, least: float, needs: frozenset[str] = LOGS) -> Draw:
    def part(draws: random.Random, name: str) -> DrawnFault:
        answers = (answer, round(draws.uniform(least, 1.0), 3))
        fault = answering(kind, name, ago(draws, 1.5, 9), answers)
        return DrawnFault(fault=fault, truth=f"{cause} {name}", needs=needs, weights=loaded(draws, name))

    return part


def _outage(draws: random.Random, name: str) -> DrawnFault:
    answers = faults.no_answer(draws, round(draws.uniform(0.8, 1.0), 3))
    cause = UpstreamFault(provider=name, begins_s=ago(draws, 1, 9), answers=answers)
    fault = staged("provider-outage", cause, provider=name)
    return DrawnFault(fault=fault, truth=f"provider-unreachable {name}", needs=LOGS, weights=loaded(draws, name))


def _flaps(draws: random.Random, name: str) -> DrawnFault:
    period_s = round(draws.uniform(65, 95), 1)
    cause = UpstreamFault(
        provider=name,
        begins_s=ago(draws, 8, 14),
        answers=((UpstreamAnswer.RESET, round(draws.uniform(0.9, 1.0), 3)),),
        period_s=period_s,
        failing_s=round(draws.uniform(16, 26), 1),
    )
    fault = staged("flapping-circuit", cause, provider=name, shows_after_s=round(period_s * 2 + 16, 1))
    partly = (f"provider-unreachable {name}",)
    return DrawnFault(fault=fault, truth=f"provider-flaps {name}", partly=partly, weights=loaded(draws, name))


def _slow(draws: random.Random, name: str) -> DrawnFault:
    ramp_s = round(draws.uniform(60, 300))
    cause = SlowUpstream(
        provider=name, begins_s=ago(draws, 4, 10), factor=round(draws.uniform(14, 22), 1), ramp_s=ramp_s
    )
    fault = staged("slow-provider", cause, provider=name, shows_after_s=round(ramp_s / 4))
    partly = (f"provider-unreachable {name}",)
    return DrawnFault(fault=fault, truth=f"provider-slow {name}", partly=partly, weights=loaded(draws, name))


def _balance(draws: random.Random, name: str) -> DrawnFault:
    fault = faults.empty_account(name, ago(draws, 1.5, 8))
    return DrawnFault(fault=fault, truth=f"balance-used-up {name}", weights=loaded(draws, name))


def _country(draws: random.Random, name: str) -> DrawnFault:
    country = draws.choice(list(COUNTRIES))
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.85, 1.0), 3)),)
    cause = UpstreamFault(provider="", begins_s=ago(draws, 2.5, 9), answers=answers, countries=(COUNTRIES[country],))
    return DrawnFault(fault=staged("country-out", cause), truth=f"country-out {country}")


def _disabled(draws: random.Random, name: str) -> DrawnFault:
    other = partial(replace, best_route=round(draws.uniform(0.7, 0.9), 2))
    fault = faults.disabled("smsbower", ago(draws, 1.5, 7))
    return DrawnFault(fault=fault, truth="provider-disabled smsbower", other=other)


def _slots(draws: random.Random, name: str) -> DrawnFault:
    cause = Polling(begins_s=ago(draws, 1.1, 3), provider="smsbower", numbers=draws.randrange(700, 1300), lasts_s=60)
    other = partial(replace, best_route=1.0, purchases_per_s=round(draws.uniform(0.6, 1.2), 2))
    return DrawnFault(
        fault=staged("slot-starvation", cause, provider="smsbower"), truth="slots-taken smsbower", other=other
    )


def _stall(draws: random.Random, name: str) -> DrawnFault:
    return DrawnFault(fault=faults.stall(draws, ago(draws, 1, 5)), truth="session-blocks")


def _connections(draws: random.Random, name: str) -> DrawnFault:
    over_s = round(draws.uniform(300, 800))
    fault = faults.leaking_connections(-round(over_s * draws.uniform(0.95, 1.2), 1), over_s)
    return DrawnFault(fault=fault, truth="connections-used-up")


def _database_down(draws: random.Random, name: str) -> DrawnFault:
    return DrawnFault(
        fault=staged("database-down", Stopped(begins_s=ago(draws, 0.5, 3), server="postgres")), truth="database-down"
    )


def _database_restarted(draws: random.Random, name: str) -> DrawnFault:
    cause = Stopped(begins_s=ago(draws, 1.5, 4), server="postgres", back_s=round(draws.uniform(20, 45), 1))
    return DrawnFault(fault=staged("database-restarted", cause), truth="database-restarted", partly=("database-down",))


def _read_only(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("database-read-only", ReadOnlyDatabase(begins_s=ago(draws, 1, 5)))
    return DrawnFault(fault=fault, truth="database-read-only", partly=("database-restarted",))


def _overloaded(draws: random.Random, name: str) -> DrawnFault:
    cause = SlowDatabase(
        begins_s=ago(draws, 2, 7), wait_s=round(draws.uniform(1.6, 2.6), 2), reports=draws.randrange(5, 13)
    )
    fault = staged("database-overloaded", cause, shows_after_s=10.0)
    return DrawnFault(
        fault=fault,
        truth="database-overloaded",
        other=partial(replace, purchases_per_s=round(draws.uniform(1.0, 1.5), 2)),
    )


def _redis_full(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("redis-full", FullMemory(begins_s=ago(draws, 0.4, 4)))
    return DrawnFault(fault=fault, truth="redis-full", needs=frozenset({"redis"}) | LOGS)


def _redis_down(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("redis-down", Stopped(begins_s=ago(draws, 0.5, 4), server="redis"))
    return DrawnFault(fault=fault, truth="redis-down", needs=frozenset({"redis"}))


def _redis_emptied(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("redis-emptied", EmptiedRedis(begins_s=ago(draws, 0.1, 3)))
    return DrawnFault(fault=fault, truth="redis-emptied", needs=frozenset({"redis"}))


def _locks(draws: random.Random, name: str) -> DrawnFault:
    fault = faults.leaking_locks(draws, ago(draws, 5, 15), round(draws.uniform(0.02, 0.06), 3))
    return DrawnFault(fault=fault, truth="orphaned-locks", needs=frozenset({"redis"}))


def _cut_off(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("one-bad-pod", CutOffPod(begins_s=ago(draws, 2, 8), answers=faults.no_answer(draws)))
    return DrawnFault(fault=fault, truth="pod-cut-off", needs=LOGS)


def _crash(draws: random.Random, name: str) -> DrawnFault:
    cause = CrashingPods(begins_s=ago(draws, 3, 9), after_s=round(draws.uniform(12, 28), 1), oom=draws.random() < 0.6)
    return DrawnFault(fault=staged("crash-loop", cause), truth="pods-crash", needs=CLUSTER)


def _egress(draws: random.Random, name: str) -> DrawnFault:
    cause = EgressDown(begins_s=ago(draws, 1.5, 8), answers=faults.no_answer(draws))
    return DrawnFault(fault=staged("egress-down", cause), truth="egress-down")


def _surge(draws: random.Random, name: str) -> DrawnFault:
    cause = Surge(
        begins_s=ago(draws, 3, 6), factor=round(draws.uniform(5, 7.5), 1), ramp_s=round(draws.uniform(20, 90))
    )
    other = partial(replace, purchases_per_s=1.0, browses_per_s=2.0, slot_s=0.6)
    return DrawnFault(fault=staged("traffic-surge", cause, shows_after_s=20.0), truth="traffic-surge", other=other)


def _lying_alert(draws: random.Random, name: str) -> DrawnFault:
    alert, summary = draws.choice(
        (("HighErrorRate", "5xx above 5 %"), ("PaymentLatencyHigh", "The 99th percentile is above 3 s"))
    )
    cause = LyingAlert(begins_s=ago(draws, 1, 8), alert=alert, summary=summary)
    fault = staged("lying-alert", cause, shows_after_s=10.0)
    return DrawnFault(fault=fault, truth=f"alert-lies {alert}", needs=frozenset({"prometheus"}))


def _config(draws: random.Random, name: str) -> DrawnFault:
    key, value, secret, breaks = draws.choice(
        (
            (REDIS_SECRET, WRONG_URL, True, "redis"),
            ("HTTPS_PROXY", "http://proxy.old:3128", False, "egress"),
            ("MEILI_INDEX", "offers_v3", False, "search"),
        )
    )
    cause = ChangedConfig(begins_s=ago(draws, 2, 8), key=key, value=value, secret=secret, breaks=breaks, rolls=True)
    partly = ("egress-down",) if breaks == "egress" else ()
    fault = staged("bad-config", cause, shows_after_s=10.0)
    return DrawnFault(fault=fault, truth="bad-config", partly=partly, needs=LOGS)


def _few_pods(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("scaled-down", Scaled(begins_s=ago(draws, 2, 8), replicas=1), shows_after_s=20.0)
    other = partial(replace, purchases_per_s=round(draws.uniform(1.8, 2.3), 2))
    return DrawnFault(fault=fault, truth="too-few-pods", needs=CLUSTER, other=other)


def _release(draws: random.Random, name: str) -> DrawnFault:
    return DrawnFault(fault=faults.bad_release(draws, ago(draws, 2, 9)), truth="bad-release", needs=CLUSTER)


def _outbox_release(draws: random.Random, name: str) -> DrawnFault:
    refused = draws.choice(("offer.restocked", "activation.provider_request"))
    cause = StagedRelease(
        image="ghcr.io/nexnum/nexnum-app:1.5.0", begins_s=ago(draws, 4, 10), refuses=frozenset({refused})
    )
    fault = staged("outbox-poison", cause, shows_after_s=30.0)
    return DrawnFault(fault=fault, truth="release-breaks-outbox", needs=CLUSTER)


def _outbox_stopped(draws: random.Random, name: str) -> DrawnFault:
    return DrawnFault(fault=faults.outbox_stopped(ago(draws, 4, 15)), truth="outbox-stopped")


def _poison(draws: random.Random, name: str) -> DrawnFault:
    kind = draws.choice(("offer.imported", "currency.updated", "activation.migrated"))
    cause = PoisonEvents(begins_s=ago(draws, 3, 12), event_type=kind, every_s=round(draws.uniform(3, 9), 1))
    return DrawnFault(fault=staged("poison-events", cause, shows_after_s=10.0), truth="outbox-poison")


def _reconciler(draws: random.Random, name: str) -> DrawnFault:
    fault = staged("reconciler-stopped", Stop(begins_s=ago(draws, 28, 36), loop="reconciler"), shows_after_s=700.0)
    other = partial(replace, history_s=2700.0, abandoned=0.03)
    return DrawnFault(fault=fault, truth="reconciler-stopped", other=other)


def _search(draws: random.Random, name: str) -> DrawnFault:
    return DrawnFault(fault=faults.search_down(ago(draws, 1, 5)), truth="search-down")


AT_PROVIDER: tuple[Draw, ...] = (
    _outage,
    _answers("provider-errors", "provider-unreachable", UpstreamAnswer.UNAVAILABLE, 0.6),
    _answers("html-answers", "provider-answers-nonsense", UpstreamAnswer.HTML, 0.6),
    _answers("rate-limited", "provider-limits-rate", UpstreamAnswer.RATE_LIMITED, 0.75),
    _answers("key-refused", "provider-key-refused", UpstreamAnswer.BAD_KEY, 0.98),
    _answers("out-of-stock", "out-of-stock", UpstreamAnswer.NO_NUMBERS, 0.8),
    *(_flaps, _slow, _balance),
)
BACKGROUND: tuple[Draw, ...] = (_redis_emptied, _locks, _outbox_stopped, _poison, _reconciler)
OF_ALL: tuple[Draw, ...] = (
    *(_country, _disabled, _slots, _stall, _connections, _database_down, _database_restarted, _read_only, _overloaded),
    *(_redis_full, _redis_down, _cut_off, _crash, _egress, _surge, _config, _few_pods, _release, _outbox_release),
    *(_search, _lying_alert),  # beside a provider that fails no alert about failures lies
)


def _drawn_parts(draws: random.Random) -> list[DrawnFault]:
    """None in a seventh, two in a fifth: of those one at the most concerns everybody."""
    number = draws.choices((0, 1, 2), (1, 4.5, 1.5))[0]
    first = provider(draws)
    second = provider(draws, first)
    if number < 2:
        return [draws.choice((*AT_PROVIDER, *BACKGROUND, *OF_ALL))(draws, first) for _ in range(number)]
    one, other = draws.choice(AT_PROVIDER), draws.choice((*AT_PROVIDER, *BACKGROUND))
    return [one(draws, first), other(draws, second)]


def _beside(draws: random.Random, first_s: float) -> StagedFault:
    """Something before it that nothing follows from."""
    before_s = first_s - round(draws.uniform(30, 300), 1)
    name = draws.choice(PROVIDERS)
    surge = Surge(begins_s=ago(draws, 4, 9), factor=round(draws.uniform(1.5, 1.9), 2), ramp_s=60.0)
    unused = UpstreamFault(provider="grizzlysms", begins_s=ago(draws, 15, 25), answers=((UpstreamAnswer.RESET, 0.97),))
    secret = ChangedConfig(begins_s=before_s, key="JWT_SECRET", value="x", secret=True)
    return draws.choice(
        (
            faults.innocent_release(draws, before_s),
            faults.innocent_config(draws, before_s),
            faults.edited(draws, name, before_s),
            faults.restarted(before_s),
            herring("innocent-config", secret),
            herring("busy-day", surge),
            herring("unused-circuit", unused, provider="grizzlysms"),
        )
    )


def drawn(seed: int) -> DrillScenario:
    """The incident of this seed; its name is "drawn-7"."""
    draws = random.Random(f"{NAME}{seed}")
    parts = _drawn_parts(draws)
    first_s = min((part.fault.begins_s for part in parts), default=ago(draws, 1, 8))
    needed = frozenset[str]().union(*(part.needs for part in parts))
    missing = draws.choice(MISSING)
    beside = [_beside(draws, first_s)] if not parts or draws.random() < 0.5 else []
    changed = {fault.kind for fault in beside} & {"innocent-release", "innocent-config"}
    if changed and any(part.truth in ("bad-config", "bad-release", "release-breaks-outbox") for part in parts):
        beside = []  # two changes, and one of them guilty: nobody could tell
    weights: dict[str, float] = {}
    for part in parts:
        weights |= part.weights
    if any(fault.kind == "unused-circuit" for fault in beside):
        if "grizzlysms" in weights:
            beside = []
        else:
            weights["grizzlysms"] = 0.0
    scenario = DrillScenario(
        name=f"{NAME}{seed}",
        title="Drawn by chance",
        expect="See its truth.",
        truth=tuple(part.truth for part in parts),
        partly=tuple(each for part in parts for each in part.partly),
        missing=(missing,) if missing and missing not in needed else (),
        group="drawn",
        held_back=True,
        purchases_per_s=round(draws.uniform(0.9, 2.4), 2),
        weights=weights,
        faults=(*(part.fault for part in parts), *beside),
    )
    for part in parts:
        scenario = part.other(scenario)
    return scenario


def named(name: str, seed: int) -> DrillScenario:
    """A drill's scenario with this seed, or the drawn one that is called so. Raises DrillError for neither."""
    return drawn(seed) if name == f"{NAME}{seed}" else scenario_named(name, seed=seed)
