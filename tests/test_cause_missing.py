"""What a missing source would have said neither silences a cause nor names another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sample_readings as sample
from cause_readings import failing, session
from sample_readings import NOW, PODS, ago, reading

from nexconsole.causes import chapters
from nexconsole.causes.ranking import explain
from nexconsole.causes.symptoms import symptoms
from nexconsole.model import Reading, Value
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals.database import Database
from nexconsole.signals.database_sessions import DatabaseSession, SeenBlocker, seen_lately
from nexconsole.signals.findings import Finding
from nexconsole.signals.funnel import Funnel, ProviderFunnel
from nexconsole.signals.funnel_parts import PodFunnel
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.releases import Release
from nexconsole.signals.transactions import LastMinute, Point, ProviderTraffic

SETTINGS = Settings()
OURS = chapters.shipped().causes
COUNTRY = {"out_of_line": sample.incident()["customers"].value.out_of_line, "failing": 58}


def changed(**values: Value) -> dict[str, Reading]:
    return sample.calm() | {name: reading(name, value) for name, value in values.items()}


def funnel(**fields: object) -> Funnel:
    calm = sample.calm()["funnel"].value
    assert isinstance(calm, Funnel)
    return replace(calm, **fields)


def named(readings: dict[str, Reading]) -> list[str]:
    verdict = judge(readings, SETTINGS, NOW)
    return [candidate.key for candidate in explain(OURS, readings, SETTINGS, NOW, verdict).named]


def with_open(many: int) -> Value:
    circuits = sample.calm()["circuits"].value
    rows = (replace(row, state="open" if n < many else "closed") for n, row in enumerate(circuits.providers))
    return replace(circuits, providers=tuple(rows))


WITHOUT_LOGS = funnel(pods_followed=0, failures={}, by_pod=())


def test_breakers_of_several_providers_tell_of_the_way_out_where_no_log_can_be_read() -> None:
    def said(many: int, verdict: str = "all", logs: Funnel = WITHOUT_LOGS) -> list[str]:
        return named(changed(transactions=failing(0.6, verdict), circuits=with_open(many), funnel=logs))

    assert said(4) == ["egress-down"]
    assert "egress-down" not in said(1)
    assert "egress-down" not in said(4, "some")
    assert "egress-down" not in said(4, logs=funnel(failures={"bad request": 200}, failed=200))


def test_a_country_that_stands_out_at_several_providers_is_named_where_no_log_can_be_read() -> None:
    def said(verdict: str, logs: Funnel = WITHOUT_LOGS) -> list[str]:
        customers = sample.customers(**COUNTRY)
        return named(changed(transactions=failing(0.2, verdict), customers=customers, funnel=logs))

    assert said("all") == ["country-out Angola"]
    assert said("some") == ["country-out Angola"]
    assert said("one") == []
    assert said("all", funnel(failures={"bad request": 60}, failed=60)) == []


def test_a_release_is_not_named_while_a_session_blocks_another() -> None:
    release = Release(revision="3", read_at=NOW, images="app:1.6.0", since=ago(480), before="app:1.5.0")
    workloads = replace(sample.calm()["workloads"].value, release=release)
    trend = tuple(
        Point(at=ago(60 * n).timestamp(), attempts=80, failure_rate=0.6 if n <= 7 else 0.01) for n in range(30, -1, -1)
    )
    failed = failing(0.6, "all", trend=trend)

    def said(*sessions: DatabaseSession) -> list[str]:
        database = Database(sessions=sessions, blocked=len(sessions) // 2, connections=20, max_connections=100)
        return named(changed(transactions=failed, workloads=workloads, database=database, funnel=WITHOUT_LOGS))

    assert said() == ["bad-release"]
    assert "bad-release" not in said(session(4711, blocks=1), session(5000, 4711))


@pytest.mark.parametrize(
    ("own", "others", "alone"),
    [
        ((3, 10), ((0, 15), (0, 11)), False),  # a pod that has just been started: so few may be chance
        ((8, 20), ((1, 16), (3, 24)), False),  # a provider that refuses every pod
        ((9, 10), ((0, 15), (1, 11)), True),
        ((45, 50), ((1, 50), (1, 50)), True),
    ],
)
def test_a_pod_is_cut_off_where_it_fails_by_more_than_chance(
    own: tuple[int, int], others: tuple[tuple[int, int], ...], alone: bool
) -> None:
    counts = (own, *others)
    pods = tuple(
        PodFunnel(name=name, failed=failed, decided=decided)
        for name, (failed, decided) in zip(PODS, counts, strict=True)
    )
    readings = changed(transactions=failing(0.3), funnel=funnel(by_pod=pods, failures={"no answer": 9}))
    assert (f"pod-cut-off {PODS[0]}" in named(readings)) is alone


def test_a_provider_is_not_unreachable_while_breakers_of_several_are_open() -> None:
    rows = (
        ProviderTraffic(name="smsbower", attempts=100, failures=90, failure_rate=0.9),
        ProviderTraffic(name="5sim", attempts=300, failures=3, failure_rate=0.01),
    )
    own = ProviderFunnel(name="smsbower", attempts=90, failed=70, reasons={"no answer": 70}, sold_s=200.0)
    failed = failing(0.2, "one", providers=rows)

    def said(many: int) -> list[str]:
        logs = funnel(failures={"no answer": 70}, failed=70, providers=(own,))
        return named(changed(transactions=failed, funnel=logs, circuits=with_open(many)))

    assert said(1) == said(3) == ["provider-unreachable smsbower"]
    assert said(4) == []


def test_a_server_without_a_primary_takes_no_writes_where_purchases_stopped_and_no_log_can_be_read() -> None:
    alone = Finding(kind="data", level="SEV-2", text="it follows no primary", about="recovery")
    readings = changed(
        integrity=sample.integrity(alone, look="postgres"),
        outbox=Outbox(pending=90, failed=0, dropped=0, oldest_pending_s=900.0, drained_per_min=0.0),
        funnel=WITHOUT_LOGS,
    )
    assert "database-read-only" not in named(readings)  # a backup that somebody restored, and this console reads
    stopped = failing(0.0, "none", in_flight=7, oldest_s=200.0, newest_s=150.0, silent_s=180.0, usual_s=0.5)
    assert named(readings | {"transactions": reading("transactions", stopped)}) == ["database-read-only"]


def test_purchases_that_pile_up_are_felt_where_no_history_of_latency_is_known() -> None:
    def felt(waiting: int, overdue: int = 0, decided: int = 60) -> bool:
        minute = LastMinute(decided=decided, failures=0, failure_rate=0.0 if decided else None)
        slow = failing(0.0, "none", in_flight=waiting, overdue=overdue, usual_p95_s=2.0, minute=minute)
        return "purchases in flight" in symptoms(changed(transactions=slow), NOW)

    assert felt(20)
    assert not felt(3)  # two a second for two seconds, as usual
    assert not felt(20, decided=600)  # a busy hour
    assert not felt(20, overdue=18)  # what died long ago, and nobody freed
    assert not felt(20, decided=0)  # there is no pace to compare with


def test_a_session_that_idles_with_locks_is_named_at_moments_at_which_nobody_waits_for_it() -> None:
    idle = replace(session(4711, state="idle in transaction"), transaction_s=90.0)
    seen = SeenBlocker(pid=4711, blocked=1, at=ago(20))

    def said(*lately: SeenBlocker, of: DatabaseSession = idle) -> list[str]:
        quiet = Database(sessions=(of,), idle_in_transaction=1, connections=40, max_connections=100, lately=lately)
        locks = funnel(failures={"lock timeout": 20}, failed=20)
        return named(changed(database=quiet, transactions=failing(0.3), funnel=locks))

    assert said(seen) == ["session-blocks 4711"]
    assert said() == []


def test_who_blocked_others_is_remembered_for_a_minute_while_its_transaction_lasts() -> None:
    root, behind = session(4711, blocks=1, state="idle in transaction"), session(5000, 4711)
    first = seen_lately((root, behind), (), NOW)
    assert first == (SeenBlocker(pid=4711, blocked=1, at=NOW),)
    alone = replace(root, blocks=0)
    assert seen_lately((alone,), first, NOW + timedelta(seconds=59)) == first
    assert seen_lately((alone,), first, NOW + timedelta(seconds=61)) == ()
    assert seen_lately((), first, NOW + timedelta(seconds=5)) == (), "it has ended"
    assert seen_lately((root, behind), first, NOW + timedelta(seconds=5))[0].at == NOW + timedelta(seconds=5)
