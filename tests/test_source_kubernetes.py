"""The Kubernetes source against the drill's cluster, and against far sides that nobody wants."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from remote_console import GARBAGE, HTML, REDIRECT, tcp_server
from small_cluster import SmallCluster, kubernetes_on_port, small_cluster, until

from nexconsole.drill.kubernetes import pod_logs
from nexconsole.errors import BadAnswer, Denied, NexConsoleError, SourceError, TimedOut, Unreachable
from nexconsole.model import utc_now
from nexconsole.settings import KubernetesSettings
from nexconsole.sources import cluster_access, logs, stamped
from nexconsole.sources.breakers import OPEN
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.lazy_clients import LazyClients
from nexconsole.sources.pod_log import PodLog


@pytest.fixture
async def small(tmp_path: Path):
    async with small_cluster(tmp_path, secret={"DATABASE_URL": "postgresql://u:p@h/db"}) as cluster:
        yield cluster


def answer(status: int, body: object, kind: str = "application/json", more: str = "") -> bytes:
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(text)}\r\n\r\n".encode() + text


def refusal(status: int, message: str) -> bytes:
    return answer(status, {"kind": "Status", "status": "Failure", "message": message, "code": status})


async def test_deployment_pods_and_autoscaler_are_read(small: SmallCluster) -> None:
    source = small.source()
    deployment = await source.deployment()
    assert (deployment.metadata.name, deployment.spec.replicas) == ("nexnum-app", 3)
    pods = await source.pods()
    assert sorted(pod.metadata.name for pod in pods) == sorted(small.machine.running)
    assert all(pod.container("").state.running.started_at for pod in pods)
    autoscaler = await source.autoscaler()
    assert (autoscaler.metadata.name, autoscaler.spec.max_replicas) == ("nexnum-hpa", 10)
    assert source.health.error is None
    assert source.health.latency_ms > 0
    assert source.address == small.cluster.url.removeprefix("https://")


async def test_the_kubeconfig_is_read_beside_the_loop_by_whoever_asks_first(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    read = cluster_access.access

    def noted(*arguments: Any) -> cluster_access.Access:
        readers.append(threading.current_thread())
        return read(*arguments)

    monkeypatch.setattr(cluster_access, "access", noted)
    asked = (stamped.deployment, stamped.autoscaler, stamped.events)
    for ask in asked:
        await ask(small.source())
    assert len(readers) >= len(asked) and threading.main_thread() not in readers


async def test_no_authorities_but_the_kubeconfig_s_are_read(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **options: read.append(options))
    source = small.source()
    assert await source.pods() and not read
    await source.close()


async def test_a_fresh_enough_list_of_pods_is_not_asked_for_again(small: SmallCluster) -> None:
    source = small.source()
    assert await source.pods() is await source.pods(max_age_s=60)
    assert await source.pods() is not await source.pods()


async def test_what_the_account_may_do_can_be_asked(small: SmallCluster) -> None:
    viewer = small.source("viewer")
    assert (await viewer.allowed("list", "pods"))[0]
    assert not (await viewer.allowed("get", "pods", "log"))[0]
    assert not (await viewer.allowed("patch", "deployments.apps", "scale"))[0]
    assert (await small.source("operator").allowed("patch", "deployments.apps", "scale"))[0]


async def test_a_secret_is_read_where_it_may_be(small: SmallCluster) -> None:
    assert (await small.source("admin").secret("nexnum-secrets"))["DATABASE_URL"] == "postgresql://u:p@h/db"
    with pytest.raises(Denied, match="may not get secrets in namespace default: grant get on secrets"):
        await small.source("reader").secret("nexnum-secrets")


async def test_a_missing_right_is_named(small: SmallCluster) -> None:
    nobody = small.source("nobody")
    with pytest.raises(Denied, match=r"may not get deployments.apps .*grant get on deployments.apps$"):
        await nobody.deployment()
    with pytest.raises(Denied, match=r"grant get on deployments.apps, or set kubernetes.selector"):
        await nobody.pods()
    assert nobody.health.kind == "denied"
    with pytest.raises(Denied, match="grant list on pods"):
        await small.source("nobody", selector="app=nexnum-app").pods()


async def test_a_right_that_only_the_autoscaler_needs_does_not_make_the_source_ill(small: SmallCluster) -> None:
    source = small.source("nobody")
    with pytest.raises(Denied, match="horizontalpodautoscalers"):
        await source.autoscaler()
    assert source.health.error is None


async def test_a_deployment_that_is_not_there_says_which_setting(small: SmallCluster) -> None:
    with pytest.raises(SourceError, match=r"no deployment nexnum-api in namespace default: set kubernetes.deployment"):
        await small.source(deployment="nexnum-api").deployment()


async def test_an_expired_token_is_denied_and_a_new_one_in_the_kubeconfig_is_taken(small: SmallCluster) -> None:
    source = small.source()
    small.write_kubeconfig("operator", token="an-old-token")
    with pytest.raises(Denied, match="answers 401 to the kubeconfig's token"):
        await source.deployment()
    small.write_kubeconfig("operator")
    assert await source.deployment()


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        (None, TimedOut, "did not answer the deployment query within 0.5 s"),
        (b"", Unreachable, "dropped the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", Unreachable, "dropped"),
        (GARBAGE, BadAnswer, "does not speak HTTP"),
        (HTML, BadAnswer, "HTML instead of JSON"),
        (REDIRECT, BadAnswer, "redirects"),
        (answer(200, {"metadata": []}), BadAnswer, "not Kubernetes"),
        (answer(200, "x" * 30)[:-4] + b"}}}}", BadAnswer, "not Kubernetes"),
        (refusal(401, "Unauthorized"), Denied, "401"),
        (refusal(403, 'User "\x1b[31msam" cannot get resource'), Denied, "account sam may not get deployments.apps"),
        (answer(404, {}, "text/html"), BadAnswer, "is this a Kubernetes API server"),
        (refusal(503, "apiserver is shutting down"), Unreachable, "apiserver is shutting down"),
        (refusal(500, "etcd leader changed"), SourceError, "etcd leader changed"),
    ],
)
async def test_a_far_side_out_of_order_is_one_sentence(sent, kind, words, tmp_path: Path) -> None:
    async with tcp_server(sent) as port:
        source = kubernetes_on_port(tmp_path, port)
        with pytest.raises(kind, match=words) as caught:
            await source.deployment()
        assert "\x1b" not in str(caught.value)
        assert source.health.error == str(caught.value)
        await source.close()


async def test_a_refused_connection_and_a_port_without_tls_are_said(tmp_path: Path) -> None:
    source = kubernetes_on_port(tmp_path, 1)
    with pytest.raises(Unreachable, match="refused"):
        await source.deployment()
    await source.close()
    async with tcp_server(HTML) as port:
        source = kubernetes_on_port(tmp_path, port, "https")
        with pytest.raises(Unreachable, match="TLS"):
            await source.deployment()
        await source.close()


async def test_an_authority_that_is_not_the_cluster_s_is_said(small: SmallCluster, tmp_path: Path) -> None:
    source = kubernetes_on_port(tmp_path, int(small.cluster.url.rpartition(":")[2]), "https")
    with pytest.raises(Unreachable, match="certificate can't be verified"):
        await source.deployment()


@pytest.mark.parametrize("text", ["", "a: [", "[]", "clusters: 5", "current-context: x", "contexts: []\nclusters: []"])
async def test_a_file_that_is_no_kubeconfig_is_an_expected_failure(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(NexConsoleError, match="kubeconfig"):
        await KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(path))).deployment()


async def test_a_kubeconfig_that_is_not_there_or_not_ours_to_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not exist: set kubernetes\.kubeconfig"):
        await KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(tmp_path / "none"))).deployment()
    with pytest.raises(SourceError, match="kubeconfig in-cluster can't be used"):
        await KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig="in-cluster")).deployment()


# --- following logs


def states(source: KubernetesSource) -> list[str]:
    return sorted(breaker.state for pod in source.logs.followed.values() for breaker in pod.breakers.breakers.values())


def followed(source: KubernetesSource) -> list[PodLog]:
    return sorted(source.logs.followed.values(), key=lambda pod: pod.name)


async def test_the_first_start_has_read_what_was_there(small: SmallCluster) -> None:
    for number, process in enumerate(small.processes()):
        for _ in range(1500):
            process.log.append("some other line")
        process.log.append(f"[DynamicProvider:smsbower] Circuit {('OPEN', 'HALF-OPEN', 'CLOSED')[number]} - x")
    source = small.source()
    await source.logs.start(20.0)
    assert states(source) == ["closed", "half-open", "open"]
    assert all(pod.breakers.covered for pod in followed(source))


async def test_a_breaker_s_line_wakes_at_once(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    for _ in range(5):
        source.logs.wake.clear()
        small.processes()[0].log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
        async with asyncio.timeout(20):
            await source.logs.wake.wait()


async def test_a_pod_that_is_restarted_starts_anew_and_one_that_goes_is_let_go(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.sources.logs.PODS_EVERY_S", 0.1)
    source = small.source()
    small.processes()[0].log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
    await source.logs.start(5.0)
    assert states(source) == ["open"]
    restarted = followed(source)[0]
    await asyncio.sleep(1.1)  # the API tells when a container began in whole seconds
    small.processes()[0].dead = True
    small.machine.running[restarted.name].log.close()
    await until(lambda: restarted.breakers.breakers["smsbower"].state == "unknown")
    await until(lambda: restarted.name in small.machine.running and not small.machine.running[restarted.name].dead)
    small.machine.running[restarted.name].log.append("[DynamicProvider:smsbower] Circuit HALF-OPEN - Testing")
    await until(lambda: states(source) == ["half-open"])
    assert source.logs.breakers.traffic["smsbower"].counts["open"].total(restarted.started_at) == 1
    deployment = small.cluster.store.objects("deployments")[0]
    small.cluster.store.change("deployments", deployment, lambda obj: obj["spec"].update(replicas=2))
    await until(lambda: len(source.logs.followed) == source.logs.pods == 2)


async def test_a_dropped_stream_goes_on_where_it_was(small: SmallCluster) -> None:
    source = small.source()
    process = small.processes()[0]
    process.log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
    await source.logs.start(5.0)
    pod = followed(source)[0]
    for number in range(3):
        source.logs._follow(pod)
        process.log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
        await until(lambda wanted=number + 2: len(pod.breakers.breakers["smsbower"].openings) == wanted)
    await asyncio.sleep(0.2)
    assert len(pod.breakers.breakers["smsbower"].openings) == 4


async def test_following_ends_no_more_pods_than_allowed_and_counts_the_rest(small: SmallCluster) -> None:
    source = small.source(follow_pods=2)
    await source.logs.start(5.0)
    assert (len(source.logs.followed), source.logs.pods) == (2, 3)


async def test_a_missing_right_to_logs_is_known_for_each_pod(small: SmallCluster) -> None:
    source = small.source("viewer")
    await source.logs.start(5.0)
    assert all("grant get on pods/log" in str(pod.error) for pod in followed(source))
    assert source.health.error is None


async def test_a_line_of_a_megabyte_does_no_harm_to_the_lines_around_it(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    log = small.processes()[0].log
    log.append("[DynamicProvider:" + "x" * 1_000_000)
    log.append("\x1b]0;title\x07[DynamicProvider:[red]x[/]] Circuit OPEN - Failing fast")
    await until(lambda: states(source) == [OPEN])
    assert list(followed(source)[0].breakers.breakers) == ["[red]x[/]"]


async def test_after_the_api_s_return_logs_are_followed_again_within_five_seconds(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    process, port = small.processes()[0], int(small.cluster.url.rpartition(":")[2])
    server = small.cluster._runner
    site = next(iter(server.sites))
    await site.stop()
    for connection in list(server.server.connections):
        connection.transport.abort()
    await until(lambda: source.logs.error is not None and all(pod.error for pod in followed(source)))
    process.log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
    from aiohttp import web

    await web.TCPSite(server, "127.0.0.1", port, ssl_context=site._ssl_context).start()
    async with asyncio.timeout(20):
        await until(lambda: states(source) == [OPEN] and source.logs.error is None)
    assert len(followed(source)) == 3
    assert all(pod.breakers.covered for pod in followed(source))


async def test_closing_ends_every_task_at_once(small: SmallCluster) -> None:
    source = small.source()
    await source.logs.start(5.0)
    tasks = [pod.task for pod in followed(source)]
    async with asyncio.timeout(20):
        await source.close()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.done() for task in tasks)


async def test_a_storm_of_lines_wakes_no_more_often_than_its_reader_can_bear(small: SmallCluster) -> None:
    logs = small.source().logs
    await logs.start(5.0)
    logs.rest_s = 0.3
    logs._rouse()
    logs.wake.clear()
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        logs._rouse()
    assert not logs.wake.is_set()
    await asyncio.wait_for(logs.wake.wait(), 20)
    assert asyncio.get_running_loop().time() - began > 0.25


# --- what is not read


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Pods whose kubelet takes a request for a log and never answers."""
    names: set[str] = set()
    send = pod_logs.send

    async def answer(request, log, asked, *more):
        if request.match_info.get("name") in names or any(name in request.path for name in names):
            await asyncio.Event().wait()
        return await send(request, log, asked, *more)

    monkeypatch.setattr(pod_logs, "send", answer)
    monkeypatch.setattr(logs, "ANSWER_S", 0.2)
    monkeypatch.setattr(logs, "ASK_TIMEOUT_S", 0.3)
    monkeypatch.setattr(logs, "PODS_EVERY_S", 0.1)
    return names


