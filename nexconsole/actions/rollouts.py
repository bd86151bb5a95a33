"""The deployment for actions: what runs, guards, and the progress after a change. (nexnum.md#deployment, #restarts)"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from ..errors import SourceError
from ..model import value_of
from ..signals.circuits import Circuits
from ..signals.pods import OtherPod, Pod, describe, describe_other
from ..signals.reservations import Reservations
from ..signals.workloads import judge_rollout, scale
from ..signals.workloads_value import Autoscaler, Workloads
from ..sources import cluster_access
from ..sources.deployment_pods import ending
from ..sources.workload_runtime import on_docker
from ..text.units import duration, several
from . import control, failure_rate_change, outbox_progress
from .action import Context
from .plan import Guard, GuardLevel, Plan, Target, Verdict
from .verdicts import watch

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.resources import Deployment

ROLLOUT_S = 300.0  # a rollout may take so long before its verdict is due
YOUNG_S = 3600.0  # a release so young is worth a doubt
RESTARTING_S = 600.0  # all pods restarted within it: somebody restarts them already
SETTLING_S = 10.0  # in which purchases still fail for what was before the pods
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class DeploymentState:
    """The deployment at one moment. `rollout` is complete, progressing, paused or stuck, as in the pane.

    `pods` are its own pods that are not ending. `others` carry its labels, and are neither counted nor targets.
    `unnamed` says which cluster it is where the settings name none.
    """

    namespace: str
    deployment: Deployment
    rollout: str
    said: str
    pods: tuple[Pod, ...]
    others: tuple[OtherPod, ...]
    unnamed: str
    autoscaler: Autoscaler | None
    autoscaler_works: bool
    notes: tuple[str, ...]
    at: datetime

    @property
    def wanted(self) -> int:
        return self.deployment.spec.replicas

    @property
    def ready(self) -> int:
        return sum(pod.ready for pod in self.pods)


class WatchedState(Protocol):
    """What a verdict needs of a state."""

    @property
    def ready(self) -> int: ...
    @property
    def rollout(self) -> str: ...
    @property
    def said(self) -> str: ...


S = TypeVar("S", bound=WatchedState)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Progress of a rollout. `said` is shown while it goes on; `ended` is a final verdict. `otherwise` is the verdict's
    state if nothing more happens before the deadline.
    """

    there: bool
    said: str
    ended: Verdict | None = None
    otherwise: Literal["no effect", "unknown"] = "unknown"


def missing(sources: Sources, lacking: str = "") -> str | None:
    """Why it can't be done; `lacking` says what Docker Compose has instead."""
    if on_docker(sources):
        return lacking
    if sources.has("kubernetes"):
        return None
    return "the cluster can't be reached: set kubernetes.kubeconfig (KUBECONFIG)"


async def look(context: Context) -> DeploymentState:
    """The deployment now. Raises SourceError where it or its pods can't be read."""
    kubernetes, now = context.sources.kubernetes, context.clock()
    deployment = await kubernetes.deployment()
    listed = await kubernetes.labelled()
    own = [describe(pod, now) for pod in listed.own if not ending(pod)]
    others = [*(pod for pod in listed.own if ending(pod)), *listed.others]
    autoscaler = None
    notes: tuple[str, ...] = ()
    try:
        autoscaler = await kubernetes.autoscaler()
    except SourceError as error:
        notes = (f"whether an autoscaler would fight it is not known: {error}",)
    works = autoscaler is not None and not any(
        condition.type in ("AbleToScale", "ScalingActive") and condition.status == "False"
        for condition in autoscaler.status.conditions or ()
    )
    rollout, said = judge_rollout(deployment)
    return DeploymentState(
        namespace=kubernetes.namespace,
        deployment=deployment,
        rollout=rollout,
        said=said,
        pods=tuple(sorted(own, key=lambda pod: pod.name)),
        others=tuple(describe_other(pod, kubernetes.settings.deployment) for pod in others),
        unnamed=str(kubernetes.access or "") if cluster_access.implicit(kubernetes.settings) else "",
        autoscaler=None if autoscaler is None else scale(autoscaler),
        autoscaler_works=works,
        notes=notes,
        at=now,
    )


def pod_targets(pods: Sequence[Pod]) -> tuple[Target, ...]:
    return tuple(
        Target(
            kind="pod",
            id=pod.name,
            identity={"uid": pod.uid},
            shown={"ready": pod.ready, "restarts": pod.restarts, "age_s": _whole(pod.age_s), "reason": pod.reason},
        )
        for pod in pods
    )


def deployment_target(scene: DeploymentState, settings: Settings) -> Target:
    """The target's identity. `generation` changes with the spec, so the plan applies to the spec shown."""
    meta = scene.deployment.metadata
    return Target(
        kind="deployment",
        id=settings.kubernetes.deployment,
        identity={"uid": meta.uid, "generation": meta.generation},
        shown={
            "namespace": scene.namespace,
            "replicas": scene.wanted,
            "ready": scene.ready,
            "rollout": scene.rollout,
        },
    )


