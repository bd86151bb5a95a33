"""What the signal `workloads` publishes: pods of Kubernetes, or containers of Docker Compose."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Value
from .pods import OtherPod, Pod
from .releases import Release


@dataclass(frozen=True, kw_only=True)
class Autoscaler:
    name: str
    minimum: int
    maximum: int
    current: int
    desired: int
    metrics: str = ""


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """A service of Docker Compose: how many containers it has, and how many are well."""

    name: str
    desired: int
    ready: int


@dataclass(frozen=True, kw_only=True)
class Workloads(Value):
    """rollout: complete, progressing, paused or stuck; `rollout_note` says it in words. `release` is what runs.

    `pods` are the deployment's own; `others` wear the same labels and are counted nowhere. `where` says which cluster
    and account this is and how that came about; `container` which container is read, where a pod has several.

    In Docker Compose `unit` is "container": a pod is a container, the deployment is the app's service, `namespace` the
    project, and `services` has all that are NexNum's own. It has no autoscaler and no revisions.
    """

    namespace: str
    deployment: str
    desired: int
    ready: int
    updated: int
    available: int
    rollout: str
    rollout_note: str = ""
    pods: tuple[Pod, ...] = ()
    others: tuple[OtherPod, ...] = ()
    where: str = ""
    container: str = ""
    autoscaler: Autoscaler | None = None
    release: Release | None = None
    unit: str = "pod"
    services: tuple[ServiceState, ...] = ()

    @property
    def idle_services(self) -> tuple[ServiceState, ...]:
        """The services beside the app whose containers do not all run well."""
        return tuple(
            service for service in self.services if service.name != self.deployment and service.ready < service.desired
        )
