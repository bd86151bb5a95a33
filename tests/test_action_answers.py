"""What was sent and not answered is unknown until the system that was changed says: action by action."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from acting import IDS, Desk, acting, add_provider, settings_of
from aiohttp import web
from alertmanager_server import like_alertmanager
from incident_story import IncidentStory
from remote_console import wire_to

from nexconsole.actions.action import Action, Context
from nexconsole.actions.circuits import CLOSE, OPEN
from nexconsole.actions.http_replies import HttpReply, judged
from nexconsole.actions.outbox_worker import PROCESS
from nexconsole.actions.perform import ActionResult, perform
from nexconsole.actions.plan import Outcome, Plan
from nexconsole.actions.providers import DISABLE
from nexconsole.actions.reconcile import RECONCILE
from nexconsole.actions.silences import SILENCE
from nexconsole.journal import EntryKind, unjudged
from nexconsole.runbook.progress import progress_of

HTML = ("text/html", b"<html>Something went wrong</html>")
NONE = ("", b"")
BROKEN = ("application/json", b'{"success": tr')
OWN = ("application/json", b'{"error": "no"}')
PROXIES = (408, 499, 502, 503, 504, *range(520, 528))
# status, body, and what it proves
TABLE = [
    *((status, body, "unknown") for status in (200, 201, 404 - 1, 413, 429, 500) for body in (HTML, BROKEN)),
    *((status, body, "unknown") for status in PROXIES for body in (HTML, OWN, NONE)),
    *((status, NONE, "unknown") for status in (200, 204, 301, 302, 307, 308, 400, 401, 403, 404, 500)),
    *((status, OWN, "unknown") for status in (307, 500, 501, 505, 507)),
    *((status, OWN, "refused") for status in (400, 401, 403, 404, 405, 409, 422, 429)),
    (405, NONE, "refused"),
]


@pytest.mark.parametrize(("status", "body", "state"), TABLE)
def test_an_answer_proves_a_refusal_only_in_the_applications_own_words(
    status: int, body: tuple[str, bytes], state: str
) -> None:
    outcome = judged("POST /x at api", status, *body)
    assert isinstance(outcome, Outcome) and outcome.state == state, outcome
    assert outcome.answered is (status not in PROXIES)
    assert ("it may have happened or not" in outcome.answer) is (state == "unknown")


@pytest.mark.parametrize(("status", "body", "empty"), [(200, b"{}", False), (201, b"[1]", False), (204, b"", True)])
def test_a_2xx_of_json_or_where_that_is_due_of_nothing_is_a_reply(status: int, body: bytes, empty: bool) -> None:
    assert isinstance(judged("DELETE /x", status, "application/json; charset=utf-8", body, empty=empty), HttpReply)


# --- each action, behind what answers in the application's place ---


@dataclass
class Behind:
    """A gateway: what is asked is done by `does`, and what comes back is `mood`'s."""

    does: Callable[[], Awaitable[object]]
    mood: tuple[int, tuple[str, bytes]] | str = "cut"
    allow: str = "GET, OPTIONS, PATCH"
    url: str = ""
    asked: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"allow": self.allow})
        self.asked += 1
        await self.does()
        if isinstance(self.mood, tuple):
            status, (kind, content) = self.mood
            headers = {"location": "/login"} if 300 <= status < 400 else {}
            return web.Response(status=status, body=content, content_type=kind or None, headers=headers)
        if self.mood == "late":
            await asyncio.sleep(5)
        if (wire := request.transport) is None:  # who asked has left
            return web.Response()
        if self.mood == "half":
            wire.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        elif self.mood == "no http":
            wire.write(b"\x15\x03\x01\x00\x02")
        if self.mood in ("half", "no http"):
            wire.close()
        else:
            wire.abort()
        return web.Response()


@asynccontextmanager
async def behind(does: Callable[[], Awaitable[object]]) -> AsyncIterator[Behind]:
    gateway = Behind(does)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        await runner.cleanup()


async def nothing() -> None:
    """The request arrives, and nothing is done."""


