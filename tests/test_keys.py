"""Keys that are listed work where they are listed, and a line of keys never leaves out the way to more of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import ClassVar

import pytest
from controller import controller, settings, text_of, until
from pod_lines import line, pods
from textual import events
from textual.binding import Binding, BindingType
from textual.keys import key_to_character
from textual.pilot import Pilot
from textual.screen import Screen

from nexconsole.app import NexConsole
from nexconsole.replay_app import ReplayApp
from nexconsole.screens.console import ConsoleScreen
from nexconsole.screens.incident import IncidentScreen
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.key_help import KeyHelp, KeyHelpApp, entries
from nexconsole.screens.page import PageScreen
from nexconsole.screens.pod_logs import PodLogs
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.replay import ReplayScreen
from nexconsole.screens.sheet import SheetScreen
from nexconsole.widgets.banner import bound_keys, key_line
from nexconsole.widgets.spans import length

PAGES = ("journal", "incident", "logs", "sheet")


async def written(app: NexConsole) -> None:
    """An open incident with a story, so that there is something to go through."""
    await app.controller.session.open_incident("purchases fail", "SEV-1")
    for n in range(25):
        await app.controller.session.note(f"note {n}")


async def page(app: NexConsole, name: str) -> PageScreen:
    if name == "logs":
        kubernetes = pods("app-a")
        kubernetes.logs.followed["app-a"].recent.add([line(n, f"line {n:03} end") for n in range(100)], 4000)
        app.push_screen(PodLogs(kubernetes))
    else:
        getattr(app, f"action_{name}")()
    found = await until(lambda: app.screen if isinstance(app.screen, PageScreen) and app.screen.is_mounted else None)
    await until(lambda: "esc" in text_of(app).rpartition("\n")[2])
    return found


def state(app: NexConsole) -> tuple[object, ...]:
    """Whatever a key may change."""
    return (tuple(map(id, app.screen_stack)), text_of(app), app.clipboard, app.theme, app._exit, id(app.screen.focused))


async def middle(screen: Screen) -> None:
    """The cursor where every direction leads somewhere."""
    if hasattr(screen, "action_move"):
        screen.action_move(-1_000_000)
        screen.action_move(12)
    await asyncio.sleep(0.02)


async def press(app: NexConsole, *keys: str) -> None:
    for key in keys:
        app.post_message(events.Key(key, key_to_character(key)))
        await asyncio.sleep(0.03)


async def does_something(app: NexConsole, *keys: str) -> bool:
    before = state(app)
    await press(app, *keys)
    deadline = time.monotonic() + 6.0
    while state(app) == before and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return state(app) != before


def begin_anew(app: NexConsole) -> None:
    """Nothing is being asked or prepared any more."""
    app.controller.actions._begun.clear()
    app.controller.dialogs._open.clear()


async def down_to(app: NexConsole, screen: Screen) -> None:
    """Close whatever has opened over this screen."""
    while app.screen is not screen and len(app.screen_stack) > 1:
        await app.pop_screen()
    app._exit = False
    app.copy_to_clipboard("nothing yet")


@pytest.mark.parametrize("name", PAGES)
async def test_every_key_that_a_page_lists_does_something_there(tmp_path: Path, name: str) -> None:
    async with controller(settings(tmp_path), size=(100, 30)) as (app, _):
        await written(app)
        screen = await page(app, name)
        keys = [key for key, active in screen.active_bindings.items() if active.binding.id and active.enabled]
        assert {"e", "y", "ctrl+p", "question_mark"} <= set(keys)
        idle = []
        for key in keys:
            await down_to(app, screen)
            if app.screen is not screen:
                begin_anew(app)
                screen = await page(app, name)
            screen._notice = ""
            await middle(screen)
            if not await does_something(app, key):
                idle.append(key)
        assert idle == []


def works(app: NexConsole) -> list[str]:
    """The keys of the console itself that the list of keys names now."""
    screen = app.console_screen
    return [
        key
        for key, active in screen.active_bindings.items()
        if active.binding.id and active.enabled and app.offered(active.binding.action.removeprefix("app."))
    ]


@pytest.mark.parametrize("focus", ["nothing", "pane", "maximized", "scenario"])
async def test_every_key_that_the_panes_list_does_something(tmp_path: Path, focus: str) -> None:
    async def focused(app: NexConsole) -> None:
        console = app.console_screen
        await down_to(app, console)
        begin_anew(app)
        if focus == "scenario":
            if app.controller.scenarios.pane is None:
                app.controller.scenarios.toggle()
            pane = await until(
                lambda: (
                    app.controller.scenarios.pane
                    if app.controller.scenarios.pane and app.controller.scenarios.pane.rows
                    else None
                )
            )
            pane.focus()
            pane.action_move(-1000)
            pane.action_move(2)
        elif app.controller.scenarios.pane is not None:
            app.controller.scenarios.close()
        if (console.maximized_pane is not None) is not (focus == "maximized"):
            console.action_pane("circuits")
        if focus == "nothing":
            console.set_focus(None)
        elif focus != "scenario":
            console.panes["circuits"].focus()
            console.panes["circuits"].action_row(-1000)
            console.panes["circuits"].action_row(2)
        console._notice = ""
        console._paint_strips()
        await asyncio.sleep(0.1)

    async with controller(settings(tmp_path), size=(100, 30)) as (app, _):
        await written(app)
        await focused(app)
        keys = works(app)
        assert {"scenario": {"enter", "space", "x"}, "pane": {"enter", "j"}}.get(focus, set()) <= set(keys)
        idle = []
        anywhere = set(app._bindings.key_to_bindings) if focus != "nothing" else set()  # once is enough
        for key in keys:
            if key in anywhere:
                continue
            await focused(app)
            assert key in works(app), key
            if not await does_something(app, *(("space", "up", key) if key == "backspace" else (key,))):
                idle.append(key)
        assert idle == []


def told(app: NexConsole) -> str:
    """What works now, as the list would tell it."""
    found = entries(app.screen, KeyHelpApp(app.offered, app.why_not_now))
    return "\n".join(f"{entry.place}: {entry.does}" for entry in found if not entry.why_not)


async def test_the_list_is_of_what_works_here_and_now(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(120, 34)) as (app, pilot):
        assert "in the scenario" not in told(app) and "Take the newest action back" not in told(app)
        assert "Object to what is proposed" not in told(app) and "Follow the pods' logs" not in told(app)
        assert "Move the row cursor down" not in told(app)
        await pilot.press("2")
        assert "in the pane Circuits" in told(app) and "Move the row cursor down" in told(app)
        await pilot.press("escape", "s")
        await until(lambda: app.controller.scenarios.pane and "in the scenario" in told(app))
        assert "Skip the step, with a reason" in told(app)
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, KeyHelp))
        await until(lambda: "Skip the step, with a reason" in text_of(app))
        await pilot.press("question_mark", "J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        assert "in the journal" in told(app) and "Skip the step" not in told(app)
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, KeyHelp) and "Copy the entry's command" in text_of(app))


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (200, 50)])
async def test_the_list_scrolls_to_its_last_key_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, KeyHelp))
        await until(lambda: "closes" in text_of(app))
        wanted = [text.strip()[:20].strip() for text in told_of(app) if text.strip()]
        seen: set[str] = set()
        for key in ("home", *["down"] * len(wanted)):
            await pilot.press(key)
            await pilot.pause()
            seen |= {text for text in wanted if text in text_of(app)}
        assert seen == set(wanted)


def told_of(app: NexConsole) -> list[str]:
    return [entry.does for entry in app.screen.found]


async def test_a_page_opens_the_others_and_writes_its_notices_where_they_are_seen(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        await written(app)
        for key, kind in (
            ("J", JournalScreen),
            ("i", IncidentScreen),
            ("B", SheetScreen),
            ("i", IncidentScreen),
            ("J", JournalScreen),
        ):
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, kind))  # noqa: B023
            assert sum(isinstance(one, PageScreen) for one in app.screen_stack) == 1
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Prompt))
        await asyncio.sleep(0.5)
        await pilot.press(*"seen here", "enter")
        await until(lambda: isinstance(app.screen, JournalScreen) and "noted" in text_of(app).splitlines()[-1])
        await pilot.press("e")
        await until(lambda: "report written" in text_of(app).splitlines()[-1])
        await pilot.press("ctrl+p")
        await until(lambda: "what to do" in text_of(app))
        await pilot.press(*"maximize outbox", "enter")
        await until(lambda: app.screen is app.console_screen and app.console_screen.maximized_pane is not None)


@pytest.mark.parametrize("width", [8, 9, 10, 12, 15, 19, 24, 40, 59, 60, 79, 80, 120, 200])
def test_a_line_of_keys_never_leaves_out_the_list_of_keys_and_the_way_out(width: int) -> None:
    shown = (
        ("ctrl+p", "commands"),
        ("s", "scenario"),
        ("0-9", "pane"),
        ("n", "note"),
        ("?", "keys"),
        ("q", "quit"),
        ("J", "journal"),
        ("p", "freeze"),
    )
    drawn = key_line(shown, width)
    keys = [text for text, ink in drawn if ink == "key"]
    assert {"?", "q"} <= set(keys) and length(drawn) == width
    assert keys == [name for name in ("^P", "s", "0-9", "n", "?", "q", "J", "p") if name in keys]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 12), (24, 10), (200, 50)])
@pytest.mark.parametrize("drill", [None, "provider-outage"])
async def test_the_foot_of_the_console_shows_them_at_every_size(
    tmp_path: Path, size: tuple[int, int], drill: str | None
) -> None:
    async with controller(settings(tmp_path), size=size, drill=drill) as (app, _):
        foot = text_of(app).splitlines()[-1]
        assert "?" in foot and " q" in foot


class OtherKeysScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f7", "freeze", "Stand still", id="picture.freeze", tooltip="Freeze the picture, never the polling")
    ]


class OtherKeysConsole(NexConsole):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f8", "note", "Remark", id="journal.note", tooltip="Write a one-line note in the journal")
    ]


async def test_a_changed_binding_changes_the_strip_of_keys_the_palette_and_the_list_of_keys(tmp_path: Path) -> None:
    app = OtherKeysConsole(settings(tmp_path), screen=OtherKeysScreen)
    async with app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()

        strip = text_of(app).splitlines()[-1]
        assert "f7 stand still" in strip and "f8 remark" in strip
        assert "p freeze" not in strip and "n note" not in strip
        titles = {command.title for command in app.palette_commands()}
        assert {"Freeze (f7)", "Write a note (f8)", "Journal (J)"} <= titles
        await pilot.press("question_mark")
        await pilot.pause()
        shown = text_of(app)
        assert any("f7" in line and "Freeze the picture" in line for line in shown.splitlines())
        assert any("f8" in line and "one-line note" in line for line in shown.splitlines())


def test_every_key_that_is_shown_or_named_by_the_palette_is_bound() -> None:
    for app, screen in ((NexConsole, ConsoleScreen), (ReplayApp, ReplayScreen)):
        bound = bound_keys(app, screen)
        assert {shown for shown in screen.SHOWN_KEYS if isinstance(shown, str)} <= set(bound)


async def opened_help(app: NexConsole, pilot: Pilot[None]) -> KeyHelp:
    await pilot.press("question_mark")
    screen = await until(lambda: app.screen if isinstance(app.screen, KeyHelp) else None)
    await until(lambda: "closes" in text_of(app))
    return screen


async def test_enter_does_what_the_key_under_the_cursor_does_after_the_list_has_closed(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await opened_help(app, pilot)
        await pilot.press("slash", *"journa")
        await until(lambda: [entry.keys for entry in screen.found][:1] and screen._search.has_focus)
        await until(lambda: any("J" in entry.keys for entry in screen.found))
        place = next(n for n, entry in enumerate(screen.found) if "J" in entry.keys)
        await pilot.press(*["down"] * place, "enter")
        await until(lambda: isinstance(app.screen, JournalScreen))
        assert len(app.screen_stack) == 2


async def test_the_search_finds_by_words_and_forgives_and_esc_leaves_it_first(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await opened_help(app, pilot)
        everything = screen.found
        await pilot.press("slash", *"freze")
        await until(lambda: [entry.does for entry in screen.found] == ["Freeze the picture, never the polling"])
        await pilot.press("escape")
        await until(lambda: screen.found == everything)
        assert app.screen is screen
        await pilot.press("slash", *"note")
        await until(lambda: [entry.keys for entry in screen.found] == [("n",)])  # not by letters here and there
        await pilot.press("escape", "slash", *"qqq")
        await until(lambda: screen.found == () and "no key does that" in text_of(app))
        await pilot.press("enter", "escape", "escape")
        await until(lambda: app.screen is app.console_screen)


async def test_what_does_nothing_now_says_why_and_is_not_done(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        screen = await opened_help(app, pilot)
        await pilot.press("slash", *"newest action")
        await until(lambda: [entry.keys for entry in screen.found] == [("u",)])
        await until(lambda: "nothing was done that could be undone" in text_of(app))
        await pilot.press("enter")
        await until(lambda: "not now: nothing was done" in text_of(app))
        assert app.screen is screen


async def test_what_acts_at_once_is_not_done_from_the_list(tmp_path: Path) -> None:
    """Which step or proposal it is done to is not seen behind the list."""
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        await pilot.press("s")
        pane = await until(lambda: app.controller.scenarios.pane)
        pane.focus()
        await until(lambda: "in the scenario" in told(app))
        screen = await opened_help(app, pilot)
        at_once = {"step.go", "step.look", "step.skip", "step.reopen", "step.record"}
        places = [n for n, entry in enumerate(screen.found) if entry.active.binding.id in at_once]
        assert len(places) == len(at_once)
        for place in places:
            screen._at = place
            screen.action_take()
            await until(lambda: "it acts at once" in text_of(app))
            assert app.screen is screen


async def test_a_row_that_has_changed_behind_the_list_is_not_taken(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        await pilot.press("2", "down")
        pane = app.console_screen.panes["circuits"]
        first = await until(lambda: pane.subject)
        screen = await opened_help(app, pilot)
        place = next(n for n, entry in enumerate(screen.found) if entry.does.startswith("Copy the cursor"))
        entry = next(entry for entry in screen.found if "down" in entry.keys)
        assert entry.subject == first
        pane.action_row(1)
        assert pane.subject != first
        screen._at = next(n for n, one in enumerate(screen.found) if one is entry)
        await pilot.press("enter")
        await until(lambda: "the row under the cursor has changed" in text_of(app))
        assert place >= 0 and app.screen is app.console_screen


async def test_a_click_goes_to_a_line_of_the_list_and_the_wheel_scrolls_it(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        screen = await opened_help(app, pilot)
        await pilot.click("#list", offset=(5, 3))
        row = screen.rows[screen._top + 3]
        await until(lambda: screen.found[screen._at] is row)
        await pilot.click("#list", offset=(5, 3))
        await until(lambda: app.screen is not screen)
