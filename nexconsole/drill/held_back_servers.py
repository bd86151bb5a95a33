"""Scenarios that the causes' chapters were written without, about servers, pods, releases and background work.

Whoever tunes a rule does not read this file.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from .cluster_causes import ChangedConfig, CrashingPods, LyingAlert, Scaled
from .held_back import held_back
from .recipes.drawing import Recipe, ago, provider, rate
from .recipes.faults_drawn import (
    herring,
    innocent_config,
    innocent_release,
    leaking_connections,
    outbox_stopped,
    restarted,
    search_down,
    staged,
    unused_circuit,
)
from .scenario_model import DrillScenario, StagedFault
from .staged_causes import (
    CutOffPod,
    EmptiedRedis,
    FillingMemory,
    Kill,
    LockLeak,
    ReadOnlyDatabase,
    SlowDatabase,
    StagedRelease,
    Stop,
    Stopped,
    UpstreamAnswer,
    WalletStall,
)

Part = tuple[str, str, StagedFault]  # a truth, what to expect of it, and the fault


# --- PostgreSQL and Redis ---


def held_back_16(draws: random.Random) -> DrillScenario:
    cause = WalletStall(begins_s=ago(draws, 2, 5), share=round(draws.uniform(0.26, 0.36), 3))
    return held_back(
        16,
        "Some customers can't buy anywhere, the others can; the cluster grants us nothing",
        "One session holds the wallets of a third of the customers: theirs hang and fail, at every provider.",
        staged("database-stall", cause, shows_after_s=10.0),
        truth=("session-blocks",),
        missing=("rights",),
        purchases_per_s=rate(draws, 1.4, 2.4),
    )


def _connections(draws: random.Random) -> Part:
    over_s = round(draws.uniform(450, 650))
    fault = leaking_connections(-round(over_s * draws.uniform(0.92, 1.0), 1), over_s)
    return "connections-used-up", "Pods keep connections that they do not use, until hardly any is left", fault


def _memory(draws: random.Random) -> Part:
    lasts_s = round(draws.uniform(500, 700))
    cause = FillingMemory(begins_s=-round(lasts_s * draws.uniform(0.93, 1.0), 1), lasts_s=lasts_s)
    fault = staged("redis-filling", cause, shows_after_s=round(lasts_s * 0.93))
    return "redis-full", "Somebody's keys fill Redis, until it takes no write", fault


def held_back_17(draws: random.Random) -> DrillScenario:
    """One of two servers gets full; the circuit that is open is nobody's."""
    make: Callable[[random.Random], Part] = draws.choice((_connections, _memory))
    cause, expect, fault = make(draws)
    unused = provider(draws, "smsbower")
    away = unused_circuit(unused, ago(draws, 22, 28))
    scenario = held_back(
        17,
        "Purchases begin to end with errors; the circuit of a provider has been open all along",
        f"{expect}. Nobody buys at {unused}.",
        fault,
        away,
        truth=(cause,),
        weights={unused: 0.0},
        purchases_per_s=rate(draws, 1.4, 2.0),
    )
    return replace(scenario, visits={unused: 0.15})


def held_back_18(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1, 3)
    down = staged("database-down", Stopped(begins_s=begins_s, server="postgres"))
    back_s = round(draws.uniform(15, 30), 1)
    back = staged("database-restarted", Stopped(begins_s=begins_s, server="postgres", back_s=back_s))
    cause, partly, fault, expect = draws.choice(
        (
            ("database-down", (), down, "PostgreSQL does not run."),
            ("database-restarted", ("database-down",), back, "PostgreSQL was restarted, and has been back since."),
        )
    )
    return held_back(
        18,
        "All purchases broke off at one moment, and the cluster's API does not answer",
        f"{expect} What the cluster went through is not known.",
        fault,
        truth=(cause,),
        partly=partly,
        missing=("kubernetes",),
        purchases_per_s=rate(draws, 2.2, 3.0),
    )


def held_back_19(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1.5, 3)
    return held_back(
        19,
        "A failover was rehearsed, and now nothing can be bought",
        "It was done by half: the database's address leads to a replica, and Redis was emptied.",
        staged("database-read-only", ReadOnlyDatabase(begins_s=begins_s)),
        staged("redis-emptied", EmptiedRedis(begins_s=begins_s + round(draws.uniform(5, 30), 1))),
        truth=("database-read-only", "redis-emptied"),
        partly=("database-restarted",),
        purchases_per_s=rate(draws, 1.3, 2.0),
    )


