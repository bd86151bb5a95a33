"""The palette: what it finds, by which words, in which order, and what it says of what can't be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from controller import burst, controller, quiet, settings, text_of, until
from textual import events
from textual.widgets import Input

from nexconsole.actions.registry import ACTIONS
from nexconsole.app import NexConsole
from nexconsole.screens.palette import Palette, PaletteCommand, ranked
from nexconsole.screens.palette_commands import commands
from nexconsole.screens.prompt import Prompt
from nexconsole.sources import open_sources
from nexconsole.widgets.fuzzy import score


def listed(app: NexConsole) -> list[PaletteCommand]:
    return commands(app.controller, app._fixed())


async def found(app: NexConsole, pilot: Any, typed: str) -> list[PaletteCommand]:
    await pilot.press("ctrl+p")
    await until(lambda: isinstance(app.screen, Palette))
    await pilot.press(*typed)
    await pilot.pause()
    return app.screen.found


@pytest.fixture
def everywhere(tmp_path: Path) -> Any:
    """Settings that name every system; nothing is connected before something is asked."""
    return settings(
        tmp_path,
        postgres={"url": "postgresql://u:p@127.0.0.1:1/nexnum"},
        redis={"url": "redis://127.0.0.1:1"},
        kubernetes={"kubeconfig": "/nowhere"},
        api={"url": "http://127.0.0.1:1"},
    )


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("kill query", "backend.cancel"),
        ("restart", "pods.restart"),
        ("5sim", "provider"),
        ("disable smsbower", "provider.disable"),
        ("provider.disable", "provider.disable"),
        ("prov dis", "provider.disable"),
        ("unblock", "backend.terminate"),
        ("note", "journal.note"),
        ("freeze", "console.freeze"),
        ("high contrast", "console.theme.high.contrast"),
        ("maximize outbox", "console.outbox"),
        ("stuck reservations", "scenario.stuck-reservations"),
        ("disable a-provider-that-no-reading-knows", "provider.disable"),
        ("provder dis", "provider.disable"),
        ("disbale smsbower", "provider.disable"),
        ("enabel", "provider.enable"),
        ("restrat", "pods.restart"),
        ("scenarioo stuck", "scenario.stuck-reservations"),
        ("ban", "provider.disable"),
        ("reboot", "pods.restart"),
        ("help", "console.keys"),
        ("keys", "console.keys"),
        ("quit", "console.quit"),
        ("exit", "console.quit"),
    ],
)
async def test_what_is_meant_comes_first(everywhere: Any, typed: str, name: str) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, _):
        best = ranked(typed, listed(app))
        assert best and best[0].name.startswith(name), [command.title for command in best[:4]]


async def test_every_action_and_scenario_is_there_with_its_stable_name(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, _):
        names = {command.name for command in listed(app)}
        assert set(ACTIONS) <= names and "logs.show" in names
        assert {f"scenario.{chapter.id}" for chapter in app.controller.scenarios.runbook.chapters()} <= names


async def test_a_likely_target_says_why_it_is_likely_and_comes_before_the_general_form(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        best = await found(app, pilot, "disable")
        assert best[0].title == "Disable provider smsbower - 55 % failing"
        text = text_of(app)
        assert "provider.disable" in text and "55 % failing" in text
        await pilot.press("escape")
        assert app.screen is app.console_screen


async def test_what_cannot_be_done_says_why_and_does_nothing_else(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), follow=False) as (app, pilot):
        best = await found(app, pilot, "disable smsbower")
        assert "set postgres.url" in best[0].why_not
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Palette) and "not now" in text_of(app) and "○Disable" in text_of(app)


async def test_an_observing_console_lists_every_action_with_that_reason(everywhere: Any, tmp_path: Path) -> None:
    watching = settings(tmp_path, postgres={"url": everywhere.postgres.url}, actions={"observe": True})
    async with controller(watching, open_sources(watching), follow=False) as (app, _):
        actions = [command for command in listed(app) if command.name in ACTIONS]
        assert actions and all("only observes" in command.why_not for command in actions)
        app.controller.actions.act("provider.disable", {"provider": "smsbower"})
        await until(lambda: app.controller.session.shown and app.controller.session.shown[0].phase == "ended")
        assert "only observes" in app.controller.session.shown[0].stopped


async def test_an_action_without_a_target_asks_for_it_in_one_line_that_knows_the_likely_words(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        app.controller.actions.ask_arguments("provider.enable")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.pause()
        assert "PROVIDER" in text_of(app) and "5sim" in text_of(app)
        await pilot.press("enter")
        assert isinstance(app.screen, Prompt) and "needs provider" in text_of(app)
        await pilot.press(*"smsb", "tab")
        assert app.screen.query_one("#line").value == "smsbower"
        await pilot.press("x", *" y z", "enter")
        assert isinstance(app.screen, Prompt) and "no more than" in text_of(app)
        await pilot.press("escape")
        await until(lambda: app.screen is app.console_screen)


@pytest.mark.parametrize("text", ["[/]", "[red]x", "\x1b[31m\x1b]0;t\x07", "\u202eevil", "x" * 100_000])
@pytest.mark.usefixtures("every_frame")
async def test_hostile_names_do_no_harm_in_the_palette(everywhere: Any, text: str) -> None:
    from dataclasses import replace

    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        reading = app.console_screen.readings["transactions"]
        providers = tuple(replace(one, name=text) for one in reading.value.providers)
        app.monitor.take(replace(reading, value=replace(reading.value, providers=providers)))
        await found(app, pilot, "disable")
        assert all(line.isprintable() for line in text_of(app).splitlines())
        await pilot.press("down", "up", "pagedown", "pageup", "escape")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (30, 10)])
async def test_it_fits_every_size(everywhere: Any, size: tuple[int, int]) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False, size=size) as (app, pilot):
        await found(app, pilot, "restart")
        assert ">" in text_of(app) and "estart" in text_of(app)


def test_words_at_the_beginning_count_more_than_letters_here_and_there() -> None:
    assert score("kill query", ("Cancel a query", "x", "kill query")) > 0
    assert score("restart", ("Restart all",)) > score("rstrt", ("Restart all",)) > 0
    assert score("query kill nothing", ("kill query",)) == 0
    assert score("disable", ("Disable",)) > score("able", ("Disable",)) > 0


async def test_the_palette_opens_quickly_with_a_thousand_providers(everywhere: Any) -> None:
    import time
    from dataclasses import replace

    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, _):
        reading = app.console_screen.readings["transactions"]
        one = reading.value.providers[0]
        many = tuple(replace(one, name=f"provider-{n}") for n in range(1000))
        app.monitor.take(replace(reading, value=replace(reading.value, providers=many)))
        began = time.process_time()
        lines = listed(app)
        ranked("disable provider-99", lines)
        assert time.process_time() - began < 0.25


async def test_keys_queued_behind_the_one_that_chose_close_nothing_else(tmp_path: Path) -> None:
    """Enter held down on a slow link: it once closed the console itself."""
    async with controller(settings(tmp_path)) as (app, pilot):
        await found(app, pilot, "note")
        for _ in range(20):
            app.post_message(events.Key("enter", "\r"))
        await until(lambda: isinstance(app.screen, Prompt))
        await pilot.pause()
        assert isinstance(app.screen, Prompt) and len(app.screen_stack) == 2 and app.is_running


def chosen(app: NexConsole) -> list[str]:
    """What the actions that were begun are."""
    return [one.name for one in app.controller.session.shown]


async def test_enter_takes_the_row_of_what_was_typed_however_quickly_the_keys_came(everywhere: Any) -> None:
    """Typed by somebody quick while the console was busy: nothing was drawn between two of the keys."""
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        for many, name in enumerate(("tiger-sms", "5sim"), 1):
            await pilot.press("ctrl+p")
            await until(lambda: isinstance(app.screen, Palette))
            for key in f"disable {name}":
                app.post_message(events.Key(key, key))
            app.post_message(events.Key("enter", "\r"))
            await until(lambda: len(chosen(app)) == many)  # noqa: B023
            assert chosen(app)[-1] == f"provider.disable {name}"
            await until(lambda: app.controller.session.shown[-1].phase == "ended")


async def test_what_is_typed_after_enter_makes_no_other_target_of_it(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        for more in ("x", " ", "smsbower", "down", "up"):
            await pilot.press("ctrl+p")
            await until(lambda: isinstance(app.screen, Palette))
            for key in ("disable 5sim", "enter", more):
                for one in key if key not in ("enter", "down", "up") else (key,):
                    app.post_message(events.Key(one, {"enter": "\r"}.get(one, one if len(one) == 1 else None)))
            await until(lambda: app.screen is app.console_screen or "press it once more" in text_of(app))
            await pilot.pause()
            assert set(chosen(app)) <= {"provider.disable 5sim"}
            if app.screen is not app.console_screen:
                await pilot.press("escape")


async def test_enter_out_of_a_burst_takes_nothing_and_says_so(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, Palette))
        burst(app, *"disable 5sim", "enter", "x")
        await until(lambda: "enter came together with other keys" in text_of(app))
        assert isinstance(app.screen, Palette) and chosen(app) == []
        assert app.screen.query_one(Input).value == "disable 5simx"
        await pilot.press("backspace", "enter")
        await until(lambda: chosen(app) == ["provider.disable 5sim"])


async def test_a_name_that_nothing_knows_finds_no_other_name(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, _):
        best = ranked("disable a-provider-that-no-reading-knows", listed(app))
        assert [command.asks for command in best] == [True] * len(best)
        assert not any("smsbower" in command.title for command in best)
        assert ranked("xyzzy plugh", listed(app)) == []


@pytest.mark.parametrize(
    "typed", ["disable smsbowr", "disable smsbwoer", "disable tiger-sns", "disable 5sin", "dsable 5sin"]
)
async def test_a_mistyped_name_finds_no_provider_but_the_line_that_asks_for_one(everywhere: Any, typed: str) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, _):
        best = ranked(typed, listed(app))
        assert best and all(command.asks and not command.targets for command in best)
        assert best[0].name == "provider.disable"


def entry(title: str, *targets: str, weight: float = 0.0, why_not: str = "") -> PaletteCommand:
    return PaletteCommand(
        name="provider.disable", title=title, run=lambda: None, weight=weight, targets=targets, why_not=why_not
    )


def test_what_holds_the_words_as_typed_comes_before_every_guess_however_likely_that_is() -> None:
    entries = [entry("Release the lock", weight=9.0), entry("Relaese notes", weight=-1.0)]
    assert [found.title for found in ranked("relaese", entries)] == ["Relaese notes", "Release the lock"]


def test_a_name_typed_in_full_comes_before_longer_names_however_likely_those_are() -> None:
    entries = [entry("Disable tiger-sms", "tiger-sms", weight=9.0), entry("Disable tiger", "tiger", why_not="off")]
    assert [found.title for found in ranked("disable tiger", entries)] == ["Disable tiger", "Disable tiger-sms"]


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("enabel", True), ("enalbe", True), ("enble", True), ("ennable", True), ("enabke", True), ("neable", True),
        ("enbel", False), ("able4", False), ("enx", False), ("xnable", False), ("elbane", False),
    ],
)  # fmt: skip
def test_one_typing_error_is_forgiven(typed: str, fits: bool) -> None:
    assert bool(ranked(typed, [entry("Enable provider")])) is fits


async def test_an_empty_result_says_what_to_try(everywhere: Any) -> None:
    async with controller(everywhere, open_sources(everywhere), follow=False) as (app, pilot):
        assert await found(app, pilot, "xyzzy") == []
        await until(lambda: "type a verb" in text_of(app))


@pytest.mark.parametrize(
    "keys", [("n", *"hello", "enter"), ("q", "q"), ("u", "d"), ("s", "enter"), ("ctrl+p", "x", "enter")]
)
async def test_text_that_is_pasted_into_the_panes_does_nothing_but_say_so(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        burst(app, *keys)
        await until(lambda: "as if pasted" in text_of(app))
        await pilot.pause()
        assert app.screen is app.console_screen and app.is_running and app.controller.scenarios.pane is None
        burst(app, "tab", "j", "j")  # what only moves is let through
        await until(lambda: app.screen.focused is not None)
