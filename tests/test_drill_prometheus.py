"""The drill's Prometheus: its semantics against the real one's, and its HTTP API against the real one's wording."""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
import time
from collections import deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest

from nexconsole.drill.prometheus.alerting import RULES
from nexconsole.drill.prometheus.evaluation import SampleStore, Scrapes, evaluate
from nexconsole.drill.prometheus.promql import (
    Aggregation,
    Binary,
    FunctionCall,
    Matcher,
    Number,
    ParseError,
    Selector,
    parse,
)
from nexconsole.drill.prometheus.server import PrometheusServer, RealPrometheus
from nexconsole.drill.temp_tree import TempTree
from nexconsole.errors import DrillError
from nexconsole.settings import Expressions, PrometheusSettings
from nexconsole.sources.prometheus import PrometheusSource

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
PATIENCE_S = 20.0
TOLERANCE = 0.02
BOUNDS = ("0.1", "0.3", "0.5", "1", "2", "5", "10", "+Inf")
PROVIDERS = ("5sim", "smsbower", "tiger-sms")
CALLS = "nexnum_provider_api_calls_total"


def texts(window_s: int) -> list[str]:
    expressions = Expressions()
    given = filter(None, (getattr(expressions, name) for name in expressions.__struct_fields__))
    return [text.replace("{window}", f"{window_s}s") for text in given]


class ScrapedPods:
    """Counters as NexNum's pods have them: born late, reset by a restart, gone with their pod."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.values: dict[tuple[str, str, tuple], float] = {}
        self.pods = ["pod-a", "pod-b", "pod-c"]
        self.failing = 0.05

    def count(self, pod: str, name: str, by: float = 1.0, **labels: str) -> None:
        key = (pod, name, tuple(sorted(labels.items())))
        self.values[key] = self.values.get(key, 0.0) + by

    def buy(self, pod: str) -> None:
        provider = self.random.choice(PROVIDERS)
        status = "error" if self.random.random() < self.failing else "success"
        self.count(pod, CALLS, provider=provider, method="getNumber", status=status)
        self.count(pod, "nexnum_wallet_transactions_total", type="purchase", status="success")
        took = self.random.expovariate(1.5)
        labels = {"stage": "provider_call", "provider": provider, "country": 'Côte d"Ivoire'}
        for bound in BOUNDS:
            self.count(pod, "nexnum_purchase_duration_seconds_bucket", float(took <= float(bound)), **labels, le=bound)

    def restart(self, pod: str) -> None:
        self.values = {key: value for key, value in self.values.items() if key[0] != pod}

    def text(self, pod: str) -> str:
        lines = []
        for (owner, name, labels), value in self.values.items():
            if owner == pod:
                pairs = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels)
                lines.append(f"{name}{{{pairs}}} {value}")
        if pod not in self.pods:
            raise KeyError(pod)
        return "\n".join(sorted(lines)) + "\n"


def past(end: float, minutes: int = 12, every_s: float = 5.0, failing: float = 0.05, busy: int = 6) -> deque:
    """Snapshots of three busy pods up to `end`: one is restarted, one goes away."""
    pods, samples = ScrapedPods(), deque()
    pods.failing = failing
    rounds = int(minutes * 60 / every_s)
    for number in range(rounds):
        for pod in pods.pods:
            pods.values.setdefault((pod, "nexnum_reservation_stuck_count", ()), 0.0)
            for _ in range(pods.random.randrange(2 * busy)):
                pods.buy(pod)
        if number == rounds - 40:
            pods.restart("pod-b")
        if number == rounds - 20:
            pods.restart("pod-c")
            pods.pods.remove("pod-c")
        samples.append((end - (rounds - 1 - number) * every_s, dict(pods.values)))
    return samples


@asynccontextmanager
async def served(samples: deque, expressions: Expressions | None = None):
    server = PrometheusServer(samples, expressions or Expressions())
    url = await server.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session:
            yield Client(session, url)
    finally:
        await server.close()


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, **params) -> tuple[int, dict]:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=params) as answer:
            return answer.status, await answer.json()

    async def vector(self, query: str, **params) -> dict:
        status, body = await self.get("query", query=query, **params)
        assert status == 200, body
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in body["data"]["result"]}

    async def matrix(self, query: str, **params) -> dict:
        status, body = await self.get("query_range", query=query, **params)
        assert status == 200, body
        result = body["data"]["result"]
        return {(tuple(sorted(r["metric"].items())), at): float(v) for r in result for at, v in r["values"]}


def agree(ours: dict, theirs: dict) -> None:
    """With 2.42 to the last digit; later ones extrapolate a new counter's first seconds a little differently."""
    assert ours.keys() == theirs.keys()
    for labels, value in theirs.items():
        assert ours[labels] == pytest.approx(value, rel=TOLERANCE, abs=1e-9, nan_ok=True), labels


