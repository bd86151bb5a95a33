"""Docker: whether the Engine answers this account, which API it speaks, and whether NexNum's containers are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..actions import shell_commands
from ..errors import Denied, Missing, NotConfigured, SourceError, TimedOut, Unreachable
from ..sources.docker_link import implicit
from ..sources.docker_objects import InspectedContainer
from ..text.sanitize import clean
from ..text.units import milliseconds, several
from .check import Check

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.docker import DockerSource, ProjectContainers

AREA = "docker"
UNREADABLE = frozenset({"none", "syslog", "gelf", "fluentd", "awslogs", "splunk"})  # drivers without `docker logs`


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    """All checks of the Engine. Nothing is changed."""
    docker = sources.docker
    engine = await _engine(docker, settings)
    yield engine
    if engine.state == "fail":
        return
    try:
        looked = await docker.look()
    except NotConfigured as error:
        yield Check(area=AREA, what="containers", state="absent", said=str(error), advice=advice(error, settings))
        return
    except SourceError as error:
        yield Check(area=AREA, what="containers", state="fail", said=str(error), advice=advice(error, settings))
        return
    for check in (_containers(docker, looked), _worker(docker, looked), _health_checks(looked)):
        yield check
    yield await _logs(docker, looked, settings)
    yield Check(area=AREA, what="rights", state="ok", said="who may use the Engine's socket may restart containers too")


def advice(error: SourceError, settings: Settings) -> str:
    """Advice by the cause of the failure."""
    said = str(error)
    match error:
        case Denied() if "ssh" in said:
            return f"try {shell_commands.docker(settings, 'version')} in a shell, as this account"
        case Denied():
            return "usermod -aG docker ACCOUNT, and log in again; or set docker.host to ssh://user@host"
        case Missing() | NotConfigured():
            return "set docker.app to the service that sells, docker.project to its Compose project; or docker.host"
        case TimedOut():
            return f"try {shell_commands.docker(settings, 'ps')}: does the daemon hang?"
        case Unreachable():
            return (
                f"try {shell_commands.docker(settings, 'version')}: is the host up, the socket where docker.host says?"
            )
    return ""


async def _engine(docker: DockerSource, settings: Settings) -> Check:
    try:
        version = await docker.version()
    except SourceError as error:
        return Check(area=AREA, what="engine", state="fail", said=str(error), advice=advice(error, settings))
    how = ", which docker uses where nobody names another" if implicit(docker.settings) else ""
    said = f"{docker.address}{how}: Docker {clean(version.version, 30)}, API {clean(version.api_version, 10)}"
    return Check(area=AREA, what="engine", state="ok", said=f"{said}, in {milliseconds(docker.health.latency_ms)}")


def _of(docker: DockerSource, looked: ProjectContainers, service: str) -> list[InspectedContainer]:
    return [
        each
        for each in looked.own.values()
        if (each.label("com.docker.compose.service") or each.name.lstrip("/")) == service
    ]


def _containers(docker: DockerSource, looked: ProjectContainers) -> Check:
    app = docker.settings.app
    found = _of(docker, looked, app)
    project = f"project {clean(looked.project, 60)}" if looked.project else "no Compose project"
    others = len(looked.listed) - len(looked.own)
    said = f"{several(len(found), 'container')} of {clean(app, 60)} in {project}, {several(others, 'other')} beside"
    return Check(area=AREA, what="containers", state="ok", said=said)


def _worker(docker: DockerSource, looked: ProjectContainers) -> Check:
    worker = docker.settings.worker
    if not worker:
        said = "docker.worker is empty: the background work's breakers and log are not read"
        return Check(area=AREA, what="worker", state="absent", said=said)
    if found := _of(docker, looked, worker):
        said = f"{several(len(found), 'container')} of {clean(worker, 60)}"
        return Check(area=AREA, what="worker", state="ok", said=said)
    said = f"there is no container of {clean(worker, 60)}: its breakers and its log are not read"
    return Check(area=AREA, what="worker", state="warn", said=said, advice="set docker.worker, or empty it")


def _health_checks(looked: ProjectContainers) -> Check:
    blind = [clean(each.name.lstrip("/"), 60) for each in looked.own.values() if each.state.health is None]
    if not blind:
        return Check(area=AREA, what="health checks", state="ok", said="each container has one")
    said = f"{', '.join(blind[:4])} have none: they count as ready while they run"
    return Check(area=AREA, what="health checks", state="warn", said=said, advice="add a healthcheck each")


async def _logs(docker: DockerSource, looked: ProjectContainers, settings: Settings) -> Check:
    for each in looked.own.values():
        driver = each.host_config.log_config.type if each.host_config.log_config is not None else ""
        if driver in UNREADABLE:
            said = f"{clean(each.name.lstrip('/'), 60)} logs by {driver}: docker logs can't read it"
            return Check(area=AREA, what="logs", state="warn", said=said, advice="use the driver json-file or local")
    first = next(iter(looked.own.values()))
    name = clean(first.name.lstrip("/"), 60)
    try:
        async with asyncio.timeout(docker.settings.timeout_s):
            async with docker.log(first.name.lstrip("/"), "", {"follow": "false", "tailLines": "1"}) as stream:
                await stream.content.read(4096)
    except SourceError as error:
        return Check(area=AREA, what="logs", state="warn", said=str(error), advice=advice(error, settings))
    except TimeoutError:
        return Check(area=AREA, what="logs", state="warn", said=f"the log of {name} does not come in time")
    return Check(area=AREA, what="logs", state="ok", said=f"the log of {name} can be read")
