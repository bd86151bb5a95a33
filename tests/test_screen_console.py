"""The console as it is used: readings arrive, keys are pressed, the terminal changes its size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sample_readings as sample
from controller import controller, settings, until
from textual.pilot import Pilot

from nexconsole.app import NexConsole
from nexconsole.panes.pane import Pane
from nexconsole.panes.registry import PANES
from nexconsole.screens.console import ConsoleScreen
from nexconsole.settings import Settings
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.spans import as_text


class ScreenClock:
    def __init__(self) -> None:
        self.now = sample.NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@asynccontextmanager
async def console(
    world: str | None = "incident", size: tuple[int, int] = (120, 40), drill: str | None = None, **settings: str
) -> AsyncIterator[tuple[ConsoleScreen, Pilot, ScreenClock]]:
    clock = ScreenClock()
    chosen = Settings(**({"name": "nexnum-eu", "operator": "maria"} | settings))
    app = NexConsole(chosen, None, clock=clock, drill=drill)
    async with app.run_test(size=size, notifications=True) as pilot:
        for reading in sample.WORLDS[world]().values() if world else ():
            app.monitor.take(reading)
        app.console_screen.tick()
        await pilot.pause()
        yield app.console_screen, pilot, clock


def seen(screen: ConsoleScreen, selector: str) -> str:
    return as_text(screen.query_one(selector, LineCanvas).lines)


def everything(screen: ConsoleScreen) -> str:
    """What is on the terminal, top to bottom."""
    return "\n".join(strip.text for strip in screen._compositor.render_strips())


async def test_before_the_first_reading_every_pane_waits() -> None:
    async with console(None) as (screen, _, _):
        assert all("waiting" in seen(screen, f"#{face.SIGNAL}") for face in PANES)
        assert "no reading yet" in seen(screen, "#why")


async def test_an_incident_says_how_bad_it_is_and_why_in_the_first_line() -> None:
    async with console() as (screen, _, _):
        line = seen(screen, "#why")
        assert line.startswith(" PRODUCTION   SEV-1  17.8 % of purchases fail, 93 % of them at smsbower")
        assert "14:07:31Z" in seen(screen, "#clock")


async def test_the_first_line_and_the_pane_below_say_one_figure_as_soon_as_it_is_read() -> None:
    async with console() as (screen, pilot, _):
        reading = screen.readings["transactions"]
        screen.monitor.take(replace(reading, value=replace(reading.value, failure_rate=0.31, failures=124)))
        await pilot.pause()
        assert "SEV-1  31 % of purchases fail" in seen(screen, "#why")
        assert "124 of 400 failed" in seen(screen, "#transactions")


async def test_calm_says_so_and_names_the_signals_without_data() -> None:
    async with console("calm") as (screen, _, _):
        assert "CALM" in seen(screen, "#why") and "nothing is wrong in 14 signals" in seen(screen, "#why")
        screen.monitor.take(sample.reading("alerts", None, error="prometheus did not answer"))
        screen.tick()
        assert "no data from alerts" in seen(screen, "#why")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 50), (60, 50)])
async def test_the_four_answers_can_be_read_at_every_usual_size(size: tuple[int, int]) -> None:
    async with console(size=size) as (screen, _, _):
        text = everything(screen)
        for words in ("SEV-1", "71 of 400 failed", "ONE PROVIDER", "smsbower", "OPEN 2/3", "9 failed", "56 stuck"):
            assert words in text, words
        assert "1 blocks 14" in text and "2/3 ready" in text and "1 firing" in text


async def test_any_size_can_be_resized_to_while_it_runs() -> None:
    async with console() as (screen, pilot, _):
        for width, height in ((80, 24), (1, 1), (200, 50), (3, 40), (200, 2), (41, 13), (120, 40)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            everything(screen)
        await until(lambda: "ONE PROVIDER" in everything(screen))
        for number in range(1, 8):
            await pilot.press(str(number))
            await pilot.resize_terminal(7, 5)
            await pilot.resize_terminal(120, 40)
            await pilot.press("escape")


async def test_a_digit_maximizes_its_pane_and_escape_restores_all() -> None:
    async with console() as (screen, pilot, _):
        for face in PANES:
            await pilot.press(str(face.NUMBER))
            await pilot.pause()
            shown = [pane.id for pane in screen.query(Pane) if pane.display and pane.size.height]
            assert shown == [face.SIGNAL]
            await pilot.press("escape" if face.NUMBER % 2 else str(face.NUMBER))
            await pilot.pause()
            assert len([pane for pane in screen.query(Pane) if pane.display]) == len(PANES)


async def test_another_digit_goes_straight_to_that_pane() -> None:
    async with console() as (screen, pilot, _):
        await pilot.press("2", "5")
        assert screen.maximized_pane is not None and screen.maximized_pane.id == "database"


async def test_the_cursor_stays_on_its_row_when_the_rows_move() -> None:
    async with console() as (screen, pilot, _):
        await pilot.press("5", "j", "j", "down")
        pane = screen.query_one("#database", Pane)
        row = next(line for line in as_text(pane.lines).splitlines() if ">" in line[:3])
        assert " 4322 " in row
        reading = screen.readings["database"]
        sessions = reading.value.sessions
        moved = tuple(replace(s, transaction_s=90.0) if s.pid in (4330, 4331) else s for s in sessions if s.pid != 4320)
        screen.monitor.take(replace(reading, value=replace(reading.value, sessions=moved)))
        row = next(line for line in as_text(pane.lines).splitlines() if ">" in line[:3])
        assert " 4322 " in row
        gone = tuple(s for s in moved if s.pid != 4322)
        screen.monitor.take(replace(reading, value=replace(reading.value, sessions=gone)))
        assert any(">" in line[:3] for line in as_text(pane.lines).splitlines())
        screen.monitor.take(replace(reading, value=replace(reading.value, sessions=())))
        await pilot.press("j", "k", "G", "g", "pagedown", "pageup")


async def test_a_long_list_scrolls_with_its_cursor() -> None:
    async with console(None, (100, 20)) as (screen, pilot, _):
        value = sample.calm()["circuits"].value
        many = tuple(replace(value.providers[0], name=f"provider-{n:04}") for n in range(1000))
        screen.monitor.take(sample.reading("circuits", replace(value, providers=many)))
        await pilot.press("2", "G")
        text = seen(screen, "#circuits")
        assert "provider-0999" in text and "of 1000" in text
        await pilot.press("g")
        assert "provider-0000" in seen(screen, "#circuits")
        await pilot.press("pagedown", "pagedown")
        assert "provider-0000" not in seen(screen, "#circuits")


async def test_freezing_holds_the_picture_while_readings_go_on() -> None:
    async with console("calm") as (screen, pilot, clock):
        await pilot.press("p")
        before = seen(screen, "#transactions"), seen(screen, "#outbox")
        clock.pass_by(30)
        for reading in sample.incident().values():
            screen.monitor.take(replace(reading, taken_at=clock(), attempted_at=clock()))
        screen.tick()
        assert (seen(screen, "#transactions"), seen(screen, "#outbox")) == before
        assert "FROZEN since 14:07:31" in seen(screen, "#why")
        assert "CALM" in seen(screen, "#why") and "now SEV-1" in seen(screen, "#why")
        assert "14:08:01Z" in seen(screen, "#clock")
        await pilot.press("p")
        assert "71 of 400 failed" in seen(screen, "#transactions")
        assert "FROZEN" not in seen(screen, "#why") and "SEV-1" in seen(screen, "#why")


async def test_a_frozen_pane_can_be_maximized_and_stays_frozen() -> None:
    async with console("calm") as (screen, pilot, _):
        await pilot.press("p")
        for reading in sample.incident().values():
            screen.monitor.take(reading)
        await pilot.press("1")
        assert "5 of 412 failed" in seen(screen, "#transactions")


async def test_a_reading_turns_stale_by_nobody_renewing_it() -> None:
    async with console("calm") as (screen, pilot, clock):
        clock.pass_by(20)
        screen.tick()
        await pilot.pause()
        assert "STALE 21 s" in seen(screen, "#outbox")
        assert "no newer value has arrived" in seen(screen, "#outbox")


async def test_calm_is_a_question_where_a_signal_is_stale() -> None:
    async with console("calm") as (screen, _, _):
        outbox = screen.readings["outbox"]
        screen.monitor.take(replace(outbox, error="postgres did not answer", taken_at=sample.ago(42)))
        screen.tick()
        assert "CALM?  nothing is wrong in 13 signals; stale: outbox" in seen(screen, "#why")


async def test_calm_is_a_question_where_a_circuit_is_unknown() -> None:
    async with console("calm") as (screen, _, _):
        value = screen.readings["circuits"].value
        first = replace(value.providers[0], active=True, state="unknown")
        unknown = replace(value, providers=(first, *value.providers[1:]))
        screen.monitor.take(replace(screen.readings["circuits"], value=unknown))
        screen.tick()
        assert "CALM?  nothing is wrong in 14 signals; 1 circuit unknown" in seen(screen, "#why")


async def test_what_made_the_severity_is_loud_and_the_rest_is_not() -> None:
    async with console() as (screen, _, _):
        inks = {face.SIGNAL: {ink for line in screen.panes[face.SIGNAL].lines for _, ink in line} for face in PANES}
        assert [signal for signal, used in inks.items() if "frame-alarm" in used] == ["transactions"]
        assert not any("frame-warn" in used for used in inks.values())
        assert "warn" in inks["circuits"]


async def test_copying_takes_the_row_under_the_cursor_or_the_whole_pane() -> None:
    async with console() as (screen, pilot, _):
        await pilot.press("c")
        assert "nothing is focused" in seen(screen, "#keys")
        await pilot.press("tab", "c")
        assert "ONE PROVIDER: 66 of 71 failures (93 %) are at smsbower" in pilot.app.clipboard
        assert "onlinesim" in pilot.app.clipboard
        rows = pilot.app.clipboard.splitlines()  # without the frame; in the chart the line is the moment it began
        assert not any(row.startswith("│") or row.endswith("│") for row in rows)
        await pilot.press("5", "j", "c")
        assert "4320" in pilot.app.clipboard and "FOR UPDATE" in pilot.app.clipboard and "\n" not in pilot.app.clipboard
        assert "copied this row of database" in seen(screen, "#keys")


async def test_tab_goes_through_the_panes_in_order() -> None:
    async with console() as (screen, pilot, _):
        order = []
        for _ in PANES:
            await pilot.press("tab")
            order.append(screen.focused.id)
            assert "┏" in as_text(screen.focused.lines)
        assert order == [face.SIGNAL for face in PANES]
        await pilot.press("shift+tab")
        assert screen.focused.id == PANES[-2].SIGNAL
        await pilot.press("enter")
        assert screen.maximized_pane.id == PANES[-2].SIGNAL


async def test_the_outbox_shows_its_worst_events_when_maximized() -> None:
    async with console() as (screen, pilot, _):
        await pilot.press("3")
        assert "reading the worst events" in seen(screen, "#outbox")
        screen.monitor.take(sample.events())
        assert "FAILED" in seen(screen, "#outbox") and "Meilisearch: invalid document id" in seen(screen, "#outbox")


async def test_a_theme_can_be_changed_and_every_ink_follows() -> None:
    async with console() as (screen, pilot, _):
        before = {segment.style for strip in screen._compositor.render_strips() for segment in strip}
        await pilot.press("t")
        await pilot.pause()
        after = {segment.style for strip in screen._compositor.render_strips() for segment in strip}
        assert pilot.app.theme == "nexconsole-light"
        assert not before & after
        await pilot.press("t", "t", "t")
        assert pilot.app.theme == "nexconsole-dark"


async def test_every_key_has_a_name_and_a_sentence_for_the_list_of_keys() -> None:
    async with console(size=(120, 50)) as (screen, pilot, _):
        for place in (ConsoleScreen.BINDINGS, Pane.BINDINGS, NexConsole.BINDINGS):
            for binding in place:
                assert binding.id and binding.tooltip
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Freeze the picture" in "\n".join(one.text for one in pilot.app.screen._compositor.render_strips())
        await pilot.press("escape")
        assert pilot.app.screen is screen


async def test_the_palette_offers_panes_themes_and_leaving_and_its_cursor_is_still() -> None:
    async with console() as (screen, pilot, _):
        titles = [command.title for command in pilot.app.get_system_commands(screen)]
        assert "Outbox (3)" in titles and "Theme: high-contrast" in titles and "Quit (q)" in titles
        await pilot.press("ctrl+p")
        await pilot.pause()
        from textual.widgets import Input

        assert not pilot.app.screen.query_one(Input).cursor_blink
        await pilot.press("o", "u", "t", "b", "o", "x")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_readings_go_on_under_an_open_list_of_keys() -> None:
    async with console("calm") as (screen, pilot, _):
        await pilot.press("question_mark")
        for reading in sample.incident().values():
            screen.monitor.take(reading)
        await pilot.press("escape")
        assert "71 of 400 failed" in seen(screen, "#transactions")


async def test_a_drill_says_so_at_the_top_and_the_bottom_throughout() -> None:
    async with console(drill="provider-outage", environment="drill") as (screen, pilot, _):
        for keys in ((), ("2",), ("p",)):
            await pilot.press(*keys)
            assert "DRILL" in seen(screen, "#why") and "DRILL provider-outage" in seen(screen, "#keys")
            assert "PRODUCTION" not in everything(screen)


async def test_an_environment_of_another_name_has_its_own_block() -> None:
    async with console(environment="staging") as (screen, _, _):
        assert seen(screen, "#why").startswith(" STAGING ")


@pytest.mark.parametrize(
    "text",
    ["[/]", "[red]x", "\x1b[31m\x1b]0;t\x07", "👩‍👩‍👧 👍🏽", "\u202eevil", "x" * 1_000_000],
    ids=lambda text: ascii(text)[:12],
)
@pytest.mark.usefixtures("every_frame")
async def test_hostile_text_does_no_harm_anywhere_on_screen(text: str) -> None:
    from hostile import poisoned

    async with console(None, (100, 30), name=text, operator=text) as (screen, pilot, _):
        hostile = {name: replace(r, value=poisoned(r.value, text)) for name, r in sample.incident().items()}
        unhealthy = tuple(replace(source, error=text, kind=text, failed_at=sample.NOW) for source in sample.health())
        screen.monitor.health = lambda: unhealthy
        for error in (None, text):
            for reading in hostile.values():
                screen.monitor.take(replace(reading, error=error))
            screen.monitor.take(replace(sample.events(), value=poisoned(sample.events().value, text), error=error))
            screen.tick()
            for key in "25":
                await pilot.press(key, "j", "c", key)
        screen.say(text)
        await pilot.pause()
        lines = everything(screen).splitlines()
        assert all(line.isprintable() for line in lines)
        assert "[red]x" not in text or any("[red]x" in line for line in lines)


async def test_motion_is_off_over_ssh_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    assert NexConsole(Settings(), None).animation_level == "none"
    assert NexConsole(Settings(motion="on"), None).animation_level != "none"
    monkeypatch.delenv("SSH_CONNECTION")
    assert NexConsole(Settings(motion="off"), None).animation_level == "none"


async def test_a_second_in_which_nothing_changed_repaints_only_the_clock() -> None:
    async with console("calm") as (screen, pilot, clock):
        screen.tick()
        await pilot.pause()
        repainted = {}
        for lines in screen.query(LineCanvas):
            lines.refresh = lambda *regions, name=lines.id, **_: repainted.setdefault(name, regions)
        clock.pass_by(1)
        screen.tick()
        assert set(repainted) == {"clock"}
        assert sum(region.area for region in repainted["clock"]) <= 2


async def test_nothing_is_called_calm_before_every_signal_that_is_judged_was_read() -> None:
    async with console(size=(120, 40), world=None) as (screen, pilot, _):
        needed = {name: reading for name, reading in sample.calm().items() if name in screen.judged}
        for many, (name, reading) in enumerate(needed.items()):
            text = "".join(one.text for one in pilot.app.screen._compositor.render_strips()[:1])
            assert "CALM" not in text, (many, name)
            assert many == 0 or "reading…" in text or "no reading yet" in text, text
            screen.monitor.take(reading)
            screen.tick()
            await pilot.pause()
        assert "CALM" in "".join(one.text for one in pilot.app.screen._compositor.render_strips()[:1])


async def test_what_is_said_while_the_console_leaves_ends_in_no_crash(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, _):
        await app.console_screen.query("*").remove()
        for reading in sample.WORLDS["incident"]().values():  # a poll that had begun still ends
            app.monitor.take(reading)
        app.console_screen.tick()
        app.console_screen.say("recorded")
