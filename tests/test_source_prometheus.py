"""Prometheus, Thanos and Mimir, and whatever else may answer at their address. (nexnum.md#samples)"""

import asyncio
import math
import shutil
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from metrics_side import MetricsSide, metrics_side
from remote_console import GARBAGE, HTML, REDIRECT, tcp_server

from nexconsole.drill.temp_tree import free_port
from nexconsole.errors import BadAnswer, Denied, SettingsError, SourceError, TimedOut, Unreachable
from nexconsole.settings import PrometheusSettings
from nexconsole.sources.prometheus import CONNECTIONS, LARGE_BYTES, PrometheusSource, QueryRefused


@pytest.fixture
async def source(clients) -> AsyncIterator[Callable[..., PrometheusSource]]:
    made: list[PrometheusSource] = []

    def make(url: str, **settings) -> PrometheusSource:
        made.append(PrometheusSource(clients, PrometheusSettings(url=url, **{"timeout_s": 2.0, **settings})))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def metrics() -> AsyncIterator[MetricsSide]:
    async with metrics_side() as side:
        yield side


async def test_samples_come_with_clean_labels_and_numbers_that_may_be_nan(source, metrics):
    metrics.vectors = {
        "up": [({"pod": "a\x1b[31m"}, 1.0), ({"pod": "x" * 9000}, float("nan")), ({}, float("inf"))],
    }
    prometheus = source(metrics.url + "/")
    first, second, third = await prometheus.query("up")
    assert (first.labels, first.value, math.isnan(second.value)) == ({"pod": "a"}, 1.0, True)
    assert len(second.labels["pod"]) <= 200 and third.value == float("inf")
    assert await prometheus.query("nothing") == []
    assert metrics.requests[0].query["timeout"] == "2s"
    assert prometheus.health.error is None


async def test_a_range_has_its_points_and_drops_what_is_not_finite(source, metrics):
    metrics.ranges = {"up": [({"a": "b"}, 3.0), ({}, float("nan"))]}
    answer = await source(metrics.url).query_range("up", 1_000_000, 1_000_060, 15)
    assert [len(series.points) for series in answer] == [5, 0]
    assert answer[0].points[1] == (1_000_015.0, 3.0)


async def test_an_answer_that_says_it_is_partial_has_a_note_and_null_is_an_empty_list(source, metrics):
    metrics.more, metrics.empty = {"isPartial": True}, None
    answer = await source(metrics.url).query("up")
    assert answer == [] and answer.notes == ("prometheus' answer is partial: some of its storage did not answer",)
    assert await source(metrics.url).query_range("up", 0, 60, 15) == []
    assert await source(metrics.url).label_values("job", "up") == []
    assert await source(metrics.url).rules() == [] and await source(metrics.url).alerts() == []


async def test_a_partial_answers_warnings_become_notes(source, metrics):
    metrics.warnings = ["No StoreAPIs matched for this query \x1b[31m"]
    answer = await source(metrics.url).query("up")
    assert answer.notes == ("prometheus warns: No StoreAPIs matched for this query",)


async def test_a_path_prefix_and_missing_routes_are_understood(source):
    async with metrics_side(prefix="/prometheus") as side:
        side.vectors, side.rules, side.alerts = {"up": [({}, 1.0)]}, None, None
        prometheus = source(side.url)
        assert len(await prometheus.query("up")) == 1
        assert await prometheus.rules() is None and await prometheus.alerts() is None
        assert await prometheus.version() == ""
        assert prometheus.health.error is None
        with pytest.raises(BadAnswer, match="may lack a prefix"):
            await source(side.url.removesuffix("/prometheus")).query("up")


async def test_a_refused_expression_quotes_the_servers_error_and_is_no_fault_of_the_source(source, metrics):
    metrics.refused = {"sum("}
    prometheus = source(metrics.url)
    with pytest.raises(QueryRefused, match=r"refuses the expression: invalid parameter: sum\("):
        await prometheus.query("sum(")
    assert prometheus.health.error is None


