"""Finds and reads lock keys for a plan. The signals judge them. (nexnum.md#locks)

Keys and values are identities: they are kept exactly as stored. Listed but never chosen: a key that can't be displayed
as stored, a key of another type, a value too long for a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..signals.lock_keys import GONE, LONGEST, Lock, judge, owner, showable
from ..sources.redis_clients import Cursor, RedisClient
from .action import Context
from .plan import Scalar, Target

if TYPE_CHECKING:
    from ..settings import LocksSettings

SCAN_STEP = 500
MOST_LOOKED_AT = 2_000_000  # keys of the whole keyspace that one preview walks past
MOST_FOUND = 5_000


def as_target(lock: Lock, chosen: bool) -> Target:
    """A lock as a plan shows it."""
    shown: dict[str, Scalar] = {
        "pttl_ms": lock.pttl,
        "age_s": None if lock.age_s is None else round(lock.age_s, 1),
        "owner": owner(lock.key),
        "because": lock.why_not or lock.suspicious,
    }
    return Target(
        kind="key",
        id=lock.key if showable(lock.key) else ascii(lock.key)[:LONGEST],
        identity={"value": lock.value if lock.value is not None and showable(lock.value) else None},
        shown=shown,
        chosen=chosen,
    )


async def walk(client: RedisClient, pattern: str, context: Context) -> tuple[list[str], bool]:
    """The keys that match, by SCAN, and whether the scan was complete. Stops at the bounds and when cancelled."""
    found: dict[str, None] = {}
    cursor: Cursor | None = ("", 0)
    looked = 0
    while cursor is not None:
        cursor, keys = await client.scan(cursor, pattern, SCAN_STEP)
        found |= dict.fromkeys(keys)
        looked += SCAN_STEP
        if looked % (20 * SCAN_STEP) == 0:
            context.progress(f"looked at about {looked} keys, {len(found)} match {pattern}")
        if context.cancelled() or looked >= MOST_LOOKED_AT or len(found) >= MOST_FOUND:
            return list(found)[:MOST_FOUND], cursor is None and len(found) <= MOST_FOUND
    return list(found), True


async def look(client: RedisClient, keys: Sequence[str], rules: LocksSettings, now: datetime) -> list[Lock]:
    """Each key with its value and TTL, the most suspicious first. Keys that expired meanwhile are left out."""
    values = await client.values(keys) if keys else []
    ttls = await client.ttls(keys) if keys else []
    locks = [
        judge(key, value, int(ttl), rules, now)
        for key, value, ttl in zip(keys, values, ttls, strict=True)
        if int(ttl) != GONE
    ]
    return sorted(locks, key=lambda lock: lock.order)


async def now_ms(client: RedisClient, context: Context) -> int:
    """The server's clock. TTLs run by it, and it outlives this console (nexnum.md#locks)."""
    try:
        seconds, micros = await client.text("TIME")
        return int(seconds) * 1000 + int(micros) // 1000
    except Exception as error:
        if "NOPERM" not in str(error) and "permission" not in str(error):
            raise
        return int(context.clock().timestamp() * 1000)


async def peek(context: Context, keys: Sequence[str]) -> dict[str, tuple[str | None, int]]:
    """Each key's value and PTTL as the Redis source reads them; raises SourceError."""
    answers = await context.sources.redis.peek(keys)
    return dict(zip(keys, answers, strict=True))
