"""NexNum's API, asked by OPTIONS alone. (nexnum.md#nextjs)"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from remote_console import GARBAGE, HTML, REDIRECT, tcp_server

from nexconsole.errors import BadAnswer, NoRoute, SettingsError, SourceError, TimedOut, Unreachable
from nexconsole.settings import ApiSettings
from nexconsole.sources.api import ApiSource


@pytest.fixture
async def api(clients) -> AsyncIterator[Callable[..., ApiSource]]:
    made: list[ApiSource] = []

    def make(url: str, **settings) -> ApiSource:
        made.append(ApiSource(clients, ApiSettings(url=url, **{"timeout_s": 1.0, **settings})))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@asynccontextmanager
async def next_js() -> AsyncIterator[tuple[str, list[str]]]:
    """Next's own manners: OPTIONS is answered for a route without running it. Yields (address, requests seen)."""
    seen: list[str] = []
    routes = {"/api/health": "GET, HEAD, OPTIONS", "/api/cron/cleanup": "OPTIONS, POST"}

    async def answer(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.path}")
        if request.path == "/api/limited":
            return web.json_response({"error": "Too Many Requests"}, status=429)
        if request.path == "/api/broken":
            return web.Response(status=500)
        if request.path == "/api/bare":
            return web.Response(status=204)
        if request.path.endswith("/"):
            return web.Response(status=308, headers={"Location": request.path.rstrip("/")})
        if request.method != "OPTIONS" or request.path not in routes:
            return web.Response(status=405 if request.path in routes else 404)
        return web.Response(status=204, headers={"Allow": routes[request.path]})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def test_a_routes_methods_are_learnt_without_running_any_handler(api):
    async with next_js() as (url, seen):
        source = api(url + "/")
        assert await source.methods("/api/health") == ("GET", "HEAD", "OPTIONS")
        assert await source.methods("/api/cron/cleanup") == ("OPTIONS", "POST")
        await source.ping()
        assert {line.split()[0] for line in seen} == {"OPTIONS"}
        assert source.health.error is None and source.health.latency_ms is not None


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/api/cron/process-outbox", BadAnswer, r"no route /api/cron/process-outbox \(404\)"),
        ("/api/health/", BadAnswer, r"redirect \(308\) to /api/health"),
        ("/api/limited", Unreachable, "limits the rate"),
        ("/api/broken", Unreachable, "answers 500"),
        ("/api/bare", BadAnswer, "no allow header"),
    ],
)
async def test_what_a_route_answers_instead_is_said(api, path, kind, words):
    async with next_js() as (url, _):
        with pytest.raises(kind, match=words):
            await api(url).methods(path)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(HTML, BadAnswer, "is this NexNum", id="HTML"),
        pytest.param(REDIRECT, BadAnswer, "redirect .* to /login", id="redirect"),
        pytest.param(GARBAGE, BadAnswer, "does not speak HTTP", id="garbage"),
        pytest.param(b"", Unreachable, "connection", id="dropped"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Unreachable, "connection", id="half"),
        pytest.param(None, TimedOut, "did not answer", id="hanging"),
    ],
)
async def test_a_far_side_that_is_no_api_is_a_sentence(api, answer, kind, words):
    async with tcp_server(answer) as port:
        source = api(f"http://127.0.0.1:{port}", timeout_s=0.4)
        with pytest.raises(kind, match=words):
            await source.ping()
        assert source.health.kind == kind.kind


async def test_an_answer_without_end_is_cut_off(api):
    async with tcp_server(b"HTTP/1.1 200 OK\r\nAllow: GET\r\n\r\n" + b"x" * 3_000_000, then_close=False) as port:
        with pytest.raises(BadAnswer, match="more than 2 MB"):
            await api(f"http://127.0.0.1:{port}").ping()


async def test_refused_unknown_host_and_a_bad_ca_are_said(api):
    with pytest.raises(Unreachable, match="refused"):
        await api("http://127.0.0.1:1").ping()
    with pytest.raises(Unreachable, match="does not resolve"):
        await api("http://no-such-host.invalid").ping()
    with pytest.raises(Unreachable, match=r"ca_file /nowhere\.pem"):
        await api("https://127.0.0.1:1", ca_file="/nowhere.pem").ping()
    async with tcp_server(HTML) as port:
        with pytest.raises(SourceError, match="TLS"):
            await api(f"https://127.0.0.1:{port}").ping()


async def test_a_proxy_of_the_environment_is_not_asked_for_this_very_host(api, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with next_js() as (url, _):
        await api(url).ping()


async def test_an_address_that_is_none_is_refused(clients):
    for url in ("localhost:3000", "ftp://x", "https://"):
        with pytest.raises(SettingsError, match=r"api\.url"):
            ApiSource(clients, ApiSettings(url=url))


async def test_a_route_that_is_missing_does_not_speak_against_the_apis_health(api):
    async with next_js() as (url, _):
        source = api(url)
        await source.ping()
        with pytest.raises(NoRoute):
            await source.methods("/api/cron/process-outbox")
        assert source.health.error is None
        with pytest.raises(Unreachable):
            await source.methods("/api/broken")
        assert source.health.kind == "unreachable"


async def test_an_address_without_nexnums_health_route_is_no_healthy_api(api):
    async with next_js() as (url, _):
        source = api(f"{url}/elsewhere")
        with pytest.raises(NoRoute):
            await source.ping()
        assert source.health.kind == "bad answer"
