"""Purchases that are under way: for how long they may be, and whether they are decided at all any more. (facts 10.5)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text.units import duration, latency, several

if TYPE_CHECKING:
    from ..settings import TransactionRules
    from .attribution import ProviderTraffic
    from .transactions import Transactions

TIMES_USUAL = 3.0  # so many times the usual 95th percentile a purchase may take before it is overdue
LONGEST_S = 120.0  # and never longer: what was slow for half an hour is no measure of what is right


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Purchases of which none is decided: how many, the oldest's age, at which provider ("": at several)."""

    count: int
    undecided_s: float
    provider: str = ""


def overdue_after(usual_p95_s: float | None, rules: TransactionRules) -> float:
    """From which age on an undecided purchase has taken longer than purchases usually do, in seconds."""
    return min(max(rules.overdue_s, TIMES_USUAL * (usual_p95_s or 0.0)), max(rules.overdue_s, LONGEST_S))


def blocked(value: Transactions, rules: TransactionRules) -> Waiting | None:
    """The purchases that wait where none is decided any more, at no provider."""
    found = _blocked(value, value.overdue_after_s, rules)
    if found is None:
        return None
    waiting = [one for one in value.providers if one.in_flight]
    return Waiting(
        count=found.count, undecided_s=found.undecided_s, provider=waiting[0].name if len(waiting) == 1 else ""
    )


def blocked_providers(value: Transactions, rules: TransactionRules) -> Iterator[Waiting]:
    """The providers at which none is decided any more, although purchases are decided elsewhere."""
    for one in value.providers:
        found = _blocked(one, value.overdue_after_s, rules)
        if found is not None:
            yield Waiting(count=found.count, undecided_s=found.undecided_s, provider=one.name)


def _blocked(of: Transactions | ProviderTraffic, limit_s: float, rules: TransactionRules) -> Waiting | None:
    """Purchases begin (the newest lies within the window) and for longer than the limit none was decided."""
    if of.in_flight < rules.overdue_few or of.oldest_s is None or of.oldest_s <= limit_s:
        return None
    if of.silent_s is not None and of.silent_s <= limit_s:
        return None
    if of.newest_s is None or of.newest_s > rules.window_s:
        return None
    return Waiting(count=of.in_flight, undecided_s=min(of.oldest_s, of.silent_s or of.oldest_s))


def many_overdue(value: Transactions, rules: TransactionRules) -> bool:
    """Whether many purchases wait for longer than usual, though others are decided."""
    judged = value.overdue + value.decided
    return value.overdue >= rules.provider_few and value.overdue >= rules.provider_failing * judged


def overdue(value: Transactions) -> bool:
    """Whether the oldest purchase under way has taken longer than purchases usually do."""
    return value.oldest_s is not None and value.oldest_s > value.overdue_after_s


def usually(value: Transactions) -> str:
    """`usually 2.0 s`; "" where it is not known."""
    return f"usually {latency(value.usual_s)}" if value.usual_s is not None else ""


def said(waiting: Waiting, value: Transactions) -> str:
    """`24 purchases wait at smsbower, none decided for 4 min (usually 2.0 s)`."""
    where = f" at {waiting.provider}" if waiting.provider else ""
    waits = f"{several(waiting.count, 'purchase')} {'waits' if waiting.count == 1 else 'wait'}{where}"
    usual = f" ({usually(value)})" if value.usual_s is not None else ""
    return f"{waits}, none decided for {duration(waiting.undecided_s)}{usual}"
