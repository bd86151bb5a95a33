"""The polling path: a signal read at its cadence, each try a Reading, trouble in a source never an exception."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError
from ..model import Reading, Value, utc_now

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

Clock = Callable[[], datetime]
LEAST_S = 0.1  # between two turns


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing that the war room watches.

    `read(sources, settings, previous)` returns a new frozen value; `previous` is the last good one, for
    rates and histories. `every` and `timeout` are seconds. `wake`, where set, returns an event of the sources
    that ends the wait early.
    """

    name: str
    read: Callable[[Sources, Settings, Value | None], Awaitable[Value]]
    every: float = 2.0
    timeout: float = 4.0
    wake: Callable[[Sources], asyncio.Event | None] | None = None


async def read_once(
    signal: Signal, sources: Sources, settings: Settings, last: Reading | None = None, clock: Clock = utc_now
) -> Reading:
    """One try. A failure keeps the last good value and adds the error's sentence."""
    last = last or Reading(signal=signal.name, every=signal.every)
    try:
        async with asyncio.timeout(signal.timeout):
            value = await signal.read(sources, settings, last.value)
    except NotConfigured as error:
        return replace(last, absent=True, error=str(error), attempted_at=clock())
    except SourceError as error:
        return replace(last, error=str(error), attempted_at=clock())
    except TimeoutError:
        late = f"{signal.name} could not be read within {signal.timeout:g} s"
        return replace(last, error=late, attempted_at=clock())
    now = clock()
    return Reading(signal=signal.name, every=signal.every, value=value, taken_at=now, attempted_at=now)


async def readings(
    signal: Signal, sources: Sources, settings: Settings, clock: Clock = utc_now
) -> AsyncIterator[Reading]:
    """Readings without end. What is not configured is said once, and then nothing more."""
    last: Reading | None = None
    wake = signal.wake(sources) if signal.wake else None
    while True:
        began = time.monotonic()
        last = await read_once(signal, sources, settings, last, clock)
        yield last
        if last.absent:
            return
        await _pause(max(0.2, signal.every - (time.monotonic() - began)), wake, began)


async def _pause(seconds: float, wake: asyncio.Event | None, began: float) -> None:
    """Wait for the next turn; an event ends the wait early, but never makes two turns begin within 100 ms."""
    if wake is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
    wake.clear()
    await asyncio.sleep(max(0.0, LEAST_S - (time.monotonic() - began)))
