"""A fault's effects on the real servers, from its beginning to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import asyncpg
from redis.exceptions import RedisError

from ..errors import DrillError
from .market.ledger import LedgerDown
from .search import SearchServer
from .servers import EmbeddedPostgres, EmbeddedRedis
from .staged_causes import IMAGE

if TYPE_CHECKING:
    from .kubernetes.cluster import DrillCluster
    from .platform import DrillPlatform

BLOCKER = "nexnum-worker"
NOT_NOW = (asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, LedgerDown, OSError, DrillError)  # tried again
FROZEN = "change freeze until Monday 06:00 UTC: ask the release manager"
HUNG_NODE = "drill-node-2"


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

    def __init__(self, postgres: EmbeddedPostgres, users: list[str]) -> None:
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

    def __init__(self, cluster: DrillPlatform, image: str) -> None:
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


class Odd:
    """A cluster with something in it that real ones have."""

    target = ""
    over = False

    def __init__(self, cluster: DrillCluster, what: str) -> None:
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

    def __init__(self, server: EmbeddedPostgres | EmbeddedRedis | SearchServer) -> None:
        self._server = server

    async def begin(self) -> None:
        await self._server.stop()

    async def look(self) -> None:
        return

    async def end(self) -> None:
        await self._server.start()

    def close(self) -> None:
        return  # the temporary tree ends what runs