def unfinished(scene: DeploymentState, *, level: GuardLevel = "block") -> Guard:
    """A guard against a running rollout, of this `level`. A stuck one never blocks, as it would for hours."""
    name = "rollout"
    if scene.rollout == "complete":
        return Guard(name=name, level="ok", reason="no rollout is running")
    if scene.rollout == "stuck":
        reason = (
            f"the last rollout is stuck ({scene.said}): going back a revision is more likely to help (rollout.undo)"
        )
        return Guard(name=name, level="warn", reason=reason)
    if scene.rollout == "paused":
        reason = f"the deployment is {scene.said}: resume it first (kubectl rollout resume)"
        return Guard(name=name, level="block", reason=reason)
    return Guard(name=name, level=level, reason=f"a rollout is still running ({scene.said})")


def released(context: Context) -> Guard:
    """Warns where the running release is new: it may be the cause, and new pods would run it too."""
    name = "release"
    workloads = value_of(context.readings(), "workloads", Workloads)
    release = workloads.release if workloads is not None else None
    if release is None or release.since is None:
        return Guard(name=name, level="ok", reason="the age of the running release is not known")
    age_s = (context.clock() - release.since).total_seconds()
    if release.before and age_s < YOUNG_S:
        reason = f"{release.images} was released {duration(age_s)} ago: if it is the cause, go back (rollout.undo)"
        return Guard(name=name, level="warn", reason=reason)
    return Guard(name=name, level="ok", reason=f"{release.images} is no new release")


def liveness(scene: DeploymentState) -> Guard:
    """Whether the kubelet already restarts all pods: liveness checks the database and Redis. (nexnum.md#deployment)"""
    name = "restarts"
    recent = [
        pod
        for pod in scene.pods
        if pod.restarted_at is not None and (scene.at - pod.restarted_at).total_seconds() < RESTARTING_S
    ]
    counts = ", ".join(f"{pod.name.rpartition('-')[2]} {pod.restarts}" for pod in scene.pods[:8])
    if recent and len(recent) == len(scene.pods):
        newest = min((scene.at - pod.restarted_at).total_seconds() for pod in recent if pod.restarted_at)
        reason = (
            f"the kubelet restarts all pods already, the last time {duration(newest)} ago ({counts}): their health asks"
            " for the database and Redis, look there first"
        )
        return Guard(name=name, level="warn", reason=reason)
    if recent:
        names = ", ".join(pod.name for pod in recent[:3])
        return Guard(name=name, level="ok", reason=f"{len(recent)} of {len(scene.pods)} restarted lately ({names})")
    return Guard(name=name, level="ok", reason="no pod has restarted by itself lately")


def memory(context: Context, pods: Sequence[str]) -> Guard:
    """What those pods lose with their memory: their own breakers and counters. (nexnum.md#breakers, #samples)"""
    name = "wiped"
    counters = "their counters start at 0, so rates dip"
    circuits = value_of(context.readings(), "circuits", Circuits)
    if circuits is None:
        reason = f"which breakers are open in these pods is not known; a restart resets them all, and {counters}"
        return Guard(name=name, level="warn", reason=reason)
    lost = []
    for provider in circuits.providers:
        held = [
            holder
            for holder in provider.holders
            if holder.kind == "pod" and holder.where in pods and holder.state == "open"
        ]
        if held:
            lost.append(f"{provider.name} on {len(held)} of {len(pods)}")
    if not lost:
        return Guard(name=name, level="ok", reason=f"no breaker is open on them; {counters}")
    shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    again = "the new processes send purchases there again until theirs open"
    reason = f"open breakers are reset ({shown}): {again}; {counters}"
    return Guard(name=name, level="warn", reason=reason)


def orphans(context: Context) -> Guard:
    """Purchases in flight: their rows stay PENDING or RESERVED, and locks without a TTL stay. (nexnum.md#restarts)"""
    name = "in flight"
    value = value_of(context.readings(), "reservations", Reservations)
    if value is None:
        return Guard(name=name, level="warn", reason="how many purchases are in flight is not known: they may be lost")
    waiting = value.pending - value.stuck
    if not waiting:
        return Guard(name=name, level="ok", reason="no purchase is in flight")
    reason = (
        f"{several(waiting, 'purchase')} in flight: those that a pod is in the middle of when it ends stay PENDING and"
        " RESERVED until the reconciler frees them"
    )
    return Guard(name=name, level="warn", reason=reason)


def around(scene: DeploymentState) -> tuple[Guard, ...]:
    """Guards: the settings name no cluster; other pods carry the deployment's labels."""
    where: tuple[Guard, ...] = ()
    if scene.unnamed:
        reason = f"the settings name no cluster: this is the one that kubectl uses: {scene.unnamed}"
        where = (Guard(name="cluster", level="warn", reason=reason),)
    if not scene.others:
        return where
    shown = ", ".join(f"{pod.name} ({pod.why})" for pod in scene.others[:3])
    more = f" and {len(scene.others) - 3} more" if len(scene.others) > 3 else ""
    reason = f"{len(scene.others)} other pods with these labels are neither changed nor counted: {shown}{more}"
    return (*where, Guard(name="other pods", level="ok", reason=reason))


