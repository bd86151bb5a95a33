"""What further faults do to a drill's real servers and its cluster, all of them in one world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest

from nexconsole.drill.instructor import Request
from nexconsole.drill.kubernetes.manifests import AUTOSCALER, CONFIG
from nexconsole.drill.world import DrillWorld

PATIENCE_S = 40.0


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[DrillWorld]:
    world = DrillWorld("calm", seed=4)
    await world.start()
    yield world
    await world.close()


def inject(world: DrillWorld, fault: str, **more: Any) -> None:
    world.instruction.handle(Request(verb="inject", fault=fault, **more))


def clear(world: DrillWorld, fault: str) -> None:
    world.instruction.handle(Request(verb="clear", fault=fault))


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for it; a server that is down meanwhile says no."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if await condition():
                    return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            await asyncio.sleep(0.1)


async def asked(world: DrillWorld, sql: str) -> Any:
    connection = await asyncpg.connect(world.postgres.admin_url, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_what_misleads_is_there_and_breaks_nothing(world: DrillWorld) -> None:
    store = world.cluster.store
    for name in ("provider-edited", "innocent-config", "pod-restarted", "lying-alert"):
        inject(world, name)

    async def edited() -> bool:
        return bool(await asked(world, "SELECT priority = 9 FROM providers WHERE name = '5sim'"))

    async def configured() -> bool:
        config = store.get("configmaps", "default", CONFIG)
        return config is not None and config["data"]["LOG_LEVEL"] == "debug"

    async def restarted() -> bool:
        return any(pod.restarts for pod in world.cluster.pods)

    async def fires() -> bool:
        url = world.environment()["PROMETHEUS_URL"]
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/alerts") as response:
            alerts = (await response.json())["data"]["alerts"]
        return any(one["labels"]["alertname"] == "HighErrorRate" and one["state"] == "firing" for one in alerts)

    for condition in (edited, configured, restarted, fires):
        await until(condition)
    clear(world, "lying-alert")


async def test_reports_make_statements_slow_until_their_sessions_are_ended(world: DrillWorld) -> None:
    inject(world, "database-overloaded")
    reports = "SELECT count(*) = 8 FROM pg_stat_activity WHERE application_name = 'metabase' AND state = 'active'"
    await until(lambda: asked(world, reports))
    slow = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1.8%' AND state = 'active'"
    await until(lambda: asked(world, slow))
    ended = "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'metabase'"
    assert await asked(world, ended)

    async def over() -> bool:
        return world.market.load == 0 and world.instruction.state()["faults"][-1]["state"] == "over"

    await until(over)


async def test_somebody_scales_down_and_somebody_scales_up_again(world: DrillWorld) -> None:
    inject(world, "scaled-down")

    async def alone() -> bool:
        return len(world.cluster.pods) == 1

    await until(alone)
    assert world.cluster.store.get("horizontalpodautoscalers", "default", AUTOSCALER) is None
    world.cluster.hands.scale(3)

    async def over() -> bool:
        return world.instruction.state()["faults"][-1]["state"] == "over"

    await until(over)


async def test_redis_fills_and_is_emptied(world: DrillWorld) -> None:
    inject(world, "redis-filling")
    world.market.drill_clock.set(10)

    async def grows() -> bool:
        return bool(await world._keys.exists("analytics:events:000001"))

    await until(grows)
    world.market.drill_clock.set(1)
    clear(world, "redis-filling")
    inject(world, "redis-emptied")

    async def emptied() -> bool:
        return not await world._keys.exists("analytics:events:000001")

    await until(emptied)


async def test_a_database_comes_back_by_itself_and_another_only_reads_until_it_is_promoted(world: DrillWorld) -> None:
    started = "SELECT extract(epoch FROM pg_postmaster_start_time())"
    before = await asked(world, started)
    world.market.drill_clock.set(10)
    inject(world, "database-restarted")

    async def back() -> bool:
        return bool(await asked(world, started) > before)

    await until(back)
    world.market.drill_clock.set(1)
    inject(world, "database-read-only")
    await until(lambda: asked(world, "SELECT pg_is_in_recovery()"))
    clear(world, "database-read-only")
    await until(lambda: asked(world, "SELECT NOT pg_is_in_recovery()"))
    assert world.market.clock.crashed is not None and not world.market.clock.crashed.done()
