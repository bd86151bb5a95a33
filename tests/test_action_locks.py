"""Locks flushed and put back, on a real Redis."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

import pytest
import redis.asyncio
from acting import Desk, acting, lacking, settings_of, shell
from aiohttp import web

from nexconsole.actions.locks import FLUSH, RESTORE
from nexconsole.actions.perform import perform
from nexconsole.errors import ActionError
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals.locks import Family, Locks

OWNER = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f"


def ms_ago(seconds: float) -> str:
    return str(int((time.time() - seconds) * 1000))


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
async def locked(keys):
    """Purchase locks: one without TTL, one old, one fresh; and a top-up's mark that must never go."""
    await keys.set(f"lock:purchase:atomic:{OWNER}", ms_ago(20))
    await keys.set("lock:purchase:atomic:old", ms_ago(900), ex=100)
    await keys.set("lock:purchase:atomic:fresh", "0b0e7a52-token", ex=30)
    await keys.set("idem:top-up-1", "1", ex=86400)
    return keys


def on(server, **tables):
    return settings_of(redis={"url": server.url}, **tables)


async def test_a_dry_run_lists_exactly_what_redis_cli_finds(locked, redis_server):
    if lacking("redis-cli"):
        pytest.skip("redis-cli is not installed")
    command = "redis-cli --no-auth-warning -u \"$REDIS_URL\" --scan --pattern 'lock:purchase:*'"
    _, printed = await shell(command, REDIS_URL=redis_server.url)
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
    assert {target.id for target in plan.targets} == set(printed.split()) and len(plan.targets) == 3


async def test_the_suspicious_come_first_and_only_they_are_chosen(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
    documents = [target.as_dict() for target in plan.targets]
    assert [(document["id"], document["chosen"]) for document in documents] == [
        (f"lock:purchase:atomic:{OWNER}", True),
        ("lock:purchase:atomic:old", True),
        ("lock:purchase:atomic:fresh", False),
    ]
    assert documents[0]["owner"] == OWNER and documents[0]["pttl_ms"] == -1 and "no TTL" in documents[0]["because"]
    assert 890 < documents[1]["age_s"] < 910 and documents[2]["age_s"] is None
    assert "Deletes 2 of 3 keys" in plan.effect and plan.confirm.kind == "letter"


async def test_the_chosen_are_deleted_and_nothing_else(locked, redis_server):
    async with acting(on(redis_server)) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done", done
    assert {target.id for target in done.outcome.touched} == {
        f"lock:purchase:atomic:{OWNER}",
        "lock:purchase:atomic:old",
    }
    assert set(await locked.keys("*")) == {"lock:purchase:atomic:fresh", "idem:top-up-1"}
    assert done.verdict is not None and done.verdict.state == "worked", done.verdict


@pytest.mark.parametrize("which", ["suspicious", "all"])
async def test_a_lock_taken_afresh_between_preview_and_confirmation_survives(locked, redis_server, which):
    async def take_afresh() -> None:
        await locked.set("lock:purchase:atomic:old", "a-new-token", ex=30)
        await locked.set("lock:purchase:atomic:newcomer", ms_ago(0), ex=30)

    controller = Desk()
    ask = controller.console.ask

    async def slow_operator(plan, why_again):
        if why_again is None:
            await take_afresh()
        return await ask(plan, why_again)

    controller.console.ask = slow_operator
    async with acting(on(redis_server)) as context:
        done = await perform(FLUSH, {"family": "purchase", "which": which}, context, controller.console)
    assert done.outcome is not None and done.outcome.state == "done", done
    assert await locked.get("lock:purchase:atomic:old") == "a-new-token"
    assert await locked.exists("lock:purchase:atomic:newcomer")
    assert not await locked.exists(f"lock:purchase:atomic:{OWNER}")
    if which == "suspicious":
        assert controller.why_again[1] is not None and "gone: lock:purchase:atomic:old" in controller.why_again[1]
    else:
        assert controller.why_again == [None]


async def test_a_lock_that_changes_hands_at_the_last_moment_survives(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        await locked.set("lock:purchase:atomic:old", "a-new-token", ex=30)
        await locked.delete(f"lock:purchase:atomic:{OWNER}")
        outcome = await FLUSH.execute(plan, context)
    assert outcome.state == "refused"
    assert outcome.answer == "0 of 2 keys were deleted, 1 were gone already, 1 hold another value now"
    assert await locked.get("lock:purchase:atomic:old") == "a-new-token"


async def test_a_key_that_became_another_type_is_left_alone(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        await locked.delete("lock:purchase:atomic:old")
        await locked.rpush("lock:purchase:atomic:old", "a")
        outcome = await FLUSH.execute(plan, context)
    assert outcome.state == "done" and len(outcome.touched) == 1
    assert await locked.type("lock:purchase:atomic:old") == "list"


async def test_where_nothing_is_suspicious_all_keys_are_shown_and_nothing_is_done(keys, redis_server):
    await keys.set("lock:purchase:atomic:fresh", "token", ex=30)
    async with acting(on(redis_server)) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, Desk().console)
    assert done.plan is not None and [target.chosen for target in done.plan.targets] == [False]
    assert done.stopped is not None and "expire within 30 s; which=all" in done.stopped


async def test_a_lock_without_ttl_that_was_taken_just_now_may_be_given_one_still(keys, redis_server):
    await keys.set("lock:number:u1-wa-nl", ms_ago(1))
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
    assert not plan.chosen and "may still get one" in plan.blocked[0].reason


async def test_where_the_family_has_no_key_the_others_are_named(keys, redis_server):
    await keys.set("lock:number:u1-wa-south africa", ms_ago(900))
    async with acting(on(redis_server)) as context:
        with pytest.raises(ActionError, match=r"no key matches lock:purchase:\*.*number 1"):
            await FLUSH.prepare({"family": "purchase"}, context)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"family": "nope"}, "there are purchase, number"),
        ({"family": "purchase", "which": "some"}, "suspicious or all"),
    ],
)
async def test_arguments_that_make_no_sense_are_said(locked, redis_server, arguments, said):
    async with acting(on(redis_server)) as context:
        with pytest.raises(ActionError, match=said):
            await FLUSH.prepare(arguments, context)


