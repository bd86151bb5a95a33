"""What runs the drill's NexNum: its cluster, or its Docker host. Faults work on either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import DrillError
from .staged_causes import InCluster

if TYPE_CHECKING:
    from datetime import datetime

    from .kubernetes.endings import ContainerEnd
    from .scenario_model import DrillScenario

PlatformName = Literal["kubernetes", "docker"]


def check_platform(name: str, era: str, scenario: DrillScenario) -> None:
    """Raises DrillError where this scenario can't be staged there."""
    if name != "docker":
        return
    if era == "old":
        raise DrillError("The oldest NexNum never ran in Docker Compose: take --runtime docker without --era old.")
    if any(isinstance(cause, InCluster) for cause in scenario.more):
        raise DrillError(f"{scenario.name} is about Kubernetes alone: choose another with --runtime docker.")


@dataclass(frozen=True)
class Earlier:
    """What ran before the present release: its image, and how many seconds ago it was replaced; where the image is
    that of the present one, by a restart."""

    image: str
    ended_s: float


class PlatformHands(Protocol):
    """What people and machines change on it. A pod, or a container, is given by its name."""

    def configure(self, key: str, value: str, *, at: datetime | None = None) -> None: ...
    def rekey(self, key: str, value: str, *, at: datetime | None = None) -> None: ...
    def scale(self, replicas: int) -> None: ...
    def restart_rollout(self) -> None: ...
    def kill(self, pod: str = "", end: ContainerEnd = ...) -> str: ...
    def crash(self, end: ContainerEnd, after_s: float, *pods: str) -> None: ...
    def crash_no_more(self) -> None: ...
    def restarted_before(self, pod: str, end: ContainerEnd, at: datetime, times: int = 1) -> None: ...


class DrillPlatform(Protocol):
    """`image` is what the app is to run, `replicas` how often."""

    @property
    def name(self) -> PlatformName: ...

    @property
    def image(self) -> str: ...
    @property
    def replicas(self) -> int: ...
    @property
    def hands(self) -> PlatformHands: ...
    def release(self, image: str) -> None: ...
    def remove_autoscaler(self) -> None: ...
