"""Workloads: the deployment's pods, its rollout, its autoscaler. (facts 6)"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..model import Value
from ..sources import resources
from ..sources.text import clean
from . import releases
from .readings import Signal, utc_now
from .releases import Release

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod. `reason` is why it is not ready, or why its container last restarted; "" when there is none."""

    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    reason: str = ""
    age_s: float | None = None
    restarted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Autoscaler:
    name: str
    minimum: int
    maximum: int
    current: int
    desired: int
    metrics: str = ""


@dataclass(frozen=True, kw_only=True)
class Workloads(Value):
    """rollout: complete, progressing, paused or stuck; `rollout_note` says it in words. `release` is what runs."""

    namespace: str
    deployment: str
    desired: int
    ready: int
    updated: int
    available: int
    rollout: str
    rollout_note: str = ""
    pods: tuple[Pod, ...] = ()
    autoscaler: Autoscaler | None = None
    release: Release | None = None


PODS_AGE_S = 2.5  # a list that the logs' follower has just made will do
STARTING_S = 30.0


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Workloads:
    """The deployment; its pods and autoscaler where they may be read, else a note says what is missing."""
    kubernetes = sources.kubernetes
    deployment, pods, autoscaler = await asyncio.gather(
        kubernetes.deployment(), kubernetes.pods(PODS_AGE_S), kubernetes.autoscaler(), return_exceptions=True
    )
    for outcome in (deployment, pods, autoscaler):
        if isinstance(outcome, BaseException) and not isinstance(outcome, SourceError):
            raise outcome
    if isinstance(deployment, BaseException):
        raise deployment
    now = utc_now()
    notes = [f"pods: {pods}"] if isinstance(pods, SourceError) else []
    if isinstance(autoscaler, SourceError):
        notes.append(f"autoscaler: {autoscaler}")
        autoscaler = None
    elif autoscaler is not None:
        notes += _scaling_notes(autoscaler)
    listed = (
        [] if isinstance(pods, BaseException) else [describe(pod, settings.kubernetes.container, now) for pod in pods]
    )
    last = previous.release if isinstance(previous, Workloads) else None
    rollout, said = judge_rollout(deployment)
    status = deployment.status
    return Workloads(
        source="kubernetes",
        notes=tuple(notes),
        namespace=settings.kubernetes.namespace,
        deployment=settings.kubernetes.deployment,
        desired=deployment.spec.replicas,
        ready=status.ready_replicas,
        updated=status.updated_replicas,
        available=status.available_replicas,
        rollout=rollout,
        rollout_note=said,
        pods=tuple(sorted(listed, key=lambda pod: (pod.ready, pod.name))),
        autoscaler=None if autoscaler is None else scale(autoscaler),
        release=await releases.read(kubernetes, deployment, last, now),
    )


def judge_rollout(deployment: resources.Deployment) -> tuple[str, str]:
    """complete, progressing, paused or stuck, and why, as `kubectl rollout status` judges.

    Unlike it, a pod that becomes unready after its rollout was complete starts none.
    """
    spec, status = deployment.spec, deployment.status
    progress = deployment.condition("Progressing")
    failure = deployment.condition("ReplicaFailure")
    because = f": {clean(failure.message, 200)}" if failure and failure.status == "True" else ""
    if spec.paused:
        return "paused", f"paused with {status.updated_replicas} of {spec.replicas} replicas updated{because}"
    if deployment.metadata.generation > status.observed_generation:
        return "progressing", "the change has not been taken up by the controller yet"
    if progress is not None and progress.reason == "ProgressDeadlineExceeded":
        return "stuck", f"the progress deadline has passed: {_counts(deployment)}{because}"
    if status.updated_replicas < spec.replicas:
        return "progressing", f"{status.updated_replicas} of {spec.replicas} replicas are updated{because}"
    if status.replicas > status.updated_replicas:
        return "progressing", f"{status.replicas - status.updated_replicas} old replicas have yet to go"
    if status.available_replicas < status.updated_replicas:
        known = progress is not None and progress.reason == "NewReplicaSetAvailable"
        return "complete" if known else "progressing", _counts(deployment)
    return "complete", "scaled to 0" if spec.replicas == 0 else ""


def _counts(deployment: resources.Deployment) -> str:
    status = deployment.status
    return f"{status.available_replicas} of {status.updated_replicas} updated replicas are available"


