"""What an action's result takes of the screen: lines of the lower panes, and not the chart of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller import controller, settings, strip_of, text_of, until

from nexconsole.journal import OUTSIDE, EntryKind, open_journal

PLAN = {"action": "pods.restart", "arguments": {"deployment": "nexnum-app"}, "effect": "3 pods are replaced"}


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 34), (120, 40), (160, 40), (200, 50)])
async def test_a_result_takes_no_line_of_the_chart_and_gives_its_own_back(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        answers = app.console_screen.panes["transactions"]
        before, lower = answers.lines, [pane.size for pane in app.console_screen.panes.values()]
        other = open_journal(settings(tmp_path), "piet", OUTSIDE)
        intent = other.append(EntryKind.INTENT, {"operator": "piet", "plan": PLAN}).id
        ended = {"intent": intent, "outcome": {"state": "failed", "answer": "the server said no " * 8}}
        other.append(EntryKind.OUTCOME, ended)
        await until(lambda: "FAILED" in strip_of(app))
        await until(lambda: "FAILED" in text_of(app))
        await pilot.pause()
        assert [len(line) for line in answers.lines] == [len(line) for line in before]
        assert ("┄┄┄" in str(answers.lines)) is ("┄┄┄" in str(before))
        await pilot.press("d")
        await until(lambda: not strip_of(app))
        await until(lambda: [pane.size for pane in app.console_screen.panes.values()] == lower)
