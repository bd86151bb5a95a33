"""A provider's queue of slots emptied and put back, on a real Redis and a real database."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis.asyncio
from acting import IDS, Desk, acting, add_provider, lacking, reading, settings_of, shell
from remote_console import wire_to
from sample_readings import slots

from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome
from nexconsole.actions.slot_undo import RESTORE, key_of
from nexconsole.actions.slots import ClearSlots, _judged
from nexconsole.drill.market.slots import slot_key
from nexconsole.errors import ActionError
from nexconsole.settings import Settings

CLEAR = ClearSlots()
KEY = key_of(IDS["smsbower"])


def ms_ahead(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


@pytest.fixture
async def keys(redis_server):
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    try:
        yield client
    finally:
        await client.flushall()
        await client.aclose()


@pytest.fixture
async def queued(database, keys):
    """Two providers; at smsbower the next slot is 6,000 s away and two purchases wait for theirs."""
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    for number in range(2):
        await database.activation(f"w{number}", 40, "RESERVED")
    await keys.set(KEY, ms_ahead(6000), px=6_010_000)
    await keys.set(key_of(IDS["5sim"]), ms_ahead(5000), px=5_010_000)
    return database


def on(database, server, **tables):
    return settings_of(postgres={"url": database.url}, redis={"url": server.url}, **tables)


async def test_a_plan_says_how_long_purchases_wait_and_what_emptying_does_not_do(queued, redis_server):
    async with acting(on(queued, redis_server)) as context:
        plan = await CLEAR.prepare({"provider": "smsbower"}, context)
    assert "next slot is 99 min away" in plan.effect and not plan.blocked
    assert [target.id for target in plan.targets] == [KEY] == [slot_key(IDS["smsbower"])]
    said = {guard.name: guard for guard in plan.guards}
    assert said["purchases in flight"].level == "warn" and said["purchases in flight"].reason.startswith("2 purchases")
    assert plan.undo is not None and plan.undo.action == "slots.restore"


def test_the_longest_waits_are_offered_first_and_nothing_where_nobody_waits():
    readings = {"slots": reading("slots", slots(smsbower=5999.0, onlinesim=12.0))}
    offered = CLEAR.suggestions(readings, Settings())
    assert [(one.arguments["provider"], one.weight) for one in offered] == [("smsbower", 0.8), ("onlinesim", 0.3)]
    assert offered[0].title == "Empty the queue of smsbower - a purchase there waits 99 min"
    assert CLEAR.suggestions({"slots": reading("slots", slots())}, Settings()) == ()
    assert CLEAR.suggestions({}, Settings()) == () == RESTORE.suggestions(readings, Settings())


async def test_one_providers_queue_is_deleted_though_it_has_grown_and_the_others_stay(queued, keys, redis_server):
    controller = Desk()
    async with acting(on(queued, redis_server), entries=controller.read_back) as context:
        original = controller.console.ask

        async def grows(plan, why_again):
            await keys.set(KEY, ms_ahead(6010), px=6_020_000)
            return await original(plan, why_again)

        controller.console = type(controller.console)(**{**vars(controller.console), "ask": grows})
        done = await perform(CLEAR, {"provider": "smsbower"}, context, controller.console)
        assert done.outcome is not None and (done.outcome.state, done.outcome.answer) == (
            "done",
            "the queue was deleted",
        )
        assert await keys.exists(KEY) == 0 and await keys.exists(key_of(IDS["5sim"])) == 1
        assert done.verdict is not None and done.verdict.state == "unknown"  # nobody has bought since
        back = await perform(RESTORE, done.plan.undo.arguments, context, Desk().console)
        assert back.verdict is not None and back.verdict.state == "worked"
    wait_s = int(await keys.get(KEY)) / 1000 - time.time()
    assert 5990 < wait_s <= 6000 and 6_000_000 < await keys.pttl(KEY) <= 6_010_000


async def test_a_queue_that_somebody_emptied_meanwhile_is_left_alone(queued, keys, redis_server):
    async with acting(on(queued, redis_server)) as context:
        plan = await CLEAR.prepare({"provider": "smsbower"}, context)
        await keys.set(KEY, ms_ahead(1), px=60_000)
        outcome = await CLEAR.execute(plan, context)
        assert (outcome.state, "emptied it meanwhile" in outcome.answer) == ("refused", True)
        assert await keys.exists(KEY) == 1
        await keys.delete(KEY)
        assert (await CLEAR.execute(plan, context)).answer == "the queue was empty already: nothing was deleted"


@pytest.mark.parametrize(("seconds", "blocked"), [(2.5, True), (4.0, False)])
async def test_a_queue_in_which_nobody_waits_is_not_emptied(queued, keys, redis_server, seconds, blocked):
    await keys.set(KEY, ms_ahead(seconds), px=60_000)
    async with acting(on(queued, redis_server)) as context:
        plan = await CLEAR.prepare({"provider": "smsbower"}, context)
    assert bool(plan.blocked) is blocked


@pytest.mark.parametrize(
    ("value", "said"), [(None, "nobody waits for a slot at smsbower"), ("soon", "holds soon, which is no time")]
)
async def test_what_is_no_queue_is_said_and_nothing_is_prepared(queued, keys, redis_server, value, said):
    await keys.delete(KEY)
    if value is not None:
        await keys.set(KEY, value)
    async with acting(on(queued, redis_server)) as context:
        with pytest.raises(ActionError, match=said):
            await CLEAR.prepare({"provider": "smsbower"}, context)


async def test_the_literal_command_deletes_the_queue_and_its_undo_puts_it_back(queued, keys, redis_server):
    if lacking("redis-cli"):
        pytest.skip("redis-cli is not installed")
    async with acting(on(queued, redis_server)) as context:
        plan = await CLEAR.prepare({"provider": "smsbower"}, context)
    before = await keys.get(KEY)
    await shell(plan.command, REDIS_URL=redis_server.url)
    assert await keys.exists(KEY) == 0
    await shell(plan.undo.command, REDIS_URL=redis_server.url)
    assert await keys.get(KEY) == before


@pytest.mark.parametrize(
    ("wait_s", "attempts", "sold", "failed", "last", "state"),
    [
        (0, 3, 3, 0, False, "worked"),
        (0, 2, 2, 0, False, None),
        (0, 2, 1, 0, True, "worked"),
        (3001, 9, 9, 0, False, "no effect"),
        (2999, 9, 9, 0, False, "worked"),
        (0, 6, 2, 3, True, "no effect"),
        (0, 6, 2, 3, False, None),
        (0, 4, 0, 0, True, "unknown"),
    ],
)
def test_the_verdict_rests_on_what_was_sold_and_on_the_queue(wait_s, attempts, sold, failed, last, state):
    since = {"attempts": attempts, "sold": sold, "failed": failed}
    verdict = _judged("smsbower", 6000, wait_s, since, last)
    assert (verdict and verdict.state) == state


async def unanswered(action, arguments, database, server, arrives: bool) -> tuple[Any, Desk]:
    """Perform it on a Redis that never answers the script; `arrives`: whether the script gets there."""
    port = server.url.rpartition(":")[2].partition("/")[0]
    async with wire_to(int(port)) as wire:

        def lose() -> None:
            wire.watch_for((), lambda: None)
            if arrives:
                wire.lose()
                asyncio.get_running_loop().call_later(0.5, lambda: setattr(wire, "_losing", False))
            else:
                for writer in wire._writers:
                    writer.transport.abort()

        settings = settings_of(
            postgres={"url": database.url},
            redis={"url": server.url.replace(port, str(wire.port)), "timeout_s": 0.4},
            actions={"timeout_s": 0.4, "verify_s": 0.8},
        )
        controller = Desk()
        async with acting(settings) as context:
            record = controller._record

            async def recorded(kind: str, data: Any) -> str:
                if kind == "intent":
                    wire.watch_for((b"EVAL",), lose)
                return await record(kind, data)

            controller.console.record = recorded
            return await perform(action, arguments, context, controller.console), controller


def states(controller: Desk) -> list[str]:
    return [entry["data"]["outcome"]["state"] for entry in controller.entries if entry["kind"] == "outcome"]


@pytest.mark.parametrize(("arrives", "state"), [(True, "done"), (False, "failed")])
async def test_an_emptying_that_is_never_answered_is_looked_up_in_the_queue(queued, keys, redis_server, arrives, state):
    done, controller = await unanswered(CLEAR, {"provider": "smsbower"}, queued, redis_server, arrives)
    assert states(controller) == ["unknown", state], done
    said = "it was done: the queue of smsbower is gone" if arrives else "not done: the queue of smsbower is as long"
    assert done.outcome is not None and done.outcome.answer.startswith(said)
    assert await keys.exists(KEY) == (0 if arrives else 1)
    assert [target.id for target in done.outcome.touched] == ([KEY] if arrives else [])


@pytest.mark.parametrize(("arrives", "state"), [(True, "done"), (False, "failed")])
async def test_an_undo_that_is_never_answered_is_looked_up_in_the_queue(queued, keys, redis_server, arrives, state):
    until = await keys.get(KEY)
    await keys.delete(KEY)
    done, controller = await unanswered(
        RESTORE, {"provider": "smsbower", "until": until}, queued, redis_server, arrives
    )
    assert states(controller) == ["unknown", state], done
    assert await keys.get(KEY) == (until if arrives else None)


@pytest.mark.parametrize(
    ("value_s", "state", "said"),
    [
        (None, "done", "the queue of smsbower is gone"),
        (5, "done", "the queue of smsbower began anew"),
        (6000, "failed", "the queue of smsbower is as long as shown, or longer"),
        (6020, "failed", "the queue of smsbower is as long as shown, or longer"),
    ],
)
async def test_a_queue_that_lies_nearer_than_shown_was_emptied(queued, keys, redis_server, value_s, state, said):
    async with acting(on(queued, redis_server, actions={"verify_s": 0.0})) as context:
        plan = await CLEAR.prepare({"provider": "smsbower"}, context)
        shown = int(plan.chosen[0].shown["slot_ms"])
        await keys.delete(KEY)
        if value_s is not None:
            await keys.set(KEY, shown + (value_s - 6000) * 1000, px=60_000)
        outcome = await CLEAR.settle(plan, Outcome(state="unknown", answer="no answer"), context)
    assert (outcome.state, said in outcome.answer) == (state, True), outcome
