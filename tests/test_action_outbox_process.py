"""outbox.process by the route of each version, on a real outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from acting import Desk, acting, reading, settings_of, shell
from aiohttp import web
from cron_server import SECRET, Answer, CronServer, cron_server, hangs, plain, says
from cron_work import ADMIN, EVENTS, LEGACY, OLD, TOKEN, WORKER, draining, worker

from nexconsole.actions.action import ActionError, Context
from nexconsole.actions.outbox_batch import Batch, judge
from nexconsole.actions.outbox_worker import PROCESS
from nexconsole.actions.perform import perform
from nexconsole.actions.plan import Outcome, Plan
from nexconsole.errors import TimedOut
from nexconsole.signals.outbox import Outbox


@asynccontextmanager
async def on(
    database: Any, routes: dict[str, Mapping[str, Answer]], *, token: str = "", **actions: Any
) -> AsyncIterator[tuple[Context, CronServer]]:
    async with cron_server(routes) as server:
        api = {"url": server.url, "cron_secret": SECRET, "admin_token": token, "timeout_s": 0.5}
        tables: dict[str, Any] = {"api": api, "actions": {"timeout_s": 0.2, "verify_s": 1.5, **actions}}
        if database is not None:
            tables["postgres"] = {"url": database.url}
            for number in range(3):
                await database.event(f"e{number}", 600 + number)
        async with acting(settings_of(**tables)) as context:
            yield context, server


def guards_of(plan: Plan) -> dict[str, Any]:
    return {guard.name: guard for guard in plan.guards}


async def test_the_oldest_versions_have_a_route_of_its_own(database: Any) -> None:
    async with on(database, {OLD: {"GET": draining(database, LEGACY)}}) as (context, server):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.plan and "become PUBLISHED without being done" in guards_of(performance.plan)["trap"].reason
        assert performance.outcome and performance.outcome.answer == "the route answered 200: succeeded 3, failed 0"
        assert performance.verdict and performance.verdict.state == "worked", performance.verdict
        assert "of 3 events that waited: 3 published, 0 FAILED, 0 still waiting" in performance.verdict.because
        assert server.ran == [f"GET {OLD}"]


async def test_later_ones_run_the_whole_worker_and_it_is_said_what_else_that_does(database: Any) -> None:
    async with on(database, {WORKER: {"GET": draining(database, worker(), most=1)}}) as (context, server):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.plan and "runs notifications, the inbox, search" in performance.plan.effect
        assert "has no route /api/cron/process-outbox" in guards_of(performance.plan)["route"].reason
        assert performance.verdict and performance.verdict.state == "worked"
        assert "of 3 events that waited: 1 published, 0 FAILED, 2 still waiting" in performance.verdict.because
        assert server.ran == [f"GET {WORKER}"]


async def test_else_the_admin_api_with_its_token(database: Any) -> None:
    answer = {"success": True, "result": {"processed": 3, "failed": 0}}
    async with on(database, {ADMIN: {"POST": draining(database, answer), "GET": says({})}}, token=TOKEN) as (
        context,
        server,
    ):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.outcome and performance.outcome.state == "done", performance
        assert performance.verdict and performance.verdict.state == "worked"
        assert server.ran == [f"POST {ADMIN}"] and TOKEN not in performance.plan.command  # type: ignore[union-attr]


async def test_without_any_route_it_says_what_it_tried(database: Any) -> None:
    async with on(database, {ADMIN: {"POST": says({})}}) as (context, server):
        with pytest.raises(ActionError, match=r"no route /api/cron/worker.*set api.admin_token"):
            await PROCESS.prepare({}, context)
        assert (await PROCESS.permitted(context)).level == "block"
        assert server.ran == []


async def test_a_route_that_hangs_on_options_is_not_passed_over(database: Any) -> None:
    async with on(database, {WORKER: {"GET": says(worker())}}) as (_, server):
        server.routes[OLD] = {}
        original = server.answer

        async def answer(request: web.Request) -> web.StreamResponse:
            return await (hangs(request) if request.path == OLD else original(request))

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with acting(settings_of(api={"url": url, "timeout_s": 0.3})) as other:
                with pytest.raises(TimedOut):
                    await PROCESS.prepare({}, other)
        finally:
            await runner.cleanup()


async def test_events_that_fail_instead_make_it_worse(database: Any) -> None:
    async with on(database, {WORKER: {"GET": draining(database, worker(), to="FAILED")}}) as (context, _):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.verdict and performance.verdict.state == "worse"
        assert "of 3 events that waited: 0 published, 3 FAILED, 0 still waiting" in performance.verdict.because
        plan = await PROCESS.prepare({}, context)
        assert guards_of(plan)["failing"].level == "warn" and guards_of(plan)["pending"].level == "warn"


async def test_a_route_that_answers_before_it_is_done_is_judged_when_it_has_ended(
    database: Any, monkeypatch: Any
) -> None:
    """The newest one takes the rest in the background: ten of eleven turn FAILED after its answer."""
    monkeypatch.setattr("nexconsole.actions.outbox_batch.STILL_S", 0.6)
    monkeypatch.setattr("nexconsole.actions.outbox_worker.LOOK_EVERY_S", 0.1)
    for number in range(8):
        await database.event(f"late{number}", 300)
    await database.event("young", 1)

    async def answer(request: web.Request) -> web.StreamResponse:
        background.append(asyncio.create_task(go_on()))
        return web.json_response(worker(processed=0, succeeded=0))

    async def go_on() -> None:
        taken = await database.connection.fetch(f"SELECT id FROM {EVENTS} WHERE id <> 'young' ORDER BY created_at")
        for number, row in enumerate(taken):
            await asyncio.sleep(0.1)
            status = "PUBLISHED" if not number else "FAILED"
            await database.execute(f"UPDATE {EVENTS} SET status = $1 WHERE id = $2", status, row["id"])

    background: list[asyncio.Task[None]] = []
    async with on(database, {WORKER: {"GET": answer}}, verify_s=10.0) as (context, _):
        performance = await perform(PROCESS, {}, context, Desk().console)
    assert performance.plan and "it answers early" in guards_of(performance.plan)["trap"].reason
    assert performance.verdict and performance.verdict.state == "worse", performance.verdict
    assert "of 12 events that waited: 1 published, 10 FAILED, 1 still waiting" in performance.verdict.because
    assert performance.verdict.because.endswith("nothing retries what is FAILED")


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Batch(waiting=0, failed=0, published=11, dropped=0), "worked"),
        (Batch(waiting=4, failed=0, published=7, dropped=0), "worked"),
        (Batch(waiting=0, failed=1, published=10, dropped=0), "worse"),
        (Batch(waiting=0, failed=0, published=0, dropped=11), "worse"),
        (Batch(waiting=0, failed=0, published=10, dropped=1), "worked"),
        (Batch(waiting=11, failed=0, published=0, dropped=0), "no effect"),
    ],
)
def test_a_batch_is_judged_by_what_became_of_its_events(found: Batch, state: str) -> None:
    assert judge(11, found, 9.0).state == state


async def test_events_that_stay_pending_had_no_effect(database: Any) -> None:
    async with on(database, {WORKER: {"GET": says(worker(processed=0, succeeded=0))}}) as (context, _):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.verdict and performance.verdict.state == "no effect", performance


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (says(worker(["notifications: smtp"]), 207), "done", "notifications: smtp"),
        (says(worker(["Outbox: search is down"]), 207), "unknown", "Outbox: search is down"),
        (says({"success": False, "error": "no"}, 200), "unknown", "success: false: no"),
        (says({"error": "Unauthorized"}, 401), "refused", "401"),
        (plain(200, "<html>"), "unknown", "not JSON"),
        (plain(307, Location="/maintenance"), "unknown", "redirect"),
        (hangs, "unknown", "it may have happened or not"),
    ],
)
async def test_answers_are_told_for_what_they_are(database: Any, answer: Answer, state: str, said: str) -> None:
    async with on(database, {WORKER: {"GET": answer}}) as (context, server):
        outcome = await PROCESS.execute(await PROCESS.prepare({}, context), context)
        assert outcome.state == state and said in outcome.answer, outcome
        assert len(server.ran) == 1


async def test_without_a_database_the_verdict_is_unknown() -> None:
    async with on(None, {WORKER: {"GET": says(worker())}}) as (context, _):
        performance = await perform(PROCESS, {}, context, Desk().console)
        assert performance.outcome and performance.outcome.state == "done"
        assert performance.verdict and performance.verdict.state == "unknown"


async def test_events_that_come_meanwhile_do_not_hide_what_was_done(database: Any) -> None:
    async with on(database, {WORKER: {"GET": says(worker())}}) as (context, _):
        plan = await PROCESS.prepare({}, context)
        await database.execute("UPDATE outbox_events_v2 SET status = 'PUBLISHED'")
        for number in range(9):
            await database.event(f"new{number}", 0)
        verdict = await PROCESS.verify(plan, Outcome(state="done", answer="200"), context)
        assert verdict.state == "worked", verdict


async def test_pending_events_suggest_it(database: Any) -> None:
    outbox = Outbox(pending=137, failed=9, dropped=0, oldest_pending_s=1500)
    (found,) = PROCESS.suggestions({"outbox": reading("outbox", outbox)}, settings_of())
    assert "137 pending, the oldest for 25 min" in found.title and found.weight > 0.3


@pytest.mark.parametrize(("path", "method"), [(OLD, "GET"), (WORKER, "GET"), (ADMIN, "POST")])
async def test_the_literal_command_does_the_same(database: Any, path: str, method: str) -> None:
    async with on(database, {path: {method: draining(database, {"success": True})}}, token=TOKEN) as (context, server):
        plan = await PROCESS.prepare({}, context)
        environment = {"API_URL": server.url, "CRON_SECRET": SECRET, "NEXNUM_ADMIN_TOKEN": TOKEN}
        status, printed = await shell(plan.command, **environment)
        assert status == 0, printed
        assert await database.connection.fetchval("SELECT count(*) FROM outbox_events_v2 WHERE status = 'PENDING'") == 0
        assert SECRET not in plan.command and TOKEN not in plan.command
