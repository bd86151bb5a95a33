"""pods.restart: restarts all pods in turn, as `kubectl rollout restart` does, or one pod alone. (nexnum.md#deployment,
#restarts)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import TYPE_CHECKING

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals.circuits import Circuits
from ..signals.database import Database
from ..signals.pods import Pod
from ..signals.workloads_value import Workloads
from ..sources.deployment_pods import ending
from ..text.sanitize import clean
from ..text.units import count, several
from . import control, rollouts, shell_commands
from .action import Argument, Context, Suggestion, make_plan
from .cluster import STRATEGIC, AccessRule, ClusterWriter, Write, may, open_cluster, rehearsed
from .guards import fresh
from .plan import Confirmation, Guard, Outcome, Plan, Verdict
from .rollouts import Arrival, DeploymentState
from .settlement import SettledOutcome, settled

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
READ = AccessRule(verb="get", resource="deployments.apps")
ROLL = AccessRule(verb="patch", resource="deployments.apps")
DELETE = AccessRule(verb="delete", resource="pods")


class RestartPods:
    """Replaces pods. That clears process state; a cause outside of the process stays."""

    name = "pods.restart"
    title = "Restart the pods, one after the other"
    synonyms = ("rollout restart", "restart deployment", "bounce", "kill pod", "delete pod", "recycle", "reboot")
    arguments = (Argument(name="pod", kind="pod", required=False, help="this pod alone; without it all, rolling"),)
    rights = (READ, ROLL, DELETE)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        workloads = value_of(readings, "workloads", Workloads)
        if workloads is None:
            return ()
        ill = [pod for pod in workloads.pods if not pod.ready]
        found = [
            Suggestion(
                title=f"Restart {workloads.unit} {pod.name} - {pod.reason or 'not ready'}",
                arguments={"pod": pod.name},
                weight=0.3,
            )
            for pod in ill[:10]
        ]
        why, weight = f"{workloads.ready} ready", 0.2 if ill else 0.05
        if (database := value_of(readings, "database", Database)) is not None and database.nearly_used_up:
            why, weight = f"gives back what they hold of {count(database.connections)} database connections", 0.6
        many = f"{several(workloads.desired, workloads.unit)} of {workloads.deployment}"
        title = f"Restart all {many} - {why}"
        return (*_suspected(readings, workloads.unit), *found, Suggestion(title=title, arguments={}, weight=weight))

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return rollouts.missing(sources)

    async def permitted(self, context: Context) -> Guard:
        return await may(context, ROLL)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        scene = await rollouts.look(context)
        wanted = arguments.get("pod", "").strip()
        return await (self._one(wanted, scene, context) if wanted else self._all(scene, context))

    async def _all(self, scene: DeploymentState, context: Context) -> Plan:
        meta, settings = scene.deployment.metadata, context.settings
        stamp = context.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        details = {
            "stamp": stamp,
            "uid": meta.uid,
            "generation": meta.generation,
            "pods": [pod.uid for pod in scene.pods],
            "ready": scene.ready,
            **await rollouts.troubles(context),
        }
        async with open_cluster(context) as cluster:
            allowed = await may(context, ROLL)
            tried = await rehearsed(cluster, _roll(cluster, details), allowed)
        names = [pod.name for pod in scene.pods]
        recreate = scene.deployment.spec.strategy.type == "Recreate"
        guards = [allowed, tried, rollouts.unfinished(scene), rollouts.released(context), rollouts.liveness(scene)]
        guards += [*rollouts.around(scene), *_readings(context, names)]
        if recreate:
            reason = "its strategy is Recreate: all pods end before the first new one starts: nobody can buy meanwhile"
            guards.append(Guard(name="strategy", level="warn", reason=reason))
        if not scene.pods:
            guards.append(Guard(name="pods", level="warn", reason="no pod is running: there is nothing to restart"))
        manner = "at once" if recreate else "one after the other"
        large = recreate or len(scene.pods) > settings.actions.typed_above
        return make_plan(
            context,
            action=self.name,
            arguments={},
            targets=(rollouts.deployment_target(scene, settings), *rollouts.pod_targets(scene.pods)),
            effect=f"Replaces the {len(scene.pods)} pods of {settings.kubernetes.deployment} in namespace"
            f" {scene.namespace} {manner} ({scene.ready} are ready now). No undo: what the processes held"
            " in memory is gone",
            command=command(settings),
            guards=tuple(guards),
            confirm=Confirmation(kind="type", text=settings.kubernetes.deployment)
            if large
            else Confirmation(kind="letter", text="r"),
            undo=None,
            watch=f"all pods are new and ready, and purchases fail less than before{rollouts.awaited(details)}",
            deadline_s=rollouts.deadline(context),
            details=details,
        )

    async def _one(self, wanted: str, scene: DeploymentState, context: Context) -> Plan:
        pod, settings = _find(wanted, scene, context), context.settings
        details = {
            "pod": pod.name,
            "uid": pod.uid,
            "pods": [pod.uid for pod in scene.pods],
            "ready": scene.ready,
            **await rollouts.troubles(context),
            **await control.other_pods(context, {other.name for other in scene.pods if other.uid != pod.uid}),
        }
        async with open_cluster(context) as cluster:
            allowed = await may(context, DELETE, pod.name)
            tried = await rehearsed(cluster, _delete(cluster, details), allowed)
        others = scene.ready - pod.ready
        guards = [allowed, tried, _alone(scene, pod, others), rollouts.liveness(scene), *rollouts.around(scene)]
        guards += _readings(context, [pod.name])
        if scene.rollout != "complete":
            guards.append(Guard(name="rollout", level="warn", reason=f"a rollout is not complete: {scene.said}"))
        last = pod.ready and not others
        return make_plan(
            context,
            action=self.name,
            arguments={"pod": pod.name},
            targets=rollouts.pod_targets([pod]),
            effect=f"Deletes pod {pod.name} ({'ready' if pod.ready else pod.reason or 'not ready'}, {pod.restarts}"
            f" restarts); ReplicaSet {pod.owner} starts another in its place, {others} others stay ready. No undo",
            command=command(settings, pod.name),
            guards=tuple(guards),
            confirm=Confirmation(kind="type", text=pod.name) if last else Confirmation(kind="letter", text="r"),
            undo=None,
            watch="the pod is gone, as many pods as wanted are ready, and purchases fail less than before"
            f"{rollouts.awaited(details)}",
            deadline_s=rollouts.deadline(context),
            details=details,
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        async with open_cluster(context) as cluster:
            if "pod" in plan.details:
                answer = await cluster.send(_delete(cluster, plan.details))
                done = f"pod {plan.details['pod']} is being deleted"
            else:
                try:
                    deployment = await cluster.deployment()
                except SourceError as error:
                    return Outcome(state="failed", answer=f"{error}: nothing was changed")
                if why := rollouts.changed(plan, deployment.metadata.uid, deployment.metadata.generation):
                    return Outcome(state="refused", answer=why)
                write = _roll(cluster, plan.details, deployment.metadata.resource_version)
                answer = await cluster.send(write)
                done = f"deployment {cluster.name} is restarting (restartedAt {plan.details['stamp']})"
        if isinstance(answer, Outcome):
            return answer
        return Outcome(state="done", answer=f"the server accepted it: {done}", touched=plan.chosen)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        look = self._look_pod if "pod" in plan.details else self._look_stamp
        return await settled(outcome, lambda: look(plan, context), context)

    async def _look_pod(self, plan: Plan, context: Context) -> SettledOutcome:
        name = str(plan.details["pod"])
        pod = await context.sources.kubernetes.pod(name)
        gone = pod is None or pod.metadata.uid != plan.details["uid"]
        ended = pod is None or gone or ending(pod)
        said = f"pod {name} {'is gone' if gone else 'is ending' if ended else 'is there still'}"
        return SettledOutcome(happened=ended, said=said, touched=plan.chosen if ended else ())

    async def _look_stamp(self, plan: Plan, context: Context) -> SettledOutcome:
        deployment = await context.sources.kubernetes.deployment()
        stamp = (deployment.spec.template.metadata.annotations or {}).get(RESTARTED_AT, "")
        there = deployment.metadata.uid == plan.details["uid"] and stamp == plan.details["stamp"]
        said = f"the deployment {'is restarting by this order' if there else 'did not get this order'}"
        return SettledOutcome(happened=there, said=said, touched=plan.chosen if there else ())

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        one = "pod" in plan.details
        arrived = _replaced if one else _rolled
        return await rollouts.aftermath(plan, context, lambda scene: arrived(plan, scene), rollouts.look)


def _suspected(readings: Mapping[str, Reading], unit: str) -> Iterator[Suggestion]:
    """The pod whose breakers alone are open."""
    circuits = value_of(readings, "circuits", Circuits)
    if circuits is not None and (pod := circuits.ill_pod):
        title = (
            f"Restart {unit} {pod} - breakers of {several(circuits.opened_in[pod], 'provider')} are open in it alone"
        )
        yield Suggestion(title=title, arguments={"pod": pod}, weight=0.9)


def command(settings: Settings, pod: str = "") -> str:
    """One pod alone, or all of them rolling."""
    if pod:
        return shell_commands.kubectl(settings, "delete", "pod", pod, "--wait=false")
    return shell_commands.kubectl(settings, "rollout", "restart", f"deployment/{settings.kubernetes.deployment}")


def _roll(cluster: ClusterWriter, details: Mapping[str, object], version: str = "") -> Write:
    """Patch as `kubectl rollout restart` does; with a version, only while the deployment still has it."""
    meta = {"uid": details["uid"]} | ({"resourceVersion": version} if version else {})
    template = {"metadata": {"annotations": {RESTARTED_AT: details["stamp"]}}}
    return Write(
        method="PATCH",
        path=cluster.path("apis/apps/v1", "deployments", cluster.name),
        body={"metadata": meta, "spec": {"template": template}},
        rule=ROLL,
        content_type=STRATEGIC,
    )


def _delete(cluster: ClusterWriter, details: Mapping[str, object]) -> Write:
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": details["uid"]}}
    return Write(method="DELETE", path=cluster.path("api/v1", "pods", str(details["pod"])), body=options, rule=DELETE)


def _find(wanted: str, scene: DeploymentState, context: Context) -> Pod:
    found = next((pod for pod in scene.pods if wanted in (pod.name, pod.uid)), None)
    if found is not None:
        return found
    name = context.settings.kubernetes.deployment
    other = next((pod for pod in scene.others if wanted in (pod.name, pod.uid)), None)
    if other is not None and other.why == "ending":
        raise ActionError(f"pod {other.name} is ending already")
    if other is not None:
        raise ActionError(
            f"pod {other.name} does not belong to {name}, although it has its labels ({other.why}): left alone"
        )
    names = ", ".join(pod.name for pod in scene.pods[:12]) or "none at all"
    raise ActionError(f"{name} in namespace {scene.namespace} has no pod {clean(wanted, 100)}: there are {names}")


def _alone(scene: DeploymentState, pod: Pod, others: int) -> Guard:
    if pod.ready and not others:
        return Guard(
            name="last ready", level="warn", reason="it is the only pod that is ready: nobody can buy meanwhile"
        )
    return Guard(name="last ready", level="ok", reason=f"{others} other pods are ready")


def _readings(context: Context, pods: list[str]) -> tuple[Guard, ...]:
    return (rollouts.memory(context, pods), rollouts.orphans(context), fresh(context, "transactions"))


def _rolled(plan: Plan, scene: DeploymentState) -> Arrival:
    """Whether every pod is new and ready, and the restart is the one that this plan ordered."""
    meta = scene.deployment.spec.template.metadata
    old = set(plan.details["pods"])
    new = [pod for pod in scene.pods if pod.uid not in old]
    ready = sum(pod.ready for pod in new)
    said = f"{ready} of {scene.wanted} new pods ready"
    if (meta.annotations or {}).get(RESTARTED_AT) != plan.details["stamp"]:
        if scene.deployment.metadata.generation != plan.details["generation"]:
            because = f"somebody changed the deployment meanwhile: this order no longer applies; {said}"
            return Arrival(there=False, said=said, ended=Verdict(state="unknown", because=because))
        return Arrival(there=False, said="the restart never reached the deployment", otherwise="no effect")
    left = any(pod.uid in old for pod in scene.pods)
    return Arrival(there=ready >= scene.wanted and not left and scene.rollout == "complete", said=said)


def _replaced(plan: Plan, scene: DeploymentState) -> Arrival:
    gone = all(pod.uid != plan.details["uid"] for pod in scene.pods)
    if not gone:
        return Arrival(there=False, said=f"pod {plan.details['pod']} is still there", otherwise="no effect")
    old = set(plan.details["pods"])
    new = sum(pod.ready for pod in scene.pods if pod.uid not in old)
    said = f"pod {plan.details['pod']} is gone, {new} new ready, {scene.ready} of {scene.wanted} in all"
    return Arrival(there=scene.ready >= scene.wanted, said=said)


RESTART = RestartPods()
