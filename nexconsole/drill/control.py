"""The socket by which a second terminal instructs the drill: one request and one answer a connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import msgspec

from ..errors import DrillError, in_words
from . import running
from .instructor import Instructor, answer

REQUEST_TIMEOUT_S = 5.0  # who says nothing for so long is cut off


class Control:
    """`start()` listens, in a folder and on a socket that only this account can use; `close()` removes the socket."""

    def __init__(self, instruction: Instructor) -> None:
        self._instruction = instruction
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.path = Path()

    async def start(self) -> Path:
        """Listen; the socket's path. Raises DrillError where that is not possible."""
        self.path = running.folder() / f"{os.getpid()}.sock"
        listening = socket.socket(socket.AF_UNIX)
        try:
            self.path.unlink(missing_ok=True)  # of a process that had this pid and was killed
            with running.short(self.path) as path:
                listening.bind(path)
            self.path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=running.MAX_REQUEST)
        except OSError as error:
            listening.close()
            raise DrillError(f"{self.path}: no socket can be made: {in_words(error)}.") from error
        return self.path

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
            for writer in self._open:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                said = await self._answer(reader)
                writer.write(msgspec.json.encode(said) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError):
            return  # the other end says nothing, or is gone: nothing was done
        finally:
            self._open.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> dict[str, object]:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return {"error": f"The request is longer than {running.MAX_REQUEST} bytes."}
        except asyncio.IncompleteReadError as error:
            line = error.partial
            if not line:
                return {}  # looked whether somebody listens
        return answer(self._instruction, line, {"pid": os.getpid()})
