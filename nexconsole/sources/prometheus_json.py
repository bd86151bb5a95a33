"""Parses and sanitizes answers of Prometheus' HTTP API.

Every function raises KeyError, TypeError, ValueError and the like for JSON that is not Prometheus'.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from ..text.sanitize import clean, clean_name

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One series of an instant vector; a scalar has no labels. The value may be NaN or infinite."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of a range: (epoch seconds, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class QueryResult(list[T], Generic[T]):
    """A list, and what the server said about it: partial answers, for one."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrometheusRule:
    """An alerting rule as the server has it loaded. `problem` is its last evaluation's error, or ""."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class ActiveAlert:
    """One active alert. `state` is firing or pending, `since` UTC."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    since: datetime | None


def json_object(body: bytes) -> dict[str, Any] | None:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def warnings(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """`warnings`, or VictoriaMetrics' `isPartial`, say that an answer is partial; `infos` are advice and left out."""
    said = payload.get("warnings")
    notes = tuple(f"prometheus warns: {clean(text, 200)}" for text in said[:5]) if isinstance(said, list) else ()
    partial = ("prometheus' answer is partial: some of its storage did not answer",) if payload.get("isPartial") else ()
    return partial + notes


def _labels(raw: Mapping[str, Any]) -> dict[str, str]:
    return {clean_name(str(name)): clean_name(str(value)) for name, value in raw.items()}


def samples(result: Any) -> list[Sample]:
    if result is None:  # as some servers write an empty list
        return []
    if len(result) == 2 and not isinstance(result[0], Mapping):  # a scalar: [time, "value"]
        return [Sample(labels={}, value=float(result[1]))]
    return [
        Sample(labels=_labels(row["metric"] or {}), value=float(row["value"][1]))
        for row in result
        if "histogram" not in row
    ]


def series(result: Any) -> list[Series]:
    return [
        Series(
            labels=_labels(row["metric"] or {}),
            points=tuple((float(at), value) for at, text in row["values"] if math.isfinite(value := float(text))),
        )
        for row in result or ()
        if row.get("values")
    ]


def rules(data: Any, names: Sequence[str]) -> list[PrometheusRule]:
    return [
        PrometheusRule(
            name=clean(rule["name"], 120),
            expression=str(rule["query"])[:20_000],
            labels=_labels(rule.get("labels") or {}),
            problem=clean(rule.get("lastError") or "", 200),
        )
        for group in data["groups"] or ()
        for rule in group["rules"] or ()
        if rule.get("type") == "alerting" and (not names or rule["name"] in names)
    ]


def runtime(data: Any) -> list[tuple[str, datetime]]:
    """When the server was "started", and when it "loaded" its settings."""
    found = []
    for name, key in (("started", "startTime"), ("loaded", "lastConfigTime")):
        if isinstance(text := data.get(key), str) and (at := datetime.fromisoformat(text[:40])).year > 1970:
            found.append((name, at.astimezone(UTC)))
    return found


def alerts(data: Any) -> list[ActiveAlert]:
    return [
        ActiveAlert(
            labels=_labels(alert["labels"] or {}),
            annotations=_labels(alert.get("annotations") or {}),
            state=clean(alert["state"], 20),
            since=_time(alert.get("activeAt")),
        )
        for alert in data["alerts"] or ()
    ]


def _time(text: object) -> datetime | None:
    """RFC 3339, with Go's nanoseconds cut to what Python reads."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
