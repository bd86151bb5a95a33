"""The drill's cluster with containers that do nothing but write what a test tells them to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from nexconsole.drill.kubernetes.cluster import DrillCluster
from nexconsole.drill.log import ContainerLog
from nexconsole.settings import KubernetesSettings
from nexconsole.sources import Sources
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.lazy_clients import LazyClients

PACE = 0.02  # of a real second
PATIENCE_S = 15.0


class PodProcess:
    """A container that is up at once. `past` may be written into its log before anybody follows it."""

    def __init__(self) -> None:
        self.log = ContainerLog()
        self.started_at = datetime.now(UTC)
        self.dead = False
        self.serving = True
        self.log.append(" ✓ Ready in 1894ms")

    def ready(self) -> bool:
        return self.serving and not self.dead

    def alive(self) -> bool:
        return not self.dead


class Machine:
    """The runtime: containers by the name of their pod."""

    def __init__(self) -> None:
        self.running: dict[str, PodProcess] = {}

    async def start(self, pod_name: str, image: str) -> PodProcess:
        self.running[pod_name] = PodProcess()
        return self.running[pod_name]

    async def stop(self, pod_name: str) -> None:
        self.running.pop(pod_name).log.close()


class SmallCluster:
    def __init__(self, cluster: DrillCluster, machine: Machine, folder: Path) -> None:
        self.cluster = cluster
        self.machine = machine
        self._folder = folder
        self._made: list[KubernetesSource] = []

    def source(self, role: str = "operator", **settings: object) -> KubernetesSource:
        """Our client with that role's rights."""
        wanted = KubernetesSettings(kubeconfig=str(self.write_kubeconfig(role)), **settings)  # type: ignore[arg-type]
        self._made.append(KubernetesSource(LazyClients(), wanted))
        return self._made[-1]

    def write_kubeconfig(self, role: str, token: str | None = None) -> Path:
        path = self._folder / f"{role}.yaml"
        path.write_text(self.cluster.kubeconfig(token or self.cluster.tokens[role]))
        return path

    def sources(self, role: str = "operator", **settings: object) -> Sources:
        kubernetes = self.source(role, **settings)
        return Sources(kubernetes.clients, {"kubernetes": kubernetes})

    def processes(self) -> list[PodProcess]:
        """In the order of their pods' names."""
        return [self.machine.running[name] for name in sorted(self.machine.running)]

    def ready(self) -> bool:
        status = self.cluster.store.objects("deployments")[0]["status"]
        return status.get("readyReplicas", 0) == status.get("replicas", -1) == len(self.machine.running)

    async def close(self) -> None:
        for kubernetes in self._made:
            await kubernetes.close()


@asynccontextmanager
async def small_cluster(folder: Path, **options: object) -> AsyncIterator[SmallCluster]:
    machine = Machine()
    cluster = DrillCluster(machine, **{"pace": PACE, "seed": 7, "termination_s": 0.05} | options)  # type: ignore[arg-type]
    await cluster.start()
    small = SmallCluster(cluster, machine, folder)
    try:
        await until(small.ready)
        yield small
    finally:
        await small.close()
        await cluster.close()


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def kubernetes_on_port(folder: Path, port: int, scheme: str = "http", **settings: object) -> KubernetesSource:
    """A source whose kubeconfig names that port."""
    named = {"cluster": "c", "user": "u"}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"{scheme}://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "a-token"}}],
        "contexts": [{"name": "c", "context": named}],
        "current-context": "c",
    }
    path = folder / "far.yaml"
    path.write_text(json.dumps(config))
    wanted = {"timeout_s": 0.5} | settings
    return KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(path), **wanted))  # type: ignore[arg-type]
