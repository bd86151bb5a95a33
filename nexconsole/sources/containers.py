"""Which container of a pod is read: the settings', else the default of `kubectl logs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..text.sanitize import clean

if TYPE_CHECKING:
    from .resources import PodResource
    from .runtime import FollowSettings

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
NAMES_SHOWN = 8


@dataclass(frozen=True)
class LogContainer:
    """The container's name, and why it is that one: "kubernetes.container says so" and the like."""

    name: str
    why: str


def log_container(pod: PodResource, settings: FollowSettings) -> LogContainer:
    """The container whose log and state stand for the pod.

    Raises SourceError where the settings name one that the pod does not have; the sentence names those that it has.
    """
    names = [container.name for container in pod.spec.containers]
    others = [
        container.name for container in (*(pod.spec.init_containers or ()), *(pod.spec.ephemeral_containers or ()))
    ]
    if wanted := settings.container:
        if wanted in names or wanted in others:
            return LogContainer(wanted, "kubernetes.container says so")
        raise SourceError(
            "kubernetes",
            f"pod {clean(pod.metadata.name, 100)} has no container {clean(wanted, 60)}: it has {_listed(names)};"
            " set kubernetes.container",
        )
    if not names:
        return LogContainer("", "the pod has none")
    noted = (pod.metadata.annotations or {}).get(DEFAULT_CONTAINER, "")
    if noted in names:
        return LogContainer(noted, f"the annotation {DEFAULT_CONTAINER} says so")
    if len(names) == 1:
        return LogContainer(names[0], "the pod has no other")
    missing = f", and the annotation {DEFAULT_CONTAINER} names none of them" if noted else ""
    return LogContainer(names[0], f"the first of {len(names)}{missing}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(clean(name, 60) for name in names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown or "none"
