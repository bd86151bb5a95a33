"""Purchases in flight: how old they may be, and whether any are still decided. (nexnum.md#slots)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text.units import clock, count, duration, latency, several

if TYPE_CHECKING:
    from ..settings import TransactionRules
    from .attribution import ProviderTraffic
    from .transactions import Transactions


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Purchases of which none is decided: how many, the oldest's age, at which provider ("": at several)."""

    count: int
    undecided_s: float
    provider: str = ""


@dataclass(frozen=True, kw_only=True)
class Leading:
    """The headline where purchases in flight, not the failure rate, cause the level.

    `count` of them are in flight; `what` and `since` say where and how long; `usual` is the usual duration ("" if
    unknown).
    """

    count: int
    what: str
    since: str
    usual: str = ""

    @property
    def sentence(self) -> str:
        """`59 in flight at smsbower, none decided for 76 s`."""
        return f"{count(self.count)} {self.short}, {self.since}"

    @property
    def short(self) -> str:
        """`what` without its noun: `in flight at smsbower`."""
        return self.what.removeprefix("purchases ").removeprefix("purchase ")


def blocked(value: Transactions, rules: TransactionRules) -> Waiting | None:
    """The purchases in flight where none is decided any more, at no provider."""
    found = _blocked(value, value.overdue_after_s, rules)
    if found is None:
        return None
    waiting = [provider for provider in value.providers if provider.in_flight]
    return Waiting(
        count=found.count, undecided_s=found.undecided_s, provider=waiting[0].name if len(waiting) == 1 else ""
    )


def blocked_providers(value: Transactions, rules: TransactionRules) -> Iterator[Waiting]:
    """The providers at which none is decided any more, although purchases are decided elsewhere."""
    for provider in value.providers:
        waiting = _blocked(provider, value.overdue_after_s, rules)
        if waiting is not None:
            yield Waiting(count=waiting.count, undecided_s=waiting.undecided_s, provider=provider.name)


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


def leading(value: Transactions, rules: TransactionRules, high_rate: float) -> Leading | None:
    """The purchases in flight, where they are worse than the failure rate; else None.

    A high failure rate comes first, unless none is decided any more: then the rate is out of date.
    """
    down = blocked(value, rules)
    if down is None and (value.failure_rate or 0.0) > high_rate:
        return None
    stopped = (down,) if down is not None else tuple(blocked_providers(value, rules))
    if stopped:
        names = [waiting.provider for waiting in stopped if waiting.provider]
        where = f" at {names[0]}" if len(names) == 1 else f" at {len(names)} providers" if names else ""
        many = sum(waiting.count for waiting in stopped)
        return Leading(
            count=many,
            what=f"{'purchase in flight' if many == 1 else 'purchases in flight'}{where}",
            since=f"none decided for {duration(min(waiting.undecided_s for waiting in stopped))}{as_of(value)}",
            usual=usually(value),
        )
    if not many_overdue(value, rules):
        return None
    return Leading(
        count=value.overdue,
        what=f"of {several(value.overdue + value.decided, 'purchase')} late",
        since=f"in flight for over {duration(value.overdue_after_s)}{as_of(value)}",
        usual=usually(value),
    )


def unread(value: Transactions) -> bool:
    """Whether the rows could not be read: only they know of purchases that are not decided."""
    return bool(value.counted_by) and "postgres" not in value.counted_by


def kept(value: Transactions) -> bool:
    """Whether the number in flight is as it was last counted, at `waiting_at`: Postgres has not answered since."""
    return value.waiting_at is not None and unread(value)


def as_of(value: Transactions) -> str:
    """`, as of 14:07:31Z` where the number in flight is as it was last counted; else ""."""
    return f", as of {clock(value.waiting_at)}Z" if kept(value) else ""


def overdue(value: Transactions) -> bool:
    """Whether the oldest purchase in flight takes longer than usual."""
    return value.oldest_s is not None and value.oldest_s > value.overdue_after_s


def usually(value: Transactions) -> str:
    """`usually 2.0 s`; "" where it is not known."""
    return f"usually {latency(value.usual_s)}" if value.usual_s is not None else ""


def said(waiting: Waiting, value: Transactions, *, of_purchasing: bool = False) -> str:
    """`24 purchases in flight at smsbower, none decided for 4 min (usually 2.0 s)`.

    `of_purchasing`: without the noun, for a sentence about purchasing. `, as of 14:07:31Z` ends it where Postgres has
    not answered since.
    """
    where = f" at {waiting.provider}" if waiting.provider else ""
    many = count(waiting.count) if of_purchasing else several(waiting.count, "purchase")
    waits = f"{many} in flight{where}"
    usual = f" ({usually(value)})" if value.usual_s is not None else ""
    return f"{waits}, none decided for {duration(waiting.undecided_s)}{usual}{as_of(value)}"
