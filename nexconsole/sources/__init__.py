"""The systems that the console reads, one module each. `open_sources` makes those that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from functools import partial
from typing import TYPE_CHECKING, cast

from ..errors import NotConfigured, SourceError
from ..model import SourceHealth
from .lazy_clients import LazyClients

if TYPE_CHECKING:
    from pathlib import Path

    from ..settings import Settings
    from .api import ApiSource
    from .docker import DockerSource
    from .flight_record import FlightRecordSource, RecordState
    from .kubernetes import KubernetesSource
    from .postgres import PostgresSource
    from .prometheus import PrometheusSource
    from .redis import RedisSource
    from .search import SearchSource
    from .source import Source
    from .status_pages import StatusPageSources

# name -> the setting that would configure it
NAMES = {
    "postgres": "postgres.url or DATABASE_URL",
    "redis": "redis.url or REDIS_URL",
    "kubernetes": "kubernetes.kubeconfig or KUBECONFIG",
    "docker": "docker.host or DOCKER_HOST",
    "prometheus": "prometheus.url or PROMETHEUS_URL",
    "api": "api.url or API_URL",
    "search": "search.url or MEILISEARCH_HOST",
    "status_pages": "providers.status_pages",
}
EXTRA = frozenset({"search", "status_pages"})  # what an installation may well do without: its absence is no news


NO_RECORD = "nothing is recorded: recorder.enabled is false, or this account has no folder for it (XDG_STATE_HOME)"
# The oldest installs count every call against 300 a minute that all callers share (nexnum.md#rate-limits).
API_EVERY_S = 10.0
API_RETRY_S = 3.0


class Sources:
    """The configured sources by name. Asking for one that is not configured raises NotConfigured."""

    def __init__(
        self, clients: LazyClients, opened: dict[str, Source], record: FlightRecordSource | None = None
    ) -> None:
        self.clients = clients
        self.memory: dict[str, object] = {}  # by signal: what its next reading has to know, and nobody else
        self._opened = opened
        self._record = record

    def has(self, name: str) -> bool:
        """Whether it is configured; one that nobody named and that turned out to be somebody else's is not."""
        return name in self._opened and self._opened[name].health.configured

    def _get(self, name: str) -> Source:
        if name not in self._opened:
            raise NotConfigured(name, f"{name} is not configured: set {NAMES[name]}")
        return self._opened[name]

    @property
    def postgres(self) -> PostgresSource:
        return cast("PostgresSource", self._get("postgres"))

    @property
    def redis(self) -> RedisSource:
        return cast("RedisSource", self._get("redis"))

    @property
    def kubernetes(self) -> KubernetesSource:
        return cast("KubernetesSource", self._get("kubernetes"))

    @property
    def docker(self) -> DockerSource:
        return cast("DockerSource", self._get("docker"))

    @property
    def prometheus(self) -> PrometheusSource:
        return cast("PrometheusSource", self._get("prometheus"))

    @property
    def api(self) -> ApiSource:
        return cast("ApiSource", self._get("api"))

    @property
    def search(self) -> SearchSource:
        return cast("SearchSource", self._get("search"))

    @property
    def status_pages(self) -> StatusPageSources:
        return cast("StatusPageSources", self._get("status_pages"))

    @property
    def record(self) -> FlightRecordSource:
        """The flight record. Raises NotConfigured where nothing is recorded."""
        if self._record is None:
            raise NotConfigured("record", NO_RECORD)
        return self._record

    @property
    def record_file(self) -> Path | None:
        """Where the flight record lies; None where nothing is recorded."""
        return None if self._record is None else self._record.file

    async def record_state(self) -> RecordState | None:
        """From when to when the flight record has something; None where nothing is recorded."""
        return None if self._record is None else await self._record.state()

    def health(self) -> tuple[SourceHealth, ...]:
        """Every source's last exchange, the ones that are not configured too, but for the extra ones."""
        there = {name for name, source in self._opened.items() if source.health.configured}
        left_out = {"status_pages", *(EXTRA - self._opened.keys()), *other_platform(there)}
        names = (name for name in NAMES if name not in left_out)
        return tuple(
            self._opened[name].health if name in self._opened else SourceHealth(name=name, configured=False)
            for name in names
        )

    def load(self) -> None:
        """Begin to import the client libraries that these sources need, off the event loop."""
        self.clients.start(source.module for source in self._opened.values())

    async def loaded(self) -> None:
        """Return when the client libraries are imported: a one-shot has no screen to keep alive meanwhile."""
        for source in self._opened.values():
            await self.clients.wait(source.module)

    async def watch(self) -> None:
        """Ask the API, which no signal reads, whether it answers; without end. `health` has what came of it."""
        while self.has("api"):
            try:
                await self.api.ping()
            except SourceError:
                await asyncio.sleep(API_RETRY_S)
            else:
                await asyncio.sleep(API_EVERY_S)

    async def close(self) -> None:
        if self._record is not None:
            self._record.close()
        for source in self._opened.values():
            await source.close()


def other_platform(there: Set[str]) -> tuple[str, ...]:
    """NexNum runs in Kubernetes or in Docker: that the other is not configured is no news."""
    if "docker" in there:
        return () if "kubernetes" in there else ("kubernetes",)
    return ("docker",)


def open_sources(settings: Settings) -> Sources:
    """Make the sources that the settings name; nothing is imported or connected yet.

    Raises SettingsError where an address can't be understood.
    """
    from .api import ApiSource
    from .docker import DockerSource
    from .flight_record import open_flight_record
    from .kubernetes import KubernetesSource
    from .postgres import PostgresSource
    from .prometheus import PrometheusSource
    from .redis import RedisSource
    from .search import SearchSource
    from .status_pages import StatusPageSources

    clients = LazyClients()
    opened: dict[str, Source] = {}
    if settings.kubernetes.kubeconfig:
        cluster = opened["kubernetes"] = KubernetesSource(clients, settings.kubernetes)
    if settings.docker.host:
        opened["docker"] = DockerSource(clients, settings.docker)
    if settings.postgres.url:
        opened["postgres"] = PostgresSource(clients, settings.postgres)
    elif origin := settings.database_origin:
        lookup = partial(cluster.entry, settings.kubernetes.secret, "DATABASE_URL")
        opened["postgres"] = PostgresSource(clients, settings.postgres, lookup=lookup, origin=origin)
    if settings.redis.url:
        opened["redis"] = RedisSource(clients, settings.redis)
    if settings.prometheus.url:
        opened["prometheus"] = PrometheusSource(clients, settings.prometheus)
    if settings.api.url:
        opened["api"] = ApiSource(clients, settings.api)
    if settings.search.url:
        opened["search"] = SearchSource(clients, settings.search)
    if settings.providers.status_pages:
        opened["status_pages"] = StatusPageSources(clients, settings.providers)
    return Sources(clients, opened, open_flight_record(settings))
