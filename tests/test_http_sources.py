"""What the settings say wins, alike for every source that speaks HTTP: logins, headers, proxies, trust, size."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from proxy_servers import http_proxy, socks_proxy

from nexconsole.drill.kubernetes.certificates import server_tls
from nexconsole.drill.temp_tree import free_port
from nexconsole.errors import BadAnswer, SettingsError, SourceError, Unreachable
from nexconsole.settings import tables
from nexconsole.sources.alertmanager import AlertmanagerSource
from nexconsole.sources.api import ApiSource
from nexconsole.sources.http_address import authorities, headers_of, parse_http
from nexconsole.sources.prometheus import PrometheusSource
from nexconsole.sources.proxies import direct, proxy_for
from nexconsole.sources.search import SearchSource

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


class FarSide:
    """One server that answers as each of the four does, and writes down what came."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.encode: Callable[[bytes], bytes] | None = None
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": "GET, OPTIONS"})
        document: Any = {"status": "success", "data": {"resultType": "vector", "result": []}}
        document = {"/health": {"status": "available"}, "/api/v2/silences": []}.get(request.path, document)
        body = json.dumps(document).encode()
        encoded = {"Content-Encoding": "gzip"} if self.encode else {}
        body = self.encode(body) if self.encode else body
        return web.Response(body=body, headers={"Content-Type": "application/json", **encoded})


@pytest.fixture
async def far_side(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarSide]:
    for name in (*PROXIES, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    side = FarSide()
    runner = await serving(side)
    yield side
    await runner.cleanup()


async def serving(side: FarSide, context: ssl.SSLContext | None = None) -> web.AppRunner:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", side.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    side.port = runner.addresses[0][1]
    return runner


def _api(clients, url: str, **more: Any) -> tuple[ApiSource, Awaitable[Any]]:
    source = ApiSource(clients, tables.ApiSettings(url=url, **more))
    return source, source.methods("/api/health")


def _search(clients, url: str, **more: Any) -> tuple[SearchSource, Awaitable[Any]]:
    source = SearchSource(clients, tables.SearchSettings(url=url, **more))
    return source, source.health_status()


def _alertmanager(clients, url: str, **more: Any) -> tuple[AlertmanagerSource, Awaitable[Any]]:
    source = AlertmanagerSource(clients, tables.AlertmanagerSettings(url=url, **more))
    return source, source.silences()


def _prometheus(clients, url: str, **more: Any) -> tuple[PrometheusSource, Awaitable[Any]]:
    source = PrometheusSource(clients, tables.PrometheusSettings(url=url, **more))
    return source, source.query("up")


SOURCES = {"api": _api, "search": _search, "alertmanager": _alertmanager, "prometheus": _prometheus}
each = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)


async def asked(make, clients, url: str, **more: Any) -> None:
    source, question = make(clients, url, **more)
    try:
        await question
    finally:
        await source.close()


@each
async def test_the_addresss_login_is_decoded_and_no_netrc_replaces_it(make, clients, far_side, tmp_path, monkeypatch):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login thief password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    await asked(make, clients, f"http://maria%40x:p%2Fa%20b@127.0.0.1:{far_side.port}")
    assert far_side.headers[0]["Authorization"] == f"Basic {base64.b64encode(b'maria@x:p/a b').decode()}"
    await asked(make, clients, f"http://127.0.0.1:{far_side.port}")
    assert "Authorization" not in far_side.headers[1]


@pytest.mark.parametrize("name", ["api", "alertmanager", "prometheus"])
async def test_a_tenants_header_goes_with_every_question(name, clients, far_side):
    url = f"http://127.0.0.1:{far_side.port}"
    await asked(SOURCES[name], clients, url, headers={"X-Scope-OrgID": "nexnum\n"})
    assert far_side.headers[0]["X-Scope-OrgID"] == "nexnum"


