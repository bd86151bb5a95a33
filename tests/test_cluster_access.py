"""Which cluster, namespace and account the console acts on: held against the real kubectl."""

from __future__ import annotations

import json
import os
import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from kubectl_side import KUBECTL, api_side, kubeconfig, kubectl

from nexconsole import settings
from nexconsole.actions import shell_commands
from nexconsole.errors import Denied, NotConfigured, SourceError
from nexconsole.settings import KubernetesSettings, Settings
from nexconsole.settings.tables import AS_KUBECTL
from nexconsole.sources import cluster_access
from nexconsole.sources.cluster_access import access
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.lazy_clients import LazyClients

needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")


def chosen(*files: Path, **more: Any) -> KubernetesSettings:
    return KubernetesSettings(kubeconfig=os.pathsep.join(map(str, files)), **more)


def written(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def some_file(seed: random.Random, path: Path) -> Path:
    """A file that sets some of what two files may set differently, or nothing at all."""
    if seed.random() < 0.15:
        return written(path, seed.choice(["", "# nothing\n", "apiVersion: v1\nkind: Config\nclusters: null\n"]))
    document: dict[str, Any] = {}
    if seed.random() < 0.7:
        document["current-context"] = seed.choice(["a", "b"])
    names = [name for name in "ab" if seed.random() < 0.8]
    document["clusters"] = [{"name": n, "cluster": {"server": f"https://{n}.{seed.random()}"}} for n in names]
    names = [name for name in "ab" if seed.random() < 0.8]
    document["users"] = [{"name": n, "user": {"token": f"{n}{seed.random()}"}} for n in names]
    names = [name for name in "ab" if seed.random() < 0.8]
    spaces = [{"namespace": f"n{seed.randrange(9)}"} if seed.random() < 0.6 else {} for _ in names]
    contexts = [{"cluster": seed.choice("ab"), "user": seed.choice("ab"), **space} for space in spaces]
    document["contexts"] = [{"name": n, "context": c} for n, c in zip(names, contexts, strict=True)]
    return written(path, document)


@needs_kubectl
async def test_several_files_give_the_cluster_account_and_namespace_that_kubectl_takes(tmp_path: Path) -> None:
    seed, agreed, refused = random.Random(8), 0, 0
    for number in range(24):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = [some_file(seed, folder / f"{n}.yaml") for n in range(seed.choice([2, 3]))]
        files.insert(seed.randrange(3), folder / "missing.yaml")
        paths = os.pathsep.join(map(str, files))
        status, out, _ = await kubectl(
            "config", "view", "--minify", "--raw", "-o", "json", home=folder, KUBECONFIG=paths
        )
        try:
            mine = access(chosen(*files))
        except SourceError as error:
            assert str(folder) in str(error)
            view = json.loads(out) if status == 0 else {}
            whole = all(view.get(kind) for kind in ("clusters", "users", "contexts"))
            assert not whole, f"kubectl takes {view}, and the console says {error}"
            refused += 1
            continue
        view = json.loads(out)
        agreed += 1
        assert status == 0 and mine.context == view["current-context"]
        assert mine.server == view["clusters"][0]["cluster"]["server"]
        assert mine.login.token == view["users"][0]["user"]["token"]
        assert mine.namespace == (view["contexts"][0]["context"].get("namespace") or "default")
    assert agreed >= 6 and refused >= 3, "both kinds were met"


@needs_kubectl
async def test_the_printed_line_acts_as_the_console_does(tmp_path: Path) -> None:
    """Two files that disagree on the current context; whom they act as; and a namespace of the context."""
    async with api_side() as one, api_side() as other:
        acts = {"token": "t1", "as": "ops", "as-uid": "7", "as-groups": ["g1", "g2"]}
        acts["as-user-extra"] = {"Reason/x": ["night", "shift"]}
        first = kubeconfig(tmp_path, one, acts, "first.yaml")
        second = kubeconfig(tmp_path, other, {"token": "t2"}, "second.yaml")
        document = json.loads(second.read_text())
        for kind in ("clusters", "users", "contexts"):
            document[kind][0]["name"] += "2"
        document["contexts"][0]["context"] |= {"cluster": "eu2", "user": "maria2"}
        written(second, {**document, "current-context": "prod2"})
        where = chosen(first, second)
        source = KubernetesSource(LazyClients(), where)
        await source.deployment()
        assert not other.seen and one.seen[-1][0] == "/apis/apps/v1/namespaces/nexnum/deployments/nexnum-app"
        mine = one.who
        assert ("impersonate-user", "ops") in mine and ("authorization", "Bearer t1") in mine
        assert [value for name, value in mine if name == "impersonate-group"] == ["g1", "g2"]
        assert ("impersonate-extra-reason%2fx", "night") in mine
        line = shell_commands.kubectl(Settings(kubernetes=where), "get", "--raw", "/apis/x")
        assert "--context prod -n nexnum --as=ops --as-uid=7 --as-group=g1 --as-group=g2" in line
        words = shlex.split(line)
        status, _, errors = await kubectl(*words[2:], home=tmp_path, KUBECONFIG=words[0].removeprefix("KUBECONFIG="))
        assert status == 0, errors
        assert (one.seen[-1][0], one.who) == ("/apis/x", mine) and not other.seen
        # somebody works elsewhere by now: this console goes on where it began, and so does its line
        written(second, {**document, "current-context": "prod2"})
        written(first, {**json.loads(first.read_text()), "current-context": ""})
        assert access(where).context == "prod"
        assert shell_commands.kubectl(Settings(kubernetes=where), "get", "--raw", "/apis/x") == line
        await source.close()


@needs_kubectl
async def test_over_http_no_credentials_are_sent_as_kubectl_does_it(tmp_path: Path) -> None:
    async with api_side(tls=False) as side:
        path = kubeconfig(tmp_path, side, {"token": "t"})
        status, _, _ = await kubectl("get", "--raw", "/apis/x", home=tmp_path, KUBECONFIG=str(path))
        source = KubernetesSource(LazyClients(), chosen(path))
        await source.deployment()
        assert status == 0 and len(side.seen) > 1 and not any(who for _, who in side.seen)
        side.answer = lambda path: (401, {"kind": "Status", "message": "Unauthorized"}, {})
        with pytest.raises(Denied, match=r"answers 401 to no credentials \(none are sent over http://\)"):
            await source.deployment()
        await source.close()


def test_the_context_s_namespace_is_used_unless_the_settings_name_one(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://h", {"token": "t"})
    found = access(chosen(path))
    assert (found.namespace, found.namespace_origin, found.place) == ("nexnum", "of context prod", "prod/nexnum")
    assert str(found) == (
        f"context prod, cluster eu at https://h, namespace nexnum (of context prod), account maria, from {path}"
    )
    found = access(chosen(path, namespace="other"))
    assert (found.namespace, found.namespace_origin) == ("other", "set by kubernetes.namespace")
    document = json.loads(path.read_text())
    del document["contexts"][0]["context"]["namespace"]
    found = access(chosen(written(tmp_path / "bare.yaml", document)))
    assert found.namespace == "default" and "Kubernetes' default" in found.namespace_origin


def test_paths_are_relative_to_the_file_that_holds_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    user = {"client-certificate": "../c.pem", "client-key": "/k.pem"}
    first = kubeconfig(tmp_path / "one", "https://h", user, **{"certificate-authority": "ca.pem"})
    second = kubeconfig(tmp_path / "two", "https://h", {"tokenFile": "token"})
    document = json.loads(second.read_text())
    document["users"][0]["name"] = "other"
    document["contexts"][0] |= {"name": "other", "context": {"cluster": "eu", "user": "other"}}
    written(second, document)
    found = access(chosen(first, second))
    assert found.trust.ca == str(tmp_path / "one/ca.pem")
    assert found.login.certificate == str(tmp_path / "one/../c.pem") and found.login.key == "/k.pem"
    assert access(chosen(first, second, context="other")).login.token_file == str(tmp_path / "two/token")


SECRET = "s3cr3t-t0ken"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current-context": 5}, r"current-context: expected .*str.*, got .*int"),
        ({"current-context": ""}, "current-context: is not set: set kubernetes.context"),
        ({"current-context": "away"}, "contexts: there is no context away: there are prod"),
        ({"users": [{"name": "maria", "user": {"token": [SECRET]}}]}, r"users\[0\].user.token: expected"),
        ({"users": []}, "users: there is no user maria"),
        ({"clusters": []}, "clusters: there is no cluster eu"),
        ({"clusters": [{"name": "eu", "cluster": {}}]}, r"clusters\[eu\].cluster.server: is not set"),
        ({"clusters": [{"name": "eu", "cluster": {"server": "ftp://h"}}]}, "is not an address that begins with http"),
        ({"clusters": [{"name": "eu", "cluster": {"server": "https://[::"}}]}, "is not an address"),
        ({"users": [{"name": "maria", "user": {"auth-provider": {"name": "gcp"}}}]}, "auth-provider: is gcp: .*exec"),
        ({"users": [{"name": "maria", "user": {"token": SECRET, "username": "u"}}]}, "kubectl allows one only"),
        ({"users": [{"name": "maria", "user": {"client-key-data": SECRET}}]}, "needs its client-key"),
        ({"users": [{"name": "maria", "user": {"as-groups": ["g"]}}]}, "without as"),
        ({"users": [{"name": "maria", "user": {"as": "a\r\nX: y"}}]}, "must be printable"),
        ({"users": [{"name": "maria", "user": {"exec": {"env": [{"value": SECRET}]}}}]}, "without a usable name"),
        ({"users": [{"name": "maria", "user": {"exec": {"env": [{"name": "A=B"}]}}}]}, "exec.env: holds a variable"),
        ({"users": [{"name": "x"}, {"name": "x"}]}, "users: there are two of the name x"),
    ],
)
def test_what_can_t_be_used_is_one_sentence_with_file_and_key(change: dict, words: str, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://h", {"token": SECRET})
    written(path, json.loads(path.read_text()) | change)
    with pytest.raises(SourceError, match=words) as caught:
        access(chosen(path))
    assert str(path) in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({"proxy-url": "socks5://h:1"}, "proxy-url: is a SOCKS proxy, which the console can't use"),
        ({"proxy-url": "htp:/x"}, "proxy-url: is not an address"),
        ({"insecure-skip-tls-verify": True, "certificate-authority": "x"}, "insecure-skip-tls-verify: is set beside"),
    ],
)
def test_a_cluster_that_kubectl_refuses_too_is_refused_by_its_key(cluster: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=words):
        access(chosen(kubeconfig(tmp_path, "https://h", {"token": "t"}, **cluster)))