# against the real one -----------------------------------------------------------------------------------


@needs_prometheus
@needs_promtool
async def test_every_expression_has_the_real_value_over_the_same_samples():
    """Resets, pods that went, series that were born late: the real server is given the same past."""
    samples = past(time.time() - 5.0)
    with TempTree() as temp_tree:
        real = RealPrometheus(temp_tree, ScrapedPods().text, list, samples)
        url = await real.start()
        try:
            async with served(samples) as ours:
                theirs = Client(ours.session, url)
                end = samples[-1][0]
                times = (end - 301.3, end - 102.1, end - 0.7)
                for text in [*texts(300), *texts(61)]:
                    for at in times:
                        agree(await ours.vector(text, time=at), await theirs.vector(text, time=at))
                    spread = {"start": end - 600.9, "end": end - 0.4, "step": "15s"}
                    agree(await ours.matrix(text, **spread), await theirs.matrix(text, **spread))
                database = SampleStore()
                Scrapes(samples).take(database)
                for rule in RULES:
                    if "rate(" in rule.expression:  # the past was given without marks of staleness
                        left = rule.expression.rpartition(" > ")[0]
                        for at in times:
                            value = evaluate(parse(left), database, at)
                            agree(value, await theirs.vector(left, time=at))
        finally:
            await real.close()


@needs_prometheus
async def test_a_real_prometheus_scraping_the_pods_agrees_within_a_few_per_cent():
    pods, samples = ScrapedPods(), deque()
    with TempTree() as temp_tree:
        real = RealPrometheus(temp_tree, pods.text, lambda: pods.pods, scrape_s=1)
        url = await real.start()
        try:
            async with served(samples) as ours:
                theirs = Client(ours.session, url)
                until = time.time() + 16
                while time.time() < until:
                    for pod in pods.pods:
                        for _ in range(6):
                            pods.buy(pod)
                    samples.append((time.time(), dict(pods.values)))
                    await asyncio.sleep(0.25)
                labels, at = await theirs.vector("up"), time.time()
                assert {dict(key)["pod"] for key in labels} == set(pods.pods)
                for text in texts(8)[:3]:
                    mine, real_ones = await ours.vector(text, time=at), await theirs.vector(text, time=at)
                    assert mine.keys() == real_ones.keys()
                    assert sum(mine.values()) == pytest.approx(sum(real_ones.values()), rel=0.10)
        finally:
            await real.close()
    assert not temp_tree.folder.exists()


@needs_prometheus
async def test_the_real_prometheus_loads_the_rules_and_has_the_same_ones():
    with TempTree() as temp_tree:
        real = RealPrometheus(temp_tree, ScrapedPods().text, list)
        url = await real.start()
        try:
            async with served(deque()) as ours:
                _, mine = await ours.get("rules", type="alert")
                _, theirs = await Client(ours.session, url).get("rules", type="alert")
        finally:
            await real.close()
    wanted = [
        {key: r[key] for key in ("name", "duration", "labels", "type")} for r in theirs["data"]["groups"][0]["rules"]
    ]
    got = mine["data"]["groups"][0]["rules"]
    assert [{key: rule[key] for key in wanted[0]} for rule in got] == wanted
    assert set(theirs["data"]["groups"][0]["rules"][0]) <= set(got[0])


async def test_without_the_program_a_real_prometheus_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with TempTree() as temp_tree:
        with pytest.raises(DrillError, match="no prometheus on PATH"):
            await RealPrometheus(temp_tree, str, list).start()


# semantics ----------------------------------------------------------------------------------------------


def one(text: str, *values: float, at: float = 60.0, every: float = 5.0) -> float | None:
    database = SampleStore()
    for number, value in enumerate(values):
        database.add("scrape", number * every, [((("__name__", "x"),), value)])
    vector = evaluate(parse(text), database, at)
    return next(iter(vector.values()), None)


