"""Meilisearch, NexNum's search index: its health only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadAnswer, SourceError, Unreachable
from ..text.sanitize import clean
from .http_address import headers_of, parse_http
from .http_client import explain, open_client, refuse_redirect
from .lazy_clients import LazyClients
from .source import Source

if TYPE_CHECKING:
    import httpx

    from .. import settings

PATH = "/health"


class SearchSource(Source):
    """The search index. `/health` needs no key, so none is sent."""

    name = "search"
    module = "httpx"

    def __init__(self, clients: LazyClients, settings: settings.SearchSettings) -> None:
        where = parse_http("search.url", settings.url)
        super().__init__(clients, where.place)
        self.settings, self.url = settings, where.url
        self.headers = headers_of("search", {}, login=where.login)
        self._client: httpx.AsyncClient | None = None

    async def health_status(self) -> str:
        """The word of `/health`: "available" where all is well. Raises SourceErrors."""
        async with self.exchange(self.settings.timeout_s, f"GET {PATH}"):
            if self._client is None:
                limit, ca_file = self.settings.timeout_s, self.settings.ca_file
                self._client = open_client(self, self.url, timeout_s=limit, ca_file=ca_file, headers=self.headers)
            return self._status(await self._client.get(self.url + PATH))

    def _status(self, response: httpx.Response) -> str:
        at, code = f"search at {self.address}", response.status_code
        refuse_redirect(self, response)
        if code >= 500:
            raise Unreachable(self.name, f"{at} answers {code} to {PATH}")
        try:
            word = response.json()["status"]
        except (ValueError, KeyError, TypeError) as error:
            said = f"{at} answers {PATH} with {code} and no status: is this Meilisearch?"
            raise BadAnswer(self.name, said) from error
        return clean(word, 40)

    def explain(self, error: Exception) -> SourceError | None:
        return explain(self, error)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
