"""Prometheus' HTTP API as it goes over the wire: parameters in, JSON out, errors in the real server's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from .alerting import Active, Watched
from .evaluation import Labels, Vector
from .promql import duration

TIMEOUT_S = 120.0


class RequestRefused(Exception):
    """An error answer: 400 bad_data unless said otherwise."""

    def __init__(self, sentence: str, kind: str = "bad_data", code: int = 400) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code


def rule_json(watched: Watched, at: str) -> dict[str, Any]:
    rule = watched.rule
    return {
        "state": watched.state,
        "name": rule.name,
        "query": rule.expression,
        "duration": rule.for_s,
        "keepFiringFor": 0,
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary},
        "alerts": [alert_json(alert) for alert in watched.active.values()],
        "health": "ok",
        "evaluationTime": watched.took_s,
        "lastEvaluation": at,
        "type": "alerting",
    }


def alert_json(alert: Active) -> dict[str, Any]:
    told = {"labels": alert.labels, "annotations": alert.annotations, "state": alert.state}
    return {**told, "activeAt": rfc3339(alert.since), "value": f"{alert.value:e}"}


async def parameters(request: web.Request) -> Mapping[str, str]:
    """The query's parameters and, for a POST, the form's over them."""
    form = await request.post() if request.method == "POST" else {}
    return {**request.query, **{key: value for key, value in form.items() if isinstance(value, str)}}


async def matchers(request: web.Request) -> list[str]:
    texts = request.query.getall("match[]", [])
    if request.method == "POST":
        texts = [*texts, *map(str, (await request.post()).getall("match[]", []))]
    return texts


def moment(query: Mapping[str, str], name: str, default: float | None = None) -> float:
    text = query.get(name, "")
    if not text and default is not None:
        return default
    at = _finite(text, lambda: datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    if at is None:
        told = f'cannot parse "{text}" to a valid timestamp'
        told = told if default is None else f"Invalid time value for '{name}': {told}"
        raise RequestRefused(f'invalid parameter "{name}": {told}')
    return at


def seconds(query: Mapping[str, str], name: str) -> float:
    text = query.get(name, "")
    found = _finite(text, lambda: duration(text))
    if found is None:
        raise RequestRefused(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
    return found


def _finite(text: str, other: Callable[[], float]) -> float | None:
    """A finite number as plain digits, or as `other` reads it; None where it is neither."""
    reads: tuple[Callable[[], float], ...] = (lambda: float(text), other)
    for read in reads:
        try:
            found = read()
        except (ValueError, OverflowError):
            continue
        if math.isfinite(found):
            return found
    return None


def timeout(query: Mapping[str, str]) -> float:
    return seconds(query, "timeout") if query.get("timeout") else TIMEOUT_S


def ordered(vector: Vector) -> list[tuple[Labels, float]]:
    return sorted(vector.items(), key=lambda pair: pair[0])


def number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")


def stamp(at: float) -> float:
    return int(at) if at == int(at) else round(at, 3)


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def success(data: object) -> web.Response:
    return web.json_response({"status": "success", "data": data})


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RequestRefused as error:
        body = {"status": "error", "errorType": error.kind, "error": str(error)}
        return web.json_response(body, status=error.code)
    except web.HTTPNotFound:
        return web.Response(text="404 page not found\n", status=404)
