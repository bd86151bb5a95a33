"""The controller of Deployments: rollouts, scaling, and the status that tells of them."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime

from .events import EventRecorder
from .managed import CONTROLLER
from .replicasets import SAFE, ReplicaSetController, set_replicas
from .store import Object, Store, condition, moment, owned, owner, timestamp

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"}
COMPONENT = "deployment-controller"


class DeploymentController:
    """One pass of `sync` moves everything by what is possible now; writes to the store ask for the next pass."""

    def __init__(self, store: Store, events: EventRecorder, pace: float) -> None:
        self._store = store
        self._events = events
        self._pace = pace
        self._replicasets = ReplicaSetController(store, events, pace)

    def sync(self) -> None:
        for deployment in self._store.objects("deployments"):
            self._deployment(deployment)
        self._replicasets.sync()

    def _deployment(self, deployment: Object) -> None:
        sets = [rs for rs in self._store.objects("replicasets") if owned(rs, deployment)]
        sets.sort(key=revision)
        new = next((rs for rs in sets if _same_template(rs, deployment)), None)
        if deployment["spec"].get("paused"):
            self._scale_only(deployment, sets)
        else:
            new = self._renew(deployment, sets, new)
            old = [rs for rs in sets if rs["metadata"]["uid"] != new["metadata"]["uid"]]
            if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
                self._recreate(deployment, new, old)
            else:
                self._roll(deployment, new, old)
            self._clean(deployment, old)
        self._status(deployment, new)

    def _renew(self, deployment: Object, sets: list[Object], new: Object | None) -> Object:
        """The ReplicaSet of the current template, made if need be, at the highest revision."""
        highest = max((revision(rs) for rs in sets), default=0)
        if new is None:
            new = self._create(deployment, highest + 1)
        elif revision(new) < highest:
            new = self._store.change("replicasets", new, lambda rs: _promote(rs, highest + 1))
        kept = {k: v for k, v in deployment["metadata"].get("annotations", {}).items() if k not in NOT_COPIED}
        surge, _ = limits(deployment)
        wanted = deployment["spec"]["replicas"]
        kept |= {DESIRED: str(wanted), MAXIMUM: str(wanted + surge)}
        new = self._store.change("replicasets", new, lambda rs: rs["metadata"]["annotations"].update(kept))
        number = str(revision(new))

        def number_it(obj: Object) -> None:
            obj["metadata"].setdefault("annotations", {})[REVISION] = number

        self._store.change("deployments", deployment, number_it, CONTROLLER)
        return new

    def _create(self, deployment: Object, number: int) -> Object:
        template = copy.deepcopy(deployment["spec"]["template"])
        suffix = template_hash(template)
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = suffix
        match = {**deployment["spec"]["selector"]["matchLabels"], HASH: suffix}
        meta = deployment["metadata"]
        obj: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{suffix}",
                "namespace": meta["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": {REVISION: str(number)},
                "ownerReferences": [owner(deployment)],
            },
            "spec": {"replicas": 0, "selector": {"matchLabels": match}, "template": template},
            "status": {"replicas": 0, "observedGeneration": 1},
        }
        if deployment["spec"].get("minReadySeconds"):
            obj["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        return self._store.create("replicasets", obj)

    def _scale_only(self, deployment: Object, sets: list[Object]) -> None:
        """What a paused Deployment still does: the ReplicaSet that runs follows the number of replicas."""
        active = [rs for rs in sets if rs["spec"]["replicas"]] or sets[-1:]
        if len(active) == 1:
            self._scale(deployment, active[0], deployment["spec"]["replicas"])

    def _recreate(self, deployment: Object, new: Object, old: list[Object]) -> None:
        for rs in old:
            self._scale(deployment, rs, 0)
        if not any(self._replicasets.pods(rs, ending=True) for rs in old):
            self._scale(deployment, new, deployment["spec"]["replicas"])

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        """A step of the rolling update: up as far as the surge allows, down as far as availability does."""
        wanted = deployment["spec"]["replicas"]
        surge, unavailable = limits(deployment)
        total = sum(rs["spec"]["replicas"] for rs in (new, *old))
        has = new["spec"]["replicas"]
        if has > wanted:
            self._scale(deployment, new, wanted)
            return
        if has < wanted and (room := min(wanted + surge - total, wanted - has)) > 0:
            self._scale(deployment, new, has + room)
            return
        missing = has - new["status"].get("availableReplicas", 0)
        spare = total - (wanted - unavailable) - missing
        for rs in old:  # those that are not available go first
            sick = min(rs["spec"]["replicas"] - rs["status"].get("availableReplicas", 0), spare)
            if sick > 0:
                self._scale(deployment, rs, rs["spec"]["replicas"] - sick)
                return
        available = sum(rs["status"].get("availableReplicas", 0) for rs in (new, *old))
        spare = available - (wanted - unavailable)
        for rs in old:
            if (down := min(rs["spec"]["replicas"], spare)) > 0:
                self._scale(deployment, rs, rs["spec"]["replicas"] - down)
                spare -= down

    def _scale(self, deployment: Object, replicaset: Object, replicas: int) -> None:
        had = replicaset["spec"]["replicas"]
        if had == replicas:
            return
        scaled = self._store.change("replicasets", replicaset, lambda rs: set_replicas(rs, replicas))
        way = "up" if replicas > had else "down"
        words = f"Scaled {way} replica set {scaled['metadata']['name']} from {had} to {replicas}"
        self._events.normal(deployment, COMPONENT, "ScalingReplicaSet", words)

    def _clean(self, deployment: Object, old: list[Object]) -> None:
        keep = deployment["spec"].get("revisionHistoryLimit", 10)
        empty = [rs for rs in old if not rs["spec"]["replicas"] and not rs["status"].get("replicas")]
        for rs in empty[: max(0, len(old) - keep)]:
            self._store.delete("replicasets", rs)

    def _status(self, deployment: Object, new: Object | None) -> None:
        sets = [rs for rs in self._store.objects("replicasets") if owned(rs, deployment)]
        total, ready, available = (
            sum(rs["status"].get(key, 0) for rs in sets) for key in ("replicas", "readyReplicas", "availableReplicas")
        )
        current = (
            None
            if new is None
            else self._store.get("replicasets", new["metadata"]["namespace"], new["metadata"]["name"])
        )
        updated = current["status"].get("replicas", 0) if current else 0
        figures = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": available,
        }
        figures["unavailableReplicas"] = max(0, sum(rs["spec"]["replicas"] for rs in sets) - available)

        def edit(obj: Object) -> None:
            before = obj["status"]
            status = {key: value for key, value in figures.items() if value}
            status["observedGeneration"] = obj["metadata"]["generation"]
            status["conditions"] = self._conditions(obj, before, figures, current)
            obj["status"] = status

        self._store.change("deployments", deployment, edit, CONTROLLER)

    def _conditions(self, obj: Object, before: Object, figures: dict[str, int], new: Object | None) -> list[Object]:
        conditions = before.get("conditions", [])
        wanted = obj["spec"]["replicas"]
        _, unavailable = limits(obj)
        enough = figures["availableReplicas"] >= wanted - unavailable
        available = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        lacking = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        conditions = _told(conditions, "Available", *(available if enough else lacking))
        progress = self._progress(obj, before, figures, new)
        return conditions if progress is None else _told(conditions, "Progressing", *progress)

    def _progress(
        self, obj: Object, before: Object, figures: dict[str, int], new: Object | None
    ) -> tuple[str, str, str] | None:
        """The Progressing condition's status, reason and message; None where it stays as it is."""
        last = next((c for c in before.get("conditions", []) if c["type"] == "Progressing"), None)
        if obj["spec"].get("paused"):
            return "Unknown", "DeploymentPaused", "Deployment is paused"
        if new is None:
            return None
        name, wanted = new["metadata"]["name"], obj["spec"]["replicas"]
        done = all(figures[key] == wanted for key in ("replicas", "updatedReplicas", "availableReplicas"))
        if done:
            return "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'
        settled = last is not None and last["reason"] == "NewReplicaSetAvailable"
        whole = figures["replicas"] == figures["updatedReplicas"]
        if last is not None and settled and whole and name in last["message"]:
            return None
        moved = any(figures[key] != before.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas"))
        moved |= figures["availableReplicas"] != before.get("availableReplicas", 0)
        if last is None or settled or moved or last["reason"] == "DeploymentPaused":
            return "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
        deadline = obj["spec"].get("progressDeadlineSeconds", 600) * self._pace
        if (datetime.now(UTC) - moment(last["lastUpdateTime"])).total_seconds() > deadline:
            return "False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'
        return None


def revision(replicaset: Object) -> int:
    return int(replicaset["metadata"].get("annotations", {}).get(REVISION, 0))


def limits(deployment: Object) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers of pods; never both 0."""
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    wanted = deployment["spec"]["replicas"]
    surge = _resolved(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = min(_resolved(rolling.get("maxUnavailable", "25%"), wanted, math.floor), wanted)
    return (surge, unavailable) if surge or unavailable else (0, min(1, wanted))


def _resolved(value: int | str, of: int, rounded: Callable[[float], int]) -> int:
    return value if isinstance(value, int) else rounded(int(value.rstrip("%")) * of / 100)


def template_hash(template: Object) -> str:
    """Ten characters that name a pod template."""
    digest = int.from_bytes(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()[:8], "big")
    letters = []
    for _ in range(10):
        digest, place = divmod(digest, len(SAFE))
        letters.append(SAFE[place])
    return "".join(letters)


def _same_template(replicaset: Object, deployment: Object) -> bool:
    template = copy.deepcopy(replicaset["spec"]["template"])
    template["metadata"]["labels"].pop(HASH, None)
    return _plain(template) == _plain(deployment["spec"]["template"])


def _plain(template: Object) -> Object:
    """A template without the parts of its metadata that say nothing: {} and null are the same as absent."""
    meta = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    return {**template, "metadata": meta}


def _promote(replicaset: Object, number: int) -> None:
    annotations = replicaset["metadata"]["annotations"]
    past = [*filter(None, annotations.get(HISTORY, "").split(",")), annotations[REVISION]]
    annotations |= {HISTORY: ",".join(past), REVISION: str(number)}


def _told(conditions: list[Object], kind: str, status: str, reason: str, message: str) -> list[Object]:
    old = next((c for c in conditions if c["type"] == kind), None)
    if old and (old["status"], old["reason"], old["message"]) == (status, reason, message) and kind == "Available":
        return conditions
    same_end = old is not None and old["reason"] == reason == "NewReplicaSetAvailable" and old["message"] == message
    if same_end:
        return conditions
    return condition(conditions, kind, status, reason, message, lastUpdateTime=timestamp())
