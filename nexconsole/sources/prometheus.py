"""Prometheus' HTTP API, as Prometheus itself, Thanos and Mimir speak it.

prometheus-api-client blocks, so it runs in daemon threads. Its session is ours: no retries, no redirects,
answers bounded in size and time, and what is wrong with an answer said before the library sees it.
"""

from __future__ import annotations

import io
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import BadAnswer, Denied, SourceError, TimedOut, Unreachable
from . import promjson
from .causes import socket_error
from .clients import Clients
from .http_address import authorities, headers_of, parse_http
from .promjson import ActiveAlert, Answer, Rule, Sample, Series
from .proxies import proxy_failed, proxy_for
from .source import Source
from .text import clean
from .threads import AllHang, Threads
from .webclient import unfolded

if TYPE_CHECKING:
    import requests
    from prometheus_api_client.prometheus_connect import PrometheusConnect

    from .. import settings

THREADS = 4
MAX_ANSWER_BYTES = 8_000_000
CHUNK_BYTES = 65_536
T = TypeVar("T")


class Refused(BadAnswer):
    """The server is well and refused this request: an expression that it can't parse or run."""


class NoRoute(BadAnswer):
    """The server has no such route (404)."""


class Prometheus(Source):
    """The metrics. Every call raises SourceErrors only."""

    name = "prometheus"
    module = "prometheus_api_client.prometheus_connect"

    def __init__(self, clients: Clients, settings: settings.Prometheus) -> None:
        where = parse_http("prometheus.url", settings.url)
        super().__init__(clients, where.place)
        self.settings = settings
        self._url, self._tls = where.url, where.tls
        login = (settings.username, settings.password) if settings.username else where.login
        self._headers = headers_of("prometheus", settings.headers, bearer=settings.bearer, login=login)
        self._threads = Threads(THREADS, "prometheus")
        self._connected: PrometheusConnect | None = None
        self._session: requests.Session | None = None
        self._said = threading.local()  # .notes: the warnings of this thread's newest answer

    async def query(self, expression: str) -> Answer[Sample]:
        """An expression's value now. Series with native histograms are left out."""

        def call() -> list[Sample]:
            params = {"timeout": self._server_timeout}
            return promjson.samples(self._client().custom_query(expression, params=params))

        return await self._ask("a query", call)

    async def query_range(self, expression: str, start: float, end: float, step_s: float) -> Answer[Series]:
        """An expression's values from `start` to `end` (epoch seconds), every `step_s`."""

        def call() -> list[Series]:
            return promjson.series(
                self._client().custom_query_range(
                    expression,
                    datetime.fromtimestamp(start, UTC),
                    datetime.fromtimestamp(end, UTC),
                    f"{step_s:g}",
                    params={"timeout": self._server_timeout},
                )
            )

        return await self._ask("a range query", call)

    async def label_values(self, label: str, selector: str) -> Answer[str]:
        """The values that a label has in the series that match, in all the time that the server remembers."""

        def call() -> list[str]:
            values = self._client().get_label_values(label, params={"match[]": selector})
            return [clean(value, 200) for value in values or ()]

        return await self._ask("a label's values", call)

    async def rules(self, names: Sequence[str] = ()) -> Answer[Rule] | None:
        """The alerting rules, of these names where any are given; None where the server has no such route."""
        params = {"type": "alert", "rule_name[]": list(names)}
        return await self._ask_where_there(
            "the rules", lambda: promjson.rules(self._get("/api/v1/rules", params), names)
        )

    async def alerts(self) -> Answer[ActiveAlert] | None:
        """The active alerts; None where the server has no such route."""
        return await self._ask_where_there("the alerts", lambda: promjson.alerts(self._get("/api/v1/alerts", {})))

    async def version(self) -> str:
        """The server's version; "" where it doesn't say."""
        answer = await self._ask_where_there(
            "the build information", lambda: [self._get("/api/v1/status/buildinfo", {})]
        )
        return clean(answer[0].get("version", ""), 60) if answer and isinstance(answer[0], dict) else ""

    async def _ask_where_there(self, what: str, call: Callable[[], list[T]]) -> Answer[T] | None:
        """As `_ask`; None where the server has no such route."""
        try:
            return await self._ask(what, call)
        except NoRoute:
            return None

    async def _ask(self, what: str, call: Callable[[], list[T]]) -> Answer[T]:
        """Run `call` in a thread. A refused request is an answer: it is raised, but is no fault of the source's."""
        refused: BadAnswer | None = None
        async with self.exchange(self.settings.timeout_s, what):
            try:
                answer, notes = await self._threads.run(lambda: self._noted(call), sum(self._timeouts))
            except (Refused, NoRoute) as error:
                refused = error
        if refused is not None:
            raise refused
        result = Answer(answer)
        result.notes = notes
        return result

    def _noted(self, call: Callable[[], list[T]]) -> tuple[list[T], tuple[str, ...]]:
        self._said.notes = ()
        return call(), self._said.notes

    @property
    def _timeouts(self) -> tuple[float, float]:
        """To connect, and to wait for a piece of the answer: in seconds, as requests wants them."""
        return (self.settings.timeout_s, self.settings.timeout_s)

    @property
    def _server_timeout(self) -> str:
        return f"{self.settings.timeout_s:g}s"

    def _client(self) -> PrometheusConnect:
        if self._connected is None:
            from prometheus_api_client.prometheus_connect import PrometheusConnect

            session = self._opened()
            # The library hands `timeout` on to requests, which takes a pair too.
            connected = PrometheusConnect(self._url, session=session, timeout=cast("int", self._timeouts))
            session.mount(self._url, self._adapter())  # over the library's, which tries again by itself
            self._connected = connected
        return self._connected

    def _opened(self) -> requests.Session:
        if self._session is None:
            import requests

            session = requests.Session()
            session.max_redirects = 0
            session.trust_env = False  # no .netrc; the environment's proxies and authorities are looked up by us
            self.proxy = proxy_for(self.name, self._url)
            session.proxies = {scheme: self.proxy.url for scheme in ("http", "https")} if self.proxy else {}
            # Compressed answers could unfold beyond the bound.
            own = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "nexconsole"}
            session.headers.update(own | self._headers)
            session.hooks["response"].append(self._inspect)
            self._session = session
        return self._session

    def _adapter(self) -> requests.adapters.HTTPAdapter:
        """One try, and the authorities that every HTTP source of ours trusts."""
        from requests.adapters import HTTPAdapter

        context = authorities(self.name, self.settings.ca_file) if self._tls else None

        class Trusting(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **options: Any) -> None:
                super().init_poolmanager(*args, **options | {"ssl_context": context})

            def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
                return super().proxy_manager_for(proxy, **options | {"ssl_context": context})

            def cert_verify(self, connection: Any, url: str, verify: Any, cert: Any) -> None:
                """The context alone says whom to trust; requests would add authorities of its own."""

            def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
                host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
                return host, {"ssl_context": context} if context else pool

        return Trusting(max_retries=0)

    def _get(self, path: str, params: Mapping[str, Any]) -> Any:
        """The `data` of a route that prometheus-api-client has no method for."""
        self._client()  # mounts the adapter without retries
        return self._opened().get(self._url + path, params=params, timeout=self._timeouts).json()["data"]

    def _inspect(self, response: requests.Response, **sent: Any) -> requests.Response:
        """requests' hook, before a body is read: refuse what is no answer of Prometheus'; bound what is."""
        import requests

        at, status = f"prometheus at {self.address}", response.status_code
        if 300 <= status < 400:
            response.close()
            to = clean(response.headers.get("Location", "nowhere"), 120)
            raise BadAnswer(self.name, f"{at} answers with a redirect to {to}: set prometheus.url to the final address")
        body = self._body(response)
        payload = promjson.json_object(body)
        if status == 200 and payload is not None and payload.get("status") != "error":
            self._said.notes = promjson.warnings(payload)
            bounded = requests.Response()
            bounded.status_code, bounded.headers, bounded.url = status, response.headers, response.url
            bounded.raw, bounded.encoding = io.BytesIO(body), "utf-8"
            return bounded
        said = clean(payload.get("error", ""), 300) if payload else ""
        if status in (401, 403):
            raise Denied(self.name, f"{at} refuses these credentials ({status}){f': {said}' if said else ''}")
        if status in (400, 422) or (status == 200 and said):
            raise Refused(self.name, f"{at} refuses the expression: {said or f'HTTP {status}'}")
        if status in (404, 405, 501):
            raise NoRoute(
                self.name, f"{at} has no such route ({status}): prometheus.url may lack a prefix such as /prometheus"
            )
        if status >= 500 and payload is None:
            raise Unreachable(self.name, f"{at} answers {status}: is what stands behind it down?")
        if payload is not None:
            raise BadAnswer(self.name, f"{at} answers {status}: {said or 'without a reason'}")
        kind = "HTML" if body.lstrip()[:1] == b"<" else "something that is not JSON"
        raise BadAnswer(self.name, f"{at} answers {kind} ({status}): is there a proxy or a login page at that address?")

    def _body(self, response: requests.Response) -> bytes:
        """The whole body, within MAX_ANSWER_BYTES and the time-out: requests' own bounds each piece only."""
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        at, pieces, size = f"prometheus at {self.address}", [], 0
        try:
            for piece in unfolded(self._raw(response), encoding):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    limit = MAX_ANSWER_BYTES // 1_000_000
                    raise BadAnswer(self.name, f"{at} answers more than {limit} MB: narrow the expression")
        except (zlib.error, LookupError) as error:
            said = f"{at} answers in a compressed form that can't be read ({clean(encoding, 30)})"
            raise BadAnswer(self.name, said) from error
        finally:
            response.close()
        return b"".join(pieces)

    def _raw(self, response: requests.Response) -> Iterator[bytes]:
        late = time.monotonic() + self.settings.timeout_s
        # read1, because read and iter_content wait until a whole chunk is there, however slowly it comes.
        while piece := response.raw.read1(CHUNK_BYTES, decode_content=False):
            yield piece
            if time.monotonic() > late:
                raise TimedOut(self.name, f"prometheus at {self.address} answers too slowly")

    def explain(self, error: Exception) -> SourceError | None:
        import requests
        from urllib3 import exceptions as urllib3

        at = f"prometheus at {self.address}"
        if isinstance(error, AllHang):
            return TimedOut(
                self.name, f"{at} leaves all {THREADS} requests hanging: nothing more is sent until one of them ends"
            )
        if isinstance(error, (requests.exceptions.Timeout, urllib3.TimeoutError)):
            return TimedOut(self.name, f"{at} did not answer within {self.settings.timeout_s:g} s")
        if isinstance(error, (requests.exceptions.RequestException, urllib3.HTTPError)):
            if self.proxy is not None and isinstance(error, requests.exceptions.ConnectionError):
                return proxy_failed(self.name, at, self.proxy, socket_error(error) or error)
            if (cause := socket_error(error)) is not None:
                return self._network(cause)
            if isinstance(error, requests.exceptions.JSONDecodeError):
                return BadAnswer(self.name, f"{at} answers something that is not JSON")
            return Unreachable(self.name, f"{at}: the exchange broke: {clean(error, 200)}")
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError, IndexError)):
            return BadAnswer(self.name, f"{at} answers JSON that is not Prometheus': {clean(repr(error), 120)}")
        return None

    async def close(self) -> None:
        self._threads.close()
