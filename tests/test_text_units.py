"""Durations, percentages, counts and times as text: each format at its edges, and nobody else formats any."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import nexconsole
from nexconsole.text import units

PACKAGE = Path(nexconsole.__file__).parent
UNIT = re.compile(r" ?(?:s|ms|min|h|d|%|seconds?|minutes?|hours?|days?)(?![\w'])")
# Texts for machines, and those of others that the drill imitates to the letter.
MACHINE_FORMATS = {
    "actions/customer_refusals.py": "PromQL's range",
    "actions/pods.py": "Kubernetes' annotation of a restart",
    "actions/silence_undo.py": "Alertmanager's API",
    "doctor/prometheus.py": "PromQL's range",
    "drill/api.py": "NexNum's API",
    "drill/docker/containers.py": "the Engine's timestamps",
    "drill/docker/engine_logs.py": "the Engine's timestamps",
    "drill/kubernetes/discovery.py": "a resource's plural",
    "drill/kubernetes/kubelet.py": "the kubelet's message",
    "drill/kubernetes/pod_logs.py": "the kubelet's timestamps",
    "drill/kubernetes/store.py": "Kubernetes' timestamps",
    "drill/kubernetes/tables.py": "kubectl's tables",
    "drill/market/breakers.py": "NexNum's key in Redis",
    "drill/market/lines.py": "NexNum's lines",
    "drill/market/market.py": "PostgreSQL's setting",
    "drill/market/upstream.py": "NexNum's error",
    "drill/market/worker.py": "NexNum's line",
    "drill/prometheus/alerting.py": "Prometheus' API",
    "drill/prometheus/real.py": "Prometheus' configuration",
    "journal/entries.py": "a writer's name in a head",
    "journal/folder.py": "a file's name",
    "journal/signatures.py": "ssh-keygen's time",
    "screens/plan_lines.py": "a noun's plural",
    "signals/counters.py": "PromQL's range",
    "signals/funnel.py": "PromQL's range",
    "signals/onset_histories.py": "PromQL's range",
    "signals/purchase_steps.py": "PromQL's range",
    "sources/log_lines.py": "Kubernetes' query",
    "sources/prometheus.py": "Prometheus' query",
}


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
        "never",
        "now",
        "now",
        "5 s ago",
        "5 s ago",
        "10 s ago",
        "55 s ago",
        "60 s ago",
        "60 s ago",
        "2 min ago",
        "59 min ago",
    ]


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


def formatted_by_hand(source: str) -> Iterator[tuple[int, bool]]:
    """The lines that format a value with its unit, or a time; and whether the unit stands apart, as for people."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.JoinedStr(values=parts):
                for part, after in zip(parts, [*parts[1:], None], strict=True):
                    if not isinstance(part, ast.FormattedValue):
                        continue
                    if part.format_spec is not None and re.search("%[A-Za-z]", ast.unparse(part.format_spec)):
                        yield part.lineno, False
                    if isinstance(after, ast.Constant) and UNIT.match(str(after.value)):
                        yield part.lineno, str(after.value).startswith(" ")
            case ast.BinOp(op=ast.Add(), right=ast.Constant(value=str(after_it))) if UNIT.match(after_it):
                yield node.lineno, after_it.startswith(" ")
            case ast.Attribute(attr="strftime"):
                yield node.lineno, False
            case ast.Constant(value=str(text)) if re.search(r"\{\w*(?::[^{}]*)?\}" + UNIT.pattern, text):
                yield node.lineno, False


@pytest.mark.parametrize(
    "line",
    [
        'f"{age:.0f} s ago"',
        'f"in {n} min"',
        'f"{rate:.1f} %"',
        'f"{wait}ms"',
        'f"{at:%H:%M}"',
        'at.strftime("%F")',
        '"{} h".format(age)',
        'str(age) + " s"',
    ],
)
def test_what_is_formatted_by_hand_is_seen(line: str) -> None:
    assert list(formatted_by_hand(line))


def test_nobody_else_formats_durations_percentages_or_times_for_people() -> None:
    by_hand: dict[str, list[int]] = {}
    used = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        for line, apart in formatted_by_hand(file.read_text("utf-8")):
            if name in MACHINE_FORMATS and not apart:
                used.add(name)
            elif name != "text/units.py":
                by_hand.setdefault(name, []).append(line)
    assert by_hand == {}
    assert used == set(MACHINE_FORMATS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (8, "8 s"),
        (90, "90 s"),
        (119, "119 s"),
        (120, "2 min"),
        (150, "150 s"),
        (3600, "60 min"),
        (5400, "90 min"),
        (7200, "2 h"),
        (86_400, "24 h"),
        (604_800, "7 d"),
    ],
)
def test_a_period_is_exact(seconds: float, text: str) -> None:
    assert units.period(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.2, "1 s"),
        (29.99, "30 s"),
        (119.5, "2 min"),
        (timedelta(seconds=121), "3 min"),
        (7201, "2 h 1 min"),
        (172_801, "2 d 1 h"),
    ],
)
def test_what_remains_is_rounded_up(seconds: float | timedelta, text: str) -> None:
    assert units.remaining(seconds) == text


def test_a_utilization_may_be_above_a_hundred_and_unknown() -> None:
    assert units.utilization(141, 150) == "141/150 %"
    assert units.utilization(None, 70) == "?/70 %"


def test_a_day_and_a_minute_are_utc_too() -> None:
    at = datetime(2026, 11, 30, 0, 7, 31, tzinfo=timezone(timedelta(hours=1)))
    assert (units.date(at), units.clock_minute(at), units.clock(None)) == ("2026-11-29", "23:07", "-")


def test_money_has_two_decimals_and_its_thousands_set_apart() -> None:
    assert [units.money(amount) for amount in (None, 0, 0.4, 7.4, 1234.5)] == ["-", "0.00", "0.40", "7.40", "1 234.50"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (40, 90, "40 to 90 s"),
        (0, 4.2, "0 to 5 s"),
        (380, 640, "6 to 11 min"),
        (60, 130, "1 to 3 min"),
        (540.1, 540.4, "9 to 10 min"),
        (540, 540, "9 min"),
        (11_000, 17_000, "3 to 5 h"),
        (100_000, 400_000, "1 to 5 d"),
    ],
)
def test_a_range_of_a_time_that_is_left_is_in_one_unit_and_rounded_outwards(low, high, text):
    assert units.between(low, high) == text
