"""Releases, rollouts, replicas and what the autoscaler did, told from the stamps of Kubernetes' objects.
(nexnum.md#deployment)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..sources.resources import PodResource, ReplicaSet
from ..sources.stamped import ManagedFields, NamespaceEvent, StampedAutoscaler, StampedDeployment
from ..text.sanitize import clean
from ..text.units import several
from .change import Change, ChangeKind
from .releases import PAST, RESTARTED_AT, REVISION, TEMPLATE_HASH, images_of

CAUSE = "kubernetes.io/change-cause"
AUTOSCALERS = ("kube-controller-manager", "horizontal-pod-autoscaler", "keda", "keda-operator")
ONE_DEED_S = 10.0  # what one change sets off is stamped within this
LONGEST_ROLLOUT_S = 900.0  # a stamp that is older than the first pod by more is of another change
SOURCE = "kubernetes"
_SIZES = re.compile(r"from (\d+) to (\d+)")
_SIZED = re.compile(r"New size: (\d+)(?:; reason: (.*))?")

Found = Iterator[tuple[str, Change]]  # each change with what it is known by


@dataclass(frozen=True)
class SeenRevision:
    """One number of the deployment's history, and what ran under it. `first`: it had not run before."""

    number: int
    replica_set: ReplicaSet
    first: bool


def revisions(sets: Iterable[ReplicaSet]) -> tuple[SeenRevision, ...]:
    """Every number that the history knows, in order. Going back gives an old ReplicaSet a new one."""
    found = []
    for replica_set in sets:
        noted = replica_set.metadata.annotations or {}
        words = [*noted.get(PAST, "").split(","), noted.get(REVISION, "")]
        numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 10]
        found += [SeenRevision(number, replica_set, number == min(numbers)) for number in numbers]
    return tuple(sorted(found, key=lambda revision: revision.number))


def releases(deployment: StampedDeployment, sets: Sequence[ReplicaSet], pods: Sequence[PodResource]) -> Found:
    """Each revision of which it is known when it was rolled out."""
    history = revisions(sets)
    before: SeenRevision | None = None
    for revision in history:
        newest = revision is history[-1]
        at = revision.replica_set.metadata.creation_timestamp if revision.first else None
        within_s, who = 0.0, ""
        if newest:
            same = before is not None and images_of(before.replica_set) == images_of(revision.replica_set)
            writer = _template_writer(deployment, at, ("metadata",) if same else ())
            if not revision.first:
                at, within_s, writer = _renewed(deployment, revision.replica_set, pods)
            who = clean(writer.manager, 60) if writer is not None else ""
        if at is not None:
            yield f"revision {revision.number}", _release(deployment, before, revision, at, within_s, who)
        before = revision


def _release(
    deployment: StampedDeployment,
    before: SeenRevision | None,
    revision: SeenRevision,
    at: datetime,
    within_s: float,
    who: str,
) -> Change:
    name = clean(deployment.metadata.name, 80)
    images = images_of(revision.replica_set)
    earlier = images_of(before.replica_set) if before is not None else ""
    released = before is None or images != earlier
    if before is None:
        text = f"{name} was created with {images}" if revision.number == 1 else f"{name}: {images} was rolled out"
    elif released:
        text = f"{name} {'went back' if not revision.first else 'was released'}: {earlier} → {images}"
    elif _restarted(before.replica_set, revision.replica_set):
        text = f"{name}: all pods were restarted by a rollout of the same image"
    else:
        text = f"{name}: its pods were changed and rolled out, with the same image"
    if cause := _cause(before, revision):
        text += f" ({cause})"
    return Change(
        at=at,
        kind=ChangeKind.RELEASE if released else ChangeKind.ROLLOUT,
        subject=f"deployment {name}",
        target=name,
        text=text,
        before=earlier,
        after=images,
        who=who,
        within_s=within_s,
        source=SOURCE,
    )


def _cause(before: SeenRevision | None, revision: SeenRevision) -> str:
    """The change cause, unless it is the one of before: then nobody has written it anew."""
    own = (revision.replica_set.metadata.annotations or {}).get(CAUSE, "")
    last = (before.replica_set.metadata.annotations or {}).get(CAUSE, "") if before is not None else ""
    return clean(own, 100) if own and own != last else ""


