"""What a fault does to the market's own servers: its rows, its keys, its connections, one of its pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import redis.asyncio

from .market.slots import slot_key
from .servers import EmbeddedPostgres

if TYPE_CHECKING:
    from .market.ledger import Ledger
    from .market.market import Market
    from .market.pods import NexNumPod
    from .staged_causes import LeakedConnections

EMPTY_S = 30.0  # a shorter queue is none
FEW_KEPT = 10  # so few leaked connections hurt nobody
KEEP_EVERY_S = 5.0  # of drill time: a slow leak grows


class SwitchedOff:
    """A provider that somebody has disabled by SQL. Who enables it, by whatever way, ends it."""

    def __init__(self, market: Market, provider: str) -> None:
        self._market = market
        self._began = False
        self.target = provider
        self.over = False

    async def begin(self) -> None:
        await self._ledger.set_active(self.target, False)
        self._began = True

    async def look(self) -> None:
        """Raises LedgerDown, one of NOT_NOW."""
        active = await self._ledger.active_providers()
        self.over = self._began and active.get(self.target, False)

    async def end(self) -> None:
        await self._ledger.set_active(self.target, True)

    @property
    def _ledger(self) -> Ledger:
        return self._market.worker.ledger

    def close(self) -> None:
        return


class Emptied:
    """A provider's queue that polling has filled. Who empties it, or disables the provider, ends it."""

    def __init__(self, market: Market, client: redis.asyncio.Redis, provider: str, polled_until_s: float) -> None:
        self._market = market
        self._client = client
        self._key = slot_key(market.provider_ids[provider])
        self._polled_until_s = polled_until_s  # drill time
        self.target = provider
        self.over = False

    async def begin(self) -> None:
        return  # the market's worker polls

    async def look(self) -> None:
        if self._market.drill_clock.now() < self._polled_until_s:
            return
        value = await self._client.get(self._key)
        waits_s = int(value or 0) / 1000 - self._market.clock.now()
        self.over = waits_s < EMPTY_S or self.target in self._market.withdrawn

    async def end(self) -> None:
        """Its own end is only that of the polling: what has been taken stays taken, so clearing empties the queue."""
        await self._client.delete(self._key)

    def close(self) -> None:
        return


class CutOff:
    """A pod that reaches nobody. Whatever ends that pod ends it."""

    def __init__(self, market: Market) -> None:
        self._market = market

    @property
    def target(self) -> str:
        pod = self._market.cut_off_pod
        return "" if pod is None else pod.name

    @property
    def over(self) -> bool:
        pod = self._market.cut_off_pod
        return pod is not None and not pod.running

    async def begin(self) -> None:
        return  # the market chooses the pod

    async def look(self) -> None:
        return

    async def end(self) -> None:
        return

    def close(self) -> None:
        return


class Leak:
    """Real sessions that idle in the name of the pods: each ends with the pod that has opened it."""

    target = ""

    def __init__(self, market: Market, postgres: EmbeddedPostgres, cause: LeakedConnections) -> None:
        self._market = market
        self._postgres = postgres
        self._cause = cause
        self._sessions: dict[NexNumPod, list[asyncpg.Connection]] = {}
        self._full = False
        self._kept_at = 0.0  # drill time

    @property
    def over(self) -> bool:
        """Somebody has ended most of them: with their pods, or one by one."""
        kept = [session for sessions in self._sessions.values() for session in sessions if not session.is_closed()]
        return self._full and len(kept) < FEW_KEPT

    async def look(self) -> None:
        if not self._full and (now_s := self._market.drill_clock.now()) - self._kept_at > KEEP_EVERY_S:
            self._kept_at = now_s
            await self._keep()
        for pod, sessions in self._sessions.items():
            if not pod.running:
                for session in sessions:
                    session.terminate()

    async def begin(self) -> None:
        await self._keep()

    async def _keep(self) -> None:
        """Open as many as there should be by now."""
        pods = [pod for pod in self._market.pods.values() if pod.running]
        admin = await asyncpg.connect(self._postgres.admin_url, timeout=5)
        try:
            limit = int(await admin.fetchval("SHOW max_connections"))
            kept = int(await admin.fetchval("SHOW superuser_reserved_connections"))
            used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            free = limit - kept - int(await admin.fetchval(used)) + 1  # this session is one of them
        finally:
            await admin.close()
        ours = sum(map(len, self._sessions.values()))
        for number in range(round((free - self._cause.leaves + ours) * self._share) - ours):
            settings = {"application_name": "nexnum-app"}
            session = await asyncpg.connect(self._postgres.url, server_settings=settings, timeout=5)
            await session.fetchval("SELECT count(*) FROM providers WHERE is_active")
            self._sessions.setdefault(pods[number % len(pods)], []).append(session)
        self._full = self._share >= 1

    @property
    def _share(self) -> float:
        """How much of the leak is there by now, 0..1."""
        since = self._market.drill_clock.now() - self._cause.begins_s
        return min(1.0, since / self._cause.over_s) if self._cause.over_s else 1.0

    async def end(self) -> None:
        self.close()

    def close(self) -> None:
        for sessions in self._sessions.values():
            for session in sessions:
                session.terminate()


class Full:
    """A Redis without memory to spare, that evicts nothing. Who gives it some ends it."""

    target = ""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._began = False
        self.over = False

    async def begin(self) -> None:
        await self._client.config_set("maxmemory-policy", "noeviction")
        used = int((await self._client.info("memory"))["used_memory"])
        await self._client.config_set("maxmemory", str(used // 2))
        self._began = True

    async def look(self) -> None:
        limit = int((await self._client.config_get("maxmemory"))["maxmemory"] or 0)
        self.over = self._began and (limit == 0 or int((await self._client.info("memory"))["used_memory"]) < limit)

    async def end(self) -> None:
        await self._client.config_set("maxmemory", "0")

    def close(self) -> None:
        return
