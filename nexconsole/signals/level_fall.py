"""When the level of the failure rate falls, if nothing more fails: from what the window holds now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..settings import Settings
    from .transactions import Transactions

LOOK_S = 10.0  # how exactly it is said


def falls(value: Transactions, settings: Settings, now: datetime) -> tuple[tuple[str, datetime], ...]:
    """The levels that the rate asks for from now on, each with when it ends (UTC); () where it asks for none.

    Purchases go on at the last minute's pace and all succeed; failures leave the window as they get old. Where no
    trend tells how old they are, the newest one's age gives the latest moment.
    """
    level = _level(value.failure_rate, value.decided, settings)
    if not level:
        return ()
    steps = list(_contents(value, now.timestamp()))
    if not any(failed for _, _, failed in steps):
        if value.clean_in_s is None:
            return ()
        return ((level, now + timedelta(seconds=value.clean_in_s)),)
    pace = _pace(value)
    ends: list[tuple[str, datetime]] = []
    passed = 0.0
    while level:
        passed += LOOK_S
        left = [(decided, failed) for age, decided, failed in steps if age + passed < value.window_s]
        decided = sum(one for one, _ in left) + pace * passed
        failed = sum(one for _, one in left)
        after = _level(failed / decided if decided else None, decided, settings)
        if after != level:
            ends.append((level, now + timedelta(seconds=passed)))
            level = after
    return tuple(ends)


def _level(rate: float | None, decided: float, settings: Settings) -> str:
    rules = settings.severity
    if rate is None or decided < settings.transactions.few or rate <= rules.high_rate:
        return ""
    return "SEV-1" if rate > rules.critical_rate else "SEV-2"


def _contents(value: Transactions, now: float) -> Iterator[tuple[float, float, float]]:
    """The window's steps as (age in seconds, decided, failed), so that their sums are the window's."""
    trend = value.trend
    step = min((later.at - earlier.at for earlier, later in pairwise(trend)), default=60.0)
    known = [
        (max(0.0, now - one.at), one.attempts * step / 60, one.attempts * step / 60 * (one.failure_rate or 0.0))
        for one in trend
        if now - one.at < value.window_s
    ]
    decided, failed = sum(one for _, one, _ in known), sum(one for _, _, one in known)
    for age, some, bad in known:
        yield (
            age,
            some * (value.decided / decided if decided else 1.0),
            bad * (value.failures / failed if failed else 1),
        )


def _pace(value: Transactions) -> float:
    """Purchases decided in a second, as in the last minute; as in the window where that is not known."""
    if value.minute is not None:
        return value.minute.decided / 60
    return value.decided / max(1, value.window_s)
