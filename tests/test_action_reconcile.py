"""reconcile.run on HTTP servers as NexNum's versions are, and as what stands before them may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from acting import Desk, acting, reading, settings_of, shell
from aiohttp import web
from cron_server import SECRET, Answer, CronServer, cron_server, hangs, plain, says
from cron_work import DONE, freeing

from nexconsole.actions.action import ActionError, Context
from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome, Plan
from nexconsole.actions.reconcile import LOCK, RECONCILE, UNKNOWN_REFUNDS
from nexconsole.actions.refunds import money, rounded_up
from nexconsole.errors import BadAnswer, SourceError
from nexconsole.signals import reservations
from nexconsole.sources import open_sources

PATH = "/api/cron/reconcile"


@asynccontextmanager
async def on(
    database: Any, handlers: Mapping[str, Answer], *, secret: str = SECRET, redis: str = "", **actions: Any
) -> AsyncIterator[tuple[Context, CronServer]]:
    async with cron_server({PATH: handlers}) as server:
        tables: dict[str, Any] = {"api": {"url": server.url, "cron_secret": secret, "timeout_s": 1.0}}
        tables["actions"] = {"timeout_s": 0.25, **actions}
        if database is not None:
            tables["postgres"] = {"url": database.url}
        if redis:
            tables["redis"] = {"url": redis}
        async with acting(settings_of(**tables)) as context:
            yield context, server


def guards_of(plan: Plan) -> dict[str, Any]:
    return {guard.name: guard for guard in plan.guards}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_it_runs_by_the_only_method_that_the_route_exports(database: Any, method: str) -> None:
    for number in range(3):
        await database.order(f"o{number}", 900)
    async with on(database, {method: freeing(database)}) as (context, server):
        performance = await perform(RECONCILE, {}, context, Desk().console)
        assert performance.outcome and performance.outcome.state == "done", performance
        assert "orders 3 of 3" in performance.outcome.answer
        assert performance.verdict and performance.verdict.state == "worked", performance.verdict
        assert performance.verdict.because == "3 purchases stuck before, none now"
        assert server.ran == [f"{method} {PATH}"]
        assert server.authorizations == [f"Bearer {SECRET}"]


async def test_where_both_work_it_is_posted_as_the_runbook_says(database: Any) -> None:
    async with on(database, {"GET": says(DONE), "POST": says(DONE)}) as (context, server):
        await RECONCILE.execute(await RECONCILE.prepare({}, context), context)
        assert server.ran == [f"POST {PATH}"]


async def test_preparing_and_asking_for_leave_run_no_handler(database: Any) -> None:
    async with on(database, {"GET": says(DONE)}) as (context, server):
        await RECONCILE.prepare({}, context)
        assert (await RECONCILE.permitted(context)).level == "ok"
        assert server.ran == [] and len(server.seen) == 2


async def test_a_route_that_exports_neither_is_refused_with_what_it_exports(database: Any) -> None:
    async with on(database, {"DELETE": says(DONE)}) as (context, server):
        with pytest.raises(ActionError, match="exports DELETE, OPTIONS, neither POST nor GET"):
            await RECONCILE.prepare({}, context)
        assert (await RECONCILE.permitted(context)).level == "block"
        assert server.ran == []


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (plain(405, kind="text/plain"), "refused", "405: the route does not export this method: nothing was changed"),
        (plain(302, Location="/login"), "unknown", "redirect (302) to /login"),
        (plain(307, Location="/maintenance"), "unknown", "redirect (307)"),
        (plain(200, "<html>We will be back.</html>"), "unknown", "200 with text/html that is not JSON"),
        (plain(200), "unknown", "with nothing: that is not the application's answer"),
        (says({"error": "Unauthorized"}, 401), "refused", "401 (Unauthorized): check the token or secret"),
        (plain(403, "<html>Access denied"), "unknown", "403 with text/html, not in the application's words"),
        (says(DONE, 207), "unknown", "207, a part of it went wrong (orders 0 of 0"),
        (says({"error": "db is \x1b[31mdown"}, 500), "unknown", "500 (db is down)"),
        (says({"success": False, "error": "busy"}), "unknown", "success: false: busy"),
        (says({"ok": 1}), "unknown", "no `success`"),
        (says([1]), "unknown", "no `success`"),
        (plain(524, "<html>"), "unknown", "a gateway before it gave up (524): it may have happened or not"),
        (plain(504, "late"), "unknown", "a gateway before it gave up (504): it may have happened or not"),
        (hangs, "unknown", "did not answer in time: it may have happened or not"),
    ],
)
async def test_everything_but_json_with_success_is_told_for_what_it_is(
    database: Any, answer: Answer, state: str, said: str
) -> None:
    async with on(database, {"GET": answer}) as (context, server):
        outcome = await RECONCILE.execute(await RECONCILE.prepare({}, context), context)
        assert outcome.state == state and said in outcome.answer, outcome
        assert len(server.ran) == 1, "it is never sent twice"


async def test_a_page_that_answers_200_in_the_apis_place_can_not_even_be_prepared(database: Any) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>We will be back.</html>", content_type="text/html")

    async with on(database, {"GET": says(DONE)}) as (context, server):
        server.answer = page  # type: ignore[method-assign]
        server.routes.clear()
        with pytest.raises(SourceError, match="no route"):
            await RECONCILE.prepare({}, context)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = settings_of(api={"url": f"http://127.0.0.1:{runner.addresses[0][1]}"})
    try:
        async with acting(settings) as context:
            with pytest.raises(BadAnswer, match="200 and no allow header"):
                await RECONCILE.prepare({}, context)
    finally:
        await runner.cleanup()


async def test_an_api_that_is_not_there_has_been_sent_nothing(database: Any) -> None:
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
    async with acting(context.settings) as again:
        outcome = await RECONCILE.execute(plan, again)
    assert outcome.state == "failed" and "nothing was sent" in outcome.answer


async def test_money_never_taken_is_counted_summed_and_typed(database: Any) -> None:
    for number in range(3):
        await database.activation(f"f{number}", 900, "FAILED")
    await database.activation("paid", 900, "FAILED", paid=True)
    await database.activation("fine", 900, "ACTIVE", paid=True)
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        assert (plan.confirm.kind, plan.confirm.text) == ("type", "up to 3")
        assert "credits 3 failed activations that were never paid, 3 in all, at most 3 by this call" in plan.effect
        assert guards_of(plan)["refunds"].level == "warn" and plan.undo is None and "No undo" in plan.effect
        targets = {target.id: target for target in plan.targets}
        assert targets["never paid"].shown["rows"] == 3 and targets["paid"].shown["rows"] == 1


async def test_what_the_call_itself_fails_is_counted_with_the_money_that_it_creates(database: Any) -> None:
    """The route's second step turns stuck ones into FAILED, and its third credits those too."""
    await database.activation("failed", 900, "FAILED")
    for number in range(2):
        await database.activation(f"stuck{number}", 900, "RESERVED")
    await database.activation("young", 60, "RESERVED")
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        assert plan.confirm.text == "up to 3"
        assert (
            "1 failed activations and 2 of the stuck, which it fails first, that were never paid, 3 in" in plan.effect
        )
        shown = {target.id: target for target in plan.targets}["never paid"].shown
        assert (shown["rows"], shown["failed"], shown["stuck_now"]) == (3, 1, 2)


