"""What each known ceiling says: present value, limit, and when it is reached. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..text.units import between, count, duration, money, percent
from .level_fall import falls
from .runway import Ceiling
from .runway_estimate import STEADY_WINDOWS_S, Point, Spending, TimeLeft, pace, reaches, used_up

if TYPE_CHECKING:
    from ..settings import Settings
    from .balances import Balance
    from .database import Database
    from .outbox import Outbox
    from .slots import Slots
    from .transactions import Transactions

CONNECTIONS, REDIS_MEMORY, OUTBOX, WINDOW = "connections", "redis memory", "outbox", "window"
LEAST_CONNECTIONS = 4.0  # a rise by fewer is no trend
LEAST_SHARE = 0.01  # of a memory or a volume
LEAST_PENDING = 20.0  # a smaller backlog is none
LEAST_WAIT_S = 10.0
SELDOM_S = 1800.0  # so seldom a balance may be asked for
STEADY, NO_TREND = "no estimate: it does not grow", "no estimate: no clear trend"


def balance_name(provider: str) -> str:
    return f"balance at {provider}"


def connections(value: Database, points: Sequence[Point], now: datetime) -> Ceiling | None:
    """Until no connection is left; None where the server doesn't say how many it allows."""
    if not value.max_connections:
        return None
    used, limit = float(value.connections), float(value.max_connections)
    figures = f"{count(used)} of {count(limit)}"
    return _filling(CONNECTIONS, (used, limit), figures, points, LEAST_CONNECTIONS, now)


def redis_memory(used: float, limit: float, points: Sequence[Point], now: datetime) -> Ceiling | None:
    """Until Redis is full; bytes. None where it has no limit. `points` are shares of the limit."""
    if not limit:
        return None
    share = used / limit
    return _filling(REDIS_MEMORY, (share, 1.0), percent(share), points, LEAST_SHARE, now)


def volume(name: str, share: float, points: Sequence[Point], now: datetime) -> Ceiling:
    """Until a volume is full; shares of it."""
    return _filling(name, (share, 1.0), percent(share), points, LEAST_SHARE, now)


def _filling(
    name: str, figures: tuple[float, float], text: str, points: Sequence[Point], least: float, now: datetime
) -> Ceiling:
    present, limit = figures
    if present >= limit:
        return Ceiling(name=name, now=present, limit=limit, text=f"{text}, full", earliest=now, latest=now)
    rising = pace(points, now.timestamp(), up=True, least=least)
    found = reaches(present, limit, rising) if rising is not None else None
    if found is None:
        why = STEADY if rising is None else "no estimate: it grows too slowly to tell"
        return Ceiling(name=name, now=present, limit=limit, text=f"{text}, {why}")
    return _dated(name, figures, f"{text}, full", found, now)


def _dated(
    name: str, figures: tuple[float, float], text: str, found: TimeLeft, now: datetime, *, good: bool = False
) -> Ceiling:
    """`text` in 6 to 11 min."""
    return Ceiling(
        name=name,
        now=figures[0],
        limit=figures[1],
        text=f"{text} in {between(*found)}",
        earliest=now + timedelta(seconds=found.earliest_s),
        latest=now + timedelta(seconds=found.latest_s),
        good=good,
    )


def outbox(value: Outbox, points: Sequence[Point], now: datetime) -> Ceiling | None:
    """Until the backlog is done; None where there is none to speak of."""
    if value.pending < LEAST_PENDING:
        return None
    text = f"{count(value.pending, value.capped)} pending"
    figures = (float(value.pending), 0.0)
    return _emptying(OUTBOX, figures, text, "done", count, points, LEAST_PENDING / 2, now)


def slots(value: Slots, points: Sequence[Point], late_s: float, now: datetime) -> Ceiling | None:
    """Until the longest wait for a slot is over; None where nobody waits long."""
    worst = value.worst
    if worst is None or worst.wait_s < late_s:
        return None
    text, name = f"{duration(worst.wait_s)} of wait", f"slots at {worst.name}"
    return _emptying(name, (worst.wait_s, 0.0), text, "over", duration, points, LEAST_WAIT_S, now)


