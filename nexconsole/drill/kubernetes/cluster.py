"""The drill's cluster: a Kubernetes API for real clients, and the behaviour behind it.

It stands on aiohttp: kmock keeps objects and serves watches, but neither logs, tables, roles, dry runs nor controllers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ..platform import Earlier, PlatformName
from ..staged_causes import IMAGE
from . import manifests
from .apiserver import ApiFaults, ApiServer
from .autoscaler import PERIOD_S, AutoscalerController, Utilization
from .certificates import server_tls
from .deployments import DeploymentController
from .events import EventRecorder
from .foreign_pods import ForeignPods
from .hands import Hands
from .kubelet import Kubelet, KubeletPod, RunningContainer, Runtime
from .managed import Author
from .manifests import LIVENESS, READINESS, ContainerProbe
from .replicasets import set_replicas
from .roles import Tokens
from .store import Object, Store

__all__ = ["ContainerProbe", "DrillCluster", "Earlier", "KubeletPod", "Rescaling", "RunningContainer", "Runtime"]

PASS_S = 0.25  # the controllers look at least so often
PAUSE_S = 0.02  # and at most so often
START_PATIENCE_S = 5.0

CAUSE = "kubernetes.io/change-cause"  # what `kubectl rollout history` shows of a revision

APPLY = Author("kubectl-client-side-apply")
PIPELINE = Author("kubectl-set")  # who rolls out a release

diagnostics = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rescaling:
    """How many replicas there were before somebody scaled the deployment and removed its autoscaler, and how long ago
    that was, in seconds."""

    before: int
    ago_s: float


class DrillCluster:
    """A namespace with NexNum deployed in it. (nexnum.md#deployment)

    `tokens` has a bearer token for each of `roles.ROLES`. `secret` is what nexnum-secrets holds. `pace`
    stretches the kubelet's and the controllers' seconds (1.0 is real time). `age_s` is how old the
    deployment is when the world begins; where there is an `earlier` revision, `image` is that of the second.
    `utilization` is the metrics server, percent of the requests by resource; without it the autoscaler only
    keeps its bounds.
    """

    name: PlatformName = "kubernetes"

    def __init__(
        self,
        runtime: Runtime,
        *,
        namespace: str = "default",
        deployment: str = "nexnum-app",
        replicas: int = 3,
        secret: Mapping[str, str] | None = None,
        image: str = IMAGE,
        earlier: Earlier | None = None,
        readiness: ContainerProbe = READINESS,
        liveness: ContainerProbe = LIVENESS,
        bounds: tuple[int, int] = (2, 10),
        scaled: Rescaling | None = None,
        utilization: Utilization | None = None,
        pace: float = 1.0,
        age_s: float = 0.0,
        termination_s: float = 1.0,
        seed: int | None = None,
    ) -> None:
        self.namespace = namespace
        self.deployment = deployment
        self.url = ""
        self._roles = Tokens(namespace)
        self.tokens: dict[str, str] = self._roles.of
        self.store = Store(random.Random(seed))
        events = EventRecorder(self.store)
        self._pace = pace
        self._deployments = DeploymentController(self.store, events, pace)
        self._kubelet = Kubelet(self.store, runtime, events, pace, termination_s)
        self._autoscaler = AutoscalerController(self.store, events, pace, utilization)
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None
        self._authority = ""
        self.hands = Hands(self.store, self._kubelet, self._deployments, namespace, deployment)
        self.strangers = ForeignPods(self.store, self._kubelet, namespace, deployment)
        self.troubles = ApiFaults()
        self._stage(bounds, secret or {}, age_s)
        self._deploy(replicas if scaled is None else scaled.before, image, readiness, liveness, earlier)
        if scaled is not None:
            self._scale_before(replicas, datetime.now(UTC) - timedelta(seconds=scaled.ago_s))

    def _stage(self, bounds: tuple[int, int], secret: Mapping[str, str], age_s: float) -> None:
        store, space, app = self.store, self.namespace, self.deployment
        store.past = self._released = datetime.now(UTC) - timedelta(seconds=age_s)
        for name in {"default", "kube-system", space}:
            store.create("namespaces", manifests.namespace(name))
        store.create("configmaps", manifests.config(space), APPLY)
        store.create("secrets", manifests.secret(space, secret), APPLY)
        store.create("services", manifests.service(space, app), APPLY)
        store.create("horizontalpodautoscalers", manifests.autoscaler(space, app, *bounds), APPLY)

    def _deploy(
        self, replicas: int, image: str, readiness: ContainerProbe, liveness: ContainerProbe, earlier: Earlier | None
    ) -> None:
        """The deployment as of `start`: what ran before is a revision without pods by now."""
        store, where = self.store, (self.namespace, self.deployment)
        first = image if earlier is None else earlier.image
        deployment = manifests.deployment(*where, 0 if earlier else replicas, first, readiness, liveness)
        if earlier is not None:
            deployment["metadata"]["annotations"] = {CAUSE: _cause(first)}
        deployment = store.create("deployments", deployment, APPLY)
        if earlier is not None:
            self._deployments.sync()
            store.past = self._released = datetime.now(UTC) - timedelta(seconds=earlier.ended_s)
            store.change("deployments", deployment, lambda obj: obj["spec"].update(replicas=replicas), APPLY)
            self.release(image)
            if image == earlier.image:
                self.hands.restart_rollout(at=self._released)
        store.past = None

    def _scale_before(self, replicas: int, at: datetime) -> None:
        """Scaled before the world began: its pods are those that were left."""
        deployment = self.store.get("deployments", self.namespace, self.deployment)
        author = Author("kubectl", "scale", at)
        if deployment is not None:
            self.store.change("deployments", deployment, lambda obj: set_replicas(obj, replicas), author)
        self.remove_autoscaler()

    @property
    def image(self) -> str:
        """What the deployment's pods are to run; "" where somebody has deleted it."""
        deployment = self.store.get("deployments", self.namespace, self.deployment)
        return manifests.main_container(deployment["spec"]["template"])["image"] if deployment else ""

    @property
    def replicas(self) -> int:
        """How many the deployment is to have; 0 where somebody has deleted it."""
        deployment = self.store.get("deployments", self.namespace, self.deployment)
        return int(deployment["spec"]["replicas"]) if deployment else 0

    def remove_autoscaler(self) -> None:
        """As by `kubectl delete hpa`."""
        hpa = self.store.get("horizontalpodautoscalers", self.namespace, manifests.AUTOSCALER)
        if hpa is not None:
            self.store.delete("horizontalpodautoscalers", hpa)

    def release(self, image: str) -> None:
        """Roll out an image, as a pipeline does."""

        def change(obj: Object) -> None:
            obj["metadata"]["generation"] += 1
            obj["metadata"].setdefault("annotations", {})[CAUSE] = _cause(image)
            manifests.main_container(obj["spec"]["template"])["image"] = image

        deployment = self.store.get("deployments", self.namespace, self.deployment)
        if deployment is not None and self.image != image:
            self.store.change("deployments", deployment, change, PIPELINE)

    def inject_sidecar(self, present: bool) -> None:
        """A mesh's proxy as the first container of the pods, or none; the pods are replaced, as by any new template."""

        def change(obj: Object) -> None:
            template = obj["spec"]["template"]
            own = [one for one in template["spec"]["containers"] if one["name"] != manifests.SIDECAR["name"]]
            template["spec"]["containers"] = [dict(manifests.SIDECAR), *own] if present else own
            annotations = template["metadata"].setdefault("annotations", {})
            if present:
                annotations[manifests.DEFAULT_CONTAINER] = self.deployment
            else:
                annotations.pop(manifests.DEFAULT_CONTAINER, None)
            obj["metadata"]["generation"] += 1

        deployment = self.store.get("deployments", self.namespace, self.deployment)
        if deployment is not None:
            self.store.change("deployments", deployment, change, Author("kubectl-patch"))

    @property
    def pods(self) -> list[KubeletPod]:
        """The pods whose containers run or will, in the order of their making; not those that are ending."""
        return [pod for pod in self._kubelet.pods.values() if not pod.ending and not pod.foreign]

    async def start(self, port: int = 0) -> str:
        """Start the containers and serve the API on 127.0.0.1; its address. Readiness comes later."""
        self.store.past = self._released
        version = 0
        while version != self.store.version:
            version = self.store.version
            self._deployments.sync()
        self._kubelet.sync()
        self.store.past = None
        context, self._authority = await asyncio.to_thread(server_tls)
        server = ApiServer(self.store, self._kubelet, self._roles, self.troubles)
        self._runner = web.AppRunner(
            *(server.app(),), access_log=None, handler_cancellation=True, shutdown_timeout=0.5, keepalive_timeout=30
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        await self._first_containers()
        self._task = asyncio.create_task(self._control())
        self._task.add_done_callback(_ended)
        return self.url

    async def _first_containers(self) -> None:
        """Wait for the first pods' containers; one that can't start delays nobody for long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_PATIENCE_S
        while (left := deadline - loop.time()) > 0 and any(pod.container is None for pod in self.pods):
            await self.store.moved(self.store.version, left)

    def kubeconfig(self, token: str) -> str:
        """A kubeconfig (JSON, which is YAML) for the bearer of this token; the roles are further contexts of it."""
        authority = base64.b64encode(self._authority.encode()).decode()
        cluster = {"server": self.url, "certificate-authority-data": authority}
        users = {"drill": token, **self.tokens}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "drill", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}} for name, token in users.items()],
            "contexts": [
                {"name": name, "context": {"cluster": "drill", "user": name, "namespace": self.namespace}}
                for name in users
            ],
            "current-context": "drill",
        }
        return json.dumps(config, indent=2) + "\n"

    async def close(self) -> None:
        """Stop serving, and stop every container."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._kubelet.close()

    async def _control(self) -> None:
        loop = asyncio.get_running_loop()
        autoscale_at = 0.0
        while True:
            seen = self.store.version
            self._deployments.sync()
            self._kubelet.sync()
            if loop.time() >= autoscale_at:
                self._autoscaler.sync()
                autoscale_at = loop.time() + PERIOD_S * self._pace
            await asyncio.sleep(PAUSE_S)
            await self.store.moved(seen, PASS_S)


def _cause(image: str) -> str:
    return f"release {image.rpartition(':')[2]}"


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        diagnostics.error("the controllers ended with a bug", exc_info=error)
