"""The Redis source's clients, one per way to reach a server.

Each has `values` (string values by key; None for an absent key or another type), `ttls` (ms, as PTTL), `scan` (one
step), `text` (a command with a text answer), `keyed` (commands with keys, each sent where its keys are; a server's
refusal is returned as an exception) and `close`. They raise their libraries' own errors.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import Unreachable
from .http_client import open_client, refuse_redirect
from .redis_address import RedisAddress, RedisKind

if TYPE_CHECKING:
    import httpx
    import redis.asyncio
    from redis.asyncio.retry import Retry

    from .source import Source

SLICE = 500  # keys a command
REST_AT_ONCE = 4

Cursor = tuple[str, int]  # (node, the server's own cursor); the node is "" where there is but one


class RedisClient(Protocol):
    async def values(self, keys: Sequence[str]) -> list[str | None]: ...
    async def ttls(self, keys: Sequence[str]) -> list[int]: ...
    async def scan(self, cursor: Cursor, pattern: str, count: int) -> tuple[Cursor | None, list[str]]: ...
    async def text(self, *command: str) -> Any: ...
    async def keyed(self, commands: Sequence[Sequence[str]]) -> list[Any]: ...
    async def close(self) -> None: ...


def open_redis(source: Source, address: RedisAddress, *, token: str, timeout_s: float, ca_file: str) -> RedisClient:
    """The client for an address; nothing is connected yet."""
    if address.kind is RedisKind.REST:
        return RestClient(source, address.url, token, timeout_s, ca_file)
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "protocol": 2,  # understood by every server; RESP3 would need HELLO, which ACLs may refuse
        "encoding_errors": "surrogateescape",  # a key stays the key that it is, whatever its bytes
        "decode_responses": True,
    }
    if address.tls:
        options |= {"ssl": True, "ssl_ca_certs": ca_file or None}
    if address.kind is RedisKind.CLUSTER:
        return ClusterClient(address, options)
    return SingleClient(address, options)


def no_retries() -> Retry:
    """The libraries' silent retries would hide trouble and multiply the time-out."""
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Retry(NoBackoff(), 0)


def _raised(replies: Sequence[Any], but: str = "") -> list[Any]:
    """A pipeline's replies; the first error is raised as the server put it, and one that begins with `but` is None.

    The library would repeat the whole command, keys and all, in the error's text.
    """
    for reply in replies:
        if isinstance(reply, Exception) and not (but and str(reply).startswith(but)):
            raise reply
    return [None if isinstance(reply, Exception) else reply for reply in replies]


def open_single(
    address: RedisAddress, options: dict[str, Any]
) -> tuple[redis.asyncio.Redis, tuple[redis.asyncio.Redis, ...]]:
    """The library's client of one server, and of the sentinels that find it; closing them is the caller's.

    Nothing is retried by itself.
    """
    import redis.asyncio as library

    login: dict[str, Any] = {"username": address.username, "password": address.password, "db": address.database}
    if address.kind is RedisKind.SOCKET:
        return library.Redis(unix_socket_path=address.socket, retry=no_retries(), **login, **options), ()
    if address.kind is RedisKind.ONE:
        host, port = address.hosts[0]
        return library.Redis(host=host, port=port, retry=no_retries(), **login, **options), ()
    sentinels = {"username": address.sentinel_username, "password": address.sentinel_password}
    sentinel = library.Sentinel(address.hosts, sentinel_kwargs={"retry": no_retries(), **sentinels, **options})
    master = sentinel.master_for(address.service, retry=no_retries(), **login, **options)
    return master, tuple(sentinel.sentinels)


