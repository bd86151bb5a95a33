"""What a fault does beyond the market's own behaviour: to the real servers, from its beginning to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from ..errors import DrillError
from .market.ledger import LedgerDown
from .market.slots import slot_key
from .scenarios import IMAGE
from .search import Search
from .servers import Postgres, Redis

if TYPE_CHECKING:
    from .kubernetes.cluster import Cluster
    from .market.ledger import Ledger
    from .market.market import Market
    from .market.pods import Pod

BLOCKER = "nexnum-worker"
NOT_NOW = (asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, LedgerDown, OSError, DrillError)  # tried again
FROZEN = "change freeze until Monday 06:00 UTC: ask the release manager"
HUNG_NODE = "drill-node-2"
EMPTY_S = 30.0  # a shorter queue is none
FEW_KEPT = 10  # so few leaked connections hurt nobody


class Effect(Protocol):
    """`target` is what an action against it would name, "" where nothing does; `over` is whether somebody has ended it
    by hand."""

    @property
    def target(self) -> str: ...
    @property
    def over(self) -> bool: ...
    async def begin(self) -> None:
        """Raises one of NOT_NOW where it can't begin yet."""

    async def look(self) -> None:
        """Look whether somebody has ended it by hand. Raises one of NOT_NOW where that can't be told."""

    async def end(self) -> None:
        """Raises one of NOT_NOW where it can't end yet."""

    def close(self) -> None:
        """The world ends: let go at once."""


class Stall:
    """A forgotten transaction: a real session, idle in transaction, that holds these users' wallets."""

    def __init__(self, postgres: Postgres, users: list[str]) -> None:
        self._postgres = postgres
        self._users = users
        self._session: asyncpg.Connection | None = None
        self.target = ""

    @property
    def over(self) -> bool:
        return self._session is not None and self._session.is_closed()

    async def begin(self) -> None:
        session = await asyncpg.connect(self._postgres.url, server_settings={"application_name": BLOCKER})
        try:
            await session.execute("BEGIN")
            await session.execute("SET LOCAL lock_timeout = '5s'")
            rows = "SELECT id, balance, reserved FROM wallets WHERE user_id = ANY($1) FOR UPDATE"
            await session.fetch(rows, self._users)
        except BaseException:
            session.terminate()
            raise
        self._session, self.target = session, str(session.get_server_pid())

    async def look(self) -> None:
        return

    async def end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._session is not None:
            self._session.terminate()


class RollOut:
    """A release in the cluster. Who goes back to the revision before, by whatever way, ends it."""

    target = ""

    def __init__(self, cluster: Cluster, image: str) -> None:
        self._cluster = cluster
        self._image = image
        self._before = ""

    @property
    def over(self) -> bool:
        return bool(self._before) and self._cluster.image != self._image

    async def begin(self) -> None:
        """Where it runs already, the scenario began with it."""
        now = self._cluster.image
        self._before = IMAGE if now == self._image else now
        self._cluster.release(self._image)

    async def look(self) -> None:
        return

    async def end(self) -> None:
        if not self.over:
            self._cluster.release(self._before)

    def close(self) -> None:
        return  # the cluster ends with the world


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
        if self._market.tempo.now() < self._polled_until_s:
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

    def __init__(self, market: Market, postgres: Postgres, leaves: int) -> None:
        self._market = market
        self._postgres = postgres
        self._leaves = leaves
        self._sessions: dict[Pod, list[asyncpg.Connection]] = {}

    @property
    def over(self) -> bool:
        """Somebody has ended most of them: with their pods, or one by one."""
        kept = [session for sessions in self._sessions.values() for session in sessions if not session.is_closed()]
        return bool(self._sessions) and len(kept) < FEW_KEPT

    async def look(self) -> None:
        for pod, sessions in self._sessions.items():
            if not pod.running:
                for session in sessions:
                    session.terminate()

    async def begin(self) -> None:
        pods = [pod for pod in self._market.pods.values() if pod.running]
        admin = await asyncpg.connect(self._postgres.admin_url, timeout=5)
        try:
            limit = int(await admin.fetchval("SHOW max_connections"))
            kept = int(await admin.fetchval("SHOW superuser_reserved_connections"))
            used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            free = limit - kept - int(await admin.fetchval(used)) + 1  # this session is one of them
        finally:
            await admin.close()
        for number in range(free - self._leaves):
            settings = {"application_name": "nexnum-app"}
            session = await asyncpg.connect(self._postgres.url, server_settings=settings, timeout=5)
            await session.fetchval("SELECT count(*) FROM providers WHERE is_active")
            self._sessions.setdefault(pods[number % len(pods)], []).append(session)

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
        limit = int((await self._client.config_get("maxmemory"))["maxmemory"])
        self.over = self._began and (limit == 0 or int((await self._client.info("memory"))["used_memory"]) < limit)

    async def end(self) -> None:
        await self._client.config_set("maxmemory", "0")

    def close(self) -> None:
        return


class Odd:
    """A cluster with something in it that real ones have."""

    target = ""
    over = False

    def __init__(self, cluster: Cluster, what: str) -> None:
        self._cluster = cluster
        self._what = what

    async def begin(self) -> None:
        self._set(True)

    async def look(self) -> None:
        return

    async def end(self) -> None:
        self._set(False)

    def _set(self, on: bool) -> None:
        cluster = self._cluster
        match self._what:
            case "strangers":
                (cluster.strangers.come if on else cluster.strangers.go)()
            case "sidecar":
                cluster.inject_sidecar(on)
            case "freeze":
                cluster.troubles.freeze = FROZEN if on else ""
            case "hanging":
                cluster.troubles.hanging = frozenset({HUNG_NODE} if on else ())

    def close(self) -> None:
        self._cluster.troubles.hanging = frozenset()


class Down:
    """A server that does not run. Redis comes back empty, Postgres with its data."""

    target = ""
    over = False

    def __init__(self, server: Postgres | Redis | Search) -> None:
        self._server = server

    async def begin(self) -> None:
        await self._server.stop()

    async def look(self) -> None:
        return

    async def end(self) -> None:
        await self._server.start()

    def close(self) -> None:
        return  # the shelter ends what runs