MOODS = [
    *((status, HTML) for status in (200, 302, 403, 404, 500, *PROXIES)),
    (500, OWN),
    (503, OWN),
    (200, BROKEN),
    (200, NONE),
    "cut",
    "half",
    "no http",
    "late",
]


def tables(gateway: Behind, database: Any, redis: str = "") -> dict[str, Any]:
    return {
        "api": {"url": gateway.url, "admin_token": "t", "cron_secret": "s", "timeout_s": 0.3},
        "postgres": {"url": database.url},
        "actions": {"timeout_s": 0.05, "verify_s": 0.1, "provider_by": "api"},
        **({"redis": {"url": redis}} if redis else {}),
    }


@pytest.mark.parametrize(
    "name", ["provider.disable", "circuit.open", "reconcile.run", "outbox.process", "alert.silence"]
)
async def test_whatever_answers_in_its_place_the_outcome_is_unknown_and_nothing_is_sent_twice(
    database: Any, redis_server: Any, name: str
) -> None:
    await add_provider(database, "smsbower")
    await database.order("o", 900)
    async with behind(nothing) as gateway, acting(settings_of(**tables(gateway, database))) as context:
        action, plan = await _planned(name, gateway, context)
        told = {}
        for mood in MOODS:
            gateway.mood, gateway.asked = mood, 0
            outcome = await action.execute(plan, context)
            told[str(mood)] = (outcome.state, gateway.asked)
        assert set(told.values()) == {("unknown", 1)}, {mood: got for mood, got in told.items() if got[0] != "unknown"}


async def _planned(name: str, gateway: Behind, context: Context) -> tuple[Action, Plan]:
    if name == "alert.silence":
        async with like_alertmanager() as (url, _):
            async with acting(settings_of(alertmanager={"url": url, "timeout_s": 1.0})) as other:
                plan = await SILENCE.prepare({"alert": "X"}, other)
        object.__setattr__(
            context,
            "settings",
            settings_of(alertmanager={"url": gateway.url, "timeout_s": 0.3}, actions={"timeout_s": 0.05}),
        )
        return SILENCE, plan
    actions: dict[str, Action] = {one.name: one for one in (DISABLE, OPEN, RECONCILE, PROCESS)}
    action = actions[name]
    arguments = {"provider": "smsbower"} if action.arguments else {}
    return action, await action.prepare(arguments, context)


# --- and what the changed system says then ---


async def _performed(
    action: Action,
    arguments: dict[str, str],
    does: Callable[[], Awaitable[object]],
    mood: Any,
    database: Any,
    redis: str = "",
) -> tuple[ActionResult, Desk]:
    async with behind(does) as gateway:
        gateway.mood = mood
        async with acting(settings_of(**tables(gateway, database, redis))) as context:
            controller = Desk()
            return await perform(action, arguments, context, controller.console), controller


def told(done: ActionResult, controller: Desk) -> tuple[str, list[str]]:
    """The outcome, and each that was recorded, in order."""
    assert done.outcome is not None, done
    recorded = [entry["data"]["outcome"]["state"] for entry in controller.entries if entry["kind"] == "outcome"]
    return done.outcome.state, recorded