async def test_all_must_be_typed_and_living_locks_are_warned_of(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase", "which": "all"}, context)
    assert plan.confirm.kind == "type" and plan.confirm.text == "purchase"
    assert any(guard.name == "living locks" and "1 of them" in guard.reason for guard in plan.guards)
    assert len(plan.chosen) == 3


async def test_keys_that_are_named_are_chosen_alone_and_strangers_block(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase", "keys": "lock:purchase:atomic:fresh"}, context)
        assert [target.id for target in plan.chosen] == ["lock:purchase:atomic:fresh"] and not plan.blocked
        plan = await FLUSH.prepare({"family": "purchase", "keys": "idem:top-up-1"}, context)
        assert any("of another family" in guard.reason for guard in plan.blocked)


async def test_families_that_are_never_to_be_touched_are_blocked(locked, redis_server):
    locks = {"families": {"idem": "idem:*", "everything": "*"}}
    async with acting(on(redis_server, locks=locks)) as context:
        plan = await FLUSH.prepare({"family": "idem", "which": "all"}, context)
        assert any(guard.name == "never touched" for guard in plan.blocked) and not plan.chosen
        plan = await FLUSH.prepare({"family": "everything", "which": "all"}, context)
        left = [target for target in plan.targets if not target.chosen]
        assert [target.id for target in left] == ["idem:top-up-1"]
        assert left[0].shown["because"] == "never to be touched: idem:*"


async def test_a_reconcile_at_work_warns_and_its_own_lock_is_blocked(locked, redis_server):
    await locked.set("NexNum:Lock:Reconcile", "locked", ex=90)
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        assert any(guard.name == "reconcile" and guard.level == "warn" for guard in plan.guards)
        plan = await FLUSH.prepare({"family": "reconcile", "which": "all"}, context)
        assert any("pay refunds twice" in guard.reason for guard in plan.blocked)
        await locked.set("NexNum:Lock:Reconcile", "locked")
        plan = await FLUSH.prepare({"family": "reconcile"}, context)
        assert not plan.blocked and len(plan.chosen) == 1


async def test_what_can_not_be_a_lock_or_not_be_shown_is_listed_and_left_alone(keys, redis_server):
    await keys.sadd("lock:purchase:a-set", "x")
    await keys.set("lock:purchase:\x1b[31mred", "1")
    await keys.set("lock:purchase:long", "x" * 5000)
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase", "which": "all"}, context)
    assert len(plan.targets) == 3 and not plan.chosen and plan.blocked
    assert "\x1b" not in str([target.as_dict() for target in plan.targets])


async def test_keys_with_spaces_quotes_and_brackets_are_deleted_like_any_other(keys, redis_server):
    names = ["lock:number:u1-whats app-côte d'ivoire", 'lock:number:u2-[/]-"x" $(id) \\n', "lock:number:u3-{a}-`b`"]
    for name in names:
        await keys.set(name, ms_ago(900))
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
        if not lacking("redis-cli"):
            status, printed = await shell(plan.command, REDIS_URL=redis_server.url)
            assert status == 0 and printed.count("-1") == 3, printed
            for name in names:
                await keys.set(name, str(next(t for t in plan.targets if t.id == name).identity["value"]))
        outcome = await FLUSH.execute(plan, context)
    assert outcome.state == "done" and len(outcome.touched) == 3 and await keys.dbsize() == 0


async def test_the_literal_command_spares_what_changed_too(locked, redis_server):
    if lacking("redis-cli"):
        pytest.skip("redis-cli is not installed")
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
    await locked.set("lock:purchase:atomic:old", "a-new-token", ex=30)
    status, printed = await shell(plan.command, REDIS_URL=redis_server.url)
    assert status == 0 and "-4" in printed, printed
    assert set(await locked.keys("lock:*")) == {"lock:purchase:atomic:old", "lock:purchase:atomic:fresh"}


# --- many ---


async def test_many_are_deleted_in_batches_with_progress_and_typed(keys, redis_server):
    await keys.mset({f"lock:number:u{n}-wa-nl": ms_ago(900) for n in range(450)})
    said: list[str] = []
    async with acting(on(redis_server), progress=said.append) as context:
        done = await perform(FLUSH, {"family": "number"}, context, Desk().console)
    assert done.plan is not None and done.plan.confirm.text == "number"
    assert done.outcome is not None and len(done.outcome.touched) == 450 and await keys.dbsize() == 0
    assert said[-1] == "450 of 450: 450 deleted" and len([line for line in said if "deleted" in line]) == 5


async def test_cancelling_stops_between_batches_and_says_how_far_it_came(keys, redis_server):
    await keys.mset({f"lock:number:u{n}-wa-nl": ms_ago(900) for n in range(300)})
    stop = False

    def progress(text: str) -> None:
        nonlocal stop
        stop = stop or text.startswith("100 of")

    async with acting(on(redis_server), cancelled=lambda: stop, progress=progress) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
        outcome = await FLUSH.execute(plan, context)
    assert outcome.state == "done" and outcome.answer.startswith(
        "cancelled after 100 of 300: 100 of 300 keys were deleted"
    )
    assert await keys.dbsize() == 200 and len(outcome.touched) == 100


async def test_more_than_the_journal_can_hold_are_done_in_several_goes(keys, redis_server):
    await keys.mset({f"lock:number:u{n}-wa-nl": ms_ago(900) for n in range(2100)})
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
    assert len(plan.chosen) == 2000 and len(plan.targets) == 2100
    assert any("2000 of 2100 are deleted at a time" in guard.reason for guard in plan.guards)


# --- when things fail ---


async def test_a_user_that_may_not_run_scripts_is_blocked_and_the_rule_named(locked, redis_server):
    await locked.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+ping")
    try:
        url = f"redis://reader:pw@127.0.0.1:{redis_server.port}"
        async with acting(settings_of(redis={"url": url})) as context:
            done = await perform(FLUSH, {"family": "purchase"}, context, Desk().console)
            guard = await FLUSH.permitted(context)
    finally:
        await locked.execute_command("ACL", "DELUSER", "reader")
    assert guard.level == "block"
    assert done.stopped is not None and "+eval" in done.stopped and "~lock:purchase:*" in done.stopped
    assert len(await locked.keys("lock:*")) == 3


async def test_a_right_that_is_lost_after_the_preview_is_a_refusal(locked, redis_server):
    await locked.execute_command("ACL", "SETUSER", "ops", "on", ">pw", "~*", "+@all")
    try:
        url = f"redis://ops:pw@127.0.0.1:{redis_server.port}"
        async with acting(settings_of(redis={"url": url})) as context:
            plan = await FLUSH.prepare({"family": "purchase"}, context)
            await locked.execute_command("ACL", "SETUSER", "ops", "-unlink")
            outcome = await FLUSH.execute(plan, context)
    finally:
        await locked.execute_command("ACL", "DELUSER", "ops")
    assert outcome.state == "refused" and "0 of 2 keys were deleted" in outcome.answer
    assert len(await locked.keys("lock:*")) == 3


async def test_a_redis_that_dies_before_anything_was_sent_is_a_failure(locked, redis_server):
    async with acting(on(redis_server, actions={"timeout_s": 0.4})) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        redis_server.freeze()
        try:
            outcome = await FLUSH.execute(plan, context)
        finally:
            redis_server.freeze(False)
    assert outcome.state == "failed" and "nothing was sent" in outcome.answer


async def test_a_redis_that_hangs_in_the_middle_is_unknown_and_says_what_is_known(keys, redis_server):
    await keys.mset({f"lock:number:u{n}-wa-nl": ms_ago(900) for n in range(300)})

    def progress(text: str) -> None:
        if text.startswith("100 of"):
            redis_server.freeze()

    async with acting(on(redis_server, actions={"timeout_s": 0.4}), progress=progress) as context:
        plan = await FLUSH.prepare({"family": "number"}, context)
        try:
            outcome = await FLUSH.execute(plan, context)
        finally:
            redis_server.freeze(False)
        assert outcome.state == "unknown" and "100 of 300 keys were deleted" in outcome.answer
        assert "of 200 it isn't known" in outcome.answer and len(outcome.touched) == 100
        verdict = await FLUSH.verify(plan, outcome, context)
    assert verdict.state == "unknown" and "still hold the value shown" in verdict.because


async def test_a_lock_that_comes_back_without_ttl_makes_the_verdict_no_effect(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        outcome = await FLUSH.execute(plan, context)
        await locked.set("lock:purchase:atomic:old", ms_ago(0))
        verdict = await FLUSH.verify(plan, outcome, context)
    assert verdict.state == "no effect" and "back without a TTL" in verdict.because


async def test_a_lock_taken_again_with_a_ttl_is_as_it_should_be(locked, redis_server):
    async with acting(on(redis_server)) as context:
        plan = await FLUSH.prepare({"family": "purchase"}, context)
        outcome = await FLUSH.execute(plan, context)
        await locked.set("lock:purchase:atomic:old", ms_ago(0), ex=30)
        verdict = await FLUSH.verify(plan, outcome, context)
    assert verdict.state == "worked" and "1 of them taken anew" in verdict.because


# --- the undo ---


async def test_the_undo_puts_key_value_and_ttl_back_from_the_journal(locked, redis_server):
    controller = Desk()
    before = {key: (await locked.get(key), await locked.pttl(key)) for key in await locked.keys("lock:*")}
    async with acting(on(redis_server)) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, controller.console)
    assert done.plan is not None and done.plan.undo is not None
    async with acting(on(redis_server), entries=controller.read_back) as later:
        undone = await perform(RESTORE, done.plan.undo.arguments, later, Desk().console)
    assert undone.outcome is not None and undone.outcome.state == "done", undone
    assert undone.verdict is not None and undone.verdict.state == "worked"
    for key, (value, pttl) in before.items():
        assert await locked.get(key) == value
        assert abs(await locked.pttl(key) - pttl) < 6000 if pttl > 0 else await locked.pttl(key) == -1


async def test_the_undo_leaves_alone_what_was_taken_since_or_would_have_ended(locked, redis_server):
    await locked.set("lock:purchase:atomic:brief", ms_ago(900), px=2500)
    controller = Desk()
    async with acting(on(redis_server), entries=controller.read_back) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, controller.console)
        assert done.outcome is not None and len(done.outcome.touched) == 3 and done.plan is not None
        await locked.set("lock:purchase:atomic:old", "a-new-token", ex=30)
        await asyncio.sleep(2.5)
        plan = await RESTORE.prepare(done.plan.undo.arguments, context)
        assert {t.id: t.shown["because"] for t in plan.targets if not t.chosen} == {
            "lock:purchase:atomic:old": "it is taken again",
            "lock:purchase:atomic:brief": "it would have expired by now",
        }
        outcome = await RESTORE.execute(plan, context)
    assert outcome.state == "done" and [target.id for target in outcome.touched] == [f"lock:purchase:atomic:{OWNER}"]
    assert await locked.get("lock:purchase:atomic:old") == "a-new-token"


async def test_a_lock_taken_at_the_last_moment_is_not_overwritten_by_the_undo(locked, redis_server):
    controller = Desk()
    async with acting(on(redis_server), entries=controller.read_back) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, controller.console)
        plan = await RESTORE.prepare(done.plan.undo.arguments, context)
        for target in plan.chosen:
            await locked.set(target.id, "a-new-token", ex=30)
        outcome = await RESTORE.execute(plan, context)
    assert outcome.state == "refused" and await locked.get("lock:purchase:atomic:old") == "a-new-token"


