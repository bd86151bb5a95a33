"""NexNum's Redis as its processes use it: remembered while the past is played, the real server afterwards.

(nexnum.md#locks, #keys)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import redis.asyncio
from redis.exceptions import RedisError

from .clock import Clock

# The next free slot (epoch ms), and those after it pushed back by one.
RESERVE = (
    "local now, lasts = tonumber(ARGV[1]), tonumber(ARGV[2]) "
    "local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) local following = at + lasts "
    "local ttl = math.max(following - now + tonumber(ARGV[3]), tonumber(ARGV[4])) "
    "redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', string.format('%.0f', ttl)) "
    "return string.format('%.0f', at)"
)
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"


class KeysDown(Exception):
    """Redis gave no answer."""


class DrillKeyspace(Protocol):
    """The commands that NexNum's code uses. Times to live in seconds; raises KeysDown."""

    async def get(self, key: str) -> str | None: ...
    async def ttl(self, key: str) -> int: ...
    async def set(self, key: str, value: str, *, ex: int | None = None, nx: bool = False) -> bool: ...
    async def expire(self, key: str, seconds: int) -> None: ...
    async def delete(self, *keys: str) -> None: ...
    async def release(self, key: str, value: str) -> None: ...
    async def increment(self, key: str) -> int: ...
    async def score(self, key: str, member: str, score: int, ex: int) -> None: ...
    async def push(self, key: str, value: str, keep: int, ex: int) -> None: ...
    async def reserve(self, key: str, now_ms: int, lasts_ms: int, grace_ms: int, shortest_ms: int) -> int: ...


@dataclass
class _RememberedKey:
    value: Any
    expires: float | None = None  # epoch seconds


@dataclass
class RememberedKeys:
    """The keyspace of the played past; `copy_to` gives the real server what has not expired by then.

    `trouble(write=)` is why the server does not do it, or "".
    """

    clock: Clock
    entries: dict[str, _RememberedKey] = field(default_factory=dict)
    trouble: Callable[..., str] = lambda *, write: ""

    def _ask(self, *, write: bool = True) -> None:
        if error := self.trouble(write=write):
            raise KeysDown(error)

    def _entry(self, key: str) -> _RememberedKey | None:
        entry = self.entries.get(key)
        if entry is not None and entry.expires is not None and entry.expires <= self.clock.now():
            del self.entries[key]
            return None
        return entry

    async def get(self, key: str) -> str | None:
        self._ask(write=False)
        entry = self._entry(key)
        return None if entry is None else str(entry.value)

    async def ttl(self, key: str) -> int:
        self._ask(write=False)
        entry = self._entry(key)
        if entry is None:
            return -2
        return -1 if entry.expires is None else int(entry.expires - self.clock.now() + 0.5)

    async def set(self, key: str, value: str, *, ex: int | None = None, nx: bool = False) -> bool:
        self._ask()
        if nx and self._entry(key) is not None:
            return False
        self.entries[key] = _RememberedKey(value, None if ex is None else self.clock.now() + ex)
        return True

    async def expire(self, key: str, seconds: int) -> None:
        self._ask()
        entry = self._entry(key)
        if entry is not None:
            entry.expires = self.clock.now() + seconds

    async def delete(self, *keys: str) -> None:
        self._ask(write=False)
        for key in keys:
            self.entries.pop(key, None)

    async def release(self, key: str, value: str) -> None:
        self._ask(write=False)
        if await self.get(key) == value:
            await self.delete(key)

    async def increment(self, key: str) -> int:
        self._ask()
        entry = self._entry(key) or self.entries.setdefault(key, _RememberedKey(0))
        entry.value = int(entry.value) + 1
        return int(entry.value)

    async def score(self, key: str, member: str, score: int, ex: int) -> None:
        self._ask()
        entry = self._entry(key) or self.entries.setdefault(key, _RememberedKey({}))
        entry.value = {m: s for m, s in entry.value.items() if s > score - 1000 * ex} | {member: score}
        entry.expires = self.clock.now() + ex

    async def push(self, key: str, value: str, keep: int, ex: int) -> None:
        self._ask()
        entry = self._entry(key) or self.entries.setdefault(key, _RememberedKey([]))
        entry.value = [value, *entry.value[: keep - 1]]
        entry.expires = self.clock.now() + ex

    async def reserve(self, key: str, now_ms: int, lasts_ms: int, grace_ms: int, shortest_ms: int) -> int:
        """The time (ms) of the slot taken; the key holds that of the next, and lasts until some time after it."""
        self._ask()
        at = max(now_ms, int(await self.get(key) or 0))
        ttl_ms = max(at + lasts_ms - now_ms + grace_ms, shortest_ms)
        self.entries[key] = _RememberedKey(str(at + lasts_ms), self.clock.now() + ttl_ms / 1000)
        return at

    async def copy_to(self, client: redis.asyncio.Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        for key in list(self.entries):
            entry = self._entry(key)
            if entry is None:
                continue
            if isinstance(entry.value, dict):
                pipeline.zadd(key, entry.value)
            elif isinstance(entry.value, list):
                pipeline.rpush(key, *entry.value)
            else:
                pipeline.set(key, entry.value)
            if entry.expires is not None:
                pipeline.pexpireat(key, int(entry.expires * 1000))
        await pipeline.execute()


class RedisKeys:
    """The same on the real server."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise KeysDown(str(error)) from error

    async def get(self, key: str) -> str | None:
        async with self._asking():
            # A client that decodes its replies has no bytes in them.
            return cast("str | None", await self.client.get(key))

    async def ttl(self, key: str) -> int:
        async with self._asking():
            return int(await self.client.ttl(key))

    async def set(self, key: str, value: str, *, ex: int | None = None, nx: bool = False) -> bool:
        async with self._asking():
            return bool(await self.client.set(key, value, ex=ex, nx=nx))

    async def expire(self, key: str, seconds: int) -> None:
        async with self._asking():
            await self.client.expire(key, seconds)

    async def delete(self, *keys: str) -> None:
        async with self._asking():
            await self.client.delete(*keys)

    async def release(self, key: str, value: str) -> None:
        async with self._asking():
            await self.client.eval(RELEASE, 1, key, value)

    async def increment(self, key: str) -> int:
        async with self._asking():
            return int(await self.client.incr(key))

    async def score(self, key: str, member: str, score: int, ex: int) -> None:
        async with self._asking():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.zadd(key, {member: score})
            pipeline.zremrangebyscore(key, 0, score - 1000 * ex)
            pipeline.expire(key, ex)
            await pipeline.execute()

    async def push(self, key: str, value: str, keep: int, ex: int) -> None:
        async with self._asking():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.lpush(key, value)
            pipeline.ltrim(key, 0, keep - 1)
            pipeline.expire(key, ex)
            await pipeline.execute()

    async def reserve(self, key: str, now_ms: int, lasts_ms: int, grace_ms: int, shortest_ms: int) -> int:
        async with self._asking():
            words = map(str, (now_ms, lasts_ms, grace_ms, shortest_ms))
            return int(await self.client.eval(RESERVE, 1, key, *words))
