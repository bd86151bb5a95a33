"""The one path: every sentence that it says, who else has a word, and what is not on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from acting import Desk
from doubling import START, Double, DoubledWorld, context_of, told

from nexconsole.actions.action import Context
from nexconsole.actions.perform import AS_IT_IS, EXPIRED, ActionResult, difference, perform
from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from nexconsole.errors import ActionError, Unreachable
from nexconsole.model import Reading
from nexconsole.session.capabilities import Capability, capabilities_of, role_refusal
from nexconsole.settings import Settings
from nexconsole.signals.database import Database

FULL = "the journal can't be written: no space left on device"


@pytest.fixture
def world() -> DoubledWorld:
    return DoubledWorld()


def answering(**outcome: Any) -> Callable[..., Any]:
    async def execute(plan: Plan, context: Context) -> Outcome:
        return Outcome(**{"state": "unknown", "answer": "no answer"} | outcome)

    return execute


async def test_every_reason_that_blocks_is_said(world):
    guards = tuple(Guard(name=name, level="block", reason=f"because of {name}") for name in "ab")
    done = await perform(Double(world, guards=guards), {}, context_of(world), told(world).console)
    assert done.stopped == "because of a; because of b"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "cancelled: nothing was sent"),
        ("", "not confirmed: d was asked for, nothing was sent"),
        ("dd", "not confirmed: d was asked for, nothing was sent"),
    ],
)
async def test_what_was_not_confirmed_says_what_was_asked_for(world, answer, said):
    done = await perform(Double(world), {}, context_of(world), told(world, lambda plan: answer).console)
    assert done.stopped == said


@pytest.mark.parametrize(("seconds", "asked"), [(59.9, 1), (60.0, 2)])
async def test_a_plan_holds_until_its_limit_and_not_at_it(world, seconds, asked):
    def answer(plan: Plan) -> str:
        world.now = max(world.now, START + timedelta(seconds=seconds))
        return "d"

    controller = told(world, answer)
    await perform(Double(world), {}, context_of(world), controller.console)
    assert len(controller.plans) == asked
    assert controller.why_again[1:] == [EXPIRED] * (asked - 1)


def test_an_expired_plan_says_so_and_what_to_do():
    assert EXPIRED == "the plan was older than its limit and was prepared again: confirm it as it is now"


def test_a_console_that_only_observes_says_why():
    settings = Settings(actions=msgspec.structs.replace(Settings().actions, observe=True))
    assert (
        capabilities_of(settings).why_not(Capability.ACT)
        == "this console only observes: it was started with --observe (actions.observe)"
    )
    reads = Reading(signal="database", every=2.0, value=Database(read_only_role=True))
    assert role_refusal({"database": reads}) == (
        "this console only observes: its database role may not change anything (a read-only role)"
    )
    assert role_refusal({"database": Reading(signal="database", every=2.0)}) is None


# --- what changed since the preview ---


def plan_of(*ids: str, value: object = 1, **fields: Any) -> Plan:
    given = {
        "action": "a",
        "arguments": {},
        "effect": "",
        "command": "",
        "confirm": Confirmation(kind="letter", text="a"),
    }
    targets = tuple(Target(kind="k", id=id, identity={"value": value}) for id in ids)
    return Plan(**given | {"targets": targets, "taken_at": START, "expires_at": START} | fields)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (plan_of("a", "b"), plan_of("b", "c"), "gone: a; new: c"),
        (plan_of("a", "b"), plan_of("a", "b", value=2), "changed: a (value 1 -> 2), b (value 1 -> 2)"),
        (plan_of(*"abcdef"), plan_of(), "gone: a, b, c, d, e and more"),
        (plan_of(*"abcde"), plan_of(), "gone: a, b, c, d, e"),
        (plan_of("a"), plan_of("a", confirm=Confirmation(kind="type", text="a")), "another confirmation is asked for"),
        (
            plan_of("a"),
            plan_of("a", guards=(Guard(name="g", level="block", reason="a rollout began"),)),
            "a rollout began",
        ),
        (
            plan_of("a"),
            plan_of(
                "b", confirm=Confirmation(kind="type", text="b"), guards=(Guard(name="g", level="block", reason="no"),)
            ),
            "gone: a; new: b; another confirmation is asked for; no",
        ),
        (
            plan_of("a", guards=(Guard(name="g", level="block", reason="then"),)),
            plan_of("b", guards=(Guard(name="g", level="block", reason="now"),)),
            "gone: a; new: b",
        ),
        (plan_of("a", value="x" * 41), plan_of("a", value="y" * 41), f"changed: a (value {'x' * 39}… -> {'y' * 39}…)"),
        (plan_of("a", value="x" * 40), plan_of("a", value="y" * 40), f"changed: a (value {'x' * 40} -> {'y' * 40})"),
    ],
)
def test_the_difference_is_one_sentence(old, new, said):
    assert difference(old, new) == f"the system changed since the preview ({said}){AS_IT_IS}"


def test_only_what_differs_of_a_target_is_said_also_where_it_was_not_there_before():
    old, new = plan_of("a"), plan_of("a")
    old = replace(old, targets=(Target(kind="k", id="a", identity={"same": 1, "was": 2, "gone": 3}),))
    new = replace(new, targets=(Target(kind="k", id="a", identity={"same": 1, "was": 4, "come": 5}),))
    assert "(changed: a (was 2 -> 4, gone 3 -> None, come None -> 5))" in difference(old, new)


def test_what_is_shown_and_not_chosen_is_no_difference_and_two_kinds_of_one_id_are_two():
    chosen, left = Target(kind="k", id="a"), Target(kind="k", id="b", chosen=False)
    one = replace(plan_of(), targets=(chosen, left))
    other = replace(plan_of(), targets=(chosen, replace(left, id="c"), Target(kind="other", id="a")))
    assert "(new: a)" in difference(one, other)


# --- others who have the targets ---


@dataclass
class ReservedLeases:
    """A lease that tells what becomes of it."""

    story: list[str]
    held: str = ""
    changed: str = ""
    doubt: str = ""
    taken_by: str = ""

    async def lost(self) -> str:
        return self.taken_by

    def sending(self) -> None:
        self.story.append("sending")

    async def __aenter__(self) -> ReservedLeases:
        self.story.append("reserved")
        return self

    async def __aexit__(self, *args: object) -> None:
        self.story.append("freed")


@dataclass
class Given:
    """Leases that are given one after another, and what each was asked with."""

    leases: list[ReservedLeases]
    asked: list[object] = field(default_factory=list)

    async def seen(self, plan: Plan) -> object:
        return f"seen of {plan.effect}"

    async def take(self, plan: Plan, seen: object) -> ReservedLeases:
        self.asked.append(seen)
        return self.leases.pop(0)


async def test_targets_are_reserved_from_before_the_intent_until_after_the_outcome(world):
    controller = told(world)
    controller.console.leases = Given([ReservedLeases(world.story)])
    await perform(Double(world), {}, context_of(world), controller.console)
    assert world.story == [
        "prepare",
        "ask",
        "prepare",
        "reserved",
        "intent",
        "sending",
        "execute",
        "outcome",
        "freed",
        "verify",
        "verdict",
    ]
    assert controller.console.leases.asked == ["seen of Doubles 1"]


async def test_a_target_that_is_held_stops_it_with_the_holders_sentence(world):
    controller = told(world)
    controller.console.leases = Given([ReservedLeases(world.story, held="piet is at it")])
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == "piet is at it" and controller.entries == [] and world.value == 1


async def test_what_others_executed_is_shown_and_the_plan_prepared_and_asked_again(world):
    controller = told(world)
    controller.console.leases = Given(
        [ReservedLeases(world.story, changed="piet has doubled it"), ReservedLeases(world.story)]
    )
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert controller.why_again == [None, "piet has doubled it"]
    assert world.story[:6] == ["prepare", "ask", "prepare", "prepare", "ask", "prepare"]
    assert done.outcome is not None and world.value == 2


async def test_whom_nobody_could_ask_is_said_before_it_is_sent_and_afterwards(world):
    controller, said = told(world), []
    controller.console.leases = Given([ReservedLeases(world.story, doubt="redis could not be asked")])
    context = context_of(world)
    context.progress = said.append
    done = await perform(Double(world), {}, context, controller.console)
    assert said == ["redis could not be asked"]
    assert done.doubt == "redis could not be asked" and done.stopped is None


async def test_a_target_that_was_taken_meanwhile_stops_it(world):
    controller = told(world)
    controller.console.leases = Given([ReservedLeases(world.story, taken_by="piet has taken it")])
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == "piet has taken it" and controller.entries == [] and world.story[-1] == "freed"


# --- others who have a say ---


def consulted(
    controller: Desk, proposal: str | None, why_not: str | None, meanwhile: Callable[[], None] = lambda: None
):
    async def consult(plan: Plan, context: Context) -> tuple[str | None, str | None]:
        controller.story.append("consult")
        meanwhile()
        return proposal, why_not

    controller.console.consult = consult


async def test_what_others_stop_is_not_sent_and_has_their_sentence(world):
    controller = told(world)
    consulted(controller, "p1", "piet objects")
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == "piet objects" and world.story == ["prepare", "ask", "prepare", "consult"]


async def test_after_a_proposal_the_plan_is_looked_at_again_and_the_intent_names_it(world):
    controller = told(world)
    consulted(controller, "p1", None)
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert world.story[:5] == ["prepare", "ask", "prepare", "consult", "prepare"]
    assert controller.entries[0]["data"]["proposal"] == "p1"
    assert done.plan is not None and done.plan.details == {"taken": 5}  # of the look after the proposal


async def test_without_a_proposal_the_plan_is_sent_as_it_was_confirmed(world):
    controller = told(world)
    consulted(controller, None, None)
    await perform(Double(world), {}, context_of(world), controller.console)
    assert world.story[:5] == ["prepare", "ask", "prepare", "consult", "intent"]
    assert "proposal" not in controller.entries[0]["data"]


async def test_a_world_that_changed_while_others_had_their_say_is_not_touched(world):
    controller = told(world)
    consulted(controller, "p1", None, lambda: setattr(world, "value", 5))
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == "nothing was sent: the system changed since the preview (changed: it (value 1 -> 5))"
    assert world.value == 5 and controller.entries == []


async def test_a_plan_that_can_not_be_prepared_after_the_others_had_their_say_is_not_sent(world):
    action, controller = Double(world), told(world)
    consulted(controller, "p1", None, lambda: setattr(action, "prepare_error", ActionError("it is gone")))
    done = await perform(action, {}, context_of(world), controller.console)
    assert done.stopped == "the plan no longer holds: it is gone" and controller.entries == []


async def test_targets_held_one_by_one_stay_those_confirmed_with_newer_details_after_a_proposal(world):
    controller = told(world)
    consulted(controller, "p1", None, lambda: setattr(world, "value", 7))
    done = await perform(Double(world, one_by_one=True), {}, context_of(world), controller.console)
    assert done.plan is not None and done.plan.targets[0].identity == {"value": 1}
    assert done.plan.details == {"taken": 5}
    assert done.outcome is not None and done.outcome.state == "refused"


# --- what became of it ---


async def test_an_action_without_an_end_says_that_nobody_knows_what_happened(world, monkeypatch):
    monkeypatch.setattr("nexconsole.actions.perform.EXECUTE_LIMIT_S", 0.05)

    async def execute(plan: Plan, context: Context) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    done = await perform(Double(world, execute=execute), {}, context_of(world), told(world).console)
    assert done.outcome is not None
    assert done.outcome.answer == "no answer within 0.05 s: it may have happened or not"
    assert not done.outcome.answered


async def test_an_error_while_it_was_sent_says_that_nobody_knows_what_happened(world):
    async def execute(plan: Plan, context: Context) -> Outcome:
        raise Unreachable("postgres", "the connection broke")

    done = await perform(Double(world, execute=execute), {}, context_of(world), told(world).console)
    assert done.outcome is not None
    assert (done.outcome.answer, done.outcome.answered) == (
        "the connection broke: it may have happened or not",
        False,
    )


@dataclass
class AskedLeases(Double):
    """The same, of an action that can ask the world whether it was done."""

    found: Any = None

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        self.world.story.append("settle")
        if isinstance(self.found, Exception):
            raise self.found
        if self.found is None:
            await asyncio.Event().wait()
        return self.found


async def test_the_world_settles_what_no_answer_proved_and_its_word_is_recorded_too(world):
    controller, found = told(world), Outcome(state="done", answer="it was done")
    done = await perform(
        AskedLeases(world, execute=answering(), found=found), {}, context_of(world), controller.console
    )
    assert [entry["kind"] for entry in controller.entries] == ["intent", "outcome", "outcome", "verdict"]
    assert controller.entries[2]["data"]["outcome"]["state"] == "done"
    assert done.outcome == found and done.verdict is not None
    assert [(one.outcome.state, one.verdict is not None) for one in controller.shown if one.outcome] == [
        ("unknown", False),
        ("done", False),
        ("done", True),
    ]


async def test_what_the_world_says_was_not_done_is_not_watched(world):
    controller, found = told(world), Outcome(state="failed", answer="it was not done")
    done = await perform(
        AskedLeases(world, execute=answering(), found=found), {}, context_of(world), controller.console
    )
    assert done.outcome == found and done.verdict is None and "verify" not in world.story
    assert done.intent == controller.entries[0]["id"] and done.unrecorded == ""


async def test_a_world_that_does_not_know_either_leaves_one_outcome_on_record(world):
    controller, found = told(world), Outcome(state="unknown", answer="nobody knows yet")
    done = await perform(
        AskedLeases(world, execute=answering(), found=found), {}, context_of(world), controller.console
    )
    assert [entry["kind"] for entry in controller.entries] == ["intent", "outcome", "verdict"]
    assert done.outcome == found


@pytest.mark.parametrize("found", [Unreachable("postgres", "gone"), None])
async def test_a_world_that_can_not_be_asked_leaves_the_outcome_unknown(world, monkeypatch, found):
    monkeypatch.setattr("nexconsole.actions.perform.SETTLE_LIMIT_S", 0.05)
    controller = told(world)
    done = await perform(
        AskedLeases(world, execute=answering(), found=found), {}, context_of(world), controller.console
    )
    assert done.outcome is not None and (done.outcome.state, done.outcome.answer) == ("unknown", "no answer")
    assert [entry["kind"] for entry in controller.entries] == ["intent", "outcome", "verdict"]


async def test_what_is_known_is_not_settled(world):
    await perform(
        AskedLeases(world, found=Outcome(state="failed", answer="no")), {}, context_of(world), told(world).console
    )
    assert "settle" not in world.story and world.value == 2


@pytest.mark.parametrize(
    ("error", "because"),
    [
        (TimeoutError(), "what it watches could not be read within 0.2 s"),
        (Unreachable("postgres", "the connection broke"), "it could not be verified: the connection broke"),
    ],
)
async def test_a_verdict_that_can_not_be_had_is_unknown_and_says_why(world, error, because):
    async def watch() -> Verdict:
        raise error

    done = await perform(Double(world, watch=watch), {}, context_of(world), told(world).console)
    assert done.verdict == Verdict(state="unknown", because=because)


# --- what is not on record ---


async def test_all_that_was_recorded_leaves_nothing_to_say(world):
    controller = told(world)
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert (done.unrecorded, done.intent, done.stopped) == ("", controller.entries[0]["id"], None)
    assert controller.entries[1]["data"]["intent"] == done.intent
    assert controller.entries[2]["data"]["verdict"] == {"state": "worked", "because": "it is 2"}
    assert "late" not in controller.entries[0]["data"]


async def test_nothing_on_record_is_said_with_the_reason(world):
    controller = told(world)
    controller.full, controller.unrecorded = {"intent", "outcome", "verdict"}, True
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.unrecorded == f"nothing of it is on record: {FULL}"
    assert done.intent is None


async def test_without_a_record_and_without_leave_it_is_not_sent_and_says_why(world):
    controller = told(world)
    controller.full = {"intent"}
    done = await perform(Double(world), {}, context_of(world), controller.console)
    assert done.stopped == f"nothing was sent, because it could not be recorded: {FULL}"
    assert done.outcome is None and controller.shown == []


@pytest.mark.parametrize(
    ("full", "missing"),
    [({"outcome"}, "outcome and verdict"), ({"verdict"}, "verdict"), ({"outcome", "verdict"}, "outcome and verdict")],
)
async def test_what_of_it_is_not_on_record_is_named_once_each(world, full, missing):
    controller, found = told(world), Outcome(state="done", answer="it was done")
    controller.full = full
    done = await perform(
        AskedLeases(world, execute=answering(), found=found), {}, context_of(world), controller.console
    )
    assert done.unrecorded == f"its {missing} not on record: {FULL}"
    assert done.intent == controller.entries[0]["id"]


async def test_what_was_refused_says_what_of_it_is_not_on_record(world):
    controller = told(world)
    controller.full = {"outcome"}
    action = Double(world, execute=answering(state="refused", answer="no"))
    done = await perform(action, {}, context_of(world), controller.console)
    assert done.unrecorded == f"its outcome not on record: {FULL}" and done.verdict is None
    assert [one.outcome.state for one in controller.shown if one.outcome] == ["refused"]


def test_a_performance_is_empty_until_something_happened():
    begun = ActionResult(plan=None)
    assert (begun.outcome, begun.verdict, begun.stopped, begun.doubt, begun.unrecorded, begun.intent) == (
        None,
        None,
        None,
        "",
        "",
        None,
    )
