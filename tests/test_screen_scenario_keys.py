"""A scenario in few keys: looks recorded at once, the next action found, and nothing recorded by looking."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from controller import burst, controller, fresh, hold, kinds, quiet, settings, text_of, until
from scenario_console import ONE, SCENARIO, go_to, opened, outage, said, seen, steps

from nexconsole.journal import open_journal
from nexconsole.screens.palette import Palette
from nexconsole.screens.prompt import Prompt
from nexconsole.screens.scenario import ScenarioPane
from nexconsole.session.operation import StepRef
from nexconsole.signals.transactions import LastMinute


def answered(folder: Path) -> list[str]:
    return [step["step"].rpartition("/")[2] for step in steps(folder) if step["state"] == "done"]


async def settled(app: Any, pane: ScenarioPane, *endings: str) -> None:
    """These steps have a result; all steps of the scenario where none is named."""
    ids = [step.id for step in pane.scenario.walk()]
    for row in [row for row in pane.rows if row.kind in ("look", "do", "ask")]:
        if row.id in ids and (not endings or row.id.endswith(endings)):
            await app.controller.session.settle(pane.steps.reference(row), "done", answer="seen")
    pane.paint()


async def test_it_opens_at_the_action_and_one_key_records_all_looks_before_it(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        assert pane.step.endswith("/provider.disable")
        assert "> ► DO provider.disable smsbower: disable it for now." in said(pane)
        await pilot.press("r")
        await until(lambda: "recorded 7 looks" in text_of(app) or "recorded 8 looks" in text_of(app))
        done = answered(tmp_path)
        assert done[:3] == ["transactions.rate", "transactions.scope", "logs.429"] and done[-1] == "providers.healthy"
        assert [step["state"] for step in steps(tmp_path)].count("begun") == 1
        assert steps(tmp_path)[2]["taken"] == {f"{SCENARIO}/transactions.scope": {"provider": "smsbower"}}
        assert pane.step.endswith("/provider.disable")  # it still waits for a person
        await pilot.press("r")
        await until(lambda: "every look up to here is on record" in text_of(app))
        assert answered(tmp_path) == done


async def test_looks_that_nothing_answers_stay_open_and_are_named(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        app.monitor.take(replace(app.monitor.readings["status_pages"], value=None, error="no answer"))
        pane = await opened(app, pilot)
        await pilot.press("r")
        await until(lambda: "not answered by readings: what does its own status page say?" in text_of(app))
        assert "provider.statuspage" not in answered(tmp_path) and "providers.healthy" in answered(tmp_path)
        assert pane.step.endswith("/provider.disable")


async def test_looks_of_a_branch_that_waits_for_an_answer_are_not_recorded_with_the_others(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        app.monitor.take(replace(app.monitor.readings["transactions"], value=None, error="no answer"))
        app.controller.scenarios.open(SCENARIO)
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        go_to(pane, "/over")
        await pilot.press("r")
        await pilot.pause()
        assert ONE not in {name for step in steps(tmp_path) for name in step.get("taken", {})}
        assert not answered(tmp_path)


async def test_f_goes_to_the_next_action_and_says_what_it_waits_for(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        app.controller.scenarios.open("stuck-reservations")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        await pilot.pause()
        go_to(pane, "/reservations.pending")
        kind = [row for row in pane.rows if row.kind == "do"]
        await pilot.press("f")
        assert pane.step == kind[0].id
        for _ in kind[1:]:
            await pilot.press("f")
        if len(kind) > 1:
            assert pane.step == kind[-1].id
        assert kinds(tmp_path) == []
        for row in kind:
            await app.controller.session.settle(pane.steps.reference(row), "done", answer="did")
        pane.paint()
        await pilot.press("f")
        await until(lambda: "no action is left" in text_of(app))


async def test_the_cursor_passes_headings_and_folded_branches_which_z_opens_for_reading(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        go_to(pane, "/transactions.rate")
        visited = []
        for _ in range(40):
            visited.append(pane.step)
            await pilot.press("down")
        assert visited[-1].endswith("/over") and "" not in visited
        assert not any(row.id in visited for row in pane.rows if not row.is_step)
        assert "If all providers fail" in seen(pane) and "does the database answer?" not in seen(pane)
        await pilot.press("z")
        assert any(row.id.endswith("/database.answers") for row in pane.rows)
        await pilot.press("z")
        assert not any(row.id.endswith("/database.answers") for row in pane.rows)
        assert kinds(tmp_path) == []


async def test_what_was_scrolled_out_of_sight_is_not_acted_on(tmp_path: Path) -> None:
    async with controller(settings(tmp_path), size=(80, 24)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        go_to(pane, "/transactions.rate")
        await pilot.press("pagedown", "pagedown")
        assert "what share of purchases fails" not in seen(pane)
        await pilot.press("space")
        await until(lambda: "was out of sight" in text_of(app))
        assert kinds(tmp_path) == [] and "what share of purchases fails" in seen(pane)
        await pilot.press("space")
        await until(lambda: answered(tmp_path) == ["transactions.rate"])


async def test_after_a_step_the_cursor_goes_to_what_needs_a_person(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"known", "enter")
        await until(lambda: pane.step.endswith("/ticket"))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"B-17", "enter")
        await until(lambda: pane.step.endswith("/over"))  # only looks are left: the last, so that r records them all
        await pilot.press("r")
        await until(lambda: "All that applies is done" in seen(pane))


async def test_coming_back_says_how_far_it_has_come_and_goes_on_there(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        await pilot.press("escape")
        await until(lambda: app.controller.scenarios.pane is None)
        app.controller.tick()
        app.console_screen.tick()
        assert "scenario 1 fits: s opens it" in text_of(app)  # nothing was done, nothing goes on
        pane = await opened(app, pilot)
        await settled(app, pane, "/transactions.rate", "/transactions.scope", "/logs.429")
        await pilot.press("escape")
        await until(lambda: app.controller.scenarios.pane is None)
        app.controller.tick()
        app.console_screen.tick()
        assert f"scenario 1: 3 of {len(pane.steps.steps)} done, s continues" in text_of(app)
    async with controller(settings(tmp_path, operator="piet")) as (app, pilot):  # a restart, or another console
        outage(app)
        await until(lambda: app.controller.session.entries)
        app.controller.tick()
        app.console_screen.tick()
        assert "3 of " in text_of(app) and "done, s continues" in text_of(app)
        pane = await opened(app, pilot)
        assert pane.step.endswith("/provider.disable")


async def test_a_worse_scenario_that_fits_comes_before_one_that_was_begun_and_fits_no_longer(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await app.controller.session.settle(
            StepRef(scenario="outbox-worker-lag", step="outbox-worker-lag/outbox.pending"), "done", answer="137"
        )
        app.monitor.take(fresh(sample.calm())["outbox"])
        app.controller.scenarios.find_fits()
        pane = await opened(app, pilot)
        assert pane.scenario.id == SCENARIO


async def test_an_entry_that_names_no_scenario_as_a_text_stops_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, _):
        other = open_journal(settings(tmp_path), "piet")
        await asyncio.to_thread(other.append, "step", {"scenario": ["a"], "state": "begun", "if_none": {}})
        await until(lambda: app.controller.session.entries)
        app.controller.tick()
        app.console_screen.tick()
        assert "scenario 1 fits: s opens it" in text_of(app)


async def test_the_list_of_scenarios_is_one_key_away_and_those_that_fit_stand_first(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await opened(app, pilot)
        app.controller.tick()
        app.console_screen.tick()
        fits = app.controller.scenarios.fits
        assert f"{len(fits) - 1} more scenarios fit: S" in text_of(app)
        await pilot.press("S")
        await until(lambda: isinstance(app.screen, Palette))
        await quiet(app)
        names = [command.name for command in app.screen._commands]
        assert names[: len(fits)] == [f"scenario.{fit.scenario.id}" for fit in fits]
        assert kinds(tmp_path) == []


async def test_two_consoles_that_begin_at_once_have_one_run(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        await settled(app, pane, "/transactions.rate")
        other = open_journal(settings(tmp_path), "piet")
        begun = {"scenario": SCENARIO, "state": "begun", "if_none": True}
        await asyncio.to_thread(other.append, "step", begun)
        step = {"scenario": SCENARIO, "step": f"{SCENARIO}/logs.429", "state": "done", "answer": "429: 0"}
        await asyncio.to_thread(other.append, "step", step)
        await until(lambda: pane.mark(f"{SCENARIO}/transactions.rate") and pane.steps.walk is not None)
        session = app.controller.session
        await until(lambda: (walk := session.walk(SCENARIO)) and walk.marks.keys() >= {step["step"]}, 5.0)
        assert f"{SCENARIO}/transactions.rate" in session.walk(SCENARIO).marks
        anew = {"scenario": SCENARIO, "state": "begun"}  # somebody begins it anew, on purpose
        await asyncio.to_thread(other.append, "step", anew)
        await until(lambda: (walk := session.walk(SCENARIO)) is not None and not walk.marks, 5.0)


async def test_a_console_that_observes_looks_and_records_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path, actions={"observe": True})) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        for key in ("r", "enter", "x", "f", "z", "z", "backspace"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.console_screen, key
        go_to(pane, "/ticket")
        await pilot.press("enter")
        await until(lambda: "only observes" in text_of(app))
        go_to(pane, "/transactions.rate")
        await pilot.press("space")
        await pilot.pause()
        assert app.screen is app.console_screen and kinds(tmp_path) == []


async def test_keys_in_a_burst_record_each_look_once_and_begin_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        acted: list[str] = []
        app.controller.actions.act = lambda action, arguments, **more: acted.append(action)
        burst(app, "r", "r", "enter", "space", "x")  # more at once than anybody presses: none of it counts
        await pilot.pause()
        assert kinds(tmp_path) == [] and app.screen is app.console_screen
        await hold(app, "r", 0.6)
        await until(lambda: "providers.healthy" in answered(tmp_path))
        await pilot.pause()
        done = answered(tmp_path)
        assert len(done) == len(set(done)) and not acted
        assert pane.step.endswith("/provider.disable")


async def test_a_branch_that_changes_under_the_cursor_is_read_before_a_key_counts(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        outage(app)
        pane = await opened(app, pilot)
        assert pane.step.endswith("/provider.disable")
        acted: list[str] = []
        app.controller.actions.act = lambda action, arguments, **more: acted.append(action)
        reading = app.console_screen.readings["transactions"]
        value = replace(reading.value, scope=replace(reading.value.scope, verdict="all", provider=None, because="all"))
        app.monitor.take(replace(reading, value=value))
        pane.paint()
        assert not pane.step.endswith("/provider.disable")
        await pilot.press("enter", "r", "space", "x")
        await until(lambda: "the step under the cursor has changed" in text_of(app))
        assert acted == [] and app.screen is app.console_screen and kinds(tmp_path) == []


async def test_the_end_says_what_was_done_what_stands_and_what_fits(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        await settled(app, pane)
        await until(lambda: pane.steps.ended)
        go_to(pane, "#closing")
        assert "All that applies is done" in said(pane)
        assert "the level is still SEV-1 because 17.8 %" in said(pane)
        assert "no action was taken" in said(pane) and "nothing stays in force" in said(pane)
        assert "e writes the report" in said(pane) and "enter opens scenario" in said(pane)
        before = kinds(tmp_path)
        await pilot.press("x")
        await until(lambda: "no incident is open" in text_of(app))
        assert kinds(tmp_path) == before
        other = app.controller.scenarios.fits[1].scenario.id
        await pilot.press("enter")
        await until(lambda: app.controller.scenarios.pane and app.controller.scenarios.pane.scenario.id == other)
        assert kinds(tmp_path) == before


async def test_the_end_says_when_the_level_falls_and_offers_no_scenario_for_what_is_over(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        app.controller.scenarios.open("a-session-blocks-others")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        await settled(app, pane)
        await until(lambda: pane.steps.ended)
        go_to(pane, "#closing")
        assert "enter opens scenario 1, which fits" in said(pane)  # purchases still fail
        world = fresh(sample.calm())
        reading = fresh(sample.incident())["transactions"]
        clean = replace(reading.value, minute=LastMinute(decided=40, failures=0, failure_rate=0.0), clean_in_s=200.0)
        for each in world.values():
            app.monitor.take(each)
        app.monitor.take(replace(reading, value=clean))
        app.controller.scenarios.find_fits()
        await until(lambda: app.console_screen.severity.level == "SEV-1")
        pane.paint()
        assert app.controller.scenarios.fits[0].scenario.id == SCENARIO
        told = r"the level is still SEV-1 because 17.8 % .* the level falls by \d\d:\d\d if nothing more fails"
        assert re.search(told, said(pane))
        assert "enter opens" not in said(pane)
        await pilot.press("enter")
        await pilot.pause()
        assert app.controller.scenarios.pane.scenario.id == "a-session-blocks-others"


async def test_the_end_of_a_calm_scenario_closes_the_incident_by_one_key(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        await app.controller.session.open_incident("purchases fail", "SEV-1")
        pane = await opened(app, pilot)
        await settled(app, pane)
        for reading in fresh(sample.calm()).values():
            app.monitor.take(reading)
        pane.paint()
        await until(lambda: pane.steps.ended)
        go_to(pane, "#closing")
        assert "the level is calm: no rule holds" in said(pane) and "enter opens" not in said(pane)
        assert f"x closes {app.controller.session.incident_store.current}" in said(pane)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is app.console_screen
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Prompt))


@pytest.mark.parametrize("stopped", [None, "postgres does not answer"])
async def test_a_question_shows_what_the_action_would_do_that_goes_by_its_answer(
    tmp_path: Path, stopped: str | None
) -> None:
    from sample_plans import plan

    from nexconsole.actions.perform import ActionResult

    async with controller(settings(tmp_path)) as (app, pilot):
        asked: list[str] = []

        async def preview(action: str, arguments: Any) -> ActionResult:
            asked.append(action)
            shown = None if stopped else plan(action=action, arguments={}, effect="Credits 12 orders, 48.20 in all")
            return ActionResult(plan=shown, stopped=stopped)

        app.controller.session.preview = preview
        app.controller.scenarios.open("stuck-reservations")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        await pilot.press("z")
        go_to(pane, "/refunds")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await until(lambda: (stopped or "would: Credits 12 orders, 48.20 in all") in text_of(app))
        assert asked == ["reconcile.run"] and kinds(tmp_path) == []
