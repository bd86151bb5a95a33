"""The journal's entries, the timeline and the open items have verbs, pages and a filter like the panes' rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controller import controller, settings, text_of, until

from nexconsole.app import NexConsole
from nexconsole.journal import EntryKind, open_journal
from nexconsole.screens.filter_prompt import FilterPrompt
from nexconsole.screens.incident import IncidentScreen
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.row_menu import RowMenu
from nexconsole.screens.subject_page import SubjectScreen
from nexconsole.session.entry_subjects import entry_subject, open_item_subject
from nexconsole.sources import open_sources


def plan(action: str, target: str, **arguments: str) -> dict[str, Any]:
    return {"operator": "bob", "plan": {"action": action, "arguments": arguments, "command": "x", "target": target}}


@asynccontextmanager
async def told(folder: Path, *, incident: bool = False) -> AsyncIterator[tuple[NexConsole, Any, list[Any]]]:
    """The console, with what bob did on record; and what is begun on it."""
    chosen = settings(
        folder, postgres={"url": "postgresql://u:p@127.0.0.1:1/nexnum"}, redis={"url": "redis://127.0.0.1:1"}
    )
    begun: list[tuple[str, dict[str, str]]] = []
    async with controller(chosen, open_sources(chosen)) as (app, pilot):
        app.sources = None
        app.controller.actions.act = lambda action, arguments, **more: begun.append((action, dict(arguments)))
        session = app.controller.session
        if incident:
            await session.open_incident("smsbower fails", "SEV-1")
        write = session.incident_store.journal.append if incident else open_journal(chosen, "bob").append
        ended = await asyncio.to_thread(write, "intent", plan("backend.terminate", "4711", pid="4711"))
        intent = await asyncio.to_thread(write, "intent", plan("provider.disable", "smsbower", provider="smsbower"))
        done = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
        for id in (ended.id, intent.id):
            await asyncio.to_thread(write, "outcome", {**done, "intent": id})
        await until(lambda: sum(entry.kind == EntryKind.OUTCOME for entry in session.entries) == 2)
        yield app, pilot, begun


async def menu(app: NexConsole, pilot: Any) -> RowMenu:
    await pilot.press("space")
    await until(lambda: isinstance(app.screen, RowMenu) and app.screen._seen is not None)
    return app.screen


async def test_an_outcome_gives_what_its_action_was_about(tmp_path: Path) -> None:
    async with told(tmp_path) as (app, pilot, begun):
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await pilot.press("G")
        shown = await menu(app, pilot)
        assert shown.subject.kind == "entry" and shown.subject.arguments == {"provider": "smsbower"}
        line = next(line for line in shown.choices if line.command.name == "provider.enable")
        await pilot.press(line.letter)
        await until(lambda: begun)
        assert begun == [("provider.enable", {"provider": "smsbower"})]


async def test_an_entry_opens_its_page_and_escape_goes_back_to_the_journal(tmp_path: Path) -> None:
    async with told(tmp_path) as (app, pilot, _):
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        journal = app.screen
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, SubjectScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is journal)


async def test_a_process_id_of_the_past_is_given_to_no_action(tmp_path: Path) -> None:
    async with told(tmp_path) as (app, _, __):
        entries = app.controller.session.entries
        ended = next(entry for entry in entries if entry.data.get("plan", {}).get("action") == "backend.terminate")
        assert entry_subject(ended, "x", entries).arguments == {}


async def test_the_journal_is_filtered_and_says_so(tmp_path: Path) -> None:
    async with told(tmp_path) as (app, pilot, _):
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        many = len(app.controller.session.entries)
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, FilterPrompt))
        await pilot.press(*"smsbower disable")
        await until(lambda: f"1 of {many}, filter: smsbower disable" in text_of(app))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, JournalScreen))
        assert app.screen.entry.data["plan"]["action"] == "provider.disable"
        await pilot.press("escape")
        await until(lambda: "filter:" not in text_of(app))
        assert isinstance(app.screen, JournalScreen)
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


async def test_the_timeline_and_what_is_in_force_have_verbs(tmp_path: Path) -> None:
    async with told(tmp_path, incident=True) as (app, pilot, begun):
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen) and "Timeline" in text_of(app))
        incident = app.controller.session.incident
        assert incident is not None and incident.standing
        await until(lambda: app.screen.subject is not None and app.screen.subject.arguments)
        assert app.screen.subject.kind == "entry" and app.screen.subject.arguments == {"provider": "smsbower"}
        await pilot.press("tab")
        for item in incident.standing:
            assert app.screen.subject == open_item_subject(item, app.controller.session.entries)
            await until(lambda marked=f" > {item.what}"[:40]: marked in text_of(app))
            if item.kind == "provider":
                break
            await pilot.press("j")
        assert (app.screen.subject.kind, app.screen.subject.id) == ("provider", "smsbower")
        shown = await menu(app, pilot)
        line = next(line for line in shown.choices if line.command.name == "provider.enable")
        await pilot.press(line.letter)
        await until(lambda: begun == [("provider.enable", {"provider": "smsbower"})])
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, FilterPrompt))
        await pilot.press(*"terminate")
        await until(lambda: ", filter: terminate" in text_of(app))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, IncidentScreen) and "filter:" not in text_of(app))
