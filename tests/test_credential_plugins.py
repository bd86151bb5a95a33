"""Credential plugins of a kubeconfig, tokens in files and client certificates, against an API server over TLS."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kubectl_side import KUBECTL, KubectlSide, api_side, kubeconfig, kubectl

from nexconsole.errors import Denied, SourceError, TimedOut
from nexconsole.settings import KubernetesSettings
from nexconsole.sources import kubernetes_login
from nexconsole.sources.credential_plugins import environment, plugin_name
from nexconsole.sources.kubeconfig import Exec
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.lazy_clients import LazyClients

V1 = "client.authentication.k8s.io/v1"
TOKEN = "tok-5ecret"


@pytest.fixture
async def side() -> AsyncIterator[KubectlSide]:
    async with api_side() as made:
        yield made


class Bench:
    """Makes plugins out of shell scripts, and sources that use them."""

    def __init__(self, side: KubectlSide, folder: Path) -> None:
        self.side, self.folder = side, folder
        self.made: list[KubernetesSource] = []

    def script(self, body: str, name: str = "plugin") -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def config(self, command: str = "./plugin", *, cluster: dict[str, Any] | None = None, **more: Any) -> Path:
        plugin = {"command": command, "apiVersion": V1, "interactiveMode": "Never", **more}
        return kubeconfig(self.folder, self.side, {"exec": plugin}, **(cluster or {}))

    def source(self, path: Path, **settings: Any) -> KubernetesSource:
        self.made.append(KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(path), **settings)))
        return self.made[-1]

    def runs(self) -> int:
        log = self.folder / "runs"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
async def bench(side: KubectlSide, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(side, tmp_path)
    yield made
    for source in made.made:
        await source.close()


def credential(**status: Any) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


def prints(**status: Any) -> str:
    return f"echo run >> \"$(dirname $0)/runs\"; cat <<'END'\n{credential(**status)}\nEND"


async def gone(pid: int) -> None:
    """Wait until that process has ended; an unreaped one has."""
    async with asyncio.timeout(20):
        while runs(pid):
            await asyncio.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def bearer(side: KubectlSide) -> str:
    return dict(side.who).get("authorization", "")


async def test_a_plugin_beside_the_kubeconfig_is_run_once_and_shared_with_the_actions(bench: Bench) -> None:
    bench.script(prints(token=TOKEN))
    source = bench.source(bench.config())
    await asyncio.gather(source.deployment(), source.whoami(), source.deployment())
    info = json.loads(environment(source.access, {})["KUBERNETES_EXEC_INFO"])  # type: ignore[arg-type]
    assert info["spec"] == {"interactive": False}, "who does not ask for the cluster is not told of it"
    twin = source.twin(5.0)
    await twin.deployment()
    await twin.close()
    await source.deployment()
    assert (bearer(bench.side), bench.runs()) == (f"Bearer {TOKEN}", 1)


async def test_a_plugin_has_no_terminal_of_ours_and_none_of_our_secrets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "CRON_SECRET", "NEXNUM_ADMIN_TOKEN", "NEXCONSOLE_CONFIG", "PGPASSWORD"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("AWS_PROFILE", "prod")
    monkeypatch.setenv("KUBECONFIG", "/its/own")
    # what it reads, its session, its environment
    look = (
        'read line; echo "read:$line" > $d/seen; ps -o sid= -p $$ >> $d/seen; env > $d/env; exec 3</dev/tty && echo tty'
    )
    bench.script(f"d=$(dirname $0); ({look}) 2>/dev/null\n{prints(token=TOKEN)}")
    plugin = {"env": [{"name": "MODE", "value": "x"}], "provideClusterInfo": True}
    extension = {"extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}]}
    source = bench.source(bench.config(**plugin, cluster=extension))
    await source.deployment()
    read, session = (bench.folder / "seen").read_text().splitlines()
    assert read == "read:" and int(session) != os.getsid(0)
    env = dict(line.partition("=")[::2] for line in (bench.folder / "env").read_text().splitlines() if "=" in line)
    assert env["AWS_PROFILE"] == "prod" and env["MODE"] == "x" and env["KUBECONFIG"] == "/its/own"
    assert "ours" not in env.values()
    info = json.loads(env["KUBERNETES_EXEC_INFO"])
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == (V1, "ExecCredential", False)
    cluster = info["spec"]["cluster"]
    assert cluster["server"] == bench.side.url and cluster["config"] == {"audience": "a"}
    assert cluster["certificate-authority-data"]


async def test_a_slow_plugin_is_named_while_it_runs_and_its_answer_is_there_for_the_next_who_asks(bench: Bench) -> None:
    bench.script(f"sleep 0.8\n{prints(token=TOKEN)}")
    source = bench.source(bench.config(), timeout_s=0.2)
    with pytest.raises(TimedOut, match=r"waiting for the kubeconfig's credential plugin plugin .*ended after 15 s"):
        await source.deployment()
    assert "credential plugin plugin" in (source.health.error or "")
    async with asyncio.timeout(20):
        while True:
            try:
                await source.deployment()
                break
            except TimedOut:
                continue
    assert bench.runs() == 1


async def test_a_plugin_that_hangs_is_ended_with_everything_that_it_started(bench: Bench) -> None:
    bench.script("trap '' TERM; sleep 300 & echo $! > $(dirname $0)/child; wait; sleep 300")
    source = bench.source(bench.config(), plugin_timeout_s=0.4)
    began = time.monotonic()
    with pytest.raises(Denied, match=r"credential plugin plugin gave no answer within .* and was ended: .*in a shell"):
        await source.deployment()
    assert time.monotonic() - began < 3
    child = int((bench.folder / "child").read_text())
    await gone(child)
    (bench.folder / "child").unlink()
    with pytest.raises(Denied, match="gave no answer") as caught:
        await source.deployment()
    assert not (bench.folder / "child").exists(), "it is not run again at once"
    assert caught.value.source == "kubernetes"


async def test_what_a_plugin_leaves_behind_with_its_pipes_open_is_not_waited_for(bench: Bench) -> None:
    bench.script(f"sleep 300 &\n{prints(token=TOKEN)}")
    source = bench.source(bench.config())
    async with asyncio.timeout(20):
        await source.deployment()


async def test_closing_ends_a_plugin_that_runs(bench: Bench) -> None:
    bench.script("echo $$ > $(dirname $0)/pid; sleep 300")
    source = bench.source(bench.config(), timeout_s=0.3)
    with pytest.raises(TimedOut):
        await source.deployment()
    pid = int((bench.folder / "pid").read_text())
    await source.close()
    await gone(pid)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'SSO session expired' >&2; exit 3", "plugin failed with 3: SSO session expired"),
        (f"echo 'token={TOKEN}' >&2; exit 1", r"failed with 1: token=\*\*\*"),
        ("yes >&2 & yes | head -c 3000000; kill $!; exit 1", "failed with 1: y y y"),
        ("echo hello", "printed something that is no ExecCredential"),
        ("yes | head -c 3000000", "printed something that is no ExecCredential"),
        ("echo '{}'", "answered .* where an ExecCredential of client.authentication.k8s.io/v1 was asked for"),
        (prints(), "gave neither a token nor a client certificate"),
        (prints(clientCertificateData="x"), "without its key"),
        (prints(token="a\nb"), "holds characters that no token may have"),
        (prints(clientCertificateData="x", clientKeyData="y"), "client-certificate and its client-key can't be used"),
        ("exit 0", "printed something that is no ExecCredential"),
    ],
)
async def test_what_a_plugin_answers_wrongly_is_one_sentence(bench: Bench, body: str, words: str) -> None:
    bench.script(body)
    with pytest.raises(SourceError, match=words) as caught:
        await bench.source(bench.config()).deployment()
    assert TOKEN not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"command": "no-such-plugin", "installHint": "apt install it"}, "not in PATH. Its hint: apt install it"),
        (
            {"command": "./gone", "installHint": "brew"},
            r"plugin gone is not there: .*/gone does not exist. Its hint: brew",
        ),
        ({"interactiveMode": "Always"}, "plugin plugin wants a terminal .interactiveMode Always"),
        ({"interactiveMode": ""}, "must say its interactiveMode"),
        ({"interactiveMode": "Often"}, "interactiveMode Often, which does not exist"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1, which kubectl does not know any more"),
        ({"command": ""}, "has no command"),
    ],
)
async def test_a_plugin_that_can_t_be_run_is_named_with_its_hint(bench: Bench, more: dict, words: str) -> None:
    bench.script(prints(token=TOKEN))
    with pytest.raises(Denied, match=words):
        await bench.source(bench.config(**more)).deployment()


async def test_a_plugin_is_found_in_path_and_never_in_the_current_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.script(prints(token=TOKEN), "nexnum-login")
    monkeypatch.chdir(bench.folder)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    with pytest.raises(Denied, match="nexnum-login is not installed"):
        await bench.source(bench.config("nexnum-login")).deployment()
    monkeypatch.setenv("PATH", f"{bench.folder}:{os.environ['PATH']}")
    await bench.source(bench.config("nexnum-login", env=[])).deployment()


async def test_an_answer_that_expires_is_asked_for_again_and_not_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_login, "PLUGIN_EVERY_S", 0.0)
    soon = (datetime.now(UTC) + timedelta(seconds=1.2)).isoformat()
    bench.script(prints(token="first", expirationTimestamp=soon))
    source = bench.source(bench.config())
    await source.deployment()
    await source.deployment()
    assert bench.runs() == 1
    bench.script(prints(token="second"))
    await asyncio.sleep(1.3)
    await source.deployment()
    assert (bench.runs(), bearer(bench.side)) == (2, "Bearer second")


async def test_a_token_that_is_refused_makes_the_plugin_run_again_and_not_in_a_storm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.script(prints(token=TOKEN))
    source = bench.source(bench.config())
    bench.side.answer = lambda path: (401, {"kind": "Status", "message": "Unauthorized"}, {})
    for _ in range(4):
        with pytest.raises(Denied, match="answers 401 to what the credential plugin plugin gave: log in again"):
            await source.deployment()
    assert bench.runs() == 1
    monkeypatch.setattr(kubernetes_login, "PLUGIN_EVERY_S", 0.0)
    bench.side.answer = type(bench.side).answer
    await source.deployment()
    assert bench.runs() == 2


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")
async def test_a_relative_plugin_is_the_one_that_kubectl_runs(bench: Bench) -> None:
    bench.script(prints(token=TOKEN))
    path = bench.config()
    await kubectl("get", "--raw", "/apis/x", home=bench.folder, KUBECONFIG=str(path))
    assert (bearer(bench.side), bench.runs()) == (f"Bearer {TOKEN}", 1)
    assert plugin_name(Exec(command="/usr/bin/aws")) == "aws"


# --- tokens and certificates


async def test_a_token_s_file_is_trimmed_and_read_again_as_it_changes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_login, "TOKEN_EVERY_S", 0.0)
    file = bench.folder / "token"
    file.write_text(f"{TOKEN}\n")
    source = bench.source(kubeconfig(bench.folder, bench.side, {"tokenFile": "token"}))
    await source.deployment()
    assert bearer(bench.side) == f"Bearer {TOKEN}"
    file.write_text("another\r\n")
    await source.deployment()
    assert bearer(bench.side) == "Bearer another"
    file.unlink()  # while it is written anew the last one does
    await source.deployment()
    assert bearer(bench.side) == "Bearer another"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "tokenFile .*/token: it is empty"),
        (b"\n \n", "it is empty"),
        (b"\xff\xfe", "it is not text"),
        (f"{TOKEN}\nX-Other: 1".encode(), "the token in .*/token holds characters that no token may have"),
        (f"{TOKEN}\u00e9".encode(), "holds characters"),
        (None, "no such file"),
    ],
)
async def test_a_token_that_can_t_be_sent_is_a_sentence_without_it(bench: Bench, content: Any, words: str) -> None:
    if content is not None:
        (bench.folder / "token").write_bytes(content)
    source = bench.source(kubeconfig(bench.folder, bench.side, {"tokenFile": "token"}))
    with pytest.raises(Denied, match=words) as caught:
        await source.deployment()
    assert TOKEN not in f"{caught.value}{caught.value.__cause__}{source.health}"
    assert bench.side.seen == [], "nothing is sent without it"


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")
@pytest.mark.parametrize(
    "user",
    [
        {"token": "from-key", "tokenFile": "token"},
        {"token": "from-key", "tokenFile": "gone"},
        {"username": "maria", "password": "p:w\u00e9"},
        {"token": " padded\n"},
    ],
)
async def test_the_same_header_is_sent_as_by_kubectl(bench: Bench, user: dict[str, str]) -> None:
    (bench.folder / "token").write_text("from-file\n")
    path = kubeconfig(bench.folder, bench.side, user)
    status, _, errors = await kubectl("get", "--raw", "/apis/x", home=bench.folder, KUBECONFIG=str(path))
    theirs = bearer(bench.side) if status == 0 else ""
    await bench.source(path).deployment()
    assert bearer(bench.side) == theirs or (status != 0 and "invalid header" in errors)