@pytest.mark.parametrize(
    "text", ["a: [", "[" * 500, "\x00", "&a [*a]", "x: &a {y: *a}", "clusters: 5", "- 1", "'", "a: 2026-99-99", "\xff"]
)
def test_no_file_ends_more_than_its_own_reading(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kc"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=r"kubeconfig .*kc"):
        access(chosen(path))


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="pipe: is not a plain file"):
        access(chosen(tmp_path / "pipe"))
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(SourceError, match="dangling: can't be read: no such file"):
        access(chosen(tmp_path / "dangling"))
    with pytest.raises(SourceError, match="can't be read: is a directory"):
        access(chosen(tmp_path))


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    plugin = {"command": "c", "args": [SECRET], "apiVersion": "client.authentication.k8s.io/v1"}
    for user in ({"token": SECRET}, {"username": "u", "password": SECRET}, {"exec": plugin}):
        found = access(chosen(kubeconfig(tmp_path, "https://h", user, f"{len(user)}{next(iter(user))}")))
        assert SECRET not in repr(found) + str(found) + found.login.kind


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ({"token": "t"}, "the kubeconfig's token"),
        ({"tokenFile": "/t", "token": "t"}, "the token in /t"),
        ({"username": "maria", "password": "p"}, "the password of maria"),
        ({"client-certificate": "/c", "client-key": "/k"}, "the kubeconfig's client certificate"),
        ({"client-certificate-data": "x", "client-key-data": "x"}, "the kubeconfig's client certificate"),
        ({"exec": {"command": "/usr/bin/aws"}}, "what the credential plugin aws gave"),
        ({}, "a kubeconfig without credentials"),
    ],
)
def test_what_is_to_be_renewed_is_named(user: dict, kind: str, tmp_path: Path) -> None:
    assert access(chosen(kubeconfig(tmp_path, "https://h", user))).login.kind == kind


