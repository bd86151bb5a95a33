"""Breaking the glass: alone, what needs a second person is sent only with a typed reason, loud on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider
from consenting import ask
from controller import burst, controller, entries, hold, kinds, quiet, settings, strip_of, text_of, typed, until
from incident_story import START, IncidentStory
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.errors import JournalError
from nexconsole.incident.incident import Incident, fold
from nexconsole.incident.judgement import TRUSTING, Judge
from nexconsole.journal import EntryKind
from nexconsole.report.handover import HandoverContext, as_text, handover
from nexconsole.report.render import as_line, as_markdown
from nexconsole.screens.break_glass import BreakGlassScreen
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.palette import Palette
from nexconsole.session.approvals import LONGEST_REASON, reason_of
from nexconsole.session.session import Session
from nexconsole.settings import RoleSettings, Settings
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
        written = text_of_files(tmp_path)
        assert "sales are down" in written and "hunter2secret" not in written


def text_of_files(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.rglob("*.jsonl"))


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


def told(mark: str = "") -> Incident:
    """An incident in which maria broke the glass, by settings that let only piet act where `mark` is given."""
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "smsbower fails", "level": "SEV-1"})
    plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}, "effect": "it is disabled"}
    glass = story.tell(EntryKind.BROKE_GLASS, {"plan": plan, "reason": "anna.kowalska@example.com can't buy"})
    story.tell(EntryKind.INTENT, {"plan": plan, "broke_glass": glass, "alone": True})
    return fold(story.entries, judge=Judge(RoleSettings(act=("piet",))) if mark else TRUSTING)


def test_it_is_loud_in_report_line_and_handover_with_customers_masked() -> None:
    incident = told()
    [glass] = incident.broken_glass
    assert (glass.by, glass.action, glass.sent) == ("maria", "provider.disable smsbower", True)
    assert incident.actions[0].broke_glass == glass.reason
    markdown = as_markdown(incident, "INC-1")
    assert "## Glass that was broken" in markdown and "no second person approved it, because:" in markdown
    assert "GLASS BROKEN for provider.disable smsbower" in as_line(incident, START)
    page = as_text(handover(HandoverContext(now=START, settings=Settings(), incident=incident)))
    assert "GLASS BROKEN at" in page and "by maria: provider.disable smsbower" in page
    assert not any("anna.kowalska" in text for text in (markdown, page))


def test_who_may_not_act_and_does_is_marked_and_it_stays_a_fact() -> None:
    [glass] = told("marked").broken_glass
    assert glass.mark == "not allowed to act" and "(not allowed to act)" in glass.words


def test_glass_without_an_intent_is_said_to_be_that() -> None:
    story = IncidentStory()
    story.tell(EntryKind.BROKE_GLASS, {"plan": "?", "reason": ["no text"]})
    [glass] = fold(story.entries).broken_glass
    assert not glass.sent and "it is not on record that it was sent" in glass.words


async def test_it_stays_on_the_console_and_the_shared_screen_while_the_incident_is_open(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        session = app.controller.session
        await session.open_incident("smsbower fails", "")
        plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}}
        await session.record(EntryKind.BROKE_GLASS, {"plan": plan, "reason": "every purchase fails"})
        await until(lambda: "GLASS BROKEN" in strip_of(app))
        app.present(True)
        await until(lambda: "GLASS BROKEN: provider.disable smsbower" in text_of(app))
        app.present(False)
        await session.close_incident("over")
        await until(lambda: "GLASS BROKEN" not in strip_of(app))
        await pilot.pause()
