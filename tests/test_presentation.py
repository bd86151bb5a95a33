"""The shared screen: what it says, in which sizes, and what it must not show."""

from __future__ import annotations

import pytest
import sample_readings as sample
from test_snapshots import console, shown
from test_snapshots_acting import story

from nexconsole.journal import OUTSIDE

SIZES = ((80, 24), (106, 30), (120, 40))


def remember(operations, entries) -> None:
    """As if they had been read from the journal."""
    operations.logbook._keep(OUTSIDE, entries)
    operations.logbook._choose()


def presenting(world: str, *keys: str):
    async def run_before(pilot) -> None:
        await shown(world)(pilot)
        if world == "incident":
            remember(pilot.app.desk.operations, story())
        pilot.app.present(True)
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
        await pilot.pause(0.1)
        for view in pilot.app.console_screen.query("#frame, #presentation"):
            view.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("world", sample.WORLDS)
def test_the_shared_screen_looks_as_it_did(snap_compare, world: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(world), run_before=presenting(world), terminal_size=size)
