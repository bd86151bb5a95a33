"""What changed in the cluster, from look to look. Each part has a right of its own: what is denied is said, and unread.

A look is five requests at most, every `EVERY_S`; the pods are those that the other signals have just listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from ..errors import Missing, SourceError
from ..sources import stamped
from ..sources.deployment_pods import LabelledPods, ending
from ..sources.resources import ReplicaSet
from ..sources.stamped import NamespaceEvent, StampedAutoscaler, StampedDeployment, StampedMetadata
from ..text.sanitize import clean
from . import changes_pods, changes_rollouts
from .change import Change, ChangeKind
from .change_log import WINDOW_S, Trail
from .releases import REVISION

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.kubernetes import KubernetesSource

EVERY_S = 12.0
SETS_EVERY_S = 60.0
PODS_AGE_S = 10.0
EVENTS_KEPT_S = 3600.0  # the API server forgets an event after an hour, where nobody has set it otherwise
STEADY = 2  # looks after which a pod that is gone was not scaled away or rolled over
MOST_CONFIGURATIONS = 8  # of either kind

T = TypeVar("T")


@dataclass
class ClusterTrail(Trail):
    """What the last look saw, for the next one to compare with."""

    looked_at: datetime | None = None
    revision: str = ""
    sets: tuple[ReplicaSet, ...] = ()
    sets_at: datetime | None = None
    replicas: int | None = None
    bounds: tuple[int, int] | None = None
    versions: dict[tuple[ChangeKind, str], str] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)  # name by uid
    steady: int = 0  # looks in a row at which neither replicas nor revision had changed and no rollout was under way
    seen: dict[str, datetime] = field(default_factory=dict)  # evicted pods, by uid
    first_restarts: dict[str, str] = field(default_factory=dict)

    def take(self, found: Iterable[tuple[str, Change]]) -> None:
        for key, change in found:
            self.note(key, change)

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError where the deployment can't be read."""
        kubernetes = sources.kubernetes
        deployment = await stamped.deployment(kubernetes)
        self.read, self.notes = frozenset(), ()
        events, autoscaler, pods, sets = await asyncio.gather(
            self._part(stamped.events(kubernetes), "events"),
            self._part(stamped.autoscaler(kubernetes), "the autoscaler"),
            self._part(kubernetes.labelled(PODS_AGE_S), "pods"),
            self._part(self._revisions(kubernetes, deployment, now), "revisions"),
        )
        await self._configuration(kubernetes, deployment, now)
        told = events or ()
        since_events = now - timedelta(seconds=EVENTS_KEPT_S)
        if sets is not None:
            self.can_read((ChangeKind.RELEASE, ChangeKind.ROLLOUT), now - timedelta(seconds=WINDOW_S))
            self.take(changes_rollouts.releases(deployment, sets, pods.own if pods is not None else ()))
        self.can_read((ChangeKind.REPLICAS,), since_events if events is not None else now)
        self.take(changes_rollouts.replicas(deployment, told, self.replicas, self.looked_at, now))
        if events is not None or autoscaler is not None:
            self.can_read((ChangeKind.AUTOSCALER,), since_events if events is not None else now)
        self._autoscaler(autoscaler, told, now)
        if pods is not None:
            self._pods(pods, told, deployment, now)
            self.can_read((ChangeKind.EVICTION,), since_events if events is not None else now)
        self.replicas, self.looked_at = deployment.spec.replicas, now
        self.revision = (deployment.metadata.annotations or {}).get(REVISION, "")

    async def _part(self, asked: Awaitable[T], what: str) -> T | None:
        """None where it can't be read: then a note says so."""
        try:
            return await asked
        except SourceError as error:
            self.notes += (f"{what}: {error}",)
            return None

    async def _revisions(
        self, kubernetes: KubernetesSource, deployment: StampedDeployment, now: datetime
    ) -> tuple[ReplicaSet, ...]:
        """The history; asked for when the revision is another one, and once in a while."""
        revision = (deployment.metadata.annotations or {}).get(REVISION, "")
        fresh = self.sets_at is not None and (now - self.sets_at).total_seconds() < SETS_EVERY_S
        if not (fresh and revision == self.revision):
            self.sets = await kubernetes.revisions(await kubernetes.deployment())
            self.sets_at = now
        return self.sets

    def _autoscaler(
        self, autoscaler: StampedAutoscaler | None, events: tuple[NamespaceEvent, ...], now: datetime
    ) -> None:
        self.take(changes_rollouts.rescales(autoscaler, events))
        if autoscaler is not None:
            self.take(changes_rollouts.bounds(autoscaler, self.bounds, self.looked_at, now))
            self.bounds = (autoscaler.spec.min_replicas, autoscaler.spec.max_replicas)
        elif self.bounds is not None and not any(note.startswith("the autoscaler: ") for note in self.notes):
            self.take([changes_rollouts.removed(self.bounds, self.looked_at, now)])
            self.bounds = None

    def _pods(
        self, pods: LabelledPods, events: tuple[NamespaceEvent, ...], deployment: StampedDeployment, now: datetime
    ) -> None:
        self.can_read((ChangeKind.RESTART,), changes_pods.restarts_known_from(pods.own) or now)
        for key, change in changes_pods.restarts(pods.own, events):
            container = key.rpartition(" ")[0]
            first = self.first_restarts.setdefault(container, key)
            for stale in [each for each in self.found if each.rpartition(" ")[0] == container and each != first]:
                self.drop(stale)
            self.note(key, change)
        self.take(changes_pods.crash_loops(pods.own, events))
        uids = {pod.metadata.uid for pod in (*pods.own, *pods.others)}
        self.first_restarts = {key: kept for key, kept in self.first_restarts.items() if key.split(" ")[1] in uids}
        evicted = {pod.metadata.uid for pod in pods.others if pod.status.reason == "Evicted"}
        self.seen = {uid: self.seen.get(uid, now) for uid in evicted}
        self.take(changes_pods.evictions(pods.others, events, self.seen))
        revision = (deployment.metadata.annotations or {}).get(REVISION, "")
        same = (revision, deployment.spec.replicas) == (self.revision, self.replicas)
        self.steady = self.steady + 1 if same and _settled(deployment) else 0
        if self.steady > STEADY and any(pod.metadata.uid not in self.pods for pod in pods.own):
            known = {uid: name for uid, name in self.pods.items() if uid not in evicted}
            self.take(changes_pods.replaced(pods.own, known, self.looked_at, now))
        self.pods = {pod.metadata.uid: clean(pod.metadata.name, 100) for pod in pods.own if not ending(pod)}

    async def _configuration(self, kubernetes: KubernetesSource, deployment: StampedDeployment, now: datetime) -> None:
        configs, secrets = deployment.configured_by()
        for kind, plural, names in (
            (ChangeKind.CONFIG, "configmaps", configs),
            (ChangeKind.SECRET, "secrets", secrets),
        ):
            looks = [self._configured(kubernetes, kind, plural, name, now) for name in names[:MOST_CONFIGURATIONS]]
            since = [at for at in await asyncio.gather(*looks) if at is not None]
            if len(since) == len(names):  # those that are denied, or too many, may have changed unseen
                self.can_read((kind,), max(since, default=now - timedelta(seconds=WINDOW_S)))

    async def _configured(
        self, kubernetes: KubernetesSource, kind: ChangeKind, plural: str, name: str, now: datetime
    ) -> datetime | None:
        """Since when its changes are known; None where it can't be read."""
        last = self.versions.get((kind, name), "")
        try:
            found: StampedMetadata = await stamped.configuration(kubernetes, plural, name)
        except Missing:
            if last:
                self.take([changes_pods.vanished(kind, name, self.looked_at, now)])
                self.versions.pop((kind, name))
            return now  # a reference that is optional
        except SourceError as error:
            self.notes += (f"{plural}: {error}",)
            return None
        self.take(changes_pods.configured(kind, name, found, last, self.looked_at, now))
        self.versions[kind, name] = clean(found.resource_version, 40)
        return now - timedelta(seconds=WINDOW_S) if found.managed_fields else now


def _settled(deployment: StampedDeployment) -> bool:
    """Whether no rollout is under way."""
    return any(
        condition.type == "Progressing" and condition.reason == "NewReplicaSetAvailable"
        for condition in deployment.status.conditions or ()
    )
