"""Readings of a calm, a broken, a stale and an unconfigured NexNum at one frozen moment, for tests of the screen."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from nexconsole.model import Reading, SourceHealth, Value
from nexconsole.signals.alerts import Alert, Alerts, RunbookAlert
from nexconsole.signals.balances import Balance, Balances
from nexconsole.signals.change import Change, ChangeKind, ChangeLog, KnownSince
from nexconsole.signals.circuits import Circuits, Holder, ProviderCircuit
from nexconsole.signals.customers import Customers, OutOfLine
from nexconsole.signals.database import Database
from nexconsole.signals.database_cpu import DatabaseCpu
from nexconsole.signals.database_sessions import DatabaseSession
from nexconsole.signals.findings import Finding, IntegrityCheck
from nexconsole.signals.funnel import Funnel, MinuteFunnel, ProviderFunnel
from nexconsole.signals.integrity import LOOKS, Integrity
from nexconsole.signals.lock_keys import Lock
from nexconsole.signals.locks import Family, Locks
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.outbox import Outbox, OutboxEvent, OutboxEvents
from nexconsole.signals.pods import Pod
from nexconsole.signals.reservations import Pile, Reservations
from nexconsole.signals.runway import Ceiling, Runway
from nexconsole.signals.search import Search
from nexconsole.signals.slots import SlotProvider, Slots, Wait
from nexconsole.signals.status_pages import StatusPage, StatusPages
from nexconsole.signals.transactions import Point, ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Autoscaler, Workloads

NOW = datetime(2026, 1, 23, 14, 7, 31, tzinfo=UTC)
SIGNALS = (
    "transactions",
    "circuits",
    "funnel",
    "outbox",
    "reservations",
    "locks",
    "database",
    "workloads",
    "alerts",
    "slots",
    "balances",
    "search",
    "status_pages",
    "database_cpu",
    "integrity",
    "customers",
    "onset",
    "changes",
    "runway",
)
NAMES = ("5sim", "onlinesim", "sms-activate", "smsbower", "tiger-sms")
PODS = ("nexnum-app-7c9d5b6f4-2xkqp", "nexnum-app-7c9d5b6f4-9hw7d", "nexnum-app-7c9d5b6f4-zt4lm")
RUNBOOK = (
    RunbookAlert(name="HighPurchaseFailureRate", exists=True, can_fire=False, why="its numerator has no series"),
    RunbookAlert(name="StuckReservations", exists=True, can_fire=False, why="the gauge is never set"),
    RunbookAlert(name="OutboxProcessingFailed", exists=False, can_fire=False),
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def reading(
    signal: str, value: Value | None, age: float = 1.0, every: float = 2.0, error: str | None = None
) -> Reading:
    taken = ago(age) if value is not None else None
    return Reading(signal=signal, every=every, value=value, taken_at=taken, attempted_at=NOW, error=error)


def trend(worst: float) -> tuple[Point, ...]:
    """Half an hour by the minute; the last 5 minutes climb to `worst`."""
    points = []
    for minute in range(30, -1, -1):
        calm = 0.012 + 0.008 * math.sin(minute * 1.7)
        rate = calm if minute > 5 else calm + (worst - calm) * (6 - minute) / 6
        points.append(Point(at=ago(60 * minute).timestamp(), attempts=80, failure_rate=rate))
    return tuple(points)


def _traffic(*rows: tuple[str, int, int]) -> tuple[ProviderTraffic, ...]:
    return tuple(ProviderTraffic(name=n, attempts=a, failures=f, failure_rate=f / a if a else None) for n, a, f in rows)


def _circuit(
    name: str, state: str = "closed", pods: tuple[str, ...] = (), shared: str = "closed", **more
) -> ProviderCircuit:
    states = pods or ("closed",) * 3
    holders = (
        *tuple(
            Holder(
                kind="pod",
                where=pod,
                state=held,
                since=ago(252) if held.endswith("open") else None,
                closes_in_s=13.0 if held == "open" else None,
            )
            for pod, held in zip(PODS, states, strict=True)
        ),
        Holder(kind="shared", where="redis", state=shared, closes_in_s=13.0 if shared == "open" else None),
    )
    more = {"active": True, "id": f"0000-{name}"} | more
    return ProviderCircuit(name=name, state=state, holders=holders, **more)


def _pod(name: str, ready: bool = True, **more) -> Pod:
    return Pod(name=name, uid=name, phase="Running", ready=ready, **({"restarts": 0, "age_s": 86400 * 2.2} | more))


def locks(abandoned: int = 0, whole: bool = True) -> Locks:
    """Locks of which so many were left behind, the oldest 9 min ago."""
    worst = tuple(
        Lock(
            key=f"lock:number:{n:08}-0000-4000-8000-000000000000-whatsapp-united kingdom",
            value="1",
            pttl=-1,
            age_s=550.0 - 7 * n,
            suspicious="it has no TTL",
        )
        for n in range(abandoned)
    )
    return Locks(
        source="redis",
        locks=3 + abandoned,
        abandoned=abandoned,
        oldest_s=550.0 if abandoned else None,
        families={
            "purchase": Family(pattern="lock:purchase:*", locks=3),
            "number": Family(
                pattern="lock:number:*",
                locks=abandoned,
                abandoned=abandoned,
                oldest_s=550.0 if abandoned else None,
                worst=worst,
            ),
        },
        swept_at=ago(12) if whole else None,
        looked=10_000,
    )


def slots(**waits: float) -> Slots:
    """How long a purchase waits for a slot, by provider."""
    return Slots(
        source="redis",
        waits=tuple(Wait(name=name, id=f"0000-{name}", active=True, wait_s=wait) for name, wait in waits.items()),
        taken=4,
        providers=tuple(SlotProvider(id=f"0000-{name}", name=name, active=True) for name in NAMES),
        names_at=ago(4),
    )


def balance(name: str, state: str = "enough", held: float = 412.5, age_s: float | None = 1500.0, **more) -> Balance:
    synced_at = None if age_s is None else ago(age_s)
    more = {"active": True, "alert": 10.0, "synced_at": synced_at, "age_s": age_s} | more
    return Balance(name=name, state=state, balance=held, **more)


def balances(*wrong: Balance) -> Balances:
    named = {one.name for one in wrong}
    return Balances(source="postgres", balances=(*wrong, *(balance(name) for name in NAMES if name not in named)))


def pages(said: str = "All Systems Operational", indicator: str = "none") -> StatusPages:
    page = StatusPage(provider="smsbower", said=said, indicator=indicator, read_at=ago(41))
    return StatusPages(source="the providers' status pages", pages=(page,))


def integrity(*findings: Finding, look: str = "wallets") -> Integrity:
    said = {"wallets": "a sample of 25 000 of about 61 000 wallets", "redis": "8 412 keys", "postgres": "a primary"}
    checks = (
        IntegrityCheck(
            name=name, at=ago(20), said=said.get(name, "looked at"), findings=findings if name == look else ()
        )
        for name in LOOKS
    )
    return Integrity(source="samples", checks=tuple(checks), redis_run="3fa9c1d20b7e")


def customers(**figures) -> Customers:
    """Whom it hurts; without figures nobody to speak of."""
    calm = {"failing": 5, "refused": 1, "waiting": 0, "failing_per_min": 1.0, "money_per_min": 0.41, "holds": 0}
    known = calm | {"held": 0.0, "refused_s": 300.0, "decided": 411} | figures
    return Customers(source="postgres, pod logs", **known)


def onsets(*found: Onset) -> Onsets:
    """Which figures left their usual range; without any, all are in it."""
    watched = ("failure_rate", "attempts", "failure_rate smsbower", "attempts smsbower", "outbox_pending")
    return Onsets(source="postgres, this console", found=found, watched=watched)


def runway(*found: Ceiling) -> Runway:
    """When ceilings are reached."""
    steady = Ceiling(name="connections", now=31.0, limit=97.0, text="31 of 97, no estimate: it does not grow")
    return Runway(source="this console's readings, redis", ceilings=(*found, steady), redis_memory=0.41)


def _minutes(refused: int, failed: int) -> tuple[MinuteFunnel, ...]:
    """Half an hour of 80 customers a minute; of the last 5 minutes' customers so many were refused, so many failed."""
    newest = NOW.timestamp() // 60
    return tuple(
        MinuteFunnel(
            at=60 * (newest - n),
            attempts=80,
            sold=79 - (refused + failed if n < 5 else 0),
            failed=failed if n < 5 else 1,
            refused=refused if n < 5 else 0,
        )
        for n in range(30, 0, -1)
    )


