"""The first paint waits for nothing that only the readings need."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from controller import settings, text_of, until

from nexconsole import app as application
from nexconsole.app import BEHIND, LAST, NexConsole
from nexconsole.errors import SettingsError
from nexconsole.screens.journal import JournalScreen
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

LATER = (
    "nexconsole.signals.registry",
    "nexconsole.severity",
    "nexconsole.journal",
    "nexconsole.runbook",
    "nexconsole.actions",
    "nexconsole.session.session",
    "nexconsole.sources.kubernetes",
    "nexconsole.sources.postgres",
    "httpx",
    "asyncpg",
    "redis",
    "kubernetes_asyncio",
    "aiohttp",
    "markdown_it",
)


def test_the_panes_import_no_source_no_signals_registry_and_no_client_library():
    program = "import json, sys, nexconsole.cli, nexconsole.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)).isdisjoint(LATER)


WHEN_ASKED = ("nexconsole.lookups", "nexconsole.pages", "nexconsole.report.render", "nexconsole.screens.subject_page")


def test_what_a_console_imports_behind_the_screen_draws_no_page_and_no_report():
    behind = ", ".join(f"nexconsole.{module}" for module in (*BEHIND, *LAST))
    program = f"import json, sys, {behind}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)).isdisjoint(WHEN_ASKED)


ONLY_WHERE_SET = ("aiodocker", "apprise", "mcp", "opentelemetry", "pydantic", "starlette")
EVERYTHING = """
import asyncio, importlib, json, sys
from nexconsole.app import LAST, NexConsole, _import_behind, _load_actions
from nexconsole.settings import Settings
from nexconsole.sources import open_sources
import msgspec
settings = msgspec.convert({
    "postgres": {"url": "postgresql://u:p@localhost/x"}, "redis": {"url": "redis://localhost"},
    "prometheus": {"url": "http://localhost"}, "api": {"url": "http://localhost"},
    "search": {"url": "http://localhost"}, "kubernetes": {"kubeconfig": "/nowhere"},
}, Settings)
_import_behind()
async def clients():
    sources = open_sources(settings)
    sources.load()
    await sources.loaded()
asyncio.run(clients())
for module in (*LAST, "recording.flight_recorder", "recording.recorder"):
    importlib.import_module(f"nexconsole.{module}")
_load_actions()
from nexconsole.runbook.library import library
from nexconsole.session.known_causes import explainer
from nexconsole.actions.registry import COMMANDS
library(settings, COMMANDS), explainer(settings)
print(json.dumps(sorted(sys.modules)))
"""


def test_a_console_imports_no_library_of_what_its_settings_do_not_name() -> None:
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert {"asyncpg", "redis", "httpx", "aiohttp", "markdown_it", "nexconsole.actions.locks"} <= imported
    assert imported.isdisjoint(ONLY_WHERE_SET)


async def test_a_key_before_the_sources_are_open_leaves_the_session_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()
    monkeypatch.setattr(application, "_import_behind", lambda: imported.wait(20))
    opened: list[Sources] = []

    def opener(_: object) -> Sources:
        opened.append(Sources(LazyClients(), {}))
        return opened[-1]

    app = NexConsole(settings(tmp_path), opener=opener)
    async with app.run_test() as pilot:
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        imported.set()
        await until(lambda: app.sources is not None)
        assert app.controller.session.sources is app.sources and opened == [app.sources]


async def test_a_key_before_sources_that_can_t_be_opened_ends_the_console_as_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()
    monkeypatch.setattr(application, "_import_behind", lambda: imported.wait(20))
    refusals: list[SettingsError] = []

    def opener(_: object) -> Sources:
        refusals.append(SettingsError("postgres.url: is no address"))
        raise refusals[-1]

    app = NexConsole(settings(tmp_path), opener=opener)
    async with app.run_test() as pilot:
        await pilot.press("l")
        await until(lambda: app.refused is not None)
        imported.set()
        assert text_of(app)
    assert [app.refused] == refusals