def _emptying(
    name: str,
    figures: tuple[float, float],
    text: str,
    ended: str,
    say: Callable[[float], str],
    points: Sequence[Point],
    least: float,
    now: datetime,
) -> Ceiling:
    present, limit = figures
    falling = pace(points, now.timestamp(), up=False, least=least)
    found = reaches(present, limit, falling) if falling is not None else None
    if found is not None:
        return _dated(name, figures, f"{text}, {ended}", found, now, good=True)
    rising = pace(points, now.timestamp(), up=True, least=least)
    why = NO_TREND
    if rising is not None:
        why = f"no end: it grows by {say(max(1.0, rising.middle * 60))} a minute"
    elif falling is not None:
        why = "no estimate: it falls too slowly to tell"
    return Ceiling(name=name, now=present, limit=limit, text=f"{text}, {why}", good=True)


def balances(
    known: Sequence[Balance],
    spending: dict[str, Spending],
    points: Callable[[str], Sequence[Point]],
    now: datetime,
) -> Iterator[Ceiling]:
    """Until our money at each active provider is used up, by what purchases cost, else by how the balance fell."""
    for one in known:
        if one.active is False or one.balance is None or one.synced_at is None or one.old:
            continue
        name, figures = balance_name(one.name), (one.balance, 0.0)
        if one.state == "empty":
            yield Ceiling(name=name, now=one.balance, limit=0.0, text="used up", earliest=now, latest=now)
            continue
        age_s = max(0.0, (now - one.synced_at).total_seconds())
        spends = spending.get(one.name.casefold())
        found = used_up(one.balance, age_s, spends) if spends is not None else None
        if found is None:
            found = _falls(one.balance, points(one.name), now)
        if found is not None:
            yield _dated(name, figures, f"{money(one.balance)} left, used up", found, now)
        else:
            yield Ceiling(name=name, now=one.balance, limit=0.0, text=f"{money(one.balance)} left, {_lasts(spends)}")


def _falls(balance: float, points: Sequence[Point], now: datetime) -> TimeLeft | None:
    """By how the balance itself fell, as NexNum asked for it."""
    falling = pace(points, now.timestamp(), up=False, least=0.01, stale_s=SELDOM_S, windows_s=STEADY_WINDOWS_S)
    return reaches(balance, 0.0, falling) if falling is not None else None


def _lasts(spends: Spending | None) -> str:
    if spends is None:
        return "no estimate: what purchases cost is not known"
    if spends.many == 0:
        return "no estimate: nothing is bought"
    bought = f"{count(spends.many)} purchases in {duration(spends.window_s)}"
    return f"no estimate: it lasts for long, or {bought} are too few to tell"


def window(value: Transactions, settings: Settings, now: datetime) -> Ceiling | None:
    """Until the window's failure rate asks for no level any more; None where it asks for none."""
    rate, high = value.failure_rate, settings.severity.high_rate
    if rate is None or rate <= high or value.decided < settings.transactions.few:
        return None
    text = f"{percent(rate)} of {duration(value.window_s)} fail"
    minute = value.minute
    if minute is None or minute.failure_rate is None:
        return Ceiling(name=WINDOW, now=rate, limit=high, text=f"{text}, {NO_TREND}", good=True)
    if minute.failure_rate > high:
        still = f"no end: {percent(minute.failure_rate)} failed in the last minute"
        return Ceiling(name=WINDOW, now=rate, limit=high, text=f"{text}, {still}", good=True)
    ends = falls(value, settings, now)
    first = max(0.0, (ends[-1][1] - now).total_seconds()) if ends else 0.0
    # A few that still fail keep it above the limit for no longer than the window holds what was before.
    last = max(first, value.clean_in_s or 0.0) if not minute.failures else float(value.window_s)
    return _dated(WINDOW, (rate, high), f"{text}, clean", TimeLeft(first, max(first, last)), now, good=True)


def sentence(ceiling: Ceiling) -> str:
    """`connections: 83 of 100, full in 6 to 11 min`."""
    return f"{ceiling.name}: {ceiling.text}"


def order(ceiling: Ceiling) -> tuple[bool, float, str]:
    """The first to be reached first, those without an estimate last."""
    return ceiling.earliest is None, ceiling.earliest.timestamp() if ceiling.earliest else 0.0, ceiling.name
