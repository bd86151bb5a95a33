"""The one path: what is asked, recorded, sent, recorded and watched, in this order, and what stops it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from acting import Desk
from doubling import START, Double, DoubledWorld, context_of, told

from nexconsole.actions.action import Context
from nexconsole.actions.perform import EXPIRED, ConfirmationReply, perform
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from nexconsole.errors import ActionError, Unreachable
from nexconsole.model import Reading
from nexconsole.session.capabilities import Capability, capabilities_of, role_refusal
from nexconsole.settings import JournalSettings, Settings
from nexconsole.sharing.leases import LeaseService
from nexconsole.signals.database import Database


@pytest.fixture
def world():
    return DoubledWorld()


async def test_each_step_comes_in_its_order_and_the_intent_is_recorded_before_anything_is_sent(world):
    controller = told(world)
    done = await perform(Double(world), {"by": "two"}, context_of(world), controller.console)
    assert world.story == ["prepare", "ask", "prepare", "intent", "execute", "outcome", "verify", "verdict"]
    assert world.value == 2 and done.stopped is None
    assert done.verdict is not None and done.verdict.state == "worked"
    intent, outcome, verdict = controller.entries
    assert intent["data"]["operator"] == "maria" and intent["data"]["plan"]["command"] == "double 1"
    assert outcome["data"]["intent"] == verdict["data"]["intent"] == intent["id"]
    assert outcome["data"]["outcome"]["touched"][0]["id"] == "it"
    assert [performance.verdict is None for performance in controller.shown] == [True, False]


async def test_a_blocked_plan_is_shown_and_nothing_is_sent_whatever_is_answered(world):
    guards = (Guard(name="a", level="block", reason="not now"), Guard(name="b", level="warn", reason="hm"))
    done = await perform(Double(world, guards=guards), {}, context_of(world), told(world).console)
    assert world.story == ["prepare", "ask"] and done.stopped == "not now" and done.plan is not None


@pytest.mark.parametrize("answer", [None, "", "D", "dd", "\r"])
async def test_anything_but_the_text_asked_for_sends_nothing(world, answer):
    done = await perform(Double(world), {}, context_of(world), told(world, lambda plan: answer).console)
    assert world.story == ["prepare", "ask"] and done.outcome is None and done.stopped is not None


async def test_a_target_that_changed_since_the_preview_is_shown_again_with_the_difference(world):
    def answer(plan: Plan) -> str:
        if world.value == 1:
            world.value = 5
        return "d"

    controller = told(world, answer)
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert [plan.effect for plan in controller.plans] == ["Doubles 1", "Doubles 5"]
    assert controller.why_again[1] is not None and "changed: it (value 1 -> 5)" in controller.why_again[1]
    assert world.value == 10 and done.plan is not None and done.plan.effect == "Doubles 5"


async def test_a_plan_older_than_its_limit_is_prepared_and_asked_again(world):
    def answer(plan: Plan) -> str:
        if world.now == START:
            world.now += timedelta(seconds=61)
        return "d"

    controller = told(world, answer)
    await perform(Double(world), {}, context_of(world), controller.console)
    assert controller.why_again == [None, EXPIRED]
    assert world.story.count("execute") == 1 and controller.plans[1].taken_at == START + timedelta(seconds=61)


async def test_what_becomes_blocked_while_it_is_confirmed_is_not_sent(world):
    action = Double(world)

    def answer(plan: Plan) -> str:
        action.guards = (Guard(name="rollout", level="block", reason="a rollout began"),)
        return "d"

    done = await perform(action, {}, context_of(world), told(world, answer).console)
    assert done.stopped == "a rollout began" and "execute" not in world.story


async def test_a_target_that_vanished_while_it_was_confirmed_is_said(world):
    action = Double(world)

    def answer(plan: Plan) -> str:
        action.prepare_error = ActionError("there is no such thing any more")
        return "d"

    done = await perform(action, {}, context_of(world), told(world, answer).console)
    assert done.stopped == "the plan no longer holds: there is no such thing any more" and "execute" not in world.story


async def test_a_source_that_dies_between_preview_and_confirmation_stops_it(world):
    action = Double(world)

    def answer(plan: Plan) -> str:
        action.prepare_error = Unreachable("postgres", "postgres is gone")
        return "d"

    done = await perform(action, {}, context_of(world), told(world, answer).console)
    assert "postgres is gone" in (done.stopped or "") and world.value == 1


async def test_what_is_only_shown_may_come_and_go(world):
    action = Double(world, bystanders=("a", "b"))

    def answer(plan: Plan) -> str:
        action.bystanders = ("c",)
        return "d"

    controller = told(world, answer)
    await perform(action, {}, context_of(world), controller.console)
    assert controller.why_again == [None] and world.value == 2


async def test_targets_that_are_held_one_by_one_are_those_that_were_shown(world):
    def answer(plan: Plan) -> str:
        world.value = 7
        return "d"

    controller = told(world, answer)
    done = await perform(Double(world, one_by_one=True), {}, context_of(world), controller.console)
    assert controller.why_again == [None] and world.value == 7
    assert done.plan is not None and done.plan.targets[0].identity == {"value": 1} and done.plan.command == "double 1"
    assert done.outcome is not None and done.outcome.state == "refused"


async def test_a_plan_that_can_not_be_prepared_asks_nothing(world):
    done = await perform(
        Double(world, prepare_error=ActionError("nothing to do")), {}, context_of(world), told(world).console
    )
    assert done.stopped == "nothing to do" and world.story == ["prepare"] and done.plan is None


async def test_an_observer_does_not_even_prepare(world):
    controller = Desk(observing="this console only observes")
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == "this console only observes" and world.story == [] and controller.story == []


def test_a_console_observes_by_its_settings_or_by_its_role():
    acts = Reading(signal="database", every=2.0, value=Database(read_only_role=False))
    reads = Reading(signal="database", every=2.0, value=Database(read_only_role=True))
    only = Settings(actions=replace_observe(Settings().actions))
    assert "--observe" in (capabilities_of(only).why_not(Capability.ACT) or "")
    assert "read-only role" in (role_refusal({"database": reads}) or "")
    assert role_refusal({"database": acts}) is None and capabilities_of(Settings()).why_not(Capability.ACT) is None


def replace_observe(actions: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(actions, observe=True)


async def test_without_a_journal_nothing_is_sent_unless_that_is_confirmed(world):
    controller = told(world)
    controller.full = {"intent"}
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert "could not be recorded" in (done.stopped or "") and world.value == 1
    assert world.story[-1] == "ask unrecorded"
    controller.unrecorded = True
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.outcome is not None and done.outcome.state == "done" and world.value == 2


async def test_a_disk_that_fills_up_after_sending_hides_nothing(world):
    controller = told(world)
    controller.full = {"outcome", "verdict"}
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.outcome is not None and done.verdict is not None and done.verdict.state == "worked"


async def test_what_was_done_unrecorded_is_recorded_as_soon_as_there_is_room(world):
    controller = told(world)
    controller.full, controller.unrecorded = {"intent"}, True

    async def execute(plan: Plan, context: Context) -> Outcome:
        controller.full = set()
        return await Double(world)._execute(plan, context)

    await perform(Double(world, execute=execute), {}, context_of(world), controller.console)
    intent, outcome, verdict = controller.entries
    assert [entry["kind"] for entry in controller.entries] == ["intent", "outcome", "verdict"]
    assert intent["data"]["late"] is True and intent["data"]["plan"]["command"] == "double 1"
    assert outcome["data"]["intent"] == verdict["data"]["intent"] == intent["id"]


async def test_an_outcome_that_did_not_fit_is_recorded_before_the_verdict(world):
    controller = told(world)
    controller.full = {"outcome"}

    async def watch() -> Verdict:
        controller.full = set()
        return Verdict(state="worked", because="so")

    await perform(Double(world, watch=watch), {}, context_of(world), controller.console)
    assert [entry["kind"] for entry in controller.entries] == ["intent", "outcome", "verdict"]
    assert len({entry["data"].get("intent", entry["id"]) for entry in controller.entries}) == 1


@pytest.mark.parametrize("state", ["refused", "failed"])
async def test_what_was_refused_or_failed_is_recorded_and_not_watched(world, state):
    async def execute(plan: Plan, context: Context) -> Outcome:
        return Outcome(state=state, answer="no")

    controller = told(world)
    done = await perform(Double(world, execute=execute), {}, context_of(world), controller.console)
    assert done.verdict is None and [entry["kind"] for entry in controller.entries] == ["intent", "outcome"]


async def test_what_is_unknown_is_watched_all_the_same_and_never_sent_twice(world):
    async def execute(plan: Plan, context: Context) -> Outcome:
        world.story.append("execute")
        return Outcome(state="unknown", answer="no answer")

    done = await perform(Double(world, execute=execute), {}, context_of(world), told(world).console)
    assert world.story.count("execute") == 1 and done.verdict is not None


async def test_an_action_that_never_ends_is_unknown(world, monkeypatch):
    monkeypatch.setattr("nexconsole.actions.perform.EXECUTE_LIMIT_S", 0.05)

    async def execute(plan: Plan, context: Context) -> Outcome:
        await asyncio.sleep(30)
        raise AssertionError

    done = await perform(Double(world, execute=execute), {}, context_of(world), told(world).console)
    assert done.outcome is not None and done.outcome.state == "unknown"


async def test_an_expected_error_while_executing_is_unknown_not_failed(world):
    async def execute(plan: Plan, context: Context) -> Outcome:
        raise Unreachable("postgres", "the connection broke")

    done = await perform(Double(world, execute=execute), {}, context_of(world), told(world).console)
    assert done.outcome is not None and done.outcome.state == "unknown"


async def test_a_source_that_dies_during_verification_makes_the_verdict_unknown(world):
    async def watch() -> Verdict:
        raise Unreachable("postgres", "the connection broke")

    done = await perform(Double(world, watch=watch), {}, context_of(world), told(world).console)
    assert done.outcome is not None and done.outcome.state == "done"
    assert done.verdict is not None and done.verdict.state == "unknown"


async def test_a_console_that_is_closed_in_the_middle_leaves_an_intent_without_an_outcome(world):
    begun = asyncio.Event()

    async def execute(plan: Plan, context: Context) -> Outcome:
        begun.set()
        await asyncio.sleep(30)
        raise AssertionError

    controller = told(world)
    task = asyncio.create_task(perform(Double(world, execute=execute), {}, context_of(world), controller.console))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [entry["kind"] for entry in controller.entries] == ["intent"]


def test_figures_that_are_only_shown_do_not_change_a_plans_fingerprint(world):
    plan = Plan(
        action="a",
        arguments={},
        targets=(Target(kind="k", id="1", identity={"v": 1}, shown={"age_s": 1}),),
        effect="",
        command="",
        confirm=Confirmation(kind="letter", text="a"),
        taken_at=START,
        expires_at=START,
    )
    older = replace(plan, targets=(replace(plan.targets[0], shown={"age_s": 9}),))
    other = replace(plan, targets=(replace(plan.targets[0], identity={"v": 2}),))
    typed = replace(plan, confirm=Confirmation(kind="type", text="a"))
    assert older.fingerprint == plan.fingerprint
    assert len({plan.fingerprint, other.fingerprint, typed.fingerprint}) == 3


# --- with other consoles on the same targets ---


def reserved_by(folder: Any, operator: str) -> LeaseService:
    return LeaseService(Settings(operator=operator, journal=JournalSettings(folder=str(folder))))


async def test_while_another_console_executes_on_the_target_nothing_is_recorded_or_sent(world, tmp_path):
    sending, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(plan: Plan, context: Context) -> Outcome:
        sending.set()
        await go_on.wait()
        return Outcome(state="failed", answer="no")

    first, second = Desk(), Desk()
    first.console.leases = reserved_by(tmp_path, "maria@bastion")
    second.console.leases = reserved_by(tmp_path, "piet@bastion")
    executing = asyncio.create_task(perform(Double(world, execute=slowly), {}, context_of(world), first.console))
    await sending.wait()
    done = await perform(Double(world), {}, context_of(world), second.console)
    assert (done.stopped or "").startswith("maria@bastion is at world.double since ")
    assert second.entries == [] and world.value == 1
    go_on.set()
    await executing
    done = await perform(Double(world), {}, context_of(world), second.console)
    assert done.outcome is not None and world.value == 2


async def test_what_another_console_executed_since_the_preview_is_shown_before_it_is_asked_again(world, tmp_path):
    other = Desk()
    other.console.leases = reserved_by(tmp_path, "maria@bastion")

    async def nothing(plan: Plan, context: Context) -> Outcome:
        return Outcome(state="failed", answer="it answered an error, and the target looks as before")

    asked: list[str | None] = []

    async def ask(plan: Plan, why_again: str | None) -> ConfirmationReply:
        asked.append(why_again)
        if why_again is None:
            await asyncio.sleep(0.1)  # a person takes longer to read it than the last executions take to be read
            await perform(Double(world, execute=nothing), {}, context_of(world), other.console)
        return ConfirmationReply(text="d")

    controller = Desk()
    controller.console.ask, controller.console.leases = ask, reserved_by(tmp_path, "piet@bastion")
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert asked[1] is not None and asked[1].startswith("maria@bastion has executed world.double since the preview")
    assert len(asked) == 2 and world.value == 2 and done.outcome is not None and done.outcome.state == "done"


async def test_a_console_that_is_closed_while_it_executes_frees_the_target(world, tmp_path):
    sending = asyncio.Event()

    async def for_ever(plan: Plan, context: Context) -> Outcome:
        sending.set()
        await asyncio.sleep(30)
        raise AssertionError

    controller = Desk()
    controller.console.leases = reserved_by(tmp_path, "maria@bastion")
    task = asyncio.create_task(perform(Double(world, execute=for_ever), {}, context_of(world), controller.console))
    await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped is None and world.value == 2
