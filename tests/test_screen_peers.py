"""What others mean to do, as it is seen above the keys, and the key that stops it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from controller import controller, entries, settings, strip_of, text_of, until

from nexconsole.journal import OUTSIDE, EntryKind, open_journal
from nexconsole.model import utc_now
from nexconsole.screens.incident_controller import SEEN_S
from nexconsole.screens.palette import Palette
from nexconsole.session.operation import Operation
from nexconsole.session.session import Session
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

PLAN = {"action": "pods.restart", "arguments": {"deployment": "nexnum-app"}, "effect": "3 pods are replaced"}


def proposing(folder: Path, name: str, needs: str, seconds: float) -> str:
    other = open_journal(settings(folder), "piet", name)
    until_ = (utc_now() + timedelta(seconds=seconds)).isoformat()
    return other.append(EntryKind.PROPOSED, {"operator": "piet", "plan": PLAN, "until": until_, "needs": needs}).id


async def opened(app: Any) -> str:
    await app.controller.session.open_incident("t", "")
    return app.controller.session.incident_store.current


async def test_what_somebody_proposes_is_seen_within_a_second_and_o_stops_it(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        name = await opened(app)
        proposal = await asyncio.to_thread(proposing, tmp_path, name, "objection", 30)
        await until(lambda: "piet is about to: pods.restart nexnum-app" in strip_of(app), 1.5)
        assert "o objects" in strip_of(app) and "a approves" not in strip_of(app)
        await asyncio.sleep(SEEN_S)
        await pilot.press("a")
        await pilot.press("o")
        await until(lambda: any(entry.kind == EntryKind.OBJECTED for entry in entries(tmp_path)))
        spoken = [entry for entry in entries(tmp_path) if entry.kind in (EntryKind.OBJECTED, EntryKind.APPROVED)]
        assert [(entry.kind, entry.data["proposal"]) for entry in spoken] == [(EntryKind.OBJECTED, proposal)]
        await until(lambda: "is about to" not in strip_of(app))
        await pilot.press("o")
        await pilot.pause(0.2)
        assert len([entry for entry in entries(tmp_path) if entry.kind == EntryKind.OBJECTED]) == 1


async def test_what_waits_for_a_second_persons_word_is_approved_by_key(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        name = await opened(app)
        await asyncio.to_thread(proposing, tmp_path, name, "approval", 30)
        await until(lambda: "a approves" in strip_of(app), 1.5)
        await asyncio.sleep(SEEN_S)
        await pilot.press("a")
        await until(lambda: any(entry.kind == EntryKind.APPROVED for entry in entries(tmp_path)))


async def test_a_window_that_is_over_is_no_longer_offered(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        name = await opened(app)
        await asyncio.to_thread(proposing, tmp_path, name, "objection", 1.0)
        await until(lambda: "is about to" in strip_of(app), 1.5)
        await asyncio.sleep(1.0)
        app.controller.tick()
        await pilot.press("o")
        await until(lambda: "is about to" not in strip_of(app))
        assert not any(entry.kind == EntryKind.OBJECTED for entry in entries(tmp_path))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_a_preview_of_somebody_else_is_seen_before_anything_is_on_record(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    other = Session(settings(tmp_path, operator="piet"), Sources(LazyClients(), {}))
    async with controller(settings(tmp_path), size=size) as (app, _):
        name = await opened(app)
        other.start()
        await until(lambda: other.incident_store.current == name)
        asking = Operation(action="pods.restart", arguments={}, began_at=utc_now(), by="piet", phase="asking")
        other.peers.tell((asking,), observing=False)
        await until(lambda: "piet is previewing pods.restart" in strip_of(app), 3.0)
        await other.close()
        await until(lambda: "previewing" not in strip_of(app), 3.0)


async def test_what_is_proposed_outside_of_any_incident_can_be_stopped_too(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await asyncio.to_thread(proposing, tmp_path, OUTSIDE, "objection", 30)
        await until(lambda: "piet is about to: pods.restart nexnum-app" in strip_of(app), 1.5)
        await asyncio.sleep(SEEN_S)
        await pilot.press("o")
        await until(lambda: any(entry.kind == EntryKind.OBJECTED for entry in entries(tmp_path)))


def spoken(folder: Path) -> list[str]:
    """The proposals that somebody objected to or approved."""
    return [
        entry.data["proposal"] for entry in entries(folder) if entry.kind in (EntryKind.OBJECTED, EntryKind.APPROVED)
    ]


@pytest.mark.parametrize(("key", "needs"), [("o", "objection"), ("a", "approval")])
async def test_a_key_speaks_of_the_proposal_beside_which_it_stands_whatever_else_is_proposed(
    tmp_path: Path, key: str, needs: str
) -> None:
    async with controller(settings(tmp_path), size=(160, 40)) as (app, pilot):
        name = await opened(app)
        first = await asyncio.to_thread(proposing, tmp_path, name, needs, 30)
        await until(lambda: "is about to" in strip_of(app), 1.5)
        await asyncio.sleep(SEEN_S)
        second = await asyncio.to_thread(proposing, tmp_path, name, needs, 30)
        await until(lambda: strip_of(app).count("is about to") == 2)
        assert f"{key} {'objects' if key == 'o' else 'approves'}" in strip_of(app).splitlines()[0]
        assert f"{key} {'objects' if key == 'o' else 'approves'}" not in strip_of(app).splitlines()[1]
        await pilot.press(key)
        await until(lambda: spoken(tmp_path) == [first])
        await until(lambda: strip_of(app).count("is about to") == 1)
        await pilot.press(key)  # meant for the one that has just gone
        await until(lambda: "is new: read it" in text_of(app))
        assert spoken(tmp_path) == [first]
        await asyncio.sleep(SEEN_S)
        await pilot.press(key)
        await until(lambda: spoken(tmp_path) == [first, second])


async def test_a_line_of_the_palette_speaks_of_the_proposal_that_it_names(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        name = await opened(app)
        first = await asyncio.to_thread(proposing, tmp_path, name, "objection", 30)
        await until(lambda: "is about to" in strip_of(app), 1.5)
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, Palette))
        await asyncio.to_thread(proposing, tmp_path, name, "objection", 30)
        await until(lambda: strip_of(app).count("is about to") == 2)
        await pilot.press(*"object to", "enter")
        await until(lambda: spoken(tmp_path) == [first])


async def test_a_console_that_only_observes_neither_objects_nor_approves(tmp_path: Path) -> None:
    async with controller(settings(tmp_path, actions={"observe": True})) as (app, pilot):
        await asyncio.to_thread(proposing, tmp_path, OUTSIDE, "approval", 30)
        await until(lambda: "is about to" in strip_of(app), 1.5)
        assert "a approves" not in strip_of(app) and "o objects" not in strip_of(app)
        await asyncio.sleep(SEEN_S)
        for key in "ao":
            await pilot.press(key)
            await until(lambda: "only observes" in text_of(app))
        await pilot.pause(0.2)
        assert spoken(tmp_path) == []
