"""deployment.scale: how many pods there are. (nexnum.md#deployment)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals.workloads_value import Workloads
from ..text.sanitize import clean
from . import rollouts, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .cluster import MERGE, AccessRule, ClusterWriter, Write, may, open_cluster, rehearsed
from .guards import fresh
from .plan import Confirmation, Guard, Outcome, Plan, Target, Undo, Verdict
from .revisions import READ
from .rollouts import Arrival, DeploymentState
from .settlement import SettledOutcome, settled

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

SCALE = AccessRule(verb="patch", resource="deployments.apps", subresource="scale")
# What kubectl needs besides to hold the number against the one that was shown; without it it only patches.
HELD = tuple(AccessRule(verb=verb, resource="deployments.apps", subresource="scale") for verb in ("get", "update"))
MOST = 1000  # more pods than this are a typing error
TIMES = 2  # growing or shrinking by more than this is typed
STEP = 2  # what is suggested
NO_SCALING = (
    "Docker Compose is scaled where its compose file is, not by the Engine: run docker compose up -d --no-recreate"
    " --scale SERVICE=N there"
)


class ScaleDeployment:
    """More pods, or fewer. The database has to bear what they open."""

    name = "deployment.scale"
    title = "Scale the deployment"
    synonyms = ("replicas", "scale up", "scale down", "more pods", "fewer pods", "capacity")
    arguments = (Argument(name="replicas", kind="count", help="how many pods there shall be"),)
    about = ("pod",)
    rights = (READ, SCALE)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        workloads = value_of(readings, "workloads", Workloads)
        if workloads is None or workloads.unit != "pod" or workloads.desired == 0:
            return ()
        to = workloads.desired + STEP
        if workloads.autoscaler is not None and to > workloads.autoscaler.maximum:
            return ()
        title = f"Scale {workloads.deployment} from {workloads.desired} to {to}"
        return (Suggestion(title=title, arguments={"replicas": str(to)}, weight=0.05),)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return rollouts.missing(sources, NO_SCALING)

    async def permitted(self, context: Context) -> Guard:
        return await may(context, SCALE)

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        to = whole_number(arguments.get("replicas", ""), "replicas", MOST)
        scene, settings = await rollouts.look(context), context.settings
        now, name = scene.wanted, settings.kubernetes.deployment
        if to == now:
            raise ActionError(f"deployment {name} is scaled to {now} already")
        details = {
            "uid": scene.deployment.metadata.uid,
            "from": now,
            "to": to,
            "ready": min(scene.ready, to),
            **await rollouts.troubles(context),
        }
        async with open_cluster(context) as cluster:
            allowed = await may(context, SCALE)
            held = [await may(context, rule) for rule in HELD]
            tried = await rehearsed(cluster, _scale(cluster, to), allowed)
        checked = all(guard.level == "ok" for guard in held)
        paused_or_busy = rollouts.unfinished(scene, level="warn")
        if scene.rollout == "paused":  # a paused deployment scales all the same
            paused_or_busy = Guard(name="rollout", level="warn", reason=f"the deployment is {scene.said}")
        guards = [
            allowed,
            tried,
            _autoscaler(scene, to),
            *rollouts.unread(scene),
            paused_or_busy,
            rollouts.liveness(scene),
            *rollouts.around(scene),
        ]
        if to < now:
            guards += [rollouts.memory(context, [pod.name for pod in scene.pods]), rollouts.orphans(context)]
        large = to == 0 or to > TIMES * now or to * TIMES < now
        target = Target(
            kind="deployment",
            id=name,
            identity={"uid": scene.deployment.metadata.uid, "replicas": now},
            shown={"namespace": scene.namespace, "ready": scene.ready, "to": to},
        )
        return make_plan(
            context,
            action=self.name,
            arguments={"replicas": str(to)},
            targets=(target,),
            effect=_scaling(scene, name, to),
            command=scale_command(settings, now, to, checked=checked),
            guards=(*guards, fresh(context, "transactions")),
            confirm=Confirmation(kind="type", text=name) if large else Confirmation(kind="letter", text="s"),
            undo=Undo(
                action=self.name,
                arguments={"replicas": str(now)},
                command=scale_command(settings, to, now, checked=checked),
            ),
            watch=f"{to} pods are ready, and purchases fail no more than before{rollouts.awaited(details)}",
            deadline_s=rollouts.deadline(context),
            details=details,
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        async with open_cluster(context) as cluster:
            try:
                deployment = await cluster.deployment()
            except SourceError as error:
                return Outcome(state="failed", answer=f"{error}: nothing was changed")
            meta, now = deployment.metadata, deployment.spec.replicas
            if meta.uid != plan.details["uid"]:
                return Outcome(state="refused", answer="the deployment was re-created meanwhile: nothing was changed")
            if now != plan.details["from"]:
                said = f"the deployment is scaled to {now} now, not {plan.details['from']}: nothing was changed"
                return Outcome(state="refused", answer=said)
            to = int(plan.details["to"])
            answer = await cluster.send(_scale(cluster, to, meta.resource_version))
        if isinstance(answer, Outcome):
            return answer
        done = f"the server accepted it: deployment {plan.targets[0].id} is scaled from {now} to {to}"
        return Outcome(state="done", answer=done, touched=plan.chosen)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        async def look() -> SettledOutcome:
            deployment = await context.sources.kubernetes.deployment()
            now, to = deployment.spec.replicas, plan.details["to"]
            same = deployment.metadata.uid == plan.details["uid"]
            said = f"deployment {plan.targets[0].id} is scaled to {now}"
            return SettledOutcome(happened=same and now == to, said=said, touched=plan.chosen if now == to else ())

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        return await rollouts.aftermath(plan, context, lambda scene: _scaled(plan, outcome, scene), rollouts.look)


def whole_number(text: str, name: str, most: int) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()) or int(text) > most:
        raise ActionError(f"{name} is a number from 0 to {most}, not {clean(text, 40) or 'nothing'}")
    return int(text)


def _scale(cluster: ClusterWriter, to: int, version: str = "") -> Write:
    body: dict[str, Any] = {"spec": {"replicas": to}}
    if version:
        body["metadata"] = {"resourceVersion": version}
    path = cluster.path("apis/apps/v1", "deployments", cluster.name, "scale")
    return Write(method="PATCH", path=path, body=body, rule=SCALE, content_type=MERGE)


def scale_command(settings: Settings, now: int | str, to: int | str, *, checked: bool = True) -> str:
    """`checked`: only while there are `now` pods, for which kubectl reads and updates deployments/scale; without it
    kubectl takes the rights of the action and no more."""
    name = f"deployment/{settings.kubernetes.deployment}"
    only = [f"--current-replicas={now}"] if checked else []
    return shell_commands.kubectl(settings, "scale", name, *only, f"--replicas={to}")


def _scaling(scene: DeploymentState, name: str, to: int) -> str:
    now = scene.wanted
    if to == 0:
        return f"Ends all {now} pods of {name}: nobody can buy until it is scaled up again"
    if to > now:
        return f"Starts {to - now} more pods of {name}: {to} instead of {now}. Each opens its own database connections"
    return f"Ends {now - to} of {now} pods of {name}: {to} stay and carry the whole load"


def _autoscaler(scene: DeploymentState, to: int) -> Guard:
    """It writes the same number, every 15 s, and keeps its bounds even where it can measure nothing."""
    name, scaler = "autoscaler", scene.autoscaler
    if scaler is None:
        return Guard(name=name, level="ok", reason="no autoscaler was found for it")
    bounds = f"autoscaler {scaler.name} keeps it between {scaler.minimum} and {scaler.maximum}"
    if to == 0:
        return Guard(name=name, level="warn", reason=f"{bounds}, but ignores a deployment that is scaled to 0")
    if not scaler.minimum <= to <= scaler.maximum:
        return Guard(
            name=name, level="block", reason=f"{bounds} and would undo this at once: change its bounds instead"
        )
    if scene.autoscaler_works:
        wish = f"it wants {scaler.desired} now" + (f", {scaler.metrics}" if scaler.metrics else "")
        return Guard(name=name, level="warn", reason=f"{bounds} by its metrics ({wish}): it may soon undo this")
    return Guard(name=name, level="ok", reason=f"{bounds}, but has no metrics now: within these bounds it does nothing")


def _scaled(plan: Plan, outcome: Outcome, scene: DeploymentState) -> Arrival:
    before, to = int(plan.details["from"]), int(plan.details["to"])
    said = f"{scene.ready} of {to} pods ready"
    if scene.wanted == before and outcome.state == "unknown":
        return Arrival(there=False, said=f"the deployment is still scaled to {before}", otherwise="no effect")
    if scene.wanted != to:
        because = f"the deployment is scaled to {scene.wanted} again"
        if scene.autoscaler is not None:
            because += f": autoscaler {scene.autoscaler.name} wants {scene.autoscaler.desired}, or somebody else did it"
        return Arrival(there=False, said=said, ended=Verdict(state="no effect", because=because))
    return Arrival(there=scene.ready == to and len(scene.pods) == to, said=said)


SCALE_ACTION = ScaleDeployment()
ACTIONS: tuple[Action, ...] = (SCALE_ACTION,)
