"""What tests of a scenario on screen share: opening it, what is seen of it, and what it recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sample_readings as sample
from controller import entries, fresh, until

from nexconsole.app import NexConsole
from nexconsole.journal import EntryKind
from nexconsole.screens.scenario import ScenarioPane
from nexconsole.widgets.spans import as_text

SCENARIO = "high-purchase-failure-rate"
ONE = f"{SCENARIO}/if-transactions.scope-is-one"


async def opened(app: NexConsole, pilot: Any) -> ScenarioPane:
    await pilot.press("s")
    pane = await until(lambda: app.controller.scenarios.pane)
    await until(lambda: pane.size.height and pane.lines)
    await pilot.pause()
    return pane


def seen(pane: ScenarioPane) -> str:
    return as_text(pane.lines)


def said(pane: ScenarioPane) -> str:
    """What is seen as running words, wherever lines are broken."""
    return " ".join(re.sub("[┃▐]", " ", seen(pane)).split())


def steps(folder: Path) -> list[dict[str, Any]]:
    return [entry.data for entry in entries(folder) if entry.kind == EntryKind.STEP]


def last_step(folder: Path) -> dict[str, Any]:
    return (steps(folder) or [{}])[-1]


def go_to(pane: ScenarioPane, ending: str) -> None:
    pane._at = next(row.id for row in pane.rows if row.id.endswith(ending))
    pane.paint()


def outage(app: NexConsole) -> None:
    """One provider fails, and our balance is enough everywhere: nothing is to be asked before it is disabled."""
    app.monitor.take(fresh(sample.calm())["balances"])
    app.controller.scenarios.find_fits()
