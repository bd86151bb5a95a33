"""pods.restart where NexNum runs in Docker Compose: one container, or the app's one after the other.

(nexnum.md#deployment, #restarts) Compose has nothing that rolls: the console waits for each container to be well before
it goes on, and leaves the rest alone where one does not get well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import ActionError, SourceError
from ..signals.pods import Pod, describe
from ..sources.docker_link import implicit
from ..sources.docker_objects import SERVICE, InspectedContainer
from ..sources.docker_pods import pod_of
from ..text.sanitize import clean
from ..text.units import period, several
from . import control, engine, rollouts, shell_commands
from .action import Context, make_plan
from .guards import fresh
from .plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from .rollouts import Arrival
from .settlement import SettledOutcome, settled

NAME = "pods.restart"
WELL_S = 80.0  # how long a container may take to get well before the rest is left alone
LOOK_EVERY_S = 1.0
RECENT_S = 600.0  # a restart by Docker itself is worth a doubt for so long


@dataclass(frozen=True, kw_only=True)
class ContainersState:
    """NexNum's containers at one moment. `chosen` are those that a plan is about; `rollout` is always complete:
    Compose has none."""

    project: str
    app: str
    pods: tuple[Pod, ...]
    found: Mapping[str, InspectedContainer]  # by name
    unnamed: str
    at: datetime
    rollout: str = "complete"
    said: str = ""

    @property
    def selling(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if self.service(pod) == self.app)

    @property
    def ready(self) -> int:
        return sum(pod.ready for pod in self.selling)

    @property
    def wanted(self) -> int:
        return len(self.selling)

    def service(self, pod: Pod) -> str:
        found = self.found[pod.name]
        return found.label(SERVICE) or pod.name


async def look(context: Context) -> ContainersState:
    """The containers now. Raises SourceError."""
    docker, now = context.sources.docker, context.clock()
    looked = await docker.look()
    pods = tuple(describe(pod_of(each, docker.events, docker.host or ""), now) for each in looked.own.values())
    return ContainersState(
        project=clean(looked.project, 80),
        app=clean(docker.settings.app, 80),
        pods=tuple(sorted(pods, key=lambda pod: pod.name)),
        found={clean(each.name.lstrip("/"), 100): each for each in looked.own.values()},
        unnamed=docker.address if implicit(docker.settings) else "",
        at=now,
    )


def command(context: Context, names: Sequence[str]) -> str:
    return shell_commands.docker(context.settings, "restart", *_grace(context), *names)


def _grace(context: Context) -> tuple[str, ...]:
    stop_s = context.settings.docker.stop_s
    return () if stop_s == 10 else ("--timeout", str(stop_s))


async def permitted(context: Context) -> Guard:
    """Whoever may use the Engine's socket may restart: there is nothing finer to ask for."""
    try:
        version = await context.sources.docker.version()
    except SourceError as error:
        return Guard(name="account may restart", level="warn", reason=f"could not be asked: {error}")
    said = f"Docker {clean(version.version, 30)} answers this account, and who may use its socket may restart"
    return Guard(name="account may restart", level="ok", reason=said)


async def prepare(arguments: Mapping[str, str], context: Context) -> Plan:
    """Raises ActionError where there is no such container."""
    state = await look(context)
    wanted = arguments.get("pod", "").strip()
    chosen = (_find(wanted, state),) if wanted else state.selling
    if not chosen:
        raise ActionError(f"project {state.project} has no container of {state.app}: there is nothing to restart")
    names = [pod.name for pod in chosen]
    details: dict[str, Any] = {
        "containers": [_frozen(state.found[pod.name]) for pod in chosen],
        "ready": state.ready,
        **await rollouts.troubles(context),
    }
    if wanted and state.service(chosen[0]) == state.app:
        details |= await control.other_pods(context, {pod.name for pod in state.selling if pod.name != names[0]})
    guards = (await permitted(context), _alone(state, chosen), *_around(state), *_readings(context, state, chosen))
    return make_plan(
        context,
        action=NAME,
        arguments={"pod": names[0]} if wanted else {},
        targets=tuple(_target(pod, state) for pod in chosen),
        effect=_effect(state, chosen, wanted != ""),
        command=command(context, names),
        guards=guards,
        confirm=_confirmation(state, chosen, context),
        undo=None,
        watch=f"{_anew(chosen)}, and purchases fail less than before{rollouts.awaited(details)}",
        deadline_s=rollouts.deadline(context),
        details=details,
    )


