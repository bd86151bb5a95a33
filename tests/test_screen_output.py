"""What is sent to the terminal adds up to the picture, and is little."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyte
import pytest
import sample_readings as sample
from controller import controller, settings, until
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.settings import Settings
from nexconsole.widgets import textual_themes as themes
from nexconsole.widgets.compositor import SentFrame, owes
from nexconsole.widgets.textual_private import CompositorUpdate

SIZE = (100, 30)
pytestmark = pytest.mark.usefixtures("every_frame")


class Recorded(NexConsole):
    """Feeds a terminal emulator with every update, as the driver would feed a terminal."""

    def __init__(self) -> None:
        self.now = sample.NOW
        super().__init__(Settings(name="nexnum-eu"), None, clock=lambda: self.now)
        self.terminal = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.terminal)
        self.written = 0  # bytes
        self._difference, self.sent.difference = self.sent.difference, self._recorded

    def _recorded(self, update, console) -> str:
        sequences = self._difference(update, console)
        self.written += len(sequences.encode())
        self.stream.feed(sequences)
        return sequences


def shown(terminal: pyte.Screen) -> list[list[tuple]]:
    """Every cell with its colours; of a blank only the background."""
    rows = ([terminal.buffer[y][x] for x in range(SIZE[0])] for y in range(SIZE[1]))
    return [
        [(one.data, one.bg, *(() if one.data == " " else (one.fg, one.bold, one.underscore))) for one in row]
        for row in rows
    ]


def same(app: Recorded) -> bool:
    """Whether the terminal shows what it would if everything had been drawn on an empty one."""
    empty = pyte.Screen(*SIZE)
    pyte.Stream(empty).feed(SentFrame().difference(app.whole_update(), app.console))
    wanted = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    assert [line.rstrip() for line in empty.display] == wanted
    return shown(app.terminal) == shown(empty)


async def settle(pilot: Pilot) -> None:
    await pilot.pause()
    await pilot.pause()


async def test_the_updates_of_a_changing_picture_add_up_to_it() -> None:
    random_numbers = random.Random(7)
    app = Recorded()
    names = ("5sim", "界界 wide", "smsbower", "e\u0301te\u0301", "🔥 fire")
    async with app.run_test(size=SIZE) as pilot:
        for world in ("calm", "incident", "stale", "unconfigured"):
            for name, reading in sample.WORLDS[world]().items():
                app.monitor.take(reading)
                if name == "circuits" and reading.value:
                    for _ in range(8):
                        providers = list(reading.value.providers)
                        random_numbers.shuffle(providers)
                        renamed = tuple(
                            replace(p, name=random_numbers.choice(names) + str(n)) for n, p in enumerate(providers)
                        )
                        app.monitor.take(replace(reading, value=replace(reading.value, providers=renamed)))
                        await pilot.pause()
            await settle(pilot)
            assert same(app)
            for keys in (("2", "j", "j"), ("escape",), ("tab",), ("question_mark",), ("escape",), ("p",), ("p",)):
                await pilot.press(*keys)
                await settle(pilot)
                assert same(app), keys


async def test_a_changed_figure_costs_bytes_of_its_own_and_no_others() -> None:
    app = Recorded()
    async with app.run_test(size=SIZE) as pilot:
        for reading in sample.calm().values():
            app.monitor.take(reading)
        await settle(pilot)
        reading = sample.calm()["transactions"]
        app.written = 0
        app.monitor.take(replace(reading, value=replace(reading.value, attempts=413)))
        await settle(pilot)
        assert same(app)
        assert 0 < app.written < 60


async def ticks(app: Recorded, pilot: Pilot, many: int = 12) -> int:
    """Bytes of so many seconds with new readings in them."""
    begun = app.written
    for n in range(many):
        app.now += timedelta(seconds=1)
        for name, reading in sample.calm().items():
            value = replace(reading.value, attempts=400 + n) if name == "transactions" else reading.value
            app.monitor.take(replace(reading, value=value, taken_at=app.now, attempted_at=app.now))
        app.console_screen.tick()
        await settle(pilot)
    return app.written - begun


async def test_below_an_open_screen_no_more_is_drawn_than_at_rest() -> None:
    app = Recorded()
    async with app.run_test(size=SIZE) as pilot:
        await ticks(app, pilot, 2)
        rest = await ticks(app, pilot)
        assert 0 < rest < 12 * 400
        for key in ("question_mark", "ctrl+p", "J", "n", "B", "y", "l", "s", "i"):
            below = app.screen
            await pilot.press(key)
            await pilot.pause(0.2)
            await settle(pilot)
            assert app.screen is not below or key in "ls", key
            await ticks(app, pilot, 2)
            assert await ticks(app, pilot) <= 1.3 * rest, key
            assert same(app), key
            while app.screen is not below:
                await pilot.press("escape")
                await settle(pilot)


async def test_a_screen_is_sent_once_and_whole_when_it_opens_and_when_it_closes() -> None:
    app = Recorded()
    async with app.run_test(size=SIZE) as pilot:
        await ticks(app, pilot, 2)
        for key in ("question_mark", "escape", "J", "escape", "B", "escape", "1", "1", "2", "2"):
            begun = app.written
            await pilot.press(key)
            await pilot.pause(0.3)
            assert 0 < app.written - begun < 7_000, key
            assert same(app), key


async def test_a_terminal_that_was_resized_or_fell_behind_is_sent_everything() -> None:
    app = Recorded()
    async with app.run_test(size=SIZE) as pilot:
        await ticks(app, pilot, 2)
        app.terminal.reset()
        app.sent.forget()
        app.screen.refresh()
        await settle(pilot)
        await pilot.pause(0.1)
        assert same(app)


@pytest.mark.parametrize("theme", [theme.name for theme in themes.THEMES])
async def test_another_theme_changes_every_colour(theme: str) -> None:
    app = Recorded()
    async with app.run_test(size=SIZE) as pilot:
        await ticks(app, pilot, 2)
        app.theme = theme
        await pilot.pause(0.2)
        assert same(app)


async def test_a_picture_that_waits_for_the_lines_of_many_panes_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []
    whole_update = NexConsole.whole_update

    def counted(app: NexConsole) -> CompositorUpdate:
        made.append(owes(app.screen))
        return whole_update(app)

    async with controller(settings(tmp_path)) as (app, pilot):
        await settle(pilot)
        monkeypatch.setattr(NexConsole, "whole_update", counted)
        app.console_screen.styles.padding = (0, 1)  # every pane has another size, and owes its lines
        await until(lambda: made and not owes(app.screen))
        await settle(pilot)
        assert made == [False]
