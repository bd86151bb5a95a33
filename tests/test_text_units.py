"""Durations, percentages, counts and times as text: each format at its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from nexconsole.text import units


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "-"),
        (0.0, "0 %"),
        (0.00001, "<0.01 %"),
        (0.0001, "0.01 %"),
        (0.0004, "0.04 %"),
        (0.00094, "0.09 %"),
        (0.00095, "0.1 %"),
        (0.001, "0.1 %"),
        (0.178, "17.8 %"),
        (0.9296, "93 %"),
        (0.9992, "99.9 %"),
        (0.9996, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_a_percentage_is_zero_only_for_none_and_a_hundred_only_for_all(rate: float | None, text: str) -> None:
    assert units.percent(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (112, "112 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (1055, "17 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (11_400, "3 h 10 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_duration_has_at_most_two_units_and_is_rounded_down(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(119, "119 s"), (120, "2 min"), (121, "2 min 1 s"), (599, "9 min 59 s"), (600, "10 min")]
)
def test_an_exact_duration_keeps_its_seconds_below_ten_minutes(seconds: float, text: str) -> None:
    assert units.duration(seconds, exact=True) == text


def test_a_duration_takes_a_timedelta() -> None:
    assert units.duration(timedelta(minutes=17)) == "17 min"


def test_an_age_does_not_tick_every_second_while_it_is_young() -> None:
    ages = (None, 0, 4.9, 5, 9, 12, 59, 61, 119, 120, 3599)
    assert [units.ago(seconds) for seconds in ages] == [
        "never", "now", "now", "5 s ago", "5 s ago", "10 s ago", "55 s ago", "60 s ago", "60 s ago", "2 min ago",
        "59 min ago",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "saturated", "text"),
    [
        (None, False, "-"),
        (0.38, False, "380 ms"),
        (0.9994, False, "999 ms"),
        (0.9996, False, "1.0 s"),
        (2.13, False, "2.1 s"),
        (10.0, True, "at least 10.0 s"),
    ],
)
def test_a_latency_says_at_least_where_the_histogram_ends(seconds: float | None, saturated: bool, text: str) -> None:
    assert units.latency(seconds, saturated) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.42, "0.4 ms"), (0.94, "0.9 ms"), (0.96, "1 ms"), (999.4, "999 ms"), (999.6, "1.0 s"), (1234, "1.2 s")],
)
def test_milliseconds_become_seconds_from_a_thousand_on(value: float, text: str) -> None:
    assert units.milliseconds(value) == text


def test_counts_are_set_apart_by_thousands_and_say_where_counting_stopped() -> None:
    assert (units.count(999), units.count(10_000, capped=True)) == ("999", "10 000+")
    assert (units.several(1, "try", "tries"), units.several(2, "try", "tries"), units.several(0, "pod")) == (
        "1 try",
        "2 tries",
        "0 pods",
    )


def test_times_are_utc_wherever_they_come_from() -> None:
    at = datetime(2026, 11, 29, 16, 7, 31, 900_000, tzinfo=timezone(timedelta(hours=2)))
    assert (units.clock(at), units.moment(at)) == ("14:07:31", "2026-11-29 14:07:31Z")
    later = datetime(2026, 11, 29, 14, 30, tzinfo=UTC)
    assert units.stopwatch(at, later) == "00:22:28"
    assert (units.since(at, later), units.since(later, at), units.since(None, at)) == (
        pytest.approx(1348.1),
        0.0,
        None,
    )
