"""Each of our causes is named on readings of its own, and not where its telling source is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
import sample_readings as sample
from cause_readings import failing, stalled
from sample_readings import NOW, PODS, ago, reading

from nexconsole.causes import chapters
from nexconsole.causes.ranking import explain
from nexconsole.model import Reading, SourceHealth, Value
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.alerts import Alert, Alerts
from nexconsole.signals.change import Change, ChangeKind, ChangeLog, KnownSince
from nexconsole.signals.circuits import Circuits
from nexconsole.signals.database import Database
from nexconsole.signals.database_cpu import DatabaseCpu
from nexconsole.signals.findings import Finding
from nexconsole.signals.funnel import Funnel, ProviderFunnel
from nexconsole.signals.funnel_parts import PodFunnel
from nexconsole.signals.onset import Onset, Onsets
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.pods import Pod
from nexconsole.signals.releases import Release
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.search import Search
from nexconsole.signals.transactions import Point, ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Workloads

SETTINGS = Settings()
OURS = chapters.shipped().causes
LOST = SourceHealth(name="postgres", ok_at=ago(30), failed_at=NOW, error="postgres: refused", kind="unreachable")
Readings = dict[str, Reading]


def changed(**values: Value) -> Readings:
    return sample.calm() | {name: reading(name, value) for name, value in values.items()}


def restarted_since() -> Workloads:
    """The calm pods, which were all started a minute ago."""
    calm = of("workloads")
    assert isinstance(calm, Workloads)
    return replace(calm, pods=tuple(replace(pod, age_s=60.0) for pod in calm.pods))


def of(name: str) -> Value:
    value = sample.calm()[name].value
    assert value is not None
    return value


def funnel(failures: Mapping[str, int], at: str = "", **more: object) -> Funnel:
    """Failures by kind, of all, and of one provider."""
    calm = of("funnel")
    assert isinstance(calm, Funnel)
    one = ProviderFunnel(name=at, attempts=90, sold=20, failed=70, reasons=failures, newest=failures, sold_s=200.0)
    rows = tuple(one if row.name == at else row for row in calm.providers)
    return replace(calm, **({"failures": failures, "failed": sum(failures.values()), "providers": rows} | more))


def at_smsbower(rate: float = 0.9) -> Transactions:
    rows = (
        ProviderTraffic(name="smsbower", attempts=100, failures=round(100 * rate), failure_rate=rate),
        ProviderTraffic(name="5sim", attempts=300, failures=3, failure_rate=0.01),
    )
    whole = (100 * rate + 3) / 400
    return failing(whole, "one", attempts=400, failures=round(100 * rate + 3), providers=rows)


def ill(kind: str, **more: Value) -> Readings:
    """smsbower alone fails, and its calls end so."""
    return changed(transactions=at_smsbower(), funnel=funnel({kind: 70}, "smsbower"), **more)


def circuit(**fields: object) -> Circuits:
    calm = of("circuits")
    assert isinstance(calm, Circuits)
    return replace(
        calm,
        providers=tuple(replace(each, **fields) if each.name == "smsbower" else each for each in calm.providers),
    )


def relapsing() -> Funnel:
    base = funnel({"no answer": 20}, "smsbower")
    rows = (replace(row, relapses=3, sold_s=20.0) if row.name == "smsbower" else row for row in base.providers)
    return replace(base, providers=tuple(rows))


def outbox(**fields: object) -> Outbox:
    return Outbox(**({"pending": 90, "failed": 0, "dropped": 0, "oldest_pending_s": 900.0} | fields))


def workloads(**fields: object) -> Workloads:
    calm = of("workloads")
    assert isinstance(calm, Workloads)
    return replace(calm, **fields)


def released(age_s: float = 480.0) -> Release:
    return Release(revision="3", read_at=NOW, images="app:1.6.0", since=ago(age_s), before="app:1.5.0")


def since_release() -> Transactions:
    """Low until the release, high soon after it."""
    trend = tuple(
        Point(at=ago(60 * n).timestamp(), attempts=80, failure_rate=0.6 if n <= 7 else 0.01) for n in range(30, -1, -1)
    )
    return failing(0.6, "all", trend=trend)


def test_a_lone_bad_step_of_before_does_not_clear_the_release() -> None:
    def said(*bad_min: int) -> list[str]:
        trend = tuple(
            replace(point, failure_rate=0.2) if n in bad_min else point
            for n, point in zip(range(30, -1, -1), since_release().trend, strict=True)
        )
        readings = changed(
            transactions=failing(0.6, "all", trend=trend),
            workloads=workloads(release=released()),
            funnel=funnel({"bad request": 60}),
        )
        return named(readings, "bad-release")

    assert said() == said(25) == ["bad-release"]
    assert "bad-release" not in said(9), "it was bad right before"
    assert "bad-release" not in said(25, 22, 19), "it was bad again and again"


def surge() -> Transactions:
    trend = tuple(Point(at=ago(60 * n).timestamp(), attempts=80, failure_rate=0.01) for n in range(30, -1, -1))
    return failing(0.01, "none", attempts=1600, latency_p95_s=9.0, trend=trend)


def silent(readings: Readings, *names: str, error: str) -> Readings:
    old = {n: replace(readings[n], taken_at=ago(60), attempted_at=NOW, error=error) for n in names if n in readings}
    return readings | old


def database_down() -> Readings:
    readings = changed(funnel=funnel({"database": 60}, sold=0), workloads=workloads(ready=0))
    names = ("database", "outbox", "reservations", "balances", "customers")
    return silent(readings, *names, error="postgres does not answer")


def redis_down() -> Readings:
    readings = changed(funnel=funnel({"redis": 60}, sold=0), workloads=workloads(ready=0))
    return silent(readings, "locks", "slots", error="redis does not answer")


def crashing() -> tuple[Pod, ...]:
    return tuple(
        Pod(name=n, uid=n, phase="Running", ready=n == PODS[2], restarts=6, reason="CrashLoopBackOff (OOMKilled)")
        for n in PODS
    )


def change(kind: ChangeKind, before_s: float = 400.0, **more: Value) -> Readings:
    """A change so long ago; purchases fail since five minutes."""
    began = Onset(figure="failure_rate", at=ago(300), known_from=ago(7200), before=0.01, after=0.6, within_s=10.0)
    done = Change(at=ago(before_s), kind=kind, subject="it", target="it", text="it was changed")
    since = tuple(KnownSince(kind=each, at=ago(7200)) for each in ChangeKind)
    log = ChangeLog(changes=(done,), read=tuple(ChangeKind), known_from=since)
    told = {"onset": Onsets(found=(began,), watched=("failure_rate",)), "changes": log}
    return changed(**(told | more))


BY_POD = tuple(PodFunnel(name=name, decided=50, failed=45 if name == PODS[0] else 1) for name in PODS)
FULL = Finding(kind="data", level="SEV-2", text="Redis is full", about="Redis' memory", explains=("purchases",))
GONE = Finding(kind="data", level="SEV-1", text="somebody emptied Redis", about="Redis' data")
REPLICA = Finding(kind="data", level="SEV-1", text="it became a replica", about="read-only", explains=("purchases",))
ALL_OPEN = replace(
    of("circuits"), providers=tuple(replace(each, state="open", opened=4) for each in of("circuits").providers)
)
BRAZIL = {"out_of_line": sample.incident()["customers"].value.out_of_line, "failing": 58}
NAMED: dict[str, Readings] = {
    "provider-unreachable smsbower": ill("no answer", circuits=circuit(state="open", opened=6)),
    "provider-answers-nonsense smsbower": ill("bad answer"),
    "provider-limits-rate smsbower": ill("429", circuits=circuit(seen_429=60)),
    "provider-key-refused smsbower": ill("bad key"),
    "balance-used-up smsbower": ill("no balance", balances=sample.balances(sample.balance("smsbower", "empty", 0.0))),
    "out-of-stock smsbower": ill("no stock"),
    "provider-flaps smsbower": changed(
        transactions=at_smsbower(0.3),
        circuits=circuit(state="half-open", flapping=True, opened=7),
        funnel=relapsing(),
    ),
    "slots-taken smsbower": changed(slots=sample.slots(smsbower=6031.0)),
    "session-blocks 4711": changed(database=stalled(), transactions=failing(0.6)),
    "bad-release": changed(
        transactions=since_release(), workloads=workloads(release=released()), funnel=funnel({"bad request": 60})
    ),
    "release-breaks-outbox": changed(
        outbox=outbox(failed=9, oldest_failed_s=300.0, oldest_pending_s=400.0, drained_per_min=20.0),
        workloads=workloads(release=released()),
    ),
    "outbox-poison": changed(
        outbox=outbox(failed=9, oldest_failed_s=900.0, drained_per_min=20.0),
        workloads=workloads(release=released(90_000.0)),
    ),
    "outbox-stopped": changed(outbox=outbox(drained_per_min=0.0, arrived_per_min=20.0)),
    "reconciler-stopped": changed(reservations=Reservations(pending=80, stuck=70, oldest_s=4000.0)),
    "search-down": changed(
        search=Search(up=False, why="refused"),
        funnel=replace(of("funnel"), refused={"no offer": 300}, sold=0, users_refused=250),
    ),
    "connections-used-up": changed(
        database=Database(connections=96, max_connections=97), funnel=funnel({"no connection": 40})
    ),
    "database-down": database_down(),
    "database-read-only": changed(
        integrity=sample.integrity(REPLICA, look="postgres"), funnel=funnel({"read-only": 50})
    ),
    "database-overloaded": changed(
        database_cpu=DatabaseCpu(used=0.99), transactions=failing(0.01, "none", latency_p95_s=9.0)
    ),
    "redis-full": changed(integrity=sample.integrity(FULL, look="redis"), funnel=funnel({"redis full": 50})),
    "redis-down": redis_down(),
    "redis-emptied": changed(integrity=sample.integrity(GONE, look="redis")),
    "orphaned-locks": changed(locks=sample.locks(7)),
    f"pod-cut-off {PODS[0]}": changed(
        transactions=failing(0.3), funnel=funnel({"no answer": 100}, by_pod=BY_POD, failed=100)
    ),
    "pods-crash": changed(workloads=workloads(pods=crashing(), ready=1)),
    "egress-down": changed(transactions=failing(0.9), funnel=funnel({"no answer": 200}), circuits=ALL_OPEN),
    "traffic-surge": changed(transactions=surge()),
    "alert-lies HighErrorRate": changed(
        alerts=Alerts(firing=(Alert(name="HighErrorRate", severity="critical", since=ago(300)),))
    ),
    "country-out Angola": changed(
        transactions=failing(0.12, "none"),
        customers=sample.customers(**BRAZIL),
        funnel=funnel({"no stock": 40, "5xx": 5}),
    ),
    "provider-disabled smsbower": changed(
        circuits=circuit(active=False),
        funnel=replace(of("funnel"), refused={"no route": 200}, users_refused=150),
    ),
    "bad-config": change(
        ChangeKind.SECRET,
        transactions=failing(0.6),
        funnel=funnel({"bad key": 60}),
        circuits=of("circuits"),
        workloads=restarted_since(),
    ),
    "too-few-pods": change(
        ChangeKind.REPLICAS,
        transactions=failing(0.01, "none", latency_p95_s=9.0),
        workloads=workloads(desired=1, ready=1),
    ),
    "database-restarted": change(
        ChangeKind.DATABASE, 310.0, transactions=failing(0.3), funnel=funnel({"database": 60})
    ),
    "provider-slow smsbower": changed(
        transactions=failing(0.01, "none", latency_p95_s=9.0),
        funnel=replace(
            of("funnel"),
            providers=tuple(
                replace(row, took_s=8.0 if row.name == "smsbower" else 1.0, before_s=1.0)
                for row in of("funnel").providers
            ),
        ),
    ),
}


def named(readings: Readings, key: str) -> list[str]:
    sources = [LOST] if key == "database-down" else []
    if key == "redis-down":
        sources = [replace(LOST, name="redis", error="redis: refused")]
    verdict = judge(readings, SETTINGS, NOW, sources)
    return [candidate.key for candidate in explain(OURS, readings, SETTINGS, NOW, verdict).named]


@pytest.mark.parametrize("key", NAMED)
def test_each_cause_is_named_alone_on_its_own_readings(key: str) -> None:
    assert named(NAMED[key], key) == [key]


@pytest.mark.parametrize("key", NAMED)
def test_without_any_one_reading_it_is_named_or_nothing_is(key: str) -> None:
    """A source that is missing leads to abstaining, never to another cause."""
    for gone in sorted(NAMED[key]):
        less = {name: each for name, each in NAMED[key].items() if name != gone}
        assert named(less, key) in ([key], []), gone


@pytest.mark.parametrize("key", NAMED)
def test_readings_that_nobody_renews_name_nothing(key: str) -> None:
    stale = {name: replace(each, taken_at=ago(400), error="gone") for name, each in NAMED[key].items()}
    later = NOW + timedelta(seconds=100)
    verdict = judge(stale, SETTINGS, later)
    assert explain(OURS, stale, SETTINGS, later, verdict).named == ()


def test_every_cause_is_tried() -> None:
    assert {key.split(" ")[0] for key in NAMED} == {cause.id for cause in OURS}


def test_a_setting_that_was_changed_after_it_began_is_innocent() -> None:
    later = change(ChangeKind.SECRET, 60.0, transactions=failing(0.6), funnel=funnel({"bad key": 60}))
    assert named(later, "") == []


def test_an_innocent_release_before_a_provider_s_outage_is_not_named() -> None:
    readings = ill("no answer", circuits=circuit(state="open", opened=6))
    readings["workloads"] = reading("workloads", workloads(release=released()))
    assert named(readings, "") == ["provider-unreachable smsbower"]


def test_an_innocent_release_before_a_database_stall_is_not_named() -> None:
    readings = changed(
        database=stalled(),
        transactions=since_release(),
        workloads=workloads(release=released()),
        funnel=funnel({"lock timeout": 60}),
    )
    assert named(readings, "") == ["session-blocks 4711"]


def test_two_providers_that_fail_for_different_reasons_are_both_named() -> None:
    rows = (
        ProviderTraffic(name="smsbower", attempts=100, failures=90, failure_rate=0.9),
        ProviderTraffic(name="5sim", attempts=100, failures=80, failure_rate=0.8),
        ProviderTraffic(name="tiger-sms", attempts=300, failures=3, failure_rate=0.01),
    )
    base = funnel({"no answer": 70}, "smsbower")
    other = ProviderFunnel(name="5sim", attempts=100, sold=20, failed=80, reasons={"bad key": 80})
    both = replace(base, providers=tuple(other if row.name == "5sim" else row for row in base.providers))
    scope = Scope(verdict="some", because="…")
    readings = changed(transactions=failing(0.35, "some", providers=rows, scope=scope), funnel=both)
    assert sorted(named(readings, "")) == ["provider-key-refused 5sim", "provider-unreachable smsbower"]


def test_a_provider_and_the_outbox_at_once_are_both_named() -> None:
    readings = ill("no answer", circuits=circuit(state="open", opened=6))
    readings["outbox"] = reading("outbox", outbox(drained_per_min=0.0, arrived_per_min=20.0))
    assert sorted(named(readings, "")) == ["outbox-stopped", "provider-unreachable smsbower"]


def test_a_source_that_only_this_console_has_lost_is_no_outage() -> None:
    readings = silent(sample.calm(), "database", "outbox", "reservations", error="postgres does not answer")
    assert named(readings, "database-down") == []
