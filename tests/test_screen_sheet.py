"""The sheet, the report and the status line by key."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller import controller, settings, text_of, until

from nexconsole import paths
from nexconsole.journal import open_journal
from nexconsole.screens.sheet import SheetScreen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_a_command_is_copied_whole_and_as_it_is_typed(tmp_path: Path, size) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        await pilot.press("B")
        await until(lambda: isinstance(app.screen, SheetScreen))
        await until(lambda: "BREAK-GLASS SHEET" in text_of(app))
        while "disable smsbower" not in app.screen._rows[app.screen._at].text:
            await pilot.press("tab")
        await pilot.pause()
        assert "0000-smsbower" in text_of(app) and "…" not in text_of(app).partition("Break-glass")[2]
        await pilot.press("c")
        assert app.clipboard.startswith("psql") and "0000-smsbower" in app.clipboard
        assert "# disable" not in app.clipboard
        await pilot.press("home", "c")
        assert app.clipboard.startswith("BREAK-GLASS SHEET") and "EVAL" in app.clipboard
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


async def test_it_opens_where_nothing_was_ever_read_and_at_any_size(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), world=None, size=(40, 10)) as (app, pilot):
        await pilot.press("B")
        await until(lambda: isinstance(app.screen, SheetScreen))
        await pilot.press("end", "pageup", "shift+tab", "r", "G", "k")
        await pilot.pause()
        assert "LOCK_KEY" in app.screen.command


async def test_e_writes_the_report_and_says_where(tmp_path: Path) -> None:
    open_journal(settings(tmp_path), "bob").append("note", {"text": "they answer"})
    async with controller(settings(tmp_path)) as (app, pilot):
        await until(lambda: app.controller.session.entries)
        await pilot.press("e")
        file = paths.state_folder() / "reports" / "outside-incidents.md"
        await until(file.exists)
        await until(lambda: "report written: " in text_of(app))
        assert "they answer" in file.read_text()
        assert file.with_suffix(".html").read_text().startswith("<!doctype html>")


async def test_e_says_why_the_report_cannot_be_written(tmp_path: Path) -> None:
    paths.state_folder().mkdir(parents=True)
    (paths.state_folder() / "reports").write_text("")
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("e")
        await until(lambda: "the report was not written: " in text_of(app))


async def test_y_copies_the_state_in_one_line_with_the_figures_of_now(tmp_path: Path) -> None:
    journal = open_journal(settings(tmp_path), "bob")
    journal.append("severity", {"level": "SEV-1", "because": ["31 % of purchases fail"]})
    journal.append("figures", {"figures": {"failure_rate": 0.31}})
    async with controller(settings(tmp_path)) as (app, pilot):
        await until(lambda: len(app.controller.session.entries) == 2)
        await pilot.press("y")
        assert app.clipboard.startswith("SEV-1 ")
        assert "failure rate 31 % -> 17.8 %" in app.clipboard
        await until(lambda: "failure rate 31 % -> 17.8 %" in text_of(app) and "copied to" in text_of(app))
        await pilot.press("y")
        await until(lambda: app.screen is app.console_screen)
