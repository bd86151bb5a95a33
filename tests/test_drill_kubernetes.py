"""The drill's cluster, met by the clients that meet real ones: kubectl and kubernetes_asyncio."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from kubernetes_asyncio import client, config, watch

from nexconsole.drill.kubernetes import patches, protobuf, selectors
from nexconsole.drill.kubernetes.cluster import DrillCluster, Earlier
from nexconsole.drill.kubernetes.store import Store
from nexconsole.drill.log import ContainerLog

KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
PACE = 0.02  # of a real second
PATIENCE_S = 20.0
NAME = "nexnum-app"
DEPLOYMENT = f"/apis/apps/v1/namespaces/default/deployments/{NAME}"
PODS = "/api/v1/namespaces/default/pods"


class FakeContainer:
    def __init__(self) -> None:
        self.log = ContainerLog()
        self.started_at = datetime.now(UTC)
        self.dead = False
        self.serving = True

    def ready(self) -> bool:
        return self.serving and not self.dead

    def alive(self) -> bool:
        return not self.dead


class FakeRuntime:
    def __init__(self) -> None:
        self.running: dict[str, FakeContainer] = {}
        self.images: dict[str, str] = {}
        self.started = 0
        self.failing = False

    async def start(self, pod_name: str, image: str) -> FakeContainer:
        if self.failing:
            raise OSError("no room for another process")
        self.started += 1
        self.images[pod_name] = image
        container = self.running[pod_name] = FakeContainer()
        container.log.append(f"listening, start {self.started}")
        return container

    async def stop(self, pod_name: str) -> None:
        self.running.pop(pod_name).log.append("SIGTERM received")


class Lab:
    """A cluster with its runtime, and three ways to talk to it."""

    def __init__(self, cluster: DrillCluster, runtime: FakeRuntime, folder) -> None:
        self.cluster = cluster
        self.runtime = runtime
        self.folder = folder

    def kubeconfig(self, role: str = "admin") -> str:
        path = self.folder / f"{role}.yaml"
        path.write_text(self.cluster.kubeconfig(self.cluster.tokens[role]))
        return str(path)

    async def kubectl(self, *words: str, role: str = "admin", fails: bool = False) -> str:
        process = await self.spawn(*words, role=role)
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert (process.returncode != 0) is fails, out.decode()
        return out.decode()

    async def spawn(self, *words: str, role: str = "admin") -> asyncio.subprocess.Process:
        env = os.environ | {"KUBECONFIG": self.kubeconfig(role), "KUBECACHEDIR": str(self.folder / "cache")}
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
        return await asyncio.create_subprocess_exec(KUBECTL, *words, env=env, **pipes)

    async def http(self, method: str, path: str, *, role: str = "admin", headers=None, **body):
        context = ssl.create_default_context(cadata=self.cluster._authority)
        sent = {"Authorization": f"Bearer {self.cluster.tokens.get(role, role)}", **(headers or {})}
        async with aiohttp.ClientSession() as session:
            async with session.request(method, self.cluster.url + path, ssl=context, headers=sent, **body) as answer:
                return answer.status, await answer.json()

    async def client(self, role: str = "admin") -> client.ApiClient:
        configuration = client.Configuration()
        await config.load_kube_config(self.kubeconfig(role), client_configuration=configuration)
        return client.ApiClient(configuration)

    async def until(self, condition) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, "waited in vain"
            await asyncio.sleep(0.01)

    def deployment(self) -> dict:
        return self.cluster.store.get("deployments", "default", NAME)

    def complete(self) -> bool:
        obj = self.deployment()
        status, wanted = obj["status"], obj["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        return counts == [wanted] * 3 and status["observedGeneration"] == obj["metadata"]["generation"]


@asynccontextmanager
async def staged(folder, **options):
    runtime = FakeRuntime()
    cluster = DrillCluster(
        runtime, **{"pace": PACE, "seed": 7, "secret": {"DATABASE_URL": "postgresql://x"}, **options}
    )
    await cluster.start()
    try:
        yield Lab(cluster, runtime, folder)
    finally:
        await cluster.close()
    assert not runtime.running


@pytest.fixture
async def lab(tmp_path):
    async with staged(tmp_path, age_s=172_800) as lab:
        await lab.until(lab.complete)
        yield lab


# kubectl ------------------------------------------------------------------------------------------------


@needs_kubectl
async def test_kubectl_shows_pods_deployment_and_autoscaler_as_tables(lab):
    pods = await lab.kubectl("get", "pods", "-o", "wide")
    assert pods.split()[:9] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE"]
    assert pods.count(" 1/1 ") == 3
    assert " 2d " in pods
    assert "3/3     3            3" in await lab.kubectl("get", "deploy")
    assert "Deployment/nexnum-app" in await lab.kubectl("get", "hpa")
    everything = json.loads(await lab.kubectl("get", "pods,deploy,rs,hpa", "-o", "json"))
    kinds = [item["kind"] for item in everything["items"]]
    assert kinds == ["Pod"] * 3 + ["Deployment", "ReplicaSet", "HorizontalPodAutoscaler"]
    assert all(item["metadata"]["uid"] and item["metadata"]["resourceVersion"] for item in everything["items"])


@needs_kubectl
async def test_kubectl_restarts_follows_and_undoes_a_rollout(lab):
    before = set(lab.runtime.running)
    await lab.kubectl("rollout", "restart", f"deploy/{NAME}")
    told = await lab.kubectl("rollout", "status", f"deploy/{NAME}", "--timeout=15s")
    assert "successfully rolled out" in told
    await lab.until(lambda: len(lab.runtime.running) == 3)
    assert not before & set(lab.runtime.running)
    history = await lab.kubectl("rollout", "history", f"deploy/{NAME}")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
    await lab.kubectl("rollout", "undo", f"deploy/{NAME}")
    await lab.kubectl("rollout", "status", f"deploy/{NAME}", "--timeout=15s")
    history = await lab.kubectl("rollout", "history", f"deploy/{NAME}")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["2", "3"]


@needs_kubectl
async def test_a_release_before_this_world_is_in_the_history_and_only_its_undo_brings_the_older_image_back(tmp_path):
    def images():
        return {lab.runtime.images[name] for name in lab.runtime.running}

    async with staged(tmp_path, age_s=7200, image="app:2", earlier=Earlier("app:1", 480)) as lab:
        await lab.until(lab.complete)
        assert images() == {"app:2"}
        history = await lab.kubectl("rollout", "history", f"deploy/{NAME}")
        assert [line.split() for line in history.splitlines()[2:4]] == [
            ["1", "release", "1"],
            ["2", "release", "2"],
        ]
        pods = await lab.kubectl("get", "pods")
        assert [line.split()[-1][:2] for line in pods.splitlines()[1:]] == ["8m"] * 3
        assert "120m" in await lab.kubectl("get", "deploy")
        await lab.kubectl("scale", f"deploy/{NAME}", "--replicas=4")
        await lab.kubectl("rollout", "restart", f"deploy/{NAME}")
        await lab.until(lambda: lab.complete() and len(lab.runtime.running) == 4)
        assert images() == {"app:2"}
        await lab.kubectl("rollout", "undo", f"deploy/{NAME}", "--to-revision=1")
        await lab.until(lambda: lab.complete() and len(lab.runtime.running) == 4)
        assert images() == {"app:1"}


@needs_kubectl
async def test_kubectl_scales_and_waits_for_a_deleted_pod_to_be_gone(lab):
    await lab.kubectl("scale", f"deploy/{NAME}", "--replicas=5", "--current-replicas=3")
    await lab.until(lambda: lab.complete() and len(lab.runtime.running) == 5)
    victim = lab.cluster.pods[0].name
    assert "deleted" in await lab.kubectl("delete", "pod", victim)
    assert victim not in lab.runtime.running
    await lab.until(lambda: lab.complete() and len(lab.runtime.running) == 5)
    gone = await lab.kubectl("get", "pod", victim, fails=True)
    assert f'Error from server (NotFound): pods "{victim}" not found' in gone


@needs_kubectl
async def test_kubectl_reads_and_follows_logs(lab):
    pod = lab.cluster.pods[0]
    pod.container.log.lines[0] = (datetime.now(UTC) - timedelta(hours=1), "an old line")
    pod.container.log.append("a new line")
    assert await lab.kubectl("logs", pod.name) == "an old line\na new line\n"
    assert await lab.kubectl("logs", pod.name, "--tail=1") == "a new line\n"
    assert await lab.kubectl("logs", pod.name, "--since=10m") == "a new line\n"
    prefixed = await lab.kubectl("logs", "-l", f"app={NAME}", "--prefix", "--timestamps", "--tail=1")
    assert len(prefixed.splitlines()) == 3
    assert f"[pod/{pod.name}/{NAME}] {datetime.now(UTC):%Y-%m-%dT}" in prefixed
    assert "previous terminated container" in await lab.kubectl("logs", pod.name, "--previous", fails=True)
    follower = await lab.spawn("logs", "-f", pod.name, "--tail=1")
    assert await asyncio.wait_for(follower.stdout.readline(), PATIENCE_S) == b"a new line\n"
    pod.container.log.append("while you watch")
    assert await asyncio.wait_for(follower.stdout.readline(), PATIENCE_S) == b"while you watch\n"
    pod.container.log.close()
    assert await asyncio.wait_for(follower.wait(), PATIENCE_S) == 0


@needs_kubectl
async def test_kubectl_watches_a_pod_being_replaced(lab):
    watcher = await lab.spawn("get", "pods", "-w", "--output-watch-events")
    lines = [await asyncio.wait_for(watcher.stdout.readline(), PATIENCE_S) for _ in range(4)]
    assert [line.split()[0] for line in lines] == [b"EVENT", b"ADDED", b"ADDED", b"ADDED"]
    victim = lab.cluster.pods[0].name
    await lab.kubectl("delete", "pod", victim, "--wait=false")
    seen = ""
    while "DELETED" not in seen:
        seen += (await asyncio.wait_for(watcher.stdout.readline(), PATIENCE_S)).decode()
    watcher.terminate()
    await watcher.communicate()
    assert "Terminating" in seen
    assert "ContainerCreating" in seen
    assert victim in seen.splitlines()[-1]


@needs_kubectl
async def test_kubectl_describes_what_happened(lab):
    await lab.kubectl("scale", f"deploy/{NAME}", "--replicas=4")
    await lab.until(lab.complete)
    described = await lab.kubectl("describe", "deploy", NAME)
    assert "4 desired | 4 updated | 4 total | 4 available | 0 unavailable" in described
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in described
    assert "Scaled up replica set" in described
    pod = await lab.kubectl("describe", "pod", lab.cluster.pods[-1].name)
    assert "Successfully assigned default/" in pod
    assert f"Controlled By:  ReplicaSet/{NAME}-" in pod


@needs_kubectl
async def test_a_dry_run_says_what_would_be_and_changes_nothing(lab):
    patch = ["patch", "deploy", NAME, "-p", '{"spec":{"replicas":7}}']
    assert await lab.kubectl(*patch, "--dry-run=server", "-o", "jsonpath={.spec.replicas}") == "7"
    await lab.kubectl("delete", "pod", lab.cluster.pods[0].name, "--dry-run=server")
    assert lab.deployment()["spec"]["replicas"] == 3
    assert len(lab.cluster.pods) == 3


@needs_kubectl
async def test_a_role_may_what_it_says_it_may(lab):
    assert await lab.kubectl("auth", "can-i", "patch", "deployments") == "yes\n"
    for verb in (["patch", "deployments"], ["get", "pods", "--subresource=log"], ["get", "secrets"]):
        assert await lab.kubectl("auth", "can-i", *verb, role="viewer", fails=True) == "no\n"
    assert await lab.kubectl("auth", "can-i", "get", "pods", "--subresource=log", role="reader") == "yes\n"
    assert "deployments.apps" in await lab.kubectl("auth", "can-i", "--list", role="viewer")
    assert "Running" in await lab.kubectl("get", "pods", role="viewer")
    refused = await lab.kubectl("rollout", "restart", f"deploy/{NAME}", role="viewer", fails=True)
    told = 'User "system:serviceaccount:default:viewer" cannot patch resource "deployments" in API group "apps"'
    assert told in refused
    assert "pods/log" in await lab.kubectl("logs", lab.cluster.pods[0].name, role="viewer", fails=True)
    assert "cannot list" in await lab.kubectl("get", "pods", role="nobody", fails=True)


# behaviour ----------------------------------------------------------------------------------------------


async def test_a_rolling_update_never_has_fewer_or_more_pods_than_it_may(tmp_path):
    async with staged(tmp_path, replicas=4, pace=0.05) as lab:
        await lab.until(lab.complete)
        seen = []
        patch = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
        kind = {"Content-Type": "application/strategic-merge-patch+json"}
        status, obj = await lab.http("PATCH", DEPLOYMENT, headers=kind, data=json.dumps(patch))
        assert (status, obj["metadata"]["generation"]) == (200, 2)

        def done():
            live = lab.cluster.pods
            seen.append((len(live), sum(pod.ready for pod in live)))
            return lab.complete() and len(lab.runtime.running) == 4

        await lab.until(done)
        assert max(pods for pods, _ in seen) == 5
        assert min(ready for _, ready in seen) >= 3


async def test_a_container_that_fails_its_liveness_is_restarted_and_then_backed_off(lab):
    pod = lab.cluster.pods[0]

    def status():
        return lab.cluster.store.get("pods", "default", pod.name)["status"]["containerStatuses"][0]

    first = pod.container
    first.log.append("last words")
    first.dead = True
    await lab.until(lambda: pod.restarts == 1 and pod.ready)
    assert status()["lastState"]["terminated"]["reason"] == "Error"
    assert status()["restartCount"] == 1
    pod.container.dead = True
    await lab.until(lambda: status()["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert "back-off 10s" in status()["state"]["waiting"]["message"]
    await lab.until(lambda: pod.restarts == 2 and pod.ready and lab.complete())


async def test_a_pod_that_is_not_ready_is_counted_but_not_restarted(lab):
    pod = lab.cluster.pods[0]
    pod.container.serving = False
    await lab.until(lambda: lab.deployment()["status"].get("readyReplicas") == 2)
    available = next(c for c in lab.deployment()["status"]["conditions"] if c["type"] == "Available")
    assert available["status"] == "False"
    pod.container.serving = True
    await lab.until(lab.complete)
    assert pod.restarts == 0


async def test_a_rollout_of_pods_that_never_start_keeps_the_old_ones_and_misses_its_deadline(lab):
    old = set(lab.runtime.running)
    lab.runtime.failing = True
    patch = {"spec": {"progressDeadlineSeconds": 20, "template": {"metadata": {"annotations": {"a": "b"}}}}}
    kind = {"Content-Type": "application/merge-patch+json"}
    await lab.http("PATCH", DEPLOYMENT, headers=kind, data=json.dumps(patch))

    def reason():
        conditions = lab.deployment()["status"]["conditions"]
        return next(c["reason"] for c in conditions if c["type"] == "Progressing")

    await lab.until(lambda: reason() == "ProgressDeadlineExceeded")
    assert set(lab.runtime.running) == old
    lab.runtime.failing = False
    await lab.until(lab.complete)
    assert reason() == "NewReplicaSetAvailable"


async def test_the_autoscaler_takes_a_deployment_back_into_its_bounds(lab):
    kind = {"Content-Type": "application/merge-patch+json"}
    await lab.http("PATCH", f"{DEPLOYMENT}/scale", headers=kind, data='{"spec":{"replicas":1}}')
    await lab.until(lambda: lab.deployment()["spec"]["replicas"] == 2)
    hpa = lab.cluster.store.objects("horizontalpodautoscalers")[0]
    assert hpa["status"]["desiredReplicas"] == 2
    active = next(c for c in hpa["status"]["conditions"] if c["type"] == "ScalingActive")
    assert active["reason"] == "FailedGetResourceMetric"


async def test_the_autoscaler_follows_what_the_pods_use(tmp_path):
    used = {"cpu": 140, "memory": 40}
    async with staged(tmp_path, replicas=2, utilization=lambda: used) as lab:
        await lab.until(lambda: lab.deployment()["spec"]["replicas"] >= 4)
        used["cpu"] = 70
        await lab.until(lab.complete)


async def test_closing_the_cluster_stops_every_container_and_every_watch(tmp_path):
    async with staged(tmp_path) as lab:
        api = await lab.client()
        answer = await client.CoreV1Api(api).list_namespaced_pod("default", watch=True, _preload_content=False)
        await answer.content.readline()
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 3
    answer.close()
    await api.close()


# kubernetes_asyncio and plain HTTP ----------------------------------------------------------------------


async def test_kubernetes_asyncio_lists_watches_and_follows_logs(lab):
    async with await lab.client("reader") as api:
        core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        pods = await core.list_namespaced_pod("default", label_selector=f"app={NAME}")
        assert [pod.status.phase for pod in pods.items] == ["Running"] * 3
        deployment = await apps.read_namespaced_deployment(NAME, "default")
        assert deployment.status.available_replicas == 3
        scaler = await client.AutoscalingV2Api(api).list_namespaced_horizontal_pod_autoscaler("default")
        assert scaler.items[0].spec.min_replicas == 2
        pod = lab.cluster.pods[0]
        answer = await core.read_namespaced_pod_log(
            pod.name, "default", follow=True, tail_lines=1, timestamps=True, _preload_content=False
        )
        pod.container.log.append("Zeile mit ümlaut \x1b[31m")
        assert b"listening" in await asyncio.wait_for(answer.content.readline(), PATIENCE_S)
        assert "Zeile mit ümlaut \x1b[31m".encode() in await asyncio.wait_for(answer.content.readline(), PATIENCE_S)
        answer.close()
        kinds = []
        async with watch.Watch() as watcher:
            since = pods.metadata.resource_version
            stream = watcher.stream(core.list_namespaced_pod, "default", resource_version=since, timeout_seconds=10)
            await lab.http("DELETE", f"{PODS}/{pods.items[0].metadata.name}")
            async for event in stream:
                kinds.append(event["type"])
                if event["type"] == "DELETED":
                    break
        assert {"ADDED", "MODIFIED", "DELETED"} <= set(kinds)


async def test_a_watch_ends_on_time_with_bookmarks_for_those_who_want_them(lab):
    async with await lab.client() as api:
        query = {"timeout_seconds": 1, "allow_watch_bookmarks": True, "_preload_content": False, "watch": True}
        answer = await client.CoreV1Api(api).list_namespaced_pod("default", **query)
        body = await asyncio.wait_for(answer.read(), PATIENCE_S)
        events = [json.loads(line) for line in body.splitlines()]
        assert [event["type"] for event in events] == ["ADDED"] * 3 + ["BOOKMARK"]
        assert events[-1]["object"]["metadata"]["resourceVersion"] == str(lab.cluster.store.version)


async def test_a_watch_from_outside_the_history_is_told_to_list_again(lab):
    pod = lab.cluster.store.objects("pods")[0]
    for number in range(4100):
        lab.cluster.store.change("pods", pod, lambda obj, n=number: obj["metadata"].update(annotations={"n": str(n)}))
    async with await lab.client() as api:
        for version in ("1001", "999999"):  # forgotten, and of another cluster's future
            query = {"resource_version": version, "_preload_content": False, "watch": True}
            answer = await client.CoreV1Api(api).list_namespaced_pod("default", **query)
            event = json.loads(await asyncio.wait_for(answer.content.readline(), PATIENCE_S))
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_write_on_an_old_version_conflicts(lab):
    _, obj = await lab.http("GET", DEPLOYMENT)
    status, _ = await lab.http("PUT", DEPLOYMENT, json={**obj, "spec": {**obj["spec"], "replicas": 4}})
    assert status == 200
    status, refusal = await lab.http("PUT", DEPLOYMENT, json=obj)
    assert (status, refusal["reason"]) == (409, "Conflict")
    assert "the object has been modified" in refusal["message"]
    status, refusal = await lab.http(
        "DELETE", f"{PODS}/{lab.cluster.pods[0].name}", json={"preconditions": {"uid": "x"}}
    )
    assert (status, refusal["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("kind", "body", "code", "words"),
    [
        ("merge-patch", '{"spec":{"replicas":-1}}', 422, "must be greater than or equal to 0"),
        ("merge-patch", '{"spec":{"replicas":"many"}}', 400, "int32"),
        ("merge-patch", '{"spec":{"selector":null}}', 422, "field is immutable"),
        ("merge-patch", '{"spec":{"template":{"metadata":{"labels":{"app":"x"}}}}}', 422, "does not match"),
        ("merge-patch", '{"spec":{"template":{"spec":{"containers":[]}}}}', 422, "Required value"),
        ("merge-patch", "{broken", 400, "must be of type json"),
        ("merge-patch", "[]", 400, "does not leave an object"),
        ("json-patch", '[{"op":"test","path":"/spec/replicas","value":9}]', 422, "testing value failed"),
        ("json-patch", '[{"op":"remove","path":"/spec/nothing"}]', 422, "/spec/nothing"),
        ("apply-patch", "{}", 415, "accepted media types include"),
    ],
)
async def test_a_bad_patch_is_refused_in_the_servers_own_words(lab, kind, body, code, words):
    status, refusal = await lab.http(
        "PATCH", DEPLOYMENT, headers={"Content-Type": f"application/{kind}+json"}, data=body
    )
    assert (status, refusal["code"], refusal["kind"]) == (code, code, "Status")
    assert words in refusal["message"]
    assert lab.deployment()["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("method", "path", "role", "code", "reason"),
    [
        ("GET", PODS, "no such token", 401, "Unauthorized"),
        ("GET", PODS, "nobody", 403, "Forbidden"),
        ("GET", f"{PODS}/nothing", "admin", 404, "NotFound"),
        ("GET", "/apis/batch/v1/jobs", "admin", 404, "NotFound"),
        ("POST", PODS, "admin", 405, "MethodNotAllowed"),
        ("GET", f"{PODS}?fieldSelector=spec.colour%3Dred", "admin", 400, "BadRequest"),
        ("GET", f"{PODS}?watch=1&resourceVersion=abc", "admin", 400, "BadRequest"),
    ],
)
async def test_a_request_that_cannot_be_served_gets_a_status(lab, method, path, role, code, reason):
    status, refusal = await lab.http(method, path, role=role)
    assert (status, refusal["code"], refusal["reason"]) == (code, code, reason)


async def test_discovery_is_plain_for_those_who_do_not_ask_for_more(lab):
    _, plain = await lab.http("GET", "/apis")
    assert [group["name"] for group in plain["groups"]] == [
        "apps",
        "autoscaling",
        "authentication.k8s.io",
        "authorization.k8s.io",
    ]
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    _, aggregated = await lab.http("GET", "/apis", headers=accept)
    assert aggregated["kind"] == "APIGroupDiscoveryList"
    _, apps = await lab.http("GET", "/apis/apps/v1")
    assert [entry["name"] for entry in apps["resources"]] == ["deployments", "deployments/scale", "replicasets"]


async def test_a_client_that_goes_in_the_middle_of_a_stream_leaves_no_complaint(lab, caplog):
    async with await lab.client() as api:
        core, pod = client.CoreV1Api(api), lab.cluster.pods[0]
        log = await core.read_namespaced_pod_log(pod.name, "default", follow=True, _preload_content=False)
        await log.content.readline()
        changes = await core.list_namespaced_pod("default", watch=True, _preload_content=False)
        await changes.content.readline()
        for stream in (log, changes):
            stream.close()
    for number in range(50):
        pod.container.log.append(f"to nobody {number}")
        await asyncio.sleep(0.002)
    await lab.http("DELETE", f"{PODS}/{pod.name}")
    await lab.until(lambda: pod.name not in lab.runtime.running)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_the_secret_holds_what_the_caller_gave(lab):
    async with await lab.client() as api:
        secret = await client.CoreV1Api(api).read_namespaced_secret("nexnum-secrets", "default")
        assert secret.data == {"DATABASE_URL": "cG9zdGdyZXNxbDovL3g="}
    status, _ = await lab.http("GET", "/api/v1/namespaces/default/secrets/nexnum-secrets", role="reader")
    assert status == 403


# parts --------------------------------------------------------------------------------------------------


# what real clusters have besides ----------------------------------------------------------------------------


STRANGERS = {"Evicted", "Completed", "Running", "Terminating"}


@needs_kubectl
async def test_pods_that_only_share_the_labels_are_listed_and_the_deployment_is_none_the_worse(lab):
    lab.cluster.strangers.come()
    printed = await lab.kubectl("get", "pods", "-l", f"app={NAME}", "--no-headers")
    statuses = [line.split()[2] for line in printed.splitlines()]
    assert len(statuses) == 8 and set(statuses) == STRANGERS
    assert len(lab.cluster.pods) == 3 and lab.complete()
    started = lab.runtime.started
    assert await lab.kubectl("get", "pod", f"{NAME}-debug", "-o", "jsonpath={.metadata.ownerReferences}") == ""
    assert await lab.kubectl("logs", f"{NAME}-debug") == ""
    await lab.kubectl("scale", f"deployment/{NAME}", "--replicas=4")
    await lab.until(lambda: lab.complete() and len(lab.cluster.pods) == 4)
    assert lab.runtime.started == started + 1
    await lab.kubectl("delete", "pod", f"{NAME}-debug", "--wait=false")
    lab.cluster.strangers.go()
    await lab.until(lambda: len(lab.cluster.store.objects("pods")) == 4)


@needs_kubectl
async def test_a_sidecar_before_the_application_is_a_rollout_and_the_annotation_says_whose_log_is_meant(lab):
    lab.cluster.inject_sidecar(True)
    await lab.until(lambda: lab.complete() and all(pod.beside.total for pod in lab.cluster.pods))
    [first, *_] = lab.cluster.pods
    table = await lab.kubectl("get", "pod", first.name, "--no-headers")
    assert table.split()[1] == "2/2"
    assert "listening" in await lab.kubectl("logs", first.name)  # kubectl honours the annotation
    assert "Envoy" in await lab.kubectl("logs", first.name, "-c", "istio-proxy")
    status, said = await lab.http("GET", f"{PODS}/{first.name}/log")
    assert (status, said["message"]) == (
        400,
        f"a container name must be specified for pod {first.name}, choose one of: [istio-proxy {NAME}]",
    )
    assert await lab.kubectl("logs", first.name, "-c", "elsewhere", fails=True)
    lab.cluster.release("nexnum-app:2")
    images = lab.runtime.images
    await lab.until(lambda: lab.complete() and {images[pod.name] for pod in lab.cluster.pods} == {"nexnum-app:2"})
    containers = lab.deployment()["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["docker.io/istio/proxyv2:1.22.3", "nexnum-app:2"]
    lab.cluster.inject_sidecar(False)
    await lab.until(lab.complete)
    assert len(lab.deployment()["spec"]["template"]["spec"]["containers"]) == 1


@needs_kubectl
async def test_an_admission_webhook_denies_every_change_with_its_reason_and_dry_runs_too(lab):
    lab.cluster.troubles.freeze = "change freeze until Monday"
    words = 'admission webhook "change-freeze.nexnum.example" denied the request: change freeze until Monday'
    for change in (
        ("scale", f"deployment/{NAME}", "--replicas=5"),
        ("rollout", "restart", f"deployment/{NAME}"),
        ("delete", "pod", lab.cluster.pods[0].name),
        ("delete", "pod", lab.cluster.pods[0].name, "--dry-run=server"),
    ):
        assert words in await lab.kubectl(*change, fails=True)
    status, said = await lab.http("DELETE", f"{PODS}/{lab.cluster.pods[0].name}")
    assert (status, said["code"], said["reason"], said["message"]) == (403, 403, "Forbidden", words)
    assert "nexnum-app" in await lab.kubectl("get", "deployments")
    lab.cluster.troubles.freeze = ""
    await lab.kubectl("scale", f"deployment/{NAME}", "--replicas=4")


async def test_a_kubelet_that_hangs_answers_no_log_and_sends_nothing_on_those_that_it_has_answered(lab):
    pods = {lab.cluster.store.get("pods", "default", pod.name)["spec"]["nodeName"]: pod for pod in lab.cluster.pods}
    context = ssl.create_default_context(cadata=lab.cluster._authority)
    login = {"Authorization": f"Bearer {lab.cluster.tokens['admin']}"}
    hung, well = pods["drill-node-2"], pods["drill-node-1"]
    async with aiohttp.ClientSession(lab.cluster.url, headers=login) as session:
        async with session.get(f"{PODS}/{hung.name}/log?follow=true", ssl=context) as open_before:
            assert b"listening" in await open_before.content.readline()
            lab.cluster.troubles.hanging = frozenset({"drill-node-2"})
            lab.runtime.running[hung.name].log.append("nobody reads this yet")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(open_before.content.readline(), 0.4)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.get(f"{PODS}/{hung.name}/log", ssl=context), 0.4)
            async with session.get(f"{PODS}/{well.name}/log", ssl=context) as other:
                assert b"listening" in await other.read()
            lab.cluster.troubles.hanging = frozenset()
            assert b"nobody reads" in await asyncio.wait_for(open_before.content.readline(), 20)


def test_a_strategic_merge_meets_list_items_by_name():
    old = {"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}
    patch = {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b", "$patch": "delete"}]}
    env = [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]
    assert patches.strategic(old, patch) == {"containers": [{"name": "a", "image": "1", "env": env}]}
    assert old["containers"][1] == {"name": "b"}


def test_a_json_patch_is_applied_whole_or_not_at_all():
    old = {"a": [1, 2], "b/c": {"d": 1}}
    steps = [{"op": "add", "path": "/a/-", "value": 3}, {"op": "move", "from": "/b~1c/d", "path": "/e"}]
    assert patches.json_patch(old, steps) == {"a": [1, 2, 3], "b/c": {}, "e": 1}
    with pytest.raises(patches.PatchError):
        patches.json_patch(old, [*steps, {"op": "replace", "path": "/a/9", "value": 0}])
    assert old == {"a": [1, 2], "b/c": {"d": 1}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=x", True),
        ("app==x,tier!=db", True),
        ("app in (x, y),!gone", True),
        ("app notin (x)", False),
        ("tier", False),
        ("app=x,pod-template-hash", False),
    ],
)
def test_a_label_selector_matches_as_kubernetes_says(selector, matches):
    assert selectors.labels(selector)({"metadata": {"labels": {"app": "x"}}}) is matches


def test_a_selector_that_cannot_be_parsed_is_refused():
    for text in ("a in (", "=x", "a,,b", "a=b c"):
        with pytest.raises(selectors.SelectorError):
            selectors.labels(text)


def test_a_damaged_protobuf_body_is_a_value_error():
    for body in (b"", b"{}", b"k8s\x00\xff\xff", b"k8s\x00\x12\x7fabc", b"k8s\x00\x0a\x04\x12\x02ab"):
        with pytest.raises(ValueError):
            protobuf.review(body)


async def test_who_waits_for_a_change_can_be_ended_in_the_moment_of_one() -> None:
    store = Store(random.Random(1))

    async def watching() -> None:
        while True:
            await store.moved(store.version, 5.0)

    watcher = asyncio.create_task(watching())
    await asyncio.sleep(0)
    for number in range(3):
        store.create("pods", {"metadata": {"name": f"pod-{number}", "namespace": "default"}})
        await asyncio.sleep(0)
    store.create("pods", {"metadata": {"name": "last", "namespace": "default"}})
    await asyncio.sleep(0)
    watcher.cancel()
    await asyncio.wait({watcher}, timeout=2.0)
    assert watcher.cancelled()
