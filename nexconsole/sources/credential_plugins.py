"""Runs a kubeconfig's credential plugins (exec).

A plugin has no access to our terminal: its input is empty, its output is captured and bounded. It runs in a session of
its own, so that a time-out ends it with all its children. One runs at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..errors import Denied, SourceError, in_words
from ..settings import ENVIRONMENT
from ..text.sanitize import clean
from ..text.units import duration
from .cluster_access import Access
from .kubeconfig import Exec

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
LARGEST_ANSWER = 1 << 20
KEPT_WORDS = 4096  # bytes of what it says on stderr
DRAIN_S = 0.3  # what it left in its pipes is read for so long after its end: a child of its may hold them open
GRACE_S = 0.5  # between the request to end and the end
SECRET_VARIABLES = frozenset(ENVIRONMENT) - {"KUBECONFIG"} | {"PGPASSWORD", "PGPASSFILE", "REDISCLI_AUTH"}
OURS = ("NEXCONSOLE_", "NEXNUM_")


class ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None

    __repr__ = object.__repr__  # it holds secrets


class Credential(msgspec.Struct, frozen=True, rename="camel"):
    """What a plugin prints: an ExecCredential."""

    api_version: str = ""
    kind: str = ""
    status: ExecStatus | None = None

    __repr__ = object.__repr__


@dataclass(frozen=True)
class ExecCredential:
    """A token, a client certificate with its key (PEM), or both. `expires_at` is UTC; None: it doesn't say."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires_at: datetime | None = None

    def expired(self) -> bool:
        return self.expires_at is not None and datetime.now(UTC) >= self.expires_at


def plugin_name(plugin: Exec) -> str:
    return clean(os.path.basename(plugin.command), 60) or "without a command"