def describe(pod: resources.Pod, container: str, now: datetime) -> Pod:
    """One pod in our words. Restarts are those of all its containers."""
    statuses = pod.status.container_statuses or []
    condition = pod.condition("Ready")
    ready = condition is not None and condition.status == "True" and pod.metadata.deletion_timestamp is None
    created = pod.metadata.creation_timestamp
    main = pod.container(container)
    last = main.last_state.terminated if main else None
    return Pod(
        name=clean(pod.metadata.name, 100),
        uid=clean(pod.metadata.uid, 60),
        phase=clean(pod.status.phase, 30),
        ready=ready,
        restarts=sum(status.restart_count for status in statuses),
        reason=clean(_reason(pod, ready, now), 200),
        age_s=None if created is None else max(0.0, (now - created).total_seconds()),
        restarted_at=last.finished_at if last else None,
    )


def _reason(pod: resources.Pod, ready: bool, now: datetime) -> str:
    """The first thing that keeps a pod from being ready, as kubectl would name it; else its last restart's cause."""
    if pod.metadata.deletion_timestamp is not None:
        return "Terminating"
    if pod.status.reason:
        return pod.status.reason
    if not ready:
        scheduled = pod.condition("PodScheduled")
        if scheduled is not None and scheduled.status == "False":
            return f"{scheduled.reason or 'not scheduled'}: {scheduled.message}"
        for status in pod.status.init_container_statuses or ():
            if why := _not_running(status):
                return f"Init: {why}"
        for status in pod.status.container_statuses or ():
            if why := _not_running(status):
                return why
        if why := _not_ready(pod, now):
            return why
    causes = (_last_end(status) for status in pod.status.container_statuses or () if status.restart_count)
    return next((f"restarted: {cause}" for cause in causes if cause), "")


def _not_running(status: resources.ContainerStatus) -> str:
    if status.state.waiting is not None:
        reason = status.state.waiting.reason or "waiting"
        last = _last_end(status)
        return f"{reason} ({last})" if last else reason
    ended = status.state.terminated
    if ended is not None and (ended.exit_code or ended.signal):
        return _end(ended)
    if ended is not None and ended.reason != "Completed":
        return _end(ended)
    return ""


def _not_ready(pod: resources.Pod, now: datetime) -> str:
    """Why a pod whose containers run is not ready."""
    for status in pod.status.container_statuses or ():
        running = status.state.running
        if running is None or status.ready:
            continue
        young = running.started_at is not None and (now - running.started_at).total_seconds() < STARTING_S
        last = _last_end(status)
        return ("starting" if young else "readiness failing") + (f", restarted: {last}" if last else "")
    gates = pod.condition("Ready")
    return gates.message or gates.reason if gates is not None else ""


def _last_end(status: resources.ContainerStatus) -> str:
    return _end(status.last_state.terminated) if status.last_state.terminated else ""


def _end(ended: resources.Terminated) -> str:
    if ended.reason and ended.reason != "Error":
        return ended.reason
    return f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"


def scale(autoscaler: resources.Autoscaler) -> Autoscaler:
    spec, status = autoscaler.spec, autoscaler.status
    return Autoscaler(
        name=clean(autoscaler.metadata.name, 100),
        minimum=spec.min_replicas,
        maximum=spec.max_replicas,
        current=status.current_replicas,
        desired=status.desired_replicas,
        metrics=_metrics(autoscaler),
    )


def _metrics(autoscaler: resources.Autoscaler) -> str:
    """Each resource's use and its target: "cpu 45/70 %, memory 300Mi/400Mi"."""
    current = {
        metric.resource.name: metric.resource.current
        for metric in autoscaler.status.current_metrics or ()
        if metric.resource and metric.resource.current
    }
    shown = []
    for metric in autoscaler.spec.metrics or ():
        if metric.resource is None or metric.resource.target is None:
            shown.append(metric.type)
            continue
        name, target = metric.resource.name, metric.resource.target
        used = current.get(name)
        if target.average_utilization is not None:
            share = used.average_utilization if used else None
            shown.append(f"{name} {'?' if share is None else share}/{target.average_utilization} %")
        else:
            amount = used.average_value if used else None
            shown.append(f"{name} {amount or '?'}/{target.average_value or target.value}")
    return clean(", ".join(shown), 200)


def _scaling_notes(autoscaler: resources.Autoscaler) -> list[str]:
    """What keeps the autoscaler from doing its work."""
    return [
        f"the autoscaler does not work ({condition.type}): {clean(condition.message, 200)}"
        for condition in autoscaler.status.conditions or ()
        if condition.type in ("AbleToScale", "ScalingActive") and condition.status == "False"
    ]


SIGNAL = Signal(name="workloads", read=read, every=3.0)
