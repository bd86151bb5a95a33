"""Which pods are the deployment's: those that its ReplicaSets own and that have not ended.

The same labels are worn by evicted and completed ones, by a canary's, by a debugging copy and by pods without an owner:
these are the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from ..errors import SourceError
from .resources import Owner, Pod, ReplicaSet
from .text import clean

TEMPLATE_HASH = "pod-template-hash"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class LabelledPods:
    """All pods under the deployment's labels: `own` are its own, those that are ending among them."""

    own: tuple[Pod, ...] = ()
    others: tuple[Pod, ...] = ()


def finished(pod: Pod) -> bool:
    """Whether its containers have ended for good: evicted, completed, failed."""
    return pod.status.phase in ENDED


def ending(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def controller(pod: Pod) -> Owner | None:
    """What would start another in its place; None for a bare pod."""
    owners = pod.metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller), None) or next(iter(owners), None)


def why_other(pod: Pod, deployment: str) -> str:
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

    async def split(self, pods: Iterable[Pod]) -> LabelledPods:
        pods = tuple(pods)
        sets = {owner.uid for pod in pods if (owner := controller(pod)) is not None and owner.kind == "ReplicaSet"}
        if sets - self._own - self._foreign:
            try:
                known = frozenset(one.metadata.uid for one in await self._ask())
            except SourceError:  # may not be listed: the names tell
                own = [pod for pod in pods if self._named(pod)]
            else:
                self._own, self._foreign = known & sets, frozenset(sets - known)
                own = [pod for pod in pods if self._owned(pod)]
        else:
            own = [pod for pod in pods if self._owned(pod)]
        living = tuple(pod for pod in own if not finished(pod))
        kept = {pod.metadata.uid for pod in living}
        return LabelledPods(living, tuple(pod for pod in pods if pod.metadata.uid not in kept))

    def _owned(self, pod: Pod) -> bool:
        owner = controller(pod)
        return owner is not None and owner.uid in self._own

    def _named(self, pod: Pod) -> bool:
        """As the controller names a ReplicaSet: the deployment's name, then the hash that its pods carry."""
        owner, suffix = controller(pod), (pod.metadata.labels or {}).get(TEMPLATE_HASH, "")
        return (
            owner is not None and owner.kind == "ReplicaSet" and owner.name == f"{self._deployment}-{suffix}"
        ) and bool(suffix)
