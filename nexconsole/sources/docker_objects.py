"""The parts of the Docker Engine's answers that the console reads. Unknown fields are skipped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import dataclass_transform

import msgspec

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
CONFIG_HASH = "com.docker.compose.config-hash"
ONE_OFF = "com.docker.compose.oneoff"
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class EngineObject(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A missing field has Go's zero value."""


class ListedContainer(EngineObject):
    """One container of `/containers/json`."""

    id: str = msgspec.field(name="Id", default="")
    names: list[str] | None = None
    image: str = ""
    labels: dict[str, str] | None = None
    state: str = ""

    @property
    def name(self) -> str:
        """Without the slash; where links gave it several, the one that is its own."""
        names = [name.lstrip("/") for name in self.names or () if name.count("/") == 1]
        return names[0] if names else self.id[:12]

    def label(self, key: str) -> str:
        return (self.labels or {}).get(key, "")


class HealthLog(EngineObject):
    exit_code: int = 0
    output: str = ""


class Health(EngineObject):
    status: str = ""  # none, starting, healthy, unhealthy
    failing_streak: int = 0
    log: list[HealthLog] | None = None


class ContainerCondition(EngineObject):
    """A container's `State`."""

    status: str = ""  # created, running, paused, restarting, removing, exited, dead
    running: bool = False
    paused: bool = False
    restarting: bool = False
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)
    dead: bool = False
    exit_code: int = 0
    error: str = ""
    started_at: str = ""
    finished_at: str = ""
    health: Health | None = None


class ContainerConfig(EngineObject):
    image: str = ""
    tty: bool = False
    labels: dict[str, str] | None = None


class RestartPolicy(EngineObject):
    name: str = ""


class LogDriver(EngineObject):
    type: str = ""


class HostConfig(EngineObject):
    restart_policy: RestartPolicy | None = None
    log_config: LogDriver | None = None


class InspectedContainer(EngineObject):
    """The answer of `/containers/{id}/json`."""

    id: str = msgspec.field(name="Id", default="")
    name: str = ""
    created: str = ""
    image: str = ""  # the image's id
    restart_count: int = 0
    state: ContainerCondition = ContainerCondition()
    config: ContainerConfig = ContainerConfig()
    host_config: HostConfig = HostConfig()

    def label(self, key: str) -> str:
        return (self.config.labels or {}).get(key, "")


class EventActor(EngineObject):
    id: str = msgspec.field(name="ID", default="")
    attributes: dict[str, str] | None = None


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of `/events`. `action` may have more after a colon: "health_status: unhealthy"."""

    type: str = msgspec.field(name="Type", default="")
    action: str = msgspec.field(name="Action", default="")
    actor: EventActor = msgspec.field(name="Actor", default=EventActor())
    time_nano: int = msgspec.field(name="timeNano", default=0)

    @property
    def at(self) -> datetime:
        """Raises OverflowError or ValueError for a time that no calendar has."""
        return datetime.fromtimestamp(self.time_nano / 1e9, UTC)

    def attribute(self, key: str) -> str:
        return (self.actor.attributes or {}).get(key, "")


class EngineVersion(EngineObject):
    """The answer of `/version`."""

    version: str = ""
    api_version: str = ""
    min_api_version: str = msgspec.field(name="MinAPIVersion", default="")


class EngineInfo(EngineObject):
    """The answer of `/info`."""

    name: str = ""
    server_version: str = ""
    operating_system: str = ""


class EngineMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the Engine says when it refuses."""

    message: str = ""


def moment(text: str) -> datetime | None:
    """The Engine's time in UTC, to the microsecond; None where it is Go's zero time, or none."""
    if not text or text.startswith(NEVER[:10]):
        return None
    try:
        at = datetime.fromisoformat(_microseconds(text))
    except ValueError:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _microseconds(text: str) -> str:
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[: min(digits, 6)].ljust(6, '0')}{rest[digits:]}"
