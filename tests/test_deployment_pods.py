"""Which pods are the deployment's, and how often they restarted, as kubectl counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from nexconsole.errors import SourceError
from nexconsole.signals.pods import count_restarts, describe_other
from nexconsole.signals.releases import taken_back
from nexconsole.sources.deployment_pods import Owners
from nexconsole.sources.resources import PodResource, ReplicaSet

NAME = "nexnum-app"
OWN, CANARY = ("rs-own", f"{NAME}-5d8f"), ("rs-canary", f"{NAME}-canary-6c7")


def pod(name: str, owner: tuple[str, str] | None = OWN, kind: str = "ReplicaSet", **status: Any) -> PodResource:
    owners = [{"kind": kind, "uid": owner[0], "name": owner[1], "controller": True}] if owner else None
    suffix = owner[1].rpartition("-")[2] if owner else ""
    meta = {"name": name, "uid": f"uid-{name}", "labels": {"pod-template-hash": suffix}, "ownerReferences": owners}
    meta |= {"deletionTimestamp": "2026-01-10T12:00:00Z"} if status.pop("ending", False) else {}
    return msgspec.convert({"metadata": meta, "status": {"phase": "Running", **status}}, PodResource, strict=False)


PODS = [
    pod("a"),
    pod("b"),
    pod("going", ending=True),
    pod("evicted", phase="Failed", reason="Evicted"),
    pod("done", phase="Succeeded"),
    pod("canary", CANARY),
    pod("job", ("j", "migrate"), "Job", phase="Succeeded"),
    pod("debug", None),
    pod("set", ("s", "nexnum-app-5d8f"), "StatefulSet"),
]
WHY = {
    "going": "ending",
    "evicted": "evicted",
    "done": "completed",
    "canary": "of ReplicaSet nexnum-app-canary-6c7, not of nexnum-app",
    "job": "completed",
    "debug": "has no owner: nothing starts it again",
    "set": "of StatefulSet nexnum-app-5d8f, not of nexnum-app",
}


def names(pods: Any) -> list[str]:
    return [one.metadata.name for one in pods]


async def test_a_deployment_s_pods_are_those_that_its_replicasets_own_and_that_have_not_ended() -> None:
    asked = []

    async def sets() -> list[ReplicaSet]:
        asked.append(1)
        return [msgspec.convert({"metadata": {"uid": "rs-own"}}, ReplicaSet)]

    owners = Owners(NAME, sets)
    found = await owners.split(PODS)
    assert names(found.own) == ["a", "b", "going"]
    assert {one.metadata.name: describe_other(one, NAME).why for one in (*found.others, PODS[2])} == WHY
    await owners.split(PODS)
    assert len(asked) == 1, "only a ReplicaSet that is not known yet is asked about"


async def test_where_replicasets_may_not_be_listed_their_names_tell() -> None:
    asked = []

    async def sets() -> list[ReplicaSet]:
        asked.append(1)
        raise SourceError("kubernetes", "may not list replicasets.apps")

    owners = Owners(NAME, sets)
    for _ in range(3):
        assert names((await owners.split(PODS)).own) == ["a", "b", "going"]
    assert len(asked) == 1, "who has refused is not asked with every list of pods"


async def test_a_revision_that_is_new_is_asked_about_and_counts_while_the_server_s_memory_lacks_it() -> None:
    known, asked = ["rs-own"], []

    async def sets() -> list[ReplicaSet]:
        asked.append(1)
        return [msgspec.convert({"metadata": {"uid": uid}}, ReplicaSet) for uid in known]

    owners = Owners(NAME, sets)
    newer, adopted = pod("n", ("rs-2", f"{NAME}-77")), pod("o", ("rs-3", "made-by-hand"))
    assert names((await owners.split([pod("a"), newer, adopted])).own) == ["a", "n"]
    known += ["rs-2", "rs-3"]
    assert names((await owners.split([pod("a"), newer, adopted])).own) == ["a", "n", "o"]
    known.append("rs-4")
    assert names((await owners.split([pod("b", ("rs-5", f"{NAME}-99"))])).own) == ["b"]
    again = pod("c", ("rs-4", f"{NAME}-88"))
    assert names((await owners.split([again])).own) == ["c"], "known before it had a pod: an older revision comes back"
    assert len(asked) == 3


def status(name: str, restarts: int, minute: int = 0, **more: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 1, "finishedAt": f"2026-01-10T12:{minute:02}:00Z"}} if restarts else {}
    return {"name": name, "restartCount": restarts, "lastState": last, "state": {"running": {}}, **more}


DONE = {"state": {"terminated": {"exitCode": 0}}}


@pytest.mark.parametrize(
    ("init", "containers", "initialized", "restarts", "minute"),
    [
        ([], [status("app", 2, 5), status("proxy", 1, 9)], True, 3, 9),
        # an init container's restarts count while the pod initializes, and not any more when that is over
        ([status("migrate", 4, 3)], [status("app", 0)], False, 4, 3),
        ([status("migrate", 4, 3, **DONE)], [status("app", 1, 7)], True, 1, 7),
        # a native sidecar's count always
        ([status("mesh", 5, 8, started=True)], [status("app", 1, 7)], True, 6, 8),
        ([status("migrate", 2, 1, **DONE), status("mesh", 3, 4, started=False)], [status("app", 0)], False, 5, 4),
        # those behind the one at work are not reached yet
        ([status("migrate", 2, 1), status("mesh", 3, 4, started=True)], [status("app", 0)], False, 2, 1),
        ([], [status("app", 0)], True, 0, None),
        ([], [], False, 0, None),
    ],
)
def test_restarts_are_counted_as_in_kubectl_s_column(
    init: list, containers: list, initialized: bool, restarts: int, minute: int | None
) -> None:
    specs = [{"name": one["name"], **({"restartPolicy": "Always"} if one["name"] == "mesh" else {})} for one in init]
    conditions = [{"type": "Initialized", "status": str(initialized)}]
    found = msgspec.convert(
        {
            "spec": {"initContainers": specs, "containers": [{"name": one["name"]} for one in containers]},
            "status": {
                "conditions": conditions,
                "initContainerStatuses": init,
                "containerStatuses": containers,
            },
        },
        PodResource,
        strict=False,
    )
    last = None if minute is None else datetime(2026, 1, 10, 12, minute, tzinfo=UTC)
    assert count_restarts(found) == (restarts, last)


@pytest.mark.parametrize(
    ("sets", "back"),
    [
        ([(1, 1), (2, 2)], set()),
        ([(1, 3), (2, 2)], {2}),  # 2 was released over 1, and 1 came back as 3
        ([(1, 3), (2, 2), (4, 4)], {2}),  # also when something else has been released since
        ([(1, 3), (2, 4)], set()),  # it was released again
        ([(1, 1), (2, 5), (3, 3), (4, 4)], {3, 4}),
        ([(0, 0), (1, 2)], set()),
        ([], set()),
    ],
)
def test_what_was_released_and_given_up_for_an_older_revision_was_taken_back(sets: list, back: set) -> None:
    assert taken_back(sets) == back