def _frozen(container: InspectedContainer) -> dict[str, str]:
    name = clean(container.name.lstrip("/"), 100)
    return {"id": container.id, "name": name, "started_at": container.state.started_at}


def _find(wanted: str, state: ContainersState) -> Pod:
    found = next((pod for pod in state.pods if wanted in (pod.name, pod.uid)), None)
    if found is None:
        names = ", ".join(pod.name for pod in state.pods[:12]) or "none at all"
        whose = "the console restarts none but NexNum's app and worker"
        raise ActionError(f"project {state.project} has no container {clean(wanted, 80)} there: {names} ({whose})")
    return found


def _these(chosen: Sequence[Pod]) -> str:
    return chosen[0].name if len(chosen) == 1 else f"all {len(chosen)} containers"


def _anew(chosen: Sequence[Pod]) -> str:
    return f"{_these(chosen)} {'runs anew and is well' if len(chosen) == 1 else 'run anew and are well'}"


def _effect(state: ContainersState, chosen: Sequence[Pod], alone: bool) -> str:
    if alone:
        pod = chosen[0]
        how = "ready" if pod.ready else pod.reason or "not ready"
        others = sum(each.ready for each in state.selling if each.name != pod.name)
        return (
            f"Restarts container {pod.name} ({how}, {several(pod.restarts, 'restart')}) of project {state.project},"
            f" with the image and settings that it has; {several(others, 'other')} of {state.app} stay ready. No undo"
        )
    return (
        f"Restarts the {several(len(chosen), 'container')} of {state.app} in project {state.project}, one after the"
        f" other, each when the one before is well ({state.ready} are ready now). No undo: what the processes held in"
        " memory is gone"
    )


def _confirmation(state: ContainersState, chosen: Sequence[Pod], context: Context) -> Confirmation:
    last = len(chosen) == 1 and _is_last(state, chosen[0])
    if last or len(chosen) > context.settings.actions.typed_above:
        return Confirmation(kind="type", text=chosen[0].name if last else state.app)
    return Confirmation(kind="letter", text="r")


def _is_last(state: ContainersState, pod: Pod) -> bool:
    return pod in state.selling and pod.ready and state.ready == 1


def _target(pod: Pod, state: ContainersState) -> Target:
    frozen = _frozen(state.found[pod.name])
    return Target(
        kind="container",
        id=pod.name,
        identity={"id": frozen["id"][:12], "started_at": frozen["started_at"]},
        shown={"ready": pod.ready, "restarts": pod.restarts, "reason": pod.reason},
    )


def _alone(state: ContainersState, chosen: Sequence[Pod]) -> Guard:
    name = "last ready"
    if len(chosen) == 1 and _is_last(state, chosen[0]):
        return Guard(name=name, level="warn", reason="it is the only container that sells: nobody can buy meanwhile")
    if len(state.selling) == 1 and chosen[0] in state.selling:
        return Guard(name=name, level="warn", reason=f"{state.app} has one container alone: nobody can buy meanwhile")
    if all(pod not in state.selling for pod in chosen):
        reason = f"{state.app} is not touched; the background work stands still meanwhile"
        return Guard(name=name, level="ok", reason=reason)
    return Guard(name=name, level="ok", reason="the others sell meanwhile")


def _around(state: ContainersState) -> tuple[Guard, ...]:
    guards = []
    if state.unnamed:
        reason = f"the settings name no Docker: this is the one that docker uses: {state.unnamed}"
        guards.append(Guard(name="docker", level="warn", reason=reason))
    recent = [
        pod
        for pod in state.pods
        if pod.restarts and pod.restarted_at and (state.at - pod.restarted_at).total_seconds() < RECENT_S
    ]
    if recent:
        names = ", ".join(f"{pod.name} ({pod.reason or 'not known why'})" for pod in recent[:3])
        reason = f"Docker itself has restarted lately: {names}: the cause comes back with it"
        guards.append(Guard(name="restarts", level="warn", reason=reason))
    return tuple(guards)