def unread(scene: DeploymentState) -> tuple[Guard, ...]:
    return tuple(Guard(name="autoscaler", level="warn", reason=note) for note in scene.notes)


def deadline(context: Context) -> float:
    return ROLLOUT_S + context.settings.actions.verify_s


def changed(plan: Plan, uid: str, generation: int) -> str | None:
    """Why the deployment differs from the one shown; None where it does not."""
    if uid != plan.details["uid"]:
        return "the deployment was re-created since the preview: nothing was changed"
    if generation != plan.details["generation"]:
        return "somebody changed the deployment since the preview: nothing was changed"
    return None


async def troubles(context: Context) -> dict[str, object]:
    """The state before, for the plan's details: failing purchases, and the outbox where it is late."""
    return {
        "before": await failure_rate_change.before(context),
        "minute": await control.last_minute(context),
        "queue": await outbox_progress.before(context),
    }


def awaited(details: Mapping[str, object]) -> str:
    """The part of a plan's watch that is not about purchases."""
    return "; the late outbox catches up" if details["queue"] else ""


async def aftermath(
    plan: Plan,
    context: Context,
    arrived: Callable[[S], Arrival],
    looking: Callable[[Context], Awaitable[S]],
) -> Verdict:
    """Watch until the pods are as ordered and the failure rate is clear; where that was fine before, until a late
    outbox is. Progress is reported as it changes.
    """
    loop = asyncio.get_running_loop()
    then, ready_before = failure_rate_change.restored(plan.details.get("before")), int(plan.details["ready"])
    late = outbox_progress.restored(plan.details.get("queue"))
    queue: outbox_progress.OutboxQueue | None = None  # as it was when the pods were as meant
    there_at: float | None = None
    told = ""

    async def look_again(last: bool) -> Verdict | None:
        nonlocal there_at, told, queue
        scene = await looking(context)
        now = arrived(scene)
        if now.ended is not None:
            return now.ended
        if now.said != told:
            told = now.said
            context.progress(told)
        if not now.there:
            return _not_there(scene, now, ready_before) if last else None
        there_at = loop.time() if there_at is None else there_at
        if then is None:
            because = f"{now.said}; whether purchases fail less is not known: the rate before could not be read"
            return Verdict(state="unknown", because=because)
        waited = loop.time() - there_at
        verdict = await _judged(context, then, waited, last)
        if (
            late is not None
            and failure_rate_change.calm(then, context)
            and (verdict is None or verdict.state == "worked")
        ):
            # purchases were not what was wrong, so that they go on proves nothing
            seen = await outbox_progress.measure(context)
            queue = seen if queue is None else queue
            verdict = outbox_progress.judge(queue, seen, waited, last)
        if verdict is None:
            return None
        if plan.details.get("rest") is not None:
            rest = await control.on_pods(context, plan.details["rest_pods"], waited)
            verdict = control.as_the_others(verdict, plan.details["rest"], rest, context, "pod")
        verdict = control.recovered_before(verdict, then, plan.details.get("minute"), context)
        return Verdict(state=verdict.state, because=f"{now.said}; {verdict.because}")

    return await watch(plan.deadline_s, look_again, LOOK_EVERY_S)


async def _judged(context: Context, then: failure_rate_change.Rate, waited: float, last: bool) -> Verdict | None:
    try:
        rate = await failure_rate_change.measure(context, waited, then.source)
    except SourceError as error:
        because = f"whether purchases fail less could not be read: {error}"
        return Verdict(state="unknown", because=because) if last else None
    if rate is None:
        return Verdict(state="unknown", because="too early to tell whether purchases fail less") if last else None
    verdict = failure_rate_change.judge(then, rate, context, waited, last)
    if verdict is None or verdict.state != "worse" or not failure_rate_change.calm(then, context):
        return verdict
    return await _still_worse(verdict, context, then, waited, last)


async def _still_worse(
    verdict: Verdict, context: Context, then: failure_rate_change.Rate, waited: float, last: bool
) -> Verdict | None:
    """Where purchases were fine before, what fails in the first seconds of new pods is no harm that lasts: it is worse
    when what came after them fails too."""
    if waited < 2 * SETTLING_S:
        return verdict if last else None
    with contextlib.suppress(SourceError):
        later = await failure_rate_change.measure(context, waited - SETTLING_S, then.source)
        if later is not None:
            return failure_rate_change.judge(then, later, context, waited, last)
    return verdict if last else None


def _not_there(scene: WatchedState, now: Arrival, ready_before: int) -> Verdict:
    if scene.ready < ready_before:
        because = f"{now.said}; {scene.ready} pods are ready, {ready_before} were before"
        return Verdict(state="worse", because=because)
    if scene.rollout == "stuck":
        return Verdict(state="no effect", because=f"{now.said}; the rollout is stuck: {scene.said}")
    more = f", and the time is up: {scene.said or scene.rollout}" if now.otherwise == "unknown" else ""
    return Verdict(state=now.otherwise, because=now.said + more)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
