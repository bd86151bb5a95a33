"""Prometheus' HTTP API, of Prometheus itself, Thanos or Mimir.

It uses httpx as every HTTP source here: no redirects, no retries, answers bounded in size and time. Measured:
prometheus-api-client adds 165 modules, 47 to 73 ms of imports, 3.5 MB and 4 threads, for three URLs of six. So the
tests use it, as an independent client, against the drill's Prometheus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ..errors import BadAnswer, Denied, NoRoute, SourceError, Unreachable
from ..text.sanitize import clean
from . import prometheus_json
from .http_address import headers_of, parse_http
from .http_client import explain, open_client
from .lazy_clients import LazyClients
from .prometheus_json import ActiveAlert, PrometheusRule, QueryResult, Sample, Series
from .source import Source

if TYPE_CHECKING:
    import httpx

    from .. import settings

T = TypeVar("T")

CONNECTIONS = 4
MAX_ANSWER_BYTES = 8_000_000
LARGE_BYTES = 100_000  # what is larger is decoded in a thread: it takes longer than a key may wait


class QueryRefused(BadAnswer):
    """The server is well and refused this request: an expression that it can't parse or run."""


class PrometheusSource(Source):
    """The metrics. Every call raises SourceErrors only."""

    name = "prometheus"
    module = "httpx"

    def __init__(self, clients: LazyClients, settings: settings.PrometheusSettings) -> None:
        where = parse_http("prometheus.url", settings.url)
        super().__init__(clients, where.place)
        self.settings, self._url = settings, where.url
        login = (settings.username, settings.password) if settings.username else where.login
        self._headers = headers_of("prometheus", settings.headers, bearer=settings.bearer, login=login)
        self._client: httpx.AsyncClient | None = None

    async def query(self, expression: str) -> QueryResult[Sample]:
        """An expression's value now. Series with native histograms are left out."""
        params = {"query": expression, "timeout": self._server_timeout}
        return await self._ask("a query", "/api/v1/query", params, lambda data: prometheus_json.samples(data["result"]))

    async def query_range(self, expression: str, start: float, end: float, step_s: float) -> QueryResult[Series]:
        """An expression's values from `start` to `end` (epoch seconds), every `step_s`."""
        params = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_s:g}"}
        params["timeout"] = self._server_timeout
        return await self._ask(
            "a range query", "/api/v1/query_range", params, lambda data: prometheus_json.series(data["result"])
        )

    async def label_values(self, label: str, selector: str) -> QueryResult[str]:
        """The values that a label has in the series that match, in all the time that the server remembers."""
        path = f"/api/v1/label/{quote(label, safe='')}/values"
        return await self._ask(
            "a label's values", path, {"match[]": selector}, lambda data: [clean(value, 200) for value in data or ()]
        )

    async def rules(self, names: Sequence[str] = ()) -> QueryResult[PrometheusRule] | None:
        """The alerting rules, of these names where any are given; None where the server has no such route."""
        params: dict[str, str | list[str]] = {"type": "alert", "rule_name[]": list(names)}
        try:
            return await self._ask(
                "the rules", "/api/v1/rules", params, lambda data: prometheus_json.rules(data, names)
            )
        except NoRoute:
            return None

    async def alerts(self) -> QueryResult[ActiveAlert] | None:
        """The active alerts; None where the server has no such route."""
        try:
            return await self._ask("the alerts", "/api/v1/alerts", {}, prometheus_json.alerts)
        except NoRoute:
            return None

    async def version(self) -> str:
        """The server's version; "" where it doesn't say."""
        try:
            [data] = await self._ask("the build information", "/api/v1/status/buildinfo", {}, lambda data: [data])
        except NoRoute:
            return ""
        return clean(data.get("version", ""), 60) if isinstance(data, dict) else ""

    async def runtime(self) -> Mapping[str, datetime] | None:
        """When the server was "started" and when it last "loaded" its settings, as far as it says; None: it doesn't."""
        path = "/api/v1/status/runtimeinfo"
        try:
            found = await self._ask("the runtime information", path, {}, prometheus_json.runtime)
        except NoRoute:
            return None
        return dict(found)

    async def _ask(
        self, what: str, path: str, params: Mapping[str, str | list[str]], read: Callable[[Any], list[T]]
    ) -> QueryResult[T]:
        """What `read` makes of a route's `data`. A refused request is raised, but is no fault of the source's."""
        refused: BadAnswer | None = None
        async with self.exchange(self.settings.timeout_s, what):
            response = await self._opened().get(self._url + path, params=params)
            try:
                if len(response.content) > LARGE_BYTES:
                    answer = await asyncio.to_thread(self._read, response, read)
                else:
                    answer = self._read(response, read)
            except (QueryRefused, NoRoute) as error:
                refused = error
        if refused is not None:
            raise refused
        return answer

    @property
    def _server_timeout(self) -> str:
        return f"{self.settings.timeout_s:g}s"

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = open_client(
                self,
                self._url,
                timeout_s=self.settings.timeout_s,
                ca_file=self.settings.ca_file,
                headers=self._headers,
                connections=CONNECTIONS,
                most_bytes=MAX_ANSWER_BYTES,
                too_large="narrow the expression",
            )
        return self._client

    def _read(self, response: httpx.Response, read: Callable[[Any], list[T]]) -> QueryResult[T]:
        """Raises a SourceError for what is no answer of Prometheus', KeyError and the like for odd JSON."""
        payload = prometheus_json.json_object(response.content)
        if response.status_code != 200 or payload is None or payload.get("status") == "error":
            raise self._trouble(response, payload)
        answer = QueryResult(read(payload["data"]))
        answer.notes = prometheus_json.warnings(payload)
        return answer

    def _trouble(self, response: httpx.Response, payload: Mapping[str, Any] | None) -> SourceError:
        """What an answer that is none stands for."""
        at, status = f"prometheus at {self.address}", response.status_code
        if 300 <= status < 400:
            to = clean(response.headers.get("Location", "nowhere"), 120)
            return BadAnswer(
                self.name, f"{at} answers with a redirect to {to}: set prometheus.url to the final address"
            )
        reason = clean(payload.get("error", ""), 300) if payload else ""
        if status in (401, 403):
            return Denied(self.name, f"{at} refuses these credentials ({status}){f': {reason}' if reason else ''}")
        if status in (400, 422) or (status == 200 and reason):
            return QueryRefused(self.name, f"{at} refuses the expression: {reason or f'HTTP {status}'}")
        if status in (404, 405, 501):
            return NoRoute(
                self.name, f"{at} has no such route ({status}): prometheus.url may lack a prefix such as /prometheus"
            )
        if status >= 500 and payload is None:
            return Unreachable(self.name, f"{at} answers {status}: is what stands behind it down?")
        if payload is not None:
            return BadAnswer(self.name, f"{at} answers {status}: {reason or 'without a reason'}")
        kind = "HTML" if response.content.lstrip()[:1] == b"<" else "something that is not JSON"
        return BadAnswer(
            self.name, f"{at} answers {kind} ({status}): is there a proxy or a login page at that address?"
        )

    def explain(self, error: Exception) -> SourceError | None:
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, IndexError)):
            odd = clean(repr(error), 120)
            return BadAnswer(self.name, f"prometheus at {self.address} answers JSON that is not Prometheus': {odd}")
        return explain(self, error)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()