def _asked(*rows: tuple[str, int, int, int, int, int]) -> tuple[ProviderFunnel, ...]:
    return tuple(
        ProviderFunnel(name=n, attempts=a, sold=s, failed=f, refused=r, waiting=w, between=0.02)
        for n, a, s, f, r, w in rows
    )


def calm() -> dict[str, Reading]:
    names = ("5sim", "onlinesim", "sms-activate", "smsbower", "tiger-sms")
    scaler = Autoscaler(name="nexnum-hpa", minimum=2, maximum=10, current=3, desired=3, metrics="cpu 31 of 70 %")
    values: dict[str, Value] = {
        "transactions": Transactions(
            source="prometheus",
            failure_rate=5 / 412,
            attempts=412,
            failures=5,
            window_s=300,
            latency_p95_s=0.84,
            scope=Scope(verdict="none", because="5 failures of 412, spread over 3 providers"),
            counted_by={"postgres": (411, 5), "prometheus": (412, 5)},
            providers=_traffic(
                ("5sim", 121, 2),
                ("smsbower", 118, 2),
                ("tiger-sms", 74, 1),
                ("sms-activate", 61, 0),
                ("onlinesim", 38, 0),
            ),
            trend=trend(0.014),
        ),
        "circuits": Circuits(
            source="3 of 3 pods, redis", providers=tuple(_circuit(n) for n in names), pods_followed=3, pods=3
        ),
        "funnel": Funnel(
            source="pod logs",
            window_s=300,
            rests_on_s=300,
            attempts=418,
            offered=417,
            reserved=416,
            called=416,
            sold=407,
            failed=5,
            waiting=4,
            waiting_new=4,
            refused={"no offer": 1, "funds": 1},
            failures={"5xx": 3, "no answer": 2},
            oldest_s=2.4,
            undecided_s=0.6,
            usual_s=1.1,
            users=301,
            users_refused=1,
            users_without_funds=1,
            providers=_asked(
                ("5sim", 124, 119, 2, 1, 2),
                ("smsbower", 120, 116, 2, 0, 2),
                ("tiger-sms", 75, 73, 1, 1, 0),
                ("sms-activate", 61, 61, 0, 0, 0),
                ("onlinesim", 38, 38, 0, 0, 0),
            ),
            minutes=_minutes(0, 1),
            answers={"200": 406, "404": 1, "400": 1, "503": 5},
            answers_at=ago(4),
            pods_followed=3,
            pods=3,
            reach_s=3600.0,
        ),
        "outbox": Outbox(
            source="postgres",
            pending=4,
            failed=0,
            dropped=0,
            oldest_pending_s=2.1,
            arrived_per_min=31,
            drained_per_min=32,
            empty_in_s=8,
        ),
        "reservations": Reservations(
            source="postgres",
            pending=11,
            stuck=0,
            oldest_s=38,
            by_table={
                "purchase_orders": Pile(pending=7, stuck=0, oldest_s=38),
                "activations": Pile(pending=4, stuck=0, oldest_s=6),
                "offer_reservations": Pile(pending=0, stuck=0, oldest_s=None),
            },
        ),
        "locks": locks(),
        "database": Database(
            source="postgres", connections=23, max_connections=100, server_version="16.4", read_only_role=True
        ),
        "workloads": Workloads(
            source="kubernetes",
            namespace="default",
            deployment="nexnum-app",
            desired=3,
            ready=3,
            updated=3,
            available=3,
            rollout="complete",
            pods=tuple(_pod(n) for n in PODS),
            autoscaler=scaler,
        ),
        "alerts": Alerts(source="prometheus", runbook=RUNBOOK),
        "slots": slots(),
        "balances": balances(),
        "search": Search(source="meilisearch", up=True),
        "status_pages": pages(),
        "database_cpu": DatabaseCpu(source="prometheus", used=0.31),
        "integrity": integrity(),
        "customers": customers(),
        "onset": onsets(),
        "changes": changes(),
        "runway": runway(),
    }
    return {name: reading(name, value) for name, value in values.items()}


