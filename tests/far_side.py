"""The network's far side as nobody wants it: servers that hang, drop, or answer what was not asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HTML = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 43\r\n\r\n"
    b"<html><body>We will be back.</body></html>\r\n"
)
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
GARBAGE = bytes(range(256)) * 64


@asynccontextmanager
async def tcp_server(answer: bytes | None, *, then_close: bool = True) -> AsyncIterator[int]:
    """Accept connections; once something was received, send `answer` (None: never a byte). Yields the port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        if answer is not None:
            writer.write(answer)
            if then_close:
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
