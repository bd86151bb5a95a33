"""Docker as a source: containers, logs, events, and what goes wrong with the Engine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from docker_stand import DockerStand, docker_stand

from nexconsole.drill.kubernetes.endings import CRASHED, OUT_OF_MEMORY
from nexconsole.drill.platform import Earlier
from nexconsole.errors import (
    BadAnswer,
    Denied,
    Missing,
    NotConfigured,
    SettingsError,
    SourceError,
    TimedOut,
    Unreachable,
)
from nexconsole.model import utc_now
from nexconsole.settings import DockerSettings, Settings, load, platform_choice
from nexconsole.signals import compose, workloads
from nexconsole.signals.change import ChangeKind
from nexconsole.signals.changes_docker import DockerTrail
from nexconsole.sources import Sources, open_sources
from nexconsole.sources.docker_frames import BadFrames, FrameCutter
from nexconsole.sources.docker_link import address
from nexconsole.sources.docker_ssh import explained, parse_ssh
from nexconsole.sources.log_lines import LONGEST_LINE

PATIENCE_S = 20.0


@pytest.fixture
async def stand() -> Any:
    async with docker_stand() as made:
        yield made


async def until(holds: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not holds():
            await asyncio.sleep(0.02)


async def seen(stand: DockerStand, sources: Sources, holds: Callable[[Any], Any]) -> Any:
    """The workloads as soon as they are so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await sources.docker.look()
            value = await workloads.read(sources, stand.settings(), None)
            if holds(value):
                return value
            await asyncio.sleep(0.05)