def changes(*found: Change) -> ChangeLog:
    """Every kind can be read, for six hours back."""
    kinds = tuple(kind for kind in ChangeKind if kind is not ChangeKind.ACTION)
    known = tuple(KnownSince(kind=kind, at=ago(6 * 3600)) for kind in kinds)
    return ChangeLog(source="samples", changes=found, read=kinds, known_from=known)


RELEASED = Change(
    at=ago(900),
    kind=ChangeKind.RELEASE,
    subject="deployment nexnum-app",
    target="nexnum-app",
    text="nexnum-app was released: nexnum-app:1.4.1 → nexnum-app:1.4.2",
    before="nexnum-app:1.4.1",
    after="nexnum-app:1.4.2",
    who="kubectl-set",
    source="kubernetes",
)
EDITED = Change(
    at=ago(300),
    kind=ChangeKind.PROVIDER,
    subject="provider smsbower",
    target="smsbower",
    text="smsbower was given priority 9",
    before="priority 1",
    after="priority 9",
    within_s=2.5,
    source="postgres",
)


def incident() -> dict[str, Reading]:
    """One provider fails; its breaker is open, reservations pile up, the outbox does not drain, one session blocks."""
    scaler = Autoscaler(name="nexnum-hpa", minimum=2, maximum=10, current=3, desired=5, metrics="cpu 91 of 70 %")
    blocker = DatabaseSession(
        pid=4312,
        user="nexnum",
        application="nexnum-app",
        state="idle in transaction",
        transaction_s=38,
        query_s=37,
        wait="Client:ClientRead",
        blocked_by=(),
        blocks=14,
        query="UPDATE wallets SET reserved = reserved - $1",
    )
    waiting = tuple(
        DatabaseSession(
            pid=4320 + n,
            user="nexnum",
            application="nexnum-app",
            state="active",
            transaction_s=30.0 - n,
            query_s=30.0 - n,
            wait="Lock:transactionid",
            blocked_by=(4312,),
            blocks=0,
            query="SELECT * FROM wallets WHERE id = $1 FOR UPDATE",
        )
        for n in range(14)
    )
    values: dict[str, Value] = {
        "transactions": Transactions(
            source="postgres",
            failure_rate=71 / 400,
            attempts=400,
            failures=71,
            window_s=300,
            latency_p95_s=2.1,
            scope=Scope(verdict="one", provider="smsbower", because="66 of 71 failures (93 %) are at smsbower"),
            counted_by={"postgres": (400, 71)},
            providers=_traffic(
                ("smsbower", 120, 66),
                ("5sim", 150, 4),
                ("tiger-sms", 70, 1),
                ("sms-activate", 60, 0),
                ("onlinesim", 0, 0),
            ),
            trend=trend(0.19),
            notes=("Prometheus does not answer: the counts are from Postgres",),
        ),
        "circuits": Circuits(
            source="3 of 3 pods, redis",
            pods_followed=3,
            pods=3,
            providers=(
                _circuit(
                    "smsbower",
                    "open",
                    ("open", "open", "half-open"),
                    "open",
                    flapping=True,
                    opened=4,
                    seen_5xx=12,
                    last_traffic=ago(3),
                ),
                _circuit("tiger-sms", "half-open", ("half-open", "closed", "closed"), last_traffic=ago(242)),
                _circuit("5sim", seen_429=3),
                _circuit("sms-activate", "unknown", ("unknown",) * 3),
                _circuit("onlinesim", active=False),
            ),
        ),
        "funnel": Funnel(
            source="pod logs",
            window_s=300,
            rests_on_s=240,
            attempts=436,
            offered=404,
            reserved=403,
            called=403,
            sold=329,
            failed=71,
            waiting=3,
            waiting_new=3,
            refused={"no offer": 32, "funds": 1},
            failures={"5xx": 40, "breaker open": 26, "no answer": 5},
            oldest_s=31.0,
            undecided_s=2.0,
            usual_s=2.2,
            users=288,
            users_refused=30,
            users_without_funds=1,
            providers=_asked(
                ("smsbower", 155, 54, 66, 32, 3),
                ("5sim", 151, 146, 4, 1, 0),
                ("tiger-sms", 70, 69, 1, 0, 0),
                ("sms-activate", 60, 60, 0, 0, 0),
            ),
            minutes=_minutes(6, 14),
            answers={"200": 331, "404": 31, "503": 70},
            answers_at=ago(4),
            pods_followed=3,
            pods=3,
            reach_s=240.0,
        ),
        "outbox": Outbox(
            source="postgres",
            pending=137,
            failed=9,
            dropped=2,
            oldest_pending_s=1510,
            arrived_per_min=5,
            drained_per_min=0,
        ),
        "reservations": Reservations(
            source="postgres",
            pending=61,
            stuck=56,
            oldest_s=1020,
            by_table={
                "purchase_orders": Pile(pending=40, stuck=36, oldest_s=1020),
                "activations": Pile(pending=21, stuck=20, oldest_s=900),
                "offer_reservations": Pile(pending=0, stuck=0, oldest_s=None),
            },
        ),
        "locks": locks(),
        "database": Database(
            source="postgres",
            sessions=(blocker, *waiting),
            long=15,
            idle_in_transaction=1,
            blocked=14,
            connections=41,
            max_connections=100,
            server_version="16.4",
            read_only_role=True,
        ),
        "workloads": Workloads(
            source="kubernetes",
            namespace="default",
            deployment="nexnum-app",
            desired=3,
            ready=2,
            updated=3,
            available=2,
            rollout="complete",
            autoscaler=scaler,
            pods=(
                _pod(PODS[0]),
                _pod(PODS[1], False, restarts=4, reason="CrashLoopBackOff", restarted_at=ago(95)),
                _pod(PODS[2], restarts=1),
            ),
        ),
        "alerts": Alerts(
            source="prometheus",
            runbook=RUNBOOK,
            pending=1,
            firing=(
                Alert(
                    name="ProviderApiErrors",
                    severity="warning",
                    since=ago(262),
                    summary="Provider API errors",
                    labels={"provider": "smsbower", "severity": "warning"},
                ),
            ),
        ),
        "slots": slots(smsbower=42.0, onlinesim=12.0),
        "balances": balances(balance("tiger-sms", "empty", 0.02), balance("smsbower", "low", 7.4, 30_000, old=True)),
        "search": Search(source="meilisearch", up=False, why="search at meili:7700: the connection was refused"),
        "status_pages": pages("Partial outage of purchases", "major"),
        "database_cpu": DatabaseCpu(source="prometheus", used=0.63),
        "integrity": integrity(
            Finding(kind="data", level="none", text="3 wallets have a hold below zero, by 4.50 in all: released twice"),
        ),
        "customers": customers(
            failing=58,
            refused=30,
            waiting=2,
            failing_per_min=14.2,
            money_per_min=8.09,
            holds=6,
            held=3.42,
            out_of_line=(OutOfLine(kind="country", name="Angola", failed=12, decided=13, share=12 / 13),),
        ),
        "onset": onsets(
            Onset(
                figure="failure_rate",
                subject="smsbower",
                at=ago(290),
                known_from=ago(3600),
                before=0.021,
                after=0.55,
                within_s=10.0,
                source="postgres",
            ),
            Onset(
                figure="failure_rate",
                at=ago(280),
                known_from=ago(3600),
                before=0.02,
                after=0.178,
                within_s=20.0,
                source="postgres",
            ),
            Onset(
                figure="outbox_pending",
                at=None,
                known_from=ago(1200),
                before=None,
                after=137.0,
                source="this console",
            ),
        ),
        "changes": changes(EDITED, RELEASED),
        "runway": runway(
            Ceiling(
                name="balance at smsbower",
                now=40.0,
                limit=0.0,
                text="40.00 left, used up in 12 to 20 min",
                earliest=NOW + timedelta(minutes=12),
                latest=NOW + timedelta(minutes=20),
            ),
            Ceiling(
                name="outbox",
                now=137.0,
                limit=0.0,
                text="137 pending, done in 6 to 11 min",
                earliest=NOW + timedelta(minutes=6),
                latest=NOW + timedelta(minutes=11),
                good=True,
            ),
        ),
    }
    return {name: reading(name, value) for name, value in values.items()}


