"""The funnel by provider: each one's purchases, what its sales take, and how it fails. (nexnum.md#purchase-lines)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..sources.purchase_tally import FAILED, REFUSED, SOLD
from .funnel_parts import FailingRun, Outcomes, between, newest, now_and_before, relapses

if TYPE_CHECKING:
    from ..sources.purchase_tally import PurchaseTally, Window

MOST_PROVIDERS = 100  # with the most purchases; the others are counted


@dataclass(frozen=True, kw_only=True)
class ProviderFunnel:
    """One provider's purchases of the window. What is none of sold, failed and refused waits, or was lost.

    `reasons` counts those that failed or were refused, by reason, the most frequent first. `took_s` is what its newest
    sales took (median of 90 s), `before_s` what those took that began five minutes ago or earlier; None where too few
    are known. Its newest sale began `sold_s` ago. `newest` are its newest failures of which somebody said why, by
    kind, of the last 15 minutes.
    `relapses`: how often in ten minutes several failed in a row and then one was sold.
    `between`: the share that failed beside such bursts, 0..1. `run`: its failures up to now, where it fails.
    """

    name: str
    attempts: int
    sold: int = 0
    failed: int = 0
    refused: int = 0
    waiting: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    took_s: float | None = None
    before_s: float | None = None
    sold_s: float | None = None
    newest: Mapping[str, int] = field(default_factory=dict)
    relapses: int = 0
    between: float | None = None
    run: FailingRun | None = None


def providers_of(window: Window, tally: PurchaseTally, now: float) -> tuple[tuple[ProviderFunnel, ...], int]:
    """Those with the most purchases, and how many more there are; who was refused before one was known has none."""
    found: dict[str, list[int]] = {}
    sales: Mapping[str, Sequence[tuple[float, float]]] = tally.sales
    reasons: dict[str, dict[str, int]] = {}
    for key, many in window.ended.items():
        counts = found.setdefault(key.provider, [0] * 5)
        counts[0] += many
        if key.outcome in (SOLD, FAILED, REFUSED):
            counts[(SOLD, FAILED, REFUSED).index(key.outcome) + 1] += many
        if key.outcome in (FAILED, REFUSED):
            of = reasons.setdefault(key.provider, {})
            of[key.reason] = of.get(key.reason, 0) + many
    for purchase in window.begun:
        counts = found.setdefault(purchase.provider, [0] * 5)
        counts[0] += 1
        counts[4] += 1
    most = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))[:MOST_PROVIDERS]
    outcomes = Outcomes(tally.outcomes, now)
    in_flight: dict[str, list[float]] = {}
    for purchase in window.waiting:
        in_flight.setdefault(purchase.provider, []).append(purchase.began)
    rows = tuple(
        ProviderFunnel(
            name=name,
            attempts=n,
            sold=sold,
            failed=failed,
            refused=refused,
            waiting=waiting,
            reasons=most_frequent(reasons.get(name, {})),
            took_s=took_s,
            before_s=before_s,
            relapses=relapses(tally.outcomes.get(name, ()), now, tally.rejected.get(name, ())),
            between=between(tally.outcomes.get(name, ()), now, tally.rejected.get(name, ())),
            newest=newest(tally.explained.get(name, ()), now),
            sold_s=round(max(0.0, now - sales[name][-1][0]), 1) if sales.get(name) else None,
            run=outcomes.failing_run(name, in_flight.get(name, ())),
        )
        for name, (n, sold, failed, refused, waiting) in most
        for took_s, before_s in [now_and_before(sales.get(name, ()), now, tally.passed_on.get(name, ()))]
    )
    return rows, len(found) - len(rows)


def most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    """The same, the most frequent first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
