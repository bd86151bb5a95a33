"""The Docker Engine's API of the drill, for our client and for the docker command: what reads, and what starts and
stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from . import engine_logs
from .containers import EngineContainer
from .host import DockerHost
from .refusals import EngineRefusal, no_such_container

API, OLDEST, ENGINE = "1.50", "1.24", "28.2.2"
HOST = "nexnum-prod-1"
PAUSE_S = 5.0
_VERSION = re.compile(r"/v(\d+)\.(\d+)(/.*)")
_CONTAINER = re.compile(r"/containers/([^/]+)/([a-z]+)")
HEADERS = {"Api-Version": API, "Docker-Experimental": "false", "Ostype": "linux", "Server": f"Docker/{ENGINE} (linux)"}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class EngineServer:
    """The Engine of a host, on a Unix socket that this account alone may use."""

    def __init__(self, host: DockerHost) -> None:
        self._host = host
        self._runner: web.AppRunner | None = None

    async def start(self, socket: Path) -> str:
        """Start the host's containers, and serve; its address, as DOCKER_HOST has it."""
        await self._host.start()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", EngineApi(self._host).handle)
        self._runner = web.AppRunner(
            *(app,), access_log=None, handler_cancellation=True, shutdown_timeout=0.5, keepalive_timeout=30
        )
        await self._runner.setup()
        await web.UnixSite(self._runner, str(socket)).start()
        os.chmod(socket, 0o600)
        return f"unix://{socket}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._host.close()


