"""An action stands in one module: what is registered is known wherever actions are, an installed package's too."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attended
import cache_action
import pytest
import redis.asyncio
from controller import controller, entries, settings, strip_of, text_of, until
from doubling import START
from runbook_readings import readings

from nexconsole.actions.by_hand import CommandContext
from nexconsole.actions.plugin import plugin_action
from nexconsole.actions.registry import ACTIONS, COMMANDS, MODULES, ActionRegistry
from nexconsole.break_glass.remedies import emergency_commands
from nexconsole.catalogue import KINDS, LOGS
from nexconsole.cli.runbook import words
from nexconsole.errors import SettingsError
from nexconsole.journal.sentences import sentence
from nexconsole.runbook.parser import parse
from nexconsole.runbook.problems import check
from nexconsole.runbook.resolution import resolve
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.palette_commands import commands
from nexconsole.settings import Settings
from nexconsole.sources import open_sources

RUNBOOK = """## 1. Stale offers (SEV-3)

#### Trigger

- Prices are old. `outbox.pending > 10`

#### Steps

1. Do: empty it. `cache.flush {part}`
"""
ASKING = RUNBOOK.replace("1. Do", "1. Ask: which part of the cache? `part is a text`\n2. Do")


def test_each_action_is_in_the_module_that_its_line_names() -> None:
    for name, module in MODULES.items():
        actions = importlib.import_module(f"nexconsole.actions.{module}").ACTIONS
        assert name in {action.name for action in actions}
        assert ACTIONS[name].name == name and ACTIONS[name].title
        assert {argument.kind for argument in ACTIONS[name].arguments} <= set(KINDS)
    assert set(COMMANDS) == {*ACTIONS, LOGS}


def test_every_action_of_a_module_has_its_line() -> None:
    for module in set(MODULES.values()):
        for action in importlib.import_module(f"nexconsole.actions.{module}").ACTIONS:
            assert MODULES[action.name] == module


def test_no_action_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys; from nexconsole.actions.registry import ACTIONS; assert 'pods.restart' in ACTIONS;"
        "ACTIONS['locks.restore']; print(*(name for name in sys.modules if name.startswith('nexconsole.actions.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = {name.removeprefix("nexconsole.actions.") for name in done.stdout.split()}
    assert "lock_undo" in imported and not imported & (set(MODULES.values()) - {"lock_undo"})


def test_all_actions_can_be_imported_at_once() -> None:
    program = (
        "import sys; from nexconsole.actions.registry import ACTIONS, MODULES; ACTIONS.load()\n"
        "print({f'nexconsole.actions.{module}' for module in MODULES.values()} <= set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.fixture
def flush() -> Iterator[None]:
    ACTIONS["cache.flush"] = cache_action.FLUSH
    yield
    del ACTIONS["cache.flush"]


@pytest.fixture
async def cache(redis_server: Any) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    await client.mset({"cache:offers:1": "a", "cache:offers:2": "b", "cache:rates:1": "c"})
    yield client
    await client.flushall()
    await client.aclose()


def test_a_name_stands_for_one_action(flush: None) -> None:
    with pytest.raises(SettingsError, match=r"there is an action cache\.flush already"):
        ACTIONS["cache.flush"] = cache_action.FLUSH
    with pytest.raises(SettingsError, match=r"there is an action pods\.restart already"):
        ACTIONS["pods.restart"] = cache_action.FLUSH


def test_a_runbook_knows_a_registered_action(flush: None) -> None:
    assert check(RUNBOOK.replace("{part}", "offers"), COMMANDS) == ()
    assert check(RUNBOOK.replace("{part}", "offers now"), COMMANDS)[0].text == "cache.flush takes part, not now as well"
    [chapter] = parse(RUNBOOK.replace("{part}", "offers")).runbook.chapters()
    [node] = resolve(chapter, readings(), Settings(), START, {}, {})
    assert node.arguments == ("offers",)
    told = ["cache.flush", "{part}", *"Empty a part of the cache".split()]
    assert told in [line.split() for line in words(Settings())]


def test_an_answer_reaches_a_registered_action(flush: None) -> None:
    [asked] = [problem.text for problem in check(RUNBOOK, COMMANDS)]
    assert asked == "cache.flush: nothing before this line says which {part} is meant; known here: nothing"
    assert check(ASKING, COMMANDS) == ()


def test_the_sheet_has_a_registered_action(flush: None) -> None:
    *_, last = emergency_commands(CommandContext(readings={}, settings=Settings()))
    assert last.title == "Empty the cache" and "redis-cli" in last.steps[0].command


async def test_the_console_takes_a_registered_action_down_the_one_path(
    flush: None, cache: redis.asyncio.Redis, redis_server: Any, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, redis={"url": redis_server.url})
    async with controller(chosen, open_sources(chosen), world=None) as (app, pilot):
        [likely, asking] = [one for one in commands(app.controller, ()) if one.name == "cache.flush"]
        assert likely.title == "Empty the cache of offers" and asking.detail == "asks for PART" and not asking.why_not
        likely.run()
        dialog = await until(lambda: app.screen if isinstance(app.screen, ConfirmScreen) else None)
        await until(lambda: "Empties the cache of offers: 2 keys" in text_of(app) and dialog.guard.listening)
        await pilot.press("f")
        await until(lambda: "0 keys are left" in strip_of(app))
    assert await cache.keys() == ["cache:rates:1"]
    told = [(entry.kind, sentence(entry)) for entry in entries(tmp_path)]
    assert told == [
        ("intent", "cache.flush offers: Empties the cache of offers: 2 keys"),
        ("outcome", "done: deleted"),
        ("verdict", "worked: 0 keys are left"),
    ]


class InstalledAction:
    """An environment in which a package is installed that brings the action cache.flush."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points: dict[str, str] = {"cache.flush": "cache_action:FLUSH"}

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        information = self.folder / "nexnum_cache-1.0.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: nexnum-cache\nVersion: 1.0\n")
        points = "\n".join(f"{name} = {place}" for name, place in self.points.items())
        (information / "entry_points.txt").write_text(f"[nexconsole.actions]\n{points}\n")
        configured = self.folder / "settings.toml"
        configured.write_text(f'operator = "maria"\n[journal]\nfolder = "{self.folder / "journal"}"\n')
        path = os.pathsep.join((str(self.folder), str(Path(cache_action.__file__).parent)))
        given = {**os.environ, "PYTHONPATH": path, "NEXCONSOLE_CONFIG": str(configured), **environment}
        return subprocess.run([*attended.COMMAND, *words], env=given, capture_output=True, text=True, timeout=60)


