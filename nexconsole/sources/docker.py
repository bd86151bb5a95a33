"""Docker: NexNum's containers, their logs and events, by the Engine's API. (nexnum.md#deployment)

Only reads; what changes something is in `actions/`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import BadAnswer, Denied, Missing, NotConfigured, SourceError, TimedOut, Unreachable
from ..model import SourceHealth
from ..text.sanitize import clean
from .deployment_pods import LabelledPods
from .docker_frames import BadFrames, ContainerLogStream
from .docker_link import EngineLink, address, implicit
from .docker_objects import (
    EngineEvent,
    EngineInfo,
    EngineMessage,
    EngineVersion,
    InspectedContainer,
    ListedContainer,
    moment,
)
from .docker_pods import TOLD, EngineEvents, event_of, one_off, order, pod_of, project_of, service_of
from .lazy_clients import LazyClients
from .logs import Logs
from .resources import Event, PodResource
from .source import Source

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

    from .. import settings

LARGEST_ANSWER = 16 << 20
LARGEST_WORDS = 4096
MOST_CONTAINERS = 200  # of NexNum's own, that are looked at one by one
EVENTS_BACK_S = 6 * 3600.0
OVERLAP_NS = 1_000_000_000
ELSEWHERE_S = 30.0  # an Engine that nobody named and that has no NexNum is asked again no more often than this

T = TypeVar("T")
_EVENTS = msgspec.json.Decoder(EngineEvent)


@dataclass(frozen=True)
class ContainerFollowing:
    """How logs are followed, in the words of every runtime."""

    follow_pods: int
    log_since_s: int
    log_tail_lines: int
    container: str = ""


@dataclass(frozen=True)
class ProjectContainers:
    """One look: all containers of the project, and NexNum's own, inspected, by their ids."""

    project: str = ""
    listed: tuple[ListedContainer, ...] = ()
    own: Mapping[str, InspectedContainer] = field(default_factory=dict)
    at: float = 0.0


