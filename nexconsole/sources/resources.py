"""The parts of Kubernetes' objects that the console reads, decoded without the client's 768 model classes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Unknown fields are skipped; a missing one has Go's zero value."""


class Owner(Object):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Metadata(Object):
    name: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class ResourceCondition(Object):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ContainerWaiting(Object):
    reason: str = ""
    message: str = ""


class ContainerRunning(Object):
    started_at: datetime | None = None


class ContainerTerminated(Object):
    reason: str = ""
    exit_code: int = 0
    signal: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(Object):
    waiting: ContainerWaiting | None = None
    running: ContainerRunning | None = None
    terminated: ContainerTerminated | None = None


class ContainerStatus(Object):
    name: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class Container(Object):
    """`restart_policy` is "Always" for a native sidecar, which is written among the init containers."""

    name: str = ""
    image: str = ""
    restart_policy: str = ""


class PodSpec(Object):
    containers: list[Container] = []
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    node_name: str = ""


class PodStatus(Object):
    phase: str = ""
    reason: str = ""
    conditions: list[ResourceCondition] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodResource(Object):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def container(self, name: str) -> ContainerStatus | None:
        """The status of the container of that name, of the first one where the name is empty.

        `containers.log_container` tells which one stands for the pod.
        """
        statuses = [*(self.status.container_statuses or ()), *(self.status.init_container_statuses or ())]
        first = self.spec.containers[0].name if self.spec.containers else ""
        return next((status for status in statuses if status.name == (name or first)), None)

    def condition(self, kind: str) -> ResourceCondition | None:
        return next((condition for condition in self.status.conditions or [] if condition.type == kind), None)


class Event(Object):
    """What a controller or a kubelet says that it did; the same words again are counted."""

    type: str = ""
    reason: str = ""
    message: str = ""
    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None


class EventList(Object):
    items: list[Event] | None = None


class KeptTemplate(Object):
    """A revision's template; its spec is as the server has it, to be compared as a whole."""

    metadata: Metadata = Metadata()
    spec: dict[str, Any] = {}


class ReplicaSetSpec(Object):
    template: KeptTemplate = KeptTemplate()


class ReplicaSet(Object):
    """One revision of a deployment: its template is kept for going back."""

    metadata: Metadata = Metadata()
    spec: ReplicaSetSpec = ReplicaSetSpec()


class ReplicaSetList(Object):
    items: list[ReplicaSet] | None = None


class PodList(Object):
    items: list[PodResource] | None = None


class Requirement(Object):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(Object):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None

    def __str__(self) -> str:
        """As the API's `labelSelector` parameter has it."""
        terms = [f"{key}={value}" for key, value in (self.match_labels or {}).items()]
        for wanted in self.match_expressions or []:
            values = f"({','.join(wanted.values or [])})"
            terms.append(
                {
                    "In": f"{wanted.key} in {values}",
                    "NotIn": f"{wanted.key} notin {values}",
                    "Exists": wanted.key,
                    "DoesNotExist": f"!{wanted.key}",
                }.get(wanted.operator, wanted.key)
            )
        return ",".join(terms)


class Template(Object):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class Strategy(Object):
    type: str = ""


class DeploymentSpec(Object):
    replicas: int = 1
    paused: bool = False
    selector: LabelSelector = LabelSelector()
    strategy: Strategy = Strategy()
    template: Template = Template()


class DeploymentStatus(Object):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    conditions: list[ResourceCondition] | None = None


class Deployment(Object):
    metadata: Metadata = Metadata()
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    def condition(self, kind: str) -> ResourceCondition | None:
        return next((condition for condition in self.status.conditions or [] if condition.type == kind), None)


class DeploymentList(Object):
    items: list[Deployment] | None = None


class ScaleTarget(Object):
    kind: str = ""
    name: str = ""
    average_utilization: int | None = None
    average_value: str | None = None
    value: str | None = None


class MetricResource(Object):
    name: str = ""
    target: ScaleTarget | None = None
    current: ScaleTarget | None = None


class Metric(Object):
    """A metric of the autoscaler's spec (with `target`) or status (with `current`); only resources are read."""

    type: str = ""
    resource: MetricResource | None = None


class AutoscalerSpec(Object):
    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 0
    metrics: list[Metric] | None = None


class AutoscalerStatus(Object):
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: list[Metric] | None = None
    conditions: list[ResourceCondition] | None = None


class AutoscalerResource(Object):
    metadata: Metadata = Metadata()
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


class AutoscalerList(Object):
    items: list[AutoscalerResource] | None = None


class Secret(Object):
    data: dict[str, str] | None = None


class ReviewStatus(Object):
    allowed: bool = False
    reason: str = ""


class Review(Object):
    status: ReviewStatus = ReviewStatus()


class UserInfo(Object):
    username: str = ""
    groups: list[str] | None = None


class WhoAmIStatus(Object):
    user_info: UserInfo = UserInfo()


class WhoAmI(Object):
    """A SelfSubjectReview."""

    status: WhoAmIStatus = WhoAmIStatus()


class ApiStatus(Object):
    """What the API says when it refuses."""

    kind: str = ""
    message: str = ""
    reason: str = ""
