"""The shared screen: what it says, in which sizes, and what it must not show."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sample_readings as sample
from controller import controller, fresh, settings, text_of, until
from frozen_console import console, shown
from incident_story import IncidentStory
from sample_plans import plan, story

from nexconsole.actions.plan import Outcome
from nexconsole.errors import DrillError
from nexconsole.journal import OUTSIDE, EntryKind, open_journal
from nexconsole.model import Reading
from nexconsole.panes import kpis
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.shared_model import moves
from nexconsole.session.operation import Operation
from nexconsole.settings import Settings
from nexconsole.widgets import big_digits
from nexconsole.widgets.canvas import LineCanvas
from nexconsole.widgets.panel import RenderContext
from nexconsole.widgets.spans import as_text, length

SIZES = ((80, 24), (106, 30), (120, 40))


def remember(session, entries) -> None:
    """As if they had been read from the journal."""
    session.incident_store._keep(OUTSIDE, entries)
    session.incident_store._choose()


def presenting(world: str, *keys: str):
    async def run_before(pilot) -> None:
        await shown(world)(pilot)
        if world == "incident":
            remember(pilot.app.controller.session, story())
        pilot.app.present(True)
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
        await pilot.pause()
        for view in pilot.app.console_screen.query("#frame, #presentation"):
            view.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("world", sample.WORLDS)
def test_the_shared_screen_looks_as_it_did(snap_compare, world: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(world), run_before=presenting(world), terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_the_shared_screen_can_be_read_in_every_theme(snap_compare, theme: str) -> None:
    assert snap_compare(console("incident", theme), run_before=presenting("incident"), terminal_size=(106, 30))


def test_the_shared_screen_of_a_drill_looks_like_no_production(snap_compare) -> None:
    app = console("incident", drill="provider-outage")
    assert snap_compare(app, run_before=presenting("incident"), terminal_size=(106, 30))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_scenario_on_the_shared_screen_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot) -> None:
        await presenting("incident")(pilot)
        await pilot.app.controller.scenarios.load_library()
        await pilot.app.controller.scenarios._open_by_id("high-purchase-failure-rate")
        await pilot.pause()
        pilot.app.console_screen.say("")
        pilot.app.console_screen.query_one("#presentation").paint()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


# --- the answers ----------------------------------------------------------------------------------------------------


def told(signal: str, reading: Reading | None, height: int = 5, width: int = 50, alert_level: str = "calm") -> str:
    space = RenderContext(width, height, sample.NOW, Settings(), {}, alert_level)
    (lines,) = kpis.beside([(kpis.kpi(signal, reading, space), space)])
    assert len(lines) == height and {length(line) for line in lines} == {width}
    return as_text(lines)


@pytest.mark.parametrize("signal", kpis.ANSWERS)
@pytest.mark.parametrize("height", [5, 3])
def test_waiting_absent_no_data_zero_and_stale_are_five_pictures(signal: str, height: int) -> None:
    calm = sample.calm()[signal]
    pictures = {
        told(signal, None, height),
        told(signal, sample.unconfigured()[signal], height),
        told(signal, sample.reading(signal, None, error="postgres refused the connection"), height),
        told(signal, calm, height),
        told(signal, replace(calm, taken_at=sample.ago(60), error="gone"), height),
    }
    assert len(pictures) == 5


def test_nothing_measured_is_no_zero() -> None:
    value = replace(sample.calm()["transactions"].value, failure_rate=None, attempts=0, failures=0)
    none = told("transactions", sample.reading("transactions", value))
    assert "nothing to judge by" in none and "%" not in none
    zero = told("transactions", sample.reading("transactions", replace(value, failure_rate=0.0, attempts=400)))
    assert "purchases fail" in zero and "%" in zero


@pytest.mark.parametrize("pending", [0, 7, 137, 9_999, 10_000, 1_234_567])
@pytest.mark.parametrize("width", [20, 34, 50, 58])
@pytest.mark.parametrize("height", [3, 5])
def test_a_figure_of_any_length_stands_in_its_place(pending: int, width: int, height: int) -> None:
    value = replace(sample.calm()["outbox"].value, pending=pending, capped=pending >= 10_000)
    shown = told("outbox", sample.reading("outbox", value), height, width)
    assert "outbox" in shown


def test_circuits_that_nobody_can_tell_are_a_question() -> None:
    value = sample.incident()["circuits"].value
    unknown = tuple(replace(one, state="unknown", flapping=False) for one in value.providers)
    shown = told("circuits", sample.reading("circuits", replace(value, providers=unknown)))
    assert "4 unknown" in shown and as_text(big_digits.large("?", "doubt")).splitlines()[0] in shown


# --- the scene --------------------------------------------------------------------------------------------------------


def test_the_last_three_actions_are_told_with_their_verdicts() -> None:
    tale = IncidentStory()
    ids = [tale.act(f"action.{n}", "smsbower") for n in range(4)]
    tale.end(ids[1])
    tale.judge(ids[1], "no effect")
    tale.end(ids[2], "refused")
    live = Operation(
        action="action.3",
        arguments={},
        began_at=tale.entries[0].at,
        by="maria",
        phase="sending",
        intent=ids[3],
        progress="2 of 5",
    )
    found = moves(tale.entries, [live])
    assert [one.name for one in found] == ["action.1 smsbower", "action.2 smsbower", "action.3 smsbower"]
    assert [one.verdict[0] for one in found] == ["▲ NO EFFECT", "■ REFUSED", "▸ sending"]
    assert found[2].because == "2 of 5"


async def test_who_drives_since_when_and_what_comes_next_are_said(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(120, 40)) as (app, pilot):
        await pilot.press("P")
        await until(lambda: "operator none" in text_of(app))
        assert "since the severity rose" in text_of(app)
        assert "scenario 1 fits, and nobody has begun it" in text_of(app)
        await app.controller.session.open_incident("smsbower fails", "SEV-1")
        await app.controller.session.record(EntryKind.ROLE, {"role": "commander", "person": "piet"})
        await app.controller.session.record(EntryKind.ROLE, {"role": "operator", "person": "maria"})
        await until(lambda: "operator maria   commander piet" in text_of(app) and "since it began" in text_of(app))
        assert "smsbower fails" in text_of(app) and "INC-" in text_of(app)
        until_then = datetime.now(UTC) + timedelta(seconds=40)
        proposed = {
            "operator": "bob",
            "plan": {"action": "pods.restart", "arguments": {"pod": "app-a"}},
            "until": until_then.isoformat(),
            "needs": "objection",
        }
        other = open_journal(settings(tmp_path), "bob", app.controller.session.incident_store.current)
        await asyncio.to_thread(other.append, EntryKind.PROPOSED, proposed)
        await until(lambda: "pods.restart app-a goes ahead at" in text_of(app))
        app.controller.session.performer.operations.append(
            Operation(
                action="x",
                arguments={},
                began_at=datetime.now(UTC),
                by="maria",
                phase="watching",
                plan=plan(),
                watch_until=datetime.now(UTC),
                outcome=Outcome(state="done", answer="so"),
            )
        )
        await until(lambda: "it is watched whether smsbower's attempts fall" in text_of(app))


async def test_the_next_step_of_the_scenario_that_is_walked_is_said(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("P")
        app.monitor.take(fresh(sample.calm())["balances"])
        await app.controller.session.begin("high-purchase-failure-rate")
        await until(lambda: "scenario 1: disable it for now." in text_of(app))
        pane_opens_at = "high-purchase-failure-rate/if-transactions.scope-is-one/provider.disable"
        app.controller.scenarios.open("high-purchase-failure-rate")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.step == pane_opens_at)  # the same step


# --- the keys ---------------------------------------------------------------------------------------------------------


def frame(app: Any) -> str:
    return as_text(app.console_screen.query_one("#frame", LineCanvas).lines)


async def test_the_key_that_was_pressed_is_shown_for_a_moment(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("P")
        await until(lambda: app.console_screen.query("#frame"))
        for key, name in (("3", "3"), ("escape", "esc"), ("ctrl+k", "^K"), ("question_mark", "?")):
            await pilot.press(key)
            await until(lambda name=name: f"key: {name} " in frame(app))
        await until(lambda: "key:" not in frame(app), 5)


async def test_of_what_is_typed_only_that_it_is_typed(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await pilot.press("P")
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Prompt))
        await asyncio.sleep(0.5)
        for key in ("s", "e", "c", "backspace", "left"):
            await pilot.press(key)
            assert "key: typing " in frame(app)
        await pilot.press("escape")
        await until(lambda: "key: esc " in frame(app))


async def test_the_frame_says_frozen_and_stands_over_a_maximized_pane(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), drill="provider-outage") as (app, pilot):
        await pilot.press("P", "p")
        await until(lambda: "FROZEN since" in frame(app))
        await pilot.press("2")
        await until(lambda: "Circuits" in text_of(app))
        assert "DRILL" in text_of(app).splitlines()[0] and "provider-outage" in text_of(app).splitlines()[0]


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (59, 15), (80, 16), (96, 20), (300, 80)])
async def test_at_any_size_it_says_how_bad_it_is(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        await pilot.press("P")
        await until(lambda: app.console_screen.query("#presentation"))
        await pilot.pause()
        lines = app.console_screen.query_one("#presentation", LineCanvas).lines
        assert {length(line) for line in lines} <= {size[0]}
        assert lines and as_text(lines).strip()


def test_the_shared_screen_can_be_asked_for_at_the_start(monkeypatch) -> None:
    from nexconsole.cli import console, drill
    from nexconsole.cli.main import run

    asked: list[Any] = []

    def open_console(chosen: Any, present: bool, profiles: Any = None) -> int:
        asked.append((chosen, present))
        return 0

    monkeypatch.setattr(console, "open_console", open_console)
    monkeypatch.setattr(drill, "open_console", open_console)
    assert run(["--present"]) == 0 and run(["console", "--watch", "--present"]) == 0
    assert [present for _, present in asked] == [True, True]
    assert asked[1][0].journal.read_only and asked[1][0].actions.observe and not asked[0][0].journal.read_only

    class Staged:
        """A world that takes no time."""

        environment: ClassVar[dict[str, str]] = {}

        def __init__(self, scenario: str, **ways: Any) -> None:
            self.scenario = scenario

        def progress(self) -> tuple[str, ...]:
            return ()

        def record(self) -> dict[str, Any]:
            raise DrillError("nothing was staged")

        def stop(self) -> None:
            """There is nothing to end."""

    monkeypatch.setattr(drill.drill, "Stage", Staged)
    monkeypatch.setattr(drill, "need_terminal", lambda: None)
    assert run(["drill", "provider-outage", "--present"]) == 0 and asked[2][1]


async def test_a_calm_that_is_a_question_is_said_in_one_sentence(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), world="calm") as (app, pilot):
        outbox = app.console_screen.readings["outbox"]
        app.monitor.take(replace(outbox, error="postgres does not answer"))
        await pilot.press("P")
        await until(lambda: "stale: outbox" in text_of(app))
        assert "; stale: outbox" in text_of(app) and "; ;" not in text_of(app)