def stale() -> dict[str, Reading]:
    """The incident, 42 s after Postgres and Prometheus were last heard of; Kubernetes never answered."""
    errors = {
        "transactions": "postgres did not answer within 3 s",
        "outbox": "postgres refused the connection at 10.0.0.12:5432",
        "reservations": "postgres refused the connection at 10.0.0.12:5432",
        "database": "postgres refused the connection at 10.0.0.12:5432",
        "alerts": "prometheus answered HTML instead of JSON, at https://prometheus.nexnum.example",
    }
    readings = {
        name: replace(one, taken_at=ago(42), error=errors.get(name)) if name in errors else one
        for name, one in incident().items()
    }
    denied = "kubernetes refuses this role: pods is forbidden in namespace default"
    return readings | {"workloads": reading("workloads", None, error=denied)}


def left_locks() -> dict[str, Reading]:
    """Calm but for locks that were left behind."""
    return calm() | {"locks": reading("locks", locks(31))}


def unconfigured() -> dict[str, Reading]:
    needs = {
        "circuits": ("kubernetes", "kubernetes.kubeconfig or KUBECONFIG"),
        "alerts": ("prometheus", "prometheus.url or PROMETHEUS_URL"),
    }
    needs["workloads"] = needs["circuits"]
    needs["locks"] = needs["slots"] = ("redis", "redis.url or REDIS_URL")
    needs["search"] = ("search", "search.url or MEILISEARCH_HOST")
    needs["status_pages"] = ("status_pages", "providers.status_pages")
    needs["database_cpu"] = ("the database's CPU", "prometheus.expressions.database_cpu")
    out = {}
    for name in SIGNALS:
        source, setting = needs.get(name, ("postgres", "postgres.url or DATABASE_URL"))
        error = f"{source} is not configured: set {setting}"
        out[name] = Reading(signal=name, every=2.0, absent=True, error=error, attempted_at=NOW)
    return out


