"""Lock keys as they are found: value, time to live, age where the value tells it, owner, and how suspicious. (facts 4)

Keys and values are identities: they are kept exactly as stored. Those that could not be shown so are listed, but never
chosen; nor is what can't be a lock: another type, a value too long for a token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..sources.redis_clients import Client, Cursor
from ..sources.text import clean, strip_controls
from .action import Context
from .plan import Target

if TYPE_CHECKING:
    from ..settings import Locks

SCAN_STEP = 500
MOST_LOOKED_AT = 2_000_000  # keys of the whole keyspace that one preview walks past
MOST_FOUND = 5_000
YOUNG_S = 10.0  # the oldest versions take a lock first and give it its TTL then: so young, it may be on its way
LONGEST = 500  # characters of a key or value that can be a lock's
EPOCH_MS = re.compile(r"^(\d{13})(?:_|$)")  # NexNum's locks hold the moment they were taken, in ms
ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NO_TTL, GONE = -1, -2


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One key of a family. `pttl` in ms, -1 for none; `age_s` None where the value doesn't tell; `why_not` says why
    it is left alone although it was asked for."""

    key: str
    value: str | None
    pttl: int
    age_s: float | None
    suspicious: str = ""
    why_not: str = ""

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        """By suspicion: without TTL first, then the oldest."""
        return bool(self.why_not), self.pttl != NO_TTL, -(self.age_s or 0.0), self.key

    def target(self, chosen: bool) -> Target:
        shown: dict[str, str | int | float | bool | None] = {
            "pttl_ms": self.pttl,
            "age_s": None if self.age_s is None else round(self.age_s, 1),
            "owner": owner(self.key),
            "because": self.why_not or self.suspicious,
        }
        return Target(
            kind="key",
            id=self.key if showable(self.key) else ascii(self.key)[:LONGEST],
            identity={"value": self.value if self.value is not None and showable(self.value) else None},
            shown=shown,
            chosen=chosen,
        )


def showable(text: str) -> bool:
    """Whether what is shown of it is exactly what it is."""
    return len(text) <= LONGEST and text.isprintable() and text == text.strip() and strip_controls(text) == text


def owner(key: str) -> str:
    """Whose lock it is, as far as the key says: a user's or a number's id, else what stands after the family."""
    found = ID.search(key)
    return clean(found[0] if found else key.rpartition(":")[2], 80)


def forbidden(key: str, rules: Locks) -> str | None:
    """The pattern of what is never to be touched that this key matches."""
    return next((pattern for pattern in rules.never if fnmatchcase(key.strip(), pattern)), None)


async def walk(client: Client, pattern: str, context: Context) -> tuple[list[str], bool]:
    """The keys that match, by SCAN, and whether that are all; stops at the bounds and when cancelled."""
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


async def look(client: Client, keys: Sequence[str], rules: Locks, now: datetime) -> list[Lock]:
    """Each key with its value and TTL, the most suspicious first; what expired meanwhile is left out."""
    values = await client.values(keys) if keys else []
    ttls = await client.ttls(keys) if keys else []
    locks = [
        judge(key, value, int(ttl), rules, now)
        for key, value, ttl in zip(keys, values, ttls, strict=True)
        if int(ttl) != GONE
    ]
    return sorted(locks, key=lambda lock: lock.order)


def judge(key: str, value: str | None, pttl: int, rules: Locks, now: datetime) -> Lock:
    """What speaks for deleting it and what against."""
    stamp = EPOCH_MS.match(value or "")
    age = max(0.0, now.timestamp() - int(stamp[1]) / 1000) if stamp else None
    why_not = ""
    if pattern := forbidden(key, rules):
        why_not = f"never to be touched: {pattern}"
    elif value is None:
        why_not = "it holds no text: that is no lock"
    elif not showable(key) or not showable(value):
        why_not = "its key or value can't be shown as it is: use redis-cli"
    suspicious = ""
    if pttl == NO_TTL and (age is None or age >= YOUNG_S):
        suspicious = "it has no TTL: it stays until somebody deletes it"
    elif age is not None and age > rules.older_than_s:
        suspicious = f"it is older than {rules.older_than_s} s"
    return Lock(key=key, value=value, pttl=pttl, age_s=age, suspicious=suspicious, why_not=why_not)


async def now_ms(client: Client, context: Context) -> int:
    """The server's own clock: its TTLs run by it, and it outlives this console (facts 8.22)."""
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