def frame(stream: int, text: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(text).to_bytes(4) + text


def test_frames_are_cut_to_lines_wherever_the_chunks_end():
    whole = frame(1, b"a 1\n") + frame(2, b"b 1\n") + frame(1, b"a 2\na 3\n") + frame(1, b"") + frame(1, b"rest")
    for size in (1, 2, 3, 7, 8, 9, 1000):
        cutter = FrameCutter()
        lines = b"".join(cutter.cut(whole[at : at + size]) for at in range(0, len(whole), size))
        assert lines == b"a 1\nb 1\na 2\na 3\n", size
        assert cutter.rest() == b"rest\n"


def test_a_line_of_one_stream_is_not_torn_by_the_other_and_a_long_one_is_cut():
    cutter = FrameCutter()
    assert cutter.cut(frame(1, b"out ") + frame(2, b"err\n") + frame(1, b"put\n")) == b"err\nout put\n"
    part = b"x" * 16_000
    lines = cutter.cut(b"".join(frame(1, part) for _ in range(40)) + frame(1, b"\n"))
    assert LONGEST_LINE <= len(lines) <= LONGEST_LINE + 2 and lines.endswith(b"\n")


@pytest.mark.parametrize("junk", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x09\0\0\0\0\0\0\1x", b"\1\1\0\0\0\0\0\1x"])
def test_what_is_no_frame_is_refused(junk):
    with pytest.raises(BadFrames):
        FrameCutter().cut(junk)


async def test_the_containers_are_read_with_their_project_services_and_others(stand):
    sources = stand.sources()
    value = await workloads.read(sources, stand.settings(), None)
    assert (value.unit, value.namespace, value.deployment) == ("container", "nexnum", "nexnum-app")
    assert (value.desired, value.ready, value.rollout) == (3, 3, "complete")
    assert [pod.name for pod in value.pods] == ["nexnum-app-1", "nexnum-app-2", "nexnum-app-3", "nexnum-worker"]
    assert [(each.name, each.desired, each.ready) for each in value.services][1] == ("nexnum-worker", 1, 1)
    assert "nexnum-redis" in [other.name for other in value.others]
    assert value.release.images == "nexnum-app:1.4.2" and value.release.since is not None
    assert [health.name for health in sources.health() if health.configured] == ["docker"]
    assert "kubernetes" not in [health.name for health in sources.health()]


async def test_a_container_that_ended_says_how_and_its_restart_is_a_change(stand):
    sources, trail = stand.sources(), DockerTrail()
    await trail.look(sources, stand.settings(), utc_now())
    stand.hands.kill("nexnum-app-2", OUT_OF_MEMORY)
    value = await seen(stand, sources, lambda value: any(pod.restarts and pod.ready for pod in value.pods))
    pod = next(pod for pod in value.pods if pod.restarts)
    assert (pod.name, pod.reason) == ("nexnum-app-2", "restarted: OOMKilled") and pod.restarted_at is not None
    await trail.look(sources, stand.settings(), utc_now())
    [change] = [each for each in trail.found.values() if "nexnum-app-2" in each.text]
    assert change.kind is ChangeKind.RESTART and "out of memory" in change.text and change.who == "Docker"
    events = await sources.docker.events_of(pod.name, pod.uid)
    assert {"die", "oom", "start"} <= {event.reason for event in events}


async def test_an_order_to_restart_is_told_from_an_end_and_a_worker_that_is_down_is_said(stand):
    sources, trail = stand.sources(), DockerTrail()
    await trail.look(sources, stand.settings(), utc_now())
    await stand.host.restart(stand.host.find("nexnum-app-1"))
    await stand.host.stop(stand.host.find("nexnum-worker"), 1)
    await sources.docker.look()
    value = await workloads.read(sources, stand.settings(), None)
    worker = next(pod for pod in value.pods if pod.name == "nexnum-worker")
    assert not worker.ready and worker.reason == "exit code 1"
    [told] = [reason.text for reason in workloads.SIGNAL.reasons(value, stand.settings())]
    assert told.startswith("0 of 1 container of nexnum-worker are ready")
    async with asyncio.timeout(PATIENCE_S):
        while not trail.found:
            await asyncio.sleep(0.1)
            await sources.docker.look()
            await trail.look(sources, stand.settings(), utc_now())
    assert [each.text for each in trail.found.values()] == ["nexnum-app-1 was restarted: by an order to the Engine"]


async def test_a_release_is_known_from_before_the_console_and_while_it_looks():
    async with docker_stand(earlier=Earlier("ghcr.io/nexnum/nexnum-app:1.4.1", 600.0)) as stand:
        sources, trail = stand.sources(), DockerTrail()
        value = await workloads.read(sources, stand.settings(), None)
        assert value.release.before == "nexnum-app:1.4.1"
        await trail.look(sources, stand.settings(), utc_now())
        [first] = [each for each in trail.found.values() if each.kind is ChangeKind.RELEASE]
        assert (first.before, first.after) == ("nexnum-app:1.4.1", "nexnum-app:1.4.2")
        stand.host.release("ghcr.io/nexnum/nexnum-app:1.5.0")
        await seen(stand, sources, lambda value: value.release.images.endswith("1.5.0") and value.updated == 3)
        await trail.look(sources, stand.settings(), utc_now())
        texts = [each.text for each in trail.found.values() if each.kind is ChangeKind.RELEASE]
        assert "nexnum-app was released: nexnum-app:1.4.2 → nexnum-app:1.5.0" in texts


async def test_an_image_without_a_tag_is_told_by_its_id():
    assert compose.image_name("nexnum-app", "sha256:3f1c9a2b7d40aa") == "nexnum-app@3f1c9a2b7d40"
    assert compose.image_name("r.io:5000/x/nexnum-app:1.2", "sha256:ab") == "nexnum-app:1.2"


async def test_logs_are_followed_over_a_restart_without_gap_or_double(stand):
    sources = stand.sources()
    logs = sources.docker.logs
    stand.processes.running["nexnum-app-1"].log.append("before")
    await logs.start(5.0)
    await until(lambda: logs.pods == 4 and all(pod.is_followed for pod in logs.followed.values()))
    log = next(pod for pod in logs.followed.values() if pod.name == "nexnum-app-1")
    stand.processes.running["nexnum-app-1"].log.append("\n".join(f"line {number}" for number in range(500)))
    await until(lambda: log.recent.total >= 502)
    stand.hands.kill("nexnum-app-1", CRASHED)
    await until(lambda: stand.processes.begun.count("nexnum-app-1") == 2)
    await until(lambda: stand.host.find("nexnum-app-1").state == "running")
    stand.processes.running["nexnum-app-1"].log.append("after")
    await until(lambda: any(line.endswith(b"after") for line in log.recent.since(0)[0]))
    words = [line.split(b" ", 1)[1] for line in log.recent.since(0)[0]]
    assert words.count(b"before") == 1 and words.count(b"line 499") == 1 and words.count(b"after") == 1
    assert [word for word in words if word.startswith(b"line ")] == [b"line %d" % number for number in range(500)]


async def test_of_an_ended_run_the_last_lines_are_read_when_they_are_asked_for(stand):
    sources = stand.sources()
    stand.processes.running["nexnum-app-1"].log.append("its last words")
    stand.hands.kill("nexnum-app-1", CRASHED)
    await until(lambda: stand.processes.begun.count("nexnum-app-1") == 2)
    logs = sources.docker.logs
    logs.asked.ask("nexnum-app-1")
    await logs.start(5.0)
    await until(lambda: logs.asked.ended is not None)
    assert any(line.endswith(b"its last words") for line in logs.asked.ended.recent.since(0)[0])


async def test_a_log_driver_that_can_not_be_read_is_said(stand):
    stand.host.troubles.no_logs = "configured logging driver does not support reading"
    sources = stand.sources()
    await sources.docker.look()
    with pytest.raises(SourceError, match="does not support reading"):
        async with sources.docker.log("nexnum-app-1", "", {}):
            pass


async def test_a_socket_that_is_not_there_or_not_ours_and_an_engine_that_hangs(stand, tmp_path):
    missing = open_sources(Settings(docker=DockerSettings(host=f"unix://{tmp_path}/none.sock")))
    with pytest.raises(Unreachable, match="no such socket"):
        await missing.docker.look()
    assert "no such socket" in (missing.docker.health.error or "")
    sources = stand.sources(timeout_s=0.3)
    stand.host.troubles.hanging = True
    with pytest.raises(TimedOut, match="did not answer"):
        await sources.docker.look()
    stand.host.troubles.hanging = False
    await missing.close()


async def test_permission_denied_says_what_to_do(stand):
    error = stand.sources().docker._network(PermissionError(13, "denied"))
    assert isinstance(error, Denied) and "group docker" in str(error) and "ssh://" in str(error)


async def test_an_engine_without_nexnum_names_what_it_has_and_is_absent_where_nobody_named_it(stand, monkeypatch):
    sources = stand.sources(app="shop")
    with pytest.raises(Missing, match=r"no container of service shop.*nexnum-app.*set docker.app"):
        await sources.docker.look()
    from nexconsole.sources import docker_link

    monkeypatch.setattr(docker_link, "DEFAULT_SOCKET", stand.address.removeprefix("unix://"))
    unnamed = stand.sources(host="as-docker", app="shop")
    with pytest.raises(NotConfigured):
        await unnamed.docker.look()
    assert not unnamed.has("docker")
    ours = stand.sources(host="as-docker")
    assert (await workloads.read(ours, stand.settings(), None)).ready == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "words"),
    [
        (200, "<html>login</html>", "text/html", BadAnswer, "not Docker's"),
        (403, '{"message":"proxy says no"}', "application/json", Denied, "proxy says no"),
        (302, "", "text/html", BadAnswer, "Docker Engine's API"),
        (503, "", "text/plain", Unreachable, "can't answer now"),
        (200, '{"Version":"1"}', "application/json", BadAnswer, "names no version"),
        (200, '{"ApiVersion":"9\\u001b[31m"}', "application/json", BadAnswer, "names no version"),
    ],
)
async def test_what_answers_and_is_no_engine(tmp_path, status, body, kind, error, words):
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sources = open_sources(Settings(docker=DockerSettings(host=f"tcp://127.0.0.1:{runner.addresses[0][1]}")))
    try:
        with pytest.raises(error, match=words):
            await sources.docker.look()
    finally:
        await sources.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    "host",
    [
        "ssh://-oProxyCommand=x",
        "ssh://",
        "ssh://a:secret@h",
        "ssh://h:port",
        "unix://relative",
        "tcp://",
        "tcp://h/x",
        "x",
    ],
)
def test_an_address_that_can_not_be_understood_is_refused(host):
    with pytest.raises(SettingsError):
        address(DockerSettings(host=host))