def held_back_20(draws: random.Random) -> DrillScenario:
    cause = SlowDatabase(
        begins_s=ago(draws, 3, 6), wait_s=round(draws.uniform(1.4, 1.9), 2), reports=draws.randrange(4, 8)
    )
    scenario = held_back(
        20,
        "Everything takes ten times as long as usual, and no log can be read",
        "The month's reports run on the same database, and every statement waits for them.",
        staged("database-overloaded", cause, shows_after_s=30.0),
        truth=("database-overloaded",),
        missing=("logs",),
        purchases_per_s=rate(draws, 0.6, 0.9),
    )
    return replace(scenario, browses_per_s=2.5)


def held_back_21(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1, 3)
    return held_back(
        21,
        "Prices have been stale for a while, and now nobody can buy at all",
        "Redis does not run, so that no lock can be taken; nothing has consumed the outbox since minutes before.",
        outbox_stopped(begins_s - round(draws.uniform(420, 700), 1)),
        staged("redis-down", Stopped(begins_s=begins_s, server="redis")),
        truth=("redis-down", "outbox-stopped"),
        purchases_per_s=rate(draws, 1.3, 2.2),
    )


def held_back_22(draws: random.Random) -> DrillScenario:
    begins_s, lasts_s = ago(draws, 12, 18), round(draws.uniform(200, 280))
    leak = LockLeak(begins_s=begins_s, lasts_s=lasts_s, share=round(draws.uniform(0.07, 0.1), 3))
    return held_back(
        22,
        "Some customers are told to wait since the release of before, and still are",
        "Purchases died between two steps while pods were replaced: their locks have no end. The release is well.",
        staged("stale-locks", leak, shows_after_s=lasts_s),
        innocent_release(draws, begins_s - 20.0),
        truth=("orphaned-locks",),
        purchases_per_s=rate(draws, 1.8, 2.6),
    )


# --- pods, configuration, releases ---


def held_back_23(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 3, 7)
    answers = (
        (UpstreamAnswer.RESET, round(draws.uniform(0.45, 0.6), 3)),
        (UpstreamAnswer.TIMEOUT, round(draws.uniform(0.15, 0.25), 3)),
    )
    return held_back(
        23,
        "One purchase in four fails, at whichever provider; a pod was restarted before, Prometheus does not answer",
        "One of the pods hardly reaches anybody; it is not the one that was restarted.",
        staged("one-bad-pod", CutOffPod(begins_s=begins_s, answers=answers)),
        restarted(begins_s - round(draws.uniform(90, 240), 1)),
        truth=("pod-cut-off",),
        missing=("prometheus",),
        purchases_per_s=rate(draws, 1.5, 2.5),
    )


def _crashing(draws: random.Random) -> Part:
    cause = CrashingPods(begins_s=ago(draws, 4, 8), after_s=round(draws.uniform(50, 75), 1), oom=False)
    fault = staged("crash-loop", cause, shows_after_s=100.0)
    return "pods-crash", "Each container ends by an error a minute after its start, again and again.", fault


def _scaled(draws: random.Random) -> Part:
    fault = staged("scaled-down", Scaled(begins_s=ago(draws, 3, 7), replicas=1), shows_after_s=30.0)
    return "too-few-pods", "Somebody left one pod of three: it has more to do than it can.", fault


def held_back_24(draws: random.Random) -> DrillScenario:
    purchases_per_s = rate(draws, 1.9, 2.3)
    make: Callable[[random.Random], Part] = draws.choice((_crashing, _scaled))
    cause, expect, fault = make(draws)
    return held_back(
        24,
        "Customers wait or are cut off, whatever they buy",
        expect,
        fault,
        truth=(cause,),
        purchases_per_s=purchases_per_s,
    )


def _guilty_release(draws: random.Random) -> tuple[str, str, tuple[StagedFault, ...]]:
    image = f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.0"
    cause = StagedRelease(image=image, begins_s=ago(draws, 5, 8), misasks=round(draws.uniform(0.24, 0.36), 3))
    change = innocent_config(draws, cause.begins_s - round(draws.uniform(60, 200), 1))
    expect = "A third of what the newer image asks for is nothing that a provider knows; the setting is harmless."
    return "bad-release", expect, (staged("bad-release", cause, shows_after_s=25.0), change)


