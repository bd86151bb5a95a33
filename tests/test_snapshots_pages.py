"""What the pages of rows look like, time standing still: in alarm at two sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from frozen_console import console, remember, shown
from sample_plans import story
from textual.pilot import Pilot

from nexconsole.catalogue import Subject

SIZES = ((80, 24), (120, 40))
SUBJECTS = {
    "provider": Subject(kind="provider", id="smsbower", title="smsbower", arguments={"provider": "smsbower"}),
}


def opened(subject: Subject, world: str = "incident") -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown(world)(pilot)
        app = pilot.app
        remember(app.controller.session, story())
        app.controller.open(subject)
        await pilot.pause()
        app.screen.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_the_page_looks_as_it_did(snap_compare, kind: str, size: tuple[int, int]) -> None:
    assert snap_compare(console("incident"), run_before=opened(SUBJECTS[kind]), terminal_size=size)