async def test_without_such_money_a_letter_will_do(database: Any) -> None:
    await database.order("o", 900)
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        assert (plan.confirm.kind, plan.confirm.text) == ("letter", "r")
        assert (
            guards_of(plan)["refunds"].level == "ok" and "1 stuck purchase (1 order and 0 activations)" in plan.effect
        )


async def test_one_call_creates_no_more_than_its_hundred_dearest_rows(database: Any) -> None:
    for number in range(103):
        await database.activation(f"f{number}", 900, "CANCELLED")
    await database.execute("UPDATE activations SET price = 2 WHERE id = 'f102'")
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        assert "103 failed activations that were never paid, 104 in all, at most 101 by this call" in plan.effect
        assert plan.confirm.text == "up to 150"


async def test_the_confirmation_does_not_cover_more_money_than_was_shown(database: Any) -> None:
    await database.activation("f", 900, "FAILED")
    async with on(database, {"GET": says(DONE)}) as (context, server):
        plan = await RECONCILE.prepare({}, context)
        await database.activation("g", 900, "FAILED")
        outcome = await RECONCILE.execute(plan, context)
        assert outcome.state == "refused" and "could now create 2, and 1 was confirmed" in outcome.answer
        assert server.ran == []


@pytest.mark.parametrize(
    ("amount", "bound"),
    [("0", "0"), ("0.31", "0.35"), ("0.3", "0.3"), ("47.35", "50"), ("1", "1"), ("1234", "1500"), ("9.6", "10")],
)
def test_what_is_typed_bounds_the_sum_and_holds_while_rows_come(amount: str, bound: str) -> None:
    assert money(rounded_up(Decimal(amount))) == bound