def test_addresses_are_understood_as_docker_does():
    assert address(DockerSettings(host="tcp://h")).url == "http://h:2375"
    assert address(DockerSettings(host="tcp://h", tls_verify=True)).url == "https://h:2376"
    assert address(DockerSettings(host="tcp://[::1]:99")).place == "[::1]:99"
    command = parse_ssh("ssh://maria@prod-1:2222").command(8.0)
    assert command[-4:] == ["2222", "--", "prod-1", "docker system dial-stdio"] and "BatchMode=yes" in command


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("Host key verification failed.\r\n", Unreachable, "host key"),
        ("maria@h: Permission denied (publickey).", Denied, "ssh refuses"),
        ("permission denied while trying to connect to the Docker daemon socket at unix:///x", Denied, "group docker"),
        ("bash: line 1: docker: command not found", Unreachable, "no docker command"),
        ("ssh: Could not resolve hostname h: Name or service not known", Unreachable, "Could not resolve"),
    ],
)
def test_what_ssh_says_becomes_a_sentence(words, error, said):
    found = explained(words, parse_ssh("ssh://maria@h"))
    assert isinstance(found, error) and said in str(found)


STAND_IN = """#!/bin/sh
# what ssh would do on the other side of a login
[ -z "$SSH_REFUSES" ] || { echo "$SSH_REFUSES" >&2; exit 255; }
exec PYTHON -c '
import os, socket, threading
far = socket.socket(socket.AF_UNIX); far.connect("SOCKET")
def pump():
    while data := os.read(0, 65536):
        far.sendall(data)
    far.shutdown(socket.SHUT_WR)
threading.Thread(target=pump, daemon=True).start()
while data := far.recv(65536):
    os.write(1, data)
'
"""


