"""The drill's Docker host: it starts, probes, restarts and replaces containers, as the Engine and Compose do.

The processes are the market's own; what a fault does to them is what it does in the drill's cluster.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..kubernetes.endings import OUT_OF_MEMORY, ContainerEnd, Endings
from ..log import ContainerLog
from ..platform import Earlier
from .containers import (
    APP,
    BESIDE,
    HEALTH_EVERY_S,
    HEALTH_RETRIES,
    START_PERIOD_S,
    WORKER,
    ContainerRuntime,
    EngineContainer,
)

EVENTS_KEPT = 256  # as the Engine's own memory
LEAST_PAUSE_S, MOST_PAUSE_S = 0.1, 60.0  # before a restart: doubled each time
GOOD_RUN_S = 10.0  # after a run of so long the pause is the least again
READY_PATIENCE_S = 20.0
WORKER_IMAGE = "nexnum-worker:1.4.2"

diagnostics = logging.getLogger(__name__)


@dataclass
class EngineFaults:
    """What the API does wrong: `hanging` answers nothing, `refuses` has the sentence for every write, `no_logs` for
    every log."""

    hanging: bool = False
    refuses: str = ""
    no_logs: str = ""


@dataclass
class HostEvents:
    """What has happened, the newest `EVENTS_KEPT`; `news` wakes whoever follows."""

    kept: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    total: int = 0
    _waiting: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, container: EngineContainer, action: str, at: datetime | None = None, **attributes: str) -> None:
        nanoseconds = int((at or datetime.now(UTC)).timestamp() * 1e9)
        actor = {"image": container.image, "name": container.name, **container.labels, **attributes}
        self.kept.append(
            {
                "status": action,
                "id": container.id,
                "from": container.image,
                "Type": "container",
                "Action": action,
                "Actor": {"ID": container.id, "Attributes": actor},
                "scope": "local",
                "time": nanoseconds // 1_000_000_000,
                "timeNano": nanoseconds,
            }
        )
        self.total += 1
        self._waiting.set()
        self._waiting = asyncio.Event()

    async def news(self, total: int, patience_s: float) -> None:
        """Return when there are more than `total`, or the patience is over."""
        if self.total <= total:
            try:
                async with asyncio.timeout(patience_s):
                    await self._waiting.wait()
            except TimeoutError:
                return


class _Idle:
    """A process that only stands there."""

    def __init__(self) -> None:
        self.log, self.started_at = ContainerLog(), datetime.now(UTC)

    def ready(self) -> bool:
        return True

    def alive(self) -> bool:
        return True


class DockerHost:
    """One Compose project. `pace` stretches its seconds; `age_s` is how old its containers are when the world begins;
    where there is an `earlier` release, `image` is that of the second."""

    def __init__(
        self,
        runtime: ContainerRuntime,
        *,
        replicas: int = 3,
        image: str = "",
        earlier: Earlier | None = None,
        pace: float = 1.0,
        age_s: float = 0.0,
        seed: int | None = None,
        worker: bool = True,
    ) -> None:
        self.containers: dict[str, EngineContainer] = {}
        self.events = HostEvents()
        self.troubles = EngineFaults()
        self.endings = Endings()
        self.image = image
        self.replicas = replicas
        self._runtime = runtime
        self._pace = pace
        self._random = random.Random(seed)
        self._settings_version = 0
        self._with_worker = worker
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._born = datetime.now(UTC) - timedelta(seconds=age_s if earlier is None else earlier.ended_s)
        self._stage(earlier)

    @property
    def app(self) -> list[EngineContainer]:
        """The app's containers, in order."""
        found = [each for each in self.containers.values() if each.service == APP and not each.one_off]
        return sorted(found, key=lambda each: each.number)

    def _stage(self, earlier: Earlier | None) -> None:
        for number in range(1, self.replicas + 1):
            container = self._make(APP, f"{APP}-{number}", self.image, number, self._born)
            if earlier is not None:
                old = self._make(APP, container.name, earlier.image, number, self._born - timedelta(hours=5))
                del self.containers[old.id]
                for action in ("kill", "die", "stop", "destroy"):
                    self.events.add(old, action, self._born, **({"exitCode": "143"} if action == "die" else {}))
                self.events.add(container, "create", self._born)
                self.events.add(container, "start", self._born)
        if self._with_worker:
            self._make(WORKER, WORKER, WORKER_IMAGE, 1, self._born)
        for service, name, image in BESIDE:
            self._make(service, name, image, 1, self._born)

    def _make(self, service: str, name: str, image: str, number: int, at: datetime | None = None) -> EngineContainer:
        known = hashlib.sha256(f"{service} {image} {self._settings_version}".encode()).hexdigest()
        identity = f"{self._random.getrandbits(256):064x}"
        made = EngineContainer(identity, name, service, number, image, at or datetime.now(UTC), known)
        self.containers[identity] = made
        return made

    def find(self, word: str) -> EngineContainer | None:
        """By id, the beginning of one alone, or name."""
        if word in self.containers:
            return self.containers[word]
        named = next((each for each in self.containers.values() if each.name == word.lstrip("/")), None)
        begun = [each for each in self.containers.values() if each.id.startswith(word)]
        return named or (begun[0] if len(begun) == 1 and word else None)

    # --- the life of a container ---

    async def start(self) -> None:
        """Start all containers."""
        for container in list(self.containers.values()):
            await self._run(container, self._born)

    async def _run(self, container: EngineContainer, began: datetime | None = None) -> None:
        """Start it, and keep it running."""
        await self._boot(container, began)
        container.task = self._spawn(self._live(container))

    async def _boot(self, container: EngineContainer, began: datetime | None = None) -> None:
        """Start its process; one that ran before this world began is `began` then, and well."""
        if container.service in (APP, WORKER):
            container.process = await self._runtime.start(container.service, container.name, container.image)
        else:
            container.process = _Idle()
        container.logs.append(container.process.log)
        container.state, container.exit_code, container.oom = "running", 0, False
        container.health, container.streak, container.output = "starting", 0, ""
        container.started_at = container.process.started_at if began is None else began
        if began is not None:
            container.health = "healthy"
        else:
            self.events.add(container, "start")

    async def _live(self, container: EngineContainer) -> None:
        """Probe it until it ends by itself; then start it anew, as its policy says."""
        pause = LEAST_PAUSE_S
        while True:
            probing = asyncio.create_task(self._probe(container))
            began = asyncio.get_running_loop().time()
            try:
                end = await self.endings.ends(container.name, self._ran_s(container), self._pace)
            finally:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
            ran_s = asyncio.get_running_loop().time() - began
            pause = LEAST_PAUSE_S if ran_s > GOOD_RUN_S * self._pace else min(2 * pause, MOST_PAUSE_S)
            await self._fall(container, end)
            container.state = "restarting"
            await asyncio.sleep(pause * self._pace)
            container.restarts += 1
            await self._boot(container)

    def _ran_s(self, container: EngineContainer) -> float:
        at = container.process.started_at if container.process is not None else datetime.now(UTC)
        return (datetime.now(UTC) - at).total_seconds()

    async def _fall(self, container: EngineContainer, end: ContainerEnd) -> None:
        await self._halt(container)
        container.exit_code, container.oom = end.exit_code, end.reason == OUT_OF_MEMORY.reason
        if container.oom:
            self.events.add(container, "oom")
        self.events.add(container, "die", exitCode=str(end.exit_code))

    async def _halt(self, container: EngineContainer) -> None:
        process, container.process = container.process, None
        if process is not None:
            if container.service in (APP, WORKER):
                await self._runtime.stop(container.service, container.name)
            process.log.close()
        container.finished_at = datetime.now(UTC)

    async def _probe(self, container: EngineContainer) -> None:
        while container.probed:
            process = container.process
            well = process is not None and process.ready()
            young = self._ran_s(container) < START_PERIOD_S * self._pace
            container.streak = 0 if well else container.streak + 1
            container.output = "" if well else "curl: (22) The requested URL returned error: 503"
            before = container.health
            if well:
                container.health = "healthy"
            elif container.streak >= HEALTH_RETRIES and not young:
                container.health = "unhealthy"
            if container.health != before:
                self.events.add(container, f"health_status: {container.health}")
            due = HEALTH_EVERY_S if container.health == "healthy" or not young else 1.0
            await asyncio.sleep(due * self._pace)

    # --- what the API does ---

    async def stop(self, container: EngineContainer, code: int = 143) -> None:
        """As `docker stop`: it stays, and is not started again."""
        if container.task is not None:
            container.task.cancel()
            await asyncio.gather(container.task, return_exceptions=True)
            container.task = None
        if container.process is not None:
            self.events.add(container, "kill", signal="15")
            await self._halt(container)
            container.exit_code = code
            self.events.add(container, "die", exitCode=str(code))
        container.state = "exited"
        self.events.add(container, "stop")

    async def begin(self, container: EngineContainer) -> None:
        """As `docker start`."""
        if container.process is None:
            container.restarts = 0
            await self._run(container)

    async def restart(self, container: EngineContainer) -> None:
        """As `docker restart`."""
        await self.stop(container)
        await self.begin(container)
        self.events.add(container, "restart")

    async def remove(self, container: EngineContainer) -> None:
        await self.stop(container)
        for log in container.logs:
            log.close()
        self.containers.pop(container.id, None)
        self.events.add(container, "destroy")

    # --- what people change ---

    def release(self, image: str) -> None:
        """As a pipeline does: `docker compose up -d` with another image."""
        if image != self.image:
            self.image = image
            self.change(self._recreate)

    def change(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it in the order in which it was asked for."""

        async def locked() -> None:
            async with self._changing:
                await work()

        self._spawn(locked())

    def new_settings(self) -> None:
        """What the containers are configured by is another: those that are made from now on know it."""
        self._settings_version += 1

    async def _recreate(self) -> None:
        """Replace the app's containers, one after the other, under their names."""
        for old in self.app:
            await self.remove(old)
            await self._add(old.name, old.number)

    async def _add(self, name: str, number: int) -> None:
        made = self._make(APP, name, self.image, number)
        self.events.add(made, "create")
        await self._run(made)
        await self._until_ready(made)

    async def _until_ready(self, container: EngineContainer) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_PATIENCE_S * self._pace
        while loop.time() < deadline and not (container.process is not None and container.process.ready()):
            await asyncio.sleep(0.1 * self._pace)

    def scale(self, replicas: int) -> None:
        """As `docker compose up -d --scale`."""
        self.replicas = replicas
        self.change(self._rescale)

    async def _rescale(self) -> None:
        for container in self.app[self.replicas :]:
            await self.remove(container)
        taken = {container.number for container in self.app}
        free = (number for number in range(1, self.replicas + 1) if number not in taken)
        for number in list(free)[: max(0, self.replicas - len(taken))]:
            await self._add(f"{APP}-{number}", number)

    def recreate(self) -> None:
        """As `docker compose up -d --force-recreate`."""
        self.change(self._recreate)

    def restarted_before(self, name: str, end: ContainerEnd, at: datetime, times: int) -> None:
        """Let a container have ended so, and have been started anew, before this world began."""
        container = self.find(name)
        if container is not None:
            container.restarts, container.started_at, container.finished_at = times, at, at
            if end.reason == OUT_OF_MEMORY.reason:
                self.events.add(container, "oom", at)
            self.events.add(container, "die", at, exitCode=str(end.exit_code))
            self.events.add(container, "start", at)

    # --- the end ---

    async def close(self) -> None:
        """Stop every container."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for container in list(self.containers.values()):
            await self._halt(container)

    def _spawn(self, life: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            diagnostics.error("a container's life ended with a bug", exc_info=error)
