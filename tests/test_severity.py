"""Severity by the runbook's rules, from readings alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nexconsole import severity
from nexconsole.model import Reading, SourceHealth, Value
from nexconsole.settings import Settings
from nexconsole.severity import LEVELS, judge
from nexconsole.signals.alerts import Alert, Alerts
from nexconsole.signals.balances import Balances
from nexconsole.signals.circuits import Circuits, ProviderCircuit
from nexconsole.signals.database import Database
from nexconsole.signals.funnel import Funnel, MinuteFunnel
from nexconsole.signals.integrity import Integrity
from nexconsole.signals.locks import Locks
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.reservations import Reservations
from nexconsole.signals.signal import Judgement
from nexconsole.signals.slots import Slots
from nexconsole.signals.transactions import LastMinute, Point, ProviderTraffic, Scope, Transactions
from nexconsole.signals.workloads import Workloads

NOW = datetime(2026, 11, 23, 14, 7, 31, tzinfo=UTC)
CALM = {
    "transactions": Transactions(failure_rate=0.01, attempts=400, failures=4, window_s=300),
    "circuits": Circuits(providers=(ProviderCircuit(name="5sim", id="1", active=True, state="closed"),)),
    "funnel": Funnel(
        window_s=300, rests_on_s=300, attempts=404, sold=398, failed=4, waiting=2, pods_followed=3, pods=3
    ),
    "outbox": Outbox(pending=3, failed=0, dropped=0, oldest_pending_s=2),
    "reservations": Reservations(pending=2, stuck=0, oldest_s=20),
    "locks": Locks(locks=1, abandoned=0, oldest_s=None, swept_at=NOW),
    "workloads": Workloads(
        namespace="n", deployment="d", desired=3, ready=3, updated=3, available=3, rollout="complete"
    ),
    "alerts": Alerts(),
    "slots": Slots(),
    "balances": Balances(),
    "integrity": Integrity(),
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
    assert judged().level == LEVELS[-1] == "none"
    assert judged().reasons == ()


@pytest.mark.parametrize(
    ("failures", "level"), [(5, "none"), (6, "SEV-2"), (10, "SEV-2"), (11, "SEV-1"), (100, "SEV-1")]
)
def test_the_failure_rate_is_judged_above_five_and_ten_per_cent(failures, level):
    severity = judged(transactions=purchases(failures))
    assert severity.level == level
    if level == "SEV-2":
        assert severity.reasons[0].text == f"{failures} % of purchases fail"


def test_too_few_purchases_are_not_judged():
    assert judged(transactions=purchases(5, 10)).level == "none"


def test_nothing_attempted_is_not_a_rate_of_zero_and_no_alarm_either():
    assert judged(transactions=purchases(0, 0)).level == "none"


def test_what_is_under_way_is_no_part_of_the_rate_that_is_judged():
    waiting = Transactions(failure_rate=0.5, attempts=400, failures=10, in_flight=380, window_s=300)
    assert [reason.text for reason in judged(transactions=waiting).reasons] == ["50 % of purchases fail"]
    assert judged(transactions=replace(waiting, in_flight=381)).level == "none"  # 19 decided ones are too few


HANGING = {"failure_rate": None, "attempts": 24, "failures": 0, "in_flight": 24, "oldest_s": 240.0, "newest_s": 1.0}


def test_purchases_of_which_none_is_decided_are_purchasing_down_whatever_the_rate():
    severity = judged(transactions=Transactions(**HANGING, window_s=300, usual_s=2.0, overdue=20))
    assert severity.level == "SEV-1"
    assert [reason.text for reason in severity.reasons] == [
        "purchasing is down: 24 in flight, none decided for 4 min (usually 2.0 s)"
    ]
    assert judged(transactions=Transactions(**HANGING, window_s=300, silent_s=20.0)).level == "none"


def test_a_provider_at_which_none_is_decided_is_severe_and_named():
    waits = ProviderTraffic(name="smsbower", **HANGING)
    value = Transactions(**HANGING, window_s=300, silent_s=1.0, providers=(waits,))
    reason = judged(transactions=value).reasons[0]
    assert (reason.level, reason.text) == ("SEV-2", "24 purchases in flight at smsbower, none decided for 4 min")


@pytest.mark.parametrize(("overdue", "level"), [(20, "SEV-2"), (19, "none")])
def test_many_purchases_that_wait_while_others_are_decided_are_severe(overdue, level):
    value = Transactions(
        failure_rate=0.0,
        attempts=100,
        failures=0,
        in_flight=20,
        window_s=300,
        overdue=overdue,
        oldest_s=90.0,
        silent_s=1.0,
        usual_s=2.0,
    )
    severity = judged(transactions=value)
    assert severity.level == level
    if level == "SEV-2":
        assert severity.reasons[0].text == "20 of 100 purchases in flight for over 30 s (usually 2.0 s)"


@pytest.mark.parametrize(
    ("decided", "failures", "level"),
    [(4, 4, "none"), (5, 0, "none"), (100, 19, "none"), (100, 20, "SEV-3"), (100, 99, "SEV-3"), (5, 5, "SEV-2")],
)
def test_a_provider_is_judged_by_its_own_rate_on_both_sides_of_each_limit(decided, failures, level):
    one = ProviderTraffic(name="a", attempts=decided, failures=failures, failure_rate=failures / decided)
    assert judged(transactions=purchases(0, 0, providers=(one,))).level == level


def test_what_is_under_way_at_a_provider_does_not_make_it_enough_to_judge():
    one = ProviderTraffic(name="a", attempts=9, failures=4, failure_rate=1.0, in_flight=5)
    assert judged(transactions=purchases(0, 0, providers=(one,))).level == "none"


@pytest.mark.parametrize(("latency_s", "level"), [(5.0, "none"), (5.1, "SEV-2")])
def test_latency_is_judged_above_its_limit(latency_s, level):
    severity = judged(transactions=purchases(0, latency_p95_s=latency_s, latency_saturated=True))
    assert severity.level == level
    assert [reason.text for reason in severity.reasons] == (
        ["purchase latency p95 is at least 5.1 s"] if level == "SEV-2" else []
    )


@pytest.mark.parametrize(
    ("failures", "where"), [(100, "purchasing is down: 100 of 100 purchases fail"), (99, "99 % of purchases fail")]
)
def test_only_a_rate_of_all_is_purchasing_down(failures, where):
    assert judged(transactions=purchases(failures)).reasons[0].text == where


@pytest.mark.parametrize(("verdict", "where"), [("all", ", at all providers"), ("some", ", at several providers")])
def test_the_reason_says_whether_several_or_all_fail(verdict, where):
    value = purchases(50, scope=Scope(verdict=verdict))
    assert judged(transactions=value).reasons[0].text == f"50 % of purchases fail{where}"


@pytest.mark.parametrize(
    ("minute", "clean_in_s", "outlook"),
    [
        (
            LastMinute(decided=40, failures=0, failure_rate=0.0),
            183.0,
            "none of 40 purchases failed in the last minute; the level falls within 3 min 10 s",
        ),
        (
            LastMinute(decided=40, failures=0, failure_rate=0.0),
            180.0,
            "none of 40 purchases failed in the last minute; the level falls within 3 min",
        ),
        (LastMinute(decided=40, failures=1, failure_rate=0.025), 180.0, ""),
        (LastMinute(decided=0, failures=0, failure_rate=None), 180.0, ""),
        (LastMinute(decided=40, failures=0, failure_rate=0.0), None, ""),
        (None, 180.0, ""),
    ],
)
def test_a_level_that_rests_on_what_is_over_says_when_it_falls(minute, clean_in_s, outlook):
    severity = judged(transactions=purchases(50, minute=minute, clean_in_s=clean_in_s))
    assert (severity.level, severity.reasons[0].outlook) == ("SEV-1", outlook)


def test_an_old_reading_promises_nothing():
    value = purchases(50, minute=LastMinute(decided=40, failures=0, failure_rate=0.0), clean_in_s=60.0)
    severity = judge({"transactions": reading("transactions", value, age_s=30)}, Settings(), NOW)
    assert severity.reasons[0].outlook == ""


def lost(name: str, quiet_s: float | None, kind: str = "unreachable") -> SourceHealth:
    ok_at = NOW - timedelta(seconds=quiet_s) if quiet_s is not None else None
    return SourceHealth(name=name, ok_at=ok_at, failed_at=NOW, error="it was refused", kind=kind)


def with_sources(*sources: SourceHealth, **values: Value | None):
    readings = {name: reading(name, value) for name, value in (CALM | values).items()}
    return judge(readings, Settings(), NOW, sources)


@pytest.mark.parametrize(
    ("name", "quiet_s", "level"),
    [
        ("postgres", 3.0, "none"),
        ("postgres", 3.1, "SEV-1"),
        ("redis", 5.0, "none"),
        ("redis", 5.1, "SEV-1"),
        ("api", 12.0, "none"),
        ("api", 12.1, "SEV-2"),
        ("prometheus", 100.0, "none"),
        ("kubernetes", 100.0, "none"),
    ],
)
def test_a_source_that_purchases_need_and_that_fell_silent_is_a_reason_of_its_own(name, quiet_s, level):
    for kind in ("unreachable", "timed out"):
        assert with_sources(lost(name, quiet_s, kind)).level == level
    assert with_sources(SourceHealth(name=name, ok_at=NOW - timedelta(seconds=quiet_s))).level == "none"


def test_a_silent_source_is_named_before_what_follows_from_it():
    severity = with_sources(lost("redis", 30.0), lost("postgres", 12.0), lost("api", 30.0), transactions=purchases(100))
    assert {reason.age_s for reason in severity.reasons if reason.signal == "sources"} == {0.0}  # by now
    assert [(reason.signal, reason.text) for reason in severity.reasons] == [
        ("sources", "PostgreSQL has not answered for 12 s (unreachable): purchases need it"),
        ("sources", "Redis has not answered for 30 s (unreachable): each purchase takes its lock there"),
        ("transactions", "purchasing is down: 100 of 100 purchases fail"),
        ("sources", "the API has not answered for 30 s (unreachable): customers buy through it"),
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (lost("postgres", None), "PostgreSQL has not answered yet (unreachable): purchases need it"),
        (lost("postgres", 60.0, "denied"), "PostgreSQL can't be read (denied): purchases need it"),
        (
            lost("redis", 2.0),
            "Redis did not answer the last question (unreachable): each purchase takes its lock there",
        ),
    ],
)
def test_what_never_answered_or_refused_is_no_incident_and_no_calm_either(source, sentence):
    severity = with_sources(source)
    assert (severity.level, severity.unanswered) == ("none", (sentence,))


@pytest.mark.parametrize(("kind", "quiet_s"), [("timed out", 2.9), ("denied", 3.0), ("wrong schema", 1.0)])
def test_a_source_that_answered_something_else_a_moment_ago_is_in_no_doubt(kind, quiet_s):
    severity = with_sources(lost("postgres", quiet_s, kind))
    assert (severity.level, severity.unanswered) == ("none", ())


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
        (1, 61, "1 orphaned lock keeps a customer out, the oldest 61 s"),
        (31, 550, "31 orphaned locks keep customers out, the oldest 9 min"),
        (2, None, "2 orphaned locks keep customers out"),
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


def refused(many: int, sold: int = 8, failed: int = 3, **more) -> Funnel:
    return Funnel(
        **{
            "window_s": 300,
            "rests_on_s": 300,
            "sold": sold,
            "failed": failed,
            "refused": {"no offer": many},
            "pods_followed": 3,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("value", "level", "text"),
    [
        (refused(41), "SEV-1", "41 of 52 customers refused: no offer, in 5 min"),
        (
            refused(41, rests_on_s=240.0),
            "SEV-1",
            "41 of 52 customers refused: no offer, in 4 min (logs reach back 4 min)",
        ),
        (refused(41, users_refused=3), "SEV-1", "41 of 52 customers refused: no offer, to 3 users, in 5 min"),
        (refused(11, sold=11, failed=0), "SEV-2", "11 of 22 customers refused: no offer, in 5 min"),  # half is not over
        (refused(12, sold=11, failed=0), "SEV-1", "12 of 23 customers refused: no offer, in 5 min"),
        (refused(2, sold=8, failed=0), "none", ""),  # a fifth is not over
        (refused(3, sold=8, failed=0), "SEV-2", "3 of 11 customers refused: no offer, in 5 min"),
        (refused(6, sold=3, failed=0), "none", ""),  # nine are too few
        (refused(7, sold=3, failed=0), "SEV-1", "7 of 10 customers refused: no offer, in 5 min"),
        (refused(0, refused={"no route": 20}, sold=0), "SEV-1", "20 of 23 customers refused: no route, in 5 min"),
        (refused(0, refused={"funds": 20, "lock": 20}), "none", ""),  # theirs, not ours
        (refused(0, sold=0, failed=9), "none", ""),
        (
            refused(0, sold=0, failed=10),
            "SEV-1",
            "purchasing is down: none of 10 customers was sold a number, in 5 min (pod logs)",
        ),
        (
            refused(0, sold=1, failed=10),
            "SEV-1",
            "90.9 % of 11 purchases end in an error, most without a row, in 5 min",
        ),
        (refused(0, sold=11, failed=9), "none", ""),
    ],
)
def test_refused_customers_are_judged_though_they_leave_no_row(value: Funnel, level: str, text: str):
    severity = judged(funnel=value)
    assert severity.level == level
    assert [reason.text for reason in severity.reasons if reason.signal == "funnel"] == [text] * bool(text)


def waits(many: int, silent: float, usual: float | None = 2.0) -> Funnel:
    return Funnel(
        window_s=300,
        rests_on_s=300,
        attempts=many,
        waiting=many,
        waiting_new=many,
        oldest_s=silent,
        undecided_s=silent,
        usual_s=usual,
        pods_followed=3,
    )


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (waits(24, 61.0), "SEV-1"),
        (waits(24, 60.0), "none"),
        (waits(24, 61.0, usual=None), "SEV-1"),
        (waits(24, 100.0, usual=40.0), "none"),  # they usually take long
        (waits(24, 121.0, usual=40.0), "SEV-1"),
        (waits(3, 61.0), "SEV-1"),
        (waits(2, 61.0), "SEV-3"),
        (waits(0, 600.0), "none"),  # left over from long ago: nobody begins
    ],
)
def test_purchases_that_nobody_answers_are_an_outage_by_the_logs_too(value: Funnel, level: str):
    assert judged(funnel=value).level == level


def test_the_sentence_on_waiting_purchases_names_how_many_and_for_how_long():
    (reason,) = judged(funnel=waits(24, 75.0)).reasons
    assert reason.text == ("purchasing is down: 24 purchases in flight, none answered for 75 s (pod logs)")


def test_a_flapping_circuit_is_counted_as_far_as_the_logs_reach():
    flaps = ProviderCircuit(name="smsbower", id="1", active=True, state="closed", flapping=True, opened=3)
    texts = [judged(circuits=Circuits(providers=(flaps,), reach_s=reach)).reasons[0].text for reach in (3600.0, 250.0)]
    assert texts[0] == "smsbower's circuit flaps: opened 3 times in 10 min"
    assert texts[1] == "smsbower's circuit flaps: opened 3 times in 4 min (logs reach back 4 min)"


A = ProviderCircuit(name="a", id="1", active=True, state="closed")


def circuits_of(*states: str) -> Circuits:
    return Circuits(
        providers=tuple(replace(A, name=name, state=state) for name, state in zip("abc", states, strict=False))
    )


def pods_of(ready: int, desired: int = 3, rollout: str = "complete") -> Workloads:
    return replace(CALM["workloads"], ready=ready, desired=desired, rollout=rollout)


def firing(severity: str) -> Alerts:
    return Alerts(firing=(Alert(name="HighErrorRate", severity=severity, since=None),))


@pytest.mark.parametrize(
    ("signal", "value", "said"),
    [
        (
            "circuits",
            circuits_of("open", "half-open", "closed"),
            [("SEV-3", "a's circuit is OPEN"), ("SEV-3", "b's circuit is HALF-OPEN")],
        ),
        (
            "circuits",
            circuits_of("open", "open"),
            [
                ("SEV-1", "purchasing is down: the circuits of all 2 active providers are open"),
                ("SEV-3", "a's circuit is OPEN"),
                ("SEV-3", "b's circuit is OPEN"),
            ],
        ),
        ("circuits", circuits_of("unknown", "closed"), []),
        (
            "circuits",
            Circuits(providers=(replace(A, active=False), replace(A, name="b", active=False))),
            [("SEV-1", "purchasing is down: no provider is active")],
        ),
        ("circuits", Circuits(providers=(replace(A, active=None),)), []),
        ("circuits", Circuits(providers=()), []),
        ("outbox", Outbox(pending=1, failed=0, dropped=0, oldest_pending_s=180.0), []),
        (
            "outbox",
            Outbox(pending=1, failed=0, dropped=0, oldest_pending_s=180.5),
            [("SEV-3", "the oldest outbox event has waited 3 min")],
        ),
        ("outbox", Outbox(pending=1, failed=0, dropped=0, oldest_pending_s=None), []),
        (
            "outbox",
            Outbox(pending=0, failed=1, dropped=0, oldest_pending_s=None),
            [("SEV-3", "1 outbox event failed, and nothing will retry what failed")],
        ),
        (
            "outbox",
            Outbox(pending=0, failed=2, dropped=0, oldest_pending_s=None),
            [("SEV-3", "2 outbox events failed, and nothing will retry what failed")],
        ),
        (
            "reservations",
            Reservations(pending=51, stuck=6, oldest_s=1),
            [("SEV-2", "51 reservations are pending, over the runbook's 50")],
        ),
        (
            "reservations",
            Reservations(pending=10_001, stuck=0, oldest_s=1, capped=True),
            [("SEV-2", "10 001+ reservations are pending, over the runbook's 50")],
        ),
        (
            "reservations",
            Reservations(pending=50, stuck=6, oldest_s=1),
            [("SEV-3", "6 reservations are stuck, over the alert's 5")],
        ),
        (
            "locks",
            Locks(locks=40, abandoned=31, oldest_s=None, capped=True),
            [("SEV-3", "31+ orphaned locks keep customers out")],
        ),
        (
            "database",
            Database(blocked=1, connections=10, max_connections=100),
            [("SEV-3", "1 database session is blocked by another")],
        ),
        ("database", Database(blocked=4), [("SEV-3", "4 database sessions are blocked by another")]),
        ("database", Database(blocked=5), [("SEV-2", "5 database sessions are blocked by another")]),
        ("database", Database(connections=89, max_connections=100), []),
        (
            "database",
            Database(connections=90, max_connections=100),
            [("SEV-2", "90 of 100 database connections are used")],
        ),
        ("database", Database(connections=3, max_connections=0), []),
        ("workloads", pods_of(0), [("SEV-1", "purchasing is down: none of 3 pods of d is ready")]),
        ("workloads", pods_of(0, desired=0), []),
        ("workloads", pods_of(2), [("SEV-3", "2 of 3 pods of d are ready")]),
        ("workloads", pods_of(3), []),
        ("workloads", pods_of(2, rollout="progressing"), []),
        (
            "workloads",
            pods_of(0, rollout="progressing"),
            [("SEV-1", "purchasing is down: none of 3 pods of d is ready")],
        ),
        ("alerts", firing("critical"), [("SEV-2", "alert HighErrorRate fires (critical)")]),
        ("alerts", firing("warning"), [("SEV-3", "alert HighErrorRate fires (warning)")]),
        ("alerts", firing("info"), []),
    ],
)
def test_each_rule_says_its_figures_and_holds_from_its_limit_on(signal, value, said):
    severity = judged(**{signal: value})
    assert [(reason.level, reason.text) for reason in severity.reasons] == said
    assert {reason.signal for reason in severity.reasons} <= {signal}
    assert severity.level == (said[0][0] if said else "none")


def test_a_rate_of_nearly_all_is_still_a_rate_and_a_provider_that_fails_all_is_severe():
    whole = replace(purchases(999, 1000), providers=())
    assert judged(transactions=whole).reasons[0].text == "purchasing is down: 999 of 1 000 purchases fail"
    assert judged(transactions=purchases(998, 1000)).reasons[0].text == "99.8 % of purchases fail"
    one = ProviderTraffic(name="a", attempts=5, failures=5, failure_rate=1.0)
    [reason] = judged(transactions=purchases(0, 0, providers=(one,))).reasons
    assert (reason.level, reason.text) == ("SEV-2", "a fails 100 % of 5 purchases")


def test_a_signal_that_is_only_there_where_it_is_set_up_is_not_missed_where_it_is_not():
    readings = {name: reading(name, value) for name, value in CALM.items()}
    assert "search" not in judge(readings, Settings(), NOW).unknown
    absent = Reading(signal="search", every=2, absent=True, error="not configured", attempted_at=NOW)
    assert "search" not in judge(readings | {"search": absent}, Settings(), NOW).unknown
    failed = reading("search", None, error="refused")
    assert "search" in judge(readings | {"search": failed}, Settings(), NOW).unknown
    assert "outbox" in judge(readings | {"outbox": replace(absent, signal="outbox")}, Settings(), NOW).unknown


def test_how_many_wait_is_said_without_the_usual_where_that_is_not_known():
    value = Transactions(
        failure_rate=0.0, attempts=100, failures=0, in_flight=20, window_s=300, overdue=20, oldest_s=90.0, silent_s=1.0
    )
    assert judged(transactions=value).reasons[0].text == "20 of 100 purchases in flight for over 30 s"


def test_every_reason_for_which_nobody_offers_a_number_is_named():
    both = judged(funnel=refused(0, refused={"no offer": 30, "no route": 11})).reasons[0].text
    assert both == "41 of 52 customers refused: no offer or no route, in 5 min"


@pytest.mark.parametrize(("sold", "first"), [(35, "funnel"), (390, "transactions")])
def test_of_equal_levels_refused_customers_come_first_where_more_are_refused_than_fail(sold, first):
    funnel = Funnel(window_s=300, rests_on_s=300.0, refused={"no route": 400}, sold=sold)
    transactions = Transactions(failure_rate=0.6, attempts=100, failures=60, window_s=300)
    world = {"transactions": reading("transactions", transactions), "funnel": reading("funnel", funnel)}
    reasons = judge(world, Settings(), NOW).reasons
    assert [one.level for one in reasons] == ["SEV-1", "SEV-1"]
    assert reasons[0].signal == first


@pytest.mark.parametrize(
    ("minutes", "outlook"),
    [
        ([(90, 2), (90, 1), (40, 0)], ""),  # it never was bad
        ([(10, 90), (10, 80), (40, 10)], ""),  # and the last minute is bad still
        ([(10, 90), (80, 20), (40, 10)], "by now 30 of 150 are; the level falls within 4 min"),
        ([(10, 90), (0, 0), (0, 0)], ""),
        ([(10, 90)], ""),
    ],
)
def test_refused_customers_of_the_past_have_an_end(minutes, outlook):
    bins = tuple(
        MinuteFunnel(at=60.0 * n, attempts=sold + refused, sold=sold, refused=refused)
        for n, (sold, refused) in enumerate(minutes)
    )
    funnel = Funnel(window_s=300, rests_on_s=300.0, refused={"no route": 400}, sold=100, minutes=bins)
    [reason] = judge({"funnel": reading("funnel", funnel)}, Settings(), NOW).reasons
    assert (reason.level, reason.outlook) == ("SEV-1", outlook)


@pytest.mark.parametrize(
    ("minutes", "refused", "failed", "down"),
    [
        ([(40, 60), (0, 60), (0, 5)], {"no offer": 125}, 0, True),
        ([(40, 60), (1, 60), (0, 5)], {"no offer": 125}, 0, False),
        ([(40, 60), (0, 60), (1, 5)], {"no offer": 125}, 0, False),
        ([(0, 60)], {"no offer": 60}, 0, False),  # a minute that is known whole, and the one that runs
        ([(40, 60), (0, 5), (0, 5)], {"no offer": 70}, 0, True),
        ([(40, 60), (0, 5), (0, 4)], {"no offer": 69}, 0, False),  # too few to judge by
        ([(200, 60), (0, 60), (0, 5)], {"no offer": 62, "funds": 63}, 0, False),  # money that they lack is no outage
        ([(200, 60), (0, 60), (0, 5)], {"lock": 4}, 35, True),  # errors before there is a row
    ],
)
def test_nobody_sold_a_number_for_a_minute_is_purchasing_down(minutes, refused, failed, down):
    bins = tuple(
        MinuteFunnel(at=60.0 * n, attempts=sold + turned, sold=sold, refused=turned)
        for n, (sold, turned) in enumerate(minutes)
    )
    funnel = Funnel(window_s=300, rests_on_s=300.0, refused=refused, failed=failed, sold=200, minutes=bins)
    texts = [one.text for one in judge({"funnel": reading("funnel", funnel)}, Settings(), NOW).reasons]
    asked = sum(turned for _, turned in minutes[-2:])
    said = f"purchasing is down: none of {asked} customers was sold a number in the last minute (pod logs)"
    assert (said in texts) is down


@pytest.mark.parametrize(
    ("failures", "rates", "outlook"),
    [
        (4, (0.3, 0.3, 0.01, 0.01), "4 of 80 purchases failed in the last minute; the level falls within 3 min"),
        (5, (0.3, 0.3, 0.01, 0.01), ""),  # more than one in twenty still fails
        (4, (0.01, 0.01, 0.01, 0.01), ""),  # the trend shows no bad minute: nobody can tell
        (4, (0.3, 0.3, None, 0.3), "4 of 80 purchases failed in the last minute; the level falls within 5 min"),
    ],
)
def test_an_outage_that_is_over_ends_within_its_window_although_a_few_fail_as_ever(failures, rates, outlook):
    trend = tuple(Point(at=60.0 * n, failure_rate=rate, attempts=80) for n, rate in enumerate(rates))
    minute = LastMinute(decided=80, failures=failures, failure_rate=failures / 80)
    value = Transactions(failure_rate=0.3, attempts=400, failures=120, window_s=300, minute=minute, trend=trend)
    [reason] = judge({"transactions": reading("transactions", value)}, Settings(), NOW).reasons
    assert reason.outlook == outlook


def test_a_thousand_causes_are_not_compared_with_a_thousand_reasons(monkeypatch: pytest.MonkeyPatch):
    many = 500
    circuits = [
        severity.Reason(
            level="SEV-2",
            text="open",
            signal="circuits",
            age_s=0.0,
            about=f"circuit gw{n}",
            explains=(f"purchases at gw{n}",),
        )
        for n in range(many)
    ]
    purchases = [
        severity.Reason(level="SEV-1", text="fail", signal="transactions", age_s=0.0, about=f"purchases at gw{n}")
        for n in range(many)
    ]
    compared = []
    explains = severity._explains
    monkeypatch.setattr(severity, "_explains", lambda *pair: compared.append(pair) or explains(*pair))
    ordered = severity.causes_first([*purchases, *circuits], {})
    assert [each.about for each in ordered[:3]] == ["circuit gw0", "purchases at gw0", "circuit gw1"]
    assert len(ordered) == 2 * many and len(compared) == many


def test_a_value_is_judged_once_by_its_own_rules_however_often_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[Value, Settings]] = []
    [ours] = [each for each in severity.signals() if each.name == "outbox"]

    def rules(value: Outbox, settings: Settings) -> Iterator[Judgement]:
        judged.append((value, settings))
        yield Judgement("SEV-3", f"{value.pending} wait")

    signals = (replace(ours, reasons=rules),)
    monkeypatch.setattr(severity, "signals", lambda _: signals)
    first = Outbox(pending=3, failed=0, dropped=0, oldest_pending_s=2)
    second, calm, strict = replace(first), Settings(), Settings()

    def said(value: Outbox, settings: Settings, age_s: float = 1) -> list[tuple[str, bool]]:
        verdict = judge({"outbox": reading("outbox", value, age_s)}, settings, NOW)
        return [(each.text, each.stale) for each in verdict.reasons]

    assert said(first, calm) == said(first, calm) == [("3 wait", False)]
    assert said(first, calm, age_s=600) == [("3 wait", True)]  # the same judgement, of an old reading
    assert len(judged) == 1
    said(second, calm), said(second, strict), said(first, strict)
    assert [(id(value), id(settings)) for value, settings in judged[1:]] == [
        (id(second), id(calm)),
        (id(second), id(strict)),
        (id(first), id(strict)),
    ]
