"""Kubernetes' objects with who wrote them and when: what is asked for to learn what changed.

Of ConfigMaps and Secrets only the metadata is asked for, so that their content never reaches this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ..errors import Denied, Missing, SourceError
from .kubernetes import KubernetesSource
from .resources import AutoscalerSpec, Container, Event, Metadata, Object, ScaleTarget

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
MOST_EVENTS = 500
# What happens all the time, or is told by the pods themselves.
NO_NEWS = (
    *("Pulled", "Pulling", "Created", "Started", "Scheduled", "Unhealthy"),
    *("SuccessfulCreate", "SuccessfulDelete"),
)

T = TypeVar("T")


class ManagedFields(Object):
    """One writer's share of an object. `time` is when it last added or changed a field of its own."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: datetime | None = None
    fields: dict[str, Any] | None = msgspec.field(name="fieldsV1", default=None)

    def owns(self, *path: str) -> bool:
        """Whether the field is its own, or one below it: `owns("spec", "replicas")`."""
        place: Any = self.fields
        for name in path:
            place = place.get(f"f:{name}") if isinstance(place, dict) else None
            if place is None:
                return False
        return True

    def owns_image(self) -> bool:
        """Whether an image of the pods' template is its own."""
        place: Any = self.fields
        for name in ("f:spec", "f:template", "f:spec", "f:containers"):
            place = place.get(name) if isinstance(place, dict) else None
        containers = place.values() if isinstance(place, dict) else ()
        return any(isinstance(each, dict) and "f:image" in each for each in containers)


class StampedMetadata(Metadata):
    managed_fields: list[ManagedFields] | None = None
    deletion_grace_period_seconds: int | None = None

    def writers(self, *path: str) -> Iterator[ManagedFields]:
        """Who owns the field, and says when."""
        return (each for each in self.managed_fields or () if each.time is not None and each.owns(*path))


class Reference(Object):
    name: str = ""
    secret_name: str = ""


class EnvironmentSource(Object):
    config_map_ref: Reference | None = None
    secret_ref: Reference | None = None


class ValueSource(Object):
    config_map_key_ref: Reference | None = None
    secret_key_ref: Reference | None = None


class EnvVariable(Object):
    value_from: ValueSource | None = None


class ConfiguredContainer(Container):
    env: list[EnvVariable] | None = None
    env_from: list[EnvironmentSource] | None = None


class Projection(Object):
    config_map: Reference | None = None
    secret: Reference | None = None


class Projected(Object):
    sources: list[Projection] | None = None


class Volume(Object):
    config_map: Reference | None = None
    secret: Reference | None = None
    projected: Projected | None = None


class ConfiguredPodSpec(Object):
    containers: tuple[ConfiguredContainer, ...] = ()
    init_containers: list[ConfiguredContainer] | None = None
    volumes: list[Volume] | None = None


class ConfiguredTemplate(Object):
    metadata: Metadata = Metadata()
    spec: ConfiguredPodSpec = ConfiguredPodSpec()


class StampedDeploymentSpec(Object):
    replicas: int = 1
    template: ConfiguredTemplate = ConfiguredTemplate()


class ProgressCondition(Object):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_update_time: datetime | None = None


class StampedDeploymentStatus(Object):
    conditions: list[ProgressCondition] | None = None