def test_the_first_increment_of_a_new_series_is_missed():
    assert one("increase(x[1m])", 1.0) is None
    assert one("increase(x[1m])", 1.0, 1.0, 1.0, at=12.0) == 0.0


def test_a_reset_counts_from_zero():
    assert one("increase(x[1m])", 10.0, 20.0, 5.0, 15.0, at=15.0) == pytest.approx(25.0 * 17.5 / 15.0)


def test_a_window_that_is_not_full_is_extrapolated_by_half_an_interval_at_most():
    assert one("increase(x[10m])", 100.0, 110.0, 120.0, at=10.0) == pytest.approx(20.0 * 12.5 / 10.0)
    assert one("rate(x[1m])", *range(0, 130, 10), at=60.0) == pytest.approx(2.0)


def test_a_series_that_is_gone_from_the_newest_round_is_stale():
    database = SampleStore()
    labels = (("__name__", "x"),)
    database.add("scrape", 0.0, [(labels, 1.0)])
    database.add("scrape", 5.0, [])
    assert evaluate(parse("x"), database, 4.0) == {labels: 1.0}
    assert evaluate(parse("x"), database, 6.0) == {}


def test_a_quantile_in_the_last_bucket_is_its_lower_bound_and_one_of_nothing_is_no_number():
    def quantile(*counts: float) -> float:
        database = SampleStore()
        series = [((("__name__", "b"), ("le", bound)), n) for bound, n in zip(("1", "10", "+Inf"), counts, strict=True)]
        database.add("scrape", 0.0, series)
        return next(iter(evaluate(parse("histogram_quantile(0.95, sum by (le) (b))"), database, 0.0).values()))

    assert quantile(0, 0, 10) == 10
    assert quantile(100, 100, 100) == pytest.approx(0.95)
    assert math.isnan(quantile(0, 0, 0))


@pytest.mark.parametrize(
    "text", ["", "foo(", "rate(x)", "up{", "{}", 'x{a=~"("}', "sum(x[5m])", "1 > 2", "x y", "x[5parsecs]"]
)
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ParseError, match=r"^parse error: [^\n]{9,}$"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "topk(3, x)",
        "sum without (a) (x)",
        "x offset 5m",
        "x @ 5",
        "x[5m:1m]",
        "-x",
        "x == bool 1",
        "x + on(a) y",
        "x and y",
        "x ^ 2",
        "abs(x)",
        "avg(x)",
        'x{a="1" or b="2"}',
        '"words"',
        "sum(rate(x[5m] offset 1m))",
    ],
)
def test_what_the_drill_does_not_evaluate_is_refused_by_name(text):
    with pytest.raises(ParseError, match=r"^parse error: the drill can't evaluate "):
        parse(text)


def test_an_expression_is_read_with_its_precedence_its_labels_and_its_windows():
    def of(name: str, window: float | None = None, *more: Matcher) -> Selector:
        return Selector(frozenset({Matcher("__name__", "=", name), *more}), window)

    assert parse("(a + b * 2) / c > 0.5") == Binary(
        ">", Binary("/", Binary("+", of("a"), Binary("*", of("b"), Number(2.0))), of("c")), Number(0.5)
    )
    text = """sum by (x, y) (increase(a{b="1",c!="2",d=~"3|4",e!~"\\\\d"}[1m30s]))"""
    matchers = (Matcher("b", "=", "1"), Matcher("c", "!=", "2"), Matcher("d", "=~", "3|4"), Matcher("e", "!~", "\\d"))
    assert parse(text) == Aggregation(
        "sum", frozenset({"x", "y"}), FunctionCall("increase", (of("a", 90.0, *matchers),))
    )
    assert parse('count({__name__="a"})') == Aggregation("count", frozenset(), of("a"))


# HTTP ---------------------------------------------------------------------------------------------------


