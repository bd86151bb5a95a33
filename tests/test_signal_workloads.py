"""Workloads: the rollout as kubectl judges it, pods and their reasons, the autoscaler."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_cluster import small_cluster, until

from nexconsole.drill.kubernetes import roles
from nexconsole.drill.kubernetes.cluster import Earlier
from nexconsole.model import State
from nexconsole.settings import Settings
from nexconsole.signals import releases
from nexconsole.signals.readings import read_once
from nexconsole.signals.workloads import SIGNAL, describe, judge_rollout, scale
from nexconsole.sources import Sources, resources
from nexconsole.sources.lazy_clients import LazyClients

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
AVAILABLE = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}


def deployment(replicas=3, seen=2, paused=False, conditions=(), now=3, **status) -> resources.Deployment:
    counts = {"replicas": now, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3} | status
    return msgspec.convert(
        {
            "metadata": {"generation": 2},
            "spec": {"replicas": replicas, "paused": paused},
            "status": {"observedGeneration": seen, "conditions": list(conditions), **counts},
        },
        resources.Deployment,
    )


@pytest.mark.parametrize(
    ("given", "rollout", "words"),
    [
        (deployment(), "complete", ""),
        (deployment(seen=1), "progressing", "not been taken up"),
        (deployment(updatedReplicas=1), "progressing", "1 of 3 replicas are updated"),
        (deployment(updatedReplicas=1, conditions=[QUOTA]), "progressing", "exceeded quota"),
        (deployment(now=4), "progressing", "1 old replica has yet to go"),
        (deployment(availableReplicas=1), "progressing", "1 of 3 updated replicas are available"),
        (deployment(availableReplicas=1, conditions=[AVAILABLE]), "complete", "1 of 3 updated replicas are available"),
        (deployment(availableReplicas=0, conditions=[DEADLINE]), "stuck", "deadline"),
        (
            deployment(now=4, updatedReplicas=1, conditions=[DEADLINE]),
            *("stuck", "deadline has passed: 1 of 3 replicas are updated, 3 are available, 3 old ones still run"),
        ),
        (
            deployment(updatedReplicas=2, availableReplicas=2, conditions=[DEADLINE]),
            *("stuck", "2 of 3 replicas are updated, 2 are available, 1 old one still runs"),
        ),
        (
            deployment(now=3, availableReplicas=5, conditions=[DEADLINE]),
            "stuck",
            "3 of 3 updated replicas are available",
        ),
        (deployment(paused=True, updatedReplicas=1), "paused", "1 of 3 replicas updated"),
        (deployment(0, now=0, updatedReplicas=0, availableReplicas=0), "complete", "scaled to 0"),
    ],
)
def test_a_rollout_is_judged_as_kubectl_does(given: resources.Deployment, rollout: str, words: str) -> None:
    judged, said = judge_rollout(given)
    assert judged == rollout
    assert words in said


def pod(
    state=None, last=None, ready=False, restarts=0, conditions=(), deleted=False, **status
) -> resources.PodResource:
    kept = [*conditions, {"type": "Ready", "status": str(ready), "message": "containers with unready status: [app]"}]
    container = {"name": "app", "ready": ready, "restartCount": restarts, "state": state or {}, "lastState": last or {}}
    return msgspec.convert(
        {
            "metadata": {
                "name": "p",
                "uid": "u",
                "creationTimestamp": "2026-01-10T11:00:00Z",
                **({"deletionTimestamp": "2026-01-10T11:59:00Z"} if deleted else {}),
            },
            "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Running", "conditions": kept, "containerStatuses": [container], **status},
        },
        resources.PodResource,
        strict=False,
    )


def waiting(reason: str) -> dict:
    return {"waiting": {"reason": reason}}


def ended(reason: str = "Error", code: int = 1, **more: object) -> dict:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-01-10T11:30:00Z", **more}}


OLD = {"running": {"startedAt": "2026-01-10T11:00:00Z"}}
YOUNG = {"running": {"startedAt": "2026-01-10T11:59:50Z"}}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: cpu"}
INIT = {"name": "migrate", "state": waiting("CrashLoopBackOff"), "lastState": ended(code=3)}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (pod(OLD, ready=True), ""),
        (pod(OLD, ended("OOMKilled", 137), ready=True, restarts=2), "restarted: OOMKilled"),
        (pod(OLD, ended(code=7), ready=True, restarts=1), "restarted: exit code 7"),
        (pod(waiting("CrashLoopBackOff"), ended("OOMKilled", 137), restarts=4), "CrashLoopBackOff (OOMKilled)"),
        (pod(waiting("ImagePullBackOff")), "ImagePullBackOff"),
        (pod(waiting("ContainerCreating")), "ContainerCreating"),
        (pod(ended(code=0, signal=9)), "signal 9"),
        (pod(OLD), "readiness failing"),
        (pod(YOUNG), "starting"),
        (pod(YOUNG, ended("OOMKilled", 137), restarts=1), "starting, restarted: OOMKilled"),
        (pod(OLD, ready=True, deleted=True), "Terminating"),
        (pod(None, reason="Evicted", phase="Failed"), "Evicted"),
        (pod(waiting("PodInitializing"), initContainerStatuses=[INIT]), "Init: CrashLoopBackOff (exit code 3)"),
        (pod(None, conditions=[UNSCHEDULED], containerStatuses=None), "Unschedulable: 0/3 nodes: cpu"),
    ],
)
def test_a_pod_s_reason_is_the_first_thing_in_its_way(given: resources.PodResource, reason: str) -> None:
    described = describe(given, NOW)
    assert described.reason == reason
    assert described.age_s == 3600


def test_a_restart_has_its_time_and_a_terminating_pod_is_not_ready() -> None:
    described = describe(pod(OLD, ended(), ready=True, restarts=1), NOW)
    assert (described.restarted_at, described.restarts) == (datetime(2026, 1, 10, 11, 30, tzinfo=UTC), 1)
    assert not describe(pod(OLD, ready=True, deleted=True), NOW).ready


def test_an_autoscaler_s_metrics_stand_beside_their_targets() -> None:
    def metric(name: str, part: str, **values: object) -> dict:
        return {"type": "Resource", "resource": {"name": name, part: values}}

    autoscaler = msgspec.convert(
        {
            "metadata": {"name": "hpa"},
            "spec": {
                "maxReplicas": 10,
                "metrics": [
                    metric("cpu", "target", averageUtilization=70),
                    metric("memory", "target", averageValue="400Mi"),
                    {"type": "External"},
                ],
            },
            "status": {
                "currentReplicas": 3,
                "desiredReplicas": 5,
                "currentMetrics": [metric("cpu", "current", averageUtilization=45, averageValue="1")],
            },
        },
        resources.AutoscalerResource,
    )
    shown = scale(autoscaler)
    assert (shown.minimum, shown.maximum, shown.current, shown.desired) == (1, 10, 3, 5)
    assert shown.metrics == "cpu 45/70 %, memory ?/400Mi, External"


async def test_the_deployment_with_pods_and_autoscaler_is_read_from_a_cluster(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as small:
        sources = small.sources()
        value = (await read_once(SIGNAL, sources, Settings(kubernetes=sources.kubernetes.settings))).value
        assert (value.desired, value.ready, value.rollout, len(value.pods)) == (3, 3, "complete", 3)
        assert (value.namespace, value.deployment, value.autoscaler.maximum) == ("default", "nexnum-app", 10)
        assert all(pod.ready and not pod.restarts for pod in value.pods)
        small.processes()[0].serving = False
        await until(lambda: not small.ready())
        sources.kubernetes._listed = (0.0, ())
        value = (await read_once(SIGNAL, sources, Settings(kubernetes=sources.kubernetes.settings))).value
        assert (value.ready, value.pods[0].ready, value.rollout) == (2, False, "complete")


async def test_what_may_not_be_read_is_a_note_and_the_rest_is_there(tmp_path: Path) -> None:
    async with small_cluster(tmp_path) as small:
        sources = small.sources("viewer", autoscaler="other", container="none")
        reading = await read_once(SIGNAL, sources, Settings(kubernetes=sources.kubernetes.settings))
        autoscaler, container = reading.value.notes
        assert autoscaler == (
            "autoscaler: there is no horizontalpodautoscaler other in namespace default: "
            "set kubernetes.autoscaler or kubernetes.namespace"
        )
        assert container.endswith("has no container none: it has nexnum-app; set kubernetes.container")
        assert len(reading.value.pods) == 3
        nobody = small.sources("nobody")
        reading = await read_once(SIGNAL, nobody, Settings(kubernetes=nobody.kubernetes.settings))
        assert reading.value is None
        assert "grant get on deployments.apps" in reading.error


def revision(number: int, image: str, created: str, restarted: str = "") -> resources.ReplicaSet:
    notes = {"kubectl.kubernetes.io/restartedAt": restarted} if restarted else None
    meta = {"labels": {"app": "a", "pod-template-hash": f"h{number}"}, "annotations": notes}
    return msgspec.convert(
        {
            "metadata": {"annotations": {releases.REVISION: str(number)}, "creationTimestamp": created},
            "spec": {"template": {"metadata": meta, "spec": {"containers": [{"name": "a", "image": image}]}}},
        },
        resources.ReplicaSet,
        strict=False,
    )


EARLY, LATE, LAST = "2026-01-10T04:00:00Z", "2026-01-10T11:51:00Z", "2026-01-10T11:55:00Z"


@pytest.mark.parametrize(
    ("sets", "current", "images", "minutes", "before"),
    [
        ([revision(1, "r.io/n/app:1", EARLY)], "1", "app:1", 480, ""),
        ([revision(1, "app:1", EARLY), revision(2, "app:2", LATE)], "2", "app:2", 9, "app:1"),
        # a restart is no release, and whoever goes back runs what is old
        (
            [revision(1, "app:1", EARLY), revision(2, "app:2", LATE), revision(3, "app:2", LAST, "x")],
            *("3", "app:2", 9, "app:1"),
        ),
        ([revision(3, "app:1", EARLY), revision(2, "app:2", LATE)], "3", "app:1", 480, "app:2"),
        ([revision(1, "app:1", EARLY, "x")], "7", "", None, ""),
        ([], "", "", None, ""),
    ],
)
def test_a_release_is_as_old_as_its_template(sets, current, images, minutes, before) -> None:
    found = releases.release(sets, current, NOW)
    assert (found.images, found.before) == (images, before)
    assert (None if found.since is None else (NOW - found.since).total_seconds() / 60) == minutes
    assert bool(found.why) is (minutes is None)


async def test_the_release_is_read_once_and_again_when_the_revision_is_another(tmp_path: Path) -> None:
    async with small_cluster(tmp_path, age_s=7200, image="app:2", earlier=Earlier("app:1", 480)) as small:
        sources = small.sources()
        chosen = Settings(kubernetes=sources.kubernetes.settings)
        first = await read_once(SIGNAL, sources, chosen)
        release = first.value.release
        assert (release.revision, release.images, release.before, release.why) == ("2", "app:2", "app:1", "")
        assert (datetime.now(UTC) - release.since).total_seconds() == pytest.approx(480, abs=10)
        assert (await read_once(SIGNAL, sources, chosen, first)).value.release is release
        store = small.cluster.store
        (deployment,) = store.objects("deployments")

        def back(one: dict) -> None:
            one["spec"]["template"]["spec"]["containers"][0]["image"] = "app:1"
            one["metadata"]["generation"] += 1

        store.change("deployments", deployment, back)
        await until(lambda: store.objects("deployments")[0]["metadata"]["annotations"][releases.REVISION] == "3")
        release = (await read_once(SIGNAL, sources, chosen, first)).value.release
        assert (release.revision, release.images, release.before) == ("3", "app:1", "app:2")
        assert release.gone_back and not first.value.release.gone_back
        assert (datetime.now(UTC) - release.since).total_seconds() == pytest.approx(7200, abs=10)


async def test_whoever_may_not_list_revisions_is_told_so_and_sees_the_rest(tmp_path: Path, monkeypatch: Any) -> None:
    blind = tuple(replace(rule, resources=tuple(r for r in rule.resources if r != "replicasets")) for rule in roles.SEE)
    monkeypatch.setitem(roles.ROLES, "reader", blind)
    async with small_cluster(tmp_path) as small:
        sources = small.sources("reader")
        reading = await read_once(SIGNAL, sources, Settings(kubernetes=sources.kubernetes.settings))
        assert (reading.error, reading.value.ready, len(reading.value.pods)) == (None, 3, 3)
        assert reading.value.release.lacks == "the right to list replicasets.apps"
        assert "grant list on replicasets.apps" in reading.value.release.why


async def test_without_a_cluster_there_are_no_workloads() -> None:
    reading = await read_once(SIGNAL, Sources(LazyClients(), {}), Settings())
    assert reading.state(NOW) is State.ABSENT
