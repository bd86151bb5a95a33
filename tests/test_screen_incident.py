"""The incident by the keyboard: opened, shown, roles, severity, closing with what still stands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from controller import controller, entries, quiet, settings, text_of, until, until_done_by
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.journal import EntryKind, open_journal
from nexconsole.screens.incident import IncidentScreen
from nexconsole.screens.prompt import Prompt
from nexconsole.session.session import LIVES_EVERY


async def typed(app: NexConsole, pilot: Pilot, key: str, text: str) -> None:
    """Press the key, and answer the prompt that opens."""
    await pilot.press(key)
    await until(lambda: isinstance(app.screen, Prompt))
    await quiet(app)
    await pilot.press(*text, "enter")
    await until(lambda: not isinstance(app.screen, Prompt) and not app.controller.actions._begun)


def last(folder: Path, kind: str) -> dict:
    return [entry.data for entry in entries(folder) if entry.kind == kind][-1]


async def test_at_sev_1_an_incident_is_offered_and_opened_with_the_reason_as_its_title(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.pause()
        assert "i: incident" in text_of(app) or "i opens an incident" in text_of(app)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press("tab", "enter")
        await until(lambda: app.controller.session.incident is not None)
        opened = last(tmp_path, EntryKind.OPENED)
        assert opened["title"] == "17.8 % of purchases fail, 93 % of them at smsbower" and opened["level"] == "SEV-1"
        app.controller.tick()
        app.console_screen.tick()
        await pilot.pause()
        assert "i: incident" not in text_of(app) and "INC 00:00:0" in text_of(app)


async def test_its_key_works_as_soon_as_it_is_open_though_its_commander_is_not_recorded_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        session, recorded = app.controller.session, asyncio.Event()
        take_role, store_open = session.take_role, session.incident_store.open
        may_open = asyncio.Event()

        async def slowly_opened(data: dict[str, Any]) -> str:
            await may_open.wait()
            return await store_open(data)

        async def slowly_taken(role: str, person: str) -> None:
            await recorded.wait()
            await take_role(role, person)

        monkeypatch.setattr(session.incident_store, "open", slowly_opened)
        monkeypatch.setattr(session, "take_role", slowly_taken)
        await typed(app, pilot, "i", "smsbower fails")
        await pilot.press("i")
        await until(lambda: "the incident is being recorded: press the key again" in text_of(app))
        may_open.set()
        await until(lambda: session.incident is not None)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        recorded.set()
        await until(lambda: "commander maria" in text_of(app))


async def test_calm_offers_nothing_but_an_incident_can_be_opened_all_the_same(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), world="calm") as (app, pilot):
        assert not app.controller.incidents.offered()
        await typed(app, pilot, "i", "a customer called")
        await until(lambda: entries(tmp_path))
        assert last(tmp_path, EntryKind.OPENED) == {"title": "a customer called", "level": "", "since": ""}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_its_screen_tells_severity_roles_and_timeline_and_takes_roles_and_severities(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        await typed(app, pilot, "i", "smsbower fails")
        await until(lambda: app.controller.session.incident is not None)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        await typed(app, pilot, "r", "scribe piet")
        await typed(app, pilot, "v", "sev-2 half of it is back")
        await until(lambda: last(tmp_path, EntryKind.ROLE)["person"] == "piet")
        assert last(tmp_path, EntryKind.DECLARED) == {"level": "SEV-2", "reason": "half of it is back"}
        await pilot.pause()
        text = text_of(app)
        for words in ("smsbower fails", "SEV-2", "commander maria", "scribe piet", "half of it is back", "INC-"):
            assert words in text, words
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


@pytest.mark.parametrize(
    ("key", "said", "reason"),
    [
        ("L", "", "data loss"),
        ("L", "orders of last night are gone", "data loss: orders of last night are gone"),
        ("S", "", "security breach"),
        ("S", "the admin key is on the internet", "security breach: the admin key is on the internet"),
    ],
)
async def test_data_loss_and_a_breach_are_declared_by_one_key_and_enter(
    tmp_path: Path, key: str, said: str, reason: str
) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await typed(app, pilot, "i", "smsbower fails")
        await until(lambda: app.controller.session.incident is not None)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        await until(lambda: "L data loss" in text_of(app) and "S security breach" in text_of(app))
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, Prompt))
        await until_done_by(lambda: pilot.press("escape"), lambda: isinstance(app.screen, IncidentScreen))
        await typed(app, pilot, key, said)
        await until(lambda: any(entry.kind == EntryKind.DECLARED for entry in entries(tmp_path)))
        assert [entry.data for entry in entries(tmp_path) if entry.kind == EntryKind.DECLARED] == [
            {"level": "SEV-1", "reason": reason}
        ]
        await until(lambda: app.controller.session.incident.declared[-1].because == (reason,))
        assert app.controller.session.incident.level == "SEV-1"


async def test_wrong_roles_and_severities_are_said_and_not_recorded(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await typed(app, pilot, "i", "t")
        await until(lambda: app.controller.session.incident is not None)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        before = len(entries(tmp_path))
        for key, text, said in (
            ("r", "boss", "the roles are"),
            ("v", "SEV-9 x", "begin with one of"),
            ("v", "SEV-1", "say why"),
        ):
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, Prompt))
            await quiet(app)
            await pilot.press(*text, "enter")
            await pilot.pause()
            await until(lambda said=said: said in text_of(app))
            await until_done_by(lambda: pilot.press("escape"), lambda: isinstance(app.screen, IncidentScreen))
        assert len(entries(tmp_path)) == before


async def disabled(folder: Path, operator: str, name: str | None = None) -> None:
    """This operator, at another console, disables smsbower."""
    other = open_journal(settings(folder), operator, name) if name else open_journal(settings(folder), operator)
    plan = {
        "action": "provider.disable",
        "arguments": {"provider": "smsbower"},
        "targets": [{"kind": "provider", "id": "1", "name": "smsbower", "chosen": True}],
    }
    intent = await asyncio.to_thread(other.append, EntryKind.INTENT, {"operator": operator, "plan": plan})
    done = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
    await asyncio.to_thread(other.append, EntryKind.OUTCOME, done)


def provider_active(app: NexConsole, active: bool) -> None:
    reading = app.console_screen.readings["circuits"]
    others = tuple(one for one in reading.value.providers if one.name != "smsbower")
    smsbower = next(one for one in reading.value.providers if one.name == "smsbower")
    providers = (*others, replace(smsbower, active=active))
    app.monitor.take(replace(reading, value=replace(reading.value, providers=providers)))


async def test_what_is_still_in_force_is_said_in_calm_and_asked_once_before_leaving(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), world="calm", size=(200, 50)) as (app, pilot):
        assert app.controller.actions.may_quit()
        await disabled(tmp_path, "maria")
        await until(lambda: app.controller.session.incident_store.in_force)
        provider_active(app, False)
        app.controller.tick()
        app.console_screen.tick()
        await pilot.pause()
        assert "CALM" in text_of(app) and "still in force: smsbower is disabled, by maria " in text_of(app)
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running and "still in force: smsbower is disabled; press q again to leave" in text_of(app)
        assert app.controller.actions.may_quit()
        provider_active(app, True)  # somebody enabled it, by whatever way
        app.controller.tick()
        assert app.console_screen.in_force == ()


async def test_what_somebody_else_left_in_force_is_said_and_does_not_keep_one_here(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), world="calm") as (app, _):
        await disabled(tmp_path, "piet")
        await until(lambda: app.controller.session.incident_store.in_force)
        provider_active(app, False)
        app.controller.tick()
        assert [what.partition(", by piet ")[0] for what in app.console_screen.in_force] == ["smsbower is disabled"]
        assert app.controller.actions.may_quit()


async def test_closing_asks_for_what_still_stands(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await typed(app, pilot, "i", "t")
        name = await until(lambda: app.controller.session.incident_store.current)
        other = open_journal(settings(tmp_path), "piet", name)
        plan = {
            "action": "provider.disable",
            "arguments": {"provider": "smsbower"},
            "targets": [{"kind": "provider", "id": "1", "name": "smsbower", "chosen": True}],
        }
        intent = await asyncio.to_thread(other.append, EntryKind.INTENT, {"operator": "piet", "plan": plan})
        done = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
        await asyncio.to_thread(other.append, EntryKind.OUTCOME, done)
        await until(lambda: app.controller.session.incident.standing)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        await pilot.pause()
        assert "smsbower is disabled" in text_of(app)
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"over", "enter")
        await pilot.pause()
        assert "still in force" in text_of(app) and isinstance(app.screen, Prompt)
        for _ in "over":
            await pilot.press("backspace")
        await pilot.press(*"leave: piet, tomorrow", "enter")
        await until(lambda: app.controller.session.incident is None)
        assert last(tmp_path, EntryKind.CLOSED) == {"reason": "leave: piet, tomorrow"}
        await until(lambda: app.screen is app.console_screen)


async def test_a_clock_that_is_out_is_said_once_and_shown_with_the_people(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await app.controller.session.open_incident("t", "")
        now = app.controller.clock()
        app.controller.session.peers.people.clocks.heard("laptop", now + timedelta(minutes=14), now)
        for _ in range(LIVES_EVERY):
            app.controller.tick()
        await until(lambda: "laptop's clock is 14 min ahead of this host's: times are those" in text_of(app))
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen))
        await until(lambda: "▲ laptop's clock is 14 min ahead of this host's" in text_of(app))