class EngineApi:
    """Each request is answered as the Engine does it; what is not served here is not found."""

    def __init__(self, host: DockerHost) -> None:
        self._host = host
        self._answers: Mapping[tuple[str, str], Answer] = {
            ("GET", "/_ping"): self._ping,
            ("HEAD", "/_ping"): self._ping,
            ("GET", "/version"): self._version,
            ("GET", "/info"): self._info,
            ("GET", "/containers/json"): self._list,
            ("GET", "/events"): self._events,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        while self._host.troubles.hanging:
            await asyncio.sleep(0.05)
        try:
            return await self._answer(request, _path(request.path))
        except EngineRefusal as refusal:
            return web.json_response({"message": refusal.message}, status=refusal.status, headers=HEADERS)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        if (answer := self._answers.get((request.method, path))) is not None:
            return await answer(request)
        found = _CONTAINER.fullmatch(path)
        if found is None:
            raise EngineRefusal(404, "page not found")
        container = self._host.find(found[1])
        if container is None:
            raise no_such_container(found[1])
        if request.method == "GET":
            return await self._show(request, container, found[2])
        if request.method == "POST":
            return await self._change(container, found[2])
        raise EngineRefusal(404, "page not found")

    async def _show(self, request: web.Request, container: EngineContainer, what: str) -> web.StreamResponse:
        if what == "json":
            return web.json_response(container.inspected(), headers=HEADERS)
        if what == "logs":
            if self._host.troubles.no_logs:
                raise EngineRefusal(501, self._host.troubles.no_logs)
            return await engine_logs.send(request, container)
        if what == "stats":
            return web.json_response(_stats(container), headers=HEADERS)
        raise EngineRefusal(404, "page not found")

    async def _change(self, container: EngineContainer, what: str) -> web.StreamResponse:
        works = {"restart": self._host.restart, "stop": self._host.stop, "start": self._host.begin}
        work = works.get(what)
        if work is None:
            raise EngineRefusal(404, "page not found")
        if self._host.troubles.refuses:
            raise EngineRefusal(403, self._host.troubles.refuses)
        await asyncio.shield(asyncio.ensure_future(work(container)))
        return web.Response(status=204, headers=HEADERS)

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(text="OK" if request.method == "GET" else "", headers=HEADERS)

    async def _version(self, request: web.Request) -> web.Response:
        answer = {
            "Platform": {"Name": "NexConsole's drill"},
            "Components": [],
            "Version": ENGINE,
            "ApiVersion": API,
            "MinAPIVersion": OLDEST,
            "Os": "linux",
            "Arch": "amd64",
            "GitCommit": "drill",
            "GoVersion": "none",
            "KernelVersion": "none",
        }
        return web.json_response(answer, headers=HEADERS)

    async def _info(self, request: web.Request) -> web.Response:
        states = [container.state for container in self._host.containers.values()]
        answer = {
            "ID": "drill",
            "Name": HOST,
            "ServerVersion": ENGINE,
            "OperatingSystem": "NexConsole's drill",
            "OSType": "linux",
            "Architecture": "x86_64",
            "NCPU": 2,
            "MemTotal": 4 << 30,
            "Containers": len(states),
            "ContainersRunning": states.count("running"),
            "ContainersPaused": 0,
            "ContainersStopped": len(states) - states.count("running"),
            "Images": 6,
            "Driver": "overlay2",
            "SystemTime": datetime.now(UTC).isoformat(),
        }
        return web.json_response(answer, headers=HEADERS)

    async def _list(self, request: web.Request) -> web.Response:
        match = _Filters(request.query.get("filters", ""))
        every = request.query.get("all") in engine_logs.TRUE or match.asks("status")
        shown = [
            container.listed()
            for container in sorted(self._host.containers.values(), key=lambda each: each.created, reverse=True)
            if (every or container.state == "running") and match.container(container)
        ]
        return web.json_response(shown, headers=HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        match = _Filters(request.query.get("filters", ""))
        since, until = (_seconds(request.query.get(key, "")) for key in ("since", "until"))
        response = web.StreamResponse(headers={"Content-Type": "application/json", **HEADERS})
        response.enable_chunked_encoding()
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await self._send_events(response, match, since, until)
            await response.write_eof()
        return response

    async def _send_events(
        self, response: web.StreamResponse, match: _Filters, since: float | None, until: float | None
    ) -> None:
        events = self._host.events
        total = events.total
        for event in list(events.kept) if since is not None else []:
            at = event["timeNano"] / 1e9
            if at >= since and (until is None or at <= until) and match.event(event):
                await response.write(json.dumps(event).encode() + b"\n")
        while until is None or time.time() < until:
            await events.news(total, PAUSE_S if until is None else max(0.0, min(PAUSE_S, until - time.time())))
            fresh = (
                list(events.kept)[max(0, len(events.kept) - (events.total - total)) :] if events.total > total else []
            )
            total = events.total
            for event in fresh:
                if match.event(event):
                    await response.write(json.dumps(event).encode() + b"\n")


class _Filters:
    """The `filters` of a request: a map of lists, or of maps as the docker command writes it."""

    def __init__(self, text: str) -> None:
        try:
            found: Any = json.loads(text) if text else {}
        except ValueError as error:
            raise EngineRefusal(400, f"invalid filter: {error}") from None
        if not isinstance(found, dict):
            raise EngineRefusal(400, "invalid filter")
        self._wanted = {key: [str(each) for each in values] for key, values in found.items()}

    def asks(self, key: str) -> bool:
        return key in self._wanted

    def container(self, container: EngineContainer) -> bool:
        return (
            all(_labelled(container.labels, wanted) for wanted in self._wanted.get("label", ()))
            and self._any("name", lambda word: word.lstrip("/") in container.name)
            and self._any("id", container.id.startswith)
            and self._any("status", lambda word: word == container.state)
            and self._any("health", lambda word: word == (container.health if container.probed else "none"))
        )

    def event(self, event: Mapping[str, Any]) -> bool:
        attributes = event["Actor"]["Attributes"]
        action = event["Action"]
        return (
            self._any("type", lambda word: word == event["Type"])
            and self._any("event", lambda word: word in (action, action.partition(":")[0]))
            and self._any("container", lambda word: event["id"].startswith(word) or attributes["name"] == word)
            and all(_labelled(attributes, wanted) for wanted in self._wanted.get("label", ()))
        )

    def _any(self, key: str, holds: Callable[[str], bool]) -> bool:
        return key not in self._wanted or any(holds(word) for word in self._wanted[key])


def _labelled(labels: Mapping[str, str], wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)


def _path(path: str) -> str:
    """Without its version. Raises EngineRefusal for one that is not spoken."""
    found = _VERSION.fullmatch(path)
    if found is None:
        return path
    asked = (int(found[1]), int(found[2]))
    newest, oldest = (tuple(map(int, text.split("."))) for text in (API, OLDEST))
    if asked > newest:
        words = f"client version {found[1]}.{found[2]} is too new. Maximum supported API version is {API}"
        raise EngineRefusal(400, words)
    if asked < oldest:
        words = f"client version {found[1]}.{found[2]} is too old. Minimum supported API version is {OLDEST}"
        raise EngineRefusal(400, words)
    return found[3]


def _seconds(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise EngineRefusal(400, f"invalid value for a time: {text}") from None


def _stats(container: EngineContainer) -> dict[str, Any]:
    """One sample: a process that is busy with little."""
    cpu = {"cpu_usage": {"total_usage": 4_000_000_000}, "system_cpu_usage": 100_000_000_000, "online_cpus": 2}
    return {
        "id": container.id,
        "name": f"/{container.name}",
        "read": datetime.now(UTC).isoformat(),
        "cpu_stats": cpu,
        "precpu_stats": cpu,
        "memory_stats": {"usage": 287_309_824, "limit": 1 << 30, "stats": {}},
        "pids_stats": {"current": 11},
        "networks": {},
    }
