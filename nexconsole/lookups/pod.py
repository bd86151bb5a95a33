"""A pod as the API server has it now: its containers and how they last ended, its node, its events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError
from ..model import Value
from ..sources import resources
from ..sources.workload_runtime import NOT_CONFIGURED, runtime_of
from ..text.sanitize import clean

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..settings import Settings
    from ..sources import Sources

MOST_EVENTS = 30


@dataclass(frozen=True, kw_only=True)
class ContainerFacts:
    """`state` is what it does now, in words; `last_end` how it ended before, at `ended_at` (UTC)."""

    name: str
    image: str
    ready: bool
    restarts: int
    state: str
    since: datetime | None = None
    last_end: str = ""
    ended_at: datetime | None = None
    init: bool = False


@dataclass(frozen=True, kw_only=True)
class PodEvent:
    """One event; the same words again are counted."""

    at: datetime | None
    kind: str
    reason: str
    message: str
    count: int


@dataclass(frozen=True, kw_only=True)
class PodFacts(Value):
    """`found`: a pod of this name and uid is there. `trouble`: conditions that do not hold, in words.

    `events_error`: why its events are not known; "" where they are.
    """

    found: bool
    name: str = ""
    uid: str = ""
    phase: str = ""
    ready: bool = False
    ending: bool = False
    node: str = ""
    created_at: datetime | None = None
    owner: str = ""
    containers: tuple[ContainerFacts, ...] = ()
    trouble: tuple[str, ...] = ()
    events: tuple[PodEvent, ...] = ()
    events_error: str = ""


async def read(sources: Sources, settings: Settings, subject: Subject) -> PodFacts:
    runtime = runtime_of(sources)
    if runtime is None:
        raise NotConfigured("kubernetes", NOT_CONFIGURED)
    name = subject.arguments.get("pod") or subject.title
    pod = await runtime.pod(name)
    if pod is None or subject.id not in (name, clean(pod.metadata.uid, 60)):
        return PodFacts(source=runtime.name, found=False)
    facts = _facts(pod, runtime.name)
    try:
        events = await runtime.events_of(name, pod.metadata.uid)
    except SourceError as error:
        return replace(facts, events_error=str(error))
    told = sorted(map(_event, events), key=lambda event: event.at.timestamp() if event.at else 0.0)
    return replace(facts, events=tuple(reversed(told[-MOST_EVENTS:])))


def _facts(pod: resources.PodResource, source: str) -> PodFacts:
    condition = pod.condition("Ready")
    ending = pod.metadata.deletion_timestamp is not None
    owner = next((owner for owner in pod.metadata.owner_references or () if owner.controller), None)
    images = {
        container.name: container.image for container in (*pod.spec.containers, *(pod.spec.init_containers or ()))
    }
    statuses = [(status, False) for status in pod.status.container_statuses or ()]
    statuses += [(status, True) for status in pod.status.init_container_statuses or ()]
    failing = [one for one in pod.status.conditions or () if one.status == "False" and (one.reason or one.message)]
    return PodFacts(
        source=source,
        found=True,
        name=clean(pod.metadata.name, 100),
        uid=clean(pod.metadata.uid, 60),
        phase=clean(pod.status.reason or pod.status.phase, 60),
        ready=condition is not None and condition.status == "True" and not ending,
        ending=ending,
        node=clean(pod.spec.node_name, 120),
        created_at=pod.metadata.creation_timestamp,
        owner=clean(f"{owner.kind} {owner.name}", 160) if owner is not None else "",
        containers=tuple(_container(status, images.get(status.name, ""), init) for status, init in statuses),
        trouble=tuple(clean(f"{one.type}: {one.reason or ''} {one.message}", 400) for one in failing[:6]),
    )


def _container(status: resources.ContainerStatus, image: str, init: bool) -> ContainerFacts:
    state, last = status.state, status.last_state.terminated
    since: datetime | None = None
    if state.waiting is not None:
        words = f"waiting: {state.waiting.reason} {state.waiting.message}".strip()
    elif state.terminated is not None:
        words, since = f"ended: {_end(state.terminated)}", state.terminated.finished_at
    elif state.running is not None:
        words, since = "running", state.running.started_at
    else:
        words = "state not known"
    return ContainerFacts(
        name=clean(status.name, 80),
        image=clean(image, 300),
        ready=status.ready,
        restarts=status.restart_count,
        state=clean(words, 400),
        since=since,
        last_end=clean(_end(last), 120) if last is not None else "",
        ended_at=last.finished_at if last is not None else None,
        init=init,
    )


def _end(ended: resources.ContainerTerminated) -> str:
    how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"
    return f"{ended.reason}, {how}" if ended.reason else how


def _event(event: resources.Event) -> PodEvent:
    return PodEvent(
        at=event.last_timestamp or event.event_time or event.first_timestamp,
        kind=clean(event.type, 20),
        reason=clean(event.reason, 60),
        message=clean(event.message, 500),
        count=max(1, event.count or 1),
    )
