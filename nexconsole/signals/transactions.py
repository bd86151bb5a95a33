"""Transactions: what share of purchase attempts fails, and is it one provider or all? (facts 1.5, 1.9, 2.5)"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model import Value


@dataclass(frozen=True, kw_only=True)
class ProviderTraffic:
    """One provider's attempts in the window. `failure_rate` is 0..1, None where nothing was attempted."""

    name: str
    attempts: int
    failures: int
    failure_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The runbook's first question. verdict: one, some, all, none or unknown ("too few to say").

    `provider` is set when the verdict is "one"; `because` states the numbers that it rests on.
    """

    verdict: str = "unknown"
    provider: str | None = None
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of the trend: `at` is epoch seconds, `failure_rate` 0..1 or None (nothing attempted)."""

    at: float
    attempts: float
    failure_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Transactions(Value):
    """The window's purchases. Rates are 0..1 and None where nothing was attempted: no data is not zero.

    `latency_saturated`: the 95th percentile lies in the histogram's top bucket, so the true one may be higher.
    `disagreement` is a sentence when Prometheus and Postgres differ by more than the set margin.
    """

    failure_rate: float | None
    attempts: int
    failures: int
    window_s: int
    latency_p95_s: float | None = None
    latency_saturated: bool = False
    scope: Scope = field(default_factory=Scope)
    providers: tuple[ProviderTraffic, ...] = ()
    trend: tuple[Point, ...] = ()
    disagreement: str | None = None
