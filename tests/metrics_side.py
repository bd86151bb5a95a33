"""A Prometheus API as the network's far side: what each expression answers is the test's to say."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Vector = list[tuple[dict[str, str], float]]


class MetricsSide:
    """`vectors` answers a query by expression, `ranges` a range query with (labels, value) at every step."""

    def __init__(self) -> None:
        self.vectors: dict[str, Vector] = {}
        self.ranges: dict[str, Vector] = {}
        self.refused: set[str] = set()
        self.values: dict[tuple[str, str], list[str]] = {}  # (label, match[]) -> values
        self.rules: list[dict[str, Any]] | None = []
        self.alerts: list[dict[str, Any]] | None = []
        self.warnings: list[str] = []
        self.more: dict[str, Any] = {}  # beside `data`, as other servers have it
        self.empty: Any = []  # what stands for an empty list
        self.asked: list[str] = []
        self.requests: list[web.Request] = []
        self.url = ""

    async def query(self, request: web.Request) -> web.Response:
        expression = self._note(request)
        if expression in self.refused:
            return self._error(400, "bad_data", f"invalid parameter: {expression}")
        now = time.time()
        result = [{"metric": m, "value": [now, _text(v)]} for m, v in self.vectors.get(expression, [])]
        return self._ok({"resultType": "vector", "result": result or self.empty})

    async def query_range(self, request: web.Request) -> web.Response:
        expression = self._note(request)
        start, end, step = (float(request.query[name]) for name in ("start", "end", "step"))
        times = [start + step * index for index in range(int((end - start) / step) + 1)]
        result = [{"metric": m, "values": [[at, _text(v)] for at in times]} for m, v in self.ranges.get(expression, [])]
        return self._ok({"resultType": "matrix", "result": result or self.empty})

    async def values_route(self, request: web.Request) -> web.Response:
        return self._ok(self.values.get((request.match_info["label"], request.query["match[]"]), self.empty))

    async def rules_route(self, request: web.Request) -> web.Response:
        self.asked.append("rules")
        if self.rules is None:
            return web.Response(status=404, text="404 page not found")
        rules = [{"type": "alerting", **rule} for rule in self.rules] or self.empty
        return self._ok({"groups": [{"name": "g", "rules": rules}] if self.rules else self.empty})

    async def alerts_route(self, request: web.Request) -> web.Response:
        if self.alerts is None:
            return web.Response(status=404, text="404 page not found")
        return self._ok({"alerts": self.alerts or self.empty})

    def _note(self, request: web.Request) -> str:
        self.requests.append(request)
        self.asked.append(request.query["query"])
        return request.query["query"]

    def _ok(self, data: Any) -> web.Response:
        return web.json_response({"status": "success", "data": data, "warnings": self.warnings, **self.more})

    def _error(self, status: int, kind: str, text: str) -> web.Response:
        return web.json_response({"status": "error", "errorType": kind, "error": text}, status=status)


def _text(value: float) -> str:
    return "NaN" if value != value else "+Inf" if value == float("inf") else str(value)


@asynccontextmanager
async def metrics_side(prefix: str = "") -> AsyncIterator[MetricsSide]:
    side = MetricsSide()
    application = web.Application()
    application.router.add_get(f"{prefix}/api/v1/query", side.query)
    application.router.add_get(f"{prefix}/api/v1/query_range", side.query_range)
    application.router.add_get(f"{prefix}/api/v1/label/{{label}}/values", side.values_route)
    application.router.add_get(f"{prefix}/api/v1/rules", side.rules_route)
    application.router.add_get(f"{prefix}/api/v1/alerts", side.alerts_route)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    side.url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
    try:
        yield side
    finally:
        await runner.cleanup()
