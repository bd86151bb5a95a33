"""What the pages of rows look like, time standing still: in alarm at two sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sample_readings as sample
from frozen_console import console, remember, shown
from sample_lookups import SUBJECTS, lookups_of
from sample_plans import story
from textual.pilot import Pilot

from nexconsole.catalogue import Subject
from nexconsole.lookups.event import EventRow
from nexconsole.lookups.registry import ROW

SIZES = ((80, 24), (120, 40))
[INTENT] = [entry.id for entry in story() if entry.kind == "intent"]
PAGES = SUBJECTS | {"entry": Subject(kind="entry", id=INTENT, title=INTENT[:8])}
WORLD = {"lock": "left locks", "family": "left locks"}


def opened(kind: str, *keys: str) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        app = pilot.app
        if kind in WORLD:
            app.monitor.take(replace(sample.left_locks()["locks"], attempted_at=sample.NOW))
        remember(app.controller.session, story())
        app.controller.open(PAGES[kind])
        await pilot.pause()
        for reading in lookups_of(kind).values():
            app.screen.take(reading)
        await pilot.press(*keys)
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("kind", PAGES)
def test_the_page_looks_as_it_did(snap_compare, kind: str, size: tuple[int, int]) -> None:
    assert snap_compare(console("incident"), run_before=opened(kind), terminal_size=size)


def test_a_page_with_all_its_lines_scrolls(snap_compare) -> None:
    run_before = opened("provider", "tab", "pagedown")
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=(80, 24))


def test_what_has_vanished_says_since_when_and_stays_dimmed(snap_compare) -> None:
    async def run_before(pilot: Pilot) -> None:
        await opened("event")(pilot)
        pilot.app.screen.take(sample.reading(ROW, EventRow(source="postgres", found=False)))
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=(80, 24))
