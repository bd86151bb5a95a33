"""What tests of acting on screen share: the console on a real database, with readings of our own making."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sample_readings as sample
from quick_textual import nothing_left_to_run, standing, strips
from textual import events
from textual.app import App
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.journal import Entry, journal_files, merge, read_incident
from nexconsole.model import Reading
from nexconsole.screens.typed_confirmation import TYPING_S
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings
from nexconsole.sources import Sources
from nexconsole.widgets import key_guard
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.spans import as_text


class GuardClock:
    """The seconds by which dialogs judge keys: real ones, unless they are held still or skipped."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._held: float | None = None

    def __call__(self) -> float:
        return (time.monotonic() if self._held is None else self._held) + self._ahead

    def skip(self, seconds: float) -> None:
        self._ahead += seconds

    @contextmanager
    def still(self) -> Iterator[None]:
        self._held = time.monotonic()
        try:
            yield
        finally:
            self._held = None


GUARDS = GuardClock()


def settings(folder: Path, **tables: Mapping[str, Any]) -> Settings:
    document: dict[str, Any] = {"name": "nexnum-eu", "operator": "maria", "journal": {"folder": str(folder)}}
    for name, table in tables.items():
        document[name] = {**document.get(name, {}), **table} if isinstance(table, Mapping) else table
    document["actions"] = {"timeout_s": 3.0, "provider_cache_s": 1.0, "verify_s": 0.5} | document.get("actions", {})
    return msgspec.convert(document, Settings)


def fresh(readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """The same readings, taken now; the database's role is one that may write."""
    now = datetime.now(UTC)
    out = {name: replace(one, taken_at=now, attempted_at=now) for name, one in readings.items()}
    if "database" in out and out["database"].value is not None:
        out["database"] = replace(out["database"], value=replace(out["database"].value, read_only_role=False))
    return out


def seeing(readings: Mapping[str, Reading]) -> Monitor:
    """What a session without a screen has read."""
    return Monitor(Settings(), readings=readings)


@asynccontextmanager
async def controller(
    chosen: Settings,
    sources: Sources | None = None,
    *,
    world: str | None = "incident",
    size: tuple[int, int] = (120, 40),
    follow: bool = True,
    drill: str | None = None,
) -> AsyncIterator[tuple[NexConsole, Pilot]]:
    """The console with these readings; its sources are for acting only, nothing is polled."""
    app = NexConsole(chosen, None, monotonic=GUARDS, drill=drill)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()  # it has begun without sources, so that nothing is polled
        app.sources = sources
        with app.batch_update():
            for reading in fresh(sample.WORLDS[world]()).values() if world else ():
                app.monitor.take(reading)
        if follow:
            app.controller.session.start()
        await app.controller.scenarios.load_library()
        app.controller.tick()
        app.console_screen.tick()
        await pilot.pause()
        yield app, pilot
        app.sources = None


async def until(holds: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait for a condition and return what it gave. Only the seconds count that were to be slept: on a busy machine
    each is a longer one."""
    slept = 0.0
    while True:
        began = time.thread_time()
        if found := holds():
            return found
        assert slept < seconds, "it did not come about in time"
        pause = max(0.02, 5 * (time.thread_time() - began))  # asking takes no more than a sixth of a CPU
        await asyncio.sleep(pause)
        slept += pause


async def until_done_by(act: Callable[[], Any], holds: Callable[[], Any], every: float = 6.0) -> Any:
    """Act, and act again while it has no effect: a busy console may not show yet what takes the key."""
    deadline = time.monotonic() + 90.0
    while True:
        if asyncio.iscoroutine(acting := act()):
            await acting
        try:
            return await until(holds, every)
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def text_of(app: NexConsole) -> str:
    """What is on the terminal, top to bottom, with what lies beneath a dialog."""
    return "\n".join(strip.text for strip in strips(app))


def strip_of(app: NexConsole) -> str:
    """What stands above the keys."""
    found = app.console_screen.query("#operations")
    return as_text(found.first(LineCanvas).lines) if found else ""


def entries(folder: Path) -> tuple[Entry, ...]:
    return merge(*(read_incident(file).entries for file in journal_files(folder)))


def kinds(folder: Path) -> list[str]:
    return [entry.kind for entry in entries(folder)]


async def hold(app: NexConsole, key: str, seconds: float) -> None:
    """The key held down: pressed 30 times a second, without waiting for what it does."""
    for _ in range(int(seconds * 30)):
        app.post_message(events.Key(key, key if len(key) == 1 else None))
        await asyncio.sleep(1 / 30)


def burst(app: NexConsole, *keys: str) -> None:
    """The keys as the driver hands them over when the terminal gave them all at once."""
    pressed = [events.Key(key, {"enter": "\r"}.get(key, key if len(key) == 1 else None)) for key in keys]
    key_guard.Bursts().stamp(pressed)
    for one in pressed:
        app.post_message(one)


async def quiet(app: App[Any], seconds: float = key_guard.OPENING_S) -> None:
    """Longer than the dialog that has opened discards keys."""
    await nothing_left_to_run()
    await standing(app)
    GUARDS.skip(seconds + 0.05)


async def typed(pilot: Pilot, text: str) -> None:
    """The text typed by a person, who is not as fast as what is pasted."""
    for character in text:
        await pilot.press(character if character != " " else "space")
        await asyncio.sleep(TYPING_S + 0.01)