async def run(access: Access, limit_s: float) -> ExecCredential:
    """Run the plugin of this access once. Raises SourceError, which names it; ended after `limit_s` seconds."""
    plugin = access.login.plugin
    assert plugin is not None
    _check(plugin)
    command = _command(plugin, access.login.plugin_folder)
    began = time.monotonic()
    async with _pipe(LARGEST_ANSWER) as pipe, _pipe(KEPT_WORDS) as words:
        try:
            process = await asyncio.create_subprocess_exec(
                command,
                *plugin.args,
                env=environment(access, os.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe.end,
                stderr=words.end,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = clean(in_words(error), 100)
            raise _failed(plugin, f"can't be run: {why}", hint=True) from error
        pipe.let_go()
        words.let_go()
        try:
            async with asyncio.timeout(limit_s):
                await process.wait()
            await asyncio.wait([pipe.reading, words.reading], timeout=DRAIN_S)
        except TimeoutError:
            waited = time.monotonic() - began
            await _end(process)
            raise _failed(
                plugin,
                f"gave no answer within {duration(waited)} and was ended: it gets no terminal, so log in by it in a"
                " shell first, or set kubernetes.plugin_timeout_s",
            ) from None
        finally:
            _kill(process, signal.SIGKILL)  # what it may have left behind in its session
        return _answer(plugin, process.returncode or 0, bytes(pipe.kept), bytes(words.kept))


def environment(access: Access, environ: Mapping[str, str]) -> dict[str, str]:
    """Ours without the secrets of NexNum and of the console, then the plugin's own variables."""
    plugin = access.login.plugin
    assert plugin is not None
    kept = {
        name: value for name, value in environ.items() if name not in SECRET_VARIABLES and not name.startswith(OURS)
    }
    kept |= {variable.name: variable.value for variable in plugin.env}
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = _cluster(access)
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    kept["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    return kept


def _cluster(access: Access) -> dict[str, Any]:
    """What a plugin that asks for it learns of the cluster."""
    import base64

    trust = access.trust
    data = trust.ca_data
    if trust.ca:
        try:
            with open(trust.ca, "rb") as file:
                data = base64.b64encode(file.read(LARGEST_ANSWER)).decode()
        except OSError as error:
            raise SourceError(
                "kubernetes", f"certificate-authority {clean(trust.ca, 120)}: {in_words(error)}"
            ) from error
    told = {
        "server": access.server,
        "tls-server-name": trust.server_name,
        "insecure-skip-tls-verify": trust.skip,
        "certificate-authority-data": data,
        "proxy-url": access.proxy,
        "config": access.login.plugin_config,
    }
    return {key: value for key, value in told.items() if value}


def _check(plugin: Exec) -> None:
    if not plugin.command:
        raise _failed(plugin, "has no command: set exec.command in the kubeconfig")
    if plugin.api_version not in VERSIONS:
        told = clean(plugin.api_version, 60) or "no version"
        raise _failed(plugin, f"speaks {told}, which kubectl does not know any more: {' or '.join(VERSIONS)} is needed")
    if plugin.interactive_mode not in ("", "Never", "IfAvailable", "Always"):
        raise _failed(plugin, f"has interactiveMode {clean(plugin.interactive_mode, 30)}, which does not exist")
    if plugin.interactive_mode == "Always":
        raise _failed(
            plugin,
            "wants a terminal (interactiveMode Always), and the console lends it none: use a context that can log in"
            " without questions",
        )
    if not plugin.interactive_mode and plugin.api_version == VERSIONS[0]:
        raise _failed(plugin, f"must say its interactiveMode, as {VERSIONS[0]} asks for it")


def _command(plugin: Exec, folder: str) -> str:
    """The file to run: a path is relative to the kubeconfig's folder, a name is looked up in PATH; never in the
    current folder."""
    if os.sep in plugin.command:
        path = os.path.join(folder, plugin.command)
        if os.path.exists(path):
            return path
        raise _failed(plugin, f"is not there: {clean(path, 150)} does not exist", hint=True)
    for place in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(place, plugin.command)
        if os.path.isabs(place) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise _failed(plugin, "is not installed: it is not in PATH", hint=True)


class _Pipe:
    """What a plugin writes: all of it is read, so that it never waits for us, and `most` bytes are kept."""

    def __init__(self, most: int) -> None:
        self._own, self.end = os.pipe()
        self._most = most
        self.kept = bytearray()
        self.reading: asyncio.Task[None]
        self._transport: asyncio.BaseTransport

    async def open(self) -> None:
        stream = asyncio.StreamReader()
        connect = asyncio.get_running_loop().connect_read_pipe
        file = os.fdopen(self._own, "rb", 0)
        self._transport, _ = await connect(lambda: asyncio.StreamReaderProtocol(stream), file)
        self.reading = asyncio.create_task(self._read(stream))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(1 << 16):
            self.kept += part[: max(0, self._most - len(self.kept))]

    def let_go(self) -> None:
        """The plugin alone holds the writing end from now on."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def close(self) -> None:
        self.let_go()
        self.reading.cancel()
        self._transport.close()


@contextlib.asynccontextmanager
async def _pipe(most: int) -> AsyncIterator[_Pipe]:
    pipe = _Pipe(most)
    await pipe.open()
    try:
        yield pipe
    finally:
        pipe.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    _kill(process, signal.SIGKILL)


def _kill(process: asyncio.subprocess.Process, number: int) -> None:
    """A signal to everything in the plugin's session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _answer(plugin: Exec, status: int, said: bytes, words: bytes) -> ExecCredential:
    if status:
        why = clean(words.decode(errors="replace"), 300)
        raise _failed(plugin, f"failed with {status}: {why or 'it said nothing'}")
    try:
        credential = msgspec.json.decode(said, type=Credential)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _failed(plugin, "printed something that is no ExecCredential") from None
    if (credential.api_version, credential.kind) != (plugin.api_version, "ExecCredential"):
        told = clean(f"{credential.kind} {credential.api_version}", 80) or "something without a kind"
        raise _failed(plugin, f"answered {told} where an ExecCredential of {plugin.api_version} was asked for")
    status_ = credential.status or ExecStatus()
    if not status_.token and not status_.client_certificate_data:
        raise _failed(plugin, "gave neither a token nor a client certificate")
    if bool(status_.client_certificate_data) != bool(status_.client_key_data):
        raise _failed(plugin, "gave a client certificate without its key, or the other way round")
    expires = status_.expiration_timestamp
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    return ExecCredential(status_.token, status_.client_certificate_data, status_.client_key_data, expires)


def _failed(plugin: Exec, why: str, hint: bool = False) -> Denied:
    told = clean(plugin.install_hint, 300) if hint else ""
    more = f". Its hint: {told}" if told else ""
    return Denied("kubernetes", f"the kubeconfig's credential plugin {plugin_name(plugin)} {why}{more}")
