"""The journal on screen: live, from everybody, and with nothing in it that does harm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from controller import burst, controller, entries, quiet, settings, strip_of, text_of, until
from crashes import DONE, PLAN, crashed
from textual import events

from nexconsole.journal import open_journal
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.prompt import Prompt
from nexconsole.widgets.spans import cells, folded

HOSTILE = ("[/]", "[red]x", "\x1b[31m\x1b]0;t\x07", "👩‍👩‍👧 👍🏽", "\u202eevil", "x" * 100_000)


async def test_n_writes_a_note_that_the_journal_shows_at_once(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"called their on-call", "enter")
        await until(lambda: entries(tmp_path))
        assert entries(tmp_path)[0].data == {"text": "called their on-call"}
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await pilot.pause(0.3)
        assert "called their on-call" in text_of(app) and "maria" in text_of(app) and "SEV-1" in text_of(app)
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


async def test_a_note_and_its_enter_may_come_at_once_and_what_follows_them_does_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        burst(app, *"n typed ahead", "enter")  # no line was open when it was typed
        await pilot.pause(0.3)
        assert app.screen is app.console_screen and not entries(tmp_path)
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        burst(app, *"called them", "enter", *"sqd", "enter")
        await until(lambda: entries(tmp_path))
        await pilot.pause(0.3)
        assert [entry.data for entry in entries(tmp_path)] == [{"text": "called them"}]
        assert app.screen is app.console_screen and app.controller.scenarios.pane is None


async def test_drawing_a_console_that_is_being_taken_down_does_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, _):
        await app.console_screen.query_one("#panes").remove()  # its children go first
        app.controller.paint()
        app.controller.tick()


async def test_what_others_do_appears_in_the_open_journal_within_a_second(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        other = open_journal(settings(tmp_path), "bob")
        intent = await asyncio.to_thread(other.append, "intent", {"operator": "bob", "plan": PLAN})
        await until(lambda: "provider.disable smsbower" in text_of(app) and "bob" in text_of(app), 1.5)
        outcome = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
        await asyncio.to_thread(other.append, "outcome", outcome)
        await until(lambda: "done: UPDATE 1" in text_of(app), 1.5)
        await pilot.press("k", "c")
        assert app.clipboard == PLAN["command"]


async def test_a_torn_last_line_is_said_at_start_up_and_nothing_else_is_lost(tmp_path: Path) -> None:
    other = open_journal(settings(tmp_path), "bob")
    await asyncio.to_thread(other.append, "note", {"text": "before it"})
    with other.file.open("ab") as torn:
        torn.write(b'{"id":"0123456789')
    async with controller(settings(tmp_path), size=(160, 40)) as (app, pilot):
        await until(lambda: "line 2 torn after 17 bytes" in text_of(app))
        await app.controller.session.note("and on")
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await until(lambda: all(words in text_of(app) for words in ("line 2 torn", "before it", "and on")))


async def test_after_a_crash_the_next_console_says_unknown_and_how_to_look(tmp_path: Path) -> None:
    await asyncio.to_thread(crashed, tmp_path, f"j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})")
    async with controller(settings(tmp_path)) as (app, pilot):
        await until(lambda: "UNKNOWN" in strip_of(app))
        said = " ".join(strip_of(app).split())
        assert "carol" in said and "its attempts fall to none" in said
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await pilot.pause(0.3)
        text = text_of(app)
        assert "UNKNOWN: its console ended before the outcome" in text and PLAN["command"] in text
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"perhaps", "enter")
        assert isinstance(app.screen, Prompt)
        for _ in "perhaps":
            await pilot.press("backspace")
        await pilot.press(*"not done: the row is as it was", "enter")
        await until(lambda: len(entries(tmp_path)) == 2)
        assert entries(tmp_path)[1].data["outcome"]["state"] == "failed"
        await until(lambda: "UNKNOWN" not in strip_of(app))


async def test_after_a_crash_between_outcome_and_verdict_the_next_console_says_so_and_how_to_look(
    tmp_path: Path,
) -> None:
    intent = f"i = j.append('intent', {{'operator': 'carol', 'plan': {PLAN!r}}})"
    await asyncio.to_thread(crashed, tmp_path, intent, DONE)
    async with controller(settings(tmp_path), size=(160, 40)) as (app, pilot):
        await until(lambda: "NO VERDICT" in strip_of(app))
        said = " ".join(strip_of(app).split())
        assert "UPDATE 1; its console ended while it watched. Check whether its attempts fall to none" in said
        await pilot.press("d", "J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await until(lambda: "NO VERDICT: its console ended while it watched" in text_of(app))
        assert PLAN["command"] in text_of(app)
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"done", "enter")
        assert isinstance(app.screen, Prompt) and "`no effect`" in text_of(app)
        for _ in "done":
            await pilot.press("backspace")
        await pilot.press(*"no effect: they still buy there", "enter")
        await until(lambda: len(entries(tmp_path)) == 3)
        assert entries(tmp_path)[2].data["verdict"]["state"] == "no effect"
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        await pilot.pause(0.3)
        assert "NO VERDICT" not in text_of(app)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
@pytest.mark.usefixtures("every_frame")
async def test_hostile_entries_do_no_harm(tmp_path: Path, text: str) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        other = open_journal(settings(tmp_path), "maria")
        other.writer = msgspec.structs.replace(other.writer, operator=text[:80])
        plan = {name: text for name in ("action", "effect", "watch", "command")} | {"arguments": {"provider": text}}
        for kind, data in (
            ("note", {"text": text}),
            ("intent", {"plan": plan}),
            (text[:20] or "x", {"a": text}),
            ("step", {"scenario": text, "step": text, "state": text, "answer": text}),
        ):
            await asyncio.to_thread(other.append, kind, data)
        await until(lambda: len(app.controller.session.entries) == 4)
        await pilot.press("J")
        await until(lambda: isinstance(app.screen, JournalScreen))
        for _ in range(4):
            await pilot.press("k")
            await pilot.pause()
            assert all(line.isprintable() for line in text_of(app).splitlines())


@pytest.mark.parametrize("width", [1, 2, 7, 40])
@pytest.mark.parametrize(
    "text", ["", "a", "one two three four five six", "界" * 30, "x" * 99, " lead and  gaps   ", "é 界 x " * 20]
)
def test_what_is_folded_is_whole_and_fits(text: str, width: int) -> None:
    lines = folded(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cells(one) <= max(width, 2) for one in lines) and lines


async def test_a_key_that_is_held_down_asks_one_question(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        for _ in range(30):
            app.post_message(events.Key("n", "n"))
        await until(lambda: isinstance(app.screen, Prompt))
        await pilot.pause(0.3)
        assert sum(isinstance(one, Prompt) for one in app.screen_stack) == 1
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Prompt))
