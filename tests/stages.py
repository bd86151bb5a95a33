"""Every action on real servers that are reached over wires which can fail, for tests of what may go wrong with each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import redis.asyncio
from acting import add_provider, settings_of
from admin_api import TOKEN, admin_api
from alertmanager_server import fire, like_alertmanager
from cron_server import SECRET, cron_server
from cron_work import draining, freeing, worker
from remote_console import Wire, wire_to
from small_cluster import small_cluster, until

from nexconsole.actions.registry import ACTIONS
from nexconsole.settings import Settings


@dataclass
class ActionStage:
    """`changed` says whether the world is another one by now; `wires` are those to all the sources of the action."""

    action: str
    arguments: Mapping[str, str]
    tables: dict[str, Any]
    changed: Callable[[], Awaitable[bool]]
    wires: list[Wire]
    sent: list[Any] = field(default_factory=list)  # the requests that change something, where the server counts them

    @property
    def settings(self) -> Settings:
        return settings_of(**self.tables)

    @property
    def doing(self) -> Any:
        return ACTIONS[self.action]


class StageWorld:
    """Servers and the wires to them."""

    def __init__(self, database: Any, redis_server: Any, folder: Path, stack: AsyncExitStack) -> None:
        self.database, self._redis, self.folder, self._stack = database, redis_server, folder, stack
        self.wires: list[Wire] = []

    async def wired(self, url: str) -> str:
        """The same address, over a wire."""
        port = int(re.findall(r":(\d+)", url)[-1])
        wire = await self._stack.enter_async_context(wire_to(port))
        self.wires.append(wire)
        return url.replace(f":{port}", f":{wire.port}")

    async def postgres(self) -> dict[str, Any]:
        return {"url": await self.wired(self.database.url), "connect_timeout_s": 1.2, "statement_timeout_s": 1.2}

    async def redis(self) -> dict[str, Any]:
        return {"url": await self.wired(self._redis.url), "timeout_s": 0.6}

    async def client(self) -> Any:
        client = redis.asyncio.from_url(self._redis.url, decode_responses=True)
        self._stack.push_async_callback(client.aclose)
        await client.flushall()
        self._stack.push_async_callback(client.flushall)
        return client

    async def enter(self, manager: Any) -> Any:
        return await self._stack.enter_async_context(manager)

    def stage(
        self, action: str, changed: Callable[[], Awaitable[bool]], arguments: Any = None, **tables: Any
    ) -> ActionStage:
        actions = {"timeout_s": 0.6, "verify_s": 0.6, "provider_cache_s": 0.3}
        tables = {**tables, "actions": actions, "journal": {"folder": str(self.folder / "journal")}}
        return ActionStage(action=action, arguments=arguments or {}, tables=tables, changed=changed, wires=self.wires)


async def disabled(world: StageWorld) -> bool:
    return not await world.database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")


async def provider_by_sql(world: StageWorld) -> ActionStage:
    for name in ("smsbower", "5sim"):
        await add_provider(world.database, name)
    arguments = {"provider": "smsbower"}
    return world.stage("provider.disable", lambda: disabled(world), arguments, postgres=await world.postgres())


async def _api(world: StageWorld, keys: Any = None) -> tuple[dict[str, Any], Any]:
    for name in ("smsbower", "5sim"):
        await add_provider(world.database, name)
    api = await world.enter(admin_api(world.database, keys))
    return {"url": await world.wired(api.url), "admin_token": TOKEN, "timeout_s": 0.6}, api


async def provider_by_api(world: StageWorld) -> ActionStage:
    api, server = await _api(world)
    tables = {"postgres": await world.postgres(), "api": api}
    stage = world.stage("provider.disable", lambda: disabled(world), {"provider": "smsbower"}, **tables)
    stage.sent = server.requests
    return stage


async def circuit_open(world: StageWorld) -> ActionStage:
    keys = await world.client()
    api, server = await _api(world, keys)

    async def opened() -> bool:
        return bool(await keys.keys("health:*:circuit"))

    tables = {"postgres": await world.postgres(), "redis": await world.redis(), "api": api}
    stage = world.stage("circuit.open", opened, {"provider": "smsbower"}, **tables)
    stage.sent = server.requests
    return stage


async def reconcile(world: StageWorld) -> ActionStage:
    await world.database.order("o1", 900)
    server = await world.enter(cron_server({"/api/cron/reconcile": {"GET": freeing(world.database)}}))

    async def freed() -> bool:
        return await world.database.connection.fetchval("SELECT status FROM purchase_orders") != "PENDING"

    api = {"url": await world.wired(server.url), "cron_secret": SECRET, "timeout_s": 0.6}
    stage = world.stage("reconcile.run", freed, postgres=await world.postgres(), api=api)
    stage.sent = server.authorizations
    return stage


async def outbox_process(world: StageWorld) -> ActionStage:
    await world.database.event("e1", 600)
    routes = {"/api/cron/worker": {"GET": draining(world.database, worker())}}
    server = await world.enter(cron_server(routes))

    async def drained() -> bool:
        return await world.database.connection.fetchval("SELECT status FROM outbox_events_v2") != "PENDING"

    api = {"url": await world.wired(server.url), "cron_secret": SECRET, "timeout_s": 0.6}
    stage = world.stage("outbox.process", drained, postgres=await world.postgres(), api=api)
    stage.sent = server.authorizations
    return stage


async def outbox_retry(world: StageWorld) -> ActionStage:
    await world.database.event("e1", 600, "FAILED", error="refused", retry_count=5)

    async def pending() -> bool:
        return await world.database.connection.fetchval("SELECT status FROM outbox_events_v2") == "PENDING"

    return world.stage("outbox.retry", pending, {"event": "e1"}, postgres=await world.postgres())


async def locks_flush(world: StageWorld) -> ActionStage:
    keys = await world.client()
    await keys.set("lock:purchase:old", "1700000000000")

    async def deleted() -> bool:
        return not await keys.exists("lock:purchase:old")

    return world.stage("locks.flush", deleted, {"family": "purchase"}, redis=await world.redis())


async def _cluster(world: StageWorld, role: str = "operator") -> tuple[dict[str, Any], Any]:
    small = await world.enter(small_cluster(world.folder))
    file = small.write_kubeconfig(role)
    [url] = re.findall(r"https://127\.0\.0\.1:\d+", file.read_text())
    file.write_text(file.read_text().replace(url, await world.wired(url)))
    return {"kubeconfig": str(file), "timeout_s": 0.6}, small


def _deployment(small: Any) -> dict[str, Any]:
    return small.cluster.store.objects("deployments")[0]


async def pods_restart(world: StageWorld) -> ActionStage:
    kubernetes, small = await _cluster(world)

    async def rolling() -> bool:
        return "restartedAt" in str(_deployment(small)["spec"]["template"])

    return world.stage("pods.restart", rolling, kubernetes=kubernetes)


async def pods_restart_one(world: StageWorld) -> ActionStage:
    kubernetes, small = await _cluster(world)
    one = sorted(small.machine.running)[0]

    async def deleted() -> bool:
        pods = {pod["metadata"]["name"]: pod for pod in small.cluster.store.objects("pods")}
        return one not in pods or "deletionTimestamp" in pods[one]["metadata"]

    return world.stage("pods.restart", deleted, {"pod": one}, kubernetes=kubernetes)


async def deployment_scale(world: StageWorld) -> ActionStage:
    kubernetes, small = await _cluster(world)

    async def scaled() -> bool:
        return _deployment(small)["spec"]["replicas"] != 3

    return world.stage("deployment.scale", scaled, {"replicas": "4"}, kubernetes=kubernetes)


async def rollout_undo(world: StageWorld) -> ActionStage:
    kubernetes, small = await _cluster(world)
    first = set(small.machine.running)

    def release(one: dict[str, Any]) -> None:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "x:2"
        one["metadata"]["generation"] += 1

    small.cluster.store.change("deployments", _deployment(small), release)
    await until(lambda: small.ready() and not first & set(small.machine.running))

    async def back() -> bool:
        return _deployment(small)["spec"]["template"]["spec"]["containers"][0]["image"] != "x:2"

    return world.stage("rollout.undo", back, kubernetes=kubernetes)


async def _session(world: StageWorld, name: str, sql: str) -> tuple[asyncpg.Connection, asyncio.Task[Any]]:
    victim = await asyncpg.connect(world.database.url, server_settings={"application_name": "nexnum-app"})
    query = asyncio.create_task(victim.execute(sql))

    async def end() -> None:
        victim.terminate()
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncio.CancelledError, OSError):
            await query

    world._stack.push_async_callback(end)
    running = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE '%pg_sleep%'"
    while not await world.database.connection.fetchval(running, victim.get_server_pid()):
        await asyncio.sleep(0.02)
    return victim, query


async def _backend(world: StageWorld, name: str) -> ActionStage:
    victim, query = await _session(world, name, "SELECT pg_sleep(60)")

    async def ended() -> bool:
        await asyncio.sleep(0.2)
        return query.done()

    arguments = {"pid": str(victim.get_server_pid())}
    return world.stage(name, ended, arguments, postgres=await world.postgres())


async def backend_cancel(world: StageWorld) -> ActionStage:
    return await _backend(world, "backend.cancel")


async def backend_terminate(world: StageWorld) -> ActionStage:
    return await _backend(world, "backend.terminate")


async def alert_silence(world: StageWorld) -> ActionStage:
    url, like = await world.enter(like_alertmanager())
    await fire(url, "HighErrorRate", "a")

    async def silenced() -> bool:
        return bool(like.silences)

    alertmanager = {"url": await world.wired(url), "timeout_s": 0.6}
    stage = world.stage("alert.silence", silenced, {"alert": "HighErrorRate"}, alertmanager=alertmanager)
    stage.sent = like.writes
    return stage


STAGES: tuple[Callable[[StageWorld], Awaitable[ActionStage]], ...] = (
    provider_by_sql,
    provider_by_api,
    circuit_open,
    reconcile,
    outbox_process,
    outbox_retry,
    locks_flush,
    pods_restart,
    pods_restart_one,
    deployment_scale,
    rollout_undo,
    backend_cancel,
    backend_terminate,
    alert_silence,
)


@asynccontextmanager
async def staged(
    make: Callable[[StageWorld], Awaitable[ActionStage]], database: Any, redis_server: Any, folder: Path
) -> AsyncIterator[ActionStage]:
    async with AsyncExitStack() as stack:
        yield await make(StageWorld(database, redis_server, folder, stack))
