"""NexNum's HTTP API, by requests that run no handler.

Next.js answers OPTIONS by itself. It runs a GET handler for HEAD, and health handlers start workers (nexnum.md#nextjs).
So a reader may send OPTIONS only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadAnswer, NoRoute, SourceError, Unreachable
from ..text.sanitize import clean
from .http_address import headers_of, parse_http
from .http_client import explain, open_client, refuse_redirect
from .lazy_clients import LazyClients
from .source import Source

if TYPE_CHECKING:
    import httpx

    from .. import settings

PING_PATH = "/api/health"


class ApiSource(Source):
    """NexNum's API, read without side effects."""

    name = "api"
    module = "httpx"

    def __init__(self, clients: LazyClients, settings: settings.ApiSettings) -> None:
        where = parse_http("api.url", settings.url)
        super().__init__(clients, where.place)
        self.settings, self.url = settings, where.url
        self.headers = headers_of("api", settings.headers, login=where.login)
        self._client: httpx.AsyncClient | None = None

    async def methods(self, path: str) -> tuple[str, ...]:
        """The methods that a route exports, such as ("GET", "HEAD", "OPTIONS"); its handlers are not run.

        Raises NoRoute where there is none, BadAnswer where something else answers in its place.
        """
        async with self.exchange(self.settings.timeout_s, f"OPTIONS {path}"):
            if self._client is None:
                limit, ca_file = self.settings.timeout_s, self.settings.ca_file
                self._client = open_client(self, self.url, timeout_s=limit, ca_file=ca_file, headers=self.headers)
            response = await self._client.request("OPTIONS", self.url + path)
            if response.status_code != 404 or path == PING_PATH:
                return self._allowed(path, response)
        return self._allowed(path, response)  # that one route is missing does not speak against the API's health

    async def ping(self) -> None:
        """Whether the API answers at all; raises a SourceError that says how it doesn't."""
        await self.methods(PING_PATH)

    def _allowed(self, path: str, response: httpx.Response) -> tuple[str, ...]:
        at, status = f"api at {self.address}", response.status_code
        refuse_redirect(self, response)
        if status == 404:
            raise NoRoute(self.name, f"{at} has no route {path} (404): is this NexNum, and which version?")
        if status == 429:
            raise Unreachable(self.name, f"{at} limits the rate of our requests (429)")
        if status >= 500:
            raise Unreachable(self.name, f"{at} answers {status} to OPTIONS {path}")
        allow = clean(response.headers.get("allow", ""), 200)
        if status not in (200, 204) or not allow:
            raise BadAnswer(
                self.name, f"{at} answers OPTIONS {path} with {status} and no allow header: is this NexNum?"
            )
        return tuple(method.strip().upper() for method in allow.split(",") if method.strip())

    def explain(self, error: Exception) -> SourceError | None:
        return explain(self, error)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