async def test_refunds_that_can_not_be_read_are_confirmed_as_unknown() -> None:
    async with on(None, {"GET": says(DONE)}) as (context, server):
        plan = await RECONCILE.prepare({}, context)
        assert (plan.confirm.kind, plan.confirm.text) == ("type", UNKNOWN_REFUNDS)
        assert guards_of(plan)["refunds"].level == guards_of(plan)["stuck"].level == "warn"
        performance = await perform(RECONCILE, {}, context, Desk().console)
        assert performance.outcome and performance.outcome.state == "done" and server.ran
        assert performance.verdict and performance.verdict.state == "unknown"


async def test_a_database_that_dies_after_the_preview_keeps_it_from_being_sent(database: Any) -> None:
    async with on(database, {"GET": says(DONE)}) as (context, server):
        plan = await RECONCILE.prepare({}, context)
        tables = {"api": {"url": server.url}, "postgres": {"url": "postgresql://u@127.0.0.1:1/x"}}
        async with acting(settings_of(**tables)) as blind:
            outcome = await RECONCILE.execute(plan, blind)
        assert outcome.state == "failed" and "nothing was changed" in outcome.answer and server.ran == []


async def test_without_a_secret_it_says_what_that_means(database: Any) -> None:
    async with on(database, {"GET": says(DONE)}, secret="") as (context, server):
        plan = await RECONCILE.prepare({}, context)
        assert guards_of(plan)["secret"].level == "warn" and "CRON_SECRET" not in plan.command
        outcome = await RECONCILE.execute(plan, context)
        assert "this route is open to everybody" in outcome.answer
        assert server.authorizations == [""]


async def test_a_worker_that_reconciles_at_this_moment_blocks(database: Any, redis_server: Any) -> None:
    async with on(database, {"GET": says(DONE)}, redis=redis_server.url) as (context, _):
        assert guards_of(await RECONCILE.prepare({}, context))["another reconcile"].level == "ok"
        async with context.sources.redis._client("the test's own hand") as client:
            await client.text("SET", LOCK, "locked", "EX", "120")
        try:
            (blocked,) = (await RECONCILE.prepare({}, context)).blocked
            assert "the worker is reconciling" in blocked.reason
            async with context.sources.redis._client("the test's own hand") as client:
                await client.text("PERSIST", LOCK)
            guard = guards_of(await RECONCILE.prepare({}, context))["another reconcile"]
            assert guard.level == "warn" and "has no TTL" in guard.reason
        finally:
            async with context.sources.redis._client("the test's own hand") as client:
                await client.text("DEL", LOCK)


async def test_two_consoles_at_the_same_moment_make_one_call(database: Any) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        entered.set()
        await leave.wait()
        return web.json_response(DONE)

    async with on(database, {"GET": slow}, timeout_s=2.0) as (context, server):
        plan = await RECONCILE.prepare({}, context)
        first = asyncio.create_task(RECONCILE.execute(plan, context))
        await entered.wait()
        second = await RECONCILE.execute(plan, context)
        leave.set()
        assert second.state == "refused" and "another console" in second.answer
        assert (await first).state == "done" and len(server.ran) == 1