async def test_a_flush_whose_outcome_was_never_recorded_is_undone_with_a_warning(locked, redis_server):
    controller = Desk()
    async with acting(on(redis_server), entries=controller.read_back) as context:
        done = await perform(FLUSH, {"family": "purchase"}, context, controller.console)
        controller.entries = [entry for entry in controller.entries if entry["kind"] == "intent"]
        plan = await RESTORE.prepare(done.plan.undo.arguments, context)
    assert any("never recorded" in guard.reason and guard.level == "warn" for guard in plan.guards)
    assert len(plan.chosen) == 2


async def test_a_flush_that_the_journal_does_not_know_is_said(redis_server):
    async with acting(on(redis_server)) as context:
        with pytest.raises(ActionError, match="holds no flush abc"):
            await RESTORE.prepare({"flush": "abc"}, context)


# --- other ways to reach a Redis ---


async def test_over_upstashs_rest_service_it_is_the_same(locked, redis_server):
    """A service that speaks Upstash's protocol, in front of the same Redis."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer rest-token":
            return web.json_response({"error": "Unauthorized"}, status=401)
        try:
            result = await locked.execute_command(*[str(word) for word in await request.json()])
        except redis.exceptions.ResponseError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"result": _plain(result)})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    controller = Desk()
    try:
        async with acting(
            settings_of(redis={"url": url, "token": "rest-token"}), entries=controller.read_back
        ) as context:
            done = await perform(FLUSH, {"family": "purchase"}, context, controller.console)
            assert done.outcome is not None and done.outcome.state == "done", done
            assert set(await locked.keys("lock:*")) == {"lock:purchase:atomic:fresh"}
            undone = await perform(RESTORE, done.plan.undo.arguments, context, Desk().console)
            assert undone.verdict is not None and undone.verdict.state == "worked", undone
            plan = await FLUSH.prepare({"family": "purchase"}, context)
        if not lacking("curl"):
            environ = {"UPSTASH_REDIS_REST_URL": url, "UPSTASH_REDIS_REST_TOKEN": "rest-token"}
            status, printed = await shell(plan.command, **environ)
            assert status == 0 and len(await locked.keys("lock:*")) == 1, printed
    finally:
        with suppress(RuntimeError):
            await runner.cleanup()


def _plain(result: object) -> object:
    """redis-py's friendly forms of some answers back to the wire's."""
    if isinstance(result, tuple | list):
        return [_plain(item) for item in result]
    if isinstance(result, Mapping):
        return {str(key): _plain(value) for key, value in result.items()}
    return "OK" if result is True else result


def low_port() -> int:
    """A free port with another free one 10,000 above."""
    for port in range(20_100, 30_000):
        with suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 10_000))
            return port
    raise OSError("no free port")


async def test_a_cluster_gets_each_key_at_its_own_node():
    from nexconsole.drill.servers import EmbeddedRedis
    from nexconsole.drill.temp_tree import TempTree

    temp_tree = TempTree()
    try:
        node = EmbeddedRedis(temp_tree, password="")
        node.port = low_port()  # the cluster's own port is 10,000 above
        await node.start()
        await node.stop()
        configuration = node._folder / "redis.conf"
        lines = [line for line in configuration.read_text().splitlines() if not line.startswith("databases")]
        configuration.write_text("\n".join([*lines, "cluster-enabled yes", "cluster-config-file nodes.conf"]) + "\n")
        node._process = temp_tree.spawn([node._binary, configuration], log=node._folder / "log")
        async with asyncio.timeout(60):
            while not await node._answers():
                await asyncio.sleep(0.02)
        client = redis.asyncio.from_url(node.url, decode_responses=True)
        for start in range(0, 16384, 4096):
            await client.execute_command("CLUSTER", "ADDSLOTS", *range(start, start + 4096))
        async with asyncio.timeout(60):
            while (await client.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":
                await asyncio.sleep(0.05)
        for number in range(12):
            await client.set(f"lock:number:u{number}-wa-nl", ms_ago(900))
        settings = settings_of(redis={"url": node.url.replace("redis://", "redis+cluster://")})
        async with acting(settings) as context:
            done = await perform(FLUSH, {"family": "number"}, context, Desk().console)
        assert done.outcome is not None and done.outcome.state == "done", done
        assert len(done.outcome.touched) == 12 and await client.dbsize() == 0
        assert done.plan is not None and done.plan.command.startswith("redis-cli -c -h 127.0.0.1 -p")
        await client.aclose()
    finally:
        temp_tree.close()


def test_the_family_with_abandoned_locks_is_suggested_first_and_says_how_many():
    value = Locks(
        locks=9, abandoned=31, oldest_s=550.0, families={"number": Family(pattern="lock:number:*", abandoned=31)}
    )
    found = FLUSH.suggestions({"locks": Reading(signal="locks", every=5, value=value)}, Settings())
    best = max(found, key=lambda one: one.weight)
    assert best.title == "Delete orphaned locks: number - 31 orphaned"
    assert {one.weight for one in found if one is not best} == {0.0}
    assert [one.arguments["family"] for one in FLUSH.suggestions({}, Settings())] == list(Settings().locks.families)
