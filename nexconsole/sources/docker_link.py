"""The connection to the Docker Engine: a socket of this host, TCP with or without TLS, or another host by ssh."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import SettingsError, SourceError, in_words
from ..settings.tables import AS_DOCKER
from ..text.sanitize import clean
from .docker_ssh import SshDialer, parse_ssh

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

    from .. import settings

NAME = "docker"
DEFAULT_SOCKET = "/var/run/docker.sock"
PLAIN_PORT, TLS_PORT = 2375, 2376
UNVERSIONED = "v1.24"  # the oldest that any Engine of today speaks; replaced by what the Engine says


@dataclass(frozen=True)
class EngineAddress:
    """`kind` is unix, tcp or ssh; `place` what a person recognises it by, without a login."""

    kind: str
    url: str
    place: str

    @property
    def socket(self) -> str:
        """The path of its socket; "" where it has none on this host."""
        return self.url.removeprefix("unix://") if self.kind == "unix" else ""


def implicit(chosen: settings.DockerSettings) -> bool:
    """Whether nobody has named the Engine: it is the one that docker would take."""
    return chosen.host == AS_DOCKER


def address(chosen: settings.DockerSettings) -> EngineAddress:
    """Raises SettingsError where docker.host can't be understood."""
    host = f"unix://{DEFAULT_SOCKET}" if implicit(chosen) else chosen.host.strip()
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        path = os.path.expanduser(rest)
        if not os.path.isabs(path):
            raise _bad(host)
        return EngineAddress("unix", f"unix://{path}", clean(path, 120))
    if scheme == "ssh":
        where = parse_ssh(host)
        return EngineAddress("ssh", host, clean(f"ssh {where.host}", 120))
    try:
        where_to = urlsplit(host)
        port = where_to.port or (TLS_PORT if _secure(chosen, scheme) else PLAIN_PORT)
    except ValueError:
        raise _bad(host) from None
    if scheme not in ("tcp", "http", "https") or not where_to.hostname or where_to.path.strip("/") or where_to.query:
        raise _bad(host)
    name = f"[{where_to.hostname}]" if ":" in where_to.hostname else where_to.hostname
    protocol = "https" if _secure(chosen, scheme) else "http"
    return EngineAddress("tcp", f"{protocol}://{name}:{port}", clean(f"{name}:{port}", 120))


def _secure(chosen: settings.DockerSettings, scheme: str) -> bool:
    return scheme == "https" or chosen.tls_verify or bool(chosen.cert_path)


def _bad(host: str) -> SettingsError:
    known = "unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host"
    return SettingsError(f"docker.host {clean(host, 100)} is not an address such as {known}")


class EngineLink:
    """Opens the client when it is first needed. Nothing is sent twice, no redirect is followed."""

    def __init__(self, chosen: settings.DockerSettings) -> None:
        self.settings = chosen
        self.where: EngineAddress | None = None
        self.dialer: SshDialer | None = None
        self._docker: aiodocker.Docker | None = None
        self._opening = asyncio.Lock()

    async def ready(self) -> aiodocker.Docker:
        """The client. Raises SourceError where the address or its certificates can't be used."""
        async with self._opening:
            if self._docker is None:
                self._docker = await self._open(address(self.settings))
            return self._docker

    @property
    def connect_s(self) -> float:
        """How long a connection may take: over ssh it is a login."""
        over_ssh = self.dialer is not None
        return self.settings.connect_timeout_s if over_ssh else self.settings.timeout_s

    async def _open(self, where: EngineAddress) -> aiodocker.Docker:
        import aiodocker
        import aiohttp

        limit = self.settings.follow_containers + 10
        connector: aiohttp.BaseConnector
        base = where.url
        if where.kind == "unix":
            connector, base = aiohttp.UnixConnector(where.socket, limit=limit), "http://docker"
        elif where.kind == "ssh":
            self.dialer = SshDialer(parse_ssh(where.url), self.settings.connect_timeout_s)
            connector, base = self.dialer.connector(limit), "http://docker"
        else:
            context = await asyncio.to_thread(_tls, self.settings) if base.startswith("https:") else False
            connector = aiohttp.TCPConnector(ssl=context, limit=limit)
        self.where = where
        session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "nexconsole"}, trust_env=False)
        return aiodocker.Docker(base, connector=connector, session=session, api_version=UNVERSIONED)

    async def send(
        self,
        docker: aiodocker.Docker,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """One request of `ready`'s client; the path is without its version."""
        versioned = path not in ("version", "_ping")
        url = docker._canonicalize_url(path, versioned_api=versioned)
        headers = {"Accept-Encoding": "identity"}
        return await docker.session.request(
            method, url, params=query, headers=headers, timeout=timeout, allow_redirects=False
        )

    async def close(self) -> None:
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.session.close()
        if self.dialer is not None:
            self.dialer.close()


def _tls(chosen: settings.DockerSettings) -> ssl.SSLContext:
    """As the docker command takes DOCKER_CERT_PATH; reads files. Raises SourceError."""
    context = ssl.create_default_context()
    folder = Path(chosen.cert_path).expanduser() if chosen.cert_path else None
    if folder is None:
        return context
    try:
        if chosen.tls_verify or (folder / "ca.pem").exists():
            context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if (folder / "cert.pem").exists():
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem", password=_no_password)
    except (OSError, ssl.SSLError) as error:
        why = in_words(error)
        raise SourceError(
            NAME, f"docker.cert_path {clean(folder, 120)}: its certificates can't be used: {why}"
        ) from error
    return context


def _no_password() -> str:
    raise SourceError(NAME, "docker.cert_path: its key.pem is encrypted: docker can't use that either")
