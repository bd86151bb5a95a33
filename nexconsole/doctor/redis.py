"""Redis: whether circuits, locks, slots and its own state are readable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..signals import slots
from ..signals.locks import walks, watched_families
from ..text.units import milliseconds
from .check import Check, attempt

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.redis import RedisSource


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    redis = sources.redis
    await redis.ping()
    yield Check(
        area="redis",
        what="connection",
        state="ok",
        said=f"{redis.address} answers in {milliseconds(redis.health.latency_ms)}",
    )

    async def peek() -> str:
        await redis.try_reads()
        return "MGET and PTTL are allowed"

    yield await attempt("redis", "reading circuits", peek, "allow MGET and PTTL on health:* to this user (ACL SETUSER)")
    patterns = tuple(watched_families(settings.locks).values())

    async def sweep() -> str:
        for pattern in walks(patterns):
            await redis.scan(pattern, 1)
        await redis.peek([pattern.replace("*", "nexconsole-doctor") for pattern in patterns])
        return f"SCAN is allowed, and reading {', '.join(patterns) or 'no lock: locks.watch is empty'}"

    advice = f"allow SCAN, and MGET and PTTL on {' '.join(patterns)}, to this user (ACL SETUSER)"
    yield await attempt("redis", "watching locks", sweep, advice)
    async for check in turns_and_data(redis):
        yield check


async def turns_and_data(redis: RedisSource) -> AsyncIterator[Check]:
    """A missing permission is a warning: nothing else needs it."""

    async def turns() -> str:
        await redis.time()
        await redis.peek([slots.KEY.format("nexconsole-doctor")])
        return "TIME is allowed, and reading ratelimit:provider:*"

    advice = "allow TIME, and MGET and PTTL on ratelimit:provider:*, to this user (ACL SETUSER)"
    yield await attempt("redis", "watching slots", turns, advice, worst="warn")

    async def info() -> str:
        told = await redis.info()
        return "INFO tells " + ("its run id" if told.get("run_id") else "no run id: a restart can't be told")

    advice = "allow INFO to this user: without it nobody sees that Redis lost its data"
    yield await attempt("redis", "watching its data", info, advice, worst="warn")
