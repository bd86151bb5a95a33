"""What is sent to the terminal adds up to the picture, and is little."""

from __future__ import annotations

import random
from dataclasses import replace

import pyte
import sample_readings as sample
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.settings import Settings

SIZE = (100, 30)


class Recorded(NexConsole):
    """Feeds a terminal emulator with every update, as the driver would feed a terminal."""

    def __init__(self) -> None:
        super().__init__(Settings(name="nexnum-eu"), None, clock=lambda: sample.NOW)
        self.terminal = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.terminal)
        self.sent = 0

    def _display(self, screen, renderable) -> None:
        super()._display(screen, renderable)
        if screen is self.screen and renderable is not None and hasattr(renderable, "render_segments"):
            text = renderable.render_segments(self.console)
            self.sent += len(text.encode())
            self.stream.feed(text)


def same(app: Recorded) -> bool:
    wanted = [strip.text for strip in app.screen._compositor.render_strips()]
    return [line.rstrip() for line in app.terminal.display] == [line.rstrip() for line in wanted]


async def settle(pilot: Pilot) -> None:
    await pilot.pause()
    await pilot.pause()


async def test_the_updates_of_a_changing_picture_add_up_to_it() -> None:
    random_numbers = random.Random(7)
    app = Recorded()
    names = ("5sim", "界界 wide", "smsbower", "e\u0301te\u0301", "🔥 fire")
    async with app.run_test(size=SIZE) as pilot:
        for world in ("calm", "incident", "stale", "unconfigured", "incident"):
            for name, reading in sample.WORLDS[world]().items():
                app.console_screen.show(reading)
                if name == "circuits" and reading.value:
                    for _ in range(12):
                        providers = list(reading.value.providers)
                        random_numbers.shuffle(providers)
                        renamed = tuple(
                            replace(p, name=random_numbers.choice(names) + str(n)) for n, p in enumerate(providers)
                        )
                        app.console_screen.show(replace(reading, value=replace(reading.value, providers=renamed)))
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
            app.console_screen.show(reading)
        await settle(pilot)
        reading = sample.calm()["transactions"]
        app.sent = 0
        app.console_screen.show(replace(reading, value=replace(reading.value, attempts=413)))
        await settle(pilot)
        assert same(app)
        assert 0 < app.sent < 60
