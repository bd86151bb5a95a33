"""Workloads of Docker Compose: the app's and the worker's containers. (nexnum.md#deployment)

Compose has no rollouts, revisions or autoscaler: what stands in their places is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..sources.docker_objects import SERVICE, InspectedContainer, moment
from ..sources.docker_pods import one_off, pod_of, service_of
from ..text.sanitize import clean
from ..text.units import count, several
from .pods import OtherPod, Pod, describe
from .releases import Release
from .workloads_value import ServiceState, Workloads

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources.docker import DockerSource, ProjectContainers

PODS_AGE_S = 2.5  # a look that the logs' follower has just taken will do
OTHERS_SHOWN = 200
NO_REVISIONS = "Docker Compose keeps no revisions: what ran before what was seen here is not known"
PLAIN_TAGS = ("", "latest")


async def read(docker: DockerSource, settings: Settings, previous: Workloads | None, now: datetime) -> Workloads:
    """The project's containers. Raises SourceError where the app has none, or the Engine can't be asked."""
    looked = await docker.look(PODS_AGE_S)
    app = settings.docker.app
    pods = [
        (each.label(SERVICE) or each.name.lstrip("/"), describe(pod_of(each, docker.events, docker.host or ""), now))
        for each in looked.own.values()
    ]
    services = tuple(_service(name, [pod for service, pod in pods if service == name]) for name in docker.services)
    selling = [each for each in looked.own.values() if (each.label(SERVICE) or each.name.lstrip("/")) == app]
    own = next(service for service in services if service.name == clean(app, 100))
    newest = max(selling, key=lambda each: each.created)
    updated = sum(each.image == newest.image for each in selling)
    return Workloads(
        source="docker",
        notes=tuple(_notes(services)),
        unit="container",
        namespace=clean(looked.project, 100),
        deployment=clean(app, 100),
        desired=own.desired,
        ready=own.ready,
        updated=updated,
        available=own.ready,
        rollout="complete" if updated == len(selling) else "progressing",
        rollout_note="" if updated == len(selling) else _mixed(selling, updated),
        pods=tuple(sorted((pod for _, pod in pods), key=lambda pod: (pod.ready, pod.name))),
        others=_others(looked, docker.services),
        where=_where(docker),
        services=services,
        release=release(selling, docker, previous.release if previous is not None else None, now),
    )


def _service(name: str, pods: Sequence[Pod]) -> ServiceState:
    return ServiceState(name=clean(name, 100), desired=len(pods), ready=sum(pod.ready for pod in pods))


def _notes(services: Sequence[ServiceState]) -> Iterator[str]:
    for service in services:
        if not service.desired:
            yield f"there is no container of {service.name}: set docker.worker, or empty it where there is none"


def _mixed(selling: Sequence[InspectedContainer], updated: int) -> str:
    return (
        f"{several(updated, 'container runs', 'containers run')} the newest image, {count(len(selling) - updated)} not"
    )


def _others(looked: ProjectContainers, services: Sequence[str]) -> tuple[OtherPod, ...]:
    """The project's other containers, with what they are."""
    others = [each for each in looked.listed if each.id not in looked.own]
    return tuple(
        OtherPod(
            name=clean(each.name, 100),
            uid=clean(each.id[:12], 60),
            why=(
                f"a one-off run of {clean(service_of(each), 60)}"
                if one_off(each)
                else f"of {clean(service_of(each), 60)}, {clean(each.state, 30) or 'state not known'}"
            ),
        )
        for each in others[:OTHERS_SHOWN]
    )


def _where(docker: DockerSource) -> str:
    return f"project {clean(docker.project, 60)} at {docker.address}" if docker.project else docker.address


def image_of(container: InspectedContainer) -> str:
    """Without the registry; an image whose tag says nothing is told by its id: "nexnum-app@3f1c9a2b7d40"."""
    return image_name(container.config.image, container.image)


def image_name(image: str, identity: str) -> str:
    """The same of an image and its id; an image that is named by its id alone is told by that."""
    name = clean(image, 200).rpartition("/")[2]
    bare, _, tag = name.partition(":")
    mark = identity.removeprefix("sha256:")[:12]
    return f"{bare}@{clean(mark, 12)}" if tag in PLAIN_TAGS and mark else name


def release(
    selling: Sequence[InspectedContainer], docker: DockerSource, last: Release | None, now: datetime
) -> Release:
    """What runs: since when is told by the oldest container of this image; what was before by the Engine's events, and
    by what was seen here."""
    newest = max(selling, key=lambda each: each.created)
    images = image_of(newest)
    born = [at for each in selling if each.image == newest.image and (at := moment(each.created)) is not None]
    before, before_since = "", None
    if last is not None and last.images == images:
        before, before_since = last.before, last.before_since
        born += [last.since] if last.since is not None and last.since < min(born, default=now) else []
    elif last is not None and last.images:
        before, before_since = last.images, last.since
    if not before:
        before = _gone(docker, newest)
    return Release(
        revision="",
        read_at=now,
        images=images,
        since=min(born, default=None),
        before=before,
        before_since=before_since,
        why="" if born else NO_REVISIONS,
    )


def _gone(docker: DockerSource, newest: InspectedContainer) -> str:
    """The image of the container that was removed last, where it is another one; "" where no event tells."""
    name = newest.config.image
    for event in sorted(docker.events.known, key=lambda event: event.time_nano, reverse=True):
        image = event.attribute("image")
        if event.action == "destroy" and event.attribute(SERVICE) == newest.label(SERVICE) and image != name:
            return clean(image, 200).rpartition("/")[2]
    return ""
