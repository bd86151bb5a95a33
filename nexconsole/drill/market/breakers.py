"""The two breakers that gate purchases: a pod's own (A) and the shared one in Redis (B).

(nexnum.md#breakers, #breaker-rules, #breaker-keys)
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..schema import Era
from .clock import Clock, Work
from .keyspace import DrillKeyspace

WINDOW_S = 10.0
FAILURES_TO_OPEN = 5
SUCCESSES_TO_CLOSE = 3
SHARED_OPEN_S = 30
UNCOUNTED = ("UNKNOWN", "NO_STOCK", "NO_BALANCE")  # @HEAD: these lower the success rate and trip nothing


@dataclass
class PodBreaker:
    """opossum: 50 % of a rolling 10 s; half-open by a timer, closed only by a request that succeeds.

    `spawn` runs the timer in the pod's process; `changed` is told each transition ("open", "half-open", "closed").
    """

    clock: Clock
    spawn: Callable[[Work], object]
    changed: Callable[[str], None]
    volume: int = 5  # @HEAD; 0 @old: one failure opens it
    cooldown_s: float = 30.0  # @HEAD; 15 @old
    state: str = "closed"
    _probing: bool = False
    _opening: int = 0
    _fires: deque[float] = field(default_factory=deque)
    _failures: deque[float] = field(default_factory=deque)

    def admits(self) -> bool:
        """Whether a request may go out now; True counts as one that does."""
        if self.state == "open" or (self.state == "half-open" and self._probing):
            return False
        self._probing = self.state == "half-open"
        self._fires.append(self.clock.now())
        self._forget()
        return True

    def succeeded(self) -> None:
        if self.state == "half-open":
            self._fires.clear()
            self._failures.clear()
            self._change("closed")

    def failed(self) -> None:
        self._failures.append(self.clock.now())
        self._forget()
        enough = len(self._fires) >= self.volume and len(self._failures) > 0.5 * len(self._fires)
        if self.state == "half-open" or (self.state == "closed" and enough):
            self._opening += 1
            self._change("open")
            self.spawn(self._cool_down(self._opening))

    def _forget(self) -> None:
        for times in (self._fires, self._failures):
            while times and times[0] < self.clock.now() - WINDOW_S:
                times.popleft()

    async def _cool_down(self, opening: int) -> None:
        await self.clock.sleep(self.cooldown_s)
        if self.state == "open" and opening == self._opening:
            self._change("half-open")

    def _change(self, state: str) -> None:
        self.state = state
        self._probing = False
        self.changed(state)


@dataclass
class SharedBreaker:
    """The health monitor's breaker of one provider, in Redis under its uuid.

    `opened` is told (consecutive failures, error type, seconds), `log_health` writes a provider_health_logs row
    (status, success rate 0..1, average latency ms, error count).
    """

    clock: Clock
    keys: DrillKeyspace
    provider_id: str
    era: Era
    opened: Callable[[int, str, int], None]
    log_health: Callable[[str, float, int, int], Awaitable[None]]

    def key(self, part: str) -> str:
        return f"health:{self.provider_id}:{part}"

    @property
    def _failures_key(self) -> str:
        return (" " if self.era == "old" else "") + self.key("failures")

    async def admits(self) -> bool:
        """The application's check; it writes `half-open` where the key is about to expire."""
        if await self.keys.get(self.key("circuit")) != "open":
            return True
        if await self.keys.ttl(self.key("circuit")) == 0:
            await self.keys.set(self.key("circuit"), "half-open")
            return True
        return False

    async def succeeded(self, latency_s: float) -> None:
        await self._note(True, latency_s)
        await self.keys.push(self.key("latency"), str(int(latency_s * 1000)), 100, 3600)
        await self.keys.delete(self.key("failures"))  # @old this misses the key with the leading space
        if self.era == "head":
            await self.keys.delete(self.key("retryCount"))
        if await self.keys.get(self.key("circuit")) != "half-open":
            return
        if await self.keys.increment(self.key("halfOpenSuccess")) >= SUCCESSES_TO_CLOSE:
            await self.close()
            await self.log_health("healthy", 1.0, int(latency_s * 1000), 0)

    async def failed(self, kind: str, latency_s: float) -> None:
        await self._note(False, latency_s)
        if self.era == "head" and kind in UNCOUNTED:
            return
        at = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        last = at if self.era == "old" else f"{at} - {kind}"
        await self.keys.set(self.key("lastError"), last, ex=3600)
        failures = await self.keys.increment(self._failures_key)
        seconds = SHARED_OPEN_S
        if self.era == "head":
            retries = await self.keys.increment(self.key("retryCount"))
            seconds *= min(10, 2 ** (retries - 1))
        if failures >= FAILURES_TO_OPEN or await self.keys.get(self.key("circuit")) == "half-open":
            await self.open(seconds)
            self.opened(failures, kind, seconds)
            await self.log_health("down", 0.0, int(latency_s * 1000), failures if self.era == "head" else 0)

    async def open(self, seconds: int = SHARED_OPEN_S) -> None:
        await self.keys.set(self.key("circuit"), "open", ex=seconds)
        await self.keys.delete(self.key("halfOpenSuccess"))

    async def close(self) -> None:
        """As by hand: the retry count stays. (nexnum.md#breaker-control)"""
        await self.keys.delete(self.key("circuit"), self.key("failures"), self.key("halfOpenSuccess"))

    async def _note(self, success: bool, latency_s: float) -> None:
        now_ms = int(self.clock.now() * 1000)
        entry = {"success": success, "latency": int(latency_s * 1000), "timestamp": now_ms}
        await self.keys.score(self.key("requests"), json.dumps(entry, separators=(",", ":")), now_ms, 120)
