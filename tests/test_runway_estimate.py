"""How soon a limit is reached: a range where the history supports one, and nothing elsewhere."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from nexconsole.settings import Settings
from nexconsole.signals.balances import Balance
from nexconsole.signals.counts import Point as TrendPoint
from nexconsole.signals.database import Database
from nexconsole.signals.outbox import Outbox
from nexconsole.signals.runway_ceilings import (
    balances,
    connections,
    order,
    outbox,
    redis_memory,
    sentence,
    slots,
    volume,
    window,
)
from nexconsole.signals.runway_estimate import Point, Slope, Spending, TimeLeft, pace, reaches, slope, used_up
from nexconsole.signals.slots import Slots, Wait
from nexconsole.signals.transactions import LastMinute, Transactions

NOW = datetime(2026, 1, 23, 14, 0, tzinfo=UTC)
END = NOW.timestamp()


def climbing(per_s: float, begin: float, seconds: int = 1800, since_s: int = 1800, noise: float = 0.0) -> list[Point]:
    """A sample each 5 s: level at `begin`, and climbing in the last `since_s` seconds."""
    chance = random.Random(1)
    return [
        (END - age, begin + per_s * max(0, since_s - age) + chance.gauss(0, noise)) for age in range(seconds, -1, -5)
    ]


def left(ceiling) -> tuple[float, float]:
    return (ceiling.earliest - NOW).total_seconds(), (ceiling.latest - NOW).total_seconds()


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_a_range_holds_the_true_slope_and_is_the_wider_the_noisier(noise):
    points = climbing(0.05, 20, noise=noise)
    found = slope(points, END, 600)
    assert found.low <= 0.05 <= found.high and found.low <= found.middle <= found.high
    assert found.high - found.low == pytest.approx(0, abs=0.001 + 0.03 * noise)


def test_two_points_make_no_date_and_neither_do_a_short_or_an_old_history():
    assert slope([(END - 100, 1.0), (END, 50.0)], END, 600) is None
    assert slope([(END - 5 * n, float(n)) for n in range(6)], END, 600) is None
    assert slope(climbing(0.05, 20), END + 200, 600) is None
    assert slope([], END, 600) is None


def test_what_is_level_sawtoothed_or_noisy_has_no_pace():
    chance = random.Random(3)
    level = [(END - age, 12 + chance.gauss(0, 2)) for age in range(3600, -1, -5)]
    saw = [(END - age, float((3600 - age) % 60)) for age in range(3600, -1, -5)]
    for points in (level, saw):
        for up in (True, False):
            assert pace(points, END, up=up, least=4) is None


def test_a_climb_that_has_just_begun_is_told_at_its_present_pace():
    points = climbing(0.2, 12, since_s=240, noise=0.5)
    found = pace(points, END, up=True, least=4)
    assert found.low <= 0.2 <= found.high * 1.1 and found.window_s <= 180
    assert pace(points, END, up=False, least=4) is None


def test_what_lies_too_far_ahead_or_the_other_way_is_no_estimate():
    assert reaches(50, 100, Slope(0.9, 1.0, 1.1, 600)) == TimeLeft(
        pytest.approx(45.45, abs=0.1), pytest.approx(55.6, abs=0.1)
    )
    assert reaches(50, 100_000, Slope(0.9, 1.0, 1.1, 600)) is None
    assert reaches(50, 100, Slope(-1.1, -1.0, -0.9, 600)) is None
    assert reaches(50, 100, Slope(-0.1, 1.0, 2.0, 600)) is None
    assert reaches(100, 100, Slope(0.9, 1.0, 1.1, 600)) == TimeLeft(0, 0)


def test_outliers_do_not_move_it():
    points = climbing(0.05, 20)
    points[len(points) // 2] = (points[len(points) // 2][0], 5_000.0)
    assert slope(points, END, 1800).middle == pytest.approx(0.05, abs=0.005)


# --- connections, memory, volumes -------------------------------------------------------------------------------------


def test_connections_that_climb_say_when_they_are_used_up():
    points = climbing(0.04, 40, since_s=900, noise=0.6)
    ceiling = connections(Database(connections=76, max_connections=97), points, NOW)
    earliest, latest = left(ceiling)
    assert earliest <= 21 / 0.04 <= latest and latest < 2 * earliest
    assert sentence(ceiling).startswith("connections: 76 of 97, full in 7 to 1")
    assert (ceiling.now, ceiling.limit, ceiling.good) == (76, 97, False)


def test_connections_that_do_not_climb_have_no_estimate_and_without_a_limit_there_is_no_ceiling():
    level = climbing(0.0, 40, noise=1.0)
    ceiling = connections(Database(connections=41, max_connections=97), level, NOW)
    assert (ceiling.earliest, ceiling.text) == (None, "41 of 97, no estimate: it does not grow")
    assert connections(Database(connections=41), level, NOW) is None
    falling = connections(Database(connections=41, max_connections=97), climbing(-0.02, 80), NOW)
    assert falling.earliest is None
    full = connections(Database(connections=97, max_connections=97), level, NOW)
    assert (full.earliest, full.latest, full.text) == (NOW, NOW, "97 of 97, full")


def test_redis_without_a_limit_has_no_ceiling_and_a_volume_has_one():
    assert redis_memory(5e8, 0.0, [], NOW) is None
    shares = climbing(0.0001, 0.7, since_s=1200)
    ceiling = redis_memory(8.2e8, 1e9, shares, NOW)
    assert ceiling.text.startswith("82 %, full in ") and left(ceiling)[0] == pytest.approx(1800, rel=0.1)
    by_minute = [(END - 60 * age, 0.9 - 0.0006 * age) for age in range(60, -1, -1)]
    disk = volume("volume data", by_minute[-1][1], by_minute, NOW)
    assert disk.text.startswith("90 %, full in ") and left(disk)[1] == pytest.approx(10_000, rel=0.1)


# --- what passes ------------------------------------------------------------------------------------------------------


def test_a_backlog_says_when_it_is_done_or_that_it_grows():
    def waiting(pending: int) -> Outbox:
        return Outbox(pending=pending, failed=0, dropped=0, oldest_pending_s=60.0)

    done = outbox(waiting(600), climbing(-1.0, 900, since_s=300, noise=3), NOW)
    assert done.good and left(done)[0] < 600 < left(done)[1] and done.text.startswith("600 pending, done in ")
    grows = outbox(waiting(600), climbing(0.5, 300, since_s=600), NOW)
    assert (grows.earliest, grows.text) == (None, "600 pending, no end: it grows by 30 a minute")
    level = outbox(waiting(600), climbing(0.0, 600, noise=8), NOW)
    assert level.text == "600 pending, no estimate: no clear trend"
    assert outbox(waiting(3), [], NOW) is None


def test_the_longest_wait_for_a_slot_says_when_it_is_over():
    value = Slots(waits=(Wait(name="smsbower", id="1", active=True, wait_s=300.0),))
    over = slots(value, climbing(-0.5, 600, since_s=600, noise=1), 10.0, NOW)
    assert over.name == "slots at smsbower" and left(over)[0] <= 600 <= left(over)[1] and over.good
    assert "grows by 30 s a minute" in slots(value, climbing(0.5, 0, since_s=600), 10.0, NOW).text
    assert slots(Slots(), [], 10.0, NOW) is None


def traffic(minute: tuple[int, int] | None, rate: float = 0.3) -> Transactions:
    """Ten minutes by 30 s, of which minutes 4 and 3 before now failed."""
    steps = [
        TrendPoint(at=END - 30 * n, attempts=60, failure_rate=1.0 if 4 <= n < 8 else 0.0) for n in range(20, -1, -1)
    ]
    last = LastMinute(decided=minute[0], failures=minute[1], failure_rate=minute[1] / minute[0]) if minute else None
    return Transactions(
        failure_rate=rate,
        attempts=300,
        failures=int(300 * rate),
        window_s=300,
        trend=tuple(steps),
        minute=last,
        clean_in_s=180.0,
    )


def test_the_window_says_when_it_is_clean_and_nothing_while_purchases_fail():
    clean = window(traffic((60, 0), 0.4), Settings(), NOW)
    earliest, latest = left(clean)
    assert 0 < earliest <= latest == pytest.approx(180, abs=15) and clean.good
    assert clean.text.startswith("40 % of 5 min fail, clean in ")
    few = window(traffic((60, 1), 0.4), Settings(), NOW)
    assert left(few)[1] == 300
    still = window(traffic((60, 30)), Settings(), NOW)
    assert (still.earliest, still.text) == (None, "30 % of 5 min fail, no end: 50 % failed in the last minute")
    assert window(traffic(None), Settings(), NOW).earliest is None
    assert window(traffic((60, 0), 0.01), Settings(), NOW) is None


# --- balances ---------------------------------------------------------------------------------------------------------


def balance(name: str = "smsbower", amount: float = 40.0, state: str = "enough", **more) -> Balance:
    given = {"active": True, "alert": 10.0, "synced_at": NOW, "age_s": 0.0} | more
    return Balance(name=name, state=state, balance=amount, **given)


def test_a_balance_lasts_as_long_as_present_spending_lets_it():
    spending = {"smsbower": Spending(400, 120.0, 40.0, 900.0)}
    [ceiling] = balances([balance()], spending, lambda name: [], NOW)
    earliest, latest = left(ceiling)
    assert earliest < 300 < latest and latest < 1.5 * earliest
    assert sentence(ceiling).startswith("balance at smsbower: 40.00 left, used up in ")


def test_what_was_spent_since_the_balance_was_asked_for_is_taken_off():
    assert used_up(40.0, 150.0, Spending(400, 120.0, 40.0, 900.0)).earliest_s < 160
    assert used_up(40.0, 900.0, Spending(400, 120.0, 40.0, 900.0)) == TimeLeft(0.0, 0.0)


def test_too_few_purchases_or_a_balance_that_lasts_have_no_date():
    assert used_up(40.0, 0.0, Spending(3, 1.0, 0.4, 900.0)) is None
    assert used_up(1e7, 0.0, Spending(400, 120.0, 40.0, 900.0)) is None
    told = [one.text for one in balances([balance()], {"smsbower": Spending(3, 1.0, 0.4, 900.0)}, lambda name: [], NOW)]
    assert told == ["40.00 left, no estimate: it lasts for long, or 3 purchases in 15 min are too few to tell"]
    assert [one.text for one in balances([balance()], {}, lambda name: [], NOW)] == [
        "40.00 left, no estimate: what purchases cost is not known"
    ]


def test_without_costs_the_balances_own_fall_serves():
    fall = [(END - 60 * age, 40.0 + 0.5 * age) for age in range(20, -1, -1)]
    [ceiling] = balances([balance()], {}, lambda name: fall, NOW)
    assert left(ceiling)[1] == pytest.approx(40 / (0.5 / 60), rel=0.1)


def test_who_is_off_unknown_or_old_is_not_told_and_what_is_used_up_is():
    some = [
        balance("off", active=False),
        balance("unknown", synced_at=None, age_s=None),
        balance("old", old=True),
        balance("empty", 0.0, "empty"),
    ]
    [ceiling] = balances(some, {}, lambda name: [], NOW)
    assert sentence(ceiling) == "balance at empty: used up" and ceiling.earliest == NOW


def test_the_first_to_be_reached_comes_first_and_what_has_no_date_last():
    full = connections(Database(connections=97, max_connections=97), [], NOW)
    none = connections(Database(connections=9, max_connections=97), [], NOW)
    [later] = balances([balance()], {"smsbower": Spending(400, 120.0, 40.0, 900.0)}, lambda name: [], NOW)
    assert sorted([none, later, full], key=order) == [full, later, none]
