"""Connections to a Docker Engine on another host: `ssh HOST docker system dial-stdio`, as the docker command does it.

Each connection is a process of its own; the account's ssh configuration, keys and agent hold. Nothing is ever asked:
neither a password nor whether a host is to be trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..errors import Denied, SettingsError, SourceError, Unreachable
from ..text.sanitize import clean

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout, UnixConnector
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

NAME = "docker"
MOST_WORDS = 4096  # bytes of what ssh says
LAST_WORDS_S = 0.5  # how long the end of a process is waited for, to learn why


@dataclass(frozen=True)
class SshHost:
    """Who is dialled. `socket` is the Engine's on the far side; "" for its default."""

    host: str
    user: str = ""
    port: int = 0
    socket: str = ""

    def command(self, connect_s: float) -> list[str]:
        words = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, round(connect_s))}"]
        words += ["-l", self.user] if self.user else []
        words += ["-p", str(self.port)] if self.port else []
        far = ["docker", *((f"--host=unix://{self.socket}",) if self.socket else ()), "system", "dial-stdio"]
        return [*words, "--", self.host, shlex.join(far)]


def parse_ssh(url: str) -> SshHost:
    """Raises SettingsError where it is no `ssh://user@host:port`."""
    try:
        where = urlsplit(url)
        port = where.port or 0
    except ValueError:
        raise _bad(url) from None
    host, user = where.hostname or "", unquote(where.username or "")
    if not host or host.startswith("-") or user.startswith("-") or where.password or where.query or where.fragment:
        raise _bad(url)
    return SshHost(host, user, port, unquote(where.path.rstrip("/")))


def _bad(url: str) -> SettingsError:
    return SettingsError(f"docker.host {clean(url, 100)} is not an address such as ssh://user@host:22")


class SshDialer:
    """Starts the processes, and knows what the last one that failed has said."""

    def __init__(self, where: SshHost, connect_s: float) -> None:
        self.where = where
        self._connect_s = connect_s
        self._processes: set[asyncio.subprocess.Process] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self._words = b""

    def connector(self, limit: int) -> UnixConnector:
        """An aiohttp connector whose connections are these processes."""
        import aiohttp

        dialer = self

        class SshConnector(aiohttp.UnixConnector):
            async def _create_connection(
                self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
            ) -> ResponseHandler:
                near = await dialer.dial()
                _, protocol = await asyncio.get_running_loop().create_connection(self._factory, sock=near)
                return protocol

        return SshConnector(NAME, limit=limit, keepalive_timeout=60.0)

    async def dial(self) -> socket.socket:
        """Our end of a new connection. Raises SourceError where there is no ssh to run."""
        near, far = socket.socketpair()
        near.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *self.where.command(self._connect_s),
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # it has no terminal to ask on
            )
        except OSError as error:
            near.close()
            raise SourceError(
                NAME, "docker.host is an ssh:// address, and the command ssh can't be run: is it installed?"
            ) from error
        finally:
            far.close()
        self._processes.add(process)
        task = asyncio.create_task(self._watch(process), name="docker over ssh")
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)
        return near

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        said = b""
        while part := await process.stderr.read(MOST_WORDS):
            said = (said + part)[-MOST_WORDS:]
        if await process.wait() not in (0, -signal.SIGTERM) and said.strip():
            self._words = said
        self._processes.discard(process)

    async def why(self) -> SourceError | None:
        """Why a connection ended, in ssh's own words; None where it has said nothing."""
        if not self._words and self._watches:
            await asyncio.wait(tuple(self._watches), timeout=LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        words, self._words = self._words.decode(errors="replace"), b""
        return explained(words, self.where) if words else None

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        for task in self._watches:
            task.cancel()


def explained(words: str, where: SshHost) -> SourceError:
    """One sentence for what ssh, or docker on the far side, has said last."""
    lines = [line for line in map(clean, words.splitlines()) if line]
    said = clean(lines[-1] if lines else "nothing", 200)
    at = f"docker over ssh at {clean(where.host, 100)}"
    if "Host key verification failed" in words:
        return Unreachable(NAME, f"{at}: its host key is not known here: connect once by ssh in a shell, and check it")
    if ("docker.sock" in words and "ermission denied" in words) or "connect to the Docker daemon socket" in words:
        return Denied(NAME, f"{at}: the account there may not use Docker: add it to the group docker")
    if "ermission denied" in words:
        return Denied(NAME, f"{at}: ssh refuses this account ({said}): is the key loaded in the agent?")
    if "not found" in words and "docker" in words:
        return Unreachable(NAME, f"{at}: there is no docker command on that host ({said})")
    return Unreachable(NAME, f"{at}: {said}")
