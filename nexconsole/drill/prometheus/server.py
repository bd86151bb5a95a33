"""The drill's Prometheus: its HTTP API over the market's samples, for the expressions that the console uses."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from ...errors import DrillError
from ...settings import Expressions
from . import wire
from .alerting import GROUP, INTERVAL_S, RULES, Alerting, AlertingRule
from .evaluation import Labels, SampleStore, Scrapes, evaluate
from .promql import Aggregation, Binary, Expression, FunctionCall, ParseError, Selector, parse
from .real import RealPrometheus

__all__ = ["PrometheusServer", "RealPrometheus"]

MAX_POINTS = 11_000
YIELD_S = 0.05  # a long range query lets the rest of the world go on so often
VERSION = {
    "version": "2.42.0",
    "revision": "",
    "branch": "HEAD",
    "buildUser": "nexconsole drill",
    "buildDate": "",
    "goVersion": "",
}


class PrometheusServer:
    """`await start()` gives the address; `await close()` ends it. Nothing is kept on disk.

    `samples` are the market's: (epoch seconds, {(pod, metric, labels): value}), one every few seconds.
    Answered are `expressions` with any window, the rules' own, ALERTS, ALERTS_FOR_STATE, and counts of
    series: `count(selector)` and `count by (__name__) (selector)`. Anything else is refused.
    """

    def __init__(
        self, samples: deque[tuple[float, dict[tuple[str, str, Labels], float]]], expressions: Expressions
    ) -> None:
        self._samples = samples
        texts = [getattr(expressions, name) for name in expressions.__struct_fields__]
        texts += [rule.expression for rule in RULES]
        self._answered = {_shape(_own(text)) for text in texts if text}
        self._loaded: dict[AlertingRule, float] = {}
        self._restart()
        self._started_at = self._loaded_at = datetime.now(UTC)
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, port: int = 0) -> str:
        app = web.Application(middlewares=[wire.errors])
        posted: tuple[tuple[str, Handler], ...] = (
            ("/api/v1/query", self._query),
            ("/api/v1/query_range", self._query_range),
            ("/api/v1/series", self._series),
            ("/api/v1/labels", self._label_names),
        )
        for path, answer in posted:
            app.router.add_get(path, answer, allow_head=False)
            app.router.add_post(path, answer)
        got: tuple[tuple[str, Handler], ...] = (
            ("/api/v1/label/{name}/values", self._label_values),
            ("/api/v1/rules", self._rules),
            ("/api/v1/alerts", self._alerts),
            ("/api/v1/status/buildinfo", _buildinfo),
            ("/api/v1/status/runtimeinfo", self._runtimeinfo),
            ("/-/healthy", _healthy),
            ("/-/ready", _ready),
            ("/", _front),
            ("/graph", _front),
        )
        for path, answer in got:
            app.router.add_get(path, answer)
        self._refresh()
        self._started_at = self._loaded_at = datetime.now(UTC)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self._task = asyncio.create_task(self._judge())
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _judge(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            self._refresh()

    def reload(self) -> None:
        """Load settings and rules anew, as a SIGHUP asks for."""
        self._loaded_at = datetime.now(UTC)

    async def _runtimeinfo(self, _: web.Request) -> web.Response:
        stamps = {"startTime": self._started_at.isoformat(), "lastConfigTime": self._loaded_at.isoformat()}
        return wire.success({**stamps, "CWD": "/prometheus", "reloadConfigSuccess": True, "storageRetention": "15d"})

    def _restart(self) -> None:
        self._database = SampleStore()
        self._scrapes = Scrapes(self._samples)
        self._alerting = Alerting()
        for rule, since in self._loaded.items():
            self._alerting.load(rule, since)

    def load(self, rule: AlertingRule, since: float) -> None:
        """Judge by one more rule, from `since` (epoch seconds) on: the past is judged anew."""
        self._loaded[rule] = since
        self._answered.add(_shape(_own(rule.expression)))
        self._restart()

    def unload(self, rule: AlertingRule) -> None:
        self._loaded.pop(rule, None)
        self._alerting.unload(rule)

    def _refresh(self) -> None:
        """Take in what the market has sampled, and judge the rules up to now."""
        if not self._scrapes.take(self._database):
            self._restart()
            self._scrapes.take(self._database)
        if self._samples:
            self._alerting.catch_up(self._database, self._samples[0][0], time.time())

    def _parsed(self, text: str) -> Expression:
        try:
            expression = parse(text)
        except ParseError as error:
            raise wire.RequestRefused(f'invalid parameter "query": {error}') from error
        if not self._knows(expression):
            told = "parse error: this server answers the expressions of its settings and its rules only"
            raise wire.RequestRefused(f'invalid parameter "query": {told}')
        return expression

    def _knows(self, expression: Expression) -> bool:
        match expression:
            case Selector(window=None):
                return expression.name in ("ALERTS", "ALERTS_FOR_STATE")
            case Aggregation("count", by, Selector()):
                return by <= {"__name__"}
        return _shape(expression) in self._answered

    async def _query(self, request: web.Request) -> web.Response:
        query = await wire.parameters(request)
        at = wire.moment(query, "time", time.time())
        wire.timeout(query)
        expression = self._parsed(query.get("query", ""))
        self._refresh()
        vector = evaluate(expression, self._database, at)
        assert isinstance(vector, dict)
        result = [
            {"metric": dict(labels), "value": [wire.stamp(at), wire.number(value)]}
            for labels, value in wire.ordered(vector)
        ]
        return wire.success({"resultType": "vector", "result": result})

    async def _query_range(self, request: web.Request) -> web.Response:
        query = await wire.parameters(request)
        start, end = wire.moment(query, "start"), wire.moment(query, "end")
        if end < start:
            raise wire.RequestRefused('invalid parameter "end": end timestamp must not be before start time')
        step = wire.seconds(query, "step")
        if step <= 0:
            told = "zero or negative query resolution step widths are not accepted. Try a positive integer"
            raise wire.RequestRefused(f'invalid parameter "step": {told}')
        if (end - start) / step > MAX_POINTS:
            told = "exceeded maximum resolution of 11,000 points per timeseries."
            raise wire.RequestRefused(f"{told} Try decreasing the query resolution (?step=XX)")
        deadline = time.monotonic() + wire.timeout(query)
        expression = self._parsed(query.get("query", ""))
        self._refresh()
        series: dict[Labels, list[list[Any]]] = {}
        breath = time.monotonic() + YIELD_S
        for number in range(math.floor((end - start) / step + 1e-9) + 1):
            at = start + number * step
            vector = evaluate(expression, self._database, at)
            assert isinstance(vector, dict)
            for labels, value in vector.items():
                series.setdefault(labels, []).append([wire.stamp(at), wire.number(value)])
            if (now := time.monotonic()) > deadline:
                raise wire.RequestRefused("query timed out in expression evaluation", "timeout", 503)
            if now > breath:
                await asyncio.sleep(0)
                breath = time.monotonic() + YIELD_S
        result = [{"metric": dict(labels), "values": series[labels]} for labels in sorted(series)]
        return wire.success({"resultType": "matrix", "result": result})

    def _found(self, texts: list[str]) -> list[Labels]:
        self._refresh()
        found: set[Labels] = set()
        for text in texts:
            try:
                selector = parse(text)
            except ParseError as error:
                raise wire.RequestRefused(f'invalid parameter "match[]": {error}') from error
            if not isinstance(selector, Selector) or selector.window is not None:
                raise wire.RequestRefused('invalid parameter "match[]": parse error: expected a vector selector')
            found |= set(self._database.find(selector))
        return sorted(found)

    async def _series(self, request: web.Request) -> web.Response:
        texts = await wire.matchers(request)
        if not texts:
            raise wire.RequestRefused("no match[] parameter provided")
        return wire.success([dict(labels) for labels in self._found(texts)])

    async def _label_names(self, request: web.Request) -> web.Response:
        texts = await wire.matchers(request) or [ANYTHING]
        return wire.success(sorted({name for labels in self._found(texts) for name, _ in labels}))

    async def _label_values(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise wire.RequestRefused(f'invalid label name: "{name}"')
        texts = await wire.matchers(request) or [ANYTHING]
        return wire.success(sorted({value for labels in self._found(texts) for key, value in labels if key == name}))

    async def _rules(self, request: web.Request) -> web.Response:
        kind = request.query.get("type", "").lower()
        if kind not in ("", "alert", "record"):
            raise wire.RequestRefused(f'invalid parameter "type": not supported value "{kind}"')
        self._refresh()
        names = request.query.getall("rule_name[]", [])
        shown = [w for w in self._alerting.rules if kind != "record" and (not names or w.rule.name in names)]
        at = wire.rfc3339(self._alerting.judged_at)
        rules = [wire.rule_json(watched, at) for watched in shown]
        took = sum(watched.took_s for watched in self._alerting.rules)
        timing = {"interval": INTERVAL_S, "limit": 0, "evaluationTime": took, "lastEvaluation": at}
        group = {"name": GROUP, "file": "prometheus-rules.yaml", "rules": rules, **timing}
        return wire.success({"groups": [group] if rules or not (kind or names) else []})

    async def _alerts(self, request: web.Request) -> web.Response:
        self._refresh()
        alerts = [wire.alert_json(alert) for watched in self._alerting.rules for alert in watched.active.values()]
        return wire.success({"alerts": alerts})


ANYTHING = '{__name__!=""}'


def _own(text: str) -> Expression:
    """An expression of the settings; DrillError where it is more than the drill can evaluate."""
    try:
        return parse(text.replace("{window}", "60s"))
    except ParseError as error:
        raise DrillError(f"The drill's Prometheus can't evaluate {text!r} from the settings: {error}.") from error


def _shape(expression: Expression) -> Expression:
    """The expression with all windows alike, to be compared."""
    match expression:
        case Selector(matchers, window):
            return Selector(matchers, None if window is None else 60.0)
        case FunctionCall(function, arguments):
            return FunctionCall(function, tuple(_shape(argument) for argument in arguments))
        case Aggregation(op, by, over):
            return Aggregation(op, by, _shape(over))
        case Binary(op, left, right):
            return Binary(op, _shape(left), _shape(right))
    return expression


async def _buildinfo(_: web.Request) -> web.Response:
    return wire.success(VERSION)


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Healthy.\n")


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Ready.\n")


async def _front(_: web.Request) -> web.Response:
    return web.Response(
        text="<title>Prometheus of a drill</title>There is an API under /api/v1.", content_type="text/html"
    )
