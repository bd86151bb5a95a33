"""NexNum's alerting rules, and their states over time. (nexnum.md#alerts)"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .evaluation import KEPT_S, Labels, SampleStore, evaluate
from .promql import parse

GROUP = "nexnum-alerts"
INTERVAL_S = 10.0


@dataclass(frozen=True)
class AlertingRule:
    name: str
    expression: str
    for_s: int
    severity: str
    summary: str

    def manifest(self) -> dict[str, Any]:
        """The rule as a rule file has it."""
        labels, annotations = {"severity": self.severity}, {"summary": self.summary}
        timed = {"alert": self.name, "expr": self.expression, "for": f"{self.for_s}s"}
        return {**timed, "labels": labels, "annotations": annotations}


RULES = (
    AlertingRule(
        "HighPurchaseFailureRate",
        'sum(rate(nexnum_wallet_transactions_total{status=~"fail.*"}[5m])) / '
        "sum(rate(nexnum_wallet_transactions_total[5m])) > 0.1",
        *(300, "critical", "More than 10 % of purchases fail"),
    ),
    AlertingRule(
        "ProviderApiErrors",
        'rate(nexnum_provider_api_calls_total{status="error"}[5m]) > 0.5',
        *(120, "warning", "Provider {{ $labels.provider }} fails more than every other second"),
    ),
    AlertingRule(
        "StuckReservations",
        "nexnum_reservation_stuck_count > 5",
        *(600, "warning", "More than 5 purchase orders are stuck"),
    ),
    AlertingRule(
        "HighPurchaseLatency",
        "histogram_quantile(0.95, rate(nexnum_purchase_duration_seconds_bucket[5m])) > 5",
        *(300, "warning", "Purchases at {{ $labels.provider }} take longer than 5 s"),
    ),
)


def rule_file() -> dict[str, Any]:
    """All rules as a rule file for the real Prometheus."""
    return {"groups": [{"name": GROUP, "rules": [rule.manifest() for rule in RULES]}]}


@dataclass
class Active:
    """An alert that is pending or firing, since `since` (epoch seconds)."""

    labels: dict[str, str]
    annotations: dict[str, str]
    since: float
    value: float
    state: str = "pending"


@dataclass
class Watched:
    """A rule and its active alerts by their labels; `took_s` is what its last evaluation cost."""

    rule: AlertingRule
    since: float = 0.0  # epoch seconds: it was loaded then
    took_s: float = 0.0
    active: dict[Labels, Active] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._expression = parse(self.rule.expression)

    @property
    def state(self) -> str:
        states = {alert.state for alert in self.active.values()}
        return "firing" if "firing" in states else "pending" if states else "inactive"

    def judge(self, database: SampleStore, at: float) -> None:
        begun = time.perf_counter()
        vector = evaluate(self._expression, database, at)
        self.took_s = time.perf_counter() - begun
        assert isinstance(vector, dict)
        current: dict[Labels, Active] = {}
        for labels, value in vector.items():
            seen = {name: text for name, text in labels if name != "__name__"}
            full = {**seen, "severity": self.rule.severity, "alertname": self.rule.name}
            key = tuple(sorted(full.items()))
            alert = self.active.get(key) or Active(full, self._annotations(seen), at, value)
            alert.value = value
            if at - alert.since >= self.rule.for_s:
                alert.state = "firing"
            current[key] = alert
        self.active = current

    def samples(self) -> Iterable[tuple[Labels, float]]:
        """The series by which Prometheus remembers what was active."""
        for alert in self.active.values():
            told = {**alert.labels, "__name__": "ALERTS", "alertstate": alert.state}
            yield tuple(sorted(told.items())), 1.0
            yield tuple(sorted({**alert.labels, "__name__": "ALERTS_FOR_STATE"}.items())), alert.since

    def _annotations(self, labels: dict[str, str]) -> dict[str, str]:
        filled = re.sub(r"\{\{ \$labels\.(\w+) }}", lambda m: str(labels.get(m[1], "")), self.rule.summary)
        return {"summary": filled}


class Alerting:
    """Judges every rule at each multiple of the interval that has passed; the past as well as the present."""

    def __init__(self) -> None:
        self.rules = [Watched(rule) for rule in RULES]
        self.judged_at = 0.0

    def load(self, rule: AlertingRule, since: float) -> None:
        """One more rule, which was loaded at `since` (epoch seconds): what was judged since then knows it not."""
        self.rules.append(Watched(rule, since))

    def unload(self, rule: AlertingRule) -> None:
        self.rules = [watched for watched in self.rules if watched.rule is not rule]

    def catch_up(self, database: SampleStore, begin: float, now: float) -> None:
        """Judge from `begin` (or the last time) up to `now`, epoch seconds."""
        at = max(self.judged_at, begin - INTERVAL_S, now - KEPT_S) + INTERVAL_S
        while at <= now:
            for watched in self.rules:
                if watched.since <= at:
                    watched.judge(database, at)
            database.add("rules", at, [sample for watched in self.rules for sample in watched.samples()])
            self.judged_at = at
            at += INTERVAL_S
