"""Alertmanager's v2 API: alerts that a matcher meets, and silences. (nexnum.md#alerts)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from ..errors import BadAnswer, Denied, SourceError, Unreachable
from ..text.sanitize import clean
from .http_address import headers_of, parse_http
from .http_client import explain, open_client, refuse_redirect
from .lazy_clients import LazyClients
from .source import Source

if TYPE_CHECKING:
    import httpx

    from .. import settings

T = TypeVar("T")

CLOCKS_DIFFER_S = 3.0


class AlertMatcher(msgspec.Struct, frozen=True, rename="camel"):
    """`isEqual` is missing before Alertmanager 0.22, where every matcher is an equal one."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def __str__(self) -> str:
        sign = ("=~" if self.is_regex else "=") if self.is_equal else ("!~" if self.is_regex else "!=")
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{sign}"{value}"'


class SilenceState(msgspec.Struct, frozen=True, rename="camel"):
    state: str = ""


class AlertStatus(msgspec.Struct, frozen=True, rename="camel"):
    state: str = ""
    silenced_by: list[str] | None = None


class AlertmanagerAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert; `state` is unprocessed, active or suppressed."""

    fingerprint: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    status: AlertStatus = AlertStatus()


class Silence(msgspec.Struct, frozen=True, rename="camel"):
    """One silence; `status.state` is pending, active or expired."""

    id: str = ""
    matchers: list[AlertMatcher] = []
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    created_by: str = ""
    comment: str = ""
    status: SilenceState = SilenceState()


# Go writes an empty list as null.
_ALERTS: msgspec.json.Decoder[list[AlertmanagerAlert] | None] = msgspec.json.Decoder(list[AlertmanagerAlert] | None)
_SILENCES: msgspec.json.Decoder[list[Silence] | None] = msgspec.json.Decoder(list[Silence] | None)
_SILENCE = msgspec.json.Decoder(Silence)


class AlertmanagerSource(Source):
    """One Alertmanager (or a cluster's address), with a path prefix where it has one."""

    name = "alertmanager"
    module = "httpx"

    def __init__(self, clients: LazyClients, settings: settings.AlertmanagerSettings) -> None:
        where = parse_http("alertmanager.url", settings.url)
        super().__init__(clients, where.place)
        self.settings, self.url = settings, where.url
        login = (settings.username, settings.password) if settings.username else where.login
        self.headers = headers_of("alertmanager", settings.headers, bearer=settings.bearer, login=login)
        self.ahead_s = 0.0  # how far its clock is ahead of ours, as far as its newest answer tells

    async def alerts(self, matcher: AlertMatcher) -> tuple[AlertmanagerAlert, ...]:
        """The alerts that it meets now, silenced ones too."""
        query = {"filter": str(matcher)}
        alerts = await self._get("/api/v2/alerts", _ALERTS, query, "the alerts query")
        return tuple(alerts or ())

    async def silences(self, matcher: AlertMatcher | None = None) -> tuple[Silence, ...]:
        """The silences, expired ones too; with a matcher those that hold such a one."""
        query = {"filter": str(matcher)} if matcher else {}
        silences = await self._get("/api/v2/silences", _SILENCES, query, "the silences query")
        return tuple(silences or ())

    async def silence(self, id: str) -> Silence:
        path = f"/api/v2/silence/{quote(id, safe='')}"
        return await self._get(path, _SILENCE, {}, "the silence query")

    async def _get(self, path: str, decoder: msgspec.json.Decoder[T], query: Mapping[str, str], what: str) -> T:
        limit = self.settings.timeout_s
        async with self.exchange(limit, what):
            client = open_client(self, self.url, timeout_s=limit, ca_file=self.settings.ca_file, headers=self.headers)
            async with client:
                response = await client.get(self.url + path, params=dict(query))
                self._compare_clocks(response.headers.get("date", ""))
                return decoder.decode(self._body(response, path))

    def now(self, ours: datetime) -> datetime:
        """Its own time when ours is `ours`: what begins by our clock may have begun too late, or be over, by its."""
        return ours + timedelta(seconds=self.ahead_s)

    def _compare_clocks(self, date: str) -> None:
        """The header has whole seconds, so a little less than CLOCKS_DIFFER_S is no difference."""
        try:
            theirs = parsedate_to_datetime(date)
        except (TypeError, ValueError):  # none, or none that could be read
            return
        if theirs.tzinfo is not None:
            ahead = (theirs - datetime.now(UTC)).total_seconds()
            self.ahead_s = ahead if abs(ahead) >= CLOCKS_DIFFER_S else 0.0

    def _body(self, response: httpx.Response, path: str) -> bytes:
        at, status = f"alertmanager at {self.address}", response.status_code
        refuse_redirect(self, response)
        if status in (401, 403):
            raise Denied(self.name, f"{at} refuses us ({status}): check alertmanager.bearer, .username and .password")
        if status == 404:
            raise BadAnswer(self.name, f"{at} has no {path} (404): is the address right, is it 0.16 or newer?")
        if status >= 500:
            raise Unreachable(self.name, f"{at} answers {status}: {clean(response.text, 200)}")
        if status != 200:
            raise SourceError(self.name, f"{at} refused {path} ({status}): {clean(response.text, 200)}")
        if "json" not in response.headers.get("content-type", ""):
            raise BadAnswer(self.name, f"{at} answers something that is not JSON: is this Alertmanager's address?")
        return response.content

    def explain(self, error: Exception) -> SourceError | None:
        if isinstance(error, msgspec.DecodeError):
            return BadAnswer(self.name, f"alertmanager at {self.address} answered unlike itself: {clean(error, 200)}")
        return explain(self, error)


def equal(name: str, value: str) -> AlertMatcher:
    return AlertMatcher(name=name, value=value)


def as_json(matchers: Sequence[AlertMatcher]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(matcher) for matcher in matchers]
