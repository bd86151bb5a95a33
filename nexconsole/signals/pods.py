"""A pod: whether it is ready, why not, how often it restarted; and the pods that are not counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..sources import resources
from ..sources.containers import log_container
from ..sources.deployment_pods import controller, why_other
from ..text.sanitize import clean

if TYPE_CHECKING:
    from .. import settings

STARTING_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod. `reason` is why it is not ready, or why its container last restarted; "" when there is none.

    `owner` is the ReplicaSet that would start another in its place.
    """

    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    reason: str = ""
    age_s: float | None = None
    restarted_at: datetime | None = None
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class OtherPod:
    """A pod under the deployment's labels that is not counted, and why: "evicted", "of ReplicaSet ..."."""

    name: str
    uid: str
    why: str


def describe(pod: resources.PodResource, now: datetime) -> Pod:
    """One pod in our words. Restarts are counted as in kubectl's column RESTARTS."""
    restarts, restarted_at = count_restarts(pod)
    owner = controller(pod)
    condition = pod.condition("Ready")
    ready = condition is not None and condition.status == "True" and pod.metadata.deletion_timestamp is None
    created = pod.metadata.creation_timestamp
    return Pod(
        name=clean(pod.metadata.name, 100),
        uid=clean(pod.metadata.uid, 60),
        phase=clean(pod.status.phase, 30),
        ready=ready,
        restarts=restarts,
        reason=clean(_reason(pod, ready, now), 200),
        age_s=None if created is None else max(0.0, (now - created).total_seconds()),
        restarted_at=restarted_at,
        owner=clean(owner.name, 120) if owner is not None else "",
    )


def _reason(pod: resources.PodResource, ready: bool, now: datetime) -> str:
    """The first thing that keeps a pod from being ready, as kubectl would name it; else its last restart's cause."""
    if pod.metadata.deletion_timestamp is not None:
        return "Terminating"
    if pod.status.reason:
        return pod.status.reason
    if not ready:
        scheduled = pod.condition("PodScheduled")
        if scheduled is not None and scheduled.status == "False":
            return f"{scheduled.reason or 'not scheduled'}: {scheduled.message}"
        for status in pod.status.init_container_statuses or ():  # a native sidecar goes on running among them
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


def _not_ready(pod: resources.PodResource, now: datetime) -> str:
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


def _end(ended: resources.ContainerTerminated) -> str:
    if ended.reason and ended.reason != "Error":
        return ended.reason
    return f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"


CRASHES = ("CrashLoopBackOff", "OOMKilled", "exit code", "signal", "ContainerCannotRun", "RunContainerError")
JUST_S = 600.0


def crashes(pod: Pod, now: datetime) -> bool:
    """Whether its container ends in failure: it waits to be started again, or was within the last ten minutes."""
    if not any(word in pod.reason for word in CRASHES):
        return False
    recent = pod.restarted_at is not None and (now - pod.restarted_at).total_seconds() < JUST_S
    return not pod.ready or recent


def started_at(pod: Pod, now: datetime) -> datetime | None:
    """When its container was started last: with the pod, or anew since; None where that is not known."""
    created = None if pod.age_s is None else now - timedelta(seconds=pod.age_s)
    return max((at for at in (created, pod.restarted_at) if at is not None), default=None)


def describe_other(pod: resources.PodResource, deployment: str) -> OtherPod:
    name, uid = clean(pod.metadata.name, 100), clean(pod.metadata.uid, 60)
    return OtherPod(name=name, uid=uid, why=why_other(pod, deployment))


def container_read(pods: Sequence[resources.PodResource], chosen: settings.KubernetesSettings) -> tuple[str, str]:
    """Which container stands for the pods and why, where they have several; and what is wrong with the choice."""
    for pod in pods:
        try:
            container = log_container(pod, chosen)
        except SourceError as error:
            return "", str(error)
        if len(pod.spec.containers) > 1 or chosen.container:
            return f"{clean(container.name, 60)}: {container.why}", ""
    return "", ""


def count_restarts(pod: resources.PodResource) -> tuple[int, datetime | None]:
    """How often containers restarted, and the last time, as kubectl counts.

    While the pod initializes, its init containers up to the one at work; after that its containers and native sidecars.
    """
    policies = {container.name: container.restart_policy for container in pod.spec.init_containers or ()}
    done, sidecars = [], []
    initializing = False
    for status in pod.status.init_container_statuses or ():
        done.append(status)
        sidecar = policies.get(status.name) == "Always"
        sidecars += [status] if sidecar else []
        ended = status.state.terminated
        if (ended is not None and ended.exit_code == 0) or (sidecar and status.started):
            continue
        initializing = True
        break
    initialized = pod.condition("Initialized")
    if not initializing or (initialized is not None and initialized.status == "True"):
        done = [*sidecars, *(pod.status.container_statuses or ())]
    ends = [status.last_state.terminated for status in done if status.last_state.terminated is not None]
    times = [end.finished_at for end in ends if end.finished_at is not None]
    return sum(status.restart_count for status in done), max(times, default=None)
