"""PostgreSQL, Redis, pods, configuration, background work and load."""

from __future__ import annotations

import random
from dataclasses import replace

from ..cluster_causes import ChangedConfig, CrashingPods, Scaled
from ..scenario_model import DrillScenario, StagedFault
from ..server_kinds import REDIS_SECRET, WRONG_URL
from ..staged_causes import (
    EmptiedRedis,
    PoisonEvents,
    ReadOnlyDatabase,
    SlowDatabase,
    Stop,
    Stopped,
    Surge,
)
from .drawing import Recipe, ago, busy


def database_down(draws: random.Random) -> DrillScenario:
    cause = Stopped(begins_s=ago(draws, 0.5, 2), server="postgres")
    return DrillScenario(
        name="database-down",
        title="PostgreSQL does not run",
        expect="No purchase begins any more; PostgreSQL refuses connections; the pods are not ready, and restart.",
        truth=("database-down",),
        group="servers",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="database-down", causes=(cause,)),),
    )


def database_restarted(draws: random.Random) -> DrillScenario:
    cause = Stopped(begins_s=ago(draws, 1.5, 4), server="postgres", back_s=round(draws.uniform(20, 45), 1))
    return DrillScenario(
        name="database-restarted",
        title="PostgreSQL was away for half a minute, and is back",
        expect="Purchases broke off all at once, and go on since; the server has run for minutes only.",
        truth=("database-restarted",),
        partly=("database-down",),
        group="servers",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="database-restarted", causes=(cause,)),),
    )


def database_read_only(draws: random.Random) -> DrillScenario:
    cause = ReadOnlyDatabase(begins_s=ago(draws, 1, 4))
    return DrillScenario(
        name="database-read-only",
        title="After a failover the database's address leads to a replica: nothing can be written",
        expect="Every purchase ends with 500 and leaves no row; PostgreSQL answers, and is in recovery.",
        truth=("database-read-only",),
        partly=("database-restarted",),
        group="servers",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="database-read-only", causes=(cause,)),),
    )


def database_overloaded(draws: random.Random) -> DrillScenario:
    cause = SlowDatabase(
        begins_s=ago(draws, 2, 6), wait_s=round(draws.uniform(1.6, 2.6), 2), reports=draws.randrange(6, 13)
    )
    return DrillScenario(
        name="database-overloaded",
        title="Somebody's heavy reports make every statement slow",
        expect=(
            "Everything takes seconds, some purchases get no connection in time; sessions of a reporting tool have run "
            "for minutes, and nobody waits for a lock."
        ),
        truth=("database-overloaded",),
        group="servers",
        purchases_per_s=round(draws.uniform(1.0, 1.5), 2),
        faults=(StagedFault(kind="database-overloaded", causes=(cause,), shows_after_s=10.0),),
    )


def redis_down(draws: random.Random) -> DrillScenario:
    cause = Stopped(begins_s=ago(draws, 0.5, 3), server="redis")
    return DrillScenario(
        name="redis-down",
        title="Redis does not run",
        expect="Every purchase ends with 500 before it has a row, for no lock can be taken; Redis refuses connections.",
        truth=("redis-down",),
        group="servers",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="redis-down", causes=(cause,)),),
    )


def redis_emptied(draws: random.Random) -> DrillScenario:
    return DrillScenario(
        name="redis-emptied",
        title="Somebody has emptied Redis",
        expect="Purchases work; Redis runs on, and has lost its keys: circuits, locks, what guards top-ups.",
        truth=("redis-emptied",),
        group="servers",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="redis-emptied", causes=(EmptiedRedis(begins_s=ago(draws, 0.1, 2)),)),),
    )


def pods_crash(draws: random.Random) -> DrillScenario:
    oom = draws.random() < 0.6
    cause = CrashingPods(begins_s=ago(draws, 4, 9), after_s=round(draws.uniform(12, 28), 1), oom=oom)
    return DrillScenario(
        name="pods-crash",
        title="Containers end soon after their start, again and again",
        expect=(
            "Pods restart for minutes, each several times; purchases break off in the middle and leave reservations; "
            "for moments no pod is ready."
        ),
        truth=("pods-crash",),
        group="cluster",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="crash-loop", causes=(cause,)),),
    )