def _guilty_setting(draws: random.Random) -> tuple[str, str, tuple[StagedFault, ...]]:
    restarts_s = round(draws.uniform(160, 300), 1)
    cause = ChangedConfig(
        begins_s=ago(draws, 7, 11),
        key="MEILI_HOST",
        value="http://meilisearch-old:7700",
        breaks="search",
        restarts_after_s=(restarts_s, restarts_s + round(draws.uniform(15, 40), 1)),
    )
    release = innocent_release(draws, cause.begins_s - round(draws.uniform(240, 480), 1))
    expect = "The two pods that were started anew since the ConfigMap changed find no offer; the release is harmless."
    return "bad-config", expect, (staged("bad-config", cause, shows_after_s=restarts_s), release)


def held_back_25(draws: random.Random) -> DrillScenario:
    """A release and a change of the configuration, one of which is to blame."""
    make: Callable[[random.Random], tuple[str, str, tuple[StagedFault, ...]]]
    make = draws.choice((_guilty_release, _guilty_setting))
    cause, expect, faults = make(draws)
    return held_back(
        25,
        "A part of the customers leaves without a number, after a release and a changed setting",
        expect,
        *faults,
        truth=(cause,),
        purchases_per_s=rate(draws, 1.6, 2.6),
    )


# --- background work ---


def held_back_26(draws: random.Random) -> DrillScenario:
    image, begins_s = f"ghcr.io/nexnum/nexnum-app:1.{draws.randrange(5, 9)}.0", ago(draws, 5, 9)
    slow = StagedRelease(image=image, begins_s=begins_s, slow_s=round(draws.uniform(0.9, 1.3), 2))
    loses = StagedRelease(image=image, begins_s=begins_s, drops=frozenset({"offer.updated"}))
    release, expect = draws.choice(
        (
            (slow, "The newer image takes a second for each event: fewer are processed than come."),
            (loses, "The newer image loses every offer's event: it is published with an error, and nothing is done."),
        )
    )
    return held_back(
        26,
        "The prices that customers see have not changed since a release",
        expect,
        staged("outbox-poison", release, shows_after_s=75.0),
        truth=("release-breaks-outbox",),
        purchases_per_s=rate(draws, 1.5, 2.3),
    )


def held_back_27(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 14, 18)
    alert, summary = draws.choice(
        (("ProviderDown", "A provider is down"), ("CriticalMemoryUsage", "Memory above 90 %"), ("APIDown", "No target"))
    )
    lie = LyingAlert(begins_s=ago(draws, 4, 8), alert=alert, summary=summary)
    killed = Kill(begins_s=begins_s, share=round(draws.uniform(0.14, 0.2), 3), lasts_s=300.0)
    return held_back(
        27,
        "An alert fires, support tells of money that is not given back, and no log can be read",
        f"Reservations are stuck, for nothing frees them; and {alert} fires though all that it is about is well.",
        staged("reconciler-stopped", Stop(begins_s=begins_s, loop="reconciler"), killed, shows_after_s=640.0),
        staged("lying-alert", lie, shows_after_s=10.0),
        truth=("reconciler-stopped", f"alert-lies {alert}"),
        missing=("logs",),
        purchases_per_s=rate(draws, 1.6, 2.2),
    )


def held_back_28(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 1, 4)
    rotated = ChangedConfig(
        begins_s=begins_s - round(draws.uniform(60, 240), 1), key="MEILI_MASTER_KEY", value="rotated", secret=True
    )
    return held_back(
        28,
        "Nobody finds an offer since the search's key was rotated",
        "Meilisearch does not run. No pod has read the new key yet.",
        search_down(begins_s),
        herring("innocent-config", rotated),
        truth=("search-down",),
        purchases_per_s=rate(draws, 1.8, 3.0),
    )


RECIPES: tuple[Recipe, ...] = (
    *(held_back_16, held_back_17, held_back_18, held_back_19, held_back_20, held_back_21, held_back_22),
    *(held_back_23, held_back_24, held_back_25, held_back_26, held_back_27, held_back_28),
)
