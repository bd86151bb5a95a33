"""rollout.undo: restores an older revision's pod template. (nexnum.md#deployment)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ActionError, SourceError
from ..model import Reading, value_of
from ..signals.release_effect import released
from ..signals.workloads_value import Workloads
from ..text.units import duration, several
from . import revisions, rollouts, shell_commands
from .action import Action, Argument, Context, Suggestion, make_plan
from .cluster import may, open_cluster, rehearsed
from .deployments import whole_number
from .guards import fresh
from .plan import Confirmation, Guard, Outcome, OutcomeState, Plan, Scalar, Target, Undo, Verdict
from .revisions import HISTORY, READ, ROLL, History, Revision
from .rollouts import Arrival, DeploymentState
from .settlement import SettledOutcome, settled

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

RECENT_S = 3600.0  # as in the runbook: what was released within the last hour may be the cause
NO_REVISIONS = (
    "Docker Compose keeps no revisions: deploy the earlier image tag by your pipeline, or where its compose file is"
)


class UndoRollout:
    """Restores an older revision's pod template. Its changes to the database stay."""

    name = "rollout.undo"
    title = "Go back to the revision before"
    synonyms = ("rollback", "roll back", "revert deploy", "previous version", "undo deployment", "undo release")
    arguments = (Argument(name="revision", kind="count", required=False, help="without it the one before"),)
    about = ("pod",)
    rights = (READ, ROLL, HISTORY)

    def suggestions(self, readings: Mapping[str, Reading], settings: Settings) -> tuple[Suggestion, ...]:
        workloads = value_of(readings, "workloads", Workloads)
        if workloads is None or workloads.unit != "pod":
            return ()
        ill = workloads.rollout in ("stuck", "progressing")
        why = f"its rollout is {workloads.rollout}: {workloads.rollout_note}" if ill else "no rollout is running"
        release = workloads.release
        if release is not None and release.withdrawn:
            why = f"{release.withdrawn} was taken back already and is passed over; {why}"
        weight = 0.4 if workloads.rollout == "stuck" else 0.05
        if release is not None and release.since is not None and not release.gone_back:
            age_s = (release.read_at - release.since).total_seconds()
            if age_s < RECENT_S:
                why, weight = f"what runs was released {duration(age_s)} ago; {why}", max(weight, 0.3)
        for reason in released(readings, settings):
            why, weight = reason.text, 0.9
        title = f"Roll {workloads.deployment} back to the revision before - {why}"
        return (Suggestion(title=title, arguments={}, weight=weight),)

    def unavailable(self, settings: Settings, sources: Sources) -> str | None:
        return rollouts.missing(sources, NO_REVISIONS)

    async def permitted(self, context: Context) -> Guard:
        guards = [await may(context, ROLL), await may(context, HISTORY)]
        return next((guard for guard in guards if guard.level != "ok"), guards[0])

    async def prepare(self, arguments: Mapping[str, str], context: Context) -> Plan:
        wanted = arguments.get("revision", "").strip()
        number = whole_number(wanted, "revision", 1_000_000_000) if wanted else 0
        scene, settings = await rollouts.look(context), context.settings
        meta, name = scene.deployment.metadata, settings.kubernetes.deployment
        async with open_cluster(context) as cluster:
            history = await revisions.read(cluster)
            to, now = revisions.choose(history, number), history.current
            allowed = await may(context, ROLL)
            tried = await rehearsed(cluster, revisions.write(cluster, history, to, meta.uid), allowed)
        difference = revisions.difference(now, to)
        details = {
            "uid": meta.uid,
            "generation": meta.generation,
            "revision": to.number,
            "template": to.mark,
            "set": to.name,
            "ready": scene.ready,
            **await rollouts.troubles(context),
        }
        stay = [pod for pod in scene.pods if pod.owner == to.name]
        go = [pod for pod in scene.pods if pod.owner != to.name]
        same = Guard(name="difference", level="ok", reason=difference.text)
        if difference.restart_only:
            reason = "the revisions differ by a restart only: the same version starts again, nothing is taken back"
            same = Guard(name="difference", level="warn", reason=reason)
        undo = back_command(settings, now.number)
        return make_plan(
            context,
            action=self.name,
            arguments={"revision": str(to.number)},
            targets=(rollouts.deployment_target(scene, settings), _set_target(to), *rollouts.pod_targets(go)),
            effect=f"Takes {name} from revision {now.number} back to {to.number} ({difference.text}):"
            f" {_replaced(len(go), len(stay), to)}. What the newer version wrote stays",
            command=back_command(settings, to.number),
            guards=(
                allowed,
                tried,
                same,
                rollouts.unfinished(scene, level="warn"),
                rollouts.liveness(scene),
                _taken_back(history, to),
                rollouts.memory(context, [pod.name for pod in go]),
                rollouts.orphans(context),
                *rollouts.around(scene),
                fresh(context, "transactions"),
            ),
            confirm=Confirmation(kind="type", text=name),
            undo=Undo(action=self.name, arguments={"revision": str(now.number)}, command=undo),
            watch=f"all pods run revision {to.number}'s template and are ready, and purchases fail less than before"
            f"{rollouts.awaited(details)}",
            deadline_s=rollouts.deadline(context),
            details=details,
        )

    async def execute(self, plan: Plan, context: Context) -> Outcome:
        number = int(plan.details["revision"])
        async with open_cluster(context) as cluster:
            try:
                history = await revisions.read(cluster)
                to = revisions.choose(history, number)
            except (SourceError, ActionError) as error:
                state: OutcomeState = "refused" if isinstance(error, ActionError) else "failed"
                return Outcome(state=state, answer=f"{error}: nothing was changed")
            if why := rollouts.changed(plan, history.uid, history.generation):
                return Outcome(state="refused", answer=why)
            if to.mark != plan.details["template"]:
                said = f"revision {number} has another template now: nothing was changed"
                return Outcome(state="refused", answer=said)
            answer = await cluster.send(revisions.write(cluster, history, to, history.uid, history.version))
        if isinstance(answer, Outcome):
            return answer
        done = f"the server accepted it: the deployment has revision {number}'s template"
        return Outcome(state="done", answer=done, touched=plan.chosen)

    async def settle(self, plan: Plan, outcome: Outcome, context: Context) -> Outcome:
        async def look() -> SettledOutcome:
            async with open_cluster(context) as cluster:
                history = await revisions.read(cluster)
            there = history.uid == plan.details["uid"] and history.current.mark == plan.details["template"]
            said = f"the deployment has revision {history.current.number}'s template"
            return SettledOutcome(happened=there, said=said, touched=plan.chosen if there else ())

        return await settled(outcome, look, context)

    async def verify(self, plan: Plan, outcome: Outcome, context: Context) -> Verdict:
        return await rollouts.aftermath(plan, context, lambda scene: _went_back(plan, outcome, scene), rollouts.look)