@pytest.mark.parametrize("mood", [(524, HTML), (500, OWN), (503, HTML), (408, NONE), "cut", "late"])
async def test_refunds_behind_a_gateway_that_gives_up_are_found_in_the_rows(
    database: Any, mood: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("nexconsole.actions.reconcile_progress.STILL_S", 0.05)
    for number in range(3):
        await database.activation(f"f{number}", 900, "FAILED")
    await database.execute("UPDATE activations SET price = 34.25")

    async def credit() -> None:
        await database.execute("UPDATE activations SET state = 'REFUNDED', refund_tx_id = 'tx'")

    done, controller = await _performed(RECONCILE, {}, credit, mood, database)
    assert told(done, controller) == ("done", ["unknown", "done"])
    assert done.outcome is not None and "refunded 3 (102.75)" in done.outcome.answer


@pytest.mark.parametrize(
    ("mood", "state", "said"),
    [
        ((500, OWN), "failed", "not done: since the preview it freed 0 orders and 0 activations, refunded none"),
        ((524, HTML), "unknown", "not done so far"),
        ("cut", "unknown", "which may still be at work"),
    ],
)
async def test_a_reconcile_that_the_rows_know_nothing_of_is_not_done_or_may_still_come(
    database: Any, mood: Any, state: str, said: str
) -> None:
    await database.activation("f", 900, "FAILED")
    done, _ = await _performed(RECONCILE, {}, nothing, mood, database)
    assert done.outcome is not None and done.outcome.state == state and said in done.outcome.answer, done.outcome


@pytest.mark.parametrize("wanted", ["open", "closed"])
async def test_a_breaker_whose_route_does_not_answer_is_looked_up_by_its_key(
    database: Any, redis_server: Any, wanted: str
) -> None:
    await add_provider(database, "smsbower")
    key = f"health:{IDS['smsbower']}:circuit"
    client = _client(redis_server)
    await client.delete(key)
    if wanted == "closed":
        await client.set(key, "open", ex=300)

    async def change() -> None:
        await (client.set(key, "open", ex=30) if wanted == "open" else client.delete(key))

    action = OPEN if wanted == "open" else CLOSE
    try:
        arguments = {"provider": "smsbower"}
        done, controller = await _performed(action, arguments, change, (524, HTML), database, redis_server.url)
    finally:
        await client.delete(key)
        await client.aclose()
    assert told(done, controller) == ("done", ["unknown", "done"])
    assert done.outcome is not None and f"the breaker's key says {wanted}" in done.outcome.answer


def _client(redis_server: Any) -> Any:
    import redis.asyncio

    return redis.asyncio.from_url(redis_server.url, decode_responses=True)


@pytest.mark.parametrize(("arrives", "state"), [(True, "done"), (False, "failed")])
async def test_a_commit_that_is_never_answered_is_looked_up_in_the_row(
    database: Any, arrives: bool, state: str
) -> None:
    await add_provider(database, "smsbower")
    async with wire_to(int(database.url.rpartition(":")[2].partition("/")[0])) as wire:
        url = database.url.replace(database.url.rpartition(":")[2].partition("/")[0], str(wire.port))

        def heal() -> None:
            wire._losing = False

        def lose() -> None:
            if arrives:
                wire.lose()
                asyncio.get_running_loop().call_later(0.3, heal)
            else:
                for writer in wire._writers:
                    writer.transport.abort()
            wire.watch_for((), lambda: None)

        settings = settings_of(postgres={"url": url}, actions={"timeout_s": 0.6, "verify_s": 0.6})
        async with acting(settings) as context:
            controller = Desk()

            async def record(kind: str, data: Any) -> str:
                if kind == "intent":
                    wire.watch_for((b"COMMIT",), lose)
                return await controller._record(kind, data)

            controller.console.record = record
            done = await perform(DISABLE, {"provider": "smsbower"}, context, controller.console)
    assert told(done, controller) == (state, ["unknown", state]), done.outcome
    is_active = await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")
    assert is_active is (state == "failed")


@pytest.mark.parametrize("settled", ["done", "failed"])
def test_a_step_whose_action_was_settled_later_is_what_it_was_settled_to(settled: str) -> None:
    story = IncidentStory()
    story.tell(EntryKind.STEP, {"scenario": "s", "state": "begun"})
    intent = story.tell(
        EntryKind.INTENT, {"scenario": "s", "step": "s/do", "operator": "maria", "plan": {"action": "x"}}
    )
    story.end(intent, "unknown")
    walk = progress_of(story.entries, "s")
    assert walk is not None and walk.marks["s/do"].state == "unknown"
    story.end(intent, settled)
    walk = progress_of(story.entries, "s")
    assert walk is not None and walk.marks["s/do"].state == settled
    assert not unjudged(story.entries) if settled == "failed" else unjudged(story.entries)
