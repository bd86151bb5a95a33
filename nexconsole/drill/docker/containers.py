"""A container of the drill's Docker host, and how the Engine's API shows it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from ...text.units import several
from ..kubernetes.kubelet import RunningContainer
from ..log import ContainerLog

PROJECT = "nexnum"
NEVER = "0001-01-01T00:00:00Z"
APP, WORKER = "nexnum-app", "nexnum-worker"
# What else the newest NexNum's Compose file starts: service, container's name, image. (nexnum.md#deployment)
BESIDE = (
    ("nexnum-socket", "nexnum-socket", "nexnum-socket:1.4.2"),
    ("redis", "nexnum-redis", "redis:7-alpine"),
    ("redisinsight", "nexnum-redisinsight", "redis/redisinsight:latest"),
    ("meilisearch", "nexnum-meilisearch", "getmeili/meilisearch:v1.12.0"),
    ("nexnum-bot", "nexnum-bot", "nexnum-bot:1.4.2"),
)
HEALTH_EVERY_S, HEALTH_RETRIES, START_PERIOD_S = 5.0, 3, 10.0
Object = dict[str, Any]


class ContainerRuntime(Protocol):
    """What the containers' processes run in."""

    async def start(self, service: str, name: str, image: str) -> RunningContainer: ...
    async def stop(self, service: str, name: str) -> None: ...


@dataclass(eq=False)
class EngineContainer:
    """`state` is the Engine's word; `logs` has a log for each run, the last one grows."""

    id: str
    name: str
    service: str
    number: int
    image: str
    created: datetime
    config_hash: str
    one_off: bool = False
    state: str = "created"
    exit_code: int = 0
    oom: bool = False
    restarts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    health: str = "starting"
    streak: int = 0
    output: str = ""
    process: RunningContainer | None = None
    logs: list[ContainerLog] = field(default_factory=list)
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def probed(self) -> bool:
        """Whether its Compose file has a health check for it."""
        return self.service != "redisinsight"

    @property
    def labels(self) -> dict[str, str]:
        return {
            "com.docker.compose.config-hash": self.config_hash,
            "com.docker.compose.container-number": str(self.number),
            "com.docker.compose.image": image_id(self.image),
            "com.docker.compose.oneoff": "True" if self.one_off else "False",
            "com.docker.compose.project": PROJECT,
            "com.docker.compose.project.config_files": "/srv/nexnum/docker-compose.yml",
            "com.docker.compose.project.working_dir": "/srv/nexnum",
            "com.docker.compose.service": self.service,
            "com.docker.compose.version": "2.36.2",
        }

    def listed(self) -> Object:
        """As `/containers/json` has it."""
        return {
            "Id": self.id,
            "Names": [f"/{self.name}"],
            "Image": self.image,
            "ImageID": image_id(self.image),
            "Command": "docker-entrypoint.sh",
            "Created": int(self.created.timestamp()),
            "Ports": [],
            "Labels": self.labels,
            "State": self.state,
            "Status": self.status_words(),
            "HostConfig": {"NetworkMode": "nexnum-prod"},
            "NetworkSettings": {"Networks": {"nexnum-prod": {}}},
            "Mounts": [],
        }

    def status_words(self) -> str:
        """As `docker ps` prints it."""
        if self.state == "running" and self.started_at is not None:
            health = f" ({'health: starting' if self.health == 'starting' else self.health})" if self.probed else ""
            return f"Up {_ago(self.started_at)}{health}"
        if self.state in ("exited", "restarting") and self.finished_at is not None:
            word = "Exited" if self.state == "exited" else "Restarting"
            return f"{word} ({self.exit_code}) {_ago(self.finished_at)} ago"
        return self.state.capitalize()

    def inspected(self) -> Object:
        """As `/containers/{id}/json` has it."""
        state: Object = {
            "Status": self.state,
            "Running": self.state in ("running", "restarting"),
            "Paused": False,
            "Restarting": self.state == "restarting",
            "OOMKilled": self.oom,
            "Dead": False,
            "Pid": 4711 if self.state == "running" else 0,
            "ExitCode": self.exit_code,
            "Error": "",
            "StartedAt": stamp(self.started_at),
            "FinishedAt": stamp(self.finished_at),
        }
        if self.probed:
            log = [{"ExitCode": 0 if self.health == "healthy" else 1, "Output": self.output}] if self.output else []
            state["Health"] = {"Status": self.health, "FailingStreak": self.streak, "Log": log}
        probe = {"Test": ["CMD", "curl", "-f", "http://localhost:3000/api/health"], "Retries": HEALTH_RETRIES}
        probe |= {"Interval": int(HEALTH_EVERY_S * 1e9), "StartPeriod": int(START_PERIOD_S * 1e9)}
        return {
            "Id": self.id,
            "Created": stamp(self.created),
            "Path": "docker-entrypoint.sh",
            "Args": ["node", "server.js"],
            "State": state,
            "Image": image_id(self.image),
            "Name": f"/{self.name}",
            "RestartCount": self.restarts,
            "Driver": "overlay2",
            "Platform": "linux",
            "HostConfig": {
                "NetworkMode": "nexnum-prod",
                "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
                "LogConfig": {"Type": "json-file", "Config": {}},
                "Memory": 1 << 30,
            },
            "Config": {
                "Hostname": self.id[:12],
                "Image": self.image,
                "Tty": False,
                "Env": ["NODE_ENV=production"],
                "Labels": self.labels,
                **({"Healthcheck": probe} if self.probed else {}),
            },
            "NetworkSettings": {"Networks": {"nexnum-prod": {"IPAddress": "172.18.0.2"}}},
            "Mounts": [],
        }


def image_id(image: str) -> str:
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def stamp(at: datetime | None) -> str:
    return NEVER if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _ago(at: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - at).total_seconds()))
    for limit, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * limit:
            return several(seconds // limit, unit)
    return several(seconds, "second")
