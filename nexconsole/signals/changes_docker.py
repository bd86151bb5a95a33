"""What changed in Docker Compose: containers made anew, restarted, added and removed, told from the Engine's events.

The Engine keeps its newest 256 events; who looks all the time misses none. What is older is told by the containers
themselves, as far as they know: since when they are there, and since when they run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..sources.docker_objects import SERVICE, EngineEvent, InspectedContainer, moment
from ..sources.docker_pods import EngineEvents
from ..text.sanitize import clean
from .change import Change, ChangeKind
from .change_log import Trail
from .changes_pods import end_in_words
from .changes_rollouts import Found, between
from .compose import image_name

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 6.0
LOOK_AGE_S = 4.0
SOURCE = "docker"
IMAGE_ID = "com.docker.compose.image"
ONE_DEED_S = 120.0  # what one deployment replaces is replaced within this
STARTED_S = 30.0  # after its making a container is started within this; later it was started again
BY_HAND_S = 20.0  # an order to restart and the end that it brings lie within this


@dataclass
class DockerTrail(Trail):
    """What the last look saw, for the next one to compare with."""

    looked_at: datetime | None = None
    replicas: int | None = None

    async def look(self, sources: Sources, settings: Settings, now: datetime) -> None:
        """Raises SourceError where the containers can't be listed."""
        docker = sources.docker
        looked = await docker.look(LOOK_AGE_S)
        self.read, self.notes = frozenset(), ()
        own = tuple(looked.own.values())
        app = settings.docker.app
        found = [*made_anew(docker.events, docker.services), *restarts(docker.events, own), *started_again(own)]
        known = {change.at for _, change in found if change.kind is ChangeKind.RESTART}
        for key, change in found:
            told = any(abs((change.at - at).total_seconds()) < STARTED_S for at in known - {change.at})
            if not (key.startswith("again ") and told):
                self.note(key, change)
        self.can_read((ChangeKind.RELEASE, ChangeKind.ROLLOUT), _known_from(own, restarts=False) or now)
        self.can_read((ChangeKind.RESTART,), _known_from(own, restarts=True) or now)
        replicas = sum(_service(each) == app for each in own)
        if self.replicas is not None and replicas != self.replicas and not _replacing(docker.events, now):
            at, within_s = between(self.looked_at, now)
            self.note(f"replicas {now.timestamp()}", _rescaled(app, self.replicas, replicas, at, within_s))
        self.can_read((ChangeKind.REPLICAS,), now)
        if not _replacing(docker.events, now):
            self.replicas = replicas
        self.looked_at = now


def _service(container: InspectedContainer) -> str:
    return container.label(SERVICE) or container.name.lstrip("/")


def _known_from(own: Sequence[InspectedContainer], *, restarts: bool) -> datetime | None:
    """Since when nothing of the kind can have happened unseen: the newest container's making, or its last start."""
    times = []
    for each in own:
        created, started = moment(each.created), moment(each.state.started_at)
        late = created is not None and started is not None and started - created > timedelta(seconds=STARTED_S)
        times.append(started if restarts and late else created)
    known = [at for at in times if at is not None]
    return max(known, default=None)


def _replacing(events: EngineEvents, now: datetime) -> bool:
    """Whether containers are being replaced at this moment: then their number says nothing."""
    since = int((now.timestamp() - 15.0) * 1e9)
    return any(event.action in ("create", "destroy") and event.time_nano > since for event in events.known)


def made_anew(events: EngineEvents, services: Iterable[str]) -> Found:
    """A deployment, or `--force-recreate`: containers that were made under the name of one that was removed."""
    wanted = frozenset(services)
    gone: dict[str, EngineEvent] = {}
    last: dict[tuple[str, str], int] = {}
    for event in sorted(events.known, key=lambda event: event.time_nano):
        service, name = event.attribute(SERVICE), event.attribute("name")
        if service not in wanted:
            continue
        if event.action == "destroy":
            gone[name] = event
        elif event.action == "create" and (before := gone.get(name)) is not None:
            earlier, later = _image(before), _image(event)
            deed = (service, later)
            begun = last.get(deed)
            if begun is None or event.time_nano - begun > ONE_DEED_S * 1e9:
                last[deed] = begun = event.time_nano
            yield f"made {service} {begun}", _deployed(service, earlier, later, event, begun)


def _image(event: EngineEvent) -> str:
    return image_name(event.attribute("image"), event.attribute(IMAGE_ID))


def _deployed(service: str, earlier: str, later: str, event: EngineEvent, begun: int) -> Change:
    name = clean(service, 80)
    released = earlier != later
    anew = f"{name}: its containers were made anew, with the same image ({later})"
    said = f"{name} was released: {earlier} → {later}" if released else anew
    return Change(
        at=event.at - timedelta(microseconds=(event.time_nano - begun) / 1000),
        kind=ChangeKind.RELEASE if released else ChangeKind.ROLLOUT,
        subject=f"service {name}",
        target=name,
        text=said,
        before=earlier,
        after=later,
        source=SOURCE,
    )


def restarts(events: EngineEvents, own: Sequence[InspectedContainer]) -> Found:
    """Each end of a container of ours that was followed by a start of the same one."""
    for container in own:
        told = sorted(events.of(container.id), key=lambda event: event.time_nano)
        ends = [event for event in told if event.action == "die"]
        for end in ends:
            begun = next((each for each in told if each.action == "start" and each.time_nano >= end.time_nano), None)
            if begun is not None:
                ordered = any(
                    each.action in ("restart", "kill") and abs(each.time_nano - end.time_nano) < BY_HAND_S * 1e9
                    for each in told
                )
                yield f"restart {container.id[:12]} {end.time_nano}", _restart(container, end, events, ordered)


def _restart(container: InspectedContainer, end: EngineEvent, events: EngineEvents, ordered: bool) -> Change:
    name = clean(container.name.lstrip("/"), 100)
    ended = events.end_before(container.id, end.at + timedelta(microseconds=10))
    why = "by an order to the Engine" if ordered or ended is None else end_in_words(ended, False)
    return Change(
        at=end.at,
        kind=ChangeKind.RESTART,
        subject=f"container {name}",
        target=name,
        text=f"{name} was restarted: {why}",
        who="" if ordered else "Docker",
        source=SOURCE,
    )


def started_again(own: Sequence[InspectedContainer]) -> Iterator[tuple[str, Change]]:
    """Containers that were started long after they were made, however that came about."""
    for container in own:
        created, started = moment(container.created), moment(container.state.started_at)
        if created is None or started is None or started - created <= timedelta(seconds=STARTED_S):
            continue
        name = clean(container.name.lstrip("/"), 100)
        change = Change(
            at=started,
            kind=ChangeKind.RESTART,
            subject=f"container {name}",
            target=name,
            text=f"{name} was started again",
            source=SOURCE,
        )
        yield f"again {container.id[:12]} {container.state.started_at}", change


def _rescaled(app: str, before: int, after: int, at: datetime, within_s: float) -> Change:
    name = clean(app, 80)
    return Change(
        at=at,
        kind=ChangeKind.REPLICAS,
        subject=f"service {name}",
        target=name,
        text=f"{name} was scaled from {before} to {after} containers",
        before=str(before),
        after=str(after),
        within_s=within_s,
        source=SOURCE,
    )
