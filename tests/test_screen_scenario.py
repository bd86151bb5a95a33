"""A scenario walked with the keyboard alone: looks recorded by value, questions answered, actions taken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from acting import add_provider
from controller import controller, entries, fresh, hold, kinds, quiet, settings, strip_of, text_of, until
from scenario_console import ONE, SCENARIO, go_to, last_step, opened, said, seen, steps

from nexconsole.journal import open_journal
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.prompt import Prompt
from nexconsole.sources import Sources


async def test_the_header_says_which_scenario_fits_and_s_opens_and_closes_it(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        assert "scenario 1 fits: s opens it" in text_of(app)
        pane = await opened(app, pilot)
        assert "High purchase failure rate" in seen(pane) and app.focused is pane
        assert "fits: 17.8 %" in seen(pane)
        await pilot.press("s")
        await until(lambda: app.controller.scenarios.pane is None)
        await pilot.pause()
        assert app.focused is None  # no frame stands out that nobody chose
        assert kinds(tmp_path) == []  # looking at it records nothing


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 50)])
async def test_the_four_answers_stay_readable_beside_it(tmp_path: Path, size: tuple[int, int]) -> None:
    async with controller(settings(tmp_path), size=size) as (app, pilot):
        pane = await opened(app, pilot)
        await pilot.pause()
        text = text_of(app)
        for words in ("SEV-1", "71 of 400 failed", "ONE PROVIDER", "smsbower", "OPEN 2/3", "9 failed", "56 stuck"):
            assert words in text, words
        assert "ASK who tops it up?" in text
        over = [
            panel for panel in app.console_screen.panes.values() if panel.display and panel.region.overlaps(pane.region)
        ]
        assert not over


async def test_a_look_is_confirmed_by_the_value_that_was_read_and_the_next_step_comes(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        go_to(pane, "/transactions.rate")
        await pilot.press("space")
        await until(lambda: len(steps(tmp_path)) == 2)
        step = steps(tmp_path)[1]
        assert step["step"].endswith("/transactions.rate") and step["state"] == "done"
        assert step["answer"].startswith("17.8 %: 71 of 400 purchases failed")
        await until(lambda: pane.row.id.endswith("/transactions.scope"))
        assert re.search(r"maria \d\d:\d\d 17.8 %: 71 of 400", seen(pane))
        await pilot.press("enter")
        await until(lambda: len(steps(tmp_path)) == 3)
        assert steps(tmp_path)[2]["taken"] == {f"{SCENARIO}/transactions.scope": {"provider": "smsbower"}}


async def test_looks_keep_answering_and_the_numbers_pick_the_branch(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        branch = next(row for row in pane.rows if row.id == ONE)
        other = next(row for row in pane.rows if row.id.endswith("scope-is-all"))
        assert branch.node.applies is True and other.node.applies is False
        go_to(pane, "scope-is-all")
        assert "no: one provider" in seen(pane)
        go_to(pane, "/transactions.rate")
        reading = app.console_screen.readings["transactions"]
        value = replace(reading.value, failure_rate=0.5, failures=200)
        value = replace(value, scope=replace(value.scope, verdict="all", provider=None, because="everywhere"))
        app.monitor.take(replace(reading, value=value))
        app.controller.paint()
        assert "50 %: 200 of 400" in seen(pane)
        branch = next(row for row in pane.rows if row.id == ONE)
        assert branch.node.applies is False


async def test_a_do_step_opens_its_action_filled_in_and_enter_held_down_does_nothing(
    tmp_path: Path, database: Any, sources_on: Callable[[str], Sources]
) -> None:
    for name in ("smsbower", "5sim", "tiger-sms", "sms-activate", "onlinesim"):
        await add_provider(database, name)
    chosen = settings(tmp_path, postgres={"url": database.url})
    async with controller(chosen, sources_on(database.url)) as (app, pilot):
        pane = await opened(app, pilot)
        go_to(pane, "/provider.disable")
        await hold(app, "enter", 1.5)
        screen = await until(lambda: app.screen if isinstance(app.screen, ConfirmScreen) else None)
        assert screen.plan.action == "provider.disable" and screen.plan.arguments == {"provider": "smsbower"}
        assert "intent" not in kinds(tmp_path)
        assert sum(isinstance(one, ConfirmScreen) for one in app.screen_stack) == 1
        await quiet(app, 0.9)
        await pilot.press("d")
        await until(lambda: "verdict" in kinds(tmp_path) and steps(tmp_path)[-1].get("step", "").endswith(".disable"))
        last, intent = steps(tmp_path)[-1], next(e for e in entries(tmp_path) if e.kind == "intent")
        assert intent.data["step"] == last["step"] and intent.data["scenario"] == SCENARIO
        assert last["taken"][ONE] == {"provider": "smsbower"}
        assert last["state"] in ("done", "failed", "unknown") and ": " in last["answer"]
        row = await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")
        assert row is False
        # the branch stays, although its condition is false by now
        for reading in fresh(sample.calm()).values():
            app.monitor.take(reading)
        app.controller.paint()
        assert next(row for row in pane.rows if row.id == ONE).node.applies is True
        go_to(pane, "/logs.429")  # the cursor has gone on: the branch may stand above what is in sight
        assert "this branch was taken" in seen(pane)


async def test_failed_events_are_retried_one_after_the_other_by_doing_the_step_again(
    tmp_path: Path, database: Any, sources_on: Callable[[str], Sources]
) -> None:
    for number in (1, 2):
        await database.event(f"e{number}", 600 - number, "FAILED", error="Unsupported event", retry_count=1)
    chosen = settings(tmp_path, postgres={"url": database.url}, actions={"verify_s": 1.0})

    async def worker(id: str) -> None:
        sql = "UPDATE outbox_events_v2 SET status = 'PUBLISHED' WHERE id = $1 AND status = 'PENDING' RETURNING id"
        while not await database.connection.fetch(sql, id):
            await asyncio.sleep(0.02)

    async with controller(chosen, sources_on(database.url)) as (app, pilot):
        app.controller.scenarios.open("outbox-worker-lag")
        pane = await until(lambda: app.controller.scenarios.pane)
        # the events are read because the scenario asks for them
        await until(lambda: app.controller.paint() or "e1: offer.updated, 1 try" in seen(pane), 8.0)
        go_to(pane, "if-outbox.failed-over-0/outbox.event")
        await pilot.press("space")
        await until(lambda: last_step(tmp_path).get("step", "").endswith("outbox.event"))
        go_to(pane, "/cause")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"release", "enter")
        await until(lambda: last_step(tmp_path).get("answer") == "release")
        for number in (1, 2):
            go_to(pane, "/outbox.retry")
            await pilot.press("enter")
            screen = await until(lambda: app.screen if isinstance(app.screen, ConfirmScreen) else None)
            assert screen.plan.arguments == {"event": f"e{number}"}
            working = asyncio.create_task(worker(f"e{number}"))
            await quiet(app)
            await quiet(app)
            await pilot.press("r")
            await until(lambda: kinds(tmp_path).count("verdict") == number)  # noqa: B023
            await working
            await until(lambda: last_step(tmp_path).get("step", "").endswith("outbox.retry"))
            if number == 1:
                await until(lambda: app.controller.paint() or "enter does it again: e2" in said(pane))
        await until(lambda: app.controller.paint() or not pane.step.endswith("/outbox.retry"))  # no target is left
        go_to(pane, "/outbox.retry")
        assert "no target is left" in said(pane)
        await quiet(app)
        pane._strayed_at = 0.0
        await pilot.press("enter")
        await until(lambda: "no event is FAILED" in text_of(app))
        await pilot.press("escape")
        await until(lambda: app.controller.scenarios.pane is None)
        await until(lambda: not any(one.group == "outbox events" and one.is_running for one in app.workers))


async def test_a_question_takes_a_word_or_a_value_and_a_bare_tick_is_no_answer(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        go_to(pane, "/ticket")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press("enter")
        assert isinstance(app.screen, Prompt)
        await pilot.press(*"B-4711", "enter")
        await until(lambda: len(steps(tmp_path)) == 2)
        assert steps(tmp_path)[1]["answer"] == "B-4711"
        app.controller.scenarios.open("provider-circuit-breaker-open")
        pane = await until(
            lambda: (
                app.controller.scenarios.pane
                if app.controller.scenarios.pane and app.controller.scenarios.pane.scenario.id.startswith("prov")
                else None
            )
        )
        await until(lambda: pane.lines)
        pane._unfolded |= {step.id for step in pane.scenario.walk()}
        pane.paint()
        go_to(pane, "/healthy")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"maybe", "enter")
        assert "one of yes, no" in text_of(app)
        for _ in "maybe":
            await pilot.press("backspace")
        await pilot.press("tab", "enter")
        await until(lambda: last_step(tmp_path).get("answer") == "yes")


async def test_what_a_person_was_not_asked_bars_the_action_that_goes_by_the_answer(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        app.controller.scenarios.open("stuck-reservations")
        pane = await until(lambda: app.controller.scenarios.pane)
        await until(lambda: pane.lines)
        await pilot.pause()
        for _ in "nested":
            pane._unfolded |= {step.id for step in pane.scenario.walk()}
            pane.paint()
        acted: list[str] = []
        app.controller.actions.act = lambda action, arguments, **more: acted.append(action)
        go_to(pane, "/reconcile.run")
        assert "waits for the answer to step 8.1; x skips" in said(pane)
        await pilot.press("enter")
        await until(lambda: "answer step 8.1 first" in text_of(app))
        assert acted == [] and not isinstance(app.screen, ConfirmScreen)
        go_to(pane, "/refunds")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"accepted", "enter")
        await until(lambda: last_step(tmp_path).get("answer") == "accepted")
        await until(lambda: not isinstance(app.screen, Prompt))
        go_to(pane, "/reconcile.run")
        await pilot.press("enter")
        await until(lambda: acted == ["reconcile.run"])


async def test_a_step_is_skipped_with_a_reason_and_can_be_opened_again(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        go_to(pane, "/transactions.rate")
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Prompt))
        await quiet(app)
        await pilot.press(*"known", "enter")
        await until(lambda: len(steps(tmp_path)) == 2)
        assert steps(tmp_path)[1]["state"] == "skipped" and steps(tmp_path)[1]["reason"] == "known"
        await until(lambda: "skipped: known" in seen(pane))
        go_to(pane, "/transactions.rate")
        await pilot.press("backspace")
        await until(lambda: last_step(tmp_path)["state"] == "pending")
        await until(lambda: "skipped" not in seen(pane))


async def test_leaving_a_crash_and_another_console_lose_nothing(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        go_to(await opened(app, pilot), "/transactions.rate")
        await pilot.press("space")
        await until(lambda: len(steps(tmp_path)) == 2)
        await pilot.press("escape")
        await until(lambda: app.controller.scenarios.pane is None)
        pane = await opened(app, pilot)
        assert "1 of " in seen(pane) and len(steps(tmp_path)) == 2
    async with controller(settings(tmp_path, operator="bob")) as (app, pilot):
        await until(lambda: app.controller.session.entries)
        pane = await opened(app, pilot)
        assert "begun" in seen(pane) and "by maria" in seen(pane) and "1 of " in seen(pane)
        assert pane.row.id.endswith("/refilled-by")  # what needs a person next
        other = open_journal(settings(tmp_path), "carol")
        data = {"scenario": SCENARIO, "step": f"{SCENARIO}/transactions.scope", "state": "done", "answer": "one, I say"}
        await asyncio.to_thread(other.append, "step", data)
        await until(lambda: "one, I say" in seen(pane), 2.0)
        assert "is it one provider" in text_of(app)


async def test_an_action_whose_console_died_stands_as_running_until_somebody_knows(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        other = open_journal(settings(tmp_path), "carol")
        plan = {"action": "provider.disable", "arguments": {"provider": "smsbower"}, "watch": "its attempts fall"}
        step = next(row.id for row in pane.rows if row.id.endswith("/provider.disable"))
        go_to(pane, "/provider.disable")  # in sight, whatever room the operation bar takes
        await asyncio.to_thread(other.append, "step", {"scenario": SCENARIO, "state": "begun"})
        data = {"operator": "carol", "plan": plan, "scenario": SCENARIO, "step": step}
        intent = await asyncio.to_thread(other.append, "intent", data)
        await until(lambda: "under way" in seen(pane), 2.0)
        outcome = {"intent": intent.id, "outcome": {"state": "done", "answer": "UPDATE 1"}}
        await asyncio.to_thread(other.append, "outcome", outcome)
        await until(lambda: "done: UPDATE 1" in seen(pane), 2.0)


async def test_old_walks_are_begun_anew_and_the_palette_can_begin_one_again(tmp_path: Path) -> None:
    async with controller(settings(tmp_path)) as (app, pilot):
        pane = await opened(app, pilot)
        go_to(pane, "/transactions.rate")
        await pilot.press("space")
        await until(lambda: "1 of " in seen(pane))
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"begin anew", "enter")
        await until(lambda: "0 of " in seen(pane))
        assert [step["state"] for step in steps(tmp_path)] == ["begun", "done", "begun"]


async def test_nothing_is_lost_on_screen_when_the_journal_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with controller(settings(tmp_path / "file")) as (app, pilot):
        go_to(await opened(app, pilot), "/transactions.rate")
        await pilot.press("space")
        await until(lambda: "not recorded" in text_of(app) or "its folder is a file" in strip_of(app))
        await quiet(app)
        assert "its folder is a file" in " ".join(strip_of(app).split())
