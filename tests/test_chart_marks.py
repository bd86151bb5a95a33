"""The trend stays in sight, with what was done as marks on it; the last minute, and when the level falls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sample_readings as sample
from frozen_console import console, shown
from incident_story import PIET, IncidentStory
from sample_readings import NOW, ago

from nexconsole.panes import transactions
from nexconsole.screens.action_marks import action_marks
from nexconsole.settings import Settings
from nexconsole.signals.level_fall import falls
from nexconsole.signals.releases import Release
from nexconsole.signals.transactions import LastMinute, Point, Transactions
from nexconsole.widgets import charts
from nexconsole.widgets.charts import ChartMark
from nexconsole.widgets.panel import RenderContext
from nexconsole.widgets.spans import as_text

MARKS = (
    ChartMark(ago(900).timestamp(), "a", "13:52 locks.flush number, piet", "locks.flush number"),
    ChartMark(ago(200).timestamp(), "b", "14:04 provider.disable smsbower, maria", "provider.disable smsbower"),
)


def window(*failed: float, decided: float = 80, **more) -> Transactions:
    """A window of five minutes, by the minute, the newest last: how many of each minute's purchases failed."""
    steps = [0.0] * 20 + list(failed)
    trend = tuple(
        Point(at=ago(60 * (len(steps) - 1 - n)).timestamp(), attempts=decided, failure_rate=share / decided)
        for n, share in enumerate(steps)
    )
    counted, bad = round(decided * 5), round(sum(failed[-5:]))
    fields = {"failure_rate": bad / counted, "attempts": counted, "failures": bad, "window_s": 300, "trend": trend}
    return Transactions(**(fields | {"minute": LastMinute(decided=80, failures=0, failure_rate=0.0)} | more))


def context(width: int, height: int, value: Transactions, **more) -> RenderContext:
    readings = sample.incident() | {"transactions": sample.reading("transactions", value)}
    return RenderContext(width, height, NOW, Settings(), readings, "alarm", **more)


def test_the_level_falls_when_what_failed_has_left_the_window() -> None:
    # The two bad minutes are 3 and 2 min old, the worse one first: it leaves in 2 min, the other in 3.
    two, three = NOW + timedelta(minutes=2), NOW + timedelta(minutes=3)
    assert falls(window(0, 80, 30, 0, 0), Settings(), NOW) == (("SEV-1", two), ("SEV-2", three))
    assert falls(window(0, 80, 80, 0, 0), Settings(), NOW) == (("SEV-1", three),)


def test_a_rate_that_is_good_falls_nowhere_and_too_few_are_not_judged() -> None:
    assert falls(window(0, 1, 0, 0, 0), Settings(), NOW) == ()
    assert falls(window(1, 1, 1, 1, 1, decided=1), Settings(), NOW) == ()
    assert falls(Transactions(failure_rate=None, attempts=0, failures=0, window_s=300), Settings(), NOW) == ()


def test_without_a_trend_the_newest_failure_tells_or_nobody_does() -> None:
    value = window(0, 80, 80, 0, 0)
    assert falls(replace(value, trend=(), clean_in_s=190.0), Settings(), NOW) == (
        ("SEV-1", NOW + timedelta(seconds=190)),
    )
    assert falls(replace(value, trend=(), clean_in_s=None), Settings(), NOW) == ()


def test_where_nothing_is_bought_any_more_the_level_stands_until_the_failures_are_old() -> None:
    nobody = LastMinute(decided=0, failures=0, failure_rate=None)
    value = window(80, 80, 80, 80, 80, minute=nobody)
    ((level, at),) = falls(value, Settings(), NOW)
    assert level == "SEV-1" and timedelta(minutes=4) < at - NOW <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (58, 12, ("1 min: 2.5 %", "SEV-1 until", "if no")),
        (76, 19, ("1 min: 2.5 %", "SEV-1 until", "if nothing more fails")),
        (116, 35, ("1 min: 2.5 %", "SEV-1 until", ", SEV-2 until", "if nothing more fails")),
        (36, 6, ("17.8 %", "1 min: 2.5 %")),
    ],
)
def test_the_last_minute_and_the_fall_stand_beside_the_five_minutes(
    width: int, height: int, words: tuple[str, ...]
) -> None:
    value = replace(
        sample.incident()["transactions"].value, minute=LastMinute(decided=80, failures=2, failure_rate=0.025)
    )
    said = as_text(transactions.small(value, context(width, height, value)).head)
    assert all(word in said for word in words)


def test_a_last_minute_in_which_nobody_bought_is_no_zero() -> None:
    nobody = LastMinute(decided=0, failures=0, failure_rate=None)
    value = replace(sample.incident()["transactions"].value, minute=nobody)
    assert "1 min: none decided" in as_text(transactions.small(value, context(58, 12, value)).head)


