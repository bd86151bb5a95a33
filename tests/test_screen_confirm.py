"""The dialog before anything is changed: what it shows, which keys it believes, and what then happens to real rows."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acting import add_provider
from controller import (
    GUARDS,
    burst,
    controller,
    entries,
    fresh,
    hold,
    kinds,
    quiet,
    settings,
    strip_of,
    text_of,
    typed,
    until,
)
from disasters import root_only, small_disk
from textual import events
from textual.pilot import Pilot

from nexconsole.actions.perform import CANCELLED, ActionResult
from nexconsole.actions.plan import Confirmation, Guard, Plan, Target, Undo
from nexconsole.app import NexConsole
from nexconsole.errors import JournalError
from nexconsole.journal import verify
from nexconsole.model import utc_now
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.dialog import MOMENT_S
from nexconsole.screens.palette import Palette
from nexconsole.screens.plan_lines import _guard, plan_sections
from nexconsole.screens.typed_confirmation import TypedText
from nexconsole.screens.unrecorded import Unrecorded
from nexconsole.session.operation import Operation
from nexconsole.settings import Settings
from nexconsole.sources import Sources
from nexconsole.widgets.key_guard import OPENING_S, QUIET_S, REPEAT_S, KeyGuard
from nexconsole.widgets.spans import as_text

OTHERS = ("5sim", "tiger-sms", "sms-activate", "onlinesim")


@pytest.fixture
async def providers(database: Any) -> Any:
    for name in ("smsbower", *OTHERS):
        await add_provider(database, name)
    return database


async def active(database: Any, name: str) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = $1", name)


async def dialog(app: NexConsole) -> ConfirmScreen:
    return await until(lambda: app.screen if isinstance(app.screen, ConfirmScreen) else None)


async def ask_for(app: NexConsole, pilot: Pilot, typed: str) -> ConfirmScreen:
    """Through the palette to the dialog."""
    await pilot.press("ctrl+p")
    await until(lambda: isinstance(app.screen, Palette))
    await pilot.press(*typed, "enter")
    return await dialog(app)


def chosen(folder: Path, database: Any, **tables: Any) -> Any:
    return settings(folder, **({"postgres": {"url": database.url}} | tables))


async def test_enter_held_down_from_the_palette_through_the_dialog_executes_nothing(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, Palette))
        await pilot.press(*"disable smsbower")
        holding = asyncio.create_task(hold(app, "enter", 3.0))
        await dialog(app)
        await holding
        assert await active(providers, "smsbower")
        assert "intent" not in kinds(tmp_path)


async def test_a_letter_that_is_held_down_confirms_nothing_and_a_single_press_does(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        await hold(app, "d", 1.0)
        assert app.screen is screen and await active(providers, "smsbower")
        await quiet(app, QUIET_S)
        await hold(app, "d", 0.5)
        await asyncio.sleep(0.3)
        assert app.screen is screen and "held down" in text_of(app)
        await quiet(app, QUIET_S)
        await pilot.press("d")
        await until(lambda: app.screen is app.console_screen)
        await until(lambda: "outcome" in kinds(tmp_path))
        assert not await active(providers, "smsbower")


async def test_a_letter_out_of_a_burst_confirms_nothing(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        for keys in ("dddddd", "dd", "xd", "dx"):
            await quiet(app, QUIET_S)
            burst(app, *keys)
            await until(lambda: "as if pasted" in text_of(app))
            for key in keys:  # the same one after the other, as over a link that gathers nothing
                app.post_message(events.Key(key, key))
            await asyncio.sleep(2 * REPEAT_S + 0.1)
            assert app.screen is screen and await active(providers, "smsbower"), keys
        assert "intent" not in kinds(tmp_path)


async def test_keys_typed_before_the_dialog_stood_are_discarded_and_enter_only_ever_cancels(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        with GUARDS.still():
            await ask_for(app, pilot, "disable smsbower")
            await pilot.press("d")
        assert isinstance(app.screen, ConfirmScreen)
        await quiet(app, QUIET_S)
        await pilot.press("enter")
        await until(lambda: app.screen is app.console_screen)
        await until(lambda: "cancelled: nothing was sent" in strip_of(app))
        assert await active(providers, "smsbower") and kinds(tmp_path) == []
        operation, session = app.controller.session.performer.operations[-1], app.controller.session
        operation.ended_at -= timedelta(seconds=9)
        session.tick()
        assert operation in session.shown
        operation.ended_at -= timedelta(seconds=1)
        app.controller.tick()
        await until(lambda: "cancelled" not in strip_of(app))  # by itself
        assert operation not in session.shown


def test_only_what_the_operator_left_goes_by_itself() -> None:
    operation = Operation(action="a", arguments={}, began_at=utc_now(), by="maria")
    operation.take(ActionResult(plan=None, stopped=CANCELLED))
    assert not operation.cancelled  # under way
    operation.phase = "ended"
    assert operation.cancelled
    for stopped in (None, "another console holds it", "not confirmed: d was asked for, nothing was sent"):
        operation.take(ActionResult(plan=None, stopped=stopped))
        assert not operation.cancelled, stopped


async def test_the_dialog_shows_where_what_who_and_the_way_back(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        where, what = ("PRODUCTION", "provider.disable smsbower"), ("changes 1 provider", "● ok", "command", "watches")
        back = ("undo", "preview expires in", "> Cancel", "d does it")
        await until(lambda: all(words in text_of(app) for words in (*where, *what, *back)), 3.0)
        await until(lambda: "71 of 400 failed" in text_of(app), 3.0)  # the panes stay in sight
        await pilot.press("c")
        assert app.clipboard.startswith("psql") and "UPDATE" in app.clipboard
        await pilot.press("escape")


async def test_what_is_confirmed_is_recorded_done_watched_and_taken_back_by_u(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        await pilot.press("d")
        await until(lambda: "verdict" in kinds(tmp_path))
        assert not await active(providers, "smsbower")
        await until(lambda: "u undoes" in strip_of(app))
        await pilot.press("u")
        await dialog(app)
        await quiet(app)
        await until(lambda: "provider.enable smsbower" in text_of(app))
        await pilot.press("e")
        await until(lambda: kinds(tmp_path).count("verdict") == 2 and "undo" in kinds(tmp_path))
        assert await active(providers, "smsbower")
        intents = [entry.id for entry in entries(tmp_path) if entry.kind == "intent"]
        undo = next(entry for entry in entries(tmp_path) if entry.kind == "undo")
        assert undo.data == {"intent": intents[0], "by": intents[1]}
        await until(lambda: "○ undone provider.disable smsbower" in strip_of(app))
        await until(lambda: all(one.phase == "ended" for one in app.controller.session.shown))
        await pilot.press("d")
        await until(lambda: not strip_of(app).strip())


async def test_a_plan_older_than_its_limit_is_prepared_again_and_shown_with_why(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    old = chosen(tmp_path, providers, actions={"plan_expires_s": 0.7})
    async with controller(old, sources_on(providers.url)) as (app, pilot):
        first = await ask_for(app, pilot, "disable smsbower")
        await asyncio.sleep(0.9)
        await pilot.press("d")
        again = await until(
            lambda: app.screen if isinstance(app.screen, ConfirmScreen) and app.screen is not first else None
        )
        assert "older than its limit" in again.why_again
        await pilot.pause()
        assert "older than its limit" in text_of(app)
        assert await active(providers, "smsbower") and kinds(tmp_path) == []
        await pilot.press("escape")
        await quiet(app, QUIET_S)
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


async def test_what_changed_meanwhile_is_shown_before_anything_is_done(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        await ask_for(app, pilot, "disable smsbower")
        await providers.execute("UPDATE providers SET is_active = false WHERE name = 'smsbower'")
        await quiet(app)
        await pilot.press("d")
        await until(lambda: "the plan no longer holds" in strip_of(app))
        assert "disabled already" in strip_of(app) and kinds(tmp_path) == []


async def test_a_typed_confirmation_wants_the_exact_text_and_then_its_own_key(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    for name in OTHERS:
        await providers.execute("UPDATE providers SET is_active = false WHERE name = $1", name)
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        focused = await until(lambda: screen.focused)
        assert screen.plan.confirm.kind == "type" and focused.id == "cancel"
        await quiet(app)
        await typed(pilot, "smsbowe")
        assert isinstance(screen.focused, TypedText) and "right so far: 7 of 8" in text_of(app)
        await pilot.press("enter")
        await asyncio.sleep(MOMENT_S)
        await pilot.press("ctrl+y")
        assert app.screen is screen and "type it exactly" in text_of(app)
        assert await active(providers, "smsbower")
        await quiet(app, QUIET_S)
        await typed(pilot, "r")
        assert "type it exactly" not in text_of(app) and "complete: ^Y does it" in text_of(app)
        await pilot.press("enter")
        await until(lambda: "enter does nothing here" in text_of(app))
        assert app.screen is screen and await active(providers, "smsbower")
        await pilot.press("ctrl+y")
        await until(lambda: "outcome" in kinds(tmp_path))
        assert not await active(providers, "smsbower")


async def test_text_that_is_pasted_is_not_typed_and_its_key_alone_confirms(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    for name in OTHERS:
        await providers.execute("UPDATE providers SET is_active = false WHERE name = $1", name)
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        await pilot.press("tab")
        for keys in (("smsbower",), ("smsb", "ower"), ("smsbower", "\x19")):
            burst(app, *(key for word in keys for key in (word if word != "\x19" else ("ctrl+y",))))
            await until(lambda: "as if pasted" in text_of(app))
            assert screen.query_one(TypedText).value == ""
            screen.say("")
        await typed(pilot, "smsbower")
        assert screen.query_one(TypedText).value == "smsbower"
        burst(app, "ctrl+y", "ctrl+y")
        await asyncio.sleep(2 * REPEAT_S)
        assert app.screen is screen and await active(providers, "smsbower")
        await quiet(app, QUIET_S)
        await pilot.press("ctrl+y")
        await until(lambda: "outcome" in kinds(tmp_path))


async def test_a_blocked_plan_offers_nothing_but_cancel_and_says_why(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    url = providers.server.read_url
    async with controller(chosen(tmp_path, providers, postgres={"url": url}), sources_on(url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        assert screen.plan.blocked
        await quiet(app)
        screen.paint()
        await until(lambda: "■ BLOCK" in text_of(app) and "blocked: nothing can be sent" in text_of(app), 3.0)
        await pilot.press(screen.plan.confirm.text[0])
        await asyncio.sleep(0.3)
        assert app.screen is screen
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)
        assert await active(providers, "smsbower") and kinds(tmp_path) == []


async def test_acting_without_a_record_is_asked_for_in_a_second_dialog(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    # Nobody is asked: in such a folder nobody could be, and then nothing would be sent.
    settings = chosen(tmp_path / "taken", providers, warroom={"objection_s": 0.0})
    async with controller(settings, sources_on(providers.url)) as (app, pilot):
        for answer, still in (("escape", True), ("w", False)):
            await ask_for(app, pilot, "disable smsbower")
            await quiet(app)
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, Unrecorded))
            await asyncio.sleep(OPENING_S + 0.1)
            assert "THE JOURNAL CAN'T BE WRITTEN" in text_of(app)
            await pilot.press(answer)
            await until(lambda: app.screen is app.console_screen)
            await until(lambda: app.controller.session.shown[-1].phase == "ended")
            assert await active(providers, "smsbower") is still


@root_only
@pytest.mark.parametrize("disk", ["full", "read-only"])
async def test_a_disk_that_fails_with_the_console_open_stops_nothing_but_recording_and_heals(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources], disk: str
) -> None:
    folder, said = tmp_path / "disk", {"full": "the disk is full", "read-only": "the file system is read-only"}[disk]

    def mount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

    with small_disk(folder):
        slow = chosen(folder, providers, actions={"provider_cache_s": 1.0, "verify_s": 4.0})
        async with controller(slow, sources_on(providers.url)) as (app, pilot):
            await app.controller.session.note("all is well")
            if disk == "full":
                with contextlib.suppress(OSError):
                    (folder / "ballast").write_bytes(b"x" * 100_000)
                with contextlib.suppress(JournalError):
                    for _ in range(10):  # whatever room the journal's own last page has
                        await app.controller.session.note("x" * 450)
            else:
                mount("ro")
            await ask_for(app, pilot, "disable smsbower")
            await quiet(app)
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, Unrecorded))
            await until(lambda: said in text_of(app))  # in the dialog
            assert await active(providers, "smsbower")  # nothing without a word of its own
            await asyncio.sleep(OPENING_S + 0.1)
            await pilot.press("w")
            await until(lambda: "watching" in strip_of(app))
            assert not await active(providers, "smsbower") and said in " ".join(strip_of(app).split())
            before = app.console_screen.readings["transactions"]
            app.monitor.take(fresh({"transactions": before})["transactions"])
            await pilot.press("1")  # panes and keys live
            await until(lambda: app.console_screen.maximized_pane is not None)
            if disk == "full":
                (folder / "ballast").unlink()
            else:
                mount("rw")
            app.controller.session.look_again()
            await until(lambda: "can't be written" not in strip_of(app))
            await until(lambda: "verdict" in kinds(folder), 15.0)
            told = [entry for entry in entries(folder) if entry.kind != "note"]
            assert [entry.kind for entry in told] == ["intent", "outcome", "verdict"] and told[0].data["late"]
            assert verify(app.controller.session.journal.file) == ()


async def test_leaving_while_an_action_is_under_way_is_asked_once(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    slow = chosen(tmp_path, providers, actions={"verify_s": 30.0, "provider_cache_s": 20.0})
    async with controller(slow, sources_on(providers.url)) as (app, pilot):
        await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        await pilot.press("d")
        await until(lambda: "watching" in strip_of(app))
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running and "q again" in text_of(app)
        await pilot.press("q")
        await pilot.pause()
        assert app._exit


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (40, 12)])
async def test_it_can_be_read_and_left_at_every_size(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources], size: tuple[int, int]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url), size=size) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        screen.paint()
        await until(lambda: all(words in text_of(app) for words in ("Cancel", "d does it", "PRODUCTION")), 3.0)
        await pilot.press("pagedown", "down", "up", "pageup", "escape")
        await until(lambda: app.screen is app.console_screen)


def test_the_guard_believes_nothing_at_first_and_nothing_after_a_discarded_key_until_it_is_quiet() -> None:
    now = [0.0]
    guard = KeyGuard(lambda: now[0])
    assert guard.refuses()
    now[0] = OPENING_S + 0.01
    assert guard.refuses()  # the first one was discarded only just before
    now[0] += QUIET_S - 0.01
    assert guard.refuses()
    now[0] += QUIET_S + 0.01
    assert not guard.refuses() and not guard.refuses()
    guard.startle()
    assert guard.refuses()


def plan(**fields: Any) -> Plan:
    given = {
        "action": "outbox.retry",
        "arguments": {"family": "number"},
        "effect": "Makes 50 events pending again. " * 12,
        "command": "psql -c 'UPDATE outbox_events_v2 ...'",
        "watch": "they go out",
        "deadline_s": 60.0,
        "undo": Undo(action="outbox.fail", arguments={}, command="psql -c 'UPDATE back ...'"),
        "targets": tuple(Target(kind="event", id=f"event-{n:02}") for n in range(50)),
        "guards": (
            Guard(name="age", level="warn", reason="the readings are old, " * 40 + "that is all"),
            Guard(name="role", level="ok", reason="it may"),
        ),
        "confirm": Confirmation(kind="type", text="number"),
    }
    now = utc_now()
    return Plan(taken_at=now, expires_at=now + timedelta(seconds=60), **(given | fields))


@pytest.mark.parametrize("width", [40, 78, 96])
def test_no_sentence_of_a_plan_is_cut(width: int) -> None:
    long = plan()
    sections = plan_sections(long, "it changed, " * 50 + "indeed", width)
    text = " ".join(as_text(line for section in sections for line in section.lines).split())
    assert " ".join(long.effect.split()) in text and "that is all" in text and "indeed" in text
    assert text.count("the readings are old,") == 40


@pytest.mark.parametrize(
    ("text", "fields", "wanted"),
    [
        ("smsbower", {"arguments": {"provider": "smsbower"}}, "the provider's name 'smsbower'"),
        ("number", {}, "the family's name 'number'"),
        ("up to 150", {}, "the words 'up to 150'"),
        ("restore", {}, "the word 'restore'"),
        ("event-07", {}, "the event's name 'event-07'"),
    ],
)
def test_what_is_to_be_typed_says_what_it_is_and_is_quoted(text: str, fields: dict[str, Any], wanted: str) -> None:
    screen = ConfirmScreen(plan(confirm=Confirmation(kind="type", text=text), **fields), None, Settings(), utc_now)
    for width in (20, 38, 76):
        assert f"type {wanted} to confirm, then ^Y" in " ".join(as_text(screen._how(width)).split())


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        (
            "account may patch deployments.apps",
            "this account may patch deployments.apps",
            "● ok    this account may patch deployments.apps",
        ),
        ("dry run", "the server would accept it", "● ok    dry run: the server would accept it"),
    ],
)
def test_a_guard_is_named_once(name: str, reason: str, said: str) -> None:
    assert as_text(_guard(Guard(name=name, level="ok", reason=reason), 76)).strip() == said


async def test_another_letter_says_which_one_does_it(
    tmp_path: Path, providers: Any, sources_on: Callable[[str], Sources]
) -> None:
    async with controller(chosen(tmp_path, providers), sources_on(providers.url)) as (app, pilot):
        screen = await ask_for(app, pilot, "disable smsbower")
        await quiet(app)
        await pilot.press("y")
        await until(lambda: "'y' does nothing: d does it, esc changes nothing" in text_of(app))
        assert app.screen is screen and await active(providers, "smsbower")