@pytest.fixture
def installed(tmp_path: Path) -> InstalledAction:
    return InstalledAction(tmp_path)


async def test_an_installed_action_is_recorded_executed_and_verified(
    installed: InstalledAction, cache: redis.asyncio.Redis, redis_server: Any
) -> None:
    words = ("run", "cache.flush", "offers", "--json")
    shown = await asyncio.to_thread(installed.run, *words, REDIS_URL=redis_server.url)
    assert json.loads(shown.stdout)["plan"]["confirm"]["text"] == "f" and len(await cache.keys("cache:offers:*")) == 2
    done = await asyncio.to_thread(installed.run, *words, "--confirm", "f", REDIS_URL=redis_server.url)
    assert json.loads(done.stdout)["verdict"]["state"] == "worked", done.stderr
    assert await cache.keys() == ["cache:rates:1"]
    assert [entry.kind for entry in entries(installed.folder / "journal")] == ["intent", "outcome", "verdict"]
    watched = await asyncio.to_thread(
        installed.run, "run", "--observe", "cache.flush", "rates", "--confirm", "f", REDIS_URL=redis_server.url
    )
    assert "only observes" in watched.stdout and await cache.keys() == ["cache:rates:1"]


def test_an_installed_action_is_listed_and_a_runbook_may_name_it(installed: InstalledAction) -> None:
    assert "cache.flush PART" in installed.run("run").stdout
    assert "cache.flush {part}" in installed.run("runbook", "words").stdout


@pytest.mark.parametrize(
    ("name", "place", "why", "environment"),
    [
        ("cache.flush", "cache_action:FLUSH", "the cache's library is missing", {"CACHE_IS_BROKEN": "1"}),
        ("cache.flush", "cache_action:GONE", "module 'cache_action' has no attribute 'GONE'", {}),
        ("cache.flush", "cache_action:NOTHING", "its object is no action named cache.flush", {}),
        ("cache.other", "cache_action:FLUSH", "its object is no action named cache.other", {}),
    ],
)
def test_a_broken_package_is_one_sentence_and_all_else_goes_on(
    installed: InstalledAction, name: str, place: str, why: str, environment: dict[str, str]
) -> None:
    installed.points = {name: place}
    done = installed.run("run", **environment)
    assert done.stderr.splitlines() == [f"the action {name} of nexnum-cache is left out: {why}"]
    assert done.returncode == 0 and "provider.disable" in done.stdout and "cache." not in done.stdout


def test_an_installed_action_can_not_take_the_place_of_ours() -> None:
    registry = ActionRegistry(MODULES, group="nobody.has.this")
    with pytest.raises(SettingsError, match="already"):
        registry["provider.disable"] = cache_action.FLUSH
    assert registry["provider.disable"].title == "Disable a provider"


async def test_what_a_plugin_raises_is_a_sentence(
    installed: InstalledAction, cache: redis.asyncio.Redis, redis_server: Any
) -> None:
    broken = plugin_action("cache.break", cache_action.BREAK)
    assert broken.suggestions({}, Settings()) == ()
    assert broken.emergency(CommandContext(readings={}, settings=Settings())).notes == (  # type: ignore[attr-defined]
        "cache.break is broken: no such part",
    )
    installed.points = {"cache.break": "cache_action:BREAK"}
    done = await asyncio.to_thread(
        installed.run, "run", "cache.break", "offers", "--confirm", "f", REDIS_URL=redis_server.url
    )
    assert done.stdout.strip() == "not done: cache.break is broken: no such part"