def _restarted(before: ReplicaSet, after: ReplicaSet) -> bool:
    def stamp(replica_set: ReplicaSet) -> str | None:
        return (replica_set.spec.template.metadata.annotations or {}).get(RESTARTED_AT)

    return stamp(after) is not None and stamp(before) != stamp(after)


def _template_writer(deployment: StampedDeployment, at: datetime | None, part: tuple[str, ...]) -> ManagedFields | None:
    """Who wrote the template about then: this part of it, or its image where none is named."""

    def closeness(each: ManagedFields) -> tuple[bool, datetime]:
        wrote = each.owns("spec", "template", *part) if part else each.owns_image()
        return wrote, each.time or datetime.min

    writers = deployment.metadata.writers("spec", "template")
    near = [each for each in writers if at is not None and each.time is not None and _close(each.time, at)]
    return max(near, key=closeness, default=None)


def _renewed(
    deployment: StampedDeployment, replica_set: ReplicaSet, pods: Sequence[PodResource]
) -> tuple[datetime | None, float, ManagedFields | None]:
    """When a ReplicaSet that is older was rolled out again, give or take what; its own age does not say.

    The template's writer stamped it. Else it was before its oldest pod was made, and before it was complete.
    """
    latest = _latest(deployment, replica_set, pods)
    writers = [each for each in deployment.metadata.writers("spec", "template") if each.time is not None]
    newest = max(writers, key=lambda each: each.time or datetime.min, default=None)
    if newest is not None and newest.time is not None:
        if latest is None or timedelta(seconds=-2) <= latest - newest.time <= timedelta(seconds=LONGEST_ROLLOUT_S):
            return newest.time, 0.0, newest
    return latest, ONE_DEED_S if latest is not None else 0.0, None


def _latest(deployment: StampedDeployment, replica_set: ReplicaSet, pods: Sequence[PodResource]) -> datetime | None:
    suffix = (replica_set.metadata.labels or {}).get(TEMPLATE_HASH)
    born = [
        pod.metadata.creation_timestamp
        for pod in pods
        if suffix and (pod.metadata.labels or {}).get(TEMPLATE_HASH) == suffix and pod.metadata.creation_timestamp
    ]
    done = [
        condition.last_update_time
        for condition in deployment.status.conditions or ()
        if condition.type == "Progressing"
        and condition.reason == "NewReplicaSetAvailable"
        and condition.last_update_time is not None
        and f'"{replica_set.metadata.name}"' in condition.message
    ]
    return min((*born, *done), default=None)


def _close(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) <= ONE_DEED_S


def replicas(
    deployment: StampedDeployment,
    events: Sequence[NamespaceEvent],
    last: int | None,
    looked_at: datetime | None,
    now: datetime,
) -> Found:
    """The number of replicas as a person set it. `last` is what it was at the last look, None at the first.

    A writer that owns more than the number stamps all that it writes: there only the comparison tells.
    """
    name, wanted = clean(deployment.metadata.name, 80), deployment.spec.replicas
    writers = sorted(
        (each for each in deployment.metadata.writers("spec", "replicas") if each.time is not None),
        key=lambda each: each.time or datetime.min,
    )
    writer = writers[-1] if writers else None
    if writer is not None and writer.manager in AUTOSCALERS:
        return
    differs = last is not None and last != wanted
    alone = writer is not None and (writer.subresource == "scale" or not writer.owns("spec", "template"))
    born = deployment.metadata.creation_timestamp
    at, within_s = None, 0.0
    if (
        writer is not None
        and writer.time is not None
        and alone
        and not (born is not None and _close(writer.time, born))
    ):
        at = writer.time
    elif differs:
        at, within_s = between(looked_at, now)
    if at is None:
        return
    had = str(last) if differs else _size_before(events, at, wanted)
    yield (
        f"replicas {at.isoformat()}",
        Change(
            at=at,
            kind=ChangeKind.REPLICAS,
            subject=f"deployment {name}",
            target=name,
            text=f"{name} was scaled {f'from {had} to' if had else 'to'} {several(wanted, 'replica')}",
            before=had,
            after=str(wanted),
            who=clean(writer.manager, 60) if writer is not None else "",
            within_s=within_s,
            source=SOURCE,
        ),
    )


