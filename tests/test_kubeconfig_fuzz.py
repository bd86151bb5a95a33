"""Whatever a kubeconfig or a credential plugin holds: an access or one sentence, never anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexconsole.errors import SourceError
from nexconsole.settings import KubernetesSettings
from nexconsole.sources.cluster_access import Access, access
from nexconsole.sources.credential_plugins import ExecCredential, _answer
from nexconsole.sources.kubeconfig import Exec
from nexconsole.text.sanitize import clean

V1 = "client.authentication.k8s.io/v1"
SECRET = "s3cr3t-t0ken"
ODD = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | st.just(SECRET)
ANY = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def spoiled(good: Any) -> st.SearchStrategy[Any]:
    """The same document with anything in some of its places."""
    if isinstance(good, dict):
        whole = st.fixed_dictionaries({key: spoiled(value) for key, value in good.items()})
    elif isinstance(good, list):
        whole = st.tuples(*(spoiled(value) for value in good)).map(list)
    else:
        whole = st.just(good)
    return st.one_of(whole, whole, whole, whole, whole, ANY)


PLUGIN = {"command": "./p", "args": ["a"], "env": [{"name": "n", "value": SECRET}], "apiVersion": V1}
USER = {"token": SECRET, "tokenFile": "t", "as": "x", "as-groups": ["g"], "as-user-extra": {"k": ["v"]}, "exec": PLUGIN}
CLUSTER = {"server": "https://h:6443", "certificate-authority-data": "x", "proxy-url": "http://u:p@p:1"}
CONTEXT = {"cluster": "c", "user": "u", "namespace": "n"}
GOOD = {
    "current-context": "x",
    "clusters": [{"name": "c", "cluster": CLUSTER}],
    "users": [{"name": "u", "user": USER}],
    "contexts": [{"name": "x", "context": CONTEXT}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubeconfig")


class Numbers:
    last = 0


def judged(path: Path) -> None:
    try:
        found = access(KubernetesSettings(kubeconfig=str(path)))
    except SourceError as error:
        said = str(error)
        assert str(path) in said and clean(said, 1000) == said
        assert SECRET not in said.partition(": there is no ")[0]  # where it stands in a name's place it is a name
        return
    assert isinstance(found, Access) and found.server.startswith(("http://", "https://"))
    assert SECRET not in repr(found)
    assert found.namespace and str(found)


def written(folder: Path, content: bytes) -> Path:
    """A file of its own: the context that a process began with is kept for each."""
    Numbers.last += 1
    path = folder / f"kc-{os.getpid()}-{Numbers.last}"
    path.write_bytes(content)
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=spoiled(GOOD))
def test_a_spoiled_kubeconfig_is_an_access_or_one_sentence(folder: Path, document: Any) -> None:
    judged(written(folder, json.dumps(document).encode()))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(alphabet="&*!:-[]{}|>?%@`'\"# \n\tab0", max_size=60).map(str.encode))
def test_any_bytes_are_an_access_or_one_sentence(folder: Path, content: bytes) -> None:
    judged(written(folder, content))


@settings(max_examples=150, deadline=None)
@given(
    status=st.integers(-15, 3),
    said=st.binary(max_size=60)
    | spoiled(
        {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": SECRET, "expirationTimestamp": "2030"}}
    ).map(lambda document: json.dumps(document).encode()),
    words=st.binary(max_size=60),
)
def test_whatever_a_plugin_prints_is_an_answer_or_one_sentence(status: int, said: bytes, words: bytes) -> None:
    plugin = Exec(command="p", api_version=V1)
    try:
        found = _answer(plugin, status, said, words)
    except SourceError as error:
        assert "plugin p" in str(error) and SECRET not in str(error) and clean(error, 2000) == str(error)
    else:
        assert isinstance(found, ExecCredential) and SECRET not in repr(found)
