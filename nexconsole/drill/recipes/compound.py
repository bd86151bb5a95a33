"""Two causes at once, slow burns, cause and symptom far apart, and what is to be found with a source missing."""

from __future__ import annotations

import random

from ..cluster_causes import ChangedConfig
from ..scenario_model import DrillScenario
from ..staged_causes import FillingMemory, Kill, Stop, UpstreamAnswer, UpstreamFault
from .drawing import Recipe, ago, busy, loaded, provider
from .faults_drawn import (
    answering,
    bad_release,
    empty_account,
    leaking_connections,
    leaking_locks,
    no_answer,
    outage,
    outbox_stopped,
    search_down,
    staged,
    stall,
)


def outage_and_outbox(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="outage-and-outbox",
        title="Purchases fail, and the outbox grows: two causes",
        expect=f"{name} does not answer; and nothing consumes the outbox, which no provider is to blame for.",
        truth=(f"provider-unreachable {name}", "outbox-stopped"),
        group="several",
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(outage(draws, name, ago(draws, 2, 7)), outbox_stopped(ago(draws, 6, 11))),
    )


def search_and_stall(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="search-and-stall",
        title="Customers are refused, and the database is blocked: two causes",
        expect="Meilisearch does not answer, so that no offer is found; and one session holds most wallets.",
        truth=("search-down", "session-blocks"),
        group="several",
        purchases_per_s=busy(draws),
        faults=(search_down(ago(draws, 0.7, 2)), stall(draws, ago(draws, 2.5, 5))),
    )


def balance_and_key(draws: random.Random) -> DrillScenario:
    first = provider(draws)
    second = provider(draws, first)
    return DrillScenario(
        name="balance-and-key",
        title="Purchases fail at two providers, at each for a reason of its own",
        expect=f"Our balance at {first} is used up; {second} refuses our key. The others are well.",
        truth=(f"balance-used-up {first}", f"provider-key-refused {second}"),
        group="several",
        purchases_per_s=busy(draws),
        weights={**loaded(draws, first), **loaded(draws, second)},
        faults=(
            empty_account(first, ago(draws, 2, 8)),
            answering("key-refused", second, ago(draws, 2, 8), (UpstreamAnswer.BAD_KEY, 1.0)),
        ),
    )


def failures_that_grow(draws: random.Random) -> DrillScenario:
    name, ramp_s = provider(draws), round(draws.uniform(1000, 1400))
    begins_s = ago(draws, 14, 19)
    answers = no_answer(draws)
    cause = UpstreamFault(provider=name, begins_s=begins_s, answers=answers, ramp_s=ramp_s)
    return DrillScenario(
        name="failures-that-grow",
        title="Failures grow from one in a hundred to one in three, over twenty minutes",
        expect=f"The share that fails climbs slowly, all of it at {name}; no moment shows when it began.",
        truth=(f"provider-unreachable {name}",),
        group="slow",
        history_s=2400.0,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(staged("provider-outage", cause, provider=name, shows_after_s=ramp_s * 0.3),),
    )


def connections_that_leak(draws: random.Random) -> DrillScenario:
    over_s = round(draws.uniform(900, 1300))
    return DrillScenario(
        name="connections-that-leak",
        title="Pods keep a database connection more every half minute",
        expect="Connections grow steadily, most of them idle for long; when hardly any is left, purchases fail.",
        truth=("connections-used-up",),
        group="slow",
        history_s=2400.0,
        purchases_per_s=busy(draws),
        faults=(leaking_connections(-round(over_s * draws.uniform(0.9, 1.05), 1), over_s),),
    )


def memory_that_fills(draws: random.Random) -> DrillScenario:
    lasts_s = round(draws.uniform(900, 1300))
    begins_s = -round(lasts_s * draws.uniform(0.94, 1.05), 1)
    cause = FillingMemory(begins_s=begins_s, lasts_s=lasts_s)
    return DrillScenario(
        name="memory-that-fills",
        title="Somebody's keys fill Redis over twenty minutes",
        expect="Redis' memory grows towards its limit, and it evicts nothing; once it is full, it takes no write.",
        truth=("redis-full",),
        group="slow",
        history_s=2400.0,
        purchases_per_s=busy(draws),
        faults=(staged("redis-filling", cause, shows_after_s=lasts_s * 0.92),),
    )


