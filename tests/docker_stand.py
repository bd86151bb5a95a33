"""The drill's Docker host with processes that do nothing but write what a test tells them to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nexconsole.drill.docker.engine_api import EngineServer
from nexconsole.drill.docker.hands import ComposeHands
from nexconsole.drill.docker.host import DockerHost
from nexconsole.drill.log import ContainerLog
from nexconsole.drill.platform import Earlier
from nexconsole.settings import DockerSettings, Settings
from nexconsole.sources import Sources, open_sources

DOCKER = shutil.which("docker")
PACE = 0.05  # of a real second
IMAGE = "ghcr.io/nexnum/nexnum-app:1.4.2"


class ContainerProcess:
    """A process that is well until a test says otherwise."""

    def __init__(self) -> None:
        self.log, self.started_at, self.well = ContainerLog(), datetime.now(UTC), True
        self.log.append(" ✓ Ready in 1894ms")

    def ready(self) -> bool:
        return self.well

    def alive(self) -> bool:
        return self.well


class Processes:
    """The runtime: processes by the name of their container."""

    def __init__(self) -> None:
        self.running: dict[str, ContainerProcess] = {}
        self.begun: list[str] = []
        self.ill: set[str] = set()  # whose next process is not well

    async def start(self, service: str, name: str, image: str) -> ContainerProcess:
        process = self.running[name] = ContainerProcess()
        process.well = name not in self.ill
        self.begun.append(name)
        return process

    async def stop(self, service: str, name: str) -> None:
        self.running.pop(name, None)


class DockerStand:
    """A host, its processes, and sources that read it."""

    def __init__(self, host: DockerHost, processes: Processes, address: str) -> None:
        self.host, self.processes, self.address = host, processes, address
        self.hands = ComposeHands(host)
        self._made: list[Sources] = []

    def settings(self, **docker: Any) -> Settings:
        return Settings(docker=DockerSettings(**{"host": self.address, **docker}))

    def sources(self, **docker: Any) -> Sources:
        self._made.append(open_sources(self.settings(**docker)))
        return self._made[-1]

    async def close(self) -> None:
        for sources in self._made:
            await sources.close()


@asynccontextmanager
async def docker_stand(
    *, replicas: int = 3, age_s: float = 3600.0, earlier: Earlier | None = None, worker: bool = True
) -> AsyncIterator[DockerStand]:
    folder = Path(tempfile.mkdtemp(prefix="nexdocker-"))  # a socket's path must be short
    processes = Processes()
    host = DockerHost(
        processes, replicas=replicas, image=IMAGE, earlier=earlier, pace=PACE, age_s=age_s, seed=1, worker=worker
    )
    server = EngineServer(host)
    stand = DockerStand(host, processes, await server.start(folder / "docker.sock"))
    try:
        yield stand
    finally:
        await stand.close()
        await server.close()
        shutil.rmtree(folder)
