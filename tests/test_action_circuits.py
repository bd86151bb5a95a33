"""The shared breaker opened and closed through an admin API, on a real Redis."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
import redis.asyncio
import sample_readings
from acting import IDS, Desk, acting, add_provider, lacking, reading, settings_of, shell
from admin_api import TOKEN, admin_api

from nexconsole.actions.circuits import CLOSE, OPEN
from nexconsole.actions.perform import perform
from nexconsole.errors import ActionError
from nexconsole.settings import Settings
from nexconsole.signals.circuits import Circuits, Holder, ProviderCircuit
from nexconsole.signals.readings import utc_now
from nexconsole.signals.transactions import ProviderTraffic, Transactions

KEY = f"health:{IDS['smsbower']}:circuit"


@pytest.fixture
async def keys(redis_server):
    client = redis.asyncio.from_url(redis_server.url, decode_responses=True)
    await client.flushall()
    yield client
    await client.flushall()
    await client.aclose()


@pytest.fixture
async def api(database, keys):
    for name in ("smsbower", "5sim"):
        await add_provider(database, name)
    async with admin_api(database, keys) as server:
        yield server


@pytest.fixture
def settings(database, redis_server, api):
    return settings_of(
        postgres={"url": database.url},
        redis={"url": redis_server.url},
        api={"url": api.url, "admin_token": TOKEN},
    )


def seen(failures: int, attempts: int = 20, pods: tuple[str, ...] = ("closed",), quiet_s: float = 1.0) -> dict:
    """Readings of smsbower with these attempts and these pods' own breakers."""
    traffic = ProviderTraffic(
        name="smsbower", attempts=attempts, failures=failures, failure_rate=failures / attempts if attempts else None
    )
    now = utc_now()
    holders = tuple(Holder(kind="pod", where=f"pod-{n}", state=state) for n, state in enumerate(pods))
    circuit = ProviderCircuit(
        name="smsbower",
        id=IDS["smsbower"],
        active=True,
        state="open",
        holders=(*holders, Holder(kind="shared", where="redis", state="open")),
        last_traffic=now.fromtimestamp(now.timestamp() - quiet_s, now.tzinfo),
    )
    transactions = Transactions(
        failure_rate=0.1, attempts=attempts, failures=failures, window_s=300, providers=(traffic,)
    )
    return {
        "transactions": reading("transactions", transactions),
        "circuits": reading("circuits", Circuits(providers=(circuit,))),
    }


async def test_opening_says_that_only_the_shared_breaker_is_meant_and_the_key_proves_it(settings, api, keys):
    async with acting(settings) as context:
        done = await perform(OPEN, {"provider": "smsbower"}, context, Desk().console)
    assert done.plan is not None and "only a restart resets them" in done.plan.effect
    assert api.requests == [(f"/api/admin/providers/{IDS['smsbower']}", {"openCircuit": True})]
    assert await keys.get(KEY) == "open"
    assert done.verdict is not None and done.verdict.state == "worked" and "the key says open" in done.verdict.because


async def test_opening_says_how_many_are_under_way_and_still_go_out(settings, database, keys):
    """The breaker holds back who comes, not who waits for a turn already."""
    for number in range(14):
        await database.activation(f"w{number}", 20, "RESERVED", "smsbower")
    await database.activation("elsewhere", 20, "RESERVED", "5sim")
    await keys.set(f"ratelimit:provider:{IDS['smsbower']}", str(int((time.time() + 28.5) * 1000)), ex=60)
    async with acting(settings) as context:
        plan = await OPEN.prepare({"provider": "smsbower"}, context)
        outcome = await OPEN.execute(plan, context)
        await database.execute("UPDATE activations SET state = 'FAILED' WHERE id IN ('w0', 'w1', 'w2')")
        verdict = await OPEN.verify(plan, outcome, context)
    told = r"meanwhile; 14 purchases in flight there \(next slot in \d+ s\) still go out"
    assert re.search(told, plan.effect), plan.effect
    guard = next(guard for guard in plan.guards if guard.name == "in flight")
    assert guard.level == "warn" and "they still go out, one every 2 s" in guard.reason
    assert plan.targets[0].shown["under_way"] == 14
    assert verdict.state == "worked" and "of 14 purchases in flight then 11 still are" in verdict.because, verdict


async def test_purchases_that_go_there_in_spite_of_an_open_breaker_are_no_effect(settings, database, monkeypatch):
    monkeypatch.setattr("nexconsole.actions.circuit_verdicts.RACE_S", -0.5)
    async with acting(settings) as context:
        plan = await OPEN.prepare({"provider": "smsbower"}, context)
        outcome = await OPEN.execute(plan, context)
        for number in range(4):
            await database.activation(f"n{number}", 0, "RESERVED", "smsbower")
        verdict = await OPEN.verify(plan, outcome, context)
    assert verdict.state == "no effect" and "4 purchases began at smsbower since all the same" in verdict.because


