"""The shared httpx client: no redirects, bounded answers, no proxy to this host."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING

from ..errors import BadAnswer, SourceError, TimedOut, Unreachable
from ..text.sanitize import clean
from .http_address import authorities, header_value
from .proxies import proxy_failed, proxy_for
from .socket_errors import numbered_error, socket_error
from .source import Source

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 2_000_000
PIECE_BYTES = 65_536
KEPT_OPEN_S = 30.0  # an idle connection; longer than from one look to the next of who only records

__all__ = ["explain", "header_value", "open_client", "refuse_redirect", "unfolded"]


def unfolded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces of an answer that was compressed though nobody asked for it; no piece is longer than PIECE_BYTES.

    Raises zlib.error where it is not what it says, LookupError for an encoding that is not known.
    """
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise LookupError(encoding)
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for piece in pieces:
        data = decompressor.decompress(piece, PIECE_BYTES)
        while data:
            yield data
            data = decompressor.decompress(decompressor.unconsumed_tail, PIECE_BYTES)


def open_client(
    source: Source,
    url: str,
    *,
    timeout_s: float,
    ca_file: str,
    headers: Mapping[str, str] | None = None,
    connections: int = 2,
    most_bytes: int = MAX_ANSWER_BYTES,
    too_large: str = "",
) -> httpx.AsyncClient:
    """A client for `url`'s host; an answer beyond `most_bytes` raises BadAnswer while it is read.

    `too_large` is what to do about such an answer. Of `connections`, all but one are kept open for the next request.

    Nothing of the environment's is used but its proxies and its authorities: no .netrc. Raises Unreachable where
    those can't be used.
    """
    import httpx

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, stream: httpx.AsyncByteStream, encoding: str) -> None:
            self._stream, self._encoding = stream, encoding

        async def __aiter__(self) -> AsyncIterator[bytes]:
            at, size, compressed = f"{source.name} at {source.address}", 0, bytearray()
            limit = f"{at} answers more than {most_bytes // 1_000_000} MB{f': {too_large}' if too_large else ''}"
            plain = self._encoding in ("", "identity")
            async for piece in self._stream:
                size += len(piece)
                if size > most_bytes:
                    raise BadAnswer(source.name, limit)
                if plain:
                    yield piece
                else:
                    compressed += piece
            if plain:
                return
            size = 0
            try:
                for piece in unfolded(iter([bytes(compressed)]), self._encoding):
                    size += len(piece)
                    if size > most_bytes:
                        raise BadAnswer(source.name, limit)
                    yield piece
            except (zlib.error, LookupError) as error:
                said = f"{at} answers in a compressed form that can't be read ({clean(self._encoding, 30)})"
                raise BadAnswer(source.name, said) from error

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        encoding = response.headers.pop("content-encoding", "").strip().lower()
        response.stream = Bounded(response.stream, encoding)

    source.proxy = proxy = proxy_for(source.name, url)
    return httpx.AsyncClient(
        verify=authorities(source.name, ca_file) if url.startswith("https://") else False,
        trust_env=False,
        proxy=proxy.url if proxy else None,
        timeout=timeout_s,
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections - 1, keepalive_expiry=KEPT_OPEN_S
        ),
        follow_redirects=False,
        event_hooks={"response": [bound]},
        # Compressed answers could unfold beyond the bound.
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "nexconsole"}
        | dict(headers or {}),
    )


def refuse_redirect(source: Source, response: httpx.Response) -> None:
    """Raise BadAnswer for a 3xx: followed, it would end as somebody else's page (nexnum.md#nextjs)."""
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
    if source.proxy is not None and isinstance(error, (httpx.ProxyError, httpx.ConnectError)):
        return proxy_failed(source.name, at, source.proxy, socket_error(error) or numbered_error(error) or error)
    if (cause := socket_error(error)) is not None:
        return source._network(cause)
    dropped = "disconnected" in str(error) or "peer closed" in str(error)
    if isinstance(error, httpx.RemoteProtocolError) and not dropped:
        return BadAnswer(source.name, f"{at} does not speak HTTP: {clean(error, 120)}. Check host and port")
    if (cause := numbered_error(error)) is not None:
        return source._network(cause)
    return Unreachable(source.name, f"{at}: the connection broke: {clean(error, 200) or type(error).__name__}")
