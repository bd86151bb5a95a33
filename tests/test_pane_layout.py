"""The lines of a screen go to what is wrong, from the smallest terminal to the largest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from controller import controller, settings, text_of
from hypothesis import given
from hypothesis import strategies as st

from nexconsole.panes import view
from nexconsole.screens.pane_layout import LEAST_PANE, MOST_PANE, PaneRow, row_heights
from nexconsole.widgets.panel import Panel

FIRST = PaneRow(base=None)


def test_a_calm_screen_is_as_the_style_sheet_says() -> None:
    assert row_heights([FIRST, PaneRow(base=8, wanted=12), PaneRow(base=6)], 37, 0, 13) == [8, 6]


def test_what_is_wrong_gets_the_lines_of_calm_rows_and_then_of_the_first() -> None:
    rows = [FIRST, PaneRow(base=8), PaneRow(base=7, wanted=14, urgency=2), PaneRow(base=6)]
    heights = row_heights(rows, 37, 0, 13)
    assert heights[1] == 14 and min(heights) >= LEAST_PANE


def test_a_line_becomes_a_framed_pane_only_where_something_can_stand_in_it() -> None:
    wrong = PaneRow(base=1, wanted=6, urgency=2)
    assert row_heights([FIRST, PaneRow(base=6), wrong], 21, 0, 7)[1] == 6
    assert row_heights([FIRST, wrong], 8, 0, 6) == [1]


def test_the_operation_bar_takes_its_lines_from_the_largest_rows() -> None:
    assert row_heights([FIRST, PaneRow(base=8), PaneRow(base=7)], 37, 3, 13) == [6, 6]


@given(
    st.lists(
        st.builds(PaneRow, base=st.integers(1, 20), wanted=st.integers(0, 60), urgency=st.integers(0, 2)), max_size=8
    ),
    st.integers(5, 120),
    st.integers(0, 8),
)
def test_no_row_vanishes_and_the_first_keeps_its_least(rows: list[PaneRow], total: int, taken: int) -> None:
    heights = row_heights([FIRST, *rows], total, taken, 7)
    assert len(heights) == len(rows) and all(height >= 1 for height in heights)
    before = sum(row_heights([FIRST, *(PaneRow(base=row.base) for row in rows)], total, taken, 7))
    if total - before >= 7:
        assert total - sum(heights) >= 7
    assert all(height <= max(MOST_PANE, row.base or 0) for height, row in zip(heights, rows, strict=True))


@pytest.mark.parametrize("size", [(20, 5), (30, 7), (47, 12)])
async def test_the_smallest_screens_say_the_level_first_and_show_what_is_wrong(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        await pilot.pause()
        lines = text_of(app).splitlines()
        assert lines[0].startswith(" SEV-1 "), lines
        panes = [line for line in lines[2:-1] if line.strip()]
        assert panes and all("▲" in line for line in panes[:2]), lines
        assert "transactions" in lines[2] or "%" in lines[2], lines


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (300, 80)])
async def test_rows_stay_as_they_are_while_the_same_is_wrong(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        console = app.console_screen
        await pilot.pause()
        before = [pane.size for pane in console.panes.values()]
        for _ in range(3):
            console.tick()
            await pilot.pause()
        assert [pane.size for pane in console.panes.values()] == before
        rows = sorted({pane.region.y for pane in console.panes.values()})
        assert rows[-1] < size[1] - 1


async def test_a_pane_that_is_wrong_is_measured_once_for_each_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    picture = view.picture

    def counted(face: view.SignalView, *args: Any, **options: Any) -> Panel:
        drawn.append(face.SIGNAL)
        return picture(face, *args, **options)

    async with controller(settings(tmp_path)) as (app, pilot):
        console = app.console_screen
        await pilot.pause()
        monkeypatch.setattr(view, "picture", counted)
        console.tick()
        assert sorted(drawn) == sorted(pane.face.SIGNAL for pane in console.panes.values() if pane.size.height >= 3)
        pane = console.panes["transactions"]
        wrong, lines = pane.reading, pane.full_height
        assert wrong is not None and wrong.value is not None
        drawn.clear()
        pane.reading = replace(wrong, value=replace(wrong.value, providers=wrong.value.providers * 3))
        assert pane.full_height > lines and pane.full_height and drawn == ["transactions"]


async def test_a_screen_that_becomes_small_looks_as_one_that_was(tmp_path: Path) -> None:
    """The rows that a larger screen had shared out do not stay."""
    small = (47, 12)
    async with controller(settings(tmp_path), size=small) as (app, pilot):
        await pilot.pause()
        before = {name: pane.size for name, pane in app.console_screen.panes.items() if pane.display}
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        await pilot.pause()
        app.console_screen.layout_of_panes.bar_lines = 2  # so that lines are shared out otherwise than by the sheet
        app.console_screen.tick()
        assert app.console_screen.query_one("#panes").styles.inline.has_rule("grid_rows")
        await pilot.resize_terminal(*small)
        app.console_screen.tick()
        await pilot.pause()
        panes = app.console_screen.panes
        assert {name: pane.size for name, pane in panes.items() if pane.display} == before