class SingleClient:
    """One server, found by its address or by sentinels."""

    def __init__(self, address: RedisAddress, options: dict[str, Any]) -> None:
        self._client, self._sentinels = open_single(address, options)

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        # MGET answers nil for a key of another type, so nothing is raised for it.
        found: list[str | None] = []
        for start in range(0, len(keys), SLICE):
            # A client that decodes its replies has no bytes in them.
            found += cast("list[str | None]", await self._client.mget(keys[start : start + SLICE]))
        return found

    async def ttls(self, keys: Sequence[str]) -> list[int]:
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.pttl(key)
            return _raised(await pipe.execute(raise_on_error=False))

    async def scan(self, cursor: Cursor, pattern: str, count: int) -> tuple[Cursor | None, list[str]]:
        following, keys = await self._client.scan(cursor[1], match=pattern, count=count)
        return (("", following) if following else None), cast("list[str]", keys)

    async def text(self, *command: str) -> Any:
        return await self._client.execute_command(*command)

    async def keyed(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    async def close(self) -> None:
        await self._client.aclose()
        for sentinel in self._sentinels:
            await sentinel.aclose()


class ClusterClient:
    """A Redis Cluster: each key asked for at its own node, no command spanning slots."""

    def __init__(self, address: RedisAddress, options: dict[str, Any]) -> None:
        from redis.asyncio.cluster import ClusterNode, RedisCluster

        self._client: redis.asyncio.RedisCluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
            username=address.username,
            password=address.password,
            require_full_coverage=False,
            max_connections=2,
            retry=no_retries(),
            **options,
        )

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        pipe = self._client.pipeline()
        for key in keys:
            pipe.get(key)
        return _raised(await pipe.execute(raise_on_error=False), but="WRONGTYPE")

    async def ttls(self, keys: Sequence[str]) -> list[int]:
        pipe = self._client.pipeline()
        for key in keys:
            pipe.pttl(key)
        return _raised(await pipe.execute(raise_on_error=False))

    async def scan(self, cursor: Cursor, pattern: str, count: int) -> tuple[Cursor | None, list[str]]:
        await self._client.initialize()
        primaries = sorted(self._client.get_primaries(), key=lambda node: node.name)
        name, position = cursor
        ahead = [node for node in primaries if node.name >= name]
        if not ahead:
            return None, []
        answer = await self._client.execute_command(
            "SCAN", position, "MATCH", pattern, "COUNT", count, target_nodes=ahead[0]
        )
        cursors, keys = answer
        following = next(iter(cursors.values()))
        if following:
            return (ahead[0].name, following), keys
        return ((ahead[1].name, 0) if len(ahead) > 1 else None), keys

    async def text(self, *command: str) -> Any:
        return await self._client.execute_command(*command, target_nodes=RANDOM_NODE)

    async def keyed(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        from redis.exceptions import ResponseError

        # One after the other: the library's pipeline does not find the keys of every command.
        answers: list[Any] = []
        for command in commands:
            try:
                answers.append(await self._client.execute_command(*command))
            except ResponseError as error:
                answers.append(error)
        return answers

    async def close(self) -> None:
        await self._client.aclose()


RANDOM_NODE = "random"  # redis-py's name for any one node


class RestClient:
    """Upstash's REST service, or something that speaks like it: every command a POST to / (nexnum.md#redis-url)."""

    def __init__(self, source: Source, url: str, token: str, timeout_s: float, ca_file: str) -> None:
        from upstash_redis.asyncio import Redis

        self._source = source
        # Plain values: base64 would have to be undone by us where a server doesn't know it.
        self._client = Redis(url=url, token=token, rest_encoding=None, rest_retries=0, allow_telemetry=False)
        # The library opens its client without time-outs, bounds or a CA, and has no way to be given one.
        self._http = open_client(source, url, timeout_s=timeout_s, ca_file=ca_file)
        self._http.event_hooks["response"].append(self._inspect)
        self._unused, self._client._http._client = self._client._http._client, self._http
        self._places = asyncio.Semaphore(REST_AT_ONCE)

    async def _inspect(self, response: httpx.Response) -> None:
        """The library takes a gateway's error document for the server's own refusal of the command."""
        refuse_redirect(self._source, response)
        if response.status_code >= 500 or response.status_code in (408, 499):
            at = f"{self._source.name} at {self._source.address}"
            raise Unreachable(
                self._source.name, f"{at} answers {response.status_code}: it, or a gateway before it, failed"
            )

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        answer: list[Any] = []
        for start in range(0, len(keys), SLICE):
            answer += await self._execute("MGET", *keys[start : start + SLICE])
        return [_plain(value) for value in answer]

    async def ttls(self, keys: Sequence[str]) -> list[int]:
        return [int(ttl) for ttl in await asyncio.gather(*(self._execute("PTTL", key) for key in keys))]

    async def scan(self, cursor: Cursor, pattern: str, count: int) -> tuple[Cursor | None, list[str]]:
        answer = await self._execute("SCAN", str(cursor[1]), "MATCH", pattern, "COUNT", str(count))
        following, keys = int(answer[0]), [str(key) for key in answer[1]]
        return (("", following) if following else None), keys

    async def text(self, *command: str) -> Any:
        return await self._execute(*command)

    async def keyed(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        from upstash_redis.errors import UpstashError

        async def one(command: Sequence[str]) -> Any:
            try:
                return await self._execute(*command)
            except UpstashError as error:
                return error

        return list(await asyncio.gather(*(one(command) for command in commands)))

    async def _execute(self, *command: str) -> Any:
        async with self._places:
            return await self._client.execute(list(command))

    async def close(self) -> None:
        await self._http.aclose()
        await self._unused.aclose()


def _plain(value: Any) -> str | None:
    """The service may hand out a stored `5` or `{"a":1}` decoded; it was text and is text again."""
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))
