"""A real MCP client against a drill: it sees the cause, proposes what ends it, and a person at a console confirms."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from controller import controller, entries, kinds, quiet, strip_of, typed, until, until_done_by
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import Implementation

from nexconsole.drill import Stage
from nexconsole.journal import journal_folder
from nexconsole.journal.accounts import own_account
from nexconsole.report.content import sections
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.settings import Settings, load
from nexconsole.sources import Sources, open_sources

DISABLE = {"action": "provider.disable", "arguments": {"provider": "smsbower"}}


@pytest.fixture
async def outage() -> AsyncIterator[Stage]:
    """In a process of its own, so that it goes on whatever this one does."""
    with Stage("provider-outage", seed=1) as stage:
        await asyncio.to_thread(lambda: list(stage.progress()))
        yield stage


@asynccontextmanager
async def opened_sources(chosen: Settings) -> AsyncIterator[Sources]:
    sources = open_sources(chosen)
    try:
        yield sources
    finally:
        await sources.close()


async def told(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    answer: dict[str, Any] = json.loads(result.content[0].text)
    return answer


async def until_told(client: Client, tool: str, words: str) -> str:
    """The answer once these words are in it."""
    for _ in range(240):
        if words in (text := json.dumps(await told(client, tool))):
            return text
        await asyncio.sleep(0.25)
    raise AssertionError(f"{tool} does not say {words}")


async def confirmed(app: Any, pilot: Any, folder: Path) -> bool:
    """Whether it was sent, and not shown again because it is another plan by now."""
    await quiet(app)
    answered = app.screen
    if answered.typed:
        await typed(pilot, "smsbower")
        await pilot.press("ctrl+y")
    else:
        await pilot.press("d")

    def ended() -> bool:
        again = isinstance(app.screen, ConfirmScreen) and app.screen is not answered
        return again or "intent" in kinds(folder)

    await until(ended, 60.0)
    return "intent" in kinds(folder)


@pytest.mark.usefixtures("kernel_accounts")
async def test_in_a_drill_an_agent_proposes_a_person_confirms_and_the_report_says_so(outage: Stage) -> None:
    environment = outage.environment
    chosen = load(flags={"operator": "maria"}, environ=environment).settings
    folder: Path = journal_folder(chosen)
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "nexconsole", "mcp"], env={**os.environ, **environment}
    )
    me = Implementation(name="triage", version="1")
    async with (
        opened_sources(chosen) as sources,
        controller(chosen, sources) as (app, pilot),
        Client(stdio_client(parameters), client_info=me) as client,
    ):
        await app.controller.session.open_incident("smsbower does not answer", "")
        await until_told(client, "status", "% of them at smsbower")
        await until_told(client, "causes", "smsbower does not answer")
        plan = await told(client, "plan", **DISABLE)
        assert not plan["blocked"] and plan["undo"]["action"] == "provider.enable"
        made = await told(client, "propose", **DISABLE, reason="all its purchases fail, those of others do not")
        await until(lambda: "agent triage for" in strip_of(app))
        await until_done_by(lambda: pilot.press("A"), lambda: isinstance(app.screen, ConfirmScreen))
        for _ in range(5):  # shown again where the drill has changed since
            if await confirmed(app, pilot, folder):
                break
        await until(lambda: "verdict" in kinds(folder), 120.0)
        [intent] = [entry for entry in entries(folder) if entry.kind == "intent"]
        assert intent.data["confirms"] == made["id"] and intent.writer.operator == "maria"
        report = repr(sections(app.controller.session.incident))
        assert "proposed by agent triage for" in report
        assert f"confirmed by maria (account {own_account()}), because: all its purchases" in report
        assert '"state": "confirmed"' in await until_told(client, "proposals", '"outcome": "done"')
