"""A front that speaks Postgres' TLS before a server that speaks none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def tls_front(to: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yields the port; what comes without TLS is passed on as it is."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            first = await reader.readexactly(8)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
            if first == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
            else:
                far_writer.write(first)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