def loaded() -> Transactions:
    """All facts at once that stand above the chart."""
    return replace(
        sample.incident()["transactions"].value,
        minute=LastMinute(decided=80, failures=2, failure_rate=0.025),
        in_flight=59,
        overdue=40,
        oldest_s=240.0,
        newest_s=2.0,
        usual_s=2.0,
        disagreement="prometheus counts 71 of 388 failed (18.3 %), postgres has 12 of 370 (3.2 %)" * 2,
        waiting_at=ago(40),
        counted_by={"prometheus": (388, 71)},
    )


@pytest.mark.parametrize("marks", [(), MARKS], ids=["bare", "marked"])
@pytest.mark.parametrize(
    ("width", "height", "large"), [(58, 12, False), (58, 10, False), (76, 19, True), (116, 35, True)]
)
@pytest.mark.parametrize("led", [False, True], ids=["rate", "in flight"])
def test_the_chart_stays_while_other_facts_grow(
    width: int, height: int, large: bool, marks: tuple[ChartMark, ...], led: bool
) -> None:
    value = loaded() if not led else replace(loaded(), failure_rate=0.0, failures=0, silent_s=240.0)
    space = context(width, height, value, marks=marks)
    panel = (transactions.detail if large else transactions.small)(value, space)
    rows = [line for line in panel.head if any("▁" <= letter <= "█" for letter in as_text((line,))[:-6])]
    assert len(rows) >= 2 and len(panel.head) + 2 <= height
    said = as_text(panel.head)
    if height > 10:
        legend = f"b {MARKS[1].text}" in said or f"b {MARKS[1].brief}" in said
        assert legend is bool(marks)


def test_marks_stand_at_their_time_and_what_is_older_than_the_chart_is_not_there() -> None:
    points = [(float(at), 0.1) for at in range(0, 1801, 60)]
    marks = [
        ChartMark(at, letter, letter) for at, letter in ((-300.0, "o"), (900.0, "a"), (1790.0, "b"), (1860.0, "c"))
    ]
    assert {x: mark.letter for x, mark in charts.placed(marks, points, 1800.0, 30).items()} == {
        14: "a",
        28: "b",
        29: "c",
    }
    assert charts.placed(marks, [], 1800.0, 30) == {}


def test_a_letter_is_never_hidden_behind_the_words_of_the_axis() -> None:
    mark = ChartMark(0.0, "a", "a")
    assert as_text((charts.axis("30 min ago", "now", 30, {2: mark, 29: mark}),)) == "  a" + " " * 26 + "a"
    assert as_text((charts.axis("30 min ago", "now", 30, {15: mark}),)) == "30 min ago     a           now"


def test_the_legend_is_brief_where_there_is_little_room_and_at_last_tells_the_newest() -> None:
    assert as_text((charts.legend(MARKS, 90),)) == f"a {MARKS[0].text}  b {MARKS[1].text}"
    assert as_text((charts.legend(MARKS, 60),)) == f"a {MARKS[0].brief}  b {MARKS[1].brief}"
    assert as_text((charts.legend(MARKS, 40),)) == f"b {MARKS[1].brief}"


def test_releases_are_marks_and_so_is_the_one_that_was_taken_back() -> None:
    value = sample.incident()["transactions"].value
    space = context(116, 35, value)
    workloads = space.readings["workloads"]
    release = Release(
        revision="8", read_at=NOW, images="app:1", since=ago(86400), before="app:2", before_since=ago(600)
    )
    readings = {**space.readings, "workloads": replace(workloads, value=replace(workloads.value, release=release))}
    said = as_text(transactions.detail(value, replace(space, readings=readings)).head)
    assert "R 13:57 release app:2" in said and "app:1" not in said


def test_actions_of_every_console_are_marks_and_what_was_refused_is_none() -> None:
    story = IncidentStory()
    story.end(story.act("provider.disable", "smsbower"))
    story.end(story.act("locks.flush", "number", PIET), "refused", PIET)
    story.end(story.act("circuit.close", "smsbower", PIET), writer=PIET)
    story.act("pods.restart", "nexnum-app", PIET)
    assert [(mark.letter, mark.text) for mark in action_marks(story.entries)] == [
        ("a", "13:43 provider.disable smsbower, maria"),
        ("b", "13:47 circuit.close smsbower, piet"),
        ("c", "13:48 pods.restart nexnum-app, piet"),
    ]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("1",)], ids=["all", "maximized"])
def test_marks_on_the_trend_look_as_they_did(snap_compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    async def run_before(pilot) -> None:
        await shown("incident", *keys)(pilot)
        pilot.app.console_screen.marks = MARKS
        value = pilot.app.console_screen.readings["transactions"]
        minute = LastMinute(decided=80, failures=2, failure_rate=0.025)
        pilot.app.monitor.take(replace(value, value=replace(value.value, minute=minute)))
        pilot.app.console_screen.tick()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)
