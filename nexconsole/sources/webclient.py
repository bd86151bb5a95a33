"""An httpx client that keeps to the house's rules: no redirects, bounded answers, no proxy to this very host."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import BadAnswer, SettingsError, SourceError, TimedOut, Unreachable
from .causes import socket_error
from .source import Source
from .text import clean

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 2_000_000


def loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def header_value(key: str, value: str) -> str:
    """The value, fit for an HTTP header; SettingsError naming the settings' key otherwise."""
    if not (value.isascii() and value.isprintable()):
        raise SettingsError(f"{key} holds characters that an HTTP header can't carry")
    return value


def open_client(
    source: Source, url: str, *, timeout_s: float, ca_file: str, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client for `url`'s host; an answer beyond MAX_ANSWER_BYTES raises BadAnswer while it is read."""
    import httpx

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, stream: httpx.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    limit = f"{MAX_ANSWER_BYTES // 1_000_000} MB"
                    raise BadAnswer(source.name, f"{source.name} at {source.address} answers more than {limit}")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = Bounded(response.stream)

    parts = urlsplit(url)
    return httpx.AsyncClient(
        verify=_tls(source, ca_file) if parts.scheme == "https" else False,
        trust_env=not loopback(parts.hostname or ""),
        timeout=timeout_s,
        limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
        follow_redirects=False,
        event_hooks={"response": [bound]},
        # Compressed answers could unfold beyond the bound.
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "nexconsole"}
        | dict(headers or {}),
    )


def _tls(source: Source, ca_file: str) -> ssl.SSLContext | bool:
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Unreachable(source.name, f"{source.name}.ca_file {ca_file} can't be used: {clean(error, 200)}") from error


def refuse_redirect(source: Source, response: httpx.Response) -> None:
    """Raise BadAnswer for a 3xx: followed, it would end as somebody else's page (facts 8.10)."""
    if 300 <= response.status_code < 400:
        to = clean(response.headers.get("location", "nowhere"), 120)
        raise BadAnswer(
            source.name,
            f"{source.name} at {source.address} answers with a redirect ({response.status_code}) to {to}:"
            " is it in maintenance, is the address the final one?",
        )


def explain(source: Source, error: Exception) -> SourceError | None:
    """The sentence for httpx's errors; None for others."""
    import httpx

    at = f"{source.name} at {source.address}"
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(source.name, f"{at} did not answer in time")
    if not isinstance(error, (httpx.HTTPError, httpx.InvalidURL)):
        return None
    if (cause := socket_error(error)) is not None:
        return source._network(cause)
    dropped = "disconnected" in str(error) or "peer closed" in str(error)
    if isinstance(error, httpx.RemoteProtocolError) and not dropped:
        return BadAnswer(source.name, f"{at} does not speak HTTP: {clean(error, 120)}. Check host and port")
    if isinstance(error, httpx.ProxyError):
        return Unreachable(source.name, f"{at}: the proxy of HTTP_PROXY or HTTPS_PROXY failed: {clean(error, 120)}")
    return Unreachable(source.name, f"{at}: the connection broke: {clean(error, 200) or type(error).__name__}")
