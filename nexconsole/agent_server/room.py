"""What stands behind the server: sources, a monitor that reads every signal, and a session that looks and proposes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ..session.capabilities import agent_capabilities
from ..session.known_causes import know_causes
from ..session.monitor import Monitor
from ..session.session import Session
from ..settings import Settings, named
from ..signals.registry import polled
from ..signals.signal import Signal
from ..sources import open_sources

log = logging.getLogger(__name__)

PACE_S = 5.0  # between two reads of a signal, at least
CLOSE_S = 2.0  # how long connections may take to say goodbye
JUDGED_S = 5.0  # readings get old by nothing happening


@asynccontextmanager
async def agent_room(settings: Settings) -> AsyncIterator[Session]:
    """Reads until the block is left, and never waits for a source: what can't be read is said to be stale. Its session
    can't act, whatever its settings would allow a person.
    """
    chosen = named(settings)
    capabilities = agent_capabilities(chosen)
    sources = open_sources(chosen)
    monitor = Monitor(chosen, health=sources.health)
    session = Session(chosen, sources, monitor, capabilities=capabilities)
    session.start()
    sources.load()
    work = [
        asyncio.create_task(sources.watch()),
        asyncio.create_task(_explain(monitor, chosen)),
        *(asyncio.create_task(monitor.poll(_paced(signal), sources)) for signal in polled(chosen)),
    ]
    try:
        yield session
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_S):
                await session.close(leave_s=0.0)
                await sources.close()
        except TimeoutError:
            log.warning("connections did not close within %s s", CLOSE_S)


def _paced(signal: Signal[Any]) -> Signal[Any]:
    """No oftener than an agent can make use of it: the server may run for days, and nobody watches it."""
    return replace(signal, every=max(signal.every, PACE_S))


async def _explain(monitor: Monitor, settings: Settings) -> None:
    for problem in await know_causes(monitor, settings):
        log.warning("%s", problem)
    while True:
        await asyncio.sleep(JUDGED_S)
        monitor.judge()
