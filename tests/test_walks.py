"""A drill is brought back from alarm to calm in few keys. The other walks: `python -m tests.walks`."""

from __future__ import annotations

import sys

import pytest

from nexconsole.drill.scenarios import SCENARIOS
from tests.walks.console import NotSeenError, walked_console
from tests.walks.walk import walked
from tests.walks.walks import WALKS

MOST_KEYS = 6  # from the alarm to the verdict, every look on the way recorded; it takes four


async def test_an_outage_is_ended_by_its_scenario_in_a_handful_of_keys() -> None:
    result = await walked("provider-outage:runbook", [sys.executable, "-m", "nexconsole"], 120, 40, until="verdict")
    assert not result.failed, result.failed
    keys, _ = result.marks["verdict"]
    assert keys == len(result.keys) <= MOST_KEYS, result.sentence


def test_each_documented_drill_has_a_walk() -> None:
    documented = {scenario.name for scenario in SCENARIOS.values() if scenario.group == "documented"}
    assert {name.partition(":")[0] for name in WALKS} == documented


async def test_what_is_not_seen_is_told_with_the_screen_and_the_keys() -> None:
    async with walked_console(["sh", "-c", "echo the pods; exec cat"], {}, 40, 5) as console:
        await console.see("the p.ds")
        await console.press("x", "ctrl+p")
        with pytest.raises(NotSeenError) as raised:
            await console.see("the nodes", within=0.2)
    told = str(raised.value)
    assert "'the nodes'" in told and "keys: x ctrl+p" in told and "the pods" in told
