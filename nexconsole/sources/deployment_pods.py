"""The deployment's pods: those that its ReplicaSets own and that have not ended.

Evicted and completed pods, a canary's, debugging copies and pods without an owner carry the same labels: these are the
others.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from ..errors import SourceError
from ..text.sanitize import clean
from .resources import Owner, PodResource, ReplicaSet

TEMPLATE_HASH = "pod-template-hash"
REFUSED_S = 30.0  # ReplicaSets that may not be listed are asked for again after so long
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class LabelledPods:
    """All pods under the deployment's labels: `own` are its own, those that are ending among them."""

    own: tuple[PodResource, ...] = ()
    others: tuple[PodResource, ...] = ()


def finished(pod: PodResource) -> bool:
    """Whether its containers have ended for good: evicted, completed, failed."""
    return pod.status.phase in ENDED


def ending(pod: PodResource) -> bool:
    return pod.metadata.deletion_timestamp is not None


def controller(pod: PodResource) -> Owner | None:
    """What would start another in its place; None for a bare pod."""
    owners = pod.metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller), None) or next(iter(owners), None)


def why_other(pod: PodResource, deployment: str) -> str:
    """Why a pod under the labels is not counted, in a few words."""
    owner = controller(pod)
    if ending(pod):
        return "ending"
    if finished(pod):
        reason = "completed" if pod.status.phase == "Succeeded" else clean(pod.status.reason, 40).lower() or "failed"
        return reason
    if owner is None:
        return "has no owner: nothing starts it again"
    return f"of {clean(owner.kind, 40)} {clean(owner.name, 80)}, not of {deployment}"


class Owners:
    """The ReplicaSets of one deployment, asked for only when a pod of one appears that is not known yet."""

    def __init__(self, deployment: str, ask: Callable[[], Awaitable[Iterable[ReplicaSet]]]) -> None:
        self._deployment = deployment
        self._ask = ask
        self._own: frozenset[str] = frozenset()
        self._foreign: frozenset[str] = frozenset()
        self._sure: frozenset[str] = frozenset()
        self._not_before = 0.0

    async def split(self, pods: Iterable[PodResource]) -> LabelledPods:
        pods = tuple(pods)
        owners = {pod.metadata.uid: owner.uid for pod in pods if (owner := _replicaset(pod)) is not None}
        if set(owners.values()) - self._sure - self._foreign:
            await self._learn(set(owners.values()), {owners[uid] for uid in owners.keys() & self._names(pods)})
        living = tuple(pod for pod in pods if self._owned(pod) and not finished(pod))
        kept = {pod.metadata.uid for pod in living}
        return LabelledPods(living, tuple(pod for pod in pods if pod.metadata.uid not in kept))

    async def _learn(self, seen: set[str], named: set[str]) -> None:
        """Whose the ReplicaSets are. One that is named as the deployment's and not listed is so new that the server's
        memory does not have it yet, or none may be listed: it counts, and is asked about again."""
        known: frozenset[str] = frozenset()
        if time.monotonic() >= self._not_before:
            try:
                known = frozenset(replica_set.metadata.uid for replica_set in await self._ask())
            except SourceError:
                self._not_before = time.monotonic() + REFUSED_S
        self._own = known | named
        self._foreign = frozenset(seen - known - named)
        self._sure = known

    def _owned(self, pod: PodResource) -> bool:
        owner = _replicaset(pod)
        return owner is not None and owner.uid in self._own

    def _names(self, pods: Iterable[PodResource]) -> set[str]:
        """The pods whose ReplicaSet is named as the controller does it: the deployment's name, then the hash that its
        pods carry."""
        found = set()
        for pod in pods:
            owner, suffix = _replicaset(pod), (pod.metadata.labels or {}).get(TEMPLATE_HASH, "")
            if owner is not None and suffix and owner.name == f"{self._deployment}-{suffix}":
                found.add(pod.metadata.uid)
        return found


def _replicaset(pod: PodResource) -> Owner | None:
    owner = controller(pod)
    return owner if owner is not None and owner.kind == "ReplicaSet" else None
