"""Severity by the runbook's rules, from readings alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nexconsole.model import Reading, Value
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.alerts import Alert, Alerts
from nexconsole.signals.circuits import Circuits, ProviderCircuit
from nexconsole.signals.locks import Locks
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.transactions import ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Workloads

NOW = datetime(2026, 11, 23, 14, 7, 31, tzinfo=UTC)
CALM = {
    "transactions": Transactions(failure_rate=0.01, attempts=400, failures=4, window_s=300),
    "circuits": Circuits(providers=(ProviderCircuit(name="5sim", id="1", active=True, state="closed"),)),
    "outbox": Outbox(pending=3, failed=0, dropped=0, oldest_pending_s=2),
    "reservations": Reservations(pending=2, stuck=0, oldest_s=20),
    "locks": Locks(locks=1, abandoned=0, oldest_s=None, swept_at=NOW),
    "workloads": Workloads(
        namespace="n", deployment="d", desired=3, ready=3, updated=3, available=3, rollout="complete"
    ),
    "alerts": Alerts(),
}


def reading(name: str, value: Value | None, age_s: float = 1, error: str | None = None) -> Reading:
    taken = NOW - timedelta(seconds=age_s) if value else None
    return Reading(signal=name, every=2, value=value, taken_at=taken, attempted_at=NOW, error=error)


def judged(**values: Value | None):
    readings = {name: reading(name, value) for name, value in (CALM | values).items()}
    return judge(readings, Settings(), NOW)


def purchases(failures: int, attempts: int = 100, **more) -> Transactions:
    rate = failures / attempts if attempts else None
    return Transactions(failure_rate=rate, attempts=attempts, failures=failures, window_s=300, **more)


def test_calm_is_no_severity_and_no_reason():
    assert judged().level == "none"
    assert judged().reasons == ()


@pytest.mark.parametrize(
    ("failures", "level"), [(5, "none"), (6, "SEV-2"), (10, "SEV-2"), (11, "SEV-1"), (100, "SEV-1")]
)
def test_the_failure_rate_is_judged_above_five_and_ten_per_cent(failures, level):
    assert judged(transactions=purchases(failures)).level == level


def test_too_few_purchases_are_not_judged():
    assert judged(transactions=purchases(5, 10)).level == "none"


def test_nothing_attempted_is_not_a_rate_of_zero_and_no_alarm_either():
    assert judged(transactions=purchases(0, 0)).level == "none"


def test_the_reason_names_the_provider_that_fails():
    smsbower = ProviderTraffic(name="smsbower", attempts=120, failures=66, failure_rate=0.55)
    value = purchases(71, 400, scope=Scope(verdict="one", provider="smsbower"), providers=(smsbower,))
    reason = judged(transactions=value).reasons[0]
    assert (reason.level, reason.text) == ("SEV-1", "17.8 % of purchases fail, 93 % of them at smsbower")
    assert (reason.signal, reason.age_s) == ("transactions", 1)


@pytest.mark.parametrize(("pending", "stuck", "level"), [(50, 5, "none"), (50, 6, "SEV-3"), (51, 0, "SEV-2")])
def test_reservations_are_held_against_the_runbooks_limit_and_the_alerts(pending, stuck, level):
    assert judged(reservations=Reservations(pending=pending, stuck=stuck, oldest_s=1)).level == level


@pytest.mark.parametrize(
    ("abandoned", "oldest_s", "text"),
    [
        (1, 61, "1 lock that nobody will release keeps a customer out, the oldest 61 s"),
        (31, 550, "31 locks that nobody will release keep customers out, the oldest 9 min"),
        (2, None, "2 locks that nobody will release keep customers out"),
    ],
)
def test_locks_that_nobody_will_release_are_a_warning(abandoned, oldest_s, text):
    severity = judged(locks=Locks(locks=40, abandoned=abandoned, oldest_s=oldest_s))
    assert (severity.level, severity.reasons[0].text) == ("SEV-3", text)


def test_a_failed_outbox_event_and_a_late_one_are_warnings():
    assert judged(outbox=Outbox(pending=0, failed=1, dropped=0, oldest_pending_s=None)).level == "SEV-3"
    assert judged(outbox=Outbox(pending=1, failed=0, dropped=0, oldest_pending_s=500)).level == "SEV-3"


def test_an_open_circuit_is_a_warning_and_all_open_is_purchasing_down():
    provider = CALM["circuits"].providers[0]
    half = Circuits(providers=(provider, replace(provider, name="b", state="open")))
    assert judged(circuits=half).level == "SEV-3"
    assert judged(circuits=Circuits(providers=(replace(provider, state="open"),))).level == "SEV-1"


def test_a_disabled_providers_circuit_concerns_nobody():
    provider = ProviderCircuit(name="b", id="2", active=False, state="open")
    assert judged(circuits=Circuits(providers=(CALM["circuits"].providers[0], provider))).level == "none"


def test_no_ready_pod_is_purchasing_down():
    assert judged(workloads=replace(CALM["workloads"], ready=0)).level == "SEV-1"


def test_alerts_are_mapped_by_the_settings():
    def firing(severity):
        return Alerts(firing=(Alert(name="ProviderApiErrors", severity=severity, since=None),))

    assert judged(alerts=firing("critical")).level == "SEV-2"
    assert judged(alerts=firing("warning")).level == "SEV-3"
    assert judged(alerts=firing("info")).level == "none"


def test_a_signal_that_lost_its_source_keeps_its_reason_and_says_how_old_it_is():
    lost = reading("transactions", purchases(50), age_s=600, error="postgres: refused")
    severity = judge({"transactions": lost}, Settings(), NOW)
    assert severity.level == "SEV-1"
    assert (severity.reasons[0].age_s, severity.reasons[0].stale) == (600, True)


def test_a_signal_without_data_is_named_and_lowers_nothing():
    readings = {name: reading(name, value) for name, value in CALM.items()}
    readings["transactions"] = reading("transactions", None, error="refused")
    readings["outbox"] = reading("outbox", Outbox(pending=0, failed=2, dropped=0, oldest_pending_s=None))
    severity = judge(readings, Settings(), NOW)
    assert severity.level == "SEV-3"
    assert severity.unknown == ("transactions", "database")
