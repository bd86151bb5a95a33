"""The scenarios themselves: drawn from a seed, moved in time, and true to the causes that they name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexconsole.drill.scenarios import SCENARIOS, UpstreamFault, onset_s, scenario_named, shifted, staged_after


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_moves_as_a_whole(name: str) -> None:
    scenario = scenario_named(name)
    moved = shifted(scenario, -90.0)
    assert onset_s(moved) == (onset_s(scenario) - 90.0 if moved != scenario else 0.0)
    assert replace(shifted(moved, 90.0), history_s=scenario.history_s) == scenario
    assert onset_s(staged_after(scenario, 45.0)) == (-45.0 if moved != scenario else 0.0)


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
