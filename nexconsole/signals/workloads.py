"""Workloads: the deployment's pods, its rollout, its autoscaler. (nexnum.md#deployment)"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..model import Value, utc_now
from ..sources import resources
from ..sources.deployment_pods import LabelledPods, ending
from ..text.sanitize import clean
from ..text.units import several
from . import releases
from .pods import OtherPod, Pod, container_read, describe, describe_other
from .readings import Signal
from .releases import Release

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


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
    """rollout: complete, progressing, paused or stuck; `rollout_note` says it in words. `release` is what runs.

    `pods` are the deployment's own; `others` wear the same labels and are counted nowhere. `where` says which cluster
    and account this is and how that came about; `container` which container is read, where a pod has several.
    """

    namespace: str
    deployment: str
    desired: int
    ready: int
    updated: int
    available: int
    rollout: str
    rollout_note: str = ""
    pods: tuple[Pod, ...] = ()
    others: tuple[OtherPod, ...] = ()
    where: str = ""
    container: str = ""
    autoscaler: Autoscaler | None = None
    release: Release | None = None


OTHERS_SHOWN = 200
PODS_AGE_S = 2.5  # a list that the logs' follower has just made will do


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Workloads:
    """The deployment; its pods and autoscaler where they may be read, else a note says what is missing."""
    kubernetes = sources.kubernetes
    deployment, pods, autoscaler = await asyncio.gather(
        kubernetes.deployment(), kubernetes.labelled(PODS_AGE_S), kubernetes.autoscaler(), return_exceptions=True
    )
    for outcome in (deployment, pods, autoscaler):
        if isinstance(outcome, BaseException) and not isinstance(outcome, SourceError):
            raise outcome
    if isinstance(deployment, BaseException):
        raise deployment
    now = utc_now()
    notes = [f"pods: {pods}"] if isinstance(pods, BaseException) else []
    if isinstance(autoscaler, BaseException):
        notes.append(f"autoscaler: {autoscaler}")
        autoscaler = None
    elif autoscaler is not None:
        notes += _scaling_notes(autoscaler)
    listed = LabelledPods() if isinstance(pods, BaseException) else pods
    own = [describe(pod, settings.kubernetes, now) for pod in listed.own if not ending(pod)]
    others = [*(pod for pod in listed.own if ending(pod)), *listed.others]
    container, doubt = container_read([pod for pod in listed.own if not ending(pod)], settings.kubernetes)
    notes += [doubt] if doubt else []
    last = previous.release if isinstance(previous, Workloads) else None
    rollout, said = judge_rollout(deployment)
    status = deployment.status
    return Workloads(
        source="kubernetes",
        notes=tuple(notes),
        namespace=kubernetes.namespace,
        deployment=settings.kubernetes.deployment,
        desired=deployment.spec.replicas,
        ready=status.ready_replicas,
        updated=status.updated_replicas,
        available=status.available_replicas,
        rollout=rollout,
        rollout_note=said,
        pods=tuple(sorted(own, key=lambda pod: (pod.ready, pod.name))),
        others=tuple(describe_other(pod, settings.kubernetes.deployment) for pod in others[:OTHERS_SHOWN]),
        where=str(kubernetes.access or ""),
        container=container,
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
        old = several(status.replicas - status.updated_replicas, "old replica has", "old replicas have")
        return "progressing", f"{old} yet to go"
    if status.available_replicas < status.updated_replicas:
        known = progress is not None and progress.reason == "NewReplicaSetAvailable"
        return "complete" if known else "progressing", _counts(deployment)
    return "complete", "scaled to 0" if spec.replicas == 0 else ""


def _counts(deployment: resources.Deployment) -> str:
    """How many are updated, and how many of all are available: which of these are updated is not in the status."""
    spec, status = deployment.spec, deployment.status
    old = status.replicas - status.updated_replicas
    if old <= 0 and status.updated_replicas >= spec.replicas:
        available = min(status.available_replicas, status.updated_replicas)
        return f"{available} of {status.updated_replicas} updated replicas are available"
    updated = f"{status.updated_replicas} of {spec.replicas} replicas are updated"
    return f"{updated}, {status.available_replicas} are available" + (
        f", {several(old, 'old one still runs', 'old ones still run')}" if old > 0 else ""
    )


def scale(autoscaler: resources.AutoscalerResource) -> Autoscaler:
    spec, status = autoscaler.spec, autoscaler.status
    return Autoscaler(
        name=clean(autoscaler.metadata.name, 100),
        minimum=spec.min_replicas,
        maximum=spec.max_replicas,
        current=status.current_replicas,
        desired=status.desired_replicas,
        metrics=_metrics(autoscaler),
    )


def _metrics(autoscaler: resources.AutoscalerResource) -> str:
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


def _scaling_notes(autoscaler: resources.AutoscalerResource) -> list[str]:
    """What keeps the autoscaler from doing its work."""
    return [
        f"the autoscaler does not work ({condition.type}): {clean(condition.message, 200)}"
        for condition in autoscaler.status.conditions or ()
        if condition.type in ("AbleToScale", "ScalingActive") and condition.status == "False"
    ]


SIGNAL = Signal(name="workloads", read=read, every=3.0)
