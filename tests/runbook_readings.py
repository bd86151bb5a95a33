"""Readings to hold a runbook against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sample_readings as sample

from nexconsole.model import Reading, Value
from nexconsole.signals.alerts import Alerts
from nexconsole.signals.circuits import Circuits, ProviderCircuit
from nexconsole.signals.database import Database
from nexconsole.signals.database_cpu import DatabaseCpu
from nexconsole.signals.locks import Family, Locks
from nexconsole.signals.outbox import Outbox, OutboxEvents
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.search import Search
from nexconsole.signals.transactions import ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Workloads

NOW = datetime(2026, 11, 23, 14, 7, 31, tzinfo=UTC)


def traffic(name: str, attempts: int, failures: int) -> ProviderTraffic:
    return ProviderTraffic(
        name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts if attempts else None
    )


def purchases(failures: int, attempts: int = 400, verdict: str = "none", provider: str | None = None) -> Transactions:
    scope = Scope(verdict=verdict, provider=provider, because="the counts")
    rate = failures / attempts if attempts else None
    rows = (traffic(provider, attempts, failures),) if provider else ()
    return Transactions(
        failure_rate=rate, attempts=attempts, failures=failures, window_s=300, scope=scope, providers=rows
    )


def circuit(name: str, state: str = "closed", **more) -> ProviderCircuit:
    return ProviderCircuit(name=name, id=name, active=more.pop("active", True), state=state, **more)


def abandoned(number: int, **more) -> Locks:
    left = Family(pattern="lock:number:*", locks=9, abandoned=number)
    families = {"purchase": Family(pattern="lock:purchase:*"), "number": left}
    return Locks(locks=9, abandoned=number, oldest_s=90.0 if number else None, families=families, **more)


CALM: dict[str, Value] = {
    "transactions": purchases(4),
    "circuits": Circuits(providers=(circuit("smsbower"), circuit("5sim")), pods=3, pods_followed=3),
    "outbox": Outbox(pending=3, failed=0, dropped=0, oldest_pending_s=2.0),
    "outbox events": OutboxEvents(),
    "reservations": Reservations(pending=2, stuck=0, oldest_s=20.0),
    "locks": abandoned(0, swept_at=NOW),
    "database": Database(connections=9, max_connections=97),
    "workloads": Workloads(
        namespace="n", deployment="app", desired=3, ready=3, updated=3, available=3, rollout="complete"
    ),
    "alerts": Alerts(),
    "funnel": sample.calm()["funnel"].value,
    "slots": sample.slots(),
    "balances": sample.balances(),
    "search": Search(up=True),
    "status_pages": sample.pages(),
    "database_cpu": DatabaseCpu(used=0.3),
    "integrity": sample.integrity(),
    "customers": sample.customers(),
    "onset": sample.onsets(),
    "changes": sample.changes(),
    "runway": sample.runway(),
}


OUTAGE = purchases(71, verdict="one", provider="smsbower")


def readings(age_s: float = 2, error: str | None = None, **values: Value | None) -> dict[str, Reading]:
    taken = NOW - timedelta(seconds=age_s)
    return {
        name.replace("outbox_events", "outbox events"): Reading(
            signal=name, every=2, value=value, taken_at=taken if value else None, attempted_at=NOW, error=error
        )
        for name, value in (CALM | values).items()
    }
