"""The scenarios that the runbook's drills name. At seed 0 they are exactly these."""

from __future__ import annotations

from .scenario_model import DrillScenario
from .staged_causes import (
    NO_ANSWER,
    CutOffPod,
    DisabledBySql,
    EmptyAccount,
    FullMemory,
    LeakedConnections,
    LockLeak,
    Polling,
    StagedRelease,
    Stopped,
    UpstreamAnswer,
    UpstreamFault,
    WalletStall,
)

DOCUMENTED = (
    DrillScenario(
        name="calm",
        title="An ordinary day: everything works",
        expect="About 1 % of purchases fail, at every provider alike; all circuits are closed; nothing piles up.",
    ),
    DrillScenario(
        name="provider-outage",
        title="smsbower's upstream stopped answering four minutes ago",
        truth=("provider-unreachable smsbower",),
        expect=(
            "Far more than 10 % of purchases fail, nearly all of them at smsbower; its circuits are open on every pod "
            "and in Redis; the other providers are well."
        ),
        upstream=(UpstreamFault(provider="smsbower", begins_s=-240, answers=NO_ANSWER),),
    ),
    DrillScenario(
        name="database-stall",
        title="A forgotten transaction holds most wallets: purchases of all providers fail",
        truth=("session-blocks",),
        expect=(
            "Purchases fail at all providers with lock timeouts; one session idle in transaction blocks many; "
            "pending purchase orders pile up; circuits stay closed."
        ),
        stall=WalletStall(begins_s=-100, share=0.75),
    ),
    DrillScenario(
        name="reconciler-stopped",
        title="Pods were killed in the middle of purchases, and the reconciler died: nothing frees them",
        truth=("reconciler-stopped",),
        expect="More than 50 reservations are pending, most of them stuck and the oldest very old; purchases work.",
        killed=0.05,
        killed_until_s=-330,  # by now each that it left behind is overdue
        reconciler_stops_s=-1500,
        shows_after_s=300.0,
    ),
    DrillScenario(
        name="outbox-poison",
        title="A release that can't read some events: the outbox fails some, drops some and falls behind",
        truth=("release-breaks-outbox",),
        expect=(
            "A few FAILED events with one try and an error; published ones with an error; pending ones grow steadily; "
            "all since the pods' newer revision. Going back to the one before ends it; what failed is then retried."
        ),
        release=StagedRelease(
            image="ghcr.io/nexnum/nexnum-app:1.5.0",
            begins_s=-480,
            refuses=frozenset({"offer.restocked"}),
            drops=frozenset({"activation.provider_request"}),
            slow_s=0.7,
        ),
        shows_after_s=30.0,
    ),
    DrillScenario(
        name="flapping-circuit",
        title="tiger-sms comes and goes: its circuit opens and closes again and again",
        truth=("provider-flaps tiger-sms",),
        partly=("provider-unreachable tiger-sms",),
        expect="tiger-sms opened three times or more in ten minutes on every pod; few purchases fail overall.",
        shows_after_s=166.0,  # one spell is an outage: the third one makes it come and go
        upstream=(
            UpstreamFault(
                provider="tiger-sms",
                begins_s=-600,
                answers=((UpstreamAnswer.RESET, 0.95),),
                period_s=75.0,
                failing_s=16.0,
            ),
        ),
        weights={"tiger-sms": 0.07},
        visits={"tiger-sms": 0.7},
    ),
    DrillScenario(
        name="stale-locks",
        title="Processes died in the middle of purchases: orphaned locks keep customers out",
        truth=("orphaned-locks",),
        expect="Locks without a TTL in Redis, some old; their users get 409 and 429; fewer purchases, few failures.",
        leak=LockLeak(begins_s=-600, lasts_s=580, share=0.06),
    ),
    DrillScenario(
        name="slot-starvation",
        title="Polling took smsbower's slots for an hour and more: every purchase waits, and none fails",
        truth=("slots-taken smsbower",),
        expect=(
            "SEV-1: purchases wait at smsbower and none is decided, though nothing fails and no error is logged; the "
            "next slot there is more than an hour away. Emptying its queue ends it, or disabling it by the API: then "
            "best route goes on to the next. Restarting pods does not help."
        ),
        purchases_per_s=0.8,
        best_route=1.0,
        eras=("head",),
        more=(Polling(begins_s=-75, provider="smsbower", numbers=1000, lasts_s=60),),
    ),
    DrillScenario(
        name="best-route-blackout",
        title="Somebody disabled smsbower by SQL: best route finds nothing for anybody",
        truth=("provider-disabled smsbower",),
        expect=(
            "Most customers are refused with 404 and leave no row; those who do buy elsewhere are served, so that few "
            "purchases fail in the tables. smsbower is disabled, and its offers are still in the index. Enabling it, "
            "by the API, ends it."
        ),
        best_route=0.85,
        eras=("head",),
        more=(DisabledBySql(begins_s=-300, provider="smsbower"),),
    ),
    DrillScenario(
        name="balance-empty",
        title="Our balance at smsbower has run out: it sells us nothing",
        truth=("balance-used-up smsbower",),
        expect=(
            "More than 10 % of purchases fail, practically all of them at smsbower, which answers NO_BALANCE; its "
            "circuits stay closed; our balance there is below its limit. Topping it up ends it, or disabling it."
        ),
        more=(EmptyAccount(begins_s=-240, provider="smsbower"),),
    ),
    DrillScenario(
        name="search-down",
        title="Meilisearch went down: no offer is found, and outbox events fail",
        truth=("search-down",),
        expect=(
            "Customers are refused with 404 and leave no row; nobody buys. Offers' outbox events fail one after the "
            "other, and the rest waits. Whoever runs the search index brings it back; what failed is then retried."
        ),
        more=(Stopped(begins_s=-60, server="search"),),
    ),
    DrillScenario(
        name="one-bad-pod",
        title="One of the pods reaches no upstream: a third of the purchases fail, at every provider alike",
        truth=("pod-cut-off",),
        expect=(
            "About a third of the purchases fail, at all providers; the circuits of all providers are open on one pod "
            "and closed on the others and in Redis. Restarting that pod ends it."
        ),
        more=(CutOffPod(begins_s=-240, answers=((UpstreamAnswer.RESET, 1.0),)),),
    ),
    DrillScenario(
        name="connections-exhausted",
        title="Pods keep database connections that they never use again: hardly any is left",
        truth=("connections-used-up",),
        expect=(
            "More than 90 % of the database's connections are in use, most of them idle for long; purchases fail "
            "where a pod needs a new one. Restarting the pods frees them."
        ),
        more=(LeakedConnections(begins_s=8, leaves=3),),
    ),
    DrillScenario(
        name="redis-full",
        title="Redis has used up its memory: it can be read, and takes no write",
        truth=("redis-full",),
        expect=(
            "Every purchase ends with 500 before it has a row, because its lock can't be taken; Redis answers, and "
            "says OOM to each write. Whoever runs Redis gives it memory; nothing that the console does would help."
        ),
        more=(FullMemory(begins_s=-20),),
    ),
    DrillScenario(
        name="bad-release",
        title="Since a release most purchases fail, at every provider alike",
        truth=("bad-release",),
        expect=(
            "More than 10 % of purchases fail, at all providers and on all pods, all since the pods' newer revision; "
            "circuits stay closed. Going back to the revision before ends it."
        ),
        release=StagedRelease(image="ghcr.io/nexnum/nexnum-app:1.6.0", begins_s=-300, misasks=0.6),
    ),
)
