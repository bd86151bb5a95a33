"""The running release and its age: a release is a template that differs by more than a restart.
(nexnum.md#deployment)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import Denied, SourceError
from ..sources.kubernetes import KubernetesSource
from ..sources.resources import Deployment, ReplicaSet
from ..text.sanitize import clean

REVISION = "deployment.kubernetes.io/revision"
PAST = "deployment.kubernetes.io/revision-history"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
TEMPLATE_HASH = "pod-template-hash"
READ_EVERY_S = 60.0
RIGHT = "the right to list replicasets.apps"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What the pods run now, as of `read_at`.

    `since`: when this template was first rolled out, however often it was restarted or gone back to since; None where
    that is not known, and `why` says why. `images` are its containers', `before` those of the newest other release,
    "" where the history has none, and `before_since` when that was first rolled out. `lacks` names the right that it
    takes to know. `withdrawn` is the newest release that was taken back: "app:2 (revision 2)".
    """

    revision: str
    read_at: datetime
    images: str = ""
    since: datetime | None = None
    before: str = ""
    before_since: datetime | None = None
    why: str = ""
    lacks: str = ""
    withdrawn: str = ""

    @property
    def gone_back(self) -> bool:
        """Whether the other release is the newer one and was taken back; by their numbers where the dates are one."""
        if self.before and self.withdrawn.startswith(f"{self.before} (revision "):
            return True
        return self.since is not None and self.before_since is not None and self.before_since > self.since


def numbers(annotations: Mapping[str, str] | None) -> tuple[int, int]:
    """The first and the present revision number of a ReplicaSet; (0, 0) where it has none."""
    noted = annotations or {}
    past = [*noted.get(PAST, "").split(","), noted.get(REVISION, "")]
    known = [int(one) for one in past if one.isascii() and one.isdigit()]
    return (min(known), known[-1]) if known and noted.get(REVISION, "").isdigit() else (0, 0)


def taken_back(sets: Iterable[tuple[int, int]]) -> frozenset[int]:
    """The present numbers of the revisions that were released and given up for one that is older than they.

    `sets` are the first and present numbers. Going back gives an old revision a new number, and it stays the older one.
    """
    known = tuple(sets)
    return frozenset(
        number
        for first, number in known
        if any(other < first and other_number > number for other, other_number in known if other)
    )


async def read(kubernetes: KubernetesSource, deployment: Deployment, last: Release | None, now: datetime) -> Release:
    """`last` will do while the revision is the same and it is not old. Never raises SourceError: it says `why`."""
    revision = (deployment.metadata.annotations or {}).get(REVISION, "")
    if last is not None and last.revision == revision and (now - last.read_at).total_seconds() < READ_EVERY_S:
        return last
    try:
        return release(await kubernetes.revisions(deployment), revision, now)
    except SourceError as error:
        lacks = RIGHT if isinstance(error, Denied) else ""
        return Release(revision=revision, read_at=now, why=str(error), lacks=lacks)


def release(sets: Sequence[ReplicaSet], revision: str, now: datetime) -> Release:
    """What the deployment's revision runs, told from the ReplicaSets of its history."""
    current = next((replica_set for replica_set in sets if _number(replica_set) == revision and revision), None)
    if current is None:
        return Release(revision=revision, read_at=now, why="its history has no revision of what runs")
    same = [replica_set for replica_set in sets if _meaning(replica_set) == _meaning(current)]
    others = [replica_set for replica_set in sets if replica_set not in same and _number(replica_set).isdigit()]
    before = max(others, key=lambda one: int(_number(one)), default=None)
    back = taken_back(numbers(replica_set.metadata.annotations) for replica_set in sets)
    given_up = [other for other in others if int(_number(other)) in back]
    last = max(given_up, key=lambda one: int(_number(one)), default=None)
    born = [
        replica_set.metadata.creation_timestamp
        for replica_set in same
        if replica_set.metadata.creation_timestamp is not None
    ]
    return Release(
        revision=clean(revision, 20),
        read_at=now,
        images=images_of(current),
        since=min(born, default=None),
        before=images_of(before) if before is not None else "",
        before_since=before.metadata.creation_timestamp if before is not None else None,
        why="" if born else "its revisions have no dates",
        withdrawn=f"{images_of(last)} (revision {_number(last)})" if last is not None else "",
    )


def _number(replica_set: ReplicaSet) -> str:
    return (replica_set.metadata.annotations or {}).get(REVISION, "")


def _meaning(replica_set: ReplicaSet) -> tuple[object, ...]:
    """A template without what a restart changes in it, and without the label that its controller adds."""
    template = replica_set.spec.template
    labels = {key: value for key, value in (template.metadata.labels or {}).items() if key != TEMPLATE_HASH}
    notes = {key: value for key, value in (template.metadata.annotations or {}).items() if key != RESTARTED_AT}
    return labels, notes, template.spec


def images_of(replica_set: ReplicaSet) -> str:
    """Without the registry: "nexnum-app:1.4.2"."""
    containers = replica_set.spec.template.spec.get("containers")
    named = [each for each in containers if isinstance(each, dict)] if isinstance(containers, list) else []
    return ", ".join(clean(str(each.get("image", "")), 200).rpartition("/")[2] for each in named[:3])
