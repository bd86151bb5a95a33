"""A console at a frozen moment, with the readings of a sample world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import sample_readings as sample
from controller import GUARDS
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.causes import ranking
from nexconsole.journal import OUTSIDE, Entries
from nexconsole.model import SourceHealth
from nexconsole.session.journal_parts import PartScan
from nexconsole.session.monitor import Explain
from nexconsole.settings import Settings

SIZES = ((80, 24), (120, 40), (200, 50))


def console(world: str, theme: str = "dark", drill: str | None = None, profile: str = "") -> NexConsole:
    """The console at a frozen moment; its readings come before the picture is taken."""
    settings = Settings(
        environment="production", name="nexnum-eu", operator="maria", theme=theme, motion="off", profile=profile
    )
    app = NexConsole(settings, None, clock=lambda: sample.NOW, monotonic=GUARDS, drill=drill)
    health: tuple[SourceHealth, ...] = sample.health(broken=world == "stale")
    if world == "unconfigured":
        health = tuple(SourceHealth(name=source.name, configured=False) for source in health)
    app.monitor.health = lambda: health
    explain_with = app.monitor.explain_with

    def by_the_test_alone(explain: Explain) -> None:
        """No picture depends on the rules, nor on when they were read: only what a test gives is taken."""
        if getattr(explain, "func", None) is not ranking.explain:
            explain_with(explain)

    app.monitor.explain_with = by_the_test_alone
    return app


def shown(world: str, *keys: str) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await pilot.pause()
        screen = pilot.app.console_screen
        for reading in sample.WORLDS[world]().values():
            screen.monitor.take(replace(reading, attempted_at=sample.NOW))
        screen.tick()
        await pilot.pause()
        if keys:
            await pilot.press(*keys)

    return run_before


def remember(session: Any, entries: list[Any]) -> None:
    """As if they had been read from the journal's file, whose place is not shown."""
    session.incident_store._take([PartScan(OUTSIDE, Entries(entries=tuple(entries)))], ())
    session._recorded()
    session.journal.file = Path("/shared/outside-incidents.jsonl")