def back_command(settings: Settings, revision: int | str) -> str:
    name = f"deployment/{settings.kubernetes.deployment}"
    return shell_commands.kubectl(settings, "rollout", "undo", name, f"--to-revision={revision}")


def _set_target(to: Revision) -> Target:
    shown: dict[str, Scalar] = {"revision": to.number, "images": ", ".join(to.images)}
    return Target(kind="replicaset", id=to.name, identity={"uid": to.uid, "template": to.mark}, shown=shown)


def _replaced(go: int, stay: int, to: Revision) -> str:
    """What happens to the pods. Some may already run the revision, where a rollout got stuck."""
    if not go:
        return f"no pod is replaced, all {stay} run revision {to.number} already"
    begun = f"{several(go, 'pod is', 'pods are')} replaced one after the other"
    return f"{begun}, {stay} that {'runs' if stay == 1 else 'run'} revision {to.number} already stay" if stay else begun


def _taken_back(history: History, to: Revision) -> Guard:
    """Warns where the revision was released and rolled back before: this releases it again."""
    name = "taken back"
    if to.number not in history.withdrawn:
        return Guard(name=name, level="ok", reason=f"revision {to.number} was not taken back")
    images = ", ".join(to.images) or "its template"
    reason = f"revision {to.number} ({images}) was released and taken back already: this releases it again"
    return Guard(name=name, level="warn", reason=reason)


def _went_back(plan: Plan, outcome: Outcome, scene: DeploymentState) -> Arrival:
    """Whether the pods run the restored template. Without an answer, the spec must have changed."""
    if scene.deployment.metadata.generation == plan.details["generation"]:
        return Arrival(there=False, said="the rollback never reached the deployment", otherwise="no effect")
    there = [pod for pod in scene.pods if pod.owner == plan.details["set"]]
    said = f"{sum(pod.ready for pod in there)} of {scene.wanted} pods of the revision ready"
    return Arrival(there=scene.rollout == "complete" and scene.ready >= scene.wanted, said=said)


BACK = UndoRollout()
ACTIONS: tuple[Action, ...] = (BACK,)
