"""What people and machines change in the drill's cluster: each change as the real one would have it stamped."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from .deployments import DeploymentController
from .endings import OUT_OF_MEMORY, ContainerEnd, CrashLoop
from .kubelet import Kubelet, KubeletPod
from .managed import Author
from .manifests import AUTOSCALER, CONFIG, SECRET
from .replicasets import set_replicas
from .store import Object, Store, timestamp

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
SHORT_OF_MEMORY = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61236Ki."


class Hands:
    """`by` is the field manager that the change is stamped with: the tool, or the controller. `at` is when it was
    done, for what a world begins with; now where it is None. A pod is given by its name."""

    def __init__(self, store: Store, kubelet: Kubelet, controller: DeploymentController, namespace: str, app: str):
        self._store = store
        self._kubelet = kubelet
        self._controller = controller
        self._namespace = namespace
        self._app = app

    # --- what the pods are configured by ---

    def configure(self, key: str, value: str, *, by: str = "kubectl-edit", at: datetime | None = None) -> None:
        """Change an entry of the ConfigMap that the pods use. Pods read it at their start: nothing else happens."""
        self._edit("configmaps", CONFIG, lambda obj: obj["data"].update({key: value}), Author(by, at=at))

    def rekey(self, key: str, value: str, *, by: str = "kubectl-patch", at: datetime | None = None) -> None:
        """Change an entry of the Secret that the pods use. Pods read it at their start: nothing else happens."""
        encoded = base64.b64encode(value.encode()).decode()
        self._edit("secrets", SECRET, lambda obj: obj["data"].update({key: encoded}), Author(by, at=at))

    # --- the deployment ---

    def scale(self, replicas: int, *, by: str = "kubectl", at: datetime | None = None) -> None:
        """Set the number of replicas, as `kubectl scale` does; the autoscaler keeps its bounds all the same."""
        author = Author(by, "scale", at)
        with self._then(at):
            self._edit("deployments", self._app, lambda obj: set_replicas(obj, replicas), author)
            self._controller.sync()

    def set_bounds(self, lowest: int, highest: int, *, by: str = "kubectl-edit", at: datetime | None = None) -> None:
        """Change the autoscaler's bounds."""
        bounds = {"minReplicas": lowest, "maxReplicas": highest}
        self._edit("horizontalpodautoscalers", AUTOSCALER, lambda obj: obj["spec"].update(bounds), Author(by, at=at))

    def restart_rollout(self, *, by: str = "kubectl-rollout", at: datetime | None = None) -> None:
        """Replace every pod by one of the same image: a new revision."""

        def edit(obj: Object) -> None:
            annotations = obj["spec"]["template"]["metadata"].setdefault("annotations", {})
            annotations[RESTARTED_AT] = timestamp(at)
            obj["metadata"]["generation"] += 1

        with self._then(at):
            self._edit("deployments", self._app, edit, Author(by, at=at))
            self._controller.sync()

    # --- containers and pods ---

    def kill(self, pod: str = "", end: ContainerEnd = OUT_OF_MEMORY) -> str:
        """End the container of a pod, of the oldest where none is named; the kubelet starts another. Its pod's name."""
        name = pod or next((each.name for each in self._pods if each.container is not None), "")
        if name:
            self._kubelet.endings.kill(name, end)
        return name

    def crash(self, end: ContainerEnd, after_s: float, *pods: str) -> None:
        """From now on each container ends `after_s` seconds after its start; of all pods where none is named."""
        self._kubelet.endings.set_loop(CrashLoop(end, after_s, frozenset(pods)))

    def crash_no_more(self) -> None:
        self._kubelet.endings.set_loop(None)

    def restarted_before(self, pod: str, end: ContainerEnd, at: datetime, times: int = 1) -> None:
        """Let a pod's container have ended so, and have been started anew, at `at`: before this world began."""
        for each in self._pods:
            if each.name == pod:
                self._kubelet.restarted_before(each, end, at, times)

    async def evict(self, pod: str, why: str = SHORT_OF_MEMORY) -> None:
        """Take a pod off its node for good; its ReplicaSet makes another."""
        for each in self._pods:
            if each.name == pod:
                await self._kubelet.evict(each, why)

    # --- how ---

    @property
    def _pods(self) -> list[KubeletPod]:
        return [pod for pod in self._kubelet.pods.values() if not pod.ending and not pod.foreign]

    def _edit(self, plural: str, name: str, edit: Callable[[Object], None], by: Author) -> None:
        obj = self._store.get(plural, self._namespace, name)
        if obj is not None:
            self._store.change(plural, obj, edit, by)

    @contextmanager
    def _then(self, at: datetime | None) -> Iterator[None]:
        """What the controllers do within is stamped with `at`."""
        before, self._store.past = self._store.past, at or self._store.past
        try:
            yield
        finally:
            self._store.past = before
