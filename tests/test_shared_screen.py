"""A shared screen over data full of customers: no pane, dialog, clipboard or export shows one of them."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio as redis
import sample_readings as sample
from controller import controller, quiet, settings, text_of, until
from incident_story import CUSTOMER, customers
from pod_lines import line, pods
from sample_plans import plan

import nexconsole
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Target, Undo, Verdict
from nexconsole.cli.main import run
from nexconsole.journal import EntryKind, journal_file, open_journal
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.pod_logs import PodLogs
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.unrecorded import Unrecorded
from nexconsole.session.operation import Operation
from nexconsole.signals.database import read as read_database
from nexconsole.sources import open_sources
from nexconsole.text.sanitize import clean
from nexconsole.widgets.masked_input import MaskedInput
from nexconsole.widgets.privacy import MASKER

SIZES = ((80, 24), (106, 30), (120, 40), (200, 50))
SAID = " ".join(value for name, value in CUSTOMER.items() if name != "name")
STATEMENT = f"UPDATE wallets SET reserved = 0 WHERE owner = '{CUSTOMER['name']}'"
EVERYTHING = f"{SAID} {STATEMENT}"
# What of a secret would be enough, wherever a line was cut.
PARTS = ("12345678", "1234567", "90012345", "6a35-4b0a", "3f0c0c1e", "anna.smith", "203.0.113", "eyJhbGci", "Smithson")
STATES = {"verdict", "state", "kind", "rollout", "severity", "level", "status", "signal", "unit"}


def spoiled(value: Any, name: str = "") -> Any:
    """The value with a customer in each of its texts, before and after what stood there."""
    if isinstance(value, str):
        return value if name in STATES else STATEMENT if name == "query" else clean(f"{SAID} {value} {EVERYTHING}")
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: spoiled(getattr(value, one.name), one.name) for one in fields(value) if one.init}
        )
    if isinstance(value, tuple):
        return tuple(spoiled(one, name) for one in value)
    if isinstance(value, dict):
        return {spoiled(key) if name == "labels" else key: spoiled(one) for key, one in value.items()}
    return value


def seen(app: Any) -> None:
    """Nothing of a customer is on the screen or in the clipboard."""
    for where, text in (("screen", text_of(app)), ("clipboard", app.clipboard)):
        for part in (*CUSTOMER.values(), *PARTS):
            assert part not in text, f"{part} is on the {where}:\n{text}"


@asynccontextmanager
async def shared(folder: Path, world: str = "incident", size: tuple[int, int] = (120, 40)) -> AsyncIterator[Any]:
    """The console as a shared screen, with spoiled readings and a spoiled journal."""
    chosen = settings(folder)
    journal_file(folder, "outside-incidents").write_bytes(b"".join(one.line + b"\n" for one in customers().entries))
    async with controller(chosen, world=None, size=size) as (app, pilot):
        app.present(True)
        now = datetime.now(UTC)
        readings = [*sample.WORLDS[world]().values(), sample.events()]
        for one in readings:
            told = replace(one, value=spoiled(one.value), error=one.error and spoiled(one.error))
            late = now - timedelta(seconds=42) if one.error else now
            app.monitor.take(replace(told, taken_at=one.taken_at and late, attempted_at=now))
        await until(lambda: app.controller.session.entries)
        app.controller.tick()
        app.console_screen.tick()
        await pilot.pause()
        yield app, pilot


@pytest.mark.parametrize(
    ("world", "size"), [*(("incident", size) for size in SIZES), ("calm", (80, 24)), ("stale", (106, 30))]
)
async def test_no_pane_shows_a_customer_small_or_maximized(tmp_path: Path, world: str, size: tuple[int, int]) -> None:
    async with shared(tmp_path, world, size) as (app, pilot):
        seen(app)
        for number in range(1, 8):
            await pilot.press(str(number))
            await pilot.pause()
            seen(app)
            await pilot.press("c")
            seen(app)
            await pilot.press("end", "c")
            seen(app)
            await pilot.press(str(number))
        app.console_screen.remove_class("-presenting")  # the panes side by side, under the curtain still
        app.console_screen.tick()
        await pilot.pause()
        seen(app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_screen_over_the_panes_shows_a_customer(tmp_path: Path, size: tuple[int, int]) -> None:
    async with shared(tmp_path, size=size) as (app, pilot):
        app.console_screen.say(EVERYTHING)
        await pilot.pause()
        seen(app)
        for key in ("e", "y"):
            await pilot.press(key)
            await pilot.pause()
            seen(app)
        assert app.clipboard
        for key in ("J", "i", "B", "question_mark", "ctrl+p"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is not app.console_screen
            for move in ("home", "down", "down", "c", "end", "up", "c"):
                await pilot.press(move if key != "ctrl+p" or len(move) > 1 else "down")
                await pilot.pause()
                seen(app)
            await pilot.press("escape")
            await until(lambda: app.screen is app.console_screen)
        await app.controller.scenarios._open_by_id("high-purchase-failure-rate")
        await pilot.pause()
        for _ in range(12):
            await pilot.press("down", "c")
            seen(app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_dialog_shows_a_customer_but_its_command_can_be_read(tmp_path: Path, size: tuple[int, int]) -> None:
    key = f"lock:purchase:atomic:{CUSTOMER['user']}"
    target = Target(
        kind="lock",
        id=key,
        identity={"value": CUSTOMER["token"]},
        shown={"owner": EVERYTHING, "query": STATEMENT, "phone": CUSTOMER["phone"]},
    )
    spoiled_plan = plan(
        action="locks.flush",
        arguments={"family": EVERYTHING},
        targets=(target,) * 5,
        effect=f"Deletes {EVERYTHING}",
        command=f"redis-cli UNLINK '{key}'\n# {SAID}",
        guards=(Guard(name="g", level="warn", reason=EVERYTHING),),
        confirm=Confirmation(kind="type", text=CUSTOMER["phone"]),
        watch=EVERYTHING,
        undo=Undo(action="x", arguments={}, command=f"redis-cli SET '{key}' '{CUSTOMER['token']}'"),
    )
    async with shared(tmp_path, size=size) as (app, pilot):
        given: list[Any] = []
        dialog = ConfirmScreen(spoiled_plan, EVERYTHING, app.settings, app.controller.clock)
        app.push_screen(dialog, given.append)
        await quiet(app)
        for _ in range(30):
            await pilot.press("down")
            seen(app)
        await pilot.press("c")
        seen(app)
        assert "redis-cli UNLINK 'lock:purchase:atomic:‹" in app.clipboard
        assert app.clipboard.endswith("# copied from a shared screen: text in ‹› is masked")
        dialog.query_one(MaskedInput).focus()
        await pilot.press("x", "backspace", *dialog.asked)
        seen(app)
        await pilot.press("ctrl+y")
        await until(lambda: given)
        assert given[0].text == CUSTOMER["phone"]
        app.push_screen(Unrecorded(EVERYTHING))
        await quiet(app)
        await pilot.pause()
        seen(app)


async def test_no_strip_log_or_prompt_shows_a_customer(tmp_path: Path) -> None:
    async with shared(tmp_path) as (app, pilot):
        app.controller.session.performer.operations += [
            Operation(
                action="pods.restart",
                arguments={"pod": EVERYTHING},
                began_at=app.controller.clock(),
                by="maria",
                phase="ended",
                plan=plan(),
                outcome=Outcome(state="done", answer=EVERYTHING),
                verdict=Verdict(state="no effect", because=EVERYTHING),
            ),
            Operation(
                action="x",
                arguments={},
                began_at=app.controller.clock(),
                by=EVERYTHING,
                phase="watching",
                plan=plan(watch=EVERYTHING),
                progress=EVERYTHING,
            ),
        ]
        app.controller.paint()
        await pilot.pause()
        seen(app)
        await pilot.press("1")
        app.controller.paint()
        await pilot.pause()
        seen(app)
        await pilot.press("1")
        kubernetes = pods("app-a")
        texts = (EVERYTHING, json.dumps({"level": 50, "msg": EVERYTHING, "phone": CUSTOMER["digits"]}))
        kubernetes.logs.followed["app-a"].recent.add([line(n, text) for n, text in enumerate(texts)], 4_000)
        app.push_screen(PodLogs(kubernetes))
        await until(lambda: "UPDATE …" in text_of(app))
        seen(app)
        await pilot.press("c")
        seen(app)
        assert "UPDATE …" in app.clipboard
        await pilot.press("escape")
        app.push_screen(Prompt(EVERYTHING, hint=EVERYTHING))
        await pilot.pause()
        app.screen.query_one(MaskedInput).value = EVERYTHING
        await pilot.pause()
        seen(app)
        assert "••••" in text_of(app) and app.screen.query_one(MaskedInput).value == EVERYTHING
        app.screen.query_one(MaskedInput).value = "called their on-call"
        await pilot.pause()
        assert "called their on-call" in text_of(app)


async def test_what_real_servers_hold_of_customers_is_not_seen(
    database: Any, redis_server: Any, tmp_path: Path
) -> None:
    """Somebody's statement in the database and somebody's lock in Redis, through the real signals and actions."""
    await database.customer(CUSTOMER["user"])
    for n in range(3):
        await database.event(f"{CUSTOMER['user'][:-1]}{n}", 900, "FAILED", error=EVERYTHING)
    holder = await asyncpg.connect(database.url)
    chosen = settings(tmp_path, postgres={"url": database.url}, redis={"url": redis_server.url})
    sources = open_sources(chosen)
    try:
        begun = holder.transaction()
        await begun.start()
        await holder.execute(f"UPDATE users SET name = '{CUSTOMER['name']}' WHERE id = '{CUSTOMER['user']}'")
        await asyncio.sleep(1.2)
        key = f"lock:purchase:atomic:{CUSTOMER['user']}"
        async with redis.from_url(redis_server.url) as client:
            await client.set(key, CUSTOMER["token"])
        async with controller(chosen, sources, size=(200, 50)) as (app, pilot):
            app.present(True)
            value = await read_database(sources, chosen, None)
            reading = app.console_screen.readings["database"]
            app.monitor.take(replace(reading, value=value, taken_at=datetime.now(UTC)))
            await pilot.press("5")
            await pilot.pause()
            await until(lambda: "UPDATE …" in text_of(app))
            seen(app)
            await pilot.press("5")
            app.controller.actions.act("locks.flush", {"family": "purchase"})
            await until(lambda: isinstance(app.screen, ConfirmScreen), 10)
            await quiet(app)
            await pilot.pause()
            assert app.screen.plan.targets[0].id == key
            assert "lock:purchase:atomic:‹" in text_of(app)
            for _ in range(15):
                await pilot.press("down")
                seen(app)
            await pilot.press("c")
            seen(app)
            await pilot.press("escape")
            await until(lambda: app.screen is app.console_screen)
    finally:
        await holder.close()
        await sources.close()


@pytest.mark.parametrize("form", ["md", "json", "html", "line"])
def test_no_export_shows_a_customer(tmp_path: Path, capfdbinary, form: str) -> None:
    file = tmp_path / "INC-20261123-1342.jsonl"
    file.write_bytes(b"".join(one.line + b"\n" for one in customers().entries))
    assert run(["export", str(file), "--format", form]) == 0
    if form == "md":
        assert run(["journal", "export", str(file)]) == 0
    printed = capfdbinary.readouterr().out.decode()
    for part in (*CUSTOMER.values(), *PARTS):
        assert part not in printed, part
    assert run(["journal", "export", str(file), "--format", "jsonl"]) == 0
    assert CUSTOMER["phone"] in capfdbinary.readouterr().out.decode()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_incident_shows_a_customer(tmp_path: Path, size: tuple[int, int]) -> None:
    async with shared(tmp_path, size=size) as (app, pilot):
        side = app.controller.session
        await side.open_incident(EVERYTHING, "SEV-1")
        await side.record(EntryKind.DECLARED, {"level": "SEV-1", "reason": EVERYTHING})
        await side.record(EntryKind.ROLE, {"role": "commander", "person": CUSTOMER["mail"]})
        await side.record(EntryKind.SEEN, {"subject": EVERYTHING, "state": "firing", "text": EVERYTHING})
        other = open_journal(settings(tmp_path), CUSTOMER["mail"], side.incident_store.current)
        until_then = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
        proposed = {
            "operator": "bob",
            "until": until_then,
            "needs": "objection",
            "plan": {"action": "x", "arguments": {"of": EVERYTHING}, "effect": EVERYTHING},
        }
        await asyncio.to_thread(other.append, EntryKind.PROPOSED, proposed)
        await until(lambda: any(one.kind == EntryKind.PROPOSED for one in side.entries))
        await pilot.pause()
        seen(app)
        await pilot.press("i")
        for key in ("up", "up", "home", "end"):
            await pilot.press(key)
            await pilot.pause()
            seen(app)


async def test_what_was_drawn_before_the_curtain_is_gone_at_once(tmp_path: Path) -> None:
    """Frozen, so that no new reading draws anything over it."""
    async with controller(settings(tmp_path)) as (app, pilot):
        for one in sample.incident().values():
            now = datetime.now(UTC)
            app.monitor.take(replace(one, value=spoiled(one.value), taken_at=now, attempted_at=now))
        await pilot.press("p")
        await pilot.pause()
        assert CUSTOMER["phone"] in text_of(app)
        await pilot.press("P")
        await pilot.pause()
        seen(app)
        for number in range(1, 8):
            await pilot.press(str(number))
            seen(app)
            await pilot.pause()
            seen(app)


def test_nothing_is_drawn_but_by_what_the_curtain_covers() -> None:
    """Other widgets than our lines and fields would show what they are given as it is."""
    for folder in ("screens", "panes", "widgets"):
        for file in (Path(nexconsole.__file__).parent / folder).glob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = [
                alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets"
                for alias in node.names
            ]
            assert set(names) <= {"Input"}, file
            called = [
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            ]
            assert "Input" not in called, f"{file}: a Field shows dots for what must not be seen"


async def test_a_secret_of_the_settings_is_not_shown_either(tmp_path: Path) -> None:
    chosen = settings(tmp_path, api={"cron_secret": "correct horse"})
    async with controller(chosen) as (app, pilot):
        app.present(True)
        app.console_screen.say("curl said correct horse")
        await pilot.pause()
        assert "curl said" in text_of(app) and "correct horse" not in text_of(app)


async def test_once_back_at_the_panes_everything_is_as_it_was(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        before = text_of(app).splitlines()[3:20]
        await pilot.press("P")
        await pilot.pause()
        assert MASKER.enabled and text_of(app).splitlines()[3:20] != before
        await pilot.press("P")
        await pilot.pause()
        assert not MASKER.enabled and not app.console_screen.query("#presentation, #frame")
        assert "Transactions" in text_of(app) and "1 blocks 14" in text_of(app)
        app.copy_to_clipboard(CUSTOMER["phone"])
        assert app.clipboard == CUSTOMER["phone"]
    assert msgspec.to_builtins(app.settings)["journal"]["read_only"] is False
