"""Proxies of the test's own: HTTP and SOCKS5, each leading to this host whatever name is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, first: bytes = b"") -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        far_writer.write(first)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        far_writer.transport.abort()


@asynccontextmanager
async def _listening(serve: Serve) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()
    ending = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        serving, ended = asyncio.create_task(serve(reader, writer)), asyncio.create_task(ending.wait())
        await asyncio.wait((serving, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, ended):
            task.cancel()
        await asyncio.gather(serving, ended, return_exceptions=True)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        ending.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def http_proxy() -> AsyncIterator[tuple[int, list[str]]]:
    """Yields its port and the first line of each request that it passed on."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        asked.append(line.decode())
        method, url, version = line.split()
        place, _, path = url.removeprefix(b"http://").partition(b"/")
        first = b"%b /%b %b\r\n%b" % (method, path, version, rest)
        await _through(reader, writer, int(place.rpartition(b":")[2]), first)

    async with _listening(serve) as port:
        yield port, asked


@asynccontextmanager
async def socks_proxy() -> AsyncIterator[tuple[int, list[str]]]:
    """Version 5 without a login; yields its port and the hosts that were asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        asked.append((await reader.readexactly(length)).decode("latin-1"))
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await _through(reader, writer, port)

    async with _listening(serve) as port:
        yield port, asked
