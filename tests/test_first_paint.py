"""The first paint waits for nothing that only the readings need."""

from __future__ import annotations

import json
import subprocess
import sys

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
