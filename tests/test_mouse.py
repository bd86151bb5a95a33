"""The mouse: clicks on shown keys, the wheel wherever something scrolls, and nothing in a confirmation but Cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from controller import controller, quiet, settings, text_of, until
from sample_plans import plan
from textual import events
from textual.app import App
from textual.pilot import Pilot

from nexconsole.model import utc_now
from nexconsole.screens.confirm import CANCELLED, ConfirmScreen
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.key_help import KeyHelp
from nexconsole.screens.palette import Palette
from nexconsole.widgets.banner import key_at, key_line
from nexconsole.widgets.driver import NonBlockingDriver
from nexconsole.widgets.spans import as_text


def test_a_cell_of_a_line_of_keys_belongs_to_its_key_or_to_none() -> None:
    line = (*key_line([("ctrl+p", "commands"), ("s", "scenario"), ("q", "quit")], 60), (" DRILL ", "tape"))
    text = as_text((line,))
    named = {word: key_at(line, text.index(word)) for word in ("^P", "commands", "s scenario", "scenario", "quit")}
    assert named == {"^P": "^P", "commands": "^P", "s scenario": "s", "scenario": "s", "quit": "q"}
    assert key_at(line, 0) == "" and key_at(line, 62) == "" and key_at(line, 500) == ""
    assert key_at((("a notice that says q", "note"),), 18) == ""


async def click_word(app: App[None], pilot: Pilot[None], canvas: str, word: str) -> None:
    text = as_text(app.screen.query_one(canvas).lines)
    await pilot.click(canvas, offset=(text.index(word), 0))


async def test_a_click_on_a_key_of_the_strip_does_what_the_key_does(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(160, 40)) as (app, pilot):
        await click_word(app, pilot, "#keys", "freeze")
        await until(lambda: app.console_screen.frozen_at is not None)
        await click_word(app, pilot, "#keys", "pane")  # ten keys in one: none of them
        await click_word(app, pilot, "#keys", "journal")
        await until(lambda: isinstance(app.screen, JournalScreen) and "esc back" in text_of(app))
        await click_word(app, pilot, "#journal-keys", "back")
        await until(lambda: app.screen is app.console_screen)
        await click_word(app, pilot, "#keys", "keys")
        await until(lambda: isinstance(app.screen, KeyHelp))


async def wheel(pilot: Pilot[None], canvas: str, kind: type[events.MouseEvent]) -> None:
    await pilot._post_mouse_events([kind], widget=canvas, button=0)


@pytest.mark.parametrize("place", ["palette", "help", "journal"])
async def test_the_wheel_scrolls_wherever_a_list_does(tmp_path: Path, place: str) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        await app.controller.session.open_incident("purchases fail", "SEV-1")
        for n in range(40):
            await app.controller.session.note(f"note {n}")
        key, kind, canvas, up = {
            "palette": ("ctrl+p", Palette, "#found", False),
            "help": ("question_mark", KeyHelp, "#list", False),
            "journal": ("J", JournalScreen, "#entries", True),
        }[place]
        await pilot.press(key)
        screen: Any = await until(lambda: app.screen if isinstance(app.screen, kind) else None)
        await until(lambda: any(screen.query_one(canvas).lines))

        def at() -> int:
            return int(screen._index if place == "journal" else screen._at)

        before = at()
        there, back = events.MouseScrollDown, events.MouseScrollUp
        await wheel(pilot, canvas, back if up else there)
        await until(lambda: abs(at() - before) == 3)
        await wheel(pilot, canvas, there if up else back)
        await until(lambda: at() == before)


async def test_no_click_confirms_an_action_wherever_it_lands(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        answers: list[Any] = []
        screen = ConfirmScreen(plan(), None, app.settings, utc_now)
        app.push_screen(screen, answers.append)
        await quiet(app)
        await until(lambda: screen.query_one("#cancel").size.width)
        for y in range(24):
            for x in range(0, 80, 7):
                if app.screen is screen:
                    await pilot.click(offset=(x, y))
        await pilot.pause()
        assert set(map(repr, answers)) <= {repr(CANCELLED)}


def test_the_terminal_is_asked_for_clicks_and_the_wheel_but_not_for_moves() -> None:
    assert NonBlockingDriver.mouse == "\x1b[?1000h\x1b[?1006h"  # 1002 and 1003 would report every move