@pytest.mark.parametrize("name", ["alertmanager", "prometheus"])
async def test_a_bearer_of_the_settings_wins_over_a_login_of_the_address(name, clients, far_side):
    url = f"http://maria:pw@127.0.0.1:{far_side.port}"
    await asked(SOURCES[name], clients, url, bearer=" t0ken\n")
    await asked(SOURCES[name], clients, url, username="piet", password="other")
    assert far_side.headers[0]["Authorization"] == "Bearer t0ken"
    assert far_side.headers[1]["Authorization"] == f"Basic {base64.b64encode(b'piet:other').decode()}"


@pytest.mark.parametrize("name", ["search", "alertmanager", "prometheus"])
async def test_an_answer_that_is_compressed_though_nobody_asked_is_read(name, clients, far_side):
    far_side.encode = gzip.compress
    await asked(SOURCES[name], clients, f"http://127.0.0.1:{far_side.port}")
    assert far_side.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("name", ["search", "alertmanager", "prometheus"])
@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (lambda body: gzip.compress(b" " * 30_000_000), "answers more than"),
        (lambda body: b"no gzip at all", "compressed form that can't be read"),
    ],
)
async def test_a_compressed_answer_is_bounded_and_checked(name, clients, far_side, encode, said):
    far_side.encode = encode
    with pytest.raises(BadAnswer, match=said):
        await asked(SOURCES[name], clients, f"http://127.0.0.1:{far_side.port}")


@each
async def test_what_the_settings_trust_is_trusted_and_what_the_environment_trusts_where_they_say_nothing(
    make, clients, far_side, tmp_path, monkeypatch
):
    context, authority = server_tls()
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_text(authority)
    theirs.write_text(server_tls()[1])
    side = FarSide()
    runner = await serving(side, context)
    url = f"https://127.0.0.1:{side.port}"
    try:
        with pytest.raises(Unreachable, match="certificate can't be verified"):
            await asked(make, clients, url)
        for variable in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):  # each over the one before
            monkeypatch.setenv(variable, str(ours))
            await asked(make, clients, url)
            monkeypatch.setenv(variable, str(theirs))
            with pytest.raises(Unreachable, match="certificate can't be verified"):
                await asked(make, clients, url)
        await asked(make, clients, url, ca_file=str(ours))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
        with pytest.raises(Unreachable, match=r"SSL_CERT_FILE .*absent\.pem can't be used"):
            await asked(make, clients, url)
    finally:
        await runner.cleanup()


@each
@pytest.mark.parametrize("form", ["http://127.0.0.1:{port}", "127.0.0.1:{port}", "HTTP://127.0.0.1:{port}/"])
async def test_an_http_proxy_of_the_environment_is_used(make, clients, far_side, monkeypatch, form):
    async with http_proxy() as (port, passed):
        monkeypatch.setenv("http_proxy", form.format(port=port))
        await asked(make, clients, f"http://nexnum.invalid:{far_side.port}")
    assert len(passed) == 1 and f"http://nexnum.invalid:{far_side.port}/" in passed[0]


@each
@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
async def test_a_socks_proxy_as_desktops_set_it_is_used(make, clients, far_side, monkeypatch, scheme):
    async with socks_proxy() as (port, names):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}/")
        await asked(make, clients, f"http://127.0.0.1.nip.invalid:{far_side.port}")
    assert names == ["127.0.0.1.nip.invalid"]


@each
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("socks4://p:1080", "ALL_PROXY names a socks4 proxy"),
        ("ftp://p:1", "ALL_PROXY holds no proxy's address"),
        ("http://", "ALL_PROXY holds no proxy's address"),
        ("http://[::1", "ALL_PROXY holds no proxy's address"),
        ("http://p:port", "ALL_PROXY holds no proxy's address"),
    ],
)
async def test_a_proxy_that_can_not_be_used_is_a_sentence_of_the_source(
    make, clients, far_side, monkeypatch, value, said
):
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(Unreachable, match=said):
        await asked(make, clients, "http://nexnum.invalid")
    await asked(make, clients, f"http://127.0.0.1:{far_side.port}")  # this very host never goes by a proxy


