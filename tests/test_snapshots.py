"""What the console looks like: four worlds at three sizes, time standing still."""

from __future__ import annotations

import pytest
from controller import text_of, until
from frozen_console import SIZES, console, shown
from textual.pilot import Pilot


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("world", ["calm", "incident", "stale", "unconfigured"])
def test_the_console_looks_as_it_did(snap_compare, world: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(world), run_before=shown(world), terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_each_theme_looks_as_it_did(snap_compare, theme: str) -> None:
    assert snap_compare(console("incident", theme), run_before=shown("incident"), terminal_size=(120, 40))


@pytest.mark.parametrize("number", range(10))
def test_each_maximized_pane_looks_as_it_did(snap_compare, number: int) -> None:
    assert snap_compare(console("incident"), run_before=shown("incident", str(number)), terminal_size=(120, 40))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_funnel_maximized_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("incident"), run_before=shown("incident", "8"), terminal_size=size)


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("4",)], ids=["all", "maximized"])
def test_locks_that_nobody_will_release_look_as_they_did(snap_compare, keys, size: tuple[int, int]) -> None:
    assert snap_compare(console("locks"), run_before=shown("locks", *keys), terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("9",), ("0",)], ids=["all", "providers", "integrity"])
def test_turns_money_and_findings_look_as_they_did(snap_compare, keys, size: tuple[int, int]) -> None:
    assert snap_compare(console("looks"), run_before=shown("looks", *keys), terminal_size=size)


def test_a_drill_looks_like_no_production(snap_compare) -> None:
    app = console("incident", drill="provider-outage")
    assert snap_compare(app, run_before=shown("incident"), terminal_size=(120, 40))


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", [(), ("2", "down"), ("J",)], ids=["panes", "row", "journal"])
def test_the_list_of_keys_looks_as_it_did(snap_compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot[None]) -> None:
        await shown("incident", *keys)(pilot)
        await until(lambda: ("nothing is on record" if keys == ("J",) else "PRODUCTION") in text_of(pilot.app))
        await pilot.press("question_mark")
        await until(lambda: "does it" in text_of(pilot.app))

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)
