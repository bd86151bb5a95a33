"""The network's far side as nobody wants it: servers that hang, drop, or answer what was not asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
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


class Wire:
    """A way to a real server on this host that can fail: `cut` it, or let it `lose` the answers to what arrives."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self._to = to
        self._cut = self._losing = False
        self._at: tuple[bytes, ...] = ()
        self._then: Callable[[], None] = self.lose
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def lose(self) -> None:
        """From now on whatever is asked arrives, and nothing comes back."""
        self._losing = True

    def watch_for(self, words: tuple[bytes, ...], then: Callable[[], None]) -> None:
        """`then` is called as soon as one of these words is on its way to the server, before it gets there."""
        self._at, self._then = words, then

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self._cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers.append(far_writer)
        for source, sink, answers in ((reader, far_writer, False), (far_reader, writer, True)):
            pump = asyncio.create_task(self._pump(source, sink, answers))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not answers and any(word in data for word in self._at):
                    self._then()
                if not (answers and self._losing):
                    sink.write(data)
                    await sink.drain()
        sink.close()

    async def close(self) -> None:
        self.cut()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    wire = Wire(port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.close()
