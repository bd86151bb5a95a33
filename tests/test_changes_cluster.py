"""What changed in the cluster, told from the stamps of its objects, and from looks one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_cluster import SmallCluster, small_cluster, until

from nexconsole.drill.kubernetes.cluster import Earlier
from nexconsole.drill.kubernetes.endings import OUT_OF_MEMORY
from nexconsole.drill.kubernetes.replicasets import terminate
from nexconsole.model import utc_now
from nexconsole.settings import Settings
from nexconsole.signals.change import Change, ChangeKind
from nexconsole.signals.changes_cluster import ClusterTrail
from nexconsole.signals.changes_pods import configured, crash_loops, restarts
from nexconsole.signals.changes_rollouts import releases, replicas, rescales, revisions
from nexconsole.sources.resources import PodResource, ReplicaSet
from nexconsole.sources.stamped import NamespaceEvent, StampedAutoscaler, StampedDeployment, StampedMetadata

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
IMAGE, NEWER = "ghcr.io/nexnum/nexnum-app:1.4.2", "ghcr.io/nexnum/nexnum-app:1.5.0"


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def replica_set(name: str, image: str, minutes: float, revision: str, history: str = "", **notes: str) -> ReplicaSet:
    annotations = {"deployment.kubernetes.io/revision": revision, **notes}
    if history:
        annotations["deployment.kubernetes.io/revision-history"] = history
    labels = {"pod-template-hash": name}
    document = {
        "metadata": {
            "name": f"nexnum-app-{name}",
            "labels": labels,
            "annotations": annotations,
            "creationTimestamp": ago(minutes),
        },
        "spec": {"template": {"spec": {"containers": [{"name": "nexnum-app", "image": image}]}}},
    }
    return msgspec.convert(document, ReplicaSet)


def deployment(*managed: dict[str, Any], replicas: int = 3, **more: Any) -> StampedDeployment:
    metadata = {"name": "nexnum-app", "creationTimestamp": ago(9000), "managedFields": list(managed)}
    return msgspec.convert({"metadata": metadata, "spec": {"replicas": replicas}, **more}, StampedDeployment)


def wrote(manager: str, minutes: float, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "time": ago(minutes), "fieldsV1": fields, "subresource": subresource}


def event(reason: str, message: str, minutes: float, name: str = "nexnum-app") -> NamespaceEvent:
    return NamespaceEvent(
        reason=reason,
        message=message,
        last_timestamp=NOW - timedelta(minutes=minutes),
        involved_object=msgspec.convert(
            {"kind": "Pod", "name": name, "uid": name}, type(NamespaceEvent().involved_object)
        ),
    )


TEMPLATE = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"nexnum-app"}': {"f:image": {}}}}}}}
SCALE = {"f:spec": {"f:replicas": {}}}


def changes(found: Any) -> list[Change]:
    return [change for _, change in found]


def test_a_release_is_as_old_as_its_replica_set_and_says_who_wrote_the_image() -> None:
    sets = (replica_set("old", IMAGE, 900, "1"), replica_set("new", NEWER, 5, "2"))
    found = changes(releases(deployment(wrote("kubectl-set", 5, TEMPLATE)), sets, ()))
    assert [change.kind for change in found] == [ChangeKind.RELEASE, ChangeKind.RELEASE]
    assert found[1].text == "nexnum-app was released: nexnum-app:1.4.2 → nexnum-app:1.5.0"
    assert (found[1].at, found[1].who, found[1].within_s) == (NOW - timedelta(minutes=5), "kubectl-set", 0.0)
    assert (found[1].before, found[1].after) == ("nexnum-app:1.4.2", "nexnum-app:1.5.0")


def test_going_back_is_as_old_as_the_templates_stamp_not_as_the_replica_set() -> None:
    sets = (replica_set("old", IMAGE, 9000, "3", history="1"), replica_set("new", NEWER, 30, "2"))
    assert [(each.number, each.first) for each in revisions(sets)] == [(1, True), (2, True), (3, False)]
    found = changes(releases(deployment(wrote("kubectl-rollout", 4, TEMPLATE)), sets, ()))
    assert found[-1].text == "nexnum-app went back: nexnum-app:1.5.0 → nexnum-app:1.4.2"
    assert (found[-1].at, found[-1].who) == (NOW - timedelta(minutes=4), "kubectl-rollout")


def test_going_back_without_a_stamp_is_no_older_than_its_oldest_pod() -> None:
    sets = (replica_set("old", IMAGE, 9000, "3", history="1"), replica_set("new", NEWER, 30, "2"))
    pods = [
        msgspec.convert(
            {"metadata": {"labels": {"pod-template-hash": "old"}, "creationTimestamp": ago(minutes)}}, PodResource
        )
        for minutes in (2, 3)
    ]
    found = changes(releases(deployment(wrote("helm", 8000, TEMPLATE)), sets, pods))
    assert found[-1].at == NOW - timedelta(minutes=3) and found[-1].within_s > 0 and found[-1].who == ""
    assert changes(releases(deployment(), sets, ()))[-1].after == "nexnum-app:1.5.0"  # no stamp at all: not told


def test_the_same_image_again_is_a_rollout_and_an_old_change_cause_is_not_repeated() -> None:
    cause = {"kubernetes.io/change-cause": "release 1.4.2"}
    sets = (replica_set("a", IMAGE, 900, "1", **cause), replica_set("b", IMAGE, 5, "2", **cause))
    found = changes(releases(deployment(), sets, ()))
    assert found[1].kind is ChangeKind.ROLLOUT
    assert found[1].text == "nexnum-app: its pods were changed and rolled out, with the same image"


def test_replicas_are_a_persons_or_the_autoscalers_by_who_wrote_them() -> None:
    scaled = deployment(wrote("kubectl", 3, SCALE, "scale"), replicas=1)
    told = [event("ScalingReplicaSet", "Scaled down replica set nexnum-app-x from 3 to 1", 3)]
    [found] = changes(replicas(scaled, told, None, None, NOW))
    assert (found.text, found.who) == ("nexnum-app was scaled from 3 to 1 replica", "kubectl")
    assert not changes(replicas(deployment(wrote("kube-controller-manager", 3, SCALE, "scale")), (), 3, NOW, NOW))
    both = deployment(wrote("kubectl-client-side-apply", 3, {"f:spec": {"f:replicas": {}, "f:template": {}}}))
    assert not changes(replicas(both, (), None, None, NOW))  # its stamp may be of anything
    [seen] = changes(replicas(both, (), 5, NOW - timedelta(seconds=12), NOW))
    assert (seen.before, seen.after, seen.within_s) == ("5", "3", 6.0)


def test_what_the_autoscaler_did_is_told_by_its_events_and_else_by_its_status() -> None:
    message = "New size: 6; reason: cpu resource utilization (percentage of request) above target"
    told = [
        event("SuccessfulRescale", message, 4, "nexnum-hpa"),
        event("SuccessfulRescale", "New size: 4", 9, "nexnum-hpa"),
    ]
    found = changes(rescales(None, told))
    assert [change.after for change in found] == ["4", "6"] and found[1].before == "4"
    status = {"lastScaleTime": ago(2), "desiredReplicas": 8}
    autoscaler = msgspec.convert({"metadata": {"name": "nexnum-hpa"}, "status": status}, StampedAutoscaler)
    assert changes(rescales(autoscaler, told))[-1].after == "8"


def test_a_restart_says_why_and_a_failed_probe_is_told_by_its_event() -> None:
    def pod(reason: str, code: int) -> PodResource:
        last = {"terminated": {"reason": reason, "exitCode": code, "finishedAt": ago(3)}}
        status = {"name": "nexnum-app", "restartCount": 2, "lastState": last, "state": {}}
        return msgspec.convert(
            {"metadata": {"name": "p", "uid": "p"}, "status": {"containerStatuses": [status]}}, PodResource
        )

    [killed] = changes(restarts([pod("OOMKilled", 137)], ()))
    assert killed.text == "p: container nexnum-app was restarted: out of memory (OOMKilled) (2 restarts by now)"
    [crashed] = changes(restarts([pod("Error", 1)], ()))
    assert "restarted: exit code 1" in crashed.text
    probe = event("Killing", "Container nexnum-app failed liveness probe, will be restarted", 3.5, "p")
    [ill] = changes(restarts([pod("Error", 137)], [probe]))
    assert "its liveness probe failed (exit code 137)" in ill.text


def test_a_configmap_is_changed_when_its_content_was_written_and_not_when_a_label_was() -> None:
    def metadata(version: str, *managed: dict[str, Any]) -> StampedMetadata:
        document = {"creationTimestamp": ago(9000), "resourceVersion": version, "managedFields": list(managed)}
        return msgspec.convert(document, StampedMetadata)

    data, label = {"f:data": {"f:A": {}}}, {"f:metadata": {"f:labels": {"f:x": {}}}}
    looked = NOW - timedelta(seconds=12)
    found = metadata("7", wrote("kubectl-edit", 5, data), wrote("argocd", 1, label))
    [change] = changes(configured(ChangeKind.CONFIG, "nexnum-config", found, "", None, NOW))
    assert (change.at, change.who) == (NOW - timedelta(minutes=5), "kubectl-edit")
    [secret] = changes(configured(ChangeKind.SECRET, "nexnum-secrets", metadata("9"), "8", looked, NOW))
    assert (secret.before, secret.after, secret.within_s) == ("version 8", "version 9", 6.0)
    [born] = changes(configured(ChangeKind.SECRET, "nexnum-secrets", metadata("9"), "9", looked, NOW))
    assert born.text == "the Secret nexnum-secrets was created"  # long ago: the log forgets it


def test_a_crash_loop_began_when_the_kubelet_first_backed_off() -> None:
    pod = msgspec.convert({"metadata": {"name": "p", "uid": "p"}}, PodResource)
    told = msgspec.structs.replace(
        event("BackOff", "Back-off restarting failed container nexnum-app in pod p", 1, "p"),
        first_timestamp=NOW - timedelta(minutes=9),
    )
    [loop] = changes(crash_loops([pod], [told, event("BackOff", "Back-off pulling image", 2, "p")]))
    assert loop.at == NOW - timedelta(minutes=9) and loop.text.startswith("p: a container began to be restarted")


# --- on the drill's cluster ---


@dataclass
class Watching:
    small: SmallCluster
    sources: Any
    trail: ClusterTrail

    async def look(self) -> list[Change]:
        await self.trail.look(self.sources, Settings(), utc_now())
        self.trail.forget(utc_now())
        return sorted(self.trail.found.values(), key=lambda change: change.at)

    async def sees(self, kind: ChangeKind) -> Change:
        """The newest change of that kind, looked for until it is there; the lists of before are too old for it."""
        for _ in range(400):
            self.sources.kubernetes._listed = (0.0, self.sources.kubernetes._listed[1])
            if found := [change for change in await self.look() if change.kind is kind]:
                return found[-1]
        raise AssertionError(f"no {kind} was seen")


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    earlier = Earlier(IMAGE, 300.0)
    async with small_cluster(tmp_path, image=NEWER, earlier=earlier, age_s=40_000.0) as small:
        yield Watching(small, small.sources(), ClusterTrail())


async def test_the_first_look_knows_the_release_of_before_and_nothing_else(watching: Watching) -> None:
    [release] = await watching.look()
    assert release.kind is ChangeKind.RELEASE and release.who == "kubectl-set"
    assert abs((utc_now() - release.at).total_seconds() - 300) < 20
    kinds = {ChangeKind.RELEASE, ChangeKind.ROLLOUT, ChangeKind.REPLICAS, ChangeKind.AUTOSCALER, ChangeKind.CONFIG}
    assert watching.trail.read == kinds | {ChangeKind.SECRET, ChangeKind.RESTART, ChangeKind.EVICTION}
    assert not watching.trail.notes


async def test_each_change_is_seen_with_who_made_it(watching: Watching) -> None:
    hands = watching.small.cluster.hands
    await watching.look()
    hands.configure("LOG_LEVEL", "debug")
    assert (await watching.sees(ChangeKind.CONFIG)).who == "kubectl-edit"
    hands.rekey("JWT_SECRET", "other")
    secret = await watching.sees(ChangeKind.SECRET)
    assert secret.who == "kubectl-patch" and "other" not in repr(watching.trail)
    hands.scale(2)
    scaled = await watching.sees(ChangeKind.REPLICAS)
    assert (scaled.before, scaled.after, scaled.who) == ("3", "2", "kubectl")
    await until(watching.small.ready)
    name = hands.kill(end=OUT_OF_MEMORY)
    restart = await watching.sees(ChangeKind.RESTART)
    assert restart.target == name and "OOMKilled" in restart.text
    hands.set_bounds(1, 4)
    assert (await watching.sees(ChangeKind.AUTOSCALER)).after == "1 to 4"
    watching.small.cluster.remove_autoscaler()
    await watching.look()
    gone = [each for each in await watching.look() if each.before == "1 to 4"]
    assert [each.text for each in gone] == ["the autoscaler is gone: nothing sets the number of pods any more"]


async def test_what_is_denied_is_not_read_and_says_which_right_is_missing(watching: Watching) -> None:
    denied = Watching(watching.small, watching.small.sources("reader"), ClusterTrail())
    await denied.look()
    assert ChangeKind.SECRET not in denied.trail.read and ChangeKind.CONFIG in denied.trail.read
    [note] = denied.trail.notes
    assert "grant get on secrets" in note


async def test_a_pod_that_somebody_deletes_is_told_and_one_that_is_scaled_away_is_not(watching: Watching) -> None:
    hands, cluster = watching.small.cluster.hands, watching.small.cluster
    hands.scale(2)
    await watching.sees(ChangeKind.REPLICAS)
    await until(watching.small.ready)
    for _ in range(4):
        watching.sources.kubernetes._listed = (0.0, watching.sources.kubernetes._listed[1])
        await watching.look()
    assert not [each for each in watching.trail.found.values() if each.kind is ChangeKind.RESTART]
    gone = cluster.pods[0].name
    terminate(cluster.store, next(pod for pod in cluster.store.objects("pods") if pod["metadata"]["name"] == gone), 0)
    replaced = await watching.sees(ChangeKind.RESTART)
    assert replaced.text == f"{gone} was deleted, and another takes its place"
