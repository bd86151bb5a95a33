"""Polling: each signal is read at its cadence, each attempt is a Reading; a source's failure never raises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import Denied, NotConfigured, SourceError
from ..model import Reading, utc_now
from ..text.units import period
from .figure_memory import remembered

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from .signal import Signal

Clock = Callable[[], datetime]
LEAST_S = 0.1  # between two turns


async def read_once(
    signal: Signal[Any], sources: Sources, settings: Settings, last: Reading | None = None, clock: Clock = utc_now
) -> Reading:
    """One try. A failure keeps the last good value and adds the error's sentence. What was read is remembered."""
    last = last or Reading(signal=signal.name, every=signal.every)
    return remembered(sources, signal, await _tried(signal, sources, settings, last, clock))


async def _tried(signal: Signal[Any], sources: Sources, settings: Settings, last: Reading, clock: Clock) -> Reading:
    try:
        async with asyncio.timeout(signal.timeout):
            value = await signal.read(sources, settings, last.value)
    except NotConfigured as error:
        return replace(last, absent=True, error=str(error), attempted_at=clock())
    except SourceError as error:
        return replace(last, error=str(error), denied=isinstance(error, Denied), attempted_at=clock())
    except TimeoutError:
        late = f"{signal.name} could not be read within {period(signal.timeout)}"
        return replace(last, error=late, denied=False, attempted_at=clock())
    now = clock()
    return Reading(signal=signal.name, every=signal.every, value=value, taken_at=now, attempted_at=now)


async def readings(
    signal: Signal[Any], sources: Sources, settings: Settings, clock: Clock = utc_now
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
