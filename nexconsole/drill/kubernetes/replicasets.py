"""The controller of ReplicaSets: as many pods as they say, and the end of those that are too many."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

from .events import EventRecorder
from .store import Object, Store, has_condition, moment, owned, owner, timestamp

SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes random names of
COMPONENT = "replicaset-controller"


class ReplicaSetController:
    def __init__(self, store: Store, events: EventRecorder, pace: float) -> None:
        self._store = store
        self._events = events
        self._pace = pace

    def sync(self) -> None:
        for replicaset in self._store.objects("replicasets"):
            self._replicaset(replicaset)

    def pods(self, replicaset: Object, ending: bool = False) -> list[Object]:
        pods = [pod for pod in self._store.objects("pods") if owned(pod, replicaset) and not finished(pod)]
        return pods if ending else [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def _replicaset(self, replicaset: Object) -> None:
        pods, wanted = self.pods(replicaset), replicaset["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            self._add(replicaset)
        for pod in sorted(pods, key=_victim)[: max(0, len(pods) - wanted)]:
            terminate(self._store, pod)
            words = f"Deleted pod: {pod['metadata']['name']}"
            self._events.normal(replicaset, COMPONENT, "SuccessfulDelete", words)
        pods = self.pods(replicaset)
        ready = [pod for pod in pods if has_condition(pod, "Ready")]
        figures = {"fullyLabeledReplicas": len(pods), "readyReplicas": len(ready)}
        figures["availableReplicas"] = sum(self._available(pod, replicaset) for pod in ready)

        def edit(rs: Object) -> None:
            rs["status"] = {"replicas": len(pods), "observedGeneration": rs["metadata"]["generation"]}
            rs["status"] |= {key: value for key, value in figures.items() if value}

        self._store.change("replicasets", replicaset, edit)

    def _available(self, pod: Object, replicaset: Object) -> bool:
        needed: float = replicaset["spec"].get("minReadySeconds", 0) * self._pace
        since = next(c["lastTransitionTime"] for c in pod["status"]["conditions"] if c["type"] == "Ready")
        return (datetime.now(UTC) - moment(since)).total_seconds() >= needed

    def _add(self, replicaset: Object) -> None:
        template = copy.deepcopy(replicaset["spec"]["template"])
        meta = template["metadata"]
        prefix = f"{replicaset['metadata']['name']}-"
        meta |= {"name": prefix + "".join(self._store.seed.choices(SAFE, k=5)), "generateName": prefix}
        meta |= {"namespace": replicaset["metadata"]["namespace"], "ownerReferences": [owner(replicaset)]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
        made = self._store.create("pods", {**pod, "status": {"phase": "Pending"}})
        self._events.normal(replicaset, COMPONENT, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")


def set_replicas(obj: Object, replicas: int) -> None:
    """Change the number of replicas of a Deployment or ReplicaSet; its generation counts it."""
    if obj["spec"]["replicas"] != replicas:
        obj["spec"]["replicas"] = replicas
        obj["metadata"]["generation"] += 1


def finished(pod: Object) -> bool:
    """Evicted, or done: it is not one of those that run, whoever owns it."""
    return pod["status"]["phase"] in ("Failed", "Succeeded")


def terminate(store: Store, pod: Object, grace_s: int | None = None) -> Object:
    """Begin a pod's end, as a DELETE does; the kubelet finishes it."""
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace_s is None else grace_s

    def edit(obj: Object) -> None:
        ends = datetime.fromtimestamp(datetime.now(UTC).timestamp() + grace, UTC)
        if not obj["metadata"].get("deletionTimestamp") or grace == 0:
            obj["metadata"] |= {"deletionTimestamp": timestamp(ends), "deletionGracePeriodSeconds": grace}

    return store.change("pods", pod, edit)


def _victim(pod: Object) -> tuple[bool, bool, float]:
    """Who goes first when there are too many: pending, then not ready, then the youngest."""
    born = moment(pod["metadata"]["creationTimestamp"]).timestamp()
    return pod["status"]["phase"] == "Running", has_condition(pod, "Ready"), -born