async def test_a_kubelet_that_never_answers_is_not_followed(small: SmallCluster, hanging: set[str]) -> None:
    source = small.source()
    hanging.add(sorted(small.machine.running)[1])
    await source.logs.start(1.0)
    assert [pod.is_followed for pod in followed(source)] == [True, False, True]
    await until(lambda: followed(source)[1].unanswered is not None)
    assert "its kubelet does not answer" in str(followed(source)[1].unanswered)
    assert source.logs.reach_s(utc_now()) is not None
    hanging.clear()
    source.logs._follow(followed(source)[1])
    await until(lambda: followed(source)[1].is_followed)
    assert followed(source)[1].unanswered is None


async def test_a_container_that_says_nothing_is_followed_once_its_kubelet_has_answered(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch, hanging: set[str]
) -> None:
    """A real API server's answer begins only with the next line."""
    send = pod_logs.send

    async def silent(request, log, asked, *more):
        if asked.follow:
            await asyncio.Event().wait()
        return await send(request, log, asked, *more)

    monkeypatch.setattr(pod_logs, "send", silent)
    source = small.source()
    await source.logs.start(0.1)
    assert not any(pod.is_followed for pod in followed(source))
    await until(lambda: all(pod.is_followed for pod in followed(source)))
    await until(source.logs.settle)
    assert all(pod.reach_s(utc_now()) > 890 for pod in followed(source))  # nothing was said in what was asked for


