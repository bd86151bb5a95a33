"""The Redis between hosts: connection, key names, and its errors in words."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import settings as tables
from ..errors import SettingsError, SourceError, TimedOut
from ..settings import Settings
from ..sources.lazy_clients import LazyClients
from ..sources.redis import RedisSource as Source
from ..sources.redis_address import RedisAddress, parse_address
from ..sources.redis_clients import open_single

if TYPE_CHECKING:
    import redis.asyncio

CLOSE_TIMEOUT_S = 0.5
RULES = "~nexconsole:* resetchannels &nexconsole:* +@stream +@string +@keyspace +@pubsub +@scripting +@connection +time"
RIGHTS = f"allow {RULES} to this user (ACL SETUSER)"


class RedisLink:
    """The way to the war room's Redis. Nothing is imported or connected before `open`."""

    def __init__(self, settings: Settings, clients: LazyClients | None = None) -> None:
        self._settings = settings
        self._clients = clients or LazyClients()
        self._source: Source | None = None
        self._opened: list[Any] = []
        self._kept: dict[float, redis.asyncio.Redis] = {}

    @property
    def configured(self) -> bool:
        return bool(self._settings.warroom.redis_url)

    def key(self, kind: str, name: str) -> str:
        """`nexconsole:incident:production/nexnum-eu:INC-20261123-1342`: no two installations share one."""
        return f"nexconsole:{kind}:{self._installation}:{name}"

    def channel(self, kind: str) -> str:
        return f"nexconsole:{kind}:{self._installation}"

    @property
    def _installation(self) -> str:
        return "/".join(quote(word, safe="") for word in (self._settings.environment, self._settings.name))

    async def client(self, timeout_s: float) -> redis.asyncio.Redis:
        """The client with this time-out, kept open until `close`."""
        if timeout_s not in self._kept:
            self._kept[timeout_s] = await self.open(timeout_s)
        return self._kept[timeout_s]

    async def open(self, timeout_s: float) -> redis.asyncio.Redis:
        """A client that answers in bytes and repeats nothing by itself. Raises SettingsError."""
        await self._clients.wait("redis.asyncio")
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": min(timeout_s, 2.0)}
        options |= {"protocol": 2}  # understood by every server; RESP3 would need HELLO, which ACLs may refuse
        address = self._address()
        if address.tls:
            options |= {"ssl": True, "ssl_ca_certs": self._settings.warroom.redis_ca_file or None}
        client, sentinels = open_single(address, options)
        self._opened += [client, *sentinels]
        return client

    async def close(self) -> None:
        """Let go of all connections at once; never waits for the far side."""
        opened, self._opened, self._kept = self._opened, [], {}
        for client in opened:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await client.aclose()

    def explain(self, error: Exception) -> str:
        """One sentence for trouble with this Redis. Whatever is no trouble of a network is a bug, and raised again."""
        if isinstance(error, SettingsError):
            return _ours(str(error))
        if isinstance(error, TimeoutError):
            return f"redis at {self._where} did not answer in time"
        if isinstance(error, SourceError):
            return _ours(str(error))
        if "Connect call failed" in str(error):  # the library may keep the system's word for it to itself
            return f"redis at {self._where}: the connection was refused: is it running, is the port right?"
        source = self._known_source()
        known = source.explain(error)
        if known is None and isinstance(error, OSError):
            known = source._network(error)
        if known is None:
            raise error
        if isinstance(known, TimedOut):
            return f"redis at {self._where} did not answer in time"
        if "let this user" in str(known):
            return f"redis at {self._where} does not let this user do what a war room needs: {RIGHTS}"
        return _ours(str(known))

    @property
    def _where(self) -> str:
        return str(self._address())

    def _address(self) -> RedisAddress:
        try:
            return parse_address(self._settings.warroom.redis_url)
        except SettingsError as error:
            raise SettingsError(_ours(str(error))) from error

    def _known_source(self) -> Source:
        """Knows the sentences for a server's words; it is asked for nothing else."""
        if self._source is None:
            self._source = Source(self._clients, tables.RedisSettings(url=self._settings.warroom.redis_url))
            self._source.address = self._where
        return self._source


def honour_cancel() -> None:
    """End here if this task was cancelled: redis-py awaits by `wait_for`, which loses that before Python 3.12."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _ours(sentence: str) -> str:
    return sentence.replace("warroom.redis_url", "redis.url").replace("redis.url", "warroom.redis_url")