async def test_a_version_that_accepts_the_request_and_does_nothing_gets_no_effect(settings, api):
    api.circuits = False
    async with acting(settings) as context:
        done = await perform(OPEN, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done"
    assert done.verdict is not None and done.verdict.state == "no effect" and "may not know it" in done.verdict.because


async def test_closing_a_provider_that_is_seen_to_be_healthy_takes_a_letter(settings, keys):
    await keys.set(KEY, "open", ex=300)
    async with acting(settings, seen(failures=1)) as context:
        done = await perform(CLOSE, {"provider": "smsbower"}, context, Desk().console)
    assert done.plan is not None and done.plan.confirm.kind == "letter"
    assert done.verdict is not None and done.verdict.state == "worked" and not await keys.exists(KEY)


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        (seen(failures=9), "9 of its 20 attempts failed in 5 min"),
        (seen(failures=0, pods=("open", "closed")), "the breakers of 1 pods are open"),
    ],
)
async def test_closing_a_provider_that_is_not_healthy_is_blocked(settings, keys, api, readings, said):
    await keys.set(KEY, "open", ex=300)
    async with acting(settings, readings) as context:
        done = await perform(CLOSE, {"provider": "smsbower"}, context, Desk().console)
    assert done.stopped is not None and said in done.stopped and api.requests == []
    assert await keys.exists(KEY)


@pytest.mark.parametrize(
    "readings", [{}, seen(failures=0, attempts=1), seen(failures=0, quiet_s=500)], ids=["none", "few", "quiet"]
)
async def test_where_health_can_not_be_told_the_name_must_be_typed(settings, keys, readings):
    await keys.set(KEY, "open", ex=300)
    async with acting(settings, readings) as context:
        plan = await CLOSE.prepare({"provider": "smsbower"}, context)
    assert not plan.blocked and plan.confirm.kind == "type" and plan.confirm.text == "smsbower"
    guard = next(guard for guard in plan.guards if guard.name == "provider is healthy")
    assert guard.level == "warn"


async def test_a_breaker_that_opens_again_makes_closing_no_effect(settings, keys, api):
    await keys.set(KEY, "open", ex=300)
    async with acting(settings, seen(failures=1)) as context:
        plan = await CLOSE.prepare({"provider": "smsbower"}, context)
        outcome = await CLOSE.execute(plan, context)
        plan = replace(plan, deadline_s=2.0)
        peek, looks = context.sources.redis.peek, []

        async def reopening(wanted):
            looks.append(await peek(wanted))
            await keys.set(KEY, "open", ex=300)
            return looks[-1]

        context.sources.redis.peek = reopening
        verdict = await CLOSE.verify(plan, outcome, context)
    assert verdict.state == "no effect" and "open again" in verdict.because


async def test_what_is_so_already_is_said(settings, keys):
    async with acting(settings) as context:
        with pytest.raises(ActionError, match="smsbower is closed already"):
            await CLOSE.prepare({"provider": "smsbower"}, context)
        await keys.set(KEY, "open", ex=30)
        with pytest.raises(ActionError, match="is open already for 30 s more"):
            await OPEN.prepare({"provider": "smsbower"}, context)


async def test_a_breaker_that_changed_since_the_preview_is_refused(settings, keys, api):
    async with acting(settings) as context:
        plan = await OPEN.prepare({"provider": "smsbower"}, context)
        await keys.set(KEY, "open", ex=30)
        outcome = await OPEN.execute(plan, context)
    assert outcome.state == "refused" and api.requests == []


async def test_without_redis_it_can_be_done_and_is_not_called_worked(database, api):
    settings = settings_of(postgres={"url": database.url}, api={"url": api.url, "admin_token": TOKEN})
    async with acting(settings) as context:
        done = await perform(OPEN, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "done"
    assert done.verdict is not None and done.verdict.state == "unknown"


async def test_a_route_without_patch_blocks(settings, api):
    api.methods = "GET, HEAD, OPTIONS"
    async with acting(settings) as context:
        done = await perform(OPEN, {"provider": "smsbower"}, context, Desk().console)
    assert done.stopped is not None and "does not export PATCH" in done.stopped


async def test_without_an_admin_api_it_is_unavailable_and_the_setting_named(database, api):
    async with acting(settings_of(postgres={"url": database.url})) as context:
        assert "api.url" in (OPEN.unavailable(context.settings, context.sources) or "")
    async with acting(settings_of(postgres={"url": database.url}, api={"url": api.url})) as context:
        assert "api.admin_token" in (CLOSE.unavailable(context.settings, context.sources) or "")


async def test_a_token_that_is_refused_is_a_refusal(settings, api, keys):
    api.mood = "denied"
    async with acting(settings) as context:
        done = await perform(OPEN, {"provider": "smsbower"}, context, Desk().console)
    assert done.outcome is not None and done.outcome.state == "refused" and "401" in done.outcome.answer
    assert done.verdict is None and not await keys.exists(KEY)


async def test_the_curl_command_does_the_same(settings, api, keys):
    if lacking("curl"):
        pytest.skip("curl is not installed")
    async with acting(settings) as context:
        plan = await OPEN.prepare({"provider": "smsbower"}, context)
    status, printed = await shell(plan.command, API_URL=api.url, NEXNUM_ADMIN_TOKEN=TOKEN)
    assert status == 0 and await keys.get(KEY) == "open", printed
    assert plan.undo is not None
    status, _ = await shell(plan.undo.command, API_URL=api.url, NEXNUM_ADMIN_TOKEN=TOKEN)
    assert status == 0 and not await keys.exists(KEY)


def test_suggestions_follow_the_shared_breaker():
    readings = sample_readings.incident()
    assert [s.title for s in CLOSE.suggestions(readings, Settings())] == [
        "Close the shared breaker of smsbower - open now"
    ]
    assert OPEN.suggestions(readings, Settings()) == ()
