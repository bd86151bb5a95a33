"""How a play of the scoreboard is judged."""

from __future__ import annotations

import pytest

from nexconsole.drill.scenario_times import onset_s
from nexconsole.drill.scenarios import SCENARIOS
from nexconsole.errors import DrillError
from tests.diagnosis.drawn import MISSING, drawn, named
from tests.diagnosis.play import CAUSES, shows_s
from tests.diagnosis.scoring import Glance, Play, is_meant, tally

DOWN, EMPTY = "provider-unreachable smsbower", "balance-used-up tiger-sms"


def play(*glances: Glance, truth: tuple[str, ...] = (DOWN,), error: str = "") -> Play:
    return Play(scenario="any", seed=1, truth=truth, glances=glances, error=error)


def said(*named: str, after_s: float = 10.0, ranked: tuple[str, ...] = ()) -> Glance:
    return Glance(after_s=after_s, named=named, ranked=ranked or named)


def test_a_cause_is_meant_by_its_id_and_its_target_where_the_truth_has_one() -> None:
    assert is_meant(DOWN, DOWN) and is_meant("session-blocks 4711", "session-blocks")
    assert not is_meant("provider-unreachable tiger-sms", DOWN) and not is_meant("session", "session-blocks")


def test_the_first_named_decides_and_the_time_is_that_of_the_first_right_answer() -> None:
    right = play(said(), said(DOWN, after_s=25.0), said(DOWN, after_s=60.0))
    assert right.first and right.top_three and right.seconds == 25.0 and not right.wrong and not right.abstained


def test_what_was_named_wrongly_at_any_look_counts_however_it_ended() -> None:
    corrected = play(said("bad-release"), said(DOWN))
    assert corrected.first and corrected.wrong == ("bad-release",)
    assert tally([corrected]).wrong == 1.0


def test_what_is_true_in_part_is_neither_right_nor_wrong() -> None:
    flapping = Play(scenario="any", seed=1, truth=("provider-flaps smsbower",), partly=(DOWN,), glances=(said(DOWN),))
    assert not flapping.first and not flapping.wrong


def test_a_right_cause_that_is_not_named_is_among_the_first_three_and_abstained() -> None:
    unsure = play(Glance(after_s=10.0, ranked=("bad-release", "egress-down", DOWN, "redis-full")))
    assert unsure.top_three and unsure.abstained and not unsure.first and unsure.seconds is None
    fourth = play(Glance(after_s=10.0, ranked=("a", "b", "c", DOWN)))
    assert not fourth.top_three


def test_two_faults_must_both_be_among_the_first_three() -> None:
    assert play(said(EMPTY, DOWN), truth=(DOWN, EMPTY)).top_three
    one_of_them = play(said(EMPTY), truth=(DOWN, EMPTY))
    assert one_of_them.first and not one_of_them.top_three


def test_where_nothing_is_wrong_to_name_nothing_is_right() -> None:
    assert play(said(), truth=()).first and not play(said(), truth=()).abstained
    alarm = play(said(DOWN), truth=())
    assert not alarm.first and alarm.wrong == (DOWN,)


def test_a_play_that_failed_is_not_right() -> None:
    broken = play(error="OSError: no room")
    assert not broken.first and not broken.top_three and broken.abstained
    assert not play(error="OSError: no room", truth=()).first


def test_sums_are_shares_and_a_median_of_what_was_answered() -> None:
    sums = tally([play(said(DOWN, after_s=10.0)), play(said(DOWN, after_s=40.0)), play(said()), play(said("x"))])
    assert (sums.plays, sums.first, sums.abstained, sums.wrong, sums.median_s) == (4, 0.5, 0.25, 0.25, 25.0)
    assert tally([]).first is None


def test_of_two_faults_the_console_can_know_when_the_later_one_shows() -> None:
    both, one = SCENARIOS["search-and-stall"], SCENARIOS["provider-outage"]
    later = max(fault.begins_s + fault.shows_after_s for fault in both.faults)
    assert shows_s(both) == later > onset_s(both) and shows_s(one) == onset_s(one)


def test_what_is_over_is_looked_at_when_it_is_over() -> None:
    spike = SCENARIOS["spike-that-is-over"]
    assert shows_s(spike) == max(fault.ends_s or 0.0 for fault in spike.faults) > onset_s(spike)
    assert shows_s(SCENARIOS["calm"]) == 0.0


def test_a_drawn_incident_is_the_same_for_the_same_seed_and_keeps_what_is_needed_to_tell() -> None:
    found = [drawn(seed) for seed in range(300)]
    assert found[7] == drawn(7) == named("drawn-7", 7) and found[7] != found[8]
    causes = {truth.split(" ")[0] for scenario in found for truth in scenario.truth}
    assert causes == {cause.id for cause in CAUSES}, "each is drawn"
    assert {len(scenario.truth) for scenario in found} == {0, 1, 2}
    assert {source for scenario in found for source in scenario.missing} == {*MISSING} - {""}
    for scenario in found:
        blind = {"redis"} & {*scenario.missing}
        assert not (blind and any(truth.startswith(("redis-", "orphaned-locks")) for truth in scenario.truth))
        assert all(scenario.weights.get(fault.provider, 1.0) > 0 for fault in scenario.faults if not fault.herring)
        assert sum(scenario.weights.values()) <= 1.0
    with pytest.raises(DrillError):
        named("drawn-8", 7)
