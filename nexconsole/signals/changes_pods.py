"""Restarts, replaced pods, evictions, and what pods are configured by, told from Kubernetes' objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ..sources.resources import ContainerStatus, ContainerTerminated, PodResource
from ..sources.stamped import NamespaceEvent, StampedMetadata
from ..text.sanitize import clean
from ..text.units import several
from .change import Change, ChangeKind
from .changes_rollouts import SOURCE, Found, between

EVICTIONS = ("Evicted", "Preempted", "TaintManagerEviction", "EvictedByVPA", "Preempting")
CONTENT = ("data", "binaryData", "stringData", "immutable")
KILL_S = 120.0  # a probe's failure is told at most so long before the container has ended
CREATION_S = 3.0
BACK_OFF_S = 10.0  # the first restarts come so close before it


def restarts(pods: Sequence[PodResource], events: Sequence[NamespaceEvent]) -> Found:
    """The last restart of each container that was restarted, and the first one that was seen."""
    for pod in pods:
        for status in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())):
            ended = _end(status)
            if ended is None or ended.finished_at is None or not status.restart_count:
                continue
            name = clean(pod.metadata.name, 100)
            why = end_in_words(ended, _probe_failed(pod, ended.finished_at, events))
            times = several(status.restart_count, "restart")
            container = clean(status.name, 60)
            text = f"{name}: container {container} was restarted: {why}"
            if status.restart_count > 1:
                text += f" ({times} by now)"
            change = Change(
                at=ended.finished_at,
                kind=ChangeKind.RESTART,
                subject=f"pod {name}",
                target=name,
                text=text,
                after=times,
                who="kubelet",
                source=SOURCE,
            )
            yield f"restart {pod.metadata.uid} {container} {status.restart_count}", change


def crash_loops(pods: Sequence[PodResource], events: Sequence[NamespaceEvent]) -> Found:
    """Since when a pod's container is restarted again and again, by the kubelet's own word; restarts alone tell only of
    the last one."""
    names = {pod.metadata.uid: clean(pod.metadata.name, 100) for pod in pods}
    for event in events:
        name = names.get(event.involved_object.uid)
        if event.reason != "BackOff" or "restarting" not in event.message or name is None:
            continue
        if (at := event.first_timestamp) is not None:
            change = Change(
                at=at,
                kind=ChangeKind.RESTART,
                subject=f"pod {name}",
                target=name,
                text=f"{name}: a container began to be restarted again and again",
                who="kubelet",
                within_s=BACK_OFF_S,
                source=SOURCE,
            )
            yield f"loop {event.involved_object.uid}", change


def restarts_known_from(pods: Sequence[PodResource]) -> datetime | None:
    """Since when each restart of these pods is known: of a container that was restarted twice only the last is."""
    born = [pod.metadata.creation_timestamp for pod in pods if pod.metadata.creation_timestamp is not None]
    again = [
        ended.finished_at
        for pod in pods
        for status in pod.status.container_statuses or ()
        if status.restart_count > 1 and (ended := _end(status)) is not None and ended.finished_at is not None
    ]
    return max((*again, min(born)), default=None) if born else None


def _end(status: ContainerStatus) -> ContainerTerminated | None:
    return status.last_state.terminated or (status.state.terminated if status.restart_count else None)


def end_in_words(ended: ContainerTerminated, unhealthy: bool) -> str:
    """Why a container ended: "out of memory (OOMKilled)", "exit code 1", "its liveness probe failed"."""
    if ended.reason == "OOMKilled":
        return "out of memory (OOMKilled)"
    if unhealthy:
        return f"its liveness probe failed ({_code(ended)})"
    reason = clean(ended.reason, 60)
    return f"{reason}, {_code(ended)}" if reason and reason not in ("Error", "Completed") else _code(ended)


def _code(ended: ContainerTerminated) -> str:
    return f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"


def _probe_failed(pod: PodResource, at: datetime, events: Sequence[NamespaceEvent]) -> bool:
    return any(
        event.reason == "Killing"
        and "liveness probe" in event.message
        and event.involved_object.uid == pod.metadata.uid
        and event.at is not None
        and timedelta(seconds=-KILL_S) <= event.at - at <= timedelta(seconds=KILL_S)
        for event in events
    )


def replaced(pods: Sequence[PodResource], known: Mapping[str, str], looked_at: datetime | None, now: datetime) -> Found:
    """Pods that were there at the last look (name by uid) and are gone, though nothing else changed."""
    here = {pod.metadata.uid for pod in pods if pod.metadata.deletion_timestamp is None}
    at, within_s = between(looked_at, now)
    for uid, name in known.items():
        if uid not in here:
            yield (
                f"gone {uid}",
                Change(
                    at=at,
                    kind=ChangeKind.RESTART,
                    subject=f"pod {name}",
                    target=name,
                    text=f"{name} was deleted, and another takes its place",
                    within_s=within_s,
                    source=SOURCE,
                ),
            )


def evictions(
    pods: Sequence[PodResource], events: Sequence[NamespaceEvent], first_seen: Mapping[str, datetime]
) -> Found:
    """Pods that were taken off their node. `first_seen` (by uid) stands in for a time that nobody stamped."""
    told = set()
    for event in events:
        if event.reason in EVICTIONS and event.involved_object.kind == "Pod" and event.at is not None:
            told.add(event.involved_object.name)
            yield _evicted(event.involved_object.name, event.at, event.message or event.reason)
    for pod in pods:
        if pod.status.reason != "Evicted" or pod.metadata.name in told:
            continue
        ends = [end.finished_at for end in _ends(pod) if end.finished_at is not None]
        at = max(ends, default=first_seen.get(pod.metadata.uid))
        if at is not None:
            yield _evicted(pod.metadata.name, at, "Evicted")


def _ends(pod: PodResource) -> Iterator[ContainerTerminated]:
    for status in pod.status.container_statuses or ():
        if status.state.terminated is not None:
            yield status.state.terminated


def _evicted(pod: str, at: datetime, why: str) -> tuple[str, Change]:
    name = clean(pod, 100)
    return (
        f"evicted {name}",
        Change(
            at=at,
            kind=ChangeKind.EVICTION,
            subject=f"pod {name}",
            target=name,
            text=f"{name} was evicted: {clean(why, 120)}",
            source=SOURCE,
        ),
    )


def configured(
    kind: ChangeKind, name: str, found: StampedMetadata, last: str, looked_at: datetime | None, now: datetime
) -> Found:
    """A ConfigMap or a Secret whose content was written; `last` is the version of the last look, "" at the first.

    Its content is not known here. A version that moves for a label is no change of the content.
    """
    noun, name = "ConfigMap" if kind is ChangeKind.CONFIG else "Secret", clean(name, 100)
    writers = [each for field in CONTENT for each in found.writers(field)]
    newest = max(writers, key=lambda each: each.time or datetime.min, default=None)
    born, version = found.creation_timestamp, clean(found.resource_version, 40)
    at, within_s, who, verb = None, 0.0, "", "changed"
    if newest is not None and newest.time is not None:
        at, who = newest.time, clean(newest.manager, 60)
        if born is not None and abs((newest.time - born).total_seconds()) <= CREATION_S:
            verb = "created"
    elif last and last != version:
        at, within_s = between(looked_at, now)
    elif born is not None:
        at, verb = born, "created"
    if at is None:
        return
    yield (
        f"{kind.value} {name} {at.isoformat()}",
        Change(
            at=at,
            kind=kind,
            subject=f"{noun} {name}",
            target=name,
            text=f"the {noun} {name} was {verb}",
            before=f"version {last}" if last and last != version else "",
            after=f"version {version}" if version else "",
            who=who,
            within_s=within_s,
            source=SOURCE,
        ),
    )


def vanished(kind: ChangeKind, name: str, looked_at: datetime | None, now: datetime) -> tuple[str, Change]:
    """A ConfigMap or a Secret that was there at the last look."""
    noun, name = "ConfigMap" if kind is ChangeKind.CONFIG else "Secret", clean(name, 100)
    at, within_s = between(looked_at, now)
    subject = f"{noun} {name}"
    text = f"the {noun} {name} is gone"
    return f"{kind.value} {name} gone {at.isoformat()}", Change(
        at=at, kind=kind, subject=subject, target=name, text=text, within_s=within_s, source=SOURCE
    )
