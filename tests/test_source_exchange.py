"""What every exchange with a source keeps to, whatever its client library does."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from nexconsole.sources.lazy_clients import LazyClients
from nexconsole.sources.source import Source


class HttpOnlySource(Source):
    name, module = "redis", "httpx"


async def test_a_client_that_loses_a_cancellation_does_not_keep_its_poll_alive() -> None:
    """As redis-py does under Python 3.11: `wait_for` returns what is there instead of being cancelled."""
    source = HttpOnlySource(LazyClients(), "redis.example:6379")
    sending = asyncio.Event()

    async def poll() -> None:
        while True:
            async with source.exchange(5.0, "a value"):
                sending.set()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(5.0)

    task = asyncio.create_task(poll())
    await sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(2.0):
            await task
    assert task.cancelled()
