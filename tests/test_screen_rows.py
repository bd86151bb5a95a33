"""Rows have verbs: the menu over a row, its page, its log, the filter and the order of a pane's rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from controller import burst, controller, quiet, settings, text_of, until
from textual import events

from nexconsole.app import NexConsole
from nexconsole.catalogue import Subject
from nexconsole.panes.arrangement import Arrangement
from nexconsole.screens.filter_prompt import FilterPrompt
from nexconsole.screens.palette import Palette
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.row_menu import RowMenu
from nexconsole.screens.subject_page import SubjectScreen
from nexconsole.sources import open_sources


@asynccontextmanager
async def console(
    folder: Path, world: str = "incident", **tables: Any
) -> AsyncIterator[tuple[NexConsole, Any, list[tuple[str, dict[str, str]]]]]:
    """The console on systems that are configured and never asked, and what is begun on it."""
    chosen = settings(
        folder,
        postgres={"url": "postgresql://u:p@127.0.0.1:1/nexnum"},
        redis={"url": "redis://127.0.0.1:1"},
        kubernetes={"kubeconfig": "/nowhere"},
        api={"url": "http://127.0.0.1:1"},
        prometheus={"url": "http://127.0.0.1:1"},
        **tables,
    )
    begun: list[tuple[str, dict[str, str]]] = []
    async with controller(chosen, open_sources(chosen), world=world) as (app, pilot):
        app.sources = None  # nothing is polled for a pane either
        app.controller.actions.act = lambda action, arguments, **more: begun.append((action, dict(arguments)))
        yield app, pilot, begun


async def menu(app: NexConsole, pilot: Any, *keys: str) -> RowMenu:
    await pilot.press(*keys)
    await pilot.pause()
    await pilot.press("space")
    await until(lambda: isinstance(app.screen, RowMenu) and app.screen._seen is not None)
    return app.screen


def at(app: NexConsole) -> Subject | None:
    return app.console_screen.subject


def letter(shown: RowMenu, action: str) -> str:
    return next(line.letter for line in shown.choices if line.command.name == action)


def take(app: NexConsole, signal: str, value: Any) -> None:
    now = datetime.now(UTC)
    reading = replace(sample.reading(signal, value), taken_at=now, attempted_at=now)
    app.monitor.take(reading)


@pytest.mark.parametrize(
    ("keys", "kind", "action", "given"),
    [
        (("2",), "provider", "provider.disable", {"provider": "smsbower"}),
        (("9",), "provider", "provider.disable", None),
        (("5",), "session", "backend.terminate", None),
        (("6",), "pod", "pods.restart", None),
        (("3",), "event", "outbox.retry", None),
        (("4",), "reservation", "reconcile.run", {}),
        (("7",), "alert", "alert.silence", {"alert": "ProviderApiErrors"}),
        (("4", "end"), "lock", "locks.flush", None),
    ],
)
async def test_a_number_and_two_keys_begin_an_action_on_the_worst_row(
    tmp_path: Path, keys: tuple[str, ...], kind: str, action: str, given: dict[str, str] | None
) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        now = datetime.now(UTC)
        app.monitor.take(replace(sample.events(), taken_at=now, attempted_at=now))
        take(app, "locks", sample.locks(3))
        shown = await menu(app, pilot, *keys)
        assert shown.subject.kind == kind
        line = next(line for line in shown.choices if line.command.name == action)
        if line.command.why_not:
            assert action in ("alert.silence", "pods.restart")  # what has no server here
            assert f"○ {line.command.title}" in text_of(app)
            await pilot.press(line.letter)
            await until(lambda: f"not now: {line.command.why_not}"[:40] in text_of(app))
            assert begun == []
            return
        await pilot.press(line.letter)
        await until(lambda: begun)
        [(name, arguments)] = begun
        assert name == action and set(arguments.values()) <= set(shown.subject.arguments.values())
        assert given is None or arguments == given
        assert app.screen is app.console_screen


async def test_the_palette_has_the_rows_verbs_first_with_its_name(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        await pilot.press("2", "ctrl+p")
        await until(lambda: isinstance(app.screen, Palette))
        first = app.screen.found[0]
        assert first.title.startswith("smsbower: ") and first.name == "provider.disable"
        same = [command for command in app.screen.found if command.title == first.title.removeprefix("smsbower: ")]
        assert same == []
        await until(lambda: app.screen._seen is not None)
        await pilot.press("enter")
        await until(lambda: begun)
        assert begun == [("provider.disable", {"provider": "smsbower"})]


async def test_enter_opens_the_page_of_the_row_and_space_there_has_its_verbs(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        await pilot.press("2", "enter")
        await until(lambda: isinstance(app.screen, SubjectScreen))
        assert app.screen.subject.id == "smsbower"
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)
        assert app.console_screen.maximized_pane is not None
        await pilot.press("escape")
        assert app.console_screen.maximized_pane is None


async def test_what_is_required_besides_the_row_is_asked_for(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        shown = await menu(app, pilot, "2")
        await pilot.press(letter(shown, "slots.restore"))
        await until(lambda: isinstance(app.screen, Prompt))
        await until(lambda: "slots.restore smsbower UNTIL" in text_of(app))
        await quiet(app)
        await pilot.press(*"1769", "enter")
        await until(lambda: begun)
        assert begun == [("slots.restore", {"provider": "smsbower", "until": "1769"})]


async def test_the_menu_stays_with_its_subject_when_rows_move_and_says_when_it_is_gone(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        shown = await menu(app, pilot, "2")
        value = app.monitor.readings["circuits"].value
        take(app, "circuits", replace(value, providers=tuple(reversed(value.providers))))
        await pilot.pause()
        assert shown.subject.id == "smsbower" and "no longer listed" not in text_of(app)
        others = tuple(provider for provider in value.providers if provider.name != "smsbower")
        take(app, "circuits", replace(value, providers=others))
        await until(lambda: "no longer listed" in text_of(app))
        await pilot.press(letter(shown, "provider.disable"))
        await until(lambda: begun)
        assert begun == [("provider.disable", {"provider": "smsbower"})]


async def test_keys_of_a_burst_begin_nothing(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        await pilot.press("2")
        burst(app, "space", "d", "enter")
        await until(lambda: "came together with other keys" in text_of(app))
        await pilot.pause()
        assert app.screen is app.console_screen and begun == []


async def test_a_letter_from_before_the_menu_was_seen_is_discarded(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        shown = await menu(app, pilot, "2")
        shown._seen = None  # as before it is drawn
        shown.on_key(events.Key("d", "d"))
        shown.on_key(events.Key("enter", "\r"))
        assert app.screen is shown and begun == []
        shown._stands(0)
        await pilot.press("d")
        await until(lambda: begun)


async def test_a_console_that_only_observes_says_once_why_and_still_opens_the_page(tmp_path: Path) -> None:
    async with console(tmp_path, actions={"observe": True}) as (app, pilot, begun):
        shown = await menu(app, pilot, "2")
        assert [line.letter for line in shown.choices] == ["o"]
        assert text_of(app).count("only observes") == 1
        await pilot.press("d")
        await pilot.pause()
        assert app.screen is shown and begun == []
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, SubjectScreen))


async def test_headings_are_no_rows_for_the_cursor(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        take(app, "locks", sample.locks(3))
        await pilot.press("4")
        seen = []
        for _ in range(12):
            subject = at(app)
            assert subject is not None
            seen.append(subject.kind)
            await pilot.press("j")
        assert set(seen) == {"reservation", "lock"} and seen == sorted(seen, reverse=True)


async def test_a_click_moves_the_cursor_and_a_second_one_opens_the_page(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        await pilot.press("9")
        await pilot.pause()
        first = at(app)
        x, y = app.console_screen.maximized_pane.cursor_at
        await pilot.click(offset=(x + 5, y + 2))
        await pilot.pause()
        second = at(app)
        assert second is not None and second != first and app.screen is app.console_screen
        await pilot.click(offset=(x + 5, y + 2))
        await until(lambda: isinstance(app.screen, SubjectScreen))
        assert app.screen.subject == second


async def test_a_filter_follows_what_is_typed_and_says_so_until_it_is_cleared(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        await pilot.press("9", "slash")
        await until(lambda: isinstance(app.screen, FilterPrompt))
        await pilot.press(*"sim")
        await until(lambda: "2 of 5, filter: sim" in text_of(app))
        await pilot.press("enter")
        await until(lambda: app.screen is app.console_screen)
        assert "2 of 5, filter: sim" in text_of(app) and "  smsbower  " not in text_of(app)
        assert app.console_screen.subject is not None and "sim" in app.console_screen.subject.id
        await pilot.press("escape")
        await pilot.pause()
        assert app.console_screen.maximized_pane is not None and "filter:" not in text_of(app)
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, FilterPrompt))
        await pilot.press(*"nobody")
        await until(lambda: "0 of 5, filter: nobody" in text_of(app))
        assert at(app) is None
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen and "filter:" not in text_of(app))


async def test_rows_are_sorted_by_the_columns_and_the_frame_says_by_which(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        await pilot.press("9")
        names = lambda: [app.console_screen.maximized_pane._rows.subject(n).id for n in range(5)]  # noqa: E731
        default = names()
        await pilot.press(*[">"] * 4)
        await until(lambda: ", by name" in text_of(app) or "  by name" in text_of(app))
        assert names() == sorted(default)
        await pilot.press(">")
        await until(lambda: "by name, reversed" in text_of(app))
        assert names() == sorted(default, reverse=True)
        await pilot.press("9", "9")
        await pilot.pause()
        assert names() == default and "by name" not in text_of(app)


def test_the_orders_are_a_ring() -> None:
    wish, seen = Arrangement(), []
    for _ in range(5):
        wish = wish.turned(1, 2)
        seen.append(wish.column(2))
    assert seen == [(0, False), (1, False), (1, True), (0, True), None]
    assert Arrangement().turned(-1, 2).column(2) == (0, True)


async def test_the_strip_of_keys_tells_what_works_on_the_row(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        await pilot.press("tab")
        await pilot.pause()
        assert "space actions" not in text_of(app)
        await pilot.press("j")
        await until(lambda: "space actions" in text_of(app) and "/ filter" in text_of(app))
        await pilot.press("question_mark")
        await until(lambda: "What can be done to the row" in text_of(app))


@pytest.mark.parametrize("key", ["down", "up", "j", "space", "enter"])
async def test_without_a_focus_the_first_key_goes_to_the_rows_of_what_is_wrong(tmp_path: Path, key: str) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        assert app.focused is None
        await pilot.press(key)
        await until(lambda: at(app) is not None)
        assert app.focused is app.console_screen.panes["transactions"]
        assert app.console_screen.maximized_pane is None and app.screen is app.console_screen and not begun
        await pilot.press("space")
        await until(lambda: isinstance(app.screen, RowMenu))


async def test_space_goes_to_the_first_row_of_the_pane_that_has_the_focus(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, begun):
        await pilot.press("tab", "tab")
        await pilot.pause()
        assert app.focused is app.console_screen.panes["circuits"] and at(app) is None
        await pilot.press("space")
        await until(lambda: at(app) is not None)
        assert app.focused is app.console_screen.panes["circuits"] and app.screen is app.console_screen and not begun


async def test_a_pane_without_the_focus_shows_its_worst_rows_again(tmp_path: Path) -> None:
    async with console(tmp_path) as (app, pilot, _):
        pane = app.console_screen.panes["transactions"]
        await pilot.press("down", "end")
        await until(lambda: pane._top > 0)
        last = pane.subject
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is None and pane._top == 0
        await pilot.press("tab")
        await pilot.pause()
        assert pane.subject == last and pane._top > 0  # the cursor is where it was
