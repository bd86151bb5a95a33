"""The funnel's pane: what it says in a line, in a corner and in full, and what it says when it knows nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_readings as sample

from nexconsole.panes import funnel
from nexconsole.settings import Settings
from nexconsole.signals.funnel import Funnel
from nexconsole.widgets.panel import Panel, RenderContext
from nexconsole.widgets.spans import as_text, length


def value(world: str = "incident", **more: object) -> Funnel:
    return replace(sample.WORLDS[world]()["funnel"].value, **more)


def space(width: int = 76, height: int = 20, alert_level: str = "calm") -> RenderContext:
    return RenderContext(width, height, sample.NOW, Settings(), sample.incident(), alert_level)


def text(picture: Panel) -> str:
    rows = [picture.rows.draw(n) for n in range(len(picture.rows.keys))] if picture.rows else []
    return as_text((*picture.head, *rows, *picture.foot))


def test_in_one_line_the_refused_come_first() -> None:
    assert as_text((funnel.brief(value(), space(80, 1)),)).strip() == (
        "33 of 433 refused  in 4 min  3 in flight, oldest 31 s  71 failed  329 sold"
    )
    calm = value("calm", refused={}, waiting=0, waiting_new=0)
    assert as_text((funnel.brief(calm, space(70, 1)),)).strip() == "407 sold  5 failed  none refused  in 5 min"
    nobody = Funnel(window_s=300, rests_on_s=300, pods_followed=3)
    assert as_text((funnel.brief(nobody, space(70, 1)),)).strip() == "nobody asked for a number  in 5 min"


def test_what_is_not_known_is_no_zero() -> None:
    reading = Funnel(window_s=300, rests_on_s=0, pods_followed=3, catching_up=3)
    for drawn in (funnel.small(reading, space()), funnel.detail(reading, space())):
        assert "older log lines are still being read" in text(drawn)
        assert "nobody" not in text(drawn)
    assert "no pod's log is followed" in text(funnel.small(Funnel(window_s=300, rests_on_s=0), space()))


def test_in_full_each_stage_each_reason_and_each_provider_has_its_line() -> None:
    drawn = text(funnel.detail(value(), space(116, 40)))
    for line in (
        "in 4 min (logs reach back 4 min)  288 users  usually decided after 2 s",
        "asked  436",
        "offer found  404",
        "reserved  403",
        "called  403",
        "sold  329",
        "refused: no offer  32",
        "refused: funds  1",
        "failed: 5xx  40",
        "failed: breaker open  26",
        "60 min ago, refused or failed",
        "smsbower  155 54 32 66 3",
    ):
        words = line.split()
        assert any(all(word in row for word in words) for row in drawn.splitlines()), line
    assert "postgres, pod logs and HTTP answers agree" in drawn


def test_pods_that_are_not_followed_lost_purchases_and_dropped_lines_are_said() -> None:
    drawn = text(funnel.detail(value(pods_followed=2, lost=4, dropped=7, catching_up=1), space(200, 40)))
    for words in (
        "2 of 3 pods followed",
        "4 lost with their process",
        "7 log lines dropped",
        "older lines of 1 pod are being read",
    ):
        assert words in drawn


def test_where_only_the_answers_are_known_no_stage_between_is_made_up() -> None:
    only = Funnel(window_s=300, rests_on_s=300, attempts=54, sold=8, failed=3, refused={"no offer": 43}, source="x")
    drawn = text(funnel.detail(only, space()))
    assert "asked" in drawn and "sold" in drawn
    assert "reserved" not in drawn and "offer found" not in drawn


@pytest.mark.parametrize("world", ["calm", "incident"])
@pytest.mark.parametrize("size", [(20, 2), (36, 3), (40, 1), (76, 9), (116, 30), (196, 46)])
def test_it_fits_into_whatever_room_there_is(world: str, size: tuple[int, int]) -> None:
    width, height = size
    if width >= 60:  # a maximized pane has the whole terminal
        assert all(length(line) <= width for line in funnel.detail(value(world), space(width, height)).head)
    small = funnel.small(value(world), space(width, height))
    assert len(small.head) <= max(height, 2)
    assert all(length(line) <= max(width, 24) for line in small.head)
    assert length(funnel.brief(value(world), space(width, 1))) <= width