async def test_alerts_fire_where_they_can_and_only_there():
    samples = past(time.time() - 1.0, failing=0.9, busy=20)
    async with served(samples) as ours:
        _, rules = await ours.get("rules", type="alert")
        states = {rule["name"]: rule["state"] for rule in rules["data"]["groups"][0]["rules"]}
        assert states == {
            "HighPurchaseFailureRate": "inactive",
            "ProviderApiErrors": "firing",
            "StuckReservations": "inactive",
            "HighPurchaseLatency": "inactive",
        }
        _, alerts = await ours.get("alerts")
        found = alerts["data"]["alerts"]
        assert found
        assert {alert["labels"]["alertname"] for alert in found} == {"ProviderApiErrors"}
        assert all(alert["labels"]["provider"] in alert["annotations"]["summary"] for alert in found)
        assert all(alert["activeAt"].endswith("Z") and float(alert["value"]) > 0.5 for alert in found)
        for state in ("firing", "pending"):
            wanted = sum(alert["state"] == state for alert in found)
            assert len(await ours.vector(f'ALERTS{{alertstate="{state}"}}')) == wanted
        assert len(await ours.vector("ALERTS_FOR_STATE")) == len(found)
        spread = {"start": time.time() - 300, "end": time.time(), "step": 10}
        assert await ours.matrix('ALERTS{alertname="ProviderApiErrors"}', **spread)


async def test_series_can_be_counted_so_that_none_is_not_zero():
    samples = past(time.time() - 1.0)
    async with served(samples) as ours:
        wanted = sum(name == CALLS for _, name, _ in samples[-1][1])
        assert list((await ours.vector(f'count({{__name__="{CALLS}"}})')).values()) == [wanted]
        assert await ours.vector('count({__name__="nexnum_wallet_refunds_total"})') == {}
        assert await ours.vector('count(nexnum_wallet_transactions_total{status=~"fail.*"})') == {}
        by_name = await ours.vector('count by (__name__) ({__name__=~"nexnum_wallet.*|nexnum_reservation.*"})')
        assert {dict(labels)["__name__"] for labels in by_name} == {
            "nexnum_wallet_transactions_total",
            "nexnum_reservation_stuck_count",
        }
        _, names = await ours.get("label/__name__/values")
        assert CALLS in names["data"]
        _, series = await ours.get("series", **{"match[]": CALLS})
        assert {row["job"] for row in series["data"]} == {"nexnum-app"}


async def test_the_settings_expressions_are_answered_however_they_are_spaced_and_by_post_too():
    samples = past(time.time() - 1.0)
    async with served(samples) as ours:
        text = Expressions().attempts.replace("{window}", "120s")
        plain = await ours.vector(text, time=samples[-1][0], timeout="3s")
        assert {dict(labels)["provider"] for labels in plain} == set(PROVIDERS)
        spaced = text.replace("(", " ( ").replace("120s", "2m")
        form = {"query": spaced, "time": str(samples[-1][0])}
        async with ours.session.post(f"{ours.url}/api/v1/query", data=form) as answer:
            body = await answer.json()
        assert {row["metric"]["provider"]: float(row["value"][1]) for row in body["data"]["result"]} == {
            dict(labels)["provider"]: value for labels, value in plain.items()
        }


@pytest.mark.parametrize(
    ("path", "params", "error"),
    [
        ("query", {"query": ""}, 'invalid parameter "query": parse error: no expression found in input'),
        ("query", {"query": "foo("}, 'invalid parameter "query": parse error: unclosed left parenthesis'),
        (
            "query",
            {"query": "nosuch(x)"},
            "invalid parameter \"query\": parse error: unknown function with name 'nosuch'",
        ),
        (
            "query",
            {"query": "ALERTS", "time": "abc"},
            'invalid parameter "time": Invalid time value for \'time\': cannot parse "abc" to a valid timestamp',
        ),
        (
            "query",
            {"query": "ALERTS", "timeout": "abc"},
            'invalid parameter "timeout": cannot parse "abc" to a valid duration',
        ),
        ("query_range", {"query": "ALERTS"}, 'invalid parameter "start": cannot parse "" to a valid timestamp'),
        (
            "query_range",
            {"query": "ALERTS", "start": 0, "end": 1, "step": 0},
            'invalid parameter "step": zero or negative query resolution step widths are not accepted.'
            " Try a positive integer",
        ),
        (
            "query_range",
            {"query": "ALERTS", "start": 5, "end": 1, "step": 1},
            'invalid parameter "end": end timestamp must not be before start time',
        ),
        (
            "query_range",
            {"query": "ALERTS", "start": 0, "end": 100_000, "step": 1},
            "exceeded maximum resolution of 11,000 points per timeseries."
            " Try decreasing the query resolution (?step=XX)",
        ),
        ("series", {}, "no match[] parameter provided"),
        ("label/a-b/values", {}, 'invalid label name: "a-b"'),
        ("rules", {"type": "foo"}, 'invalid parameter "type": not supported value "foo"'),
    ],
)
async def test_errors_are_worded_as_the_real_server_words_them(path, params, error):
    async with served(deque()) as ours:
        status, body = await ours.get(path, **params)
    assert status == 400
    assert body == {"status": "error", "errorType": "bad_data", "error": error}