def too_few_pods(draws: random.Random) -> DrillScenario:
    cause = Scaled(begins_s=ago(draws, 3, 8), replicas=1)
    return DrillScenario(
        name="too-few-pods",
        title="Somebody scaled the deployment to one pod",
        expect="One pod has all the work, and is too slow for it: latency climbs, then calls of all providers fail.",
        truth=("too-few-pods",),
        group="cluster",
        purchases_per_s=round(draws.uniform(1.8, 2.2), 2),
        faults=(StagedFault(kind="scaled-down", causes=(cause,), shows_after_s=20.0),),
    )


def bad_config(draws: random.Random) -> DrillScenario:
    cause = draws.choice(
        (
            ChangedConfig(begins_s=0, key=REDIS_SECRET, value=WRONG_URL, secret=True, breaks="redis", rolls=True),
            ChangedConfig(begins_s=0, key="HTTPS_PROXY", value="http://proxy.old:3128", breaks="egress", rolls=True),
            ChangedConfig(begins_s=0, key="MEILI_INDEX", value="offers_v3", breaks="search", rolls=True),
        )
    )
    cause = replace(cause, begins_s=ago(draws, 3, 8))
    return DrillScenario(
        name="bad-config",
        title="Since a change of the configuration, and a restart, purchases fail",
        expect="The image is as it was; a ConfigMap or a Secret changed, and the pods are younger than that change.",
        truth=("bad-config",),
        partly=("egress-down",) if cause.breaks == "egress" else (),
        group="cluster",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="bad-config", causes=(cause,), shows_after_s=10.0),),
    )


def outbox_stopped(draws: random.Random) -> DrillScenario:
    cause = Stop(begins_s=ago(draws, 7, 15), loop="outbox")
    return DrillScenario(
        name="outbox-stopped",
        title="Nothing consumes the outbox any more",
        expect="Events wait, more and more of them; none fails; purchases work.",
        truth=("outbox-stopped",),
        group="background",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="outbox-stopped", causes=(cause,), shows_after_s=60.0),),
    )


def poison_events(draws: random.Random) -> DrillScenario:
    kind = draws.choice(("offer.imported", "currency.updated", "activation.migrated"))
    cause = PoisonEvents(begins_s=ago(draws, 4, 12), event_type=kind, every_s=round(draws.uniform(3, 9), 1))
    return DrillScenario(
        name="poison-events",
        title="Something writes events into the outbox that nobody can process",
        expect="FAILED events with one try, all of one kind; the others are published; no pod and no image is new.",
        truth=("outbox-poison",),
        group="background",
        purchases_per_s=busy(draws),
        faults=(StagedFault(kind="poison-events", causes=(cause,), shows_after_s=10.0),),
    )


def traffic_surge(draws: random.Random) -> DrillScenario:
    cause = Surge(
        begins_s=ago(draws, 3, 6), factor=round(draws.uniform(5.5, 7.5), 1), ramp_s=round(draws.uniform(20, 90))
    )
    return DrillScenario(
        name="traffic-surge",
        title="Many times as many customers come as usual: they wait for slots",
        expect="Purchases multiply at all providers; they wait for slots; hardly anything fails. Nothing was changed.",
        truth=("traffic-surge",),
        group="background",
        purchases_per_s=round(draws.uniform(0.9, 1.1), 2),
        browses_per_s=2.0,
        slot_s=0.6,
        eras=("head",),
        faults=(StagedFault(kind="traffic-surge", causes=(cause,), shows_after_s=20.0),),
    )


RECIPES: tuple[Recipe, ...] = (
    *(database_down, database_restarted, database_read_only, database_overloaded, redis_down, redis_emptied),
    *(pods_crash, too_few_pods, bad_config),
    *(outbox_stopped, poison_events, traffic_surge),
)