def between(looked_at: datetime | None, now: datetime) -> tuple[datetime, float]:
    """The middle of two looks, and how far each is from it in seconds."""
    half = (now - looked_at) / 2 if looked_at is not None and looked_at < now else timedelta()
    return now - half, half.total_seconds()


def _size_before(events: Sequence[NamespaceEvent], at: datetime, wanted: int) -> str:
    """From what a ReplicaSet was scaled to that number about then; a rollout's own steps lead elsewhere."""
    for event in events:
        if event.reason == "ScalingReplicaSet" and event.at is not None and _close(event.at, at):
            sizes = _SIZES.search(event.message)
            if sizes is not None and sizes[2] == str(wanted) and sizes[1] not in (str(wanted), "0"):
                return sizes[1]
    return ""


def rescales(autoscaler: StampedAutoscaler | None, events: Sequence[NamespaceEvent]) -> Found:
    """What the autoscaler did, by its own events, else by its status."""
    told = sorted(
        (
            (event.at, event)
            for event in events
            if event.reason == "SuccessfulRescale"
            and event.at is not None
            and (autoscaler is None or event.involved_object.name == autoscaler.metadata.name)
        ),
        key=lambda pair: pair[0],
    )
    before = ""
    for at, event in told:
        if (sized := _SIZED.search(event.message)) is None:
            continue
        name = clean(event.involved_object.name, 80)
        yield f"rescale {at.isoformat()}", _rescale(name, at, before, sized[1], clean(sized[2] or "", 100))
        before = sized[1]
    last = autoscaler.status.last_scale_time if autoscaler is not None else None
    if autoscaler is not None and last is not None and not any(_close(at, last) for at, _ in told):
        size = str(autoscaler.status.desired_replicas)
        yield f"rescale {last.isoformat()}", _rescale(clean(autoscaler.metadata.name, 80), last, "", size, "")


def _rescale(name: str, at: datetime, before: str, size: str, why: str) -> Change:
    text = f"the autoscaler {name} set {several(int(size[:6]), 'replica')}" + (f": {why}" if why else "")
    kind = ChangeKind.AUTOSCALER
    subject = f"autoscaler {name}"
    return Change(
        at=at, kind=kind, subject=subject, target=name, text=text, before=before, after=size, who=name, source=SOURCE
    )


def bounds(
    autoscaler: StampedAutoscaler, last: tuple[int, int] | None, looked_at: datetime | None, now: datetime
) -> Found:
    """The autoscaler's limits, as somebody changed them."""
    spec, name = autoscaler.spec, clean(autoscaler.metadata.name, 80)
    limits = (spec.min_replicas, spec.max_replicas)
    born = autoscaler.metadata.creation_timestamp
    writers = [
        each
        for key in ("minReplicas", "maxReplicas")
        for each in autoscaler.metadata.writers("spec", key)
        if each.time is not None and born is not None and not _close(each.time, born)
    ]
    writer = max(writers, key=lambda each: each.time or datetime.min, default=None)
    differs = last is not None and last != limits
    if writer is not None and writer.time is not None:
        at, within_s = writer.time, 0.0
    elif differs:
        at, within_s = between(looked_at, now)
    else:
        return
    yield (
        f"bounds {at.isoformat()}",
        Change(
            at=at,
            kind=ChangeKind.AUTOSCALER,
            subject=f"autoscaler {name}",
            target=name,
            text=f"the limits of the autoscaler {name} were changed to {limits[0]} to {several(limits[1], 'replica')}",
            before=f"{last[0]} to {last[1]}" if last is not None and differs else "",
            after=f"{limits[0]} to {limits[1]}",
            who=clean(writer.manager, 60) if writer is not None else "",
            within_s=within_s,
            source=SOURCE,
        ),
    )


def removed(last: tuple[int, int], looked_at: datetime | None, now: datetime) -> tuple[str, Change]:
    """The autoscaler that was there at the last look: nobody keeps the number of pods any more."""
    at, within_s = between(looked_at, now)
    return f"autoscaler gone {at.isoformat()}", Change(
        at=at,
        kind=ChangeKind.AUTOSCALER,
        subject="autoscaler",
        target="autoscaler",
        text="the autoscaler is gone: nothing sets the number of pods any more",
        before=f"{last[0]} to {last[1]}",
        within_s=within_s,
        source=SOURCE,
    )