async def test_an_expression_of_nobodys_is_refused_even_where_it_could_be_evaluated():
    async with served(deque()) as ours:
        for text in ("up", "sum(up)", f"rate({CALLS}[5m])", f"sum(rate({CALLS}[5m]))"):
            status, body = await ours.get("query", query=text)
            assert (status, body["errorType"]) == (400, "bad_data")
            assert body["error"].startswith('invalid parameter "query": parse error: ')


async def test_a_settings_expression_beyond_the_drill_is_refused_when_it_is_staged():
    with pytest.raises(DrillError, match="can't evaluate"):
        PrometheusServer(deque(), Expressions(attempts="topk(3, x)"))


async def test_a_past_that_is_rewritten_is_read_anew():
    samples = past(time.time() - 1.0)
    async with served(samples) as ours:
        before = await ours.vector(f'count({{__name__="{CALLS}"}})')
        renamed = [(at, {(f"new-{pod}", *rest): v for (pod, *rest), v in values.items()}) for at, values in samples]
        samples.clear()
        samples.extend(renamed)
        assert await ours.vector(f'count({{__name__="{CALLS}"}})') == before
        _, series = await ours.get("series", **{"match[]": CALLS})
        assert all(row["pod"].startswith("new-") for row in series["data"])


async def test_a_range_query_over_half_an_hour_of_samples_is_quick():
    samples = past(time.time() - 1.0, minutes=45)
    async with served(samples) as ours:
        begun = time.perf_counter()
        text = Expressions().trend_attempts
        points = await ours.matrix(text, start=time.time() - 1800, end=time.time(), step=30)
        assert len(points) == 61
        assert time.perf_counter() - begun < 1.0


async def test_prometheus_api_client_reads_from_it_what_our_source_reads(clients):
    """A client that nobody here wrote, with its defaults, sees in the drill what it would see in a Prometheus."""
    from prometheus_api_client import PrometheusConnect

    now = time.time()
    async with served(past(now)) as client:
        library, ours = PrometheusConnect(client.url), PrometheusSource(clients, PrometheusSettings(url=client.url))
        [expression, *_] = texts(300)
        try:
            samples = await ours.query(expression)
            series = await ours.query_range(Expressions().trend_attempts, now - 300, now, 15)
            names = await ours.label_values("__name__", CALLS)
        finally:
            await ours.close()
        theirs = await asyncio.to_thread(library.custom_query, expression)
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (now - 300, now))
        ranges = await asyncio.to_thread(library.custom_query_range, Expressions().trend_attempts, begin, end, "15")
        named = await asyncio.to_thread(library.get_label_values, "__name__", {"match[]": CALLS})
        assert await asyncio.to_thread(library.check_prometheus_connection)
        await asyncio.to_thread(library.close)
    assert samples and series and names == named == [CALLS]
    values = {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in theirs}
    assert {tuple(sorted(one.labels.items())): one.value for one in samples} == pytest.approx(values, rel=TOLERANCE)
    assert [len(one.points) for one in series] == [len(row["values"]) for row in ranges]


async def test_its_health_is_told():
    async with served(deque()) as ours:
        for path, text in (("healthy", "Prometheus Server is Healthy.\n"), ("ready", "Prometheus Server is Ready.\n")):
            async with ours.session.get(f"{ours.url}/-/{path}") as answer:
                assert (answer.status, await answer.text()) == (200, text)
        _, info = await ours.get("status/buildinfo")
        assert info["data"]["version"]
        async with ours.session.get(f"{ours.url}/api/v1/nothing") as answer:
            assert (answer.status, await answer.text()) == (404, "404 page not found\n")