def locks_that_stay(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="locks-that-stay",
        title="Now and then a purchase leaves its lock behind: more and more customers are kept out",
        expect="Locks without an end grow by one every half minute; their customers get 409, the others are served.",
        truth=("orphaned-locks",),
        group="slow",
        history_s=2400.0,
        purchases_per_s=busy(draws),
        faults=(leaking_locks(draws, ago(draws, 15, 25), round(draws.uniform(0.012, 0.025), 4)),),
    )


def cron_that_stopped_long_ago(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 36, 44)
    causes = (
        Stop(begins_s=begins_s, loop="reconciler"),
        Kill(begins_s=begins_s, share=round(draws.uniform(0.02, 0.035), 4), lasts_s=1500.0),
    )
    return DrillScenario(
        name="cron-that-stopped-long-ago",
        title="Reservations are stuck by now, for something that ended forty minutes ago",
        expect="Many reservations are overdue, the oldest by half an hour; nothing has freed any since; all sells.",
        truth=("reconciler-stopped",),
        group="slow",
        history_s=3000.0,
        purchases_per_s=busy(draws),
        faults=(staged("reconciler-stopped", *causes, shows_after_s=700.0),),
    )


def secret_of_before(draws: random.Random) -> DrillScenario:
    begins_s = ago(draws, 22, 28)
    restarts = round(-begins_s - draws.uniform(180, 420), 1)
    cause = ChangedConfig(
        begins_s=begins_s,
        key="PROXY_URL",
        value="http://proxy.retired:3128",
        secret=True,
        breaks="egress",
        restarts_after_s=(restarts, restarts + round(draws.uniform(20, 60), 1)),
    )
    return DrillScenario(
        name="secret-of-before",
        title="Since two pods were started anew, a share of the purchases fails",
        expect="What fails is on the pods that started since the Secret changed, long before; the others are well.",
        truth=("bad-config",),
        group="slow",
        purchases_per_s=busy(draws),
        faults=(staged("bad-config", cause, shows_after_s=restarts),),
    )


def outage_without_prometheus(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="outage-without-prometheus",
        title="A provider does not answer, and neither does Prometheus",
        expect=f"PostgreSQL, Redis and the log lines say it all the same: {name} does not answer.",
        truth=(f"provider-unreachable {name}",),
        group="blind",
        missing=("prometheus",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(outage(draws, name, ago(draws, 2, 8)),),
    )


def stall_without_a_cluster(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="stall-without-a-cluster",
        title="Purchases fail at all providers, and the cluster's API does not answer",
        expect="One session blocks many; whether anything was released is not known.",
        truth=("session-blocks",),
        group="blind",
        missing=("kubernetes",),
        purchases_per_s=busy(draws),
        faults=(stall(draws, ago(draws, 1.5, 4)),),
    )


def release_without_logs(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="release-without-logs",
        title="Since a release purchases fail, and no log can be read",
        expect="All providers and all pods fail alike, since the newer revision; circuits of the pods are not known.",
        truth=("bad-release",),
        group="blind",
        missing=("logs",),
        purchases_per_s=busy(draws),
        faults=(bad_release(draws, ago(draws, 3, 8)),),
    )


def balance_without_redis(draws: random.Random) -> DrillScenario:
    name = provider(draws)
    return DrillScenario(
        name="balance-without-redis",
        title="A provider sells nothing, and Redis lets the console in no more",
        expect=f"Our balance at {name} is used up. Redis refuses only the console's password: all else sells.",
        truth=(f"balance-used-up {name}",),
        group="blind",
        missing=("redis",),
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(empty_account(name, ago(draws, 2, 8)),),
    )


RECIPES: tuple[Recipe, ...] = (
    *(outage_and_outbox, search_and_stall, balance_and_key),
    *(failures_that_grow, connections_that_leak, memory_that_fills, locks_that_stay),
    *(cron_that_stopped_long_ago, secret_of_before),
    *(outage_without_prometheus, stall_without_a_cluster, release_without_logs, balance_without_redis),
)