@each
async def test_a_proxy_that_is_down_is_named(make, clients, far_side, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="the proxy of http_proxy failed"):
        await asked(make, clients, "http://nexnum.invalid")


@pytest.mark.parametrize(
    ("url", "environ", "found"),
    [
        ("https://h", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("https://h", {"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, "http://a"),
        ("https://h", {"HTTP_PROXY": "http://p"}, None),
        ("http://h", {"ALL_PROXY": "http://u:p@[::1]:3128"}, "http://u:p@[::1]:3128"),
        ("https://h", {"ALL_PROXY": "http://p", "NO_PROXY": "x,h"}, None),
        ("https://[::1]:9", {"ALL_PROXY": "http://p"}, None),
        ("https://127.8.9.1", {"ALL_PROXY": "http://p"}, None),
        ("https://localhost", {"ALL_PROXY": "http://p"}, None),
        ("https://h", {"ALL_PROXY": "  "}, None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names_for_the_address(url, environ, found):
    proxy = proxy_for("prometheus", url, environ)
    assert (proxy.url if proxy else None) == found


@pytest.mark.parametrize(
    ("host", "port", "unproxied", "is_direct"),
    [
        ("a.internal", 443, ".internal", True),
        ("a.internal", 443, "internal", True),
        ("internal", 443, ".internal", False),
        ("a.internal", 443, "*.internal", True),
        ("xinternal", 443, "internal", False),
        ("h", 443, "*", True),
        ("10.1.2.3", 443, "10.0.0.0/8", True),
        ("10.1.2.3", 443, "10.1.2.4/32", False),
        ("10.1.2.3", 443, "10.1.2.3", True),
        ("h", 8443, "h:8443", True),
        ("h", 443, "h:8443", False),
        ("fd00::1", 443, "fd00::/8", True),
        ("fd00::1", 443, "[fd00::1]", True),
        ("h", 443, "a b h", True),
        ("h", 443, "", False),
        ("h", 443, ",,", False),
    ],
)
def test_no_proxy_is_read_in_every_form(host, port, unproxied, is_direct):
    assert direct(host, port, unproxied) is is_direct


@pytest.mark.parametrize(
    ("url", "place", "login"),
    [
        (" http://h:1/x/ \n", "h:1/x", None),
        ("HTTPS://u:p%40@h", "h", ("u", "p@")),
        ("http://u:p@w@h/a?b#c", "h/a", ("u", "p@w")),
        ("http://[::1]:9", "[::1]:9", None),
        ("http://u@h", "h", ("u", "")),
    ],
)
def test_an_address_is_taken_apart(url, place, login):
    where = parse_http("api.url", url)
    assert (where.place, where.login) == (place, login)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "ftp://h",
        "http://",
        "http://:1",
        "http://h:x",
        "http://h:0",
        "http://[::1",
        "http://h:70000",
        "'http://h'",
        "http://u:sec/ret@h",
        "http://u:sec?@h",
        "http://h\u2100",
        "http://a b",
    ],
)
def test_what_is_no_address_is_a_sentence_of_its_key_without_the_password(url):
    with pytest.raises(SettingsError, match=r"api\.url") as caught:
        parse_http("api.url", url)
    assert "sec" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_sentence(text):
    for url in (text, f"http://{text}", f"https://u:{text}@h", f"http://h/{text}"):
        try:
            parse_http("api.url", url)
        except SettingsError:
            continue


@pytest.mark.parametrize("headers", [{"X Y": "1"}, {"X\n": "1"}, {"X": "a\r\nY: b"}, {"": "1"}, {"X": "\u00e9"}])
def test_what_can_be_no_header_is_refused_with_its_key(headers):
    with pytest.raises(SettingsError, match=r"alertmanager\.headers"):
        headers_of("alertmanager", headers)


def test_a_folder_of_authorities_is_used_as_well_as_a_file(tmp_path: Path):
    assert authorities("api", str(tmp_path), {})
    with pytest.raises(SourceError, match=r"api\.ca_file"):
        authorities("api", str(tmp_path / "absent"), {})