@pytest.mark.parametrize(
    ("context", "place"),
    [
        ("prod", "prod/nexnum"),
        ("arn:aws:eks:eu-central-1:1234:cluster/prod", "prod/nexnum"),
        ("g" * 60, "g" * 39 + "…/nexnum"),
    ],
)
def test_a_header_has_room_for_the_place(context: str, place: str, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://h", {"token": "t"})
    document = json.loads(path.read_text())
    document["contexts"][0]["name"] = document["current-context"] = context
    assert access(chosen(written(tmp_path / "long", document))).place == place


def test_what_is_written_twice_by_an_alias_counts_twice_and_null_is_absent(tmp_path: Path) -> None:
    text = (
        "current-context: a\nusers: null\nclusters: [{name: c, cluster: &c {server: 'https://h', proxy-url: null}},"
        " {name: d, cluster: *c}]\ncontexts: [{name: a, context: {cluster: d, user: null, namespace: null}}]\n"
    )
    found = access(chosen(written(tmp_path / "alias", text)))
    assert (found.server, found.namespace, found.account, found.proxy) == ("https://h", "default", "nobody", "")


# --- nobody has named a cluster: as kubectl


async def test_kubectl_s_own_file_is_taken_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kube").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    async with api_side() as side:
        kubeconfig(tmp_path / ".kube", side, {"token": "t"}, "config")
        environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        loaded = settings.load(None, None, environ)
        assert loaded.settings.kubernetes.kubeconfig == AS_KUBECTL
        assert "kubectl uses too" in loaded.origins["kubernetes.kubeconfig"]
        source = KubernetesSource(LazyClients(), loaded.settings.kubernetes)
        await source.deployment()
        assert "as kubectl: kubernetes.kubeconfig is not set" in str(source.access)
        assert source.health.place == "prod/nexnum"
        assert shell_commands.kubectl(loaded.settings, "get", "pods") == (
            f"KUBECONFIG={tmp_path}/.kube/config kubectl --context prod -n nexnum get pods"
        )
        await source.close()
        # another cluster's: NexNum is not there, so nothing is wrong with it
        side.answer = lambda path: (404, {"kind": "Status", "message": 'deployments.apps "nexnum-app" not found'}, {})
        source = KubernetesSource(LazyClients(), loaded.settings.kubernetes)
        with pytest.raises(
            NotConfigured, match=r"what kubectl uses .context prod, .*there is no deployment nexnum-app"
        ):
            await source.deployment()
        assert not source.health.configured
        await source.close()
    none = settings.load(None, {"kubernetes.kubeconfig": "none"}, environ)
    assert none.settings.kubernetes.kubeconfig == ""
    named = settings.load(None, None, {**environ, "KUBECONFIG": "/x"})
    assert named.settings.kubernetes.kubeconfig == "/x"


async def test_a_pod_s_own_account_is_taken_with_its_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_access, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "namespace").write_text("nexnum\n")
    found = access(KubernetesSettings(kubeconfig="in-cluster"))
    assert (found.server, found.namespace, found.namespace_origin) == ("https://[::1]:6443", "nexnum", "of this pod")
    line = shell_commands.kubectl(Settings(kubernetes=KubernetesSettings(kubeconfig="in-cluster")), "get", "pods")
    assert line == "KUBECONFIG=/dev/null kubectl -n nexnum get pods", (
        "an empty one, so that ~/.kube/config is not taken"
    )
    (tmp_path / "token").unlink()
    with pytest.raises(SourceError, match=r"in-cluster can't be used: .*token is missing, so this is no pod"):
        access(KubernetesSettings(kubeconfig="in-cluster", namespace="x"))
