"""What a scenario looks like at its action, at its question and at its end, at three sizes and in every theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sample_readings as sample
from controller import until
from frozen_console import SIZES, console, remember, shown
from sample_plans import story
from textual.pilot import Pilot

from nexconsole.incident.open_items import OpenItem
from nexconsole.journal import Entry, EntryKind, Writer
from nexconsole.journal.entries import make
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.scenario import ScenarioPane
from nexconsole.session.operation import Operation
from nexconsole.session.session import Session

SCENARIO = "high-purchase-failure-rate"
NAMES = [f"{size[0]}x{size[1]}" for size in SIZES]


def done(steps: list[str]) -> list[Entry]:
    """Entries of a second console, by which these steps are done."""
    writer = Writer("piet", "bastion", 77, sample.ago(600))
    return [
        make(
            at=sample.ago(20),
            writer=writer,
            seq=n + 1,
            prev="",
            after="",
            kind=EntryKind.STEP,
            data={"scenario": SCENARIO, "step": step, "state": "done", "answer": "seen"},
        )
        for n, step in enumerate(steps)
    ]


def opened(world: str, at: str, ended: bool = False) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown(world)(pilot)
        controller = pilot.app.controller
        scenarios = controller.scenarios
        await scenarios.load_library()
        pilot.app.monitor.take(sample.calm()["balances"])
        scenarios.find_fits()
        entries = story() if ended else []
        await scenarios._open_by_id(SCENARIO)
        pane: ScenarioPane = scenarios.pane
        await pilot.pause()
        if ended:
            entries += done([row.id for row in pane.rows if row.is_step])
        remember(controller.session, entries)
        pane.paint()
        pane._at = next(row.id for row in pane.rows if row.id.endswith(at))
        controller.console.say("")
        controller.console.in_force = tuple(item.what for item in controller.session.in_force)
        controller.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_a_scenario_at_its_action_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    run_before = opened("incident", "/provider.disable")
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_what_a_person_does_stands_out_in_every_theme(snap_compare, theme: str) -> None:
    run_before = opened("incident", "/transactions.rate")
    assert snap_compare(console("incident", theme), run_before=run_before, terminal_size=(120, 40))


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
@pytest.mark.parametrize("world", ["incident", "calm"])
def test_the_end_of_a_scenario_looks_as_it_did(snap_compare, world: str, size: tuple[int, int]) -> None:
    run_before = opened(world, "#closing", ended=True)
    assert snap_compare(console(world), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_an_end_with_something_in_force_shows_how_it_is_undone(
    snap_compare, monkeypatch, size: tuple[int, int]
) -> None:
    mine = OpenItem(kind="provider", what="smsbower is disabled", since=sample.ago(90), by="maria@bastion",
                    intent="i-1", subject="smsbower")  # fmt: skip
    theirs = OpenItem(kind="silence", what="ProviderApiErrors is silenced for 1 h", since=sample.ago(300),
                      by="piet@bastion", intent="i-2", subject="ProviderApiErrors")  # fmt: skip
    operation = Operation(action="provider.disable", arguments={"provider": "smsbower"}, began_at=sample.ago(90),
                          by="maria@bastion", intent="i-1", phase="ended")  # fmt: skip
    monkeypatch.setattr(Session, "in_force", (mine, theirs))
    monkeypatch.setattr(Session, "undoable", operation)
    run_before = opened("incident", "#closing", ended=True)
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_a_question_with_its_letters_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        controller = pilot.app.controller
        await controller.scenarios.load_library()
        await controller.scenarios._open_by_id("flush-abandoned-locks")
        pane: ScenarioPane = controller.scenarios.pane
        await pilot.pause()
        pane._at = next(row.id for row in pane.rows if row.id.endswith("/pods-died"))
        pane.paint()
        controller.console.say("")
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: isinstance(pilot.app.screen, Prompt))
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)