def events() -> Reading:
    rows = tuple(
        OutboxEvent(
            id=f"evt-{n:04}",
            event_type="offer.updated",
            aggregate_type="offer",
            status="FAILED" if n < 9 else "PENDING",
            retries=1 if n < 9 else 0,
            age_s=1500.0 - n,
            error="Meilisearch: invalid document id" if n < 9 else "",
        )
        for n in range(24)
    )
    return reading("outbox events", OutboxEvents(source="postgres", events=rows))


def health(broken: bool = False) -> tuple[SourceHealth, ...]:
    good = {
        name: SourceHealth(name=name, latency_ms=ms, ok_at=ago(1))
        for name, ms in (("postgres", 2.0), ("redis", 0.6), ("kubernetes", 12.0), ("prometheus", 31.0), ("api", 9.0))
    }
    if broken:
        good["postgres"] = replace(good["postgres"], failed_at=ago(42), error="refused", kind="unreachable")
        good["prometheus"] = replace(good["prometheus"], failed_at=ago(42), error="HTML", kind="bad answer")
    return tuple(good.values())


def looks() -> dict[str, Reading]:
    """Calm, but for what a machine reads since people are no longer asked: turns, money, search, CPU, findings."""
    values = {
        "slots": slots(smsbower=6031.0, onlinesim=12.0),
        "balances": balances(
            balance("tiger-sms", "empty", 0.02),
            balance("5sim", "low", 7.4, 30_000, old=True),
            balance("onlinesim", "unknown", 0.0, None),
        ),
        "search": Search(source="meilisearch", up=False, why="search at meili:7700: the connection was refused"),
        "status_pages": pages("Partial outage of purchases", "major"),
        "database_cpu": DatabaseCpu(source="prometheus", used=0.93),
        "integrity": integrity(
            Finding(
                kind="data",
                level="SEV-1",
                text="Redis was restarted 9 min ago and lost its data: 8 412 keys before, 31 now; seen 8 min ago",
                advice="gone with it: keys against double top-ups, and locks",
            ),
            Finding(kind="data", level="none", text="3 wallets have a hold below zero, by 4.50 in all: released twice"),
        ),
    }
    return calm() | {name: reading(name, value) for name, value in values.items()}


WORLDS = {
    "calm": calm,
    "incident": incident,
    "stale": stale,
    "unconfigured": unconfigured,
    "locks": left_locks,
    "looks": looks,
}
