"""The providers' status pages: GET without redirects; only the status is read from an answer."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadAnswer, SourceError, Unreachable
from ..text.sanitize import clean
from .http_address import parse_http
from .http_client import explain, open_client, refuse_redirect
from .lazy_clients import LazyClients
from .source import Source

if TYPE_CHECKING:
    import httpx

    from .. import settings

MOST_BYTES = 256_000
TEXT_LENGTH = 200
MOST_TITLE = 2_000  # characters of a title that are looked at
ACCEPT = "application/json, application/rss+xml, application/atom+xml, text/html;q=0.8, */*;q=0.5"
ENTRY = re.compile(r"<(?:item|entry)\b", re.IGNORECASE)
TITLE = re.compile(r"<title\b", re.IGNORECASE)
TITLE_ENDS = re.compile(r"</title", re.IGNORECASE)
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, kw_only=True)
class PageStatement:
    """What a page says: one line, and its own word for how bad it is ("" where it has none)."""

    text: str
    indicator: str = ""


def understand(body: str) -> PageStatement | None:
    """statuspage.io's JSON, else a feed's newest title, else a page's title; None where there is none of them."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        entry = ENTRY.search(body)
        text = (_title(body, entry.end()) if entry else "") or _title(body, 0)
        return PageStatement(text=text) if text else None
    except RecursionError:
        return None
    status = document.get("status") if isinstance(document, dict) else None
    if isinstance(status, Mapping):
        indicator = clean(status.get("indicator") or "", 20)
        text = clean(status.get("description") or indicator, TEXT_LENGTH)
        return PageStatement(text=text, indicator=indicator) if text else None
    return PageStatement(text=clean(status, TEXT_LENGTH)) if isinstance(status, str) and status.strip() else None


def _title(body: str, start: int) -> str:
    """The first title's text from there on; "" where there is none. Each part is looked for once: pages are hostile."""
    begins = TITLE.search(body, start)
    inside = body.find(">", begins.end()) + 1 if begins else 0
    ends = TITLE_ENDS.search(body, inside) if inside else None
    if ends is None:
        return ""
    raw = body[inside : min(ends.start(), inside + MOST_TITLE)]
    return clean(html.unescape(TAG.sub("", CDATA.sub(r"\1", raw))), TEXT_LENGTH)


class StatusPageSource(Source):
    """One provider's page."""

    module = "httpx"

    def __init__(self, clients: LazyClients, provider: str, url: str, timeout_s: float) -> None:
        where = parse_http(f"providers.status_pages.{clean(provider, 60)}", url)
        self.name = f"{clean(provider, 60)}'s status page"
        super().__init__(clients, where.place.partition("/")[0])
        self._url, self._timeout_s = url.strip(), timeout_s
        self._client: httpx.AsyncClient | None = None

    async def fetch(self) -> PageStatement:
        """What it says now. Raises SourceErrors."""
        async with self.exchange(self._timeout_s, "its page"):
            if self._client is None:
                self._client = open_client(self, self._url, timeout_s=self._timeout_s, ca_file="")
            async with self._client.stream("GET", self._url, headers={"Accept": ACCEPT}) as response:
                refuse_redirect(self, response)
                if response.status_code != 200:
                    raise Unreachable(self.name, f"{self.name} at {self.address} answers {response.status_code}")
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) >= MOST_BYTES:
                        break
        statement = understand(body[:MOST_BYTES].decode("utf-8", "replace"))
        if statement is None:
            raise BadAnswer(
                self.name, f"{self.name} at {self.address} says nothing that could be read: JSON or a title"
            )
        return statement

    def explain(self, error: Exception) -> SourceError | None:
        return explain(self, error)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class StatusPageSources(Source):
    """All of them, by the provider's name."""

    name = "status_pages"
    module = "httpx"

    def __init__(self, clients: LazyClients, settings: settings.ProvidersSettings) -> None:
        super().__init__(clients, "the providers' status pages")
        timeout_s = settings.status_timeout_s
        self._pages = {
            clean(name, 60): StatusPageSource(clients, name, url, timeout_s)
            for name, url in settings.status_pages.items()
        }

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(self._pages)

    async def fetch(self, provider: str) -> PageStatement:
        """What this provider's page says now. Raises SourceErrors."""
        page = self._pages[provider]
        try:
            return await page.fetch()
        finally:
            self.health = page.health

    async def close(self) -> None:
        for page in self._pages.values():
            await page.close()
