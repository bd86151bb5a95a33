"""What runs NexNum: Kubernetes or Docker. Both list the same objects and give the same logs, so that signals don't ask
which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .runtime import FollowedSource

if TYPE_CHECKING:
    from ..model import SourceHealth
    from .deployment_pods import LabelledPods
    from .logs import Logs
    from .resources import Event, PodResource

DOCKER = "docker"
NOT_CONFIGURED = "neither kubernetes nor docker is configured"
HOW = "set kubernetes.kubeconfig (KUBECONFIG) or docker.host (DOCKER_HOST)"


class WorkloadRuntime(FollowedSource, Protocol):
    """All that signals read of what runs NexNum. `logs` follows its pods once it has been asked to."""

    health: SourceHealth

    @property
    def logs(self) -> Logs: ...

    async def labelled(self, max_age_s: float = 0.0) -> LabelledPods:
        """All of them, its own apart from the others. Raises SourceError."""

    async def pod(self, name: str) -> PodResource | None:
        """That one as it is at this moment; None where there is none. Raises SourceError."""

    async def events_of(self, name: str, uid: str) -> tuple[Event, ...]:
        """What has happened to it, in no order. Raises SourceError."""


class PlatformSources(Protocol):
    """The sources among which the runtime is."""

    def has(self, name: str) -> bool: ...

    @property
    def kubernetes(self) -> WorkloadRuntime: ...
    @property
    def docker(self) -> WorkloadRuntime: ...


def runtime_of(sources: PlatformSources) -> WorkloadRuntime | None:
    """The one that is configured; None where none is."""
    if sources.has(DOCKER):
        return sources.docker
    return sources.kubernetes if sources.has("kubernetes") else None


def on_docker(sources: PlatformSources) -> bool:
    """Whether NexNum runs in Docker, which has no rollouts and no revisions."""
    return sources.has(DOCKER)
