"""What a fault does to the real servers beyond ending them: restarts, a failover, load, memory, keys."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import redis.asyncio
from redis.exceptions import ResponseError

from .server_changes import flush_redis
from .servers import EmbeddedPostgres, EmbeddedRedis

if TYPE_CHECKING:
    from .drill_clock import DrillClock
    from .market.market import Market
    from .search import SearchServer
    from .staged_causes import FillingMemory, SlowDatabase

SETTLED_S = 1.5  # so long after the world was set up a restart is news beyond doubt, whatever the clocks' difference
ROOM = 24 * 2**20  # bytes that a filling Redis has left at first
JUNK = 64 * 1024  # bytes of each key that fills it
REPORT = (
    "SELECT date_trunc('minute', a.created_at) AS minute, a.country_name, count(*), sum(a.price), avg(n.price), "
    "(SELECT 1 FROM pg_sleep(3600)) FROM activations a LEFT JOIN numbers n ON n.owner_id = a.user_id "
    "GROUP BY 1, 2 ORDER BY 1 DESC"
)


class Bounce:
    """A server that is away for a while, and comes back by itself. Where that is over already, it is restarted."""

    target = ""

    def __init__(
        self, server: EmbeddedPostgres | EmbeddedRedis | SearchServer, drill_clock: DrillClock, back_s: float
    ) -> None:
        self._server = server
        self._drill_clock = drill_clock
        self._back_s = back_s  # drill time
        self._down = False
        self.over = False

    async def begin(self) -> None:
        if self._drill_clock.now() >= self._back_s:
            await asyncio.sleep(SETTLED_S)
        await self._server.stop()
        self._down = True
        await self.look()

    async def look(self) -> None:
        if self._down and self._drill_clock.now() >= self._back_s:
            await self._server.start()
            self._down, self.over = False, True

    async def end(self) -> None:
        if self._down:
            await self._server.start()
            self._down = False

    def close(self) -> None:
        return


class Standby:
    """After a failover: the server is a replica that takes no write. Who promotes it ends it."""

    target = ""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._began = False
        self.over = False

    async def begin(self) -> None:
        await self._postgres.demote()
        self._began = True

    async def look(self) -> None:
        self.over = self._began and not await self._asked("SELECT pg_is_in_recovery()")

    async def end(self) -> None:
        if await self._asked("SELECT pg_is_in_recovery()"):
            await self._asked("SELECT pg_promote()")

    async def _asked(self, sql: str) -> bool:
        connection = await asyncpg.connect(self._postgres.admin_url, timeout=5)
        try:
            return bool(await connection.fetchval(sql))
        finally:
            await connection.close()

    def close(self) -> None:
        return


class Reports:
    """Heavy reports of others, which make every statement slow. Who ends their sessions ends it."""

    target = ""

    def __init__(self, market: Market, postgres: EmbeddedPostgres, cause: SlowDatabase) -> None:
        self._market = market
        self._postgres = postgres
        self._cause = cause
        self._sessions: list[asyncpg.Connection] = []
        self._running: list[asyncio.Task[None]] = []

    @property
    def over(self) -> bool:
        return bool(self._running) and all(task.done() for task in self._running)

    async def begin(self) -> None:
        settings = {"application_name": "metabase"}
        for _ in range(self._cause.reports - len(self._sessions)):
            self._sessions.append(await asyncpg.connect(self._postgres.url, server_settings=settings, timeout=5))
        self._running = [asyncio.create_task(_run(session)) for session in self._sessions]

    async def look(self) -> None:
        alive = sum(not task.done() for task in self._running)
        self._market.load = alive / max(1, len(self._running))

    async def end(self) -> None:
        self.close()

    def close(self) -> None:
        for session in self._sessions:
            session.terminate()
        for task in self._running:
            task.cancel()


async def _run(session: asyncpg.Connection) -> None:
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await session.fetch(REPORT)


class Filling:
    """Somebody's keys, which fill Redis over a while, and keep it full. Who gives it memory ends it."""

    target = ""

    def __init__(self, client: redis.asyncio.Redis, drill_clock: DrillClock, cause: FillingMemory) -> None:
        self._client = client
        self._drill_clock = drill_clock
        self._cause = cause
        self._limit = 0
        self._written = 0
        self.over = False

    async def begin(self) -> None:
        self._limit = int((await self._client.info("memory"))["used_memory"]) + ROOM
        await self._client.config_set("maxmemory-policy", "noeviction")
        await self._client.config_set("maxmemory", str(self._limit))
        await self.look()

    async def look(self) -> None:
        """Write as many keys as there should be by now."""
        limit = int((await self._client.config_get("maxmemory"))["maxmemory"] or 0)
        if limit == 0 or limit > self._limit:
            self.over = True
            return
        share = min(1.0, (self._drill_clock.now() - self._cause.begins_s) / self._cause.lasts_s)
        with contextlib.suppress(ResponseError):  # it is full
            while self._written < share * ROOM * 1.05:
                await self._client.set(f"analytics:events:{self._written // JUNK:06d}", "x" * JUNK)
                self._written += JUNK
            if share >= 1:
                await self._client.append("analytics:events:tail", "x" * JUNK)

    async def end(self) -> None:
        await self._client.config_set("maxmemory", "0")

    def close(self) -> None:
        return


class Flushed:
    """A Redis that somebody has emptied."""

    target = ""
    over = False

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def begin(self) -> None:
        await flush_redis(self._client)

    async def look(self) -> None:
        return

    async def end(self) -> None:
        return

    def close(self) -> None:
        return
