"""Workloads: the deployment's pods, its rollout, its autoscaler. (nexnum.md#deployment)"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Unpack

from ..errors import SourceError
from ..model import Value, utc_now
from ..sources import resources
from ..sources.deployment_pods import LabelledPods, ending
from ..sources.workload_runtime import on_docker
from ..text.sanitize import clean
from ..text.units import count, duration, plural, several, utilization
from . import compose, releases
from .pods import container_read, crashes, describe, describe_other
from .probe import Probe, ProbeOptions, ProbeResult, Read, View
from .release_effect import released
from .signal import (
    EVERY_PURCHASE,
    LISTED,
    MOST_SUBJECTS,
    REFUSED,
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
)
from .workloads_value import Autoscaler
from .workloads_value import Workloads as Workloads

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings
    from ..sources import Sources


OTHERS_SHOWN = 200
PODS_AGE_S = 2.5  # a list that the logs' follower has just made will do


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Workloads:
    """The deployment; its pods and autoscaler where they may be read, else a note says what is missing.

    In Docker, the containers of the app and the worker.
    """
    if on_docker(sources):
        before = previous if isinstance(previous, Workloads) else None
        return await compose.read(sources.docker, settings, before, utc_now())
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
    own = [describe(pod, now) for pod in listed.own if not ending(pod)]
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
            shown.append(f"{name} {utilization(share, target.average_utilization)}")
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


def _reasons(value: Workloads, settings: Settings) -> Iterator[Judgement]:
    if value.desired and value.ready == 0:
        yield Judgement(
            "SEV-1",
            f"purchasing is down: none of {count(value.desired)} {plural(value.unit)} of {value.deployment} is ready",
            explains=(*EVERY_PURCHASE, REFUSED, "api"),
        )
    elif value.ready < value.desired and value.rollout != "progressing":
        text = f"{count(value.ready)} of {count(value.desired)} {plural(value.unit)} of {value.deployment} are ready"
        yield Judgement("SEV-3", text)
    for service in value.idle_services:
        text = f"{count(service.ready)} of {several(service.desired, value.unit)} of {service.name} are ready"
        yield Judgement("SEV-3", f"{text}: background work may stand still", about=f"service {service.name}")


def _summary(value: Workloads) -> str:
    ready = f"{value.deployment} {count(value.ready)}/{count(value.desired)} ready"
    if value.unit != "pod":
        others = (f"{each.name} {count(each.ready)}/{count(each.desired)}" for each in value.services[1:])
        return ", ".join((ready, *others))
    return f"{ready}, rollout {value.rollout}"


def _numbers(value: Workloads, every: float, now: datetime) -> Numbers:
    return {"pods_ready": value.ready, "pods_desired": value.desired}


def _states(value: Workloads, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    name = clean(value.deployment, 100)
    words = {
        "progressing": f"a rollout of {name} is under way",
        "complete": f"the rollout of {name} is complete",
        "stuck": f"the rollout of {name} is stuck",
        "paused": f"the rollout of {name} is paused",
    }
    if value.rollout in words and value.unit == "pod":
        usual = value.rollout == "complete"
        yield SubjectState(f"rollout {name}", value.rollout, words[value.rollout], usual=usual, brief=True)
    missing = value.ready < value.desired
    words_of_pods = f"{value.ready} of {value.desired} {plural(value.unit)} of {name} are ready"
    yield SubjectState(
        f"{plural(value.unit)} of {name}", "missing" if missing else "ready", words_of_pods, usual=not missing
    )
    for pod in value.pods[:MOST_SUBJECTS]:
        why = f" ({clean(pod.reason, 100)})" if pod.reason else ""
        subject = f"restarts of {clean(pod.name, 100)}"
        words_of_it = f"{clean(pod.name, 100)} was restarted{why}: {pod.restarts} times by now"
        yield SubjectState(subject, str(pod.restarts), words_of_it, usual=True, brief=True)


def _details(value: Workloads) -> Iterator[str]:
    for pod in value.pods[:LISTED]:
        why = f", {pod.reason}" if pod.reason else ""
        yield f"{pod.name}: {'ready' if pod.ready else 'NOT READY'}, {pod.restarts} restarts{why}"


def _ready(view: View[Workloads]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=_pods(value), value=float(value.ready))


def _missing(view: View[Workloads]) -> ProbeResult:
    value = view.value
    reasons = "; ".join(f"{pod.name} {pod.reason or pod.phase}" for pod in value.pods if not pod.ready)
    text = _pods(value) + (f": {reasons[:200]}" if reasons else "")
    return ProbeResult(text=text, value=float(max(0, value.desired - value.ready)))


def _down(view: View[Workloads]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=_pods(value), value=bool(value.desired and not value.ready))


def _restarts(view: View[Workloads]) -> ProbeResult:
    value = view.value
    if not value.pods:
        return ProbeResult(text=f"not known: no {value.unit} was seen", value=None)
    restarts = sum(pod.restarts for pod in value.pods)
    restarted = [(pod.restarted_at, pod.reason) for pod in value.pods if pod.restarted_at]
    when = ""
    if restarted:
        at, reason = max(restarted, key=itemgetter(0))
        ago = duration(max(0.0, (view.now - at).total_seconds()))
        when = f", the last {ago} ago" + (f" ({reason})" if reason else "")
    return ProbeResult(
        text=f"{several(restarts, 'restart')} of {several(len(value.pods), value.unit)}{when}", value=float(restarts)
    )


def _rollout(view: View[Workloads]) -> ProbeResult:
    value = view.value
    note = f": {value.rollout_note}" if value.rollout_note else ""
    what = "the rollout" if value.unit == "pod" else "Docker Compose has no rollouts; the change of images"
    return ProbeResult(text=f"{what} is {value.rollout}{note}", value=value.rollout)


def _released(view: View[Workloads]) -> ProbeResult:
    """How long ago what runs was released: going back to an older release makes this old again."""
    release = view.value.release
    if release is None or release.since is None:
        why, lacks = (release.why, release.lacks) if release is not None else ("its revisions were not read", "")
        return ProbeResult(text=f"not known: {why}", value=None, lacks=lacks)
    age = max(0.0, (view.now - release.since).total_seconds())
    first = ", the first that its history knows" if view.value.unit == "pod" else f"; {compose.NO_REVISIONS}"
    before = f", after {release.before}" if release.before else first
    if release.withdrawn:
        before += f"; {release.withdrawn} was taken back"
    number = f" (revision {release.revision})" if release.revision else ""
    return ProbeResult(text=f"{release.images}{number} is {duration(age)} old{before}", value=age)


def _crashing(view: View[Workloads]) -> ProbeResult:
    """Pods that crash: they are kept from starting again, or ended in failure within the last minutes."""
    value = view.value
    if not value.pods:
        return ProbeResult(text=f"not known: no {value.unit} was seen", value=None)
    found = [pod for pod in value.pods if crashes(pod, view.now)]
    told = ", ".join(f"{pod.name} {pod.reason}" for pod in found[:3])
    text = f"{several(len(found), value.unit)} of {count(len(value.pods))} crash" + (f": {told}" if told else "")
    return ProbeResult(text=text, value=float(len(found)), gives={"pod": found[0].name} if found else {})


def _wanted(view: View[Workloads]) -> ProbeResult:
    value = view.value
    scaler = value.autoscaler
    least = f"; its autoscaler keeps at least {count(scaler.minimum)}" if scaler is not None else ""
    return ProbeResult(text=f"{several(value.desired, value.unit)} wanted{least}", value=float(value.desired))


def _suspect(view: View[Workloads]) -> ProbeResult:
    """Whether purchases fail since the release that runs: it was well before, and bad soon after."""
    release, known = view.value.release, view.readings.get("transactions")
    if release is None or release.since is None:
        why = release.why if release is not None else "its revisions were not read"
        return ProbeResult(text=f"not known: {why}", value=None)
    if known is None or known.value is None or known.state(view.now) != "fresh":
        return ProbeResult(text="not known: purchases can't be read", value=None)
    judgement = next(iter(released(view.readings, view.settings)), None)
    if judgement is not None:
        return ProbeResult(text=judgement.text, value=True)
    return ProbeResult(text=f"purchases did not begin to fail with {release.images}", value=False)


def _pods(value: Workloads) -> str:
    return f"{value.ready} of {several(value.desired, value.unit)} of {value.deployment} ready"


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="workloads", kind=kind, read=read, **options)


PROBES = (
    _probe("workloads.ready", "pods that are ready", _ready),
    _probe("workloads.missing", "pods that should be ready and are not", _missing),
    _probe("workloads.down", "whether no pod is ready", _down, "flag"),
    _probe("pods.crashing", "pods that crash", _crashing, gives={"pod": "pod"}),
    _probe("workloads.wanted", "pods that are wanted", _wanted),
    _probe("release.suspect", "whether purchases fail since the release that runs", _suspect, "flag"),
    _probe("workloads.restarts", "how often the pods were restarted", _restarts),
    _probe(
        "workloads.rollout",
        "the rollout's state",
        _rollout,
        "word",
        words=("complete", "progressing", "paused", "stuck"),
    ),
    _probe("workloads.released", "age of the release that runs", _released, unit="seconds"),
)
SIGNAL = Signal(
    name="workloads",
    kind=Workloads,
    read=read,
    summary=_summary,
    every=3.0,
    needs=("kubernetes", "docker"),
    reasons=_reasons,
    reasons_across=released,
    numbers=_numbers,
    metrics={
        "pods_ready": MetricSpec("pods ready", count, less=True),
        "pods_desired": MetricSpec("pods wanted", count),
    },
    exported=(
        gauge("pods_ready", "Pods of the deployment that are ready.", "ready"),
        gauge("pods_desired", "Pods that the deployment wants.", "desired"),
    ),
    observe=_states,
    details=_details,
    arguments={"pod": lambda value: (pod.name for pod in value.pods)},
    probes=PROBES,
)
