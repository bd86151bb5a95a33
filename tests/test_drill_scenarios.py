"""The scenarios themselves: drawn from a seed, moved in time, and true to the causes that they name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexconsole.drill import SCENARIO_GROUPS
from nexconsole.drill.fault_kinds import KINDS
from nexconsole.drill.faults import staged
from nexconsole.drill.market.market import Market
from nexconsole.drill.scenarios import SCENARIOS, UpstreamFault, onset_s, scenario_named, shifted, staged_after

EPOCH = 1786164801.0
AT_PROVIDERS = (
    "unreachable answers-nonsense limits-rate flaps slow key-refused disabled".split(),
    ("balance-used-up", "out-of-stock", "slots-taken"),
)
ALONE = (
    "bad-release release-breaks-outbox bad-config pod-cut-off pods-crash too-few-pods egress-down session-blocks "
    "connections-used-up database-down database-restarted database-read-only database-overloaded redis-full redis-down "
    "redis-emptied orphaned-locks outbox-stopped outbox-poison reconciler-stopped search-down traffic-surge"
).split()
TARGETS = {  # every cause that a drill can have, with the kind of its target
    **{f"provider-{what}": "provider" for what in AT_PROVIDERS[0]},
    **dict.fromkeys(AT_PROVIDERS[1], "provider"),
    "country-out": "country",
    "alert-lies": "alert",
    **dict.fromkeys(ALONE, ""),
}
PROVIDERS = {"smsbower", "tiger-sms", "5sim", "onlinesim", "grizzlysms"}
COUNTRIES = {"Brazil", "India", "United Kingdom"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_moves_as_a_whole(name: str) -> None:
    scenario = scenario_named(name)
    moved = shifted(scenario, -90.0)
    assert onset_s(moved) == pytest.approx(onset_s(scenario) - 90.0 if moved != scenario else 0.0)
    assert shifted(shifted(scenario, 90.0), -90.0) == shifted(scenario, 0.0)
    assert onset_s(staged_after(scenario, 45.0)) == pytest.approx(-45.0 if moved != scenario else 0.0)


def test_a_scenario_that_began_long_ago_has_an_ordinary_past_before_it() -> None:
    assert shifted(scenario_named("provider-outage"), -3000.0).history_s == 3000.0 + 240.0 + 300.0
    assert shifted(scenario_named("provider-outage"), -90_000.0).history_s == 5400.0


def test_seed_0_is_as_documented_and_others_differ() -> None:
    assert scenario_named("provider-outage") == SCENARIOS["provider-outage"]
    drawn = {scenario_named("provider-outage", seed=seed).upstream[0].begins_s for seed in range(20)}
    assert len(drawn) == 20 and all(-300 <= begins <= -192 for begins in drawn)
    assert scenario_named("provider-outage", seed=3) == scenario_named("provider-outage", seed=3)


def test_the_onset_is_that_of_the_first_cause() -> None:
    outage = scenario_named("provider-outage")
    assert onset_s(outage) == -240.0
    later = UpstreamFault(provider="5sim", begins_s=-60, answers=())
    assert onset_s(replace(outage, upstream=(later, *outage.upstream))) == -240.0
    assert onset_s(scenario_named("calm")) == 0.0


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_names_causes_that_there_are_and_differs_by_seed(name: str) -> None:
    drawn = [scenario_named(name, seed=seed) for seed in range(3)]
    for scenario in drawn:
        for cause in scenario.truth:
            known, _, target = cause.partition(" ")
            kind = TARGETS[known]
            assert bool(target) == bool(kind)
            assert kind != "provider" or target in PROVIDERS
            assert kind != "country" or target in COUNTRIES
        assert {fault.kind for fault in scenario.faults} <= set(KINDS)
        assert scenario.expect and (scenario.name, scenario.title, scenario.group) == (
            name,
            drawn[0].title,
            drawn[0].group,
        )
    assert len({repr(scenario) for scenario in drawn}) == 3


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_plays_in_memory_with_any_seed(name: str) -> None:
    """40 s of it, half of that after its onset; no row is in it that another seed gives too."""
    ids: list[set[str]] = []
    for seed in range(2):
        scenario = replace(staged_after(scenario_named(name, seed=seed), 20.0), history_s=40.0, browses_per_s=0.5)
        market = Market(scenario, seed, EPOCH)
        assert len(market.troubles.faults) == len(staged(scenario, seed))
        market.play(EPOCH)
        market.clock.close()
        ids.append({str(row["id"]) for table in market.past.tables for row in market.past.rows(table)})
    assert not ids[0] & ids[1]


def test_each_scenario_stands_in_one_group() -> None:
    listed = [name for names in SCENARIO_GROUPS.values() for name in names]
    assert sorted(listed) == sorted(SCENARIOS)
