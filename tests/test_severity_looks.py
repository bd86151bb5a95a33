"""The severity of turns, money, search, CPU, data and security: every rule on both sides of its limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_readings as sample

from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.severity import Severity, judge
from nexconsole.signals.database_cpu import DatabaseCpu
from nexconsole.signals.findings import Finding
from nexconsole.signals.search import Search
from nexconsole.signals.transactions import ProviderTraffic, Transactions


def judged(**values) -> Severity:
    readings = sample.calm() | {name: sample.reading(name, value) for name, value in values.items()}
    return judge(readings, Settings(), sample.NOW)


def said(severity: Severity) -> list[tuple[str, str]]:
    return [(reason.level, reason.text) for reason in severity.reasons]


def test_the_calm_world_is_calm():
    assert said(judged()) == []


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (9.0, []),
        (10.0, [("SEV-3", "purchases at onlinesim wait 10 s for a slot")]),
        (59.0, [("SEV-3", "purchases at onlinesim wait 59 s for a slot")]),
        (60.0, [("SEV-2", "purchases at onlinesim wait 60 s for a slot")]),
        (6031.0, [("SEV-2", "purchases at onlinesim wait 100 min for a slot")]),
    ],
)
def test_a_wait_for_a_turn_is_a_level_by_itself(wait, expected):
    assert said(judged(slots=sample.slots(onlinesim=wait))) == expected


def test_several_waits_are_one_sentence_a_level():
    assert said(judged(slots=sample.slots(onlinesim=900.0, sms=70.0, a=12.0, b=11.0, c=10.0)))[1:] == [
        ("SEV-3", "purchases at a wait 12 s for a slot, and at 2 other providers too")
    ]
    assert said(judged(slots=sample.slots(onlinesim=900.0, sms=70.0)))[0] == (
        "SEV-2",
        "purchases at onlinesim wait 15 min for a slot, and at 1 other provider too",
    )


def traffic(**attempts: int) -> Transactions:
    providers = tuple(
        ProviderTraffic(name=name, attempts=number, failures=0, failure_rate=0.0) for name, number in attempts.items()
    )
    whole = sum(attempts.values())
    return Transactions(failure_rate=0.0, attempts=whole, failures=0, window_s=300, providers=providers)


def test_a_provider_of_the_same_name_in_other_letters_is_another_one():
    providers = (
        ProviderTraffic(name="OnlineSim", id="another", attempts=60, failures=0, failure_rate=0.0),
        ProviderTraffic(name="onlinesim", id="0000-onlinesim", attempts=40, failures=0, failure_rate=0.0),
    )
    value = replace(traffic(), attempts=100, providers=providers)
    assert judged(slots=sample.slots(onlinesim=900.0), transactions=value).level == "SEV-2"


@pytest.mark.parametrize(
    ("attempts", "level"),
    [
        ({"onlinesim": 51, "5sim": 49}, "SEV-1"),
        ({"OnlineSim": 51, "5sim": 49}, "SEV-1"),
        ({"onlinesim": 50, "5sim": 50}, "SEV-2"),
        ({"onlinesim": 19}, "SEV-2"),
        ({"onlinesim": 20}, "SEV-1"),
        ({}, "SEV-2"),
    ],
)
def test_waiting_where_most_purchases_go_is_everybodys_trouble(attempts, level):
    severity = judged(slots=sample.slots(onlinesim=900.0), transactions=traffic(**attempts))
    assert severity.level == level
    if level == "SEV-1":
        assert severity.reasons[0].text.endswith(" of purchases go to onlinesim, where the wait for a slot is 15 min")


def test_purchases_that_none_decides_wait_for_their_turn_however_few_they_are():
    waiting = ProviderTraffic(
        name="onlinesim",
        attempts=6,
        failures=0,
        failure_rate=None,
        in_flight=6,
        oldest_s=240.0,
        newest_s=2.0,
        silent_s=None,
    )
    value = replace(
        traffic(),
        attempts=6,
        failure_rate=None,
        in_flight=6,
        oldest_s=240.0,
        newest_s=2.0,
        silent_s=None,
        providers=(waiting,),
        overdue_after_s=30.0,
    )
    severity = judged(slots=sample.slots(onlinesim=900.0), transactions=value)
    assert said(severity) == [
        ("SEV-1", "100 % of purchases go to onlinesim, where the wait for a slot is 15 min"),
        ("SEV-2", "purchases at onlinesim wait 15 min for a slot"),
        ("SEV-1", "purchasing is down: 6 in flight at onlinesim, none decided for 4 min"),
    ]


def test_waiting_at_all_active_providers_is_purchasing_down():
    waits = dict.fromkeys(("5sim", "onlinesim", "sms-activate", "smsbower", "tiger-sms"), 61.0)
    first = judged(slots=sample.slots(**waits)).reasons[0]
    assert (first.level, first.text) == (
        "SEV-1",
        "purchasing is down: at all 5 active providers the wait for a slot is 61 s",
    )
    waits.popitem()
    assert judged(slots=sample.slots(**waits), transactions=traffic()).level == "SEV-2"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (sample.balance("5sim", "empty", 0.02), ("SEV-2", "our balance at 5sim is used up: 0.02")),
        (
            sample.balance("5sim", "empty", 0, 30_000, old=True),
            ("SEV-3", "our balance at 5sim is used up: 0.00 (8 h 20 min ago)"),
        ),
        (sample.balance("5sim", "low", 7.4), ("SEV-3", "our balance at 5sim is low: 7.40 of 10.00")),
    ],
)
def test_a_balance_is_judged_by_what_it_buys_and_by_its_age(one, expected):
    assert said(judged(balances=sample.balances(one))) == [expected]


@pytest.mark.parametrize(
    "one",
    [
        sample.balance("5sim", "empty", 0, active=False),
        sample.balance("5sim", "unknown", 0, None),
        sample.balance("5sim"),
    ],
)
def test_a_balance_that_nobody_knows_or_needs_is_no_reason(one):
    assert said(judged(balances=sample.balances(one))) == []


def test_low_balances_are_one_sentence():
    two = (sample.balance("5sim", "low", 7.4), sample.balance("smsbower", "low", 9.0))
    [(_, text)] = said(judged(balances=sample.balances(*two)))
    assert text == "our balance at 5sim is low: 7.40 of 10.00, and at 1 other provider too"


def test_a_search_index_that_is_down_is_a_warning_with_its_reason():
    [(level, text)] = said(judged(search=Search(up=False, why="search at x: refused")))
    assert (level, text) == ("SEV-3", "the search index is down, so offers don't refresh: search at x: refused")


@pytest.mark.parametrize(("used", "level"), [(0.9, "none"), (0.91, "SEV-2")])
def test_the_databases_cpu_is_judged_above_ninety_per_cent(used, level):
    assert judged(database_cpu=DatabaseCpu(used=used)).level == level


@pytest.mark.parametrize("level", ["SEV-1", "SEV-2", "SEV-3", "none"])
@pytest.mark.parametrize("kind", ["data", "security"])
def test_a_finding_has_the_level_that_its_look_gave_it(kind, level):
    severity = judged(integrity=sample.integrity(Finding(kind=kind, level=level, text="something is gone")))
    assert severity.level == level
    assert said(severity) == ([] if level == "none" else [(level, "something is gone")])


@pytest.mark.parametrize("name", ["search", "database_cpu"])
def test_what_an_installation_may_do_without_is_no_gap_and_what_fails_is_one(name):
    absent = Reading(signal=name, every=2, absent=True, error="not configured", attempted_at=sample.NOW)
    failing = replace(absent, absent=False)
    for reading, unknown in ((absent, ()), (failing, (name,))):
        assert judge(sample.calm() | {name: reading}, Settings(), sample.NOW).unknown == unknown
    without = sample.calm()
    del without[name]
    assert judge(without, Settings(), sample.NOW).unknown == ()
    absent = replace(absent, signal="slots")
    assert judge(sample.calm() | {"slots": absent}, Settings(), sample.NOW).unknown == ("slots",)