class StampedDeployment(Object):
    metadata: StampedMetadata = StampedMetadata()
    spec: StampedDeploymentSpec = StampedDeploymentSpec()
    status: StampedDeploymentStatus = StampedDeploymentStatus()

    def configured_by(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the ConfigMaps and of the Secrets that its pods use, in order."""
        spec = self.spec.template.spec
        configs: dict[str, None] = {}
        secrets: dict[str, None] = {}
        for config, secret in _references(spec):
            if config is not None and config.name:
                configs[config.name] = None
            if secret is not None and (secret.name or secret.secret_name):
                secrets[secret.name or secret.secret_name] = None
        return tuple(configs), tuple(secrets)


def _references(spec: ConfiguredPodSpec) -> Iterator[tuple[Reference | None, Reference | None]]:
    for container in (*spec.containers, *(spec.init_containers or ())):
        for source in container.env_from or ():
            yield source.config_map_ref, source.secret_ref
        for variable in container.env or ():
            if variable.value_from is not None:
                yield variable.value_from.config_map_key_ref, variable.value_from.secret_key_ref
    for volume in spec.volumes or ():
        yield volume.config_map, volume.secret
        for part in (volume.projected.sources or ()) if volume.projected is not None else ():
            yield part.config_map, part.secret


class StampedObject(Object):
    """A ConfigMap or a Secret, as far as it is asked for."""

    metadata: StampedMetadata = StampedMetadata()


class StampedAutoscalerStatus(Object):
    last_scale_time: datetime | None = None
    current_replicas: int = 0
    desired_replicas: int = 0


class StampedAutoscaler(Object):
    metadata: StampedMetadata = StampedMetadata()
    spec: AutoscalerSpec = AutoscalerSpec()
    status: StampedAutoscalerStatus = StampedAutoscalerStatus()


class StampedAutoscalerList(Object):
    items: list[StampedAutoscaler] | None = None


class Involved(Object):
    kind: str = ""
    name: str = ""
    uid: str = ""


class EventSeries(Object):
    count: int = 0
    last_observed_time: datetime | None = None


class NamespaceEvent(Event):
    metadata: Metadata = Metadata()
    involved_object: Involved = Involved()
    series: EventSeries | None = None

    @property
    def at(self) -> datetime | None:
        """When it happened last."""
        series = self.series.last_observed_time if self.series is not None else None
        return series or self.last_timestamp or self.event_time or self.first_timestamp


class NamespaceEventList(Object):
    items: list[NamespaceEvent] | None = None


async def deployment(kubernetes: KubernetesSource) -> StampedDeployment:
    name = kubernetes.settings.deployment
    place = ("apis/apps/v1", "deployments", name)
    return await _asked(kubernetes, place, StampedDeployment, "get", "deployments.apps", name)


async def autoscaler(kubernetes: KubernetesSource) -> StampedAutoscaler | None:
    """The one that targets the deployment; None: there is none."""
    place = ("apis/autoscaling/v2", "horizontalpodautoscalers", kubernetes.settings.autoscaler)
    resource = "horizontalpodautoscalers.autoscaling"
    if kubernetes.settings.autoscaler:
        return await _asked(kubernetes, place, StampedAutoscaler, "get", resource, kubernetes.settings.autoscaler)
    listed = await _asked(kubernetes, place, StampedAutoscalerList, "list", resource)
    wanted = ScaleTarget(kind="Deployment", name=kubernetes.settings.deployment)
    for each in listed.items or ():
        target = each.spec.scale_target_ref
        if (target.kind, target.name) == (wanted.kind, wanted.name):
            return each
    return None


async def configuration(kubernetes: KubernetesSource, plural: str, name: str) -> StampedMetadata:
    """The metadata of a ConfigMap or of a Secret ("configmaps", "secrets"), and nothing else of it."""
    place = ("api/v1", plural, name)
    found = await _asked(kubernetes, place, StampedObject, "get", plural, name, accept=METADATA_ONLY)
    return found.metadata


async def events(kubernetes: KubernetesSource) -> tuple[NamespaceEvent, ...]:
    """The namespace's events that tell of a change, in no order; `MOST_EVENTS` of them where there are more."""
    query = {"limit": str(MOST_EVENTS), "fieldSelector": ",".join(f"reason!={reason}" for reason in NO_NEWS)}
    listed = await _asked(kubernetes, ("api/v1", "events"), NamespaceEventList, "list", "events", query=query)
    return tuple(listed.items or ())


async def _asked(
    kubernetes: KubernetesSource,
    place: tuple[str, ...],
    kind: type[T],
    verb: str,
    resource: str,
    name: str = "",
    *,
    query: Mapping[str, str] | None = None,
    accept: str = "application/json",
) -> T:
    """One read at this place of the namespace, which is known when the kubeconfig has been read.

    What is refused is an answer all the same: a right that only this needs doesn't make the source ill.
    """
    refused: SourceError | None = None
    found: T | None = None
    async with kubernetes.exchange(kubernetes.settings.timeout_s, f"the query of {resource}"):
        try:
            path = kubernetes._path(*place)
            found = await kubernetes._read(path, kind, verb, resource, name, query=query, accept=accept)
        except (Denied, Missing) as error:
            refused = error
    if refused is not None:
        raise refused
    assert found is not None
    return found
