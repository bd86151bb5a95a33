"""What a console may do is given to its session, and nothing above the session asks the settings for it."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from controller import entries, fresh, seeing
from doubling import START
from sample_readings import calm

import nexconsole
from nexconsole.errors import JournalError
from nexconsole.session.capabilities import (
    ALL,
    OBSERVER,
    READ_ONLY_ROLE,
    WATCHER,
    Capabilities,
    Capability,
    capabilities_of,
)
from nexconsole.session.replay import PLAYER
from nexconsole.session.session import Session
from nexconsole.settings import Settings
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

ROOT = Path(nexconsole.__file__).parent
# Who may ask the settings what a console may do; a recorder without a screen gives all its rights away.
ALLOWED = ("settings", "session", "cli/record.py")


def settings(folder: Path, **tables: Any) -> Settings:
    document = {"operator": "maria", "journal": {"folder": str(folder)}}
    for name, table in tables.items():
        document[name] = {**document.get(name, {}), **table}
    return msgspec.convert(document, Settings)


@asynccontextmanager
async def session(folder: Path, capabilities: Capabilities) -> AsyncIterator[Session]:
    one = Session(
        settings(folder), Sources(LazyClients(), {}), seeing(calm()), capabilities=capabilities, clock=lambda: START
    )
    one.start()
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("tables", "given"),
    [
        ({}, ALL),
        ({"actions": {"observe": True}}, OBSERVER),
        ({"journal": {"read_only": True}}, WATCHER),
        ({"journal": {"read_only": True}, "actions": {"observe": True}}, WATCHER),
    ],
)
def test_the_settings_leave_a_console_so_much(tmp_path: Path, tables: dict[str, Any], given: Capabilities) -> None:
    assert capabilities_of(settings(tmp_path, **tables)) == given


@pytest.mark.parametrize("given", [OBSERVER, WATCHER, PLAYER], ids=["observer", "watcher", "player"])
async def test_what_is_not_granted_is_refused_with_its_reason_and_writes_nothing(
    tmp_path: Path, given: Capabilities
) -> None:
    async def never(*asked: Any) -> Any:
        raise AssertionError("nothing may be asked")

    async with session(tmp_path, given) as one:
        for writing in (
            one.note("x"),
            one.open_incident("x", ""),
            one.take_role("scribe", "x"),
            one.object("x"),
            one.approve("x"),
            one.begin("x"),
            one.close_incident("x"),
        ):
            with pytest.raises(JournalError) as refused:
                await writing
            assert str(refused.value) == given.because
        done = await one.perform("provider.disable", {"provider": "smsbower"}, never, never)
        assert (done.stopped, done.phase) == (given.because, "ended")
        assert {capability: one.why_not(capability) for capability in Capability} == {
            capability: None if capability in given.granted else given.because for capability in Capability
        }
    assert entries(tmp_path) == ()


async def test_who_may_all_is_stopped_by_the_database_role_or_by_the_action(tmp_path: Path) -> None:
    async def never(*asked: Any) -> Any:
        raise AssertionError("nothing may be asked")

    async with session(tmp_path, ALL) as one:
        await one.note("x")
        done = await one.perform("provider.disable", {"provider": "smsbower"}, never, never)
        assert done.stopped == READ_ONLY_ROLE and one.why_not(Capability.APPROVE) is None
        one.monitor.readings.update(fresh(calm()))
        done = await one.perform("provider.disable", {"provider": "smsbower"}, never, never)
        assert "postgres.url" in (done.stopped or "")
    assert [entry.kind for entry in entries(tmp_path)] == ["note"]


@pytest.mark.parametrize(("given", "joins"), [(ALL, True), (OBSERVER, True), (WATCHER, False), (PLAYER, False)])
async def test_only_who_joins_says_that_he_is_here(tmp_path: Path, given: Capabilities, joins: bool) -> None:
    async with session(tmp_path, given) as one:
        names = {task.get_coro().__qualname__ for task in one._tasks.running}  # type: ignore[union-attr]
        assert ("PresenceService.run" in names, "HostSync.run" in names) == (joins, joins)


def asked(file: Path) -> Iterator[str]:
    """The places that read `….journal.read_only` or `….actions.observe`, or take rights away."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            if (node.value.attr, node.attr) in (("journal", "read_only"), ("actions", "observe")):
                yield f"{file.relative_to(ROOT)}:{node.lineno}"
        elif (
            isinstance(node, ast.Name | ast.Attribute) and getattr(node, "id", getattr(node, "attr", "")) == "powerless"
        ):
            yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_nothing_else_asks_the_settings_what_a_console_may_do() -> None:
    places = [place for file in ROOT.rglob("*.py") for place in asked(file)]
    assert [place for place in places if not place.startswith(ALLOWED)] == []
    assert any(place.startswith("session/capabilities.py") for place in places)