class DockerSource(Source):
    """One Compose project of one Engine. `logs` follows its app's and its worker's containers."""

    name = "docker"
    module = "aiodocker"
    noun = "container"

    def __init__(self, clients: LazyClients, settings: settings.DockerSettings) -> None:
        super().__init__(clients, address(settings).place)
        self.settings = settings
        self.follow = ContainerFollowing(settings.follow_containers, settings.log_since_s, settings.log_tail_lines)
        self.logs = Logs(self)
        self.events = EngineEvents()
        self.host: str | None = None  # not asked for yet
        self._link = EngineLink(settings)
        self._version: EngineVersion | None = None
        self._listing = asyncio.Lock()
        self._looked: ProjectContainers = ProjectContainers()
        self._not_ours: tuple[float, NotConfigured] | None = None
        self._ever = False  # whether the app's containers were seen

    @property
    def services(self) -> tuple[str, ...]:
        """Those whose containers are NexNum's own: the app's first."""
        return tuple(filter(None, (self.settings.app, self.settings.worker)))

    @property
    def project(self) -> str:
        """The Compose project that was found; the settings' before that."""
        return self._looked.project or self.settings.project

    async def look(self, max_age_s: float = 0.0) -> ProjectContainers:
        """The project's containers; a look of `max_age_s` seconds ago will do. Raises SourceError."""
        if self._not_ours is not None and time.monotonic() < self._not_ours[0]:
            raise self._not_ours[1]
        async with self._listing:
            if time.monotonic() - self._looked.at < max_age_s:
                return self._looked
            try:
                async with self.exchange(self._limit_s, "the containers query"):
                    looked = await self._look()
            except NotConfigured as error:
                self.health = SourceHealth(name=self.name, configured=False)
                self._not_ours = (time.monotonic() + ELSEWHERE_S, error)
                raise
            self._looked = looked
        return looked

    async def _look(self) -> ProjectContainers:
        listed = await self._read("containers/json", list[ListedContainer], {"all": "1"})
        project = self.settings.project or project_of(listed, self.settings.app)
        ours = sorted((each for each in listed if self._in(project, each)), key=order)
        own = [each for each in ours if service_of(each) in self.services and not one_off(each)][:MOST_CONTAINERS]
        if not any(service_of(each) == self.settings.app for each in own):
            raise self._nothing(project, listed)
        self._ever = True
        await self._take_events(project)
        await self._name_host()
        inspected = await asyncio.gather(*(self._inspect(each.id) for each in own))
        found = {each.id: each for each in inspected if each is not None}
        self.place = project or self.settings.app
        return ProjectContainers(project, tuple(ours), found, time.monotonic())

    def _in(self, project: str, container: ListedContainer) -> bool:
        return container.label("com.docker.compose.project") == project or service_of(container) in self.services

    def _nothing(self, project: str, listed: list[ListedContainer]) -> SourceError:
        app, at = clean(self.settings.app, 60), f"docker at {self.address}"
        services = sorted({clean(service_of(each), 40) for each in listed})[:8]
        where = f" in project {clean(project, 60)}" if project else ""
        there = f"; there are {', '.join(services)}" if services else ", which has no container at all"
        sentence = f"{at} has no container of service {app}{where}{there}: set docker.app or docker.project"
        if implicit(self.settings) and not self._ever:
            return NotConfigured(self.name, f"docker is not configured, and what docker uses: {sentence}")
        return Missing(self.name, sentence)

    async def _take_events(self, project: str) -> None:
        """What has happened since the last look. Where the Engine does not say, nothing is lost but that."""
        since = max(self.events.newest - OVERLAP_NS, int((time.time() - EVENTS_BACK_S) * 1e9))
        filters: dict[str, list[str]] = {"type": ["container"], "event": list(TOLD)}
        if project:
            filters["label"] = [f"com.docker.compose.project={project}"]
        query = {
            "since": _stamp(since),
            "until": _stamp(time.time_ns()),
            "filters": json.dumps(filters, separators=(",", ":")),
        }
        body = await self._body("events", query)
        try:
            self.events.take(_events_of(body))
        except msgspec.DecodeError as error:
            raise BadAnswer(
                self.name, f"docker at {self.address}: its events can't be read: {clean(error, 120)}"
            ) from error

    async def _name_host(self) -> None:
        """Learn the host's name, once; where a proxy does not let us ask, it stays unknown."""
        if self.host is None:
            self.host = ""
            try:
                self.host = clean((await self._read("info", EngineInfo)).name, 100)
            except (Denied, Missing, BadAnswer):
                return

    async def _inspect(self, container: str) -> InspectedContainer | None:
        try:
            return await self._read(f"containers/{container}/json", InspectedContainer)
        except Missing:
            return None  # it was removed meanwhile

    async def pods(self, max_age_s: float = 0.0) -> tuple[PodResource, ...]:
        """The app's and the worker's containers."""
        return (await self.labelled(max_age_s)).own

    async def labelled(self, max_age_s: float = 0.0) -> LabelledPods:
        """The same; the others are one-off containers of these services."""
        looked = await self.look(max_age_s)
        own = tuple(pod_of(each, self.events, self.host or "") for each in looked.own.values())
        return LabelledPods(own, ())

    async def pod(self, name: str) -> PodResource | None:
        """That container as it is at this moment; None where there is none, or it is not of this project."""
        found = await self.inspect(name)
        return None if found is None else pod_of(found, self.events, self.host or "")

    async def inspect(self, name: str) -> InspectedContainer | None:
        """One of NexNum's own, by name or short id, as the Engine has it at this moment."""
        looked = await self.look(max_age_s=30.0)
        known = next((id for id, each in looked.own.items() if name in (each.name.lstrip("/"), id[: len(name)])), "")
        async with self.exchange(self._limit_s, "the container query"):
            found = await self._inspect(known or name)
        if found is None and known:  # made anew under the same name
            async with self.exchange(self._limit_s, "the container query"):
                found = await self._inspect(name)
        if found is None or not self._owns(found):
            return None
        return found

    def _owns(self, container: InspectedContainer) -> bool:
        service = container.label("com.docker.compose.service") or container.name.lstrip("/")
        return service in self.services

    async def events_of(self, name: str, uid: str) -> tuple[Event, ...]:
        """What has happened to that container, as far back as the Engine has told."""
        await self.look(max_age_s=2.5)
        return tuple(event_of(event) for event in self.events.known if event.actor.id.startswith(uid))

    @asynccontextmanager
    async def log(self, pod: str, container: str, query: Mapping[str, str]) -> AsyncIterator[ContainerLogStream]:
        """A container's log as it grows, each line with its time; `query` is in the words of every runtime.

        The Engine keeps one log over all runs of a container: only the present run's is given, `previous` what was
        before it. Nothing but the connection is bounded in time. Raises SourceErrors.
        """
        import aiohttp

        await self.clients.wait(self.module)
        known = next((each for each in self._looked.own.values() if each.name.lstrip("/") == pod), None)
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_timeout_s)
        path = f"containers/{known.id if known is not None else pod}/logs"
        try:
            async with await self._send(path, _log_query(query, known), limit) as response:
                if response.status != 200:
                    raise await self.refused(response)
                framed = known is None or not known.config.tty
                yield ContainerLogStream(response, framed)
        except BadFrames as error:
            raise BadAnswer(self.name, f"the log of {clean(pod, 80)} is not in the Engine's form") from error
        except TimeoutError as error:
            raise Unreachable(self.name, f"the log of {clean(pod, 80)}: no connection in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise await self.why(error) from error

    async def version(self) -> EngineVersion:
        """What the Engine is, and which API it speaks."""
        async with self.exchange(self._limit_s, "its version"):
            return await self._agreed()

    async def info(self) -> EngineInfo:
        """The host's name and system."""
        async with self.exchange(self._limit_s, "its description"):
            return await self._read("info", EngineInfo)

    @property
    def _limit_s(self) -> float:
        """For one exchange: the first one over ssh logs in."""
        login_s = self.settings.connect_timeout_s if self.settings.host.startswith("ssh:") else 0.0
        return self.settings.timeout_s + login_s

    async def _agreed(self) -> EngineVersion:
        """The version of the API is the Engine's own newest, so that it is never too new for it."""
        docker = await self._link.ready()
        if self._version is None:
            answer = await self._read("version", EngineVersion)
            numbers = answer.api_version.split(".")
            if len(numbers) != 2 or not all(part.isascii() and part.isdigit() for part in numbers):
                raise BadAnswer(self.name, f"docker at {self.address} names no version of its API: is this Docker?")
            self._version = answer
            docker.api_version = f"v{answer.api_version}"
        return self._version

    async def _read(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        return msgspec.json.decode(await self._body(path, query), type=kind)

    async def _body(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        import aiohttp

        if path != "version":
            await self._agreed()
        limit = aiohttp.ClientTimeout(total=self._limit_s + 1)
        async with await self._send(path, query, limit) as response:
            if response.status != 200:
                raise await self.refused(response)
            parts, size = [], 0
            async for part in response.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER:
                    raise BadAnswer(self.name, f"docker at {self.address} answers more than {LARGEST_ANSWER >> 20} MB")
            return b"".join(parts)

    async def _send(
        self, path: str, query: Mapping[str, str] | None, limit: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        docker: aiodocker.Docker = await self._link.ready()
        return await self._link.send(docker, "GET", path, query=query, timeout=limit)

    async def refused(self, response: aiohttp.ClientResponse) -> SourceError:
        """The sentence for a status that is not success, with the Engine's own words."""
        body = await response.content.read(LARGEST_WORDS)
        at = f"docker at {self.address}"
        try:
            said = clean(msgspec.json.decode(body, type=EngineMessage).message, 200)
        except msgspec.DecodeError:
            said = ""
        match response.status:
            case 404 if said:
                return Missing(self.name, f"{at}: {said}")
            case 401 | 403:
                return Denied(self.name, f"{at} refuses this account ({response.status}): {said or 'no reason given'}")
            case 404 | 301 | 302 | 307 | 308:
                return BadAnswer(self.name, f"{at} answers {response.status}: is this the Docker Engine's API?")
            case 502 | 503 | 504:
                return Unreachable(self.name, f"{at} can't answer now ({response.status}): {said or 'no reason given'}")
        return SourceError(self.name, f"{at} answers {response.status}: {said or 'no reason given'}")

    @asynccontextmanager
    async def exchange(self, timeout_s: float, what: str) -> AsyncIterator[None]:
        """As every source's; a connection over ssh that ends says why."""
        import aiohttp

        async with super().exchange(timeout_s, what):
            try:
                yield
            except (aiohttp.ClientError, ConnectionError) as error:
                raise await self.why(error) from error

    async def why(self, error: Exception) -> SourceError:
        """The sentence for a connection that failed."""
        if self._link.dialer is not None and (told := await self._link.dialer.why()) is not None:
            return told
        known = self.explain(error)
        if known is None and isinstance(error, OSError):
            known = self._network(error)
        return known or Unreachable(self.name, f"docker at {self.address}: {clean(error, 160)}")

    def explain(self, error: Exception) -> SourceError | None:
        import aiohttp

        at = f"docker at {self.address}"
        match error:
            case msgspec.DecodeError():
                return BadAnswer(self.name, f"{at} answered something that is not Docker's: {clean(error, 200)}")
            case aiohttp.ClientConnectorCertificateError():
                why = clean(error.certificate_error, 150)
                return Unreachable(
                    self.name, f"{at}: its TLS certificate can't be verified, check docker.cert_path: {why}"
                )
            case aiohttp.ClientConnectorError():
                return self._network(error.os_error)
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
                return Unreachable(self.name, f"{at} dropped the connection in the middle of an answer")
            case aiohttp.ClientResponseError():
                return BadAnswer(self.name, f"{at} does not speak HTTP: {clean(error.message, 200)}")
            case aiohttp.ServerTimeoutError() | TimeoutError():
                return TimedOut(self.name, f"{at} did not answer in time")
            case aiohttp.ClientOSError():
                return self._network(error)
            case aiohttp.ClientError():
                return Unreachable(self.name, f"{at}: {clean(error, 200)}")
        return None

    def _network(self, error: Exception) -> SourceError:
        """A socket's own errors; those of a socket of this host have causes of their own."""
        at = f"docker at {self.address}"
        if isinstance(error, PermissionError):
            return Denied(
                self.name,
                f"{at}: this account may not use the socket: add it to the group docker, or set docker.host to ssh://",
            )
        if isinstance(error, FileNotFoundError):
            return Unreachable(self.name, f"{at}: there is no such socket: is Docker running, is docker.host right?")
        return super()._network(error)

    async def close(self) -> None:
        self.logs.close()
        await self._link.close()


def _stamp(nanoseconds: int) -> str:
    return f"{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000:09d}"


def _events_of(body: bytes) -> list[EngineEvent]:
    """Events a line each, or without line ends between them, as some versions send them."""
    if b"\n" in body:
        return _EVENTS.decode_lines(body)
    events, text, decoder = [], body.decode(errors="replace").strip(), json.JSONDecoder()
    while text:
        try:
            found, end = decoder.raw_decode(text)
        except ValueError as error:
            raise msgspec.DecodeError(str(error)) from error
        events.append(msgspec.convert(found, EngineEvent))
        text = text[end:].lstrip()
    return events


def _log_query(query: Mapping[str, str], known: InspectedContainer | None) -> dict[str, str]:
    """Kubernetes' words for a log in the Engine's."""
    asked = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1"}
    if query.get("follow") == "false":
        asked["follow"] = "0"
    if lines := query.get("tailLines"):
        asked["tail"] = lines
    started = moment(known.state.started_at) if known is not None else None
    if query.get("previous") == "true":
        return asked if started is None else asked | {"until": _stamp(int(started.timestamp() * 1e9))}
    since = 0.0
    if seconds := query.get("sinceSeconds"):
        since = time.time() - int(seconds)
    elif (text := query.get("sinceTime")) and (at := moment(text)) is not None:
        since = at.timestamp()
    if started is not None:
        since = max(since, started.timestamp())
    return asked | ({"since": _stamp(int(since * 1e9))} if since else {})
