"""The parts that pictures are made of: cells, words, figures, charts, inks."""

from __future__ import annotations

import pytest
from controller import until
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from nexconsole.widgets import big_digits, charts
from nexconsole.widgets import textual_themes as themes
from nexconsole.widgets.canvas import LineCanvas, _changes
from nexconsole.widgets.spans import cut, cut_front, fit, phrases, plain, spread, wrapped


def width(line) -> int:
    return sum(cell_len(text) for text, _ in line)


@given(st.lists(st.tuples(st.text(max_size=30), st.just("text")), max_size=6), st.integers(0, 40))
def test_any_line_can_be_fitted_to_any_width(runs: list, room: int) -> None:
    line = fit(tuple(runs), room)
    assert width(line) == room
    assert all(text.isprintable() for text, _ in line)


@given(st.text(max_size=60), st.integers(0, 30))
def test_a_cut_text_is_never_wider_than_asked(text: str, room: int) -> None:
    assert cell_len(cut(plain(text), room)) <= room
    assert cell_len(cut_front(plain(text), room)) <= room
    assert all(cell_len(line) <= max(room, 0) for line in wrapped(text, room, 3))


def test_a_wide_character_is_never_cut_in_half() -> None:
    assert fit((("ab界", "text"),), 3) == (("ab…", "text"),)
    assert _changes((("a界b", "text"),), (("a界c", "text"),), 4) == [(3, 4)]
    assert _changes((("a界b", "text"),), (("a--b", "text"),), 4) == [(1, 3)]


def test_only_cells_that_changed_are_repainted() -> None:
    before, after = (("x" * 50, "text"),), (("x" * 10 + "y" + "x" * 38 + "z", "text"),)
    assert _changes(before, after, 50) == [(10, 11), (49, 50)]
    assert _changes(before, (("x" * 50, "warn"),), 50) == [(0, 50)]
    assert _changes(before, before, 50) == []


def test_phrases_keep_the_first_and_skip_what_does_not_fit() -> None:
    parts = [("OPEN 2/3 pods", "warn"), ("a very long remark on it", "text"), ("12 s left", "text")]
    assert "".join(text for text, _ in phrases(parts, 25)) == "OPEN 2/3 pods, 12 s left"


def test_left_and_right_share_a_line() -> None:
    assert "".join(t for t, _ in spread((("left side", "text"),), (("right", "text"),), 12)) == "left … right"


def test_the_trend_leaves_a_gap_where_nothing_was_measured_and_a_base_where_it_was_zero() -> None:
    lines = charts.trend([None, 0.0, 0.03, 0.07, 0.15], 4, ((0.05, "warn"), (0.10, "alarm")))
    bottom = [(glyph, ink) for text, ink in lines[-1] for glyph in text]
    assert bottom[0] == (" ", "frame") and bottom[1] == ("▁", "frame")
    assert [ink for _, ink in bottom[2:5]] == ["chart", "warn", "alarm"]
    text = ["".join(t for t, _ in line) for line in lines]
    assert "10 %" in text[1] and "5 %" in text[2] and "┄" in text[1]
    assert {len(line) for line in text} == {5 + charts.AXIS}


def test_columns_hold_a_point_until_the_next_and_show_the_worst() -> None:
    points = [(600.0 + 60 * n, 0.01 * n) for n in range(10)]
    values = charts.columns(points, 600.0, 20)
    assert len(values) == 20 and values[-1] == pytest.approx(0.09)
    assert values[-2] == values[-3] == pytest.approx(0.08)
    squeezed = charts.columns(points, 600.0, 5)
    assert squeezed[-2] == pytest.approx(0.08) or squeezed[-2] == pytest.approx(0.07)
    assert charts.columns([], 600.0, 5) == [None] * 5
    gap = charts.columns([(0.0, 0.1), (60.0, 0.1), (120.0, 0.1), (540.0, 0.1)], 600.0, 10)
    assert None in gap


def test_big_figures_are_three_lines_of_one_width() -> None:
    for text in ("0", "17.8", "10000+", "-", "100 %"):
        rows = big_digits.figure(text, "text")
        assert {width(row) for row in rows} == {big_digits.width(text)}
        assert len(rows) == big_digits.HEIGHT


def test_a_figure_that_does_not_fit_is_a_plain_one() -> None:
    assert big_digits.beside("17.8", "alarm", ((("x", "text"),),), 20, "%")[0][0] == ("17.8 %  ", "alarm")


async def test_lines_that_were_cut_to_a_new_width_are_drawn_whole_again() -> None:
    """A terminal made narrower: what is shown of the old lines has an ellipsis that the new ones don't have."""

    class Small(App[None]):
        def get_theme_variable_defaults(self) -> dict[str, str]:
            return themes.DEFAULTS

        def compose(self) -> ComposeResult:
            yield LineCanvas(id="lines")

    def shown() -> str:
        return "".join(segment.text for segment in app.screen._compositor.render_strips()[0])

    app = Small()
    async with app.run_test(size=(30, 3)) as pilot:
        lines = app.query_one(LineCanvas)
        lines.show_lines((fit((("short", "text"),), 30),))
        await pilot.pause()
        await pilot.resize_terminal(20, 3)
        await until(lambda: shown() == "short" + " " * 14 + "…")
        lines.show_lines((fit((("short", "text"),), 20),))
        await pilot.pause()
        assert shown() == "short" + " " * 15
