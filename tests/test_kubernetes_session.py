"""The connection to the API server: verification, client certificates, names, proxies."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubectl_side import KUBECTL, KubectlSide, api_side, kubeconfig, kubectl

from nexconsole.errors import SourceError, Unreachable
from nexconsole.settings import KubernetesSettings
from nexconsole.sources.cluster_access import access
from nexconsole.sources.kubernetes import KubernetesSource
from nexconsole.sources.kubernetes_session import proxy_of
from nexconsole.sources.lazy_clients import LazyClients


@pytest.fixture
async def side() -> AsyncIterator[KubectlSide]:
    async with api_side() as made:
        yield made


@asynccontextmanager
async def opened(path: Path, **settings: Any) -> AsyncIterator[KubernetesSource]:
    source = KubernetesSource(LazyClients(), KubernetesSettings(kubeconfig=str(path), **settings))
    try:
        yield source
    finally:
        await source.close()


def client_pair(encrypted: bool = False) -> tuple[str, str]:
    """A certificate of `CN=maria` without the extensions that only the newest verifiers ask for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maria")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(hours=1))
    hidden = serialization.BestAvailableEncryption(b"x") if encrypted else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


async def test_the_cluster_s_own_authority_is_held_against_and_no_other(side: KubectlSide, tmp_path: Path) -> None:
    async with opened(kubeconfig(tmp_path, side, {"token": "t"})) as source:
        await source.deployment()
    async with api_side() as other:
        wrong = kubeconfig(tmp_path, side, {}, "w", **{"certificate-authority-data": data(other.authority)})
        async with opened(wrong) as source:
            with pytest.raises(Unreachable, match="TLS certificate can't be verified, check certificate-authority"):
                await source.deployment()
    (tmp_path / "ca.pem").write_text(side.authority)
    file = kubeconfig(tmp_path, side.url, {"token": "t"}, "f", **{"certificate-authority": "ca.pem"})
    async with opened(file) as source:
        await source.deployment()
    async with opened(kubeconfig(tmp_path, side, {}, "s", **{"insecure-skip-tls-verify": True})) as source:
        await source.deployment()


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")
@pytest.mark.parametrize(("name", "good"), [("localhost", True), ("elsewhere", False), ("", True)])
async def test_tls_server_name_is_what_the_certificate_is_held_against(
    side: KubectlSide, tmp_path: Path, name: str, good: bool
) -> None:
    path = kubeconfig(tmp_path, side, {"token": "t"}, **({"tls-server-name": name} if name else {}))
    status, _, _ = await kubectl("get", "--raw", "/apis/x", home=tmp_path, KUBECONFIG=str(path))
    assert (status == 0) is good
    async with opened(path) as source:
        if good:
            await source.deployment()
        else:
            with pytest.raises(Unreachable, match="certificate"):
                await source.deployment()


