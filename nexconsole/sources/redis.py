"""Redis, read-only: no writes, never KEYS, a bounded number of commands. (nexnum.md#redis-url, #keys)"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadAnswer, Denied, SettingsError, SourceError, TimedOut, Unreachable
from ..text.sanitize import clean, clean_name
from ..text.units import period
from . import http_client
from .lazy_clients import LazyClients
from .redis_address import RedisKind, parse_address
from .redis_clients import Cursor, RedisClient, open_redis
from .socket_errors import numbered_error, socket_error
from .source import Source

if TYPE_CHECKING:
    from .. import settings

AT_ONCE = 2  # exchanges, and so connections
SCAN_STEP = 500  # keys that one SCAN looks at
VALUE_LENGTH = 500
VALUE_SHOWN = 200  # characters of a value of INFO
LONGEST_FIGURE = 20
_FIGURE = re.compile(r"[0-9]+(\.[0-9]+)?")
CLOSE_TIMEOUT_S = 0.5


@dataclass(frozen=True, kw_only=True)
class KeyScan:
    """A part of the keys. `keys` are identities: exactly as stored, leading spaces and all, so clean() them to draw.

    `cursor` continues the walk where it ended; None: every key has been looked at.
    """

    keys: tuple[str, ...]
    cursor: Cursor | None


def _value(text: str) -> str:
    """A value of INFO, fit to be shown; the plain figures, which most are, need no closer look."""
    return text if len(text) <= LONGEST_FIGURE and _FIGURE.fullmatch(text) else clean(text, VALUE_SHOWN)


class RedisSource(Source):
    """The keyspace that NexNum shares with its breakers and locks. Every call raises SourceErrors only."""

    name = "redis"
    module = "redis.asyncio"

    def __init__(self, clients: LazyClients, settings: settings.RedisSettings) -> None:
        self._where = parse_address(settings.url)
        super().__init__(clients, str(self._where))
        self.settings = settings
        if self._where.kind is RedisKind.REST:
            self.module = "upstash_redis.asyncio"
            if not settings.token:
                raise SettingsError("redis.token (UPSTASH_REDIS_REST_TOKEN) is needed for a redis.url with https://")
            http_client.header_value("redis.token", settings.token)
        self._opened: RedisClient | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def peek(self, keys: Sequence[str]) -> list[tuple[str | None, int]]:
        """For each key its value and PTTL in milliseconds: -1 has no TTL, (None, -2) is no key, or not a string.

        One command a 500 keys, and one more for each key that is there: a calm Redis is asked little.
        """
        if not keys:
            return []
        async with self._client("the values of some keys") as client:
            values = await client.values(keys)
            held = [key for key, value in zip(keys, values, strict=True) if value is not None]
            ttls = dict(zip(held, await client.ttls(held) if held else [], strict=True))
        peeks: list[tuple[str | None, int]] = []
        for key, value in zip(keys, values, strict=True):
            ttl = -2 if value is None else int(ttls[key])
            # -2 for a key that had a value: it expired between the two questions.
            peeks.append((None, -2) if value is None or ttl == -2 else (_harmless(value), ttl))
        return peeks

    async def values(self, keys: Sequence[str]) -> list[str | None]:
        """Each key's value as `peek` has it, without its TTL; None is no key, or not a string."""
        if not keys:
            return []
        async with self._client("the values of some keys") as client:
            values = await client.values(keys)
        return [None if value is None else _harmless(value) for value in values]

    async def try_reads(self) -> None:
        """Ask with each command that `peek` uses, on a key that need not be there; Denied where an ACL forbids one."""
        async with self._client("the values of some keys") as client:
            await client.values(["health:doctor:circuit"])
            await client.ttls(["health:doctor:circuit"])

    async def scan(self, pattern: str, budget: int = 10_000, cursor: Cursor | None = None) -> KeyScan:
        """The keys that match, of about `budget` keys looked at from `cursor` on. Never KEYS."""
        found: dict[str, None] = {}
        position: Cursor | None = cursor or ("", 0)
        async with self._client("a scan of its keys") as client:
            for _ in range(max(1, budget // SCAN_STEP)):
                if position is None:
                    break
                position, keys = await client.scan(position, pattern, SCAN_STEP)
                found |= dict.fromkeys(keys)
        return KeyScan(keys=tuple(found), cursor=position)

    async def ping(self) -> None:
        async with self._client("PING") as client:
            await client.text("PING")

    async def time(self) -> float:
        """The server's clock, in seconds since 1970: what values and TTLs are to be compared with."""
        async with self._client("TIME") as client:
            seconds, microseconds = await client.text("TIME")
            return int(seconds) + int(microseconds) / 1e6

    async def info(self, section: str = "", wanted: Callable[[str], bool] | None = None) -> Mapping[str, str]:
        """INFO's figures by name, such as redis_version, role, used_memory_human; of one section, if it is named.

        `wanted` chooses among the names; there are some hundred.
        """
        async with self._client("INFO") as client:
            answer = await client.text("INFO", *filter(None, (section,)))
        if isinstance(answer, Mapping):
            return {
                clean_name(str(name), 80): _value(str(value))
                for name, value in answer.items()
                if wanted is None or wanted(str(name))
            }
        pairs = (line.partition(":") for line in str(answer).splitlines() if not line.startswith("#"))
        return {
            clean_name(name, 80): _value(value)
            for name, colon, value in pairs
            if colon and (wanted is None or wanted(name))
        }

    @asynccontextmanager
    async def _client(self, what: str) -> AsyncIterator[RedisClient]:
        async with self.exchange(self.settings.timeout_s, what), self._places:
            if self._opened is None:
                self._opened = open_redis(
                    self,
                    self._where,
                    token=self.settings.token,
                    timeout_s=self.settings.timeout_s,
                    ca_file=self.settings.ca_file,
                )
            yield self._opened

    def explain(self, error: Exception) -> SourceError | None:
        if self._where.kind is RedisKind.REST:
            return self._explain_rest(error)
        import redis.exceptions as kinds

        at, said = f"redis at {self.address}", clean(error, 300)
        if (code := CODES.get(type(error).__name__)) and code not in said:
            said = f"{code} {said}"
        if isinstance(error, kinds.TimeoutError):
            return TimedOut(self.name, f"{at} did not answer within {period(self.settings.timeout_s)}")
        if type(error).__name__ == "MasterNotFoundError":
            return self._explain_sentinels(str(error))
        if (known := self._explain_word(said)) is not None:
            return known
        if isinstance(error, kinds.AuthenticationError):
            return Denied(self.name, f"{at} refused the login: {said}. Check user and password in redis.url")
        if isinstance(error, (kinds.InvalidResponse, kinds.DataError, ValueError, TypeError, IndexError)):
            return BadAnswer(self.name, f"{at} does not speak Redis' protocol: {clean(said, 120)}. Check host and port")
        if isinstance(error, kinds.ConnectionError) and (cause := socket_error(error)) is not None:
            return self._network(cause)
        if isinstance(error, kinds.ConnectionError) and (cause := numbered_error(error)) is not None:
            return self._network(cause)
        if isinstance(error, (kinds.ConnectionError, kinds.RedisClusterException)):
            return Unreachable(self.name, f"{at}: the connection broke: {said}")
        if isinstance(error, kinds.RedisError):
            return SourceError(self.name, f"{at}: {said}")
        return None

    def _explain_sentinels(self, said: str) -> SourceError:
        """The library lists what each sentinel did, by the kinds of their errors."""
        if "AuthenticationError" in said:
            wanted = "they refuse the password of ?sentinel_password= in redis.url, or want one"
            return Denied(self.name, f"redis at {self.address}, its sentinels: {wanted}")
        if "ConnectionError" in said or "TimeoutError" in said:
            return Unreachable(self.name, f"redis at {self.address}: no sentinel that answers knows a healthy master")
        return Unreachable(self.name, f"redis at {self.address}: its sentinels know no healthy master of that name")

    def _explain_word(self, said: str) -> SourceError | None:
        """The sentences for the server's own words, which the library and its sentinels repeat in their errors."""
        at = f"redis at {self.address}"
        for word, kind, sentence in WORDS:
            if word in said:
                return kind(self.name, f"{at} {sentence.format(said=said)}")
        return None

    def _explain_rest(self, error: Exception) -> SourceError | None:
        from upstash_redis.errors import UpstashError

        at, said = f"redis at {self.address}", clean(error, 300)
        if isinstance(error, UpstashError):
            if "auth" in said.lower() and not said.startswith("NOPERM"):
                return Denied(self.name, f"{at} refused the token: {said}. Check redis.token")
            return self._explain_word(said) or SourceError(self.name, f"{at}: {said}")
        if (known := http_client.explain(self, error)) is not None:
            return known
        if isinstance(error, (ValueError, KeyError, TypeError, AttributeError, IndexError)):
            return BadAnswer(self.name, f"{at} answers something that is not Upstash's JSON: {clean(repr(error), 120)}")
        return None

    async def close(self) -> None:
        if self._opened is not None:
            client, self._opened = self._opened, None
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await client.close()


def _harmless(value: str) -> str:
    """The value as clean() gives it; most are numbers, of which there may be a thousand every two seconds."""
    return value if value.isascii() and value.isdigit() and len(value) <= VALUE_LENGTH else clean(value, VALUE_LENGTH)


# redis-py takes the server's code off these errors' texts.
CODES = {
    "BusyLoadingError": "LOADING",
    "ReadOnlyError": "READONLY",
    "MovedError": "MOVED",
    "AskError": "MOVED",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "NoPermissionError": "NOPERM",
}
# What a server (or the library in its place) says -> what it means here.
WORDS: tuple[tuple[str, type[SourceError], str], ...] = (
    ("WRONGPASS", Denied, "refused the password: check redis.url"),
    ("invalid username-password pair", Denied, "refused the password: check redis.url"),
    ("invalid password", Denied, "refused the password: check redis.url"),
    ("NOAUTH", Denied, "wants a password, and redis.url has none"),
    ("Authentication required", Denied, "wants a password, and redis.url has none"),
    ("without any password configured", Denied, "has no password set, and redis.url gives one: take it out"),
    ("NOPERM", Denied, "does not let this user read: {said}. Ask for +@read, +ping, +info and ~*"),
    ("has no permissions", Denied, "does not let this user read: {said}. Ask for +@read, +ping, +info and ~*"),
    ("LOADING", Unreachable, "is loading its data from disk: wait"),
    ("MASTERDOWN", Unreachable, "is a replica that has lost its master: {said}"),
    ("CLUSTERDOWN", Unreachable, "is a cluster that is down: {said}"),
    ("MOVED", BadAnswer, "is part of a cluster: write redis+cluster:// in redis.url"),
    ("hash to the same slot", BadAnswer, "is part of a cluster: write redis+cluster:// in redis.url"),
    ("cluster support disabled", BadAnswer, "is no cluster: write redis:// in redis.url"),
    ("Cluster mode is not enabled", BadAnswer, "is no cluster: write redis:// in redis.url"),
    ("READONLY", SourceError, "is a replica that can't be written to: {said}"),
    ("invalid DB index", SourceError, "has no such database: check the number at the end of redis.url"),
    ("DB index is out of range", SourceError, "has no such database: check the number at the end of redis.url"),
)
