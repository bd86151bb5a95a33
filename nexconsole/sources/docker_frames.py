"""Cuts a container's log as the Docker Engine sends it: frames of stdout and stderr, or raw where it has a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .log_lines import LONGEST_LINE

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import Connection

HEAD = 8  # bytes: the stream's number, three zeros, the length
STREAMS = (0, 1, 2)  # stdin (as the Engine echoes it), stdout, stderr


class BadFrames(Exception):
    """It is no stream of frames."""


class FrameCutter:
    """Frames to whole lines. A line of one stream is not torn by the other's; one that is too long is cut.

    No more than one frame's head and two unfinished lines are held, whatever comes.
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0  # bytes of the present frame that are still to come
        self._stream = 1
        self._open: dict[int, bytes] = {}

    def cut(self, chunk: bytes) -> bytes:
        """The lines that are whole now, each with its line end. Raises BadFrames."""
        whole: list[bytes] = []
        at = 0
        while at < len(chunk):
            if not self._left:
                part = chunk[at : at + HEAD - len(self._head)]
                self._head += part
                at += len(part)
                if len(self._head) == HEAD:
                    self._begin()
                continue
            payload = chunk[at : at + self._left]
            at += len(payload)
            self._left -= len(payload)
            self._take(payload, whole)
        return b"".join(whole)

    def rest(self) -> bytes:
        """What is left at the end of the stream, as lines."""
        left = b"".join(line + b"\n" for line in self._open.values() if line)
        self._open.clear()
        return left

    def _begin(self) -> None:
        if self._head[0] not in STREAMS or self._head[1:4] != b"\0\0\0":
            raise BadFrames
        self._stream, self._left = self._head[0], int.from_bytes(self._head[4:])
        self._head = b""

    def _take(self, payload: bytes, whole: list[bytes]) -> None:
        before = self._open.get(self._stream, b"")
        done, end, rest = payload.rpartition(b"\n")
        if end:
            whole += (before[:LONGEST_LINE], done, end)
            before = b""
        self._open[self._stream] = (before + rest)[:LONGEST_LINE]


class ContainerLogContent:
    """A log's bytes as lines, as `aiohttp.StreamReader` gives them."""

    def __init__(self, content: aiohttp.StreamReader, framed: bool) -> None:
        self._content = content
        self._cutter = FrameCutter() if framed else None

    async def readany(self) -> bytes:
        """What has come; empty at the end. Raises BadFrames."""
        if self._cutter is None:
            return (await self._content.readany()).replace(b"\r\n", b"\n")
        while chunk := await self._content.readany():
            if lines := self._cutter.cut(chunk):
                return lines
        return self._cutter.rest()

    async def read(self, most: int = -1) -> bytes:
        """All of it, or the newest `most` bytes."""
        parts, size = [], 0
        while chunk := await self.readany():
            parts.append(chunk)
            size += len(chunk)
            while most >= 0 and size > most and len(parts) > 1:
                size -= len(parts.pop(0))
        whole = b"".join(parts)
        return whole if most < 0 else whole[-most:]


class ContainerLogStream:
    """An answer that carries a log: what the logs' follower needs of `aiohttp.ClientResponse`."""

    def __init__(self, response: aiohttp.ClientResponse, framed: bool) -> None:
        self._response = response
        self.content = ContainerLogContent(response.content, framed)

    @property
    def connection(self) -> Connection | None:
        return self._response.connection
