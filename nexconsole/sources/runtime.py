"""Where logs are followed: pods of Kubernetes, or containers of Docker, by the same objects and the same lines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import aiohttp

    from .docker_frames import ContainerLogStream
    from .lazy_clients import LazyClients
    from .resources import PodResource


class FollowSettings(Protocol):
    """How logs are followed: of at most how many pods, from when on, and of which container ("": the usual one)."""

    @property
    def follow_pods(self) -> int: ...
    @property
    def log_since_s(self) -> int: ...
    @property
    def log_tail_lines(self) -> int: ...
    @property
    def container(self) -> str: ...


class LogSource(Protocol):
    """Where one log is read."""

    name: str

    @property
    def follow(self) -> FollowSettings: ...

    def log(
        self, pod: str, container: str, query: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse | ContainerLogStream]:
        """The answer that carries its log as it grows. Raises SourceError."""


class FollowedSource(LogSource, Protocol):
    """Where pods and their logs are read. A pod is a pod, or a container of Docker: `noun` is what people call it."""

    module: str  # that its client needs
    noun: str
    clients: LazyClients

    async def pods(self, max_age_s: float = 0.0) -> tuple[PodResource, ...]:
        """NexNum's own that have not ended for good. Raises SourceError."""
