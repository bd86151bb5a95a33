"""The stretch in which a provider fails up to now: since when, how the others fare since, whether it sells again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
import sample_readings as sample
from sample_readings import NOW, ago, reading

from nexconsole.model import Value
from nexconsole.settings import Settings
from nexconsole.signals.change import Change, ChangeKind, ChangeLog
from nexconsole.signals.change_log import log_of
from nexconsole.signals.changes import SIGNAL as CHANGES_SIGNAL
from nexconsole.signals.changes_servers import RedisState, RedisTrail
from nexconsole.signals.customers import Customers
from nexconsole.signals.customers_signal import SIGNAL as CUSTOMERS_SIGNAL
from nexconsole.signals.failing_runs import PROBES
from nexconsole.signals.funnel import Funnel, ProviderFunnel
from nexconsole.signals.funnel_parts import FailingRun, Outcomes, now_and_before
from nexconsole.signals.out_of_line import Part, countries
from nexconsole.signals.probe import ProbeAnswer, answer
from nexconsole.signals.transactions import ProviderTraffic, Transactions
from nexconsole.signals.transactions_signal import SIGNAL
from nexconsole.signals.workloads import Workloads

T = 100_000.0  # epoch seconds
BY_NAME = {probe.name: probe for probe in PROBES}


def sold(*ages_s: float) -> list[tuple[float, bool]]:
    return [(T - age, False) for age in ages_s]


def failed(*ages_s: float) -> list[tuple[float, bool]]:
    return [(T - age, True) for age in ages_s]


def run(outcomes: Mapping[str, Iterable[tuple[float, bool]]], *waiting: float) -> FailingRun | None:
    return Outcomes(outcomes, T).failing_run("smsbower", waiting)


def asked(name: str, given: FailingRun | None) -> ProbeAnswer:
    provider = ProviderFunnel(name="smsbower", attempts=20, run=given)
    value: Value = Funnel(window_s=300, rests_on_s=300, pods_followed=2, providers=(provider,))
    return answer(BY_NAME[name], {"funnel": reading("funnel", value)}, Settings(), NOW, "smsbower")


def test_a_stretch_begins_with_its_first_failure_and_not_with_one_of_long_before():
    found = run({"smsbower": [*failed(600), *sold(*range(60, 590, 10)), *failed(50, 40, 30, 20), *sold(45)]})
    assert found is not None
    assert (found.since_s, found.decided, found.failed, found.sold_last) == (50.0, 5, 4, 0)
    assert run({"smsbower": sold(*range(10, 300, 10))}) is None and run({}) is None


def test_of_the_others_only_what_began_since_counts():
    mine = failed(30, 25, 20, 15)
    found = run({"smsbower": mine, "5sim": sold(200, 28, 22, 18), "tiger-sms": [*sold(90), *failed(26, 21)]})
    assert found is not None
    assert (found.others, found.others_sold, found.well, found.bad) == (2, 3, 1, 1)


def test_what_was_sold_since_the_last_failure_counts_unless_others_of_it_hang():
    outcomes = {"smsbower": [*failed(90, 80, 70, 60), *sold(30, 20, 10)]}
    free, hanging = run(outcomes), run(outcomes, T - 25.0)
    assert free is not None and free.sold_last == 3
    assert hanging is not None and hanging.sold_last == 2


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (FailingRun(since_s=60, decided=9, failed=8, others=4, others_sold=40, well=4), "sell"),
        (FailingRun(since_s=60, decided=9, failed=8, others=4, others_sold=20, well=3, bad=1), "sell"),
        (FailingRun(since_s=60, decided=9, failed=8, others=4, others_sold=3, well=1, bad=3), "fail"),
        (FailingRun(since_s=3, decided=4, failed=4, others=4, others_sold=1), "few"),
        (FailingRun(since_s=60, decided=9, failed=8), "none"),
        (FailingRun(since_s=60, decided=2, failed=2, others=4, others_sold=9, well=4), None),
        (None, None),
    ],
)
def test_whether_the_others_sell_is_told_once_enough_of_theirs_were_decided(given: FailingRun | None, word: str | None):
    assert asked("provider.others", given).value == word


def test_it_is_well_again_when_it_hardly_sold_so_many_in_a_row_by_chance():
    mostly = FailingRun(since_s=120, decided=23, failed=19, sold_last=3)
    assert asked("provider.well-again", mostly).value is True
    in_part = FailingRun(since_s=120, decided=63, failed=20, sold_last=3)
    assert asked("provider.well-again", in_part).value is False
    assert asked("provider.well-again", None).value is None


def test_a_provider_that_sells_no_more_keeps_how_slow_it_had_become():
    before = [(T - 700 + 10 * n, 0.5) for n in range(10)]
    late = [(T - 120 + 10 * n, 6.0) for n in range(8)]
    assert now_and_before([*before, *late], T) == (6.0, 0.5)
    assert now_and_before([*before, *late], T + 900) == (None, None)


def test_a_few_failures_that_may_be_chance_are_no_sev_1_by_their_rate():
    providers = tuple(
        ProviderTraffic(name=name, attempts=n, failures=1, failure_rate=1 / n)
        for name, n in (("smsbower", 12), ("5sim", 10), ("tiger-sms", 7))
    )
    few = Transactions(failure_rate=3 / 29, attempts=29, failures=3, window_s=300, providers=providers)
    assert SIGNAL.reasons is not None and list(SIGNAL.reasons(few, Settings())) == []


def test_a_countrys_failures_are_told_from_an_empty_stock_by_all_countries_of_the_provider():
    rows = [
        Part(provider="smsbower", country="India", service="wa", decided=9, failed=8),
        Part(provider="smsbower", country="Brazil", service="wa", decided=18, failed=0),
        Part(provider="5sim", country="India", service="wa", decided=8, failed=4),
        Part(provider="5sim", country="Brazil", service="tg", decided=8, failed=4),
        Part(provider="tiger-sms", country="India", service="tg", decided=2, failed=2),
        Part(provider="tiger-sms", country="Brazil", service="tg", decided=2, failed=0),
        Part(provider="onlinesim", country="India", service="tg", decided=6, failed=6),
    ]
    value = Customers(failing=9, countries=countries(rows))
    [probe] = [each for each in CUSTOMERS_SIGNAL.probes if each.name == "provider.one-country"]

    def told(provider: str) -> object:
        return answer(probe, {"customers": reading("customers", value)}, Settings(), NOW, provider).value

    assert [told(name) for name in ("smsbower", "5sim", "tiger-sms", "onlinesim", "grizzlysms")] == [
        *("yes", "no", "few", "no", None)
    ]


def test_only_pods_that_were_started_since_have_read_a_changed_setting():
    changed = Change(at=ago(300), kind=ChangeKind.SECRET, subject="secret x", target="x", text="Secret x was changed")
    [probe] = [each for each in CHANGES_SIGNAL.probes if each.name == "changes.read"]
    calm = sample.calm()["workloads"].value
    assert isinstance(calm, Workloads)

    def told(*ages_s: float, since: tuple[Change, ...] = (changed,)) -> object:
        pods = tuple(replace(calm.pods[0], name=f"p{n}", age_s=age) for n, age in enumerate(ages_s))
        readings = {
            "changes": reading("changes", ChangeLog(changes=since)),
            "workloads": reading("workloads", replace(calm, pods=pods)),
        }
        return answer(probe, readings, Settings(), NOW).value

    assert told(60, 90) == "all" and told(60, 9000) == "some" and told(9000, 9000) == "none"
    assert told() is None and told(60, since=()) == "none"


def test_a_redis_emptied_before_the_first_look_is_known_by_its_counter_and_its_few_keys():
    def lost(flushes: int, keys: int) -> object:
        trail = RedisTrail()
        trail.can_read((ChangeKind.REDIS,), ago(3600))
        trail.compare(RedisState(run_id="r", uptime_s=900.0, flushes=flushes, keys=keys), ago(0), NOW)
        [probe] = [each for each in CHANGES_SIGNAL.probes if each.name == "redis.lost"]
        return answer(probe, {"changes": reading("changes", log_of([trail]))}, Settings(), NOW).value

    assert lost(1, 0) is True and lost(0, 0) is False and lost(1, 900) is False