async def test_over_ssh_everything_is_the_same_and_a_refusal_is_in_its_own_words(stand, tmp_path, monkeypatch):
    import sys

    command = tmp_path / "ssh"
    command.write_text(
        STAND_IN.replace("PYTHON", sys.executable).replace("SOCKET", stand.address.removeprefix("unix://"))
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    sources = stand.sources(host="ssh://maria@prod-1")
    assert (await workloads.read(sources, stand.settings(), None)).ready == 3
    await sources.docker.logs.start(10.0)
    await until(lambda: all(pod.is_followed for pod in sources.docker.logs.followed.values()))
    monkeypatch.setenv("SSH_REFUSES", "maria@prod-1: Permission denied (publickey).")
    refused = stand.sources(host="ssh://maria@prod-1")
    with pytest.raises(Denied, match="ssh refuses this account"):
        await refused.docker.look()


def chosen(tmp_path: Path, monkeypatch: Any, text: str = "", **environ: str) -> Settings:
    monkeypatch.setattr(platform_choice, "DOCKER_SOCKET", tmp_path / "docker.sock")
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(str(file), environ={"HOME": str(tmp_path), **environ}).settings


def test_which_platform_it_is_by_what_is_named_and_what_is_there(tmp_path, monkeypatch):
    def both(text: str = "", **environ: str) -> tuple[str, str]:
        made = chosen(tmp_path, monkeypatch, text, **environ)
        return made.kubernetes.kubeconfig, made.docker.host

    assert both() == ("", "")
    assert both(DOCKER_HOST="ssh://u@h") == ("", "ssh://u@h")
    assert both(DOCKER_HOST="ssh://u@h", KUBECONFIG="/k") == ("/k", "")
    assert both('[docker]\nhost = "unix:///d"\n', KUBECONFIG="/k") == ("", "unix:///d")
    (tmp_path / "docker.sock").touch()
    assert both() == ("", "as-docker")
    assert both('[docker]\nhost = "none"\n') == ("", "")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").touch()
    assert both() == ("as-kubectl", "")
    assert both('[kubernetes]\nkubeconfig = "none"\n') == ("", "as-docker")
    with pytest.raises(SettingsError, match="both set"):
        both('[docker]\nhost = "unix:///d"\n[kubernetes]\nkubeconfig = "/k"\n')
    with pytest.raises(SettingsError, match="password"):
        both('[docker]\nhost = "ssh://u:p@h"\n')
    assert chosen(tmp_path, monkeypatch, DOCKER_HOST="tcp://h", DOCKER_TLS_VERIFY="1").docker.tls_verify