async def test_streams_say_nothing_of_now_while_the_api_server_does_not_answer(
    small: SmallCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PODS_EVERY_S", 0.05)
    monkeypatch.setattr(logs, "PODS_RETRY_S", 0.05)
    monkeypatch.setattr(logs, "LOST_S", 0.3)
    source = small.source()
    await source.logs.start(5.0)
    pod = followed(source)[0]
    assert not source.logs.is_lost(pod, time.monotonic())

    async def stopped(*_: object) -> None:
        raise TimedOut("kubernetes", "the API server did not answer within 3 s")

    pods = source.pods
    monkeypatch.setattr(source, "pods", stopped)
    await until(lambda: source.logs.is_lost(pod, time.monotonic()))
    assert pod.error is None and pod.lost_at is None  # its stream is open, and silent
    small.processes()[0].log.append("a line comes all the same")
    await until(lambda: not source.logs.is_lost(pod, time.monotonic()))
    assert source.logs.is_lost(followed(source)[1], time.monotonic())
    monkeypatch.setattr(source, "pods", pods)
    await until(lambda: not any(source.logs.is_lost(one, time.monotonic()) for one in followed(source)))


async def test_how_far_back_the_lines_reach_is_known(small: SmallCluster) -> None:
    now = utc_now()
    for process in small.processes():
        process.log.lines.clear()
        for number in range(50):
            process.log.append("a line", now - timedelta(seconds=100 - 2 * number))
    many, few = small.source(log_tail_lines=10), small.source(log_tail_lines=1000)
    for source in (many, few):
        await source.logs.start(5.0)
        for pod in followed(source):
            pod._restarts = 1  # an earlier process of this container has said more, which nobody reads
    assert many.logs.reach_s(now) == pytest.approx(20, abs=2)  # of the last ten
    assert few.logs.reach_s(now) > 890
    assert many.logs.reach_s(now + timedelta(seconds=60)) == pytest.approx(80, abs=2)  # it grows while it is followed


async def test_whoever_asks_at_the_same_time_waits_for_what_is_there_too(small: SmallCluster) -> None:
    small.processes()[0].log.append("[DynamicProvider:smsbower] Circuit OPEN - Failing fast")
    logs_ = small.source().logs
    seen: list[list[str]] = []

    async def ask() -> None:
        await logs_.start(5.0)
        seen.append(states(logs_.runtime))

    await asyncio.gather(ask(), ask(), ask())
    assert seen == [["open"]] * 3
