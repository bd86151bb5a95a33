"""Questions answered by few keys: a letter chooses an offered word, and the only possible answer stands there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from controller import burst, controller, kinds, quiet, settings, text_of, until
from scenario_console import go_to, outage, said, steps
from textual import events

from nexconsole.screens.prompt import Prompt
from nexconsole.screens.scenario import ScenarioPane
from nexconsole.text.choices import at_once, letters, meant


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("yes", "no", "unknown"), ["y", "n", "u"]),
        (("full", "fine"), ["fu", "fi"]),
        (("no", "none", "yes"), ["no", "non", "y"]),
        (("a", "b"), ["a", "b"]),
        ((), []),
    ],
)
def test_each_word_has_the_fewest_letters_that_choose_it(words: tuple[str, ...], keys: list[str]) -> None:
    assert list(letters(words).values()) == keys
    assert [meant(key, words) for key in keys] == list(words)


def test_letters_that_may_go_on_to_another_word_choose_nothing_by_themselves() -> None:
    words = ("no", "none", "yes")
    assert [at_once(typed, words) for typed in ("n", "no", "non", "none", "y", "ye", "yes", "", "x")] == [
        "", "", "none", "", "yes", "", "", "", ""]  # fmt: skip
    assert meant("", words) == "" and meant("n", words) == "" and meant("Y", words) == "yes"


async def asked(app: Any, pilot: Any, scenario: str, ending: str) -> ScenarioPane:
    """The question of this step is open, and keys count."""
    app.controller.scenarios.open(scenario)
    pane = await until(lambda: app.controller.scenarios.pane)
    await until(lambda: pane.lines)
    pane._unfolded |= {step.id for step in pane.scenario.walk()}
    pane.paint()
    go_to(pane, ending)
    await pilot.press("enter")
    await until(lambda: isinstance(app.screen, Prompt))
    return pane


def answers(folder: Path) -> list[str]:
    return [step["answer"] for step in steps(folder) if step["state"] == "done"]


async def test_a_letter_answers_with_enter_or_by_itself(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await asked(app, pilot, "flush-abandoned-locks", "/pods-died")
        assert "y yes   n no   u unknown   esc leaves" in text_of(app)
        await quiet(app)
        await pilot.press("u")
        assert "enter takes unknown" in text_of(app)
        await pilot.press("enter")
        await until(lambda: answers(tmp_path) == ["unknown"])
        go_to(pane, "/more")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press("n")
        await until(lambda: answers(tmp_path) == ["unknown", "no"])
        assert app.screen is app.console_screen


async def test_a_word_that_is_typed_out_answers_once_and_its_letters_go_nowhere_else(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await asked(app, pilot, "flush-abandoned-locks", "/pods-died")
        await quiet(app)
        for letter in "yes":
            await pilot.press(letter)
            await asyncio.sleep(0.15)
        await asyncio.sleep(0.6)
        assert isinstance(app.screen, Prompt) and answers(tmp_path) == []
        await pilot.press("enter")
        await until(lambda: answers(tmp_path) == ["yes"])
        assert app.controller.scenarios.pane is pane


async def test_keys_from_before_the_question_was_seen_answer_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await asked(app, pilot, "flush-abandoned-locks", "/pods-died")
        await pilot.press("y")  # at once: it may have been meant for the console
        await asyncio.sleep(0.7)
        assert isinstance(app.screen, Prompt) and answers(tmp_path) == []
        await pilot.press("backspace")
        burst(app, "n", "enter")
        await asyncio.sleep(0.7)
        assert isinstance(app.screen, Prompt) and answers(tmp_path) == []


async def test_after_a_letter_alone_a_late_enter_begins_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await asked(app, pilot, "flush-abandoned-locks", "/pods-died")
        await quiet(app)
        await pilot.press("n")
        await until(lambda: answers(tmp_path) == ["no"] and not pane.step.endswith("/pods-died"))
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.console_screen and len(answers(tmp_path)) == 1
        assert "has changed: read it" in text_of(app)


async def test_a_key_that_comes_while_the_console_leaves_does_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.pause()
        close_all = app._close_all

        async def closing() -> None:
            await close_all()
            for key in ("enter", "q", "ctrl+c"):
                app.post_message(events.Key(key, None))
            app.call_next(app._release)  # a picture was still held back for its lines

        app._close_all = closing
    assert app._exception is None and app.return_code in (0, None)


async def test_the_only_disabled_provider_stands_there_and_another_can_be_typed(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        disable(app, "smsbower")
        await asked(app, pilot, "customers-are-refused", "/provider")
        assert app.screen.query_one("#line").value == "smsbower"
        await quiet(app)
        await pilot.press("enter")
        await until(lambda: answers(tmp_path) == ["smsbower"])
    async with controller(settings(tmp_path / "again")) as (app, pilot):
        disable(app, "smsbower")
        await asked(app, pilot, "customers-are-refused", "/provider")
        await quiet(app)
        await pilot.press(*"5sim", "enter")
        await until(lambda: answers(tmp_path / "again") == ["5sim"])


async def test_of_several_disabled_providers_none_stands_there(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        disable(app, "smsbower", "5sim")
        await asked(app, pilot, "customers-are-refused", "/provider")
        assert app.screen.query_one("#line").value == ""
        await quiet(app)
        await pilot.press("enter")
        assert isinstance(app.screen, Prompt) and "step" not in kinds(tmp_path)


async def test_the_cursor_opens_at_the_look_that_would_find_the_target_where_none_is_known(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        reading = app.monitor.readings["database"]
        app.monitor.take(replace(reading, value=None, error="the role may not see sessions"))
        app.controller.scenarios.open("a-session-blocks-others")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        assert pane.row.kind == "look" and "not known: the role may not see sessions" in said(pane)
        await pilot.press("f")  # the action itself is one key away, and says what it waits for
        assert pane.row.kind == "do" and "not known: not known" not in said(pane)
        assert "not yet: {pid} is not known: the role may not see sessions" in said(pane)


@pytest.mark.parametrize(("size", "whole"), [((200, 50), True), ((200, 24), False)])
async def test_long_titles_are_wrapped_where_all_of_them_are_in_sight_then(
    tmp_path: Path, size: tuple[int, int], whole: bool
) -> None:
    long = "what do its breakers say, in every pod and in Redis?"
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        outage(app)
        await pilot.press("s")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        assert (long in said(pane)) is whole
        for _ in range(12 if whole else 0):  # wherever the cursor stands
            await pilot.press("up")
            assert long in said(pane)


def disable(app: Any, *names: str) -> None:
    reading = app.monitor.readings["circuits"]
    providers = tuple(replace(one, active=one.name not in names) for one in reading.value.providers)
    app.monitor.take(replace(reading, value=replace(reading.value, providers=providers)))
