"""Verdict on opening or closing a shared breaker: from its key, later attempts at the provider, and customers' results.

(nexnum.md#breakers, #breaker-rules, #slots)
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ..errors import SourceError
from ..text.units import duration, remaining, several
from . import failure_rate_change, in_flight, provider_verdicts
from .action import Context
from .plan import Plan, Verdict

OPEN_FOR_S = 8.0  # so long an open breaker is watched, to see who goes there all the same
RACE_S = 2.0  # who asked for the breaker before it opened
MANY = 3  # purchases that are sent there in spite of it


def key_of(provider_id: str) -> str:
    return f"health:{provider_id}:circuit"


class CircuitWatch:
    """Polls a breaker's key until it is clear whether it became `wanted` and stayed so."""

    def __init__(self, plan: Plan, wanted: str, context: Context) -> None:
        self._plan, self._wanted, self._context = plan, wanted, context
        self._id, self._name = plan.targets[0].id, str(plan.targets[0].identity["name"])
        self._began = asyncio.get_running_loop().time()
        self._seen = False

    async def look(self, last: bool) -> Verdict | None:
        """Raises SourceError where the key can't be read."""
        if not self._context.sources.has("redis"):
            return Verdict(state="unknown", because="the breaker's key can't be read: redis is not configured")
        value, left_ms = (await self._context.sources.redis.peek([key_of(self._id)]))[0]
        state = value or "closed"
        if state == self._wanted:
            self._seen = True
            return await (self._open(left_ms, last) if state == "open" else self._closed(last))
        if self._seen:
            why = f": {self._name} still fails" if self._wanted == "closed" else ""
            return Verdict(state="no effect", because=f"it was {self._wanted} and is {state} again{why}")
        if last:
            said = f"the key says {state} as before: this version's route may not know it"
            return Verdict(state="no effect", because=said)
        return None

    @property
    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def _open(self, left_ms: int, last: bool) -> Verdict | None:
        worse, fared = await self._customers()
        if worse is not None:
            return worse
        if self._elapsed < OPEN_FOR_S and not last:
            return None
        said = f"the key says open, for {remaining(left_ms / 1000)} more"
        with contextlib.suppress(SourceError):
            late = 0
            if self._elapsed > RACE_S:
                late = (await provider_verdicts.since(self._context, self._name, self._elapsed - RACE_S)).attempts
            if late >= MANY:
                because = f"{said}, but {several(late, 'purchase')} began at {self._name} since all the same"
                return Verdict(state="no effect", because=because)
            said += await self._waiting()
        return Verdict(state="worked", because=said + fared)

    async def _waiting(self) -> str:
        waited: Any = self._plan.details["under_way"]
        if not waited:
            return ""
        left = await in_flight.left(self._context, self._name, self._elapsed)
        return f"; of {several(waited, 'purchase')} in flight then {min(left, waited)} still are"

    async def _closed(self, last: bool) -> Verdict | None:
        """A failing provider reopens it at once, so closed must last before it counts as worked."""
        worse, fared = await self._customers()
        if worse is not None or not last:
            return worse
        because = f"the key is gone, and stayed so for {duration(self._plan.deadline_s)}{fared}"
        return Verdict(state="worked", because=because)

    async def _customers(self) -> tuple[Verdict | None, str]:
        """A verdict where more customers fail than before; else their results in words."""
        then = failure_rate_change.restored(self._plan.details["before"])
        now = None
        with contextlib.suppress(SourceError):
            now = await failure_rate_change.measure(self._context, self._elapsed, then.source) if then else None
        if then is None or now is None:
            return None, ""
        if failure_rate_change.worse(then, now, self._context):
            then, now = failure_rate_change.comparable(then, now)
            because = f"{now} of the customers got nothing since, {then} before: {now.customers}"
            return Verdict(state="worse", because=because), ""
        return None, f"; since: {now.customers}"
