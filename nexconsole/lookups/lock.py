"""One lock: its value, its end, and what speaks for deleting it. (nexnum.md#locks)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import Value, utc_now
from ..signals.lock_keys import GONE, Lock, judge

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class LockKey(Value):
    """`lock` as it is judged now; None where the key is not there any more."""

    found: bool
    lock: Lock | None = None


async def read(sources: Sources, settings: Settings, subject: Subject) -> LockKey:
    key = subject.arguments["lock"]
    [(value, pttl)] = await sources.redis.peek([key])
    if pttl == GONE:
        return LockKey(source="redis", found=False)
    return LockKey(source="redis", found=True, lock=judge(key, value, pttl, settings.locks, utc_now()))