def _readings(context: Context, state: ContainersState, chosen: Sequence[Pod]) -> tuple[Guard, ...]:
    names = [pod.name for pod in chosen]
    return (
        rollouts.released(context),
        rollouts.memory(context, names),
        rollouts.orphans(context),
        fresh(context, "transactions"),
    )


async def execute(plan: Plan, context: Context) -> Outcome:
    """Each container only while it is the one that was shown; the next one when it is well."""
    frozen: list[dict[str, str]] = plan.details["containers"]
    touched: tuple[Target, ...] = ()
    targets = {target.id: target for target in plan.chosen}
    for number, each in enumerate(frozen):
        left = len(frozen) - number
        outcome = await _restart(each, context)
        if outcome.state != "done":
            return _ended(outcome, touched, left, len(frozen))
        touched = (*touched, targets[each["name"]])
        if left > 1:
            context.progress(f"{number + 1} of {len(frozen)} restarted, waiting until it is well")
            if not await _gets_well(each, context):
                said = f"{each['name']} was restarted and is not well after {period(WELL_S)}"
                return _ended(Outcome(state="failed", answer=said), touched, left - 1, len(frozen))
    said = f"Docker has restarted {several(len(touched), 'container')}"
    return Outcome(state="done", answer=said, touched=touched)


def _ended(outcome: Outcome, touched: tuple[Target, ...], left: int, many: int) -> Outcome:
    """Not to its end: what was restarted stays so."""
    if many == 1:
        return Outcome(state=outcome.state, answer=outcome.answer, touched=touched, answered=outcome.answered)
    said = f"{outcome.answer}; {several(left, 'container is', 'containers are')} as before"
    state = "failed" if touched and outcome.state == "refused" else outcome.state
    return Outcome(state=state, answer=said, touched=touched, answered=outcome.answered)


async def _restart(frozen: Mapping[str, str], context: Context) -> Outcome:
    try:
        started = await engine.started_at(context, frozen["id"])
    except SourceError as error:
        return Outcome(state="failed", answer=f"{error}: nothing was changed")
    if started != frozen["started_at"]:
        what = "was started again" if started else "is gone"
        return Outcome(state="refused", answer=f"{frozen['name']} {what} since the preview: it was left alone")
    return await engine.restart(context, frozen["id"], frozen["name"])


async def _gets_well(frozen: Mapping[str, str], context: Context) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WELL_S
    while loop.time() < deadline:
        try:
            state = await look(context)
        except SourceError:
            await asyncio.sleep(LOOK_EVERY_S)
            continue
        if any(pod.ready for pod in state.pods if state.found[pod.name].id == frozen["id"]):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False


async def settle(plan: Plan, outcome: Outcome, context: Context) -> Outcome:
    """Whether the container that no answer came for was started anew."""

    async def ask() -> SettledOutcome:
        touched = []
        for target, frozen in zip(plan.chosen, plan.details["containers"], strict=True):
            started = await engine.started_at(context, frozen["id"])
            if started and started != frozen["started_at"]:
                touched.append(target)
        said = f"{several(len(touched), 'container was', 'containers were')} started anew"
        new = tuple(target for target in touched if target not in outcome.touched)
        return SettledOutcome(happened=bool(new), said=said, touched=new)

    return await settled(outcome, ask, context)


async def verify(plan: Plan, outcome: Outcome, context: Context) -> Verdict:
    return await rollouts.aftermath(plan, context, lambda state: _arrived(plan, state), look)


def _arrived(plan: Plan, state: ContainersState) -> Arrival:
    frozen: list[dict[str, str]] = plan.details["containers"]
    by_id = {each.id: name for name, each in state.found.items()}
    pods = {pod.name: pod for pod in state.pods}
    here = [(each, by_id[each["id"]]) for each in frozen if each["id"] in by_id]
    if len(here) < len(frozen):
        because = "somebody has made the containers anew meanwhile: this order no longer applies"
        return Arrival(there=False, said=because, ended=Verdict(state="unknown", because=because))
    anew = [name for each, name in here if state.found[name].state.started_at != each["started_at"]]
    well = sum(pods[name].ready for name in anew)
    said = f"{well} of {several(len(frozen), 'container')} restarted and well"
    if not anew:
        return Arrival(there=False, said="no container was started anew", otherwise="no effect")
    return Arrival(there=well == len(frozen), said=said)
