"""Breaking the glass: alone, what needs a second person is sent only with a typed reason, loud on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider
from consenting import ask
from controller import burst, controller, entries, hold, kinds, quiet, settings, text_of, typed, until
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.errors import JournalError
from nexconsole.journal import EntryKind
from nexconsole.screens.break_glass import BreakGlassScreen
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.palette import Palette
from nexconsole.session.approvals import LONGEST_REASON, reason_of
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.widgets.key_guard import QUIET_S

APPROVAL = {"approval_actions": ["provider.disable"], "approval_s": 30.0, "objection_s": 0.5}


@pytest.fixture
async def providers(database: Any) -> Any:
    for name in ("smsbower", "5sim", "tiger-sms"):
        await add_provider(database, name)
    return database


async def active(database: Any) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")


async def confirmed(app: NexConsole, pilot: Pilot) -> BreakGlassScreen:
    """Through palette and confirmation to the dialog that asks for the reason."""
    await pilot.press("ctrl+p")
    await until(lambda: isinstance(app.screen, Palette))
    await pilot.press(*"disable smsbower", "enter")
    await until(lambda: isinstance(app.screen, ConfirmScreen))
    await quiet(app)
    await pilot.press("d")
    return await until(lambda: app.screen if isinstance(app.screen, BreakGlassScreen) else None)


@pytest.mark.parametrize("text", ["", "   ", "\t \u200b", "...", "\x1b\x07"])
def test_a_reason_of_nothing_is_none(text: str) -> None:
    assert reason_of(text) == ""


def test_a_reason_is_bounded() -> None:
    assert len(reason_of("x" * 10_000)) <= LONGEST_REASON


async def test_alone_the_glass_is_broken_by_a_typed_reason_which_stands_on_record_before_the_intent(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    chosen = settings(tmp_path, postgres={"url": providers.url}, warroom=APPROVAL)
    async with controller(chosen, sources_on(providers.url), size=(80, 24)) as (app, pilot):
        screen = await confirmed(app, pilot)
        await quiet(app)
        assert screen.focused is not None and screen.focused.id == "cancel"
        await pilot.press("ctrl+y")
        await until(lambda: "the reason is empty" in text_of(app))
        await typed(pilot, "sales are down, api_key=hunter2secret")
        await quiet(app)
        await pilot.press("enter")
        await until(lambda: "enter does nothing here" in text_of(app))
        assert app.screen is screen and await active(providers)
        await quiet(app)
        await pilot.press("ctrl+y")
        await until(lambda: "outcome" in kinds(tmp_path))
        assert not await active(providers)
        glass, intent = (next(entry for entry in entries(tmp_path) if entry.kind == kind) for kind in FIRST)
        assert intent.data["broke_glass"] == glass.id and intent.data["alone"] is True
        assert kinds(tmp_path).index(EntryKind.BROKE_GLASS) < kinds(tmp_path).index(EntryKind.INTENT)
        assert glass.data["reason"].startswith("sales are down") and glass.data["plan"]["action"] == "provider.disable"
        assert "hunter2secret" not in (tmp_path / "outside-incidents.jsonl").read_text()


FIRST = (EntryKind.BROKE_GLASS, EntryKind.INTENT)


@pytest.mark.parametrize("leave", ["escape", "enter", "held ctrl+y", "burst"])
async def test_keys_that_were_not_meant_for_it_break_no_glass(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources], leave: str
) -> None:
    chosen = settings(tmp_path, postgres={"url": providers.url}, warroom=APPROVAL)
    async with controller(chosen, sources_on(providers.url)) as (app, pilot):
        screen = await confirmed(app, pilot)
        if leave == "held ctrl+y":
            await quiet(app)
            await typed(pilot, "why")
            await hold(app, "ctrl+y", 1.0)
            assert app.screen is screen
            await quiet(app, QUIET_S)
            await pilot.press("escape")
        elif leave == "burst":
            burst(app, "w", "h", "y", "ctrl+y")  # from before it opened
            await pilot.pause()
            assert app.screen is screen
            await quiet(app)
            await pilot.press("escape")
        else:
            await quiet(app)
            await pilot.press(leave)
        await until(lambda: app.screen is app.console_screen)
        await until(lambda: "nobody is here who may approve it" in text_of(app))
        assert await active(providers) and not {"intent", "broke_glass"} & {*kinds(tmp_path)}


async def test_a_reason_that_can_not_be_recorded_sends_nothing_also_where_one_would_act_unrecorded(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(settings(tmp_path, postgres={"url": providers.url}, warroom=APPROVAL), sources_on(providers.url))
    session.start()
    try:

        async def full(kind: str, data: Any) -> Any:
            raise JournalError("the disk is full")

        async def unrecorded(why: str) -> bool:
            return True

        async def reason(plan: Any, why: str) -> str:
            monkeypatch.setattr(session.incident_store, "record", full)
            return "it burns"

        path = session.perform("provider.disable", {"provider": "smsbower"}, ask, unrecorded, break_glass=reason)
        done = await asyncio.wait_for(path, 60)
        assert done.outcome is None and "could not be recorded: the disk is full" in (done.stopped or "")
        assert await active(providers)
    finally:
        await session.close()
