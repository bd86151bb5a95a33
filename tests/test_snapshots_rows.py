"""What the menu over a row, the filter and a sorted pane look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sample_readings as sample
from controller import quiet
from frozen_console import SIZES, console, shown
from textual.pilot import Pilot

from nexconsole.app import NexConsole


def pressed(world: str, *keys: str) -> Callable[[Pilot], Any]:
    """One key after the other, each when the one before has had its effect."""

    async def run_before(pilot: Pilot) -> None:
        app = pilot.app
        assert isinstance(app, NexConsole)
        await shown(world)(pilot)
        database = app.monitor.readings["database"]
        app.monitor.take(replace(database, value=replace(database.value, read_only_role=False)))
        app.monitor.take(replace(sample.events(), attempted_at=sample.NOW))
        for key in keys:
            await pilot.press(key)
            await quiet(app)

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("number", ["2", "3", "5", "6"], ids=["provider", "event", "session", "pod"])
def test_the_menu_over_a_row_looks_as_it_did(snap_compare, number: str, size: tuple[int, int]) -> None:
    assert snap_compare(console("incident"), run_before=pressed("incident", number, "space"), terminal_size=size)


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "keys",
    [("9", "slash", *"sim"), ("9", "slash", *"sim", "enter", ">"), ("9", "slash", *"zzz", "enter")],
    ids=["typed", "kept", "none"],
)
def test_a_filtered_pane_looks_as_it_did(snap_compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    assert snap_compare(console("looks"), run_before=pressed("looks", *keys), terminal_size=size)
