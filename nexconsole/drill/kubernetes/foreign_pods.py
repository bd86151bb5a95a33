"""Pods that carry the deployment's labels without being its pods, as real clusters have them.

An evicted one and one that is stuck in its end (its ReplicaSet replaced both), a job's that is done, a canary's, and a
copy that somebody made for debugging: a bare pod.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..log import ContainerLog
from .kubelet import Kubelet
from .store import Object, Store, owner, timestamp

HOUR_S = 3600.0
CANARY_IMAGE = "ghcr.io/nexnum/nexnum-app:1.5.0-rc1"
_EVICTED = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61236Ki."


@dataclass
class IdleContainer:
    """A container that nothing runs: it is as it is shown, and writes nothing."""

    log: ContainerLog = field(default_factory=ContainerLog)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ready(self) -> bool:
        return True

    def alive(self) -> bool:
        return True


class ForeignPods:
    """`come()` puts them into the namespace, `go()` takes away those that are still there."""

    def __init__(self, store: Store, kubelet: Kubelet, namespace: str, app: str) -> None:
        self._store = store
        self._kubelet = kubelet
        self._namespace = namespace
        self._app = app
        self._present: list[Object] = []

    def come(self) -> None:
        replicaset = self._current()
        if replicaset is None:
            return
        mine, name = [owner(replicaset)], replicaset["metadata"]["name"]
        job, canary = (
            _foreign("batch/v1", "Job", "nexnum-migrate"),
            _foreign("apps/v1", "ReplicaSet", f"{self._app}-canary-6b7d9"),
        )
        failed: Object = {"phase": "Failed", "reason": "Evicted", "message": _EVICTED}
        self._add(f"{name}-evctd", mine, failed)
        self._add("nexnum-migrate-8xk2p", [job], {"phase": "Succeeded"}, ended=True)
        self._add(f"{self._app}-canary-6b7d9-q5w2z", [canary], {"phase": "Running"}, image=CANARY_IMAGE)
        self._add(f"{self._app}-debug", [], {"phase": "Running"})
        self._add(f"{name}-stuck", mine, {"phase": "Running"}, ending=True)

    def go(self) -> None:
        for pod in self._present:
            self._kubelet.forget(pod["metadata"]["uid"])
            self._store.delete("pods", pod)
        self._present.clear()

    def _current(self) -> Object | None:
        """The ReplicaSet whose pods run."""
        sets = [rs for rs in self._store.objects("replicasets", self._namespace) if rs["spec"]["replicas"]]
        return max(sets, key=lambda rs: rs["spec"]["replicas"], default=None)

    def _add(
        self,
        name: str,
        owners: list[Object],
        status: Object,
        *,
        image: str = "",
        ended: bool = False,
        ending: bool = False,
    ) -> None:
        deployment = self._store.get("deployments", self._namespace, self._app)
        assert deployment is not None
        template = deployment["spec"]["template"]
        container = {key: template["spec"]["containers"][0][key] for key in ("name", "image")}
        container |= {"image": image} if image else {}
        meta: Object = {"name": name, "namespace": self._namespace, "labels": dict(template["metadata"]["labels"])}
        if owners:
            meta["ownerReferences"] = owners
        since = timestamp(datetime.fromtimestamp(datetime.now(UTC).timestamp() - HOUR_S, UTC))
        meta["creationTimestamp"] = since
        if ending:
            meta |= {"deletionTimestamp": since, "deletionGracePeriodSeconds": 30, "finalizers": ["example.com/held"]}
        spec: Object = {"containers": [container], "nodeName": "drill-node-1", "restartPolicy": "Always"}
        running = status["phase"] == "Running"
        if running or ended:
            status = status | {"containerStatuses": [_container(container, since, running)]}
        ready = "True" if running else "False"
        conditions = [
            {"type": kind, "status": ready, "lastTransitionTime": since} for kind in ("Ready", "ContainersReady")
        ]
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        pod = self._store.create("pods", {**obj, "status": {**status, "startTime": since, "conditions": conditions}})
        self._kubelet.adopt(pod, IdleContainer() if running else None, ending=ending)
        self._present.append(pod)


def _foreign(version: str, kind: str, name: str) -> Object:
    reference = {"apiVersion": version, "kind": kind, "name": name, "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name))}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def _container(container: Object, since: str, running: bool) -> Object:
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": since}
    state: dict[str, Any] = {"running": {"startedAt": since}} if running else {"terminated": ended}
    about = {"name": container["name"], "image": container["image"], "imageID": "", "lastState": {}}
    return {**about, "ready": running, "started": running, "restartCount": 0, "state": state}