async def test_what_goes_on_being_stuck_had_no_effect(database: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("nexconsole.actions.reconcile.DONE_WITHIN_S", 0.2)
    await database.order("o", 900)
    await database.activation("a", 900, "RESERVED")
    async with on(database, {"GET": says(DONE)}) as (context, _):
        performance = await perform(RECONCILE, {}, context, Desk().console)
        assert performance.verdict and performance.verdict.state == "no effect"
        assert "1 purchase still stuck: the cause is still there" in performance.verdict.because


async def test_an_unanswered_call_is_judged_by_what_is_stuck(database: Any) -> None:
    await database.order("o", 900)
    async with on(database, {"GET": hangs}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        await database.execute("UPDATE purchase_orders SET status = 'FAILED'")
        verdict = await RECONCILE.verify(plan, Outcome(state="unknown", answer="?"), context)
        assert verdict.state == "worked"


async def test_stale_readings_are_warned_of_and_stuck_ones_suggested(database: Any) -> None:
    await database.order("o", 900)
    async with on(database, {"GET": says(DONE)}) as (context, _):
        value = await reservations.read(context.sources, context.settings, None)
        assert RECONCILE.suggestions({"reservations": reading("reservations", value)}, context.settings)
        context.readings = lambda: {"reservations": reading("reservations", value, age_s=500)}
        assert guards_of(await RECONCILE.prepare({}, context))["reservations read"].level == "warn"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_literal_command_does_the_same_and_holds_no_secret(database: Any, method: str) -> None:
    await database.order("o", 900)
    async with on(database, {method: freeing(database)}) as (context, server):
        plan = await RECONCILE.prepare({}, context)
        assert SECRET not in plan.command
        status, printed = await shell(plan.command, API_URL=server.url, CRON_SECRET=SECRET)
        assert status == 0 and '"success"' in printed, printed
        status, printed = await shell(plan.command, API_URL=server.url, CRON_SECRET="wrong")
        assert status == 22, "curl fails where the route says no"
        assert server.ran == [f"{method} {PATH}"] * 2


def test_without_an_api_it_is_unavailable() -> None:
    settings = settings_of()
    assert "api.url" in (RECONCILE.unavailable(settings, open_sources(settings)) or "")


@pytest.mark.parametrize(
    ("era", "level", "after", "said"),
    [
        (
            "old",
            "warn",
            "-9",
            "releases a purchase's hold twice, for its order and for its activation; 6 wallets would",
        ),
        ("head", "ok", "0", "6 wallets hold less than is released, and this version stops at zero"),
    ],
)
async def test_the_preview_says_what_becomes_of_the_money_that_is_held(
    database: Any, era: str, level: str, after: str, said: str
) -> None:
    """Six crashed purchases at 1.50 each are an order and an activation each; the oldest version releases both."""
    await database.create(era=era)
    for number in range(6):
        await database.order(f"o{number}", 900)
        await database.activation(f"a{number}", 900, "RESERVED")
        await database.customer(f"u{number}")
        await database.execute(
            "UPDATE purchase_orders SET user_id = $1, amount = 1.5 WHERE id = $2", f"u{number}", f"o{number}"
        )
        await database.execute(
            "UPDATE activations SET user_id = $1, price = 1.5 WHERE id = $2", f"u{number}", f"a{number}"
        )
    await database.customer("idle")
    stamp = ", updated_at" if era == "head" else ""
    await database.execute(
        f"INSERT INTO wallets (id, user_id, balance, reserved{stamp}) SELECT 'w' || id, id, 100,"
        f" CASE WHEN id LIKE 'u%' THEN 1.5 ELSE 7 END{', now()' if stamp else ''} FROM users"
    )
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        guard = guards_of(plan)["holds"]
        assert guard.level == level and f"`reserved` of 6 wallets 9 -> {after}" in guard.reason, guard
        assert said in guard.reason and ("the lowest to -1.5" in guard.reason) is (era == "old")
        assert f"`reserved` of 6 wallets 9 -> {after}" in plan.effect
        target = next(target for target in plan.targets if target.kind == "holds")
        assert dict(target.shown) == {
            "wallets": 6,
            "reserved": "9",
            "reserved_after": after,
            "below_zero": 6 if era == "old" else 0,
        }


async def test_a_hold_that_covers_what_is_released_is_no_warning(database: Any) -> None:
    await database.order("o", 900)
    await database.execute("INSERT INTO wallets (id, user_id, balance, reserved) SELECT id, id, 9, 1 FROM users")
    async with on(database, {"GET": says(DONE)}) as (context, _):
        guard = guards_of(await RECONCILE.prepare({}, context))["holds"]
        assert (guard.level, guard.reason) == ("ok", "`reserved` of 1 wallet 1 -> 0")


async def test_a_crashed_purchase_is_one_though_it_is_an_order_and_an_activation(database: Any) -> None:
    for number in range(3):
        await database.order(f"key{number}", 900)
        await database.activation(f"a{number}", 900, "RESERVED")
        await database.execute(
            "UPDATE activations SET idempotency_key = $1 WHERE id = $2", f"activation_key{number}", f"a{number}"
        )
    async with on(database, {"GET": says(DONE)}) as (context, _):
        plan = await RECONCILE.prepare({}, context)
        assert "frees 3 stuck purchases (3 orders and 3 activations), at most 100 of each" in plan.effect
        assert guards_of(plan)["stuck"].reason == "3 purchases stuck" and plan.details["stuck"] == 3
        assert plan.summary == "changes 6 rows, credits 3 never paid for (3)"
