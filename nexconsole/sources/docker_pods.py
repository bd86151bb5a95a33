"""Docker's containers as the objects that signals read of any runtime: a container is a pod with one container in it.

The Engine forgets how a container ended once it runs again; its events tell it, for as long as it keeps them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

from ..text.sanitize import clean
from .docker_objects import NUMBER, ONE_OFF, PROJECT, SERVICE, EngineEvent, InspectedContainer, ListedContainer, moment
from .resources import (
    Container,
    ContainerRunning,
    ContainerState,
    ContainerStatus,
    ContainerTerminated,
    ContainerWaiting,
    Event,
    Metadata,
    Owner,
    PodResource,
    PodSpec,
    PodStatus,
    ResourceCondition,
)

SHORT_ID = 12  # as docker shows them
MOST_EVENTS = 500
TOLD = ("create", "start", "restart", "stop", "kill", "die", "oom", "health_status", "destroy", "pause", "unpause")
ENDS = ("die", "oom")
OWNER = "Service"
SIGNALS = 128  # an exit code above it is a signal's


class EngineEvents:
    """The events of one project's containers that are known, the newest `MOST_EVENTS`."""

    def __init__(self) -> None:
        self.known: deque[EngineEvent] = deque(maxlen=MOST_EVENTS)
        self._seen: set[tuple[str, str, int]] = set()

    def take(self, events: Iterable[EngineEvent]) -> None:
        """Add those that are new; the same one may come twice."""
        for event in events:
            key = (event.actor.id, event.action, event.time_nano)
            if key not in self._seen:
                self._seen.add(key)
                self.known.append(event)
        self._seen = {(event.actor.id, event.action, event.time_nano) for event in self.known}

    @property
    def newest(self) -> int:
        """When the last one was, nanoseconds since the epoch; 0 where none is known."""
        return max((event.time_nano for event in self.known), default=0)

    def of(self, container: str) -> list[EngineEvent]:
        return [event for event in self.known if event.actor.id == container]

    def end_before(self, container: str, started_at: datetime | None) -> ContainerTerminated | None:
        """How the run before the present one ended; None where no event tells."""
        limit = int(started_at.timestamp() * 1e9) if started_at is not None else None
        ends = [
            event
            for event in self.of(container)
            if event.action == "die" and (limit is None or event.time_nano <= limit)
        ]
        if not ends:
            return None
        last = max(ends, key=lambda event: event.time_nano)
        code = last.attribute("exitCode")
        killed = any(
            event.action == "oom" and 0 <= last.time_nano - event.time_nano < 30_000_000_000
            for event in self.of(container)
        )
        return _terminated(int(code) if code.isascii() and code.isdigit() else 0, killed, last.at)


def _terminated(code: int, oom: bool, at: datetime | None) -> ContainerTerminated:
    reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
    return ContainerTerminated(reason=reason, exit_code=code, finished_at=at)


def service_of(container: ListedContainer) -> str:
    """Its Compose service; a container that nobody's Compose made is its own."""
    return container.label(SERVICE) or container.name


def one_off(container: ListedContainer) -> bool:
    """Whether it is a `docker compose run`, which is nobody's service."""
    return container.label(ONE_OFF).lower() == "true"


def order(container: ListedContainer) -> tuple[str, int, str]:
    number = container.label(NUMBER)
    return service_of(container), int(number) if number.isascii() and number.isdigit() else 0, container.name


def pod_of(container: InspectedContainer, events: EngineEvents, host: str) -> PodResource:
    """One container as a pod. Its uid is the short id, its phase the Engine's own word."""
    name = container.name.lstrip("/")
    service = container.label(SERVICE) or name
    state = container.state
    status = _status(container, service, events)
    health = state.health.status if state.health is not None else ""
    return PodResource(
        metadata=Metadata(
            name=name,
            uid=container.id[:SHORT_ID],
            labels=container.config.labels,
            owner_references=[Owner(kind=OWNER, name=service, uid=service, controller=True)],
            creation_timestamp=moment(container.created),
        ),
        spec=PodSpec(containers=[Container(name=service, image=container.config.image)], node_name=host),
        status=PodStatus(
            phase=state.status,
            conditions=[_ready(status.ready, health, container)],
            container_statuses=[status],
        ),
    )


def _status(container: InspectedContainer, service: str, events: EngineEvents) -> ContainerStatus:
    state = container.state
    health = state.health.status if state.health is not None else ""
    started = moment(state.started_at)
    runs = state.running and not state.restarting and not state.paused
    ready = runs and health in ("", "none", "healthy")
    last = events.end_before(container.id, started if runs else None)
    if last is None and container.restart_count:
        last = _terminated(state.exit_code, state.oom_killed and not runs, moment(state.finished_at))
    if runs:
        now = ContainerState(running=ContainerRunning(started_at=started))
    elif state.status == "exited" or state.dead:
        ended = _terminated(state.exit_code, state.oom_killed, moment(state.finished_at))
        now = ContainerState(terminated=ended if state.exit_code else _stopped(ended))
    else:
        words = {"restarting": "Restarting", "paused": "Paused", "created": "Created, not started"}
        reason = words.get(state.status, clean(state.status, 30) or "not running")
        now = ContainerState(waiting=ContainerWaiting(reason=reason, message=clean(state.error, 200)))
    return ContainerStatus(
        name=service,
        ready=ready,
        started=runs,
        restart_count=container.restart_count,
        state=now,
        last_state=ContainerState(terminated=last),
    )


def _stopped(ended: ContainerTerminated) -> ContainerTerminated:
    """It has ended without an error: somebody has stopped it."""
    return ContainerTerminated(reason="Stopped", exit_code=0, finished_at=ended.finished_at)


def _ready(ready: bool, health: str, container: InspectedContainer) -> ResourceCondition:
    if ready:
        return ResourceCondition(type="Ready", status="True")
    state = container.state
    reason = {"unhealthy": "Unhealthy", "starting": "Starting"}.get(health, "NotRunning")
    said = ""
    if state.health is not None and state.health.log:
        said = clean(state.health.log[-1].output, 160)
    message = {
        "unhealthy": f"its health check fails{f': {said}' if said else ''}",
        "starting": "its health check has not passed yet",
    }.get(health, clean(state.error, 200))
    return ResourceCondition(type="Ready", status="False", reason=reason, message=message)


def event_of(event: EngineEvent) -> Event:
    """An Engine's event in the words of the page of a pod."""
    action, _, more = event.action.partition(":")
    bad = action in ENDS or more.strip() == "unhealthy"
    facts = [
        f"{label} {event.attribute(key)}"
        for key, label in (("exitCode", "exit code"), ("signal", "signal"), ("execDuration", "ran for seconds:"))
        if event.attribute(key)
    ]
    words = ", ".join(filter(None, (more.strip(), event.attribute("image"), *facts)))
    return Event(type="Warning" if bad else "Normal", reason=action, message=words, count=1, last_timestamp=event.at)


def project_of(listed: Sequence[ListedContainer], app: str) -> str:
    """The project of the app's containers; "" where none is there, or Compose did not make them."""
    return next((each.label(PROJECT) for each in listed if service_of(each) == app and each.label(PROJECT)), "")
