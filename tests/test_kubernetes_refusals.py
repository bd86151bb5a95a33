"""Whose no it is: a missing right's, admission's, the server's load; held against what a real API server says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubectl_side import KubectlSide, api_side, kubeconfig

from nexconsole.actions.cluster import AccessRule, ClusterWriter, Write
from nexconsole.actions.plan import Outcome
from nexconsole.errors import AdmissionRefused, BadAnswer, Busy, Denied, Missing, SourceError, Unreachable
from nexconsole.settings import KubernetesSettings
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.kubernetes_refusals import pause_s
from nexconsole.sources.lazy_clients import LazyClients

RULE = AccessRule(verb="patch", resource="deployments.apps")


@pytest.fixture
async def side() -> AsyncIterator[KubectlSide]:
    async with api_side() as made:
        yield made


@pytest.fixture
async def source(side: KubectlSide, tmp_path: Path) -> AsyncIterator[KubernetesSource]:
    path = kubeconfig(tmp_path, side, {"token": "t"})
    made = KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(path)))
    yield made
    await made.close()


def told(code: int, message: str, **headers: str) -> Any:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return lambda path: (code, body, {name.replace("_", "-"): value for name, value in headers.items()})


def patch(cluster: ClusterWriter) -> Write:
    path = cluster.path("apis/apps/v1", "deployments", "nexnum-app")
    return Write(method="PATCH", path=path, body={"spec": {}}, rule=RULE, content_type="application/merge-patch+json")


FREEZE = 'admission webhook "freeze.example.com" denied the request: change freeze until Monday'
RBAC = (
    'deployments.apps "nexnum-app" is forbidden: User "sam" cannot patch resource "deployments" in API group "apps" in'
    ' the namespace "nexnum"'
)


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        (RBAC, Denied, "account sam may not get deployments.apps in namespace nexnum: grant get on deployments.apps"),
        (f"{RBAC}: RBAC: role x not found", Denied, r"in namespace nexnum \(RBAC: role x not found\): grant"),
        (FREEZE, AdmissionRefused, "refuses to get deployments.apps: .*change freeze until Monday$"),
        ('deployments.apps "x" is forbidden: exceeded quota: pods', AdmissionRefused, "exceeded quota: pods"),
        (
            "deployments.apps \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no",
            AdmissionRefused,
            "no$",
        ),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', AdmissionRefused, "violates PodSecurity"),
        (f'admission webhook "w" denied the request: {RBAC}', AdmissionRefused, "admission webhook"),
        ("", Denied, "this account may not get deployments.apps"),
        (
            'users "x" forbidden: User "sam" cannot impersonate resource "users" in API group "" at the cluster scope',
            *(
                Denied,
                "account sam may not impersonate users, as the kubeconfig's as wants it: grant impersonate users in",
            ),
        ),
    ],
)
async def test_only_a_missing_right_advises_a_grant(
    side: KubectlSide, source: KubernetesSource, message: str, kind: type[SourceError], words: str
) -> None:
    side.answer = told(403, message)
    with pytest.raises(kind, match=words) as caught:
        await source.deployment()
    assert type(caught.value) is kind
    assert ("grant" in str(caught.value)) is (kind is Denied)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_server_that_can_t_answer_now_is_unreachable(
    side: KubectlSide, source: KubernetesSource, status: int
) -> None:
    side.answer = told(status, "etcd is being compacted")
    with pytest.raises(Unreachable, match=rf"can't answer now \({status}\): etcd is being compacted") as caught:
        await source.deployment()
    assert caught.value.source == "kubernetes"


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        (
            'deployments.apps "nexnum-app" not found',
            Missing,
            "nexnum: set kubernetes.deployment or kubernetes.namespace$",
        ),
        ("the server could not find the requested resource", BadAnswer, "does not know deployments.apps .404."),
    ],
)
async def test_what_is_not_there_is_told_with_the_setting_that_names_it(
    side: KubectlSide, source: KubernetesSource, message: str, kind: type[SourceError], words: str
) -> None:
    side.answer = told(404, message)
    with pytest.raises(kind, match=words):
        await source.deployment()
    with pytest.raises(SourceError) as caught:
        await source.entry("nexnum-secrets", "DATABASE_URL")
    assert "set kubernetes" not in str(caught.value)


async def test_whom_the_server_does_not_know_is_told_to_log_in_and_not_to_be_granted_anything(
    side: KubectlSide, source: KubernetesSource
) -> None:
    side.answer = told(403, RBAC.replace("sam", "system:anonymous"))
    with pytest.raises(Denied, match=r"takes us for nobody .403.: it got the kubeconfig's token, log in again"):
        await source.deployment()


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (
            told(403, RBAC),
            "refused",
            r'grant patch on deployments.apps \(apiGroups: \["apps"\], .*nothing was changed$',
        ),
        (told(403, FREEZE), "refused", r"change freeze until Monday: nothing was changed$"),
        (told(404, 'deployments.apps "nexnum-app" not found'), "refused", "nothing was changed"),
        (told(409, "the object has been modified"), "refused", "has been modified: nothing was changed"),
        (told(422, "spec.replicas: Invalid value"), "failed", "Invalid value: nothing was changed"),
        (told(429, "too many requests", Retry_After="2"), "failed", "asks to wait 2 s: nothing was changed"),
        (told(401, "Unauthorized"), "failed", "answers 401 to the kubeconfig's token: log in again: nothing was"),
        # what was sent and not answered by the API server itself
        (told(500, "etcdserver: request timed out"), "unknown", "it may have happened or not"),
        (told(504, "request did not complete within requested timeout"), "unknown", "it may have happened or not"),
        (told(408, "Timeout"), "unknown", "it may have happened or not"),
        (lambda path: (524, "a proxy's", {}), "unknown", "it may have happened or not"),
        (lambda path: (403, "a proxy's", {}), "unknown", "it may have happened or not"),
        (lambda path: (200, "a login page", {}), "unknown", "something that is no object"),
        (lambda path: (302, "", {"Location": "https://sso"}), "unknown", "redirects to sso"),
    ],
)
async def test_what_an_answer_to_a_change_proves(
    side: KubectlSide, source: KubernetesSource, answer: Any, state: str, words: str
) -> None:
    side.answer = answer
    twin = source.twin(2.0)
    outcome = await (cluster := ClusterWriter(twin, 2.0)).send(patch(cluster))
    await twin.close()
    assert isinstance(outcome, Outcome)
    assert outcome.state == state and re.search(words, outcome.answer), outcome


async def test_what_never_could_be_sent_is_failed_and_not_unknown(source: KubernetesSource, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", {"tokenFile": "gone"}, "other")
    for settings in (
        KubernetesSettings(kubeconfig=str(path)),
        KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, "https://127.0.0.1:1", {"token": "t"}, "closed"))),
        KubernetesSettings(kubeconfig=str(tmp_path / "none")),
    ):
        made = KubernetesSource(LazyClients(), settings)
        outcome = await (cluster := ClusterWriter(made, 2.0)).send(patch(cluster))
        assert outcome.state == "failed", outcome  # type: ignore[union-attr]
        await made.close()


async def test_a_server_that_asks_for_a_pause_gets_it_and_its_words_are_shown(
    side: KubectlSide, source: KubernetesSource
) -> None:
    good = side.answer
    side.answer = told(429, "too many requests, please try again later", Retry_After="1")
    with pytest.raises(Busy, match=r"too busy \(429\): too many requests, please try again later. It asks to wait 1 s"):
        await source.deployment()
    side.answer, asked = good, len(side.seen)
    with pytest.raises(Busy, match="too busy: it is asked again in"):
        await source.deployment()
    assert len(side.seen) == asked and source.health.kind == "busy"
    async with asyncio.timeout(20):
        while True:
            try:
                await source.deployment()
                break
            except Busy:
                await asyncio.sleep(0.05)
    assert source.health.error is None


@pytest.mark.parametrize(
    ("header", "wait"),
    [("3", 3), ("", 0), ("999999", 60), ("-1", 0), ("Wed, 21 Oct 2026", 0), ("9" * 5000, 0), ("٣", 0)],
)
def test_a_pause_is_bounded_and_nonsense_is_none(header: str, wait: float) -> None:
    assert pause_s(header) == wait


async def test_a_review_names_the_object(side: KubectlSide, source: KubernetesSource) -> None:
    """A role may name its objects (resourceNames): asked without a name the answer would be no."""
    bodies: list[Any] = []
    side.posted = bodies.append
    side.answer = lambda path: (201, {"status": {"allowed": True}}, {})
    assert (await source.allowed("patch", "deployments.apps", "scale", "nexnum-app"))[0]
    assert bodies[0]["spec"]["resourceAttributes"] == {
        "namespace": "nexnum",
        "verb": "patch",
        "group": "apps",
        "resource": "deployments",
        "subresource": "scale",
        "name": "nexnum-app",
    }
