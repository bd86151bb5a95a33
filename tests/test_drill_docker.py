"""The drill's Docker host: its API for the docker command, its containers' lives, and a world that stands on it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
import pytest
from docker_stand import DOCKER, DockerStand, docker_stand

from nexconsole.actions.action import Context
from nexconsole.actions.registry import ACTIONS
from nexconsole.drill.docker.hands import DockerPlatform
from nexconsole.drill.fault_kinds import KINDS
from nexconsole.drill.instructor import Instructor, Request
from nexconsole.drill.kubernetes.endings import CRASHED, OUT_OF_MEMORY
from nexconsole.drill.platform import check_platform
from nexconsole.drill.scenarios import scenario_named
from nexconsole.drill.staged_causes import InCluster
from nexconsole.drill.world import DrillWorld
from nexconsole.errors import DrillError
from nexconsole.session.monitor import Monitor
from nexconsole.settings import load
from nexconsole.sources import open_sources

PATIENCE_S = 20.0
CALM_WITHIN_S = 150.0
RESTART = ACTIONS["pods.restart"]


@pytest.fixture
async def stand() -> Any:
    async with docker_stand() as made:
        yield made


async def until(holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


async def asked(stand: DockerStand, path: str, method: str = "GET", **query: str) -> tuple[int, Any]:
    connector = aiohttp.UnixConnector(stand.address.removeprefix("unix://"))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.request(method, f"http://docker{path}", params=query) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text


async def docker(stand: DockerStand, *words: str) -> str:
    """What the real command prints."""
    assert DOCKER is not None
    done = await asyncio.to_thread(
        subprocess.run, [DOCKER, "--host", stand.address, *words], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


async def test_versions_are_negotiated_and_the_wrong_ones_refused(stand):
    assert (await asked(stand, "/_ping"))[1] == "OK"
    assert (await asked(stand, "/v1.41/version"))[1]["ApiVersion"] == "1.50"
    status, said = await asked(stand, "/v1.99/containers/json")
    assert status == 400 and "too new" in said["message"]
    assert (await asked(stand, "/v1.50/images/json"))[0] == 404
    assert (await asked(stand, "/v1.50/containers/nobody/json"))[1] == {"message": "No such container: nobody"}


async def test_lists_are_filtered_as_the_command_writes_it(stand):
    every = (await asked(stand, "/v1.50/containers/json"))[1]
    assert len(every) == 9
    label = "com.docker.compose.service=nexnum-app"
    for filters in ({"label": [label]}, {"label": {label: True}}):
        found = (await asked(stand, "/containers/json", filters=json.dumps(filters)))[1]
        assert sorted(each["Names"][0] for each in found) == [f"/nexnum-app-{number}" for number in (1, 2, 3)]
    assert (await asked(stand, "/containers/json", filters="{x"))[0] == 400


async def test_a_container_that_ends_is_started_anew_with_longer_and_longer_pauses(stand):
    stand.hands.crash(CRASHED, 0.05, "nexnum-app-1")
    container = stand.host.find("nexnum-app-1")
    await until(lambda: container.restarts >= 3)
    stand.hands.crash_no_more()
    await until(lambda: container.state == "running" and container.health == "healthy")
    state = (await asked(stand, "/containers/nexnum-app-1/json"))[1]
    assert state["RestartCount"] == container.restarts and state["State"]["Status"] == "running"
    assert stand.host.find("nexnum-app-2").restarts == 0


async def test_one_that_is_ill_is_not_restarted_but_says_so(stand):
    stand.processes.running["nexnum-app-1"].well = False
    container = stand.host.find("nexnum-app-1")
    await until(lambda: container.health == "unhealthy")
    assert container.restarts == 0 and container.state == "running"
    events = [event["Action"] for event in stand.host.events.kept]
    assert "health_status: unhealthy" in events


async def test_out_of_memory_is_in_the_events_and_in_what_ended(stand):
    stand.hands.kill("nexnum-app-3", OUT_OF_MEMORY)
    await until(lambda: stand.host.find("nexnum-app-3").restarts == 1)
    actions = [event["Action"] for event in stand.host.events.kept if "nexnum-app-3" in str(event["Actor"])]
    assert actions[:2] == ["oom", "die"]


async def test_scaling_and_replacing_keep_the_names_and_change_the_identities(stand):
    before = {each.name: each.id for each in stand.host.app}
    stand.hands.scale(1)
    await until(lambda: len(stand.host.app) == 1)
    stand.hands.scale(3)
    await until(lambda: len(stand.host.app) == 3)
    after = {each.name: each.id for each in stand.host.app}
    assert after.keys() == before.keys() and after["nexnum-app-1"] == before["nexnum-app-1"]
    assert after["nexnum-app-3"] != before["nexnum-app-3"]


async def test_the_real_command_lists_shows_follows_and_restarts(stand):
    if DOCKER is None:  # where it is not, the same requests are made above
        assert (await asked(stand, "/v1.24/containers/nexnum-app-1/restart", "POST"))[0] == 204
        return
    listed = await docker(stand, "ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert "nexnum-worker running" in listed.splitlines()
    stand.processes.running["nexnum-app-1"].log.append("a line of its own")
    assert "a line of its own" in await docker(stand, "logs", "--tail", "1", "nexnum-app-1")
    assert (await docker(stand, "inspect", "-f", "{{.State.Health.Status}}", "nexnum-app-1")).strip() == "healthy"
    assert (await docker(stand, "restart", "nexnum-app-1")).strip() == "nexnum-app-1"
    assert "28.2.2" in await docker(stand, "version")
    until_s = str(int(time.time()) + 1)  # the command knows whole seconds alone
    told = await docker(stand, "events", "--since", "5m", "--until", until_s, "--format", "{{.Action}}")
    assert {"die", "start", "restart"} <= set(told.split())
    assert "nexnum-app-2" in await docker(stand, "stats", "--no-stream", "nexnum-app-2")


async def test_the_command_follows_a_log_until_its_container_ends(stand):
    if DOCKER is None:
        status, text = await asked(stand, "/containers/nexnum-app-1/logs", stdout="1", tail="1")
        assert status == 200 and "Ready in" in text
        return
    process = await asyncio.create_subprocess_exec(
        *(DOCKER, "--host", stand.address, "logs", "-f", "--tail", "0", "nexnum-app-1"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    log = stand.processes.running["nexnum-app-1"].log
    await until(lambda: log._waiting)
    log.append("seen at once")
    async with asyncio.timeout(PATIENCE_S):
        assert await process.stdout.readline() == b"seen at once\n"
        await stand.host.stop(stand.host.find("nexnum-app-1"))
        assert await process.wait() == 0


def test_what_can_not_be_staged_on_docker_is_said():
    with pytest.raises(DrillError, match="never ran in Docker"):
        check_platform("docker", "old", scenario_named("calm", "old", 0))
    check_platform("docker", "head", scenario_named("calm", "head", 0))
    check_platform("kubernetes", "old", scenario_named("calm", "old", 0))


async def test_a_drill_on_docker_is_brought_back_to_calm_by_restarting_the_bad_container():
    """The whole world: what is wrong is read from the Engine, the container is named, restarted, and all is well."""
    world = DrillWorld("one-bad-pod", runtime="docker")
    await world.start()
    try:
        loaded = load(environ=world.environment()).settings
        settings = msgspec.structs.replace(
            loaded,
            transactions=msgspec.structs.replace(loaded.transactions, window_s=60, few=10),
            circuits=msgspec.structs.replace(loaded.circuits, flapping_window_s=60),
        )
        sources = open_sources(settings)
        monitor = Monitor(settings, health=sources.health)
        try:
            await _brought_to_calm(world, settings, sources, monitor)
        finally:
            await sources.close()
    finally:
        await world.close()


async def _brought_to_calm(world: DrillWorld, settings: Any, sources: Any, monitor: Monitor) -> None:
    async def level() -> str:
        await monitor.read_all(sources)
        assert monitor.severity is not None
        return monitor.severity.level

    async with asyncio.timeout(CALM_WITHIN_S):
        while await level() != "SEV-1" or (bad := _bad(monitor)) is None:
            await asyncio.sleep(0.5)
    assert monitor.readings["workloads"].value.unit == "container"
    context = Context(
        settings=settings,
        sources=sources,
        readings=lambda: dict(monitor.readings),
        operator="maria",
        progress=lambda text: None,
    )
    plan = await RESTART.prepare({"pod": bad}, context)
    assert plan.command == f"DOCKER_HOST={world.environment()['DOCKER_HOST']} docker restart {bad}"
    assert (await RESTART.execute(plan, context)).state == "done"
    async with asyncio.timeout(CALM_WITHIN_S):
        while await level() != "none":
            await asyncio.sleep(1.0)


def _bad(monitor: Monitor) -> str | None:
    """The container on which alone purchases fail."""
    funnel = monitor.readings["funnel"].value
    judged = [pod for pod in funnel.by_pod if pod.decided >= 5] if funnel is not None else []
    failing = [pod.name for pod in judged if pod.failed > pod.decided / 2]
    return failing[0] if len(failing) == 1 and len(judged) > 1 else None


async def test_what_is_about_kubernetes_alone_can_not_be_injected_on_docker(stand):
    kinds = [name for name, kind in KINDS.items() if any(isinstance(each, InCluster) for each in kind.causes(""))]
    assert kinds
    market = SimpleNamespace(
        provider_ids={}, drill_clock=SimpleNamespace(now=lambda: 10.0), seed=0, era="head", troubles=None
    )
    servers: Any = SimpleNamespace(cluster=DockerPlatform(stand.host), market=market)
    instructor = Instructor(servers, lambda: None)
    for name in kinds:
        with pytest.raises(DrillError, match="Kubernetes alone"):
            instructor._inject(Request(verb="inject", fault=name))