async def test_bearer_basic_and_tenant_headers_are_sent_and_a_netrc_cannot_replace_them(
    source, metrics, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login intruder password intruder\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await source(metrics.url, bearer="t0ken", headers={"X-Scope-OrgID": "nexnum"}).query("up")
    assert metrics.requests[-1].headers["Authorization"] == "Bearer t0ken"
    assert metrics.requests[-1].headers["X-Scope-OrgID"] == "nexnum"
    await source(metrics.url, username="ü", password="p:w").query("up")
    assert metrics.requests[-1].headers["Authorization"] == "Basic w7w6cDp3"
    inside = source(metrics.url.replace("http://", "http://user:pw@"))
    await inside.query("up")
    assert metrics.requests[-1].headers["Authorization"] == "Basic dXNlcjpwdw=="
    assert "pw" not in inside.address


def http(status: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


ERROR = b'{"status":"error","errorType":"timeout","error":"query timed out \\u001b[31m"}'
HUGE = http("200 OK", b'{"status":"success","data":"' + b"x" * 9_000_000 + b'"}')


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(HTML, BadAnswer, "answers HTML .*login page", id="HTML"),
        pytest.param(REDIRECT, BadAnswer, "redirect to /login", id="redirect"),
        pytest.param(GARBAGE, BadAnswer, "does not speak HTTP", id="garbage"),
        pytest.param(http("200 OK", b"{not json"), BadAnswer, "not JSON", id="not JSON"),
        pytest.param(http("200 OK", b"[" * 100_000), BadAnswer, "not JSON", id="deep JSON"),
        pytest.param(http("200 OK", b'{"status":"success"}'), BadAnswer, "not Prometheus'", id="other JSON"),
        pytest.param(http("200 OK", b'{"data":{"result":[1]}}'), BadAnswer, "not Prometheus'", id="odd result"),
        pytest.param(http("200 OK", ERROR), QueryRefused, "query timed out$", id="error under 200"),
        pytest.param(http("503 No", ERROR), BadAnswer, "503: query timed out$", id="server's time-out"),
        pytest.param(http("502 No", b"<html>", "text/html"), Unreachable, "answers 502", id="gateway"),
        pytest.param(http("401 No", b"Unauthorized"), Denied, r"credentials \(401\)", id="401"),
        pytest.param(http("403 No", b'{"error":"no tenant"}'), Denied, "no tenant", id="403"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", Unreachable, "broke|dropped", id="half"),
        pytest.param(b"", Unreachable, "broke|dropped", id="dropped"),
        pytest.param(HUGE, BadAnswer, "more than 8 MB", id="huge"),
        pytest.param(None, TimedOut, "did not answer", id="hanging"),
    ],
)
async def test_a_far_side_that_is_no_prometheus_is_a_sentence(source, answer, kind, words):
    async with tcp_server(answer, then_close=answer is not HUGE) as port:
        prometheus = source(f"http://127.0.0.1:{port}", timeout_s=0.5 if answer is None else 5.0)
        with pytest.raises(kind, match=words) as failure:
            await prometheus.query("up")
        assert "\x1b" not in str(failure.value)


async def test_refused_unknown_host_and_odd_addresses_are_said(source):
    with pytest.raises(Unreachable, match="refused"):
        await source("http://127.0.0.1:1").query("up")
    with pytest.raises(Unreachable, match="does not resolve"):
        await source("http://no-such-host.invalid").query("up")
    for url in ("localhost:9090", "ftp://x", "http://"):
        with pytest.raises(SettingsError, match=r"prometheus\.url"):
            source(url)
    with pytest.raises(SettingsError, match=r"prometheus\.bearer"):
        source("http://x", bearer="two\nlines")


async def test_a_private_ca_is_trusted_where_it_is_given_and_refused_where_not(source, metrics, tmp_path):
    chain, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    application = web.Application()
    application.router.add_get("/api/v1/query", metrics.query)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        assert await source(url, ca_file=str(chain)).query("up") == []
        with pytest.raises(Unreachable, match="certificate can't be verified"):
            await source(url).query("up")
        with pytest.raises(SourceError, match=r"nowhere\.pem"):
            await source(url, ca_file="/nowhere.pem").query("up")
    finally:
        await runner.cleanup()
    async with tcp_server(HTML) as port:
        with pytest.raises(Unreachable, match="TLS"):
            await source(f"https://127.0.0.1:{port}").query("up")


async def test_a_trickle_is_given_up_although_every_piece_is_in_time(source):
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    prometheus = source(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.4)
    with pytest.raises(TimedOut):
        await prometheus.query("up")
    server.close()


async def test_while_every_connection_hangs_the_next_question_waits_no_longer_than_it_may(source):
    async with tcp_server(None) as port:
        prometheus = source(f"http://127.0.0.1:{port}", timeout_s=0.3)
        began = time.monotonic()
        asking = [prometheus.query("up") for _ in range(3 * CONNECTIONS)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {TimedOut}
        assert time.monotonic() - began < 1.0


async def test_a_large_answer_is_read_whole_and_leaves_the_loop_its_turns(source, metrics):
    metrics.vectors = {"up": [({"pod": f"pod-{number}", "more": "x" * 150}, float(number)) for number in range(9000)]}
    prometheus = source(metrics.url, timeout_s=10.0)
    await prometheus.query("nothing")
    asking = asyncio.create_task(prometheus.query("up"))
    turns, worst = 0, 0.0
    while not asking.done():
        began = time.monotonic()
        await asyncio.sleep(0)
        turns, worst = turns + 1, max(worst, time.monotonic() - began)
    answer = await asking
    assert (len(answer), answer[8999].value, answer[8999].labels["pod"]) == (9000, 8999.0, "pod-8999")
    assert turns > 10 and 9000 * 150 > LARGE_BYTES


async def test_more_questions_than_connections_are_answered_in_turn(source, metrics):
    metrics.vectors = {"up": [({}, 1.0)]}
    prometheus = source(metrics.url)
    answers = await asyncio.gather(*(prometheus.query("up") for _ in range(5 * CONNECTIONS)))
    assert all(len(answer) == 1 for answer in answers)


async def test_a_hanging_server_does_not_hold_the_loop(source):
    async with tcp_server(None) as port:
        prometheus = source(f"http://127.0.0.1:{port}", timeout_s=0.3)
        await prometheus.clients.wait(prometheus.module)
        asking = asyncio.create_task(prometheus.query("up"))
        worst, last = 0.0, time.monotonic()
        while not asking.done():
            await asyncio.sleep(0.005)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()
        with pytest.raises(TimedOut):
            await asking
        assert worst < 0.15


async def test_a_hanging_server_does_not_hold_the_exit():
    program = textwrap.dedent("""
        import asyncio, sys, time
        from nexconsole.settings import PrometheusSettings as Settings
        from nexconsole.sources.lazy_clients import LazyClients
        from nexconsole.sources.prometheus import PrometheusSource

        async def main():
            source = PrometheusSource(LazyClients(), Settings(url=sys.argv[1], timeout_s=30.0))
            await source.clients.wait(source.module)
            asking = [asyncio.create_task(source.query("up")) for _ in range(6)]
            await asyncio.sleep(0.3)
            await source.close()
            for task in asking:
                task.cancel()
            print(time.time(), flush=True)

        asyncio.run(main())
    """)
    async with tcp_server(None) as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "-c",
            program,
            f"http://127.0.0.1:{port}",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        ended = time.time()
    assert process.returncode == 0 and b"Traceback" not in err
    assert ended - float(out) < 2.0


RULES = """
groups:
- name: nexnum
  rules:
  - alert: AlwaysUp
    expr: up == 1
    labels: {severity: warning}
    annotations: {summary: "it is [red]up[/]"}
  - alert: NotYet
    expr: up == 1
    for: 1h
"""


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on PATH")
async def test_a_real_prometheus_is_read(source, tmp_path):
    port = free_port()
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 100ms, evaluation_interval: 100ms}\nrule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        prometheus = source(f"http://127.0.0.1:{port}")
        async with asyncio.timeout(60):
            while not await _ready(prometheus):
                await asyncio.sleep(0.1)
        assert await prometheus.version()
        firing = [alert for alert in await prometheus.alerts() or () if alert.state == "firing"]
        assert [(a.labels["alertname"], a.annotations["summary"]) for a in firing] == [("AlwaysUp", "it is [red]up[/]")]
        assert firing[0].since is not None and firing[0].since.timestamp() == pytest.approx(time.time(), abs=30)
        assert [rule.expression for rule in await prometheus.rules(["NotYet"]) or ()] == ["up == 1"]
        assert (await prometheus.query("1 + 1"))[0].value == 2.0
        assert math.isnan((await prometheus.query("0 / 0"))[0].value)
        now = time.time()
        assert (await prometheus.query_range("vector(1)", now - 60, now, 15))[0].points[0][1] == 1.0
        with pytest.raises(QueryRefused, match="parse error"):
            await prometheus.query("sum(")
        with pytest.raises(BadAnswer, match="not Prometheus'"):
            await prometheus.query("up[1m]")
        labels = {sample.labels["alertname"] for sample in await prometheus.query("ALERTS")}
        assert labels == {"AlwaysUp", "NotYet"}
        assert await prometheus.label_values("job", "up") == ["self"]
        assert await prometheus.label_values("__name__", 'up{job="nobody"}') == []
    finally:
        process.kill()
        await process.wait()


async def _ready(prometheus: PrometheusSource) -> bool:
    try:
        return len(await prometheus.query("ALERTS")) == 2
    except SourceError:
        return False
