"""When purchases that are under way are too many, or too old. (nexnum.md#slots)"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexconsole.settings import TransactionRules
from nexconsole.signals.attribution import ProviderTraffic
from nexconsole.signals.overdue import overdue_after
from nexconsole.signals.transactions import Transactions
from nexconsole.signals.waiting import (
    blocked,
    blocked_providers,
    leading,
    many_overdue,
    overdue,
    said,
    usually,
)

RULES = TransactionRules()
HANGING = Transactions(
    failure_rate=None,
    attempts=24,
    failures=0,
    in_flight=24,
    overdue=20,
    oldest_s=240.0,
    newest_s=2.0,
    window_s=300,
    usual_s=2.0,
)


@pytest.mark.parametrize(
    ("p95_s", "limit_s"), [(None, 30), (0.5, 30), (10, 30), (10.1, 30.3), (20, 60), (40, 120), (500, 120)]
)
def test_a_purchase_is_overdue_after_three_times_the_usual_between_a_floor_and_a_ceiling(p95_s, limit_s):
    assert overdue_after(p95_s, RULES) == pytest.approx(limit_s)


def test_a_floor_of_the_settings_above_the_ceiling_holds():
    assert overdue_after(1.0, TransactionRules(overdue_s=200.0)) == 200.0


@pytest.mark.parametrize(
    ("change", "down"),
    [
        ({}, True),
        ({"in_flight": 3}, True),
        ({"in_flight": 2}, False),  # too few to say
        ({"oldest_s": 30.0}, False),
        ({"oldest_s": 30.1}, True),
        ({"oldest_s": None}, False),
        ({"silent_s": 30.0}, False),  # one was decided in time
        ({"silent_s": 30.1}, True),
        ({"newest_s": 300.0}, True),
        ({"newest_s": 300.1}, False),  # nobody begins to buy any more: what is left is stuck
        ({"newest_s": None}, False),
        ({"overdue_after_s": 240.0}, False),
        ({"overdue_after_s": 239.9}, True),
    ],
)
def test_purchasing_is_down_where_purchases_begin_and_none_is_decided_for_longer_than_usual(change, down):
    assert (blocked(replace(HANGING, **change), RULES) is not None) is down


@pytest.mark.parametrize(("silent_s", "for_s"), [(None, 240), (100.0, 100), (500.0, 240)])
def test_for_how_long_is_since_the_last_decision_or_since_the_first_that_waits(silent_s, for_s):
    assert blocked(replace(HANGING, silent_s=silent_s), RULES).undecided_s == for_s


def waits(name: str, in_flight: int = 5, **more) -> ProviderTraffic:
    given = {"attempts": in_flight, "failures": 0, "failure_rate": None, "oldest_s": 240.0, "newest_s": 1.0} | more
    return ProviderTraffic(name=name, in_flight=in_flight, **given)


def test_the_provider_is_named_where_the_purchases_of_one_alone_wait():
    decided = ProviderTraffic(name="5sim", attempts=9, failures=0, failure_rate=0.0)
    one = replace(HANGING, providers=(waits("smsbower", 24), decided))
    assert (
        said(blocked(one, RULES), one) == "24 purchases in flight at smsbower, none decided for 4 min (usually 2.0 s)"
    )
    two = replace(HANGING, providers=(waits("smsbower", 23), waits("5sim", 1)), usual_s=None)
    assert said(blocked(two, RULES), two) == "24 purchases in flight, none decided for 4 min"


def test_a_provider_at_which_all_wait_is_told_from_those_that_decide():
    value = replace(
        HANGING, silent_s=1.0, providers=(waits("smsbower", 12), waits("5sim", 3, silent_s=2.0), waits("tiger", 2))
    )
    assert blocked(value, RULES) is None
    assert [(one.provider, one.count) for one in blocked_providers(value, RULES)] == [("smsbower", 12)]


@pytest.mark.parametrize(
    ("late", "decided", "many"), [(5, 20, True), (5, 21, False), (4, 0, False), (5, 0, True), (20, 81, False)]
)
def test_many_wait_where_a_fifth_of_all_is_overdue(late, decided, many):
    value = replace(HANGING, overdue=late, attempts=decided + late, in_flight=late)
    assert many_overdue(value, RULES) is many


def test_one_purchase_waits_in_the_singular():
    value = replace(HANGING, in_flight=1, providers=(waits("a", 1),))
    found = blocked(value, TransactionRules(overdue_few=1))
    assert said(found, value) == "1 purchase in flight at a, none decided for 4 min (usually 2.0 s)"


@pytest.mark.parametrize(("oldest_s", "late"), [(30.0, False), (30.1, True), (None, False)])
def test_the_oldest_is_overdue_above_the_limit(oldest_s, late):
    assert overdue(replace(HANGING, oldest_s=oldest_s)) is late


@pytest.mark.parametrize(("usual_s", "words"), [(2.0, "usually 2.0 s"), (0.56, "usually 560 ms"), (None, "")])
def test_what_is_usual_is_said_where_it_is_known(usual_s, words):
    assert usually(replace(HANGING, usual_s=usual_s)) == words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "24 in flight, none decided for 4 min"),
        ({"failure_rate": 0.5, "silent_s": 200.0}, "24 in flight, none decided for 3 min"),  # that rate is of the past
        ({"providers": (waits("smsbower", 24),), "usual_s": None}, "24 in flight at smsbower, none decided for 4 min"),
        (
            {"silent_s": 1.0, "providers": (waits("a", 12), waits("b", 5))},
            "17 in flight at 2 providers, none decided for 4 min",
        ),
        (
            {"silent_s": 1.0, "overdue": 20, "attempts": 100, "in_flight": 24},
            "20 of 96 purchases late, in flight for over 30 s",
        ),
    ],
)
def test_those_who_wait_lead_where_that_is_worse_than_the_rate(change, said):
    value = replace(HANGING, **change)
    assert value.overdue_after_s == 30.0
    assert leading(value, RULES, 0.05).sentence == said


@pytest.mark.parametrize(("rate", "leads"), [(0.05, True), (0.051, False)])
def test_a_high_rate_leads_where_some_purchases_are_decided(rate, leads):
    value = replace(HANGING, silent_s=1.0, failure_rate=rate, providers=(waits("a", 12),))
    assert (leading(value, RULES, 0.05) is not None) is leads


def test_nothing_leads_where_nobody_waits_too_long():
    assert leading(replace(HANGING, silent_s=1.0, overdue=0), RULES, 0.05) is None
