"""Doctor and the cluster: which one it is, each right that each action needs, and advice that follows the cause."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acting import lacking, settings_of, shell
from kubectl_side import api_side, kubeconfig
from small_cluster import SmallCluster, small_cluster

from nexconsole.doctor import kubernetes as kubernetes_checks
from nexconsole.doctor.check import Check
from nexconsole.drill.kubernetes import roles
from nexconsole.drill.kubernetes.roles import RoleRule
from nexconsole.sources import open_sources


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as made:
        yield made


async def checks(path: Path, actions: dict[str, Any] | None = None, **kubernetes: Any) -> dict[str, Check]:
    settings = settings_of(kubernetes={"kubeconfig": str(path), **kubernetes}, actions=actions or {})
    sources = open_sources(settings)
    try:
        return {check.what: check async for check in kubernetes_checks.examine(sources, settings)}
    finally:
        await sources.close()


async def test_it_says_which_cluster_as_whom_and_which_container(small: SmallCluster) -> None:
    found = await checks(small.write_kubeconfig("operator"))
    assert {check.state for check in found.values()} == {"ok"}
    assert found["cluster"].said.startswith("context drill, cluster drill at https://127.0.0.1:")
    assert "account drill" in found["cluster"].said and "namespace default (of context drill)" in found["cluster"].said
    assert found["account"].said.startswith("the API server knows it as system:serviceaccount:default:operator")
    assert found["container"].said == "nexnum-app is read: the pod has no other"
    rights = {
        "patch deployments.apps nexnum-app",
        "patch deployments.apps/scale nexnum-app",
        "delete pods",
        "list replicasets.apps",
        "get pods/log",
    }
    assert rights <= set(found)


async def test_a_right_that_is_missing_is_named_with_the_actions_that_need_it(small: SmallCluster) -> None:
    found = await checks(small.write_kubeconfig("reader"))
    lacking = {what: check for what, check in found.items() if check.state == "warn"}
    assert set(lacking) == {
        "patch deployments.apps nexnum-app",
        "patch deployments.apps/scale nexnum-app",
        "delete pods",
    }
    roll = lacking["patch deployments.apps nexnum-app"]
    assert roll.said == "not allowed: pods.restart and rollout.undo can't be done"
    assert roll.advice == (
        'grant a Role with apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"] in namespace default'
    )
    observing = await checks(small.write_kubeconfig("reader"), {"observe": True})
    assert {observing[what].state for what in lacking} == {"absent"}, "who only looks misses nothing"


async def test_what_only_the_list_of_changes_needs_is_named_and_no_warning(small: SmallCluster) -> None:
    found = await checks(small.write_kubeconfig("reader"))
    assert found["get configmaps"].state == found["list events"].state == "ok"
    secrets = found["get secrets"]
    assert secrets.state == "absent" and "whether a Secret was changed is unknown" in secrets.said
    assert 'resources: ["secrets"], verbs: ["get"]' in secrets.advice
    assert (await checks(small.write_kubeconfig("operator")))["get secrets"].state == "ok"


async def test_a_role_that_names_the_deployment_lacks_nothing(small: SmallCluster, monkeypatch: Any) -> None:
    users, token = small.cluster._roles._users, small.cluster.tokens["reader"]
    act = RoleRule(("patch",), ("apps",), ("deployments", "deployments/scale"), ("nexnum-app",))
    monkeypatch.setitem(users, token, replace(users[token], rules=(*roles.SEE, *roles.LOGS, act)))
    found = await checks(small.write_kubeconfig("reader"))
    assert [what for what, check in found.items() if check.state == "warn"] == ["delete pods"]


async def test_a_misspelt_name_is_told_with_those_that_are_there(small: SmallCluster) -> None:
    found = await checks(small.write_kubeconfig("operator"), deployment="nexnum-ap")
    assert found["deployment"].state == "fail" and found["deployment"].advice.endswith("there are nexnum-app")
    found = await checks(small.write_kubeconfig("operator"), container="ap")
    assert found["container"].state == "warn"
    assert found["container"].said.endswith("has no container ap: it has nexnum-app; set kubernetes.container")


@pytest.mark.skipif(lacking("kubectl"), reason="kubectl is not on PATH")
async def test_a_login_that_has_ended_is_to_be_renewed_and_the_advised_line_tells_whether_it_was(
    small: SmallCluster,
) -> None:
    found = await checks(small.write_kubeconfig("operator", token="old"))
    assert list(found) == ["cluster", "deployment"], "a cluster that does not let us in is told once"
    advice = found["deployment"].advice
    assert advice.startswith("log in again in a shell; KUBECONFIG=") and "auth whoami" in advice
    line = advice.removeprefix("log in again in a shell; ").removesuffix(" tells whether it helped")
    assert (await shell(line, HOME="/tmp"))[0] != 0
    small.write_kubeconfig("operator")
    status, printed = await shell(line, HOME="/tmp")
    assert status == 0 and "system:serviceaccount:default:operator" in printed


async def test_each_cause_has_its_own_advice(tmp_path: Path) -> None:
    async with api_side() as side, api_side() as other:
        closed = await checks(kubeconfig(tmp_path, "https://127.0.0.1:1", {"token": "t"}, "a"))
        assert closed["deployment"].advice == (
            "is the VPN or the bastion's tunnel up? try curl -k https://127.0.0.1:1/version"
        )
        wrong = base64.b64encode(other.authority.encode()).decode()
        untrusted = await checks(kubeconfig(tmp_path, side, {}, "b", **{"certificate-authority-data": wrong}))
        assert "certificate-authority-data of the cluster" in untrusted["deployment"].advice
        plugin = {"command": "./login", "args": ["--eu"], "apiVersion": "client.authentication.k8s.io/v1beta1"}
        failing = await checks(kubeconfig(tmp_path, side, {"exec": plugin}, "c"))
        assert failing["deployment"].advice == (
            "run it in a shell as this account, and see what it asks or says: ./login --eu"
        )
        broken = await checks(kubeconfig(tmp_path, "", {}, "d"))
        assert (broken["cluster"].state, broken["cluster"].advice) == (
            "fail",
            "correct the kubeconfig where the sentence says",
        )
        side.answer = lambda path: (429, {"kind": "Status", "message": "later"}, {"Retry-After": "0"})
        busy = await checks(kubeconfig(tmp_path, side, {"token": "t"}, "e"))
        assert "get --raw /readyz: is the API server overloaded?" in busy["deployment"].advice
        side.answer = lambda path: (302, "", {"Location": "https://sso"})
        proxy = await checks(kubeconfig(tmp_path, side, {"token": "t"}, "f"))
        assert "is no API server: check server and proxy-url" in proxy["deployment"].advice


async def test_a_slow_plugin_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "login").write_text(
        "#!/bin/sh\nsleep 0.6\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",'
        ' "status": {"token": "t"}}\'\n'
    )
    (tmp_path / "login").chmod(0o755)
    async with api_side() as side:
        plugin = {"command": "./login", "apiVersion": "client.authentication.k8s.io/v1beta1"}
        found = await checks(kubeconfig(tmp_path, side, {"exec": plugin}), timeout_s=0.2)
        assert found["deployment"].state == "ok"
