"""The queue in front of each provider @HEAD: upstream calls of all pods together go out one slot apart.

(nexnum.md#slots)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..drill_clock import DrillClock
from .clock import Clock
from .keyspace import DrillKeyspace, KeysDown

REAL_SPACING_S = 2.0  # between two upstream calls of a provider, in the application
GRACE_MS = 10_000
SHORTEST_MS = 60_000
POLL_EVERY_S = 20.0  # the worker asks for the state of every live number once in so long


def slot_key(provider_id: str) -> str:
    """It holds the time, in epoch ms, of the next slot that is free."""
    return f"ratelimit:provider:{provider_id}"


@dataclass
class SlotQueues:
    """`spacing_s` is drill time, so that a faster drill has as many slots for as many customers.

    A slot that was taken is never given back: who gives up waiting has pushed all others back all the same.
    """

    clock: Clock
    drill_clock: DrillClock
    keys: DrillKeyspace
    provider_ids: Mapping[str, str]
    spacing_s: float

    async def wait(self, provider: str) -> None:
        """Take the next slot and wait for it. Where Redis is down nobody waits."""
        at_ms = await self.take(provider, self.spacing_s / self.drill_clock.speed)
        await self.clock.sleep(max(0.0, at_ms / 1000 - self.clock.now()))

    async def take(self, provider: str, lasts_s: float) -> float:
        """When the slot begins, in epoch ms; the next one begins `lasts_s` later."""
        now_ms = int(self.clock.now() * 1000)
        try:
            key = slot_key(self.provider_ids[provider])
            return await self.keys.reserve(key, now_ms, max(1, int(lasts_s * 1000)), GRACE_MS, SHORTEST_MS)
        except KeysDown:
            return now_ms