async def test_a_client_certificate_is_sent_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    chain, key = client_pair()
    async with api_side(clients=chain) as side:
        by_data = {"client-certificate-data": data(chain), "client-key-data": data(key)}
        async with opened(kubeconfig(tmp_path, side, by_data)) as source:
            await source.deployment()
        assert side.certificates[-1] == "maria"
        (tmp_path / "c.pem").write_text(chain)
        (tmp_path / "k.pem").write_text(key)
        by_file = {"client-certificate": "c.pem", "client-key": "k.pem"}
        async with opened(kubeconfig(tmp_path, side, by_file)) as source:
            await source.deployment()
        assert side.certificates[-1] == "maria" and len(side.certificates) == 2
        status = {"clientCertificateData": chain, "clientKeyData": key}
        version = "client.authentication.k8s.io/v1"
        (tmp_path / "answer").write_text(
            json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
        )
        plugin = {
            "command": "cat",
            "args": [str(tmp_path / "answer")],
            "apiVersion": version,
            "interactiveMode": "Never",
        }
        async with opened(kubeconfig(tmp_path, side, {"exec": plugin})) as source:
            await source.deployment()
        assert side.certificates[-1] == "maria" and len(side.certificates) == 3


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"client-certificate": "gone", "client-key": "gone"}, {}, "client-certificate .*gone can't be read: no such"),
        ({"client-certificate-data": "!", "client-key-data": "!"}, {}, "client-certificate .* can't be used together"),
        ({"client-certificate-data": "/w==", "client-key-data": "!"}, {}, "client-certificate is not base64 of a PEM"),
        ("encrypted", {}, "client-key is encrypted"),
        ({}, {"certificate-authority-data": data("no PEM")}, "certificate-authority-data holds no certificate"),
        ({}, {"certificate-authority": "gone"}, "certificate-authority .*gone can't be read"),
        ({}, {"certificate-authority": "/dev/null"}, "certificate-authority holds no certificate"),
    ],
)
async def test_a_certificate_that_can_t_be_used_is_named_by_its_key(
    side: KubectlSide, tmp_path: Path, user: Any, cluster: dict, words: str
) -> None:
    if user == "encrypted":
        chain, key = client_pair(encrypted=True)
        user = {"client-certificate-data": data(chain), "client-key-data": data(key)}
    async with opened(kubeconfig(tmp_path, side, user, **cluster)) as source:
        with pytest.raises(SourceError, match=words):
            await source.deployment()


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[int, list[str]]]:
    """An HTTP proxy that tunnels, and writes down where to."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(1 << 14):
                writer.write(part)
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode())
        where = head.split()[1].decode()
        host, _, port = where.rpartition(":")
        host = "127.0.0.1" if host == "api.invalid" else host
        other_reader, other = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        tasks.update({asyncio.create_task(pump(reader, other)), asyncio.create_task(pump(other_reader, writer))})

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_the_kubeconfig_s_proxy_is_used_also_for_a_name_that_only_it_can_resolve(
    side: KubectlSide, tmp_path: Path
) -> None:
    server = side.url.replace("127.0.0.1", "api.invalid")
    async with proxy() as (port, asked):
        more = {"proxy-url": f"http://maria:pw@127.0.0.1:{port}", "tls-server-name": "localhost"}
        path = kubeconfig(tmp_path, KubectlSide(url=server, authority=side.authority), {"token": "t"}, **more)
        async with opened(path) as source:
            await source.deployment()
        assert asked[0].startswith("CONNECT api.invalid:") and "Proxy-Authorization: Basic" in asked[0]
        assert dict(side.who)["authorization"] == "Bearer t"


async def test_a_proxy_that_is_away_or_refuses_is_named_and_not_the_api_server(
    side: KubectlSide, tmp_path: Path
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for proxied, words in (
        ("http://u:pw@127.0.0.1:1", r"its proxy 127\.0\.0\.1:1 can't be reached: "),
        (f"http://u:pw@127.0.0.1:{port}", r"its proxy answered 407 Proxy Authentication Required: check proxy-url"),
    ):
        async with opened(kubeconfig(tmp_path, side, {"token": "t"}, **{"proxy-url": proxied})) as source:
            with pytest.raises(SourceError, match=words) as raised:
                await source.deployment()
            assert "pw" not in str(raised.value)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("server", "environ", "proxied"),
    [
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://api.eu:6443", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://api.eu:6443", {"ALL_PROXY": "socks5://p:1"}, ""),  # kubectl does not know that variable
        ("https://api.eu:6443", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://api.eu:6443", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://localhost:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, .eu"}, ""),
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.eu:6443"}, ""),
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.eu:443"}, "http://p:1"),
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, ""),
        ("https://eu:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".eu"}, "http://p:1"),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://[fd00::7]:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "fd00::/8"}, ""),
        ("https://11.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,junk/99"}, "http://p:1"),
        ("https://api.eu:6443", {"HTTPS_PROXY": "socks5h://p:1"}, "HTTPS_PROXY names a SOCKS proxy"),
        ("https://api.eu:6443", {"HTTPS_PROXY": "http://[::"}, "HTTPS_PROXY is not a proxy's address"),
        ("https://api.eu:6443", {"HTTPS_PROXY": "ftp://p:1"}, "HTTPS_PROXY is not a proxy's address"),
    ],
)
def test_the_environment_s_proxies_are_taken_as_kubectl_takes_them(
    server: str, environ: dict[str, str], proxied: str, tmp_path: Path
) -> None:
    where = access(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, server, {"token": "t"}))))
    if "HTTPS_PROXY " in proxied:
        with pytest.raises(SourceError, match=proxied):
            proxy_of(where, environ)
    else:
        assert proxy_of(where, environ) == proxied


async def test_a_kubeconfig_that_breaks_while_it_is_used_changes_nothing(
    side: KubectlSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexconsole.sources.kubernetes_link.LOOK_EVERY_S", 0.0)
    path = kubeconfig(tmp_path, side, {"token": "one"})
    async with opened(path) as source:
        await source.deployment()
        good = path.read_text()
        path.write_text(good[: len(good) // 2])
        await source.deployment()
        path.write_text(good.replace('"one"', '"two"'))
        await source.deployment()
        assert dict(side.who)["authorization"] == "Bearer two"


def test_the_context_verifies_unless_the_kubeconfig_says_otherwise(tmp_path: Path) -> None:
    from nexconsole.sources.kubernetes_session import tls

    plain = access(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, "https://h", {}, "a"))))
    assert tls(plain).verify_mode == ssl.CERT_REQUIRED and tls(plain).check_hostname
    skipped = kubeconfig(tmp_path, "https://h", {}, "b", **{"insecure-skip-tls-verify": True})
    assert tls(access(KubernetesSettings(kubeconfig=str(skipped)))).verify_mode == ssl.CERT_NONE
