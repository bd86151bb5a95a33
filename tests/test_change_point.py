"""Onsets in histories whose truth is known: found within a step or two, and silence where nothing changed."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

import pytest

from nexconsole.signals.change_point import ChangePoint, OnsetRules, onset_of, still_out
from nexconsole.signals.history_steps import MOST_STEPS, HistoryStep, coarsened
from nexconsole.signals.likelihood import LEVEL, PACE, SHARE

STEP_S = 10
BEGAN = 1500  # when the fault of a history begins, in its seconds
FAILURES = OnsetRules(kind=SHARE, least=0.03, factor=1.8, limit=0.05)
AT_PROVIDER = OnsetRules(kind=SHARE, least=0.1, factor=2.0, limit=0.2)
ATTEMPTS = OnsetRules(kind=PACE, worse=-1, both=True, factor=2.0, least=0.05)
PENDING = OnsetRules(kind=LEVEL, least=20.0, factor=2.0)
CONNECTIONS = OnsetRules(kind=LEVEL, least=5.0, factor=1.3)


def arrivals(chance: random.Random, mean: float) -> int:
    limit, product, number = math.exp(-mean), chance.random(), 0
    while product >= limit:
        product *= chance.random()
        number += 1
    return number


def purchases(
    seed: int, until: int, per_s: Callable[[int], float], fails: Callable[[int], float], begin: int = 0
) -> list[HistoryStep]:
    """Steps of 10 s: (failures, purchases), by chance as on a real market."""
    chance = random.Random(seed)
    steps = []
    for at in range(begin, until, STEP_S):
        many = arrivals(chance, per_s(at) * STEP_S)
        steps.append(HistoryStep(at, sum(chance.random() < fails(at) for _ in range(many)), many, STEP_S))
    return steps


def paces(steps: Sequence[HistoryStep]) -> list[HistoryStep]:
    return [HistoryStep(step.at, step.of, STEP_S, STEP_S) for step in steps]


def samples(values: Sequence[float], every: float = 5.0) -> list[HistoryStep]:
    return [HistoryStep(number * every, value) for number, value in enumerate(values)]


def noisy(seed: int, levels: Sequence[float], deviation: float = 1.0) -> list[HistoryStep]:
    chance = random.Random(seed)
    return samples([max(0.0, round(level + chance.gauss(0, deviation))) for level in levels])


def first_seen(steps: Sequence[HistoryStep], rules: OnsetRules) -> tuple[int, ChangePoint]:
    """How many seconds after the fault the onset shows, looking each 10 s at what is complete by then."""
    for now in range(BEGAN + STEP_S, BEGAN + 900, STEP_S):
        found = onset_of([step for step in steps if step.at >= now - 1800 and step.end <= now], now, rules)
        if found is not None and found.at is not None:
            return now - BEGAN, found
    raise AssertionError("never found")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "per_s, before, since, rules, seen_s, within_s",
    [
        (1.6, 0.02, 0.30, FAILURES, 40, 20),
        (1.6, 0.03, 1.00, FAILURES, 20, 10),
        (0.5, 0.02, 1.00, AT_PROVIDER, 30, 10),
        (10.0, 0.02, 0.10, FAILURES, 40, 20),
    ],
)
def test_a_step_of_the_failure_rate_is_found_at_its_moment(seed, per_s, before, since, rules, seen_s, within_s):
    steps = purchases(seed, BEGAN + 600, lambda at: per_s, lambda at: before if at < BEGAN else since)
    seen, _ = first_seen(steps, rules)
    assert seen <= seen_s
    found = onset_of(steps, BEGAN + 600, rules)
    assert found.at == pytest.approx(BEGAN, abs=within_s) and found.worse
    assert found.before == pytest.approx(before, abs=0.02) and found.after == pytest.approx(since, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "before, since, worse", [(1.6, 0.0, True), (1.6, 0.5, True), (1.6, 4.5, False), (0.4, 0.0, True)]
)
def test_fewer_purchases_are_worse_and_a_surge_is_told_as_one(seed, before, since, worse):
    steps = paces(purchases(seed, BEGAN + 300, lambda at: before if at < BEGAN else since, lambda at: 0.0))
    seen, _ = first_seen(steps, ATTEMPTS)
    assert seen <= 60
    found = onset_of(steps, BEGAN + 300, ATTEMPTS)
    assert found.at == pytest.approx(BEGAN, abs=20) and found.worse is worse
    assert found.before == pytest.approx(before, rel=0.15) and found.after == pytest.approx(since, rel=0.3, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "per_s, fails, rules",
    [
        (1.6, 0.02, FAILURES),
        (1.6, 0.04, FAILURES),
        (0.1, 0.05, AT_PROVIDER),
        (0.4, 0.03, AT_PROVIDER),
        (20.0, 0.02, FAILURES),
    ],
)
def test_stationary_noise_is_no_onset_in_an_hour_of_looks(seed, per_s, fails, rules):
    steps = purchases(seed, 5400, lambda at: per_s, lambda at: fails)
    for now in range(1800, 5400, 60):
        window = steps[(now - 1800) // STEP_S : now // STEP_S]
        assert onset_of(window, now, rules) is None
        assert onset_of(paces(window), now, ATTEMPTS) is None


def test_a_slow_burn_is_found_where_it_left_the_usual_range():
    steps = purchases(1, 7200, lambda at: 1.6, lambda at: 0.02 + 0.18 * max(0, at - 3600) / 3600)
    found = onset_of(steps, 7200, FAILURES)
    assert 3600 + 240 <= found.at <= 3600 + 900 and found.before == pytest.approx(0.02, abs=0.01)


def test_a_spike_that_is_over_is_no_onset_and_does_not_hide_the_next():
    def fails(at: int) -> float:
        return 0.6 if 900 <= at < 1080 else 0.3 if at >= BEGAN else 0.02

    steps = purchases(3, BEGAN + 120, lambda at: 1.6, fails)
    assert onset_of(steps[: BEGAN // STEP_S], BEGAN, FAILURES) is None
    assert onset_of(steps, BEGAN + 120, FAILURES).at == pytest.approx(BEGAN, abs=20)


def test_what_flaps_began_with_its_first_turn():
    def fails(at: int) -> float:
        return 0.9 if at >= BEGAN and (at - BEGAN) % 90 < 60 else 0.02

    found = onset_of(purchases(2, BEGAN + 420, lambda at: 1.6, fails), BEGAN + 420, FAILURES)
    assert found.at == pytest.approx(BEGAN, abs=20)


def test_a_rate_over_a_few_purchases_is_no_change():
    quiet = [HistoryStep(at, 0, 1, STEP_S) for at in range(0, 1800, STEP_S)]
    few = [*quiet, HistoryStep(1800, 1, 1, STEP_S), HistoryStep(1810, 1, 1, STEP_S), HistoryStep(1820, 1, 1, STEP_S)]
    assert onset_of(few, 1830, AT_PROVIDER) is None


def test_what_was_bad_before_anything_was_recorded_says_so():
    steps = purchases(5, 1800, lambda at: 1.6, lambda at: 0.4)
    found = onset_of(steps, 1800, FAILURES)
    assert found.at is None and found.before is None and found.after == pytest.approx(0.4, abs=0.05)
    assert onset_of(purchases(5, 1800, lambda at: 1.6, lambda at: 0.02), 1800, FAILURES) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_level_that_steps_is_found_at_its_sample(seed):
    steps = noisy(seed, [12.0] * 200 + [40.0] * 20)
    assert onset_of(steps[:201], steps[200].at, CONNECTIONS) is None, "one sample may be a spike"
    found = onset_of(steps[:203], steps[202].at, CONNECTIONS)
    assert found.at == pytest.approx(steps[200].at, abs=5)
    assert (found.before, found.after) == (pytest.approx(12, abs=1.5), pytest.approx(40, abs=2.5))


def test_a_level_that_climbs_left_its_range_where_it_crossed_it():
    steps = noisy(1, [12.0] * 200 + [12.0 + 0.5 * number for number in range(100)])
    found = onset_of(steps, steps[-1].at, CONNECTIONS)
    assert steps[205].at <= found.at <= steps[225].at


def test_a_sawtooth_is_usual_and_a_backlog_above_it_is_not():
    saw = [float(number % 12) * 5 for number in range(360)]
    assert all(onset_of(samples(saw[:end]), (end - 1) * 5.0, PENDING) is None for end in range(60, 360, 7))
    stopped = samples([*saw, *(60.0 + 5 * number for number in range(60))])
    found = onset_of(stopped, stopped[-1].at, PENDING)
    assert found.at == pytest.approx(360 * 5.0, abs=60)


@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_level_is_no_onset_in_an_hour(seed):
    chance = random.Random(seed)
    steps = samples([max(0.0, chance.gauss(12, 3)) for _ in range(1080)])
    assert all(onset_of(steps[end - 360 : end], steps[end - 1].at, CONNECTIONS) is None for end in range(360, 1080, 6))


@pytest.mark.parametrize("rules", [FAILURES, ATTEMPTS, PENDING, CONNECTIONS])
def test_nothing_one_sample_and_a_constant_are_no_onset(rules):
    assert onset_of([], 100.0, rules) is None
    assert onset_of([HistoryStep(95.0, 1.0, 10.0, 5.0)], 100.0, rules) is None
    assert onset_of([HistoryStep(at, 3.0, 100.0, 5.0) for at in range(0, 1800, 5)], 1800.0, rules) is None
    assert onset_of([HistoryStep(at, 0.0, 0.0, 5.0) for at in range(0, 1800, 5)], 1800.0, rules) is None


def test_old_history_says_nothing_of_now():
    steps = purchases(1, BEGAN + 100, lambda at: 1.6, lambda at: 0.02 if at < BEGAN else 0.9)
    assert onset_of(steps, BEGAN + 130, FAILURES) is not None
    assert onset_of(steps, BEGAN + 300, FAILURES) is None


def test_a_gap_in_the_history_is_no_change_and_the_onset_after_it_is_found():
    steps = purchases(4, BEGAN + 200, lambda at: 1.6, lambda at: 0.02 if at < BEGAN else 0.5)
    with_gap = [step for step in steps if not 600 <= step.at < 1100]
    assert onset_of([step for step in with_gap if step.at < BEGAN], BEGAN, FAILURES) is None
    assert onset_of(with_gap, BEGAN + 200, FAILURES).at == pytest.approx(BEGAN, abs=20)
    assert onset_of(paces([step for step in with_gap if step.at < BEGAN]), BEGAN, ATTEMPTS) is None


def test_what_can_not_be_is_left_out():
    steps = purchases(1, BEGAN + 200, lambda at: 1.6, lambda at: 0.02 if at < BEGAN else 0.5)
    odd = [
        HistoryStep(705.0, math.nan, 10.0, 10.0),
        HistoryStep(715.0, math.inf, 10.0, 10.0),
        HistoryStep(725.0, -900.0, 10.0, 10.0),  # a counter began anew
        HistoryStep(735.0, 5.0, 0.0, 10.0),
        HistoryStep(9_000.0, 50.0, 50.0, 10.0),  # of another clock
    ]
    expected = onset_of(steps, BEGAN + 200, FAILURES)
    assert onset_of([*odd, *reversed(steps)], BEGAN + 200, FAILURES) == expected


def test_the_daily_rhythm_is_usual_where_the_history_is_long():
    day = 86_400
    at_night = [HistoryStep(day * d + at, 2.0, STEP_S, STEP_S) for d in range(2) for at in range(0, 1800, 300)]
    now = 2 * day + 1500
    today = [
        HistoryStep(at, 16.0 if at < 2 * day + 600 else 2.0, STEP_S, STEP_S)
        for at in range(2 * day - 3000, now, STEP_S)
    ]
    assert onset_of(today, now, ATTEMPTS) is not None
    assert onset_of([*at_night, *today], now, ATTEMPTS) is None


def test_many_samples_are_put_together_and_cost_little():
    chance = random.Random(1)
    steps = samples([max(0.0, chance.gauss(12, 2)) for _ in range(10_000)], every=4.0)
    steps += [HistoryStep(steps[-1].at + 5.0 * number, 60.0) for number in range(1, 12)]
    kept, _ = coarsened(steps, steps[-1].at, True)
    assert len(kept) <= MOST_STEPS + 2 and kept[-1] == steps[-1]
    begun = time.process_time()
    found = onset_of(steps, steps[-1].at, CONNECTIONS)
    assert time.process_time() - begun < 0.25
    assert found.at == pytest.approx(steps[10_000].at, abs=10)


def test_what_is_still_out_of_a_known_range_is_told_without_its_beginning():
    steps = purchases(1, 600, lambda at: 1.6, lambda at: 0.4)
    assert still_out(steps, 0.02, FAILURES) == pytest.approx(0.4, abs=0.1)
    assert still_out(purchases(1, 600, lambda at: 1.6, lambda at: 0.02), 0.02, FAILURES) is None
    assert still_out(paces(purchases(1, 600, lambda at: 0.2, lambda at: 0.0)), 1.6, ATTEMPTS) == pytest.approx(
        0.2, abs=0.1
    )
