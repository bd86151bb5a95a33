"""What is said first is the cause: before what follows from it, where fresh readings say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
import sample_readings as sample
from cause_readings import failing, session, stalled
from sample_readings import NOW, ago

from nexconsole.causes.evidence import joined
from nexconsole.model import Reading, SourceHealth, Value
from nexconsole.settings import Settings
from nexconsole.severity import Reason, Severity, causes_first, judge
from nexconsole.signals.database import Database, blocker
from nexconsole.signals.findings import Finding, IntegrityCheck
from nexconsole.signals.funnel import Funnel
from nexconsole.signals.integrity import Integrity
from nexconsole.signals.releases import Release
from nexconsole.signals.search import Search
from nexconsole.signals.transactions import Point, ProviderTraffic, Transactions

LOST = SourceHealth(name="postgres", ok_at=ago(30), failed_at=NOW, error="postgres at p: refused", kind="unreachable")


def waits_at_smsbower() -> Transactions:
    smsbower = ProviderTraffic(
        name="smsbower", attempts=59, failures=0, failure_rate=None, in_flight=59, oldest_s=240.0, newest_s=2.0
    )
    return failing(
        0.0,
        "unknown",
        failure_rate=None,
        attempts=59,
        in_flight=59,
        oldest_s=240.0,
        newest_s=2.0,
        providers=(smsbower,),
    )


def full_redis() -> Integrity:
    finding = Finding(
        kind="data",
        level="SEV-2",
        text="Redis is full: it refuses what is written (noeviction)",
        about="Redis' memory",
        explains=("purchases", "locks"),
    )
    return Integrity(checks=(IntegrityCheck(name="redis", at=NOW, findings=(finding,)),))


def released(minutes_ago: float, bad_since_minutes: float = 4.0, **more) -> dict[str, Value]:
    """A release, and a trend that is bad since a moment; both are good before."""
    trend = tuple(
        Point(at=ago(60 * minute).timestamp(), attempts=80, failure_rate=0.6 if minute < bad_since_minutes else 0.01)
        for minute in range(29, -1, -1)
    )
    workloads = sample.calm()["workloads"].value
    release = Release(revision="7", read_at=NOW, images="nexnum-app:1.6.0", since=ago(60 * minutes_ago), **more)
    return {"workloads": replace(workloads, release=release), "transactions": failing(0.58, trend=trend)}


def judged(
    values: Mapping[str, Value], *sources: SourceHealth, stale: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Severity:
    """The severity of a calm world with these values; those of `stale` signals were last read 10 min ago."""
    readings: dict[str, Reading] = dict(sample.calm())
    for name, value in values.items():
        readings[name] = sample.reading(name, value)
    for name in stale:
        readings[name] = replace(readings[name], taken_at=NOW - timedelta(minutes=10), error="timed out")
    for name in without:
        readings[name] = replace(readings[name], value=None, taken_at=None, error="timed out")
    return judge(readings, Settings(), NOW, sources)


DRILLS = {
    "provider-outage": (
        {
            "transactions": failing(
                0.3,
                "one",
                providers=(ProviderTraffic(name="smsbower", attempts=290, failures=290, failure_rate=1.0),),
            )
        },
        "30 % of purchases fail, 96.7 % of them at smsbower",
        "",
    ),
    "database-stall": (
        {"database": stalled(40), "transactions": failing(0.8)},
        "database session 4711 blocks 40 others (idle in transaction for 4 min)",
        "end session 4711",
    ),
    "slot-starvation": (
        {"slots": sample.slots(smsbower=5820.0), "transactions": waits_at_smsbower()},
        "100 % of purchases go to smsbower, where the wait for a slot is 97 min",
        "empty the queue of smsbower",
    ),
    "bad-release": (
        released(5),
        "purchases fail since release nexnum-app:1.6.0 (14:02Z)",
        "roll back",
    ),
    "redis-full": (
        {"integrity": full_redis(), "locks": sample.locks(12), "transactions": failing(0.4)},
        "Redis is full: it refuses what is written (noeviction)",
        "",
    ),
    "search-down": (
        {
            "search": Search(source="meilisearch", up=False, why="refused"),
            "funnel": Funnel(window_s=300, rests_on_s=300, attempts=400, sold=100, refused={"no offer": 300}),
        },
        "the search index is down, so offers don't refresh: refused",
        "",
    ),
}


@pytest.mark.parametrize("drill", DRILLS)
def test_the_first_reason_is_the_cause_and_the_level_is_the_worst(drill: str) -> None:
    values, first, step = DRILLS[drill]
    severity = judged(values)
    assert (severity.reasons[0].text, severity.reasons[0].step) == (first, step)
    assert severity.level == min(reason.level for reason in severity.reasons) == "SEV-1"


def test_what_a_cause_explains_is_said_and_what_is_not_there_is_not() -> None:
    first = judged({"database": stalled(), "transactions": failing(0.8)}).reasons[0]
    assert (first.level, first.about, first.explains) == ("SEV-2", "blocked sessions", ("purchases",))
    assert judged({"database": stalled()}).reasons[0].explains == ()


@pytest.mark.parametrize(
    "values",
    [
        {"database": stalled(), "transactions": failing(0.8, "one")},
        {"database": stalled(), "transactions": failing(0.8, "some")},
        {"database": stalled(1), "transactions": failing(0.8)},
        {"database": Database(blocked=4), "transactions": failing(0.8)},
        {"search": Search(up=False, why="refused"), "transactions": failing(0.8)},
        {"database": Database(connections=92, max_connections=100), "transactions": failing(0.8)},
    ],
    ids=[
        "one provider",
        "several providers",
        "one is blocked",
        "few are blocked by many",
        "search",
        "some connections are left",
    ],
)
def test_what_the_readings_do_not_support_is_no_cause(values: Mapping[str, Value]) -> None:
    first, *others = judged(values).reasons
    assert first.text.startswith("80 % of purchases fail")
    assert others and not any(reason.explains for reason in others)


def test_who_waits_gives_up_and_others_come_and_the_session_before_them_stays_the_cause() -> None:
    first = [judged({"database": stalled(many), "transactions": failing(0.8)}).reasons[0] for many in (12, 4, 2)]
    assert [reason.signal for reason in first] == ["database"] * 3


def test_a_stale_cause_explains_nothing_and_lowers_nothing() -> None:
    severity = judged({"database": stalled(), "transactions": failing(0.8)}, stale=("database",))
    assert [(reason.signal, reason.stale) for reason in severity.reasons] == [
        ("transactions", False),
        ("database", True),
    ]
    assert severity.level == "SEV-1" and severity.reasons[1].step == ""


def test_a_fresh_cause_stands_before_a_stale_symptom() -> None:
    severity = judged({"database": stalled(), "transactions": failing(0.8)}, stale=("transactions",))
    assert [reason.signal for reason in severity.reasons] == ["database", "transactions"]


def test_a_silent_postgres_stands_before_all_that_is_stale_because_of_it() -> None:
    reservations = replace(sample.calm()["reservations"].value, pending=80)
    severity = judged(
        {"database": stalled(), "reservations": reservations, "transactions": failing(0.8)},
        LOST,
        stale=("database", "reservations"),
    )
    first = severity.reasons[0]
    assert (first.signal, first.about) == ("sources", "postgres")
    assert set(first.explains) == {"purchases", "blocked sessions", "reservations"}


def test_a_signal_that_was_never_read_is_unknown_and_no_cause() -> None:
    severity = judged({"transactions": failing(0.8)}, without=("database", "slots", "workloads"))
    assert set(severity.unknown) == {"database", "slots", "workloads"}
    assert [reason.text for reason in severity.reasons] == ["80 % of purchases fail, at all providers"]


@pytest.mark.parametrize(
    ("minutes_ago", "bad_since", "more"),
    [(1, 4.0, {}), (20, 4.0, {}), (29, 29.0, {}), (5, 4.0, {"before": "app:1.7.0", "before_since": ago(60)})],
    ids=["after the failures began", "long before they began", "nothing is known of before", "it was gone back to"],
)
def test_a_release_is_the_cause_only_if_the_failures_began_with_it(
    minutes_ago: float, bad_since: float, more: Mapping[str, object]
) -> None:
    severity = judged(released(minutes_ago, bad_since, **more))
    assert [reason.text for reason in severity.reasons] == ["58 % of purchases fail, at all providers"]


def test_the_blocker_is_the_one_before_whom_all_others_wait() -> None:
    found = blocker(stalled())
    assert found is not None and found.pid == 4711
    two = stalled(3)
    second = session(4712, blocks=1)
    other = session(6000, 4712)
    assert blocker(replace(two, sessions=(*two.sessions, second, other), blocked=4)) is None
    assert blocker(replace(two, blocked=9)) is None, "some of the blocked are not in the list"
    assert blocker(Database(blocked=1, sessions=(session(1, 0),))) is None, "a prepared transaction blocks"


def test_reasons_that_explain_each_other_all_stay() -> None:
    one = Reason(level="SEV-1", text="a", signal="a", age_s=0.0, about="a", explains=("b",))
    two = Reason(level="SEV-2", text="b", signal="b", age_s=0.0, about="b", explains=("a",))
    assert {reason.text for reason in causes_first((one, two), {})} == {"a", "b"}


def test_the_cause_of_a_cause_stands_before_it() -> None:
    reasons = tuple(
        Reason(level=level, text=name, signal=name, age_s=0.0, about=name, explains=explains)
        for level, name, explains in (
            ("SEV-1", "customers", ()),
            ("SEV-1", "money", ()),
            ("SEV-2", "slots", ("customers",)),
            ("SEV-3", "polling", ("slots",)),
        )
    )
    assert [reason.text for reason in causes_first(reasons, {})] == ["polling", "slots", "customers", "money"]


def test_what_says_the_same_of_two_things_is_said_once() -> None:
    texts = [
        *(f"no change of a {kind} in the 10 min before" for kind in ("ConfigMap", "Secret")),
        "purchases fail",
        *(f"no change of a {kind} in the last 6 h" for kind in ("ConfigMap", "Secret", "Deployment")),
        "5sim fails 3 of 4",
        "tiger-sms fails 3 of 4",
    ]
    assert joined(texts) == [
        "no change of a ConfigMap or Secret in the 10 min before",
        "purchases fail",
        "no change of a ConfigMap or Secret in the last 6 h",
        "no change of a Deployment in the last 6 h",
        "5sim fails 3 of 4",
        "tiger-sms fails 3 of 4",
    ]
