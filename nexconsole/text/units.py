"""Durations, percentages, counts and times as text: the same on screen, in sentences, in status and in reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil

MINUTE, HOUR, DAY = 60, 3600, 86_400
SECONDS_BELOW = 2 * MINUTE  # from here on in minutes
MINUTES_BELOW = 2 * HOUR
HOURS_BELOW = 2 * DAY
EXACT_BELOW = 10 * MINUTE


def duration(seconds: float | timedelta | None, *, exact: bool = False) -> str:
    """`0 s`, `112 s`, `17 min`, `3 h 10 min`, `2 d 4 h`: rounded down; a dash where nothing is known.

    `exact` adds the seconds below ten minutes: `2 min 5 s`. Negative durations are `0 s`.
    """
    if seconds is None:
        return "-"
    whole = max(0, int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds))
    if whole < SECONDS_BELOW:
        return f"{whole} s"
    if exact and whole < EXACT_BELOW and whole % MINUTE:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < MINUTES_BELOW:
        return f"{whole // MINUTE} min"
    if whole < HOURS_BELOW:
        return _two(whole // HOUR, "h", whole % HOUR // MINUTE, "min")
    return _two(whole // DAY, "d", whole % DAY // HOUR, "h")


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first} {unit} {second} {smaller}" if second else f"{first} {unit}"


def remaining(seconds: float | timedelta) -> str:
    """What is left of a time, rounded up: `30 s`, `5 min`. What lasts no longer than that has ended by then."""
    left = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    step = 1 if left < SECONDS_BELOW else MINUTE if left < HOURS_BELOW else HOUR
    return duration(ceil(left / step) * step)


def between(low_s: float, high_s: float) -> str:
    """A range of a time that is left, in one unit, rounded outwards: `40 to 90 s`, `6 to 11 min`, `3 to 5 h`."""
    units = ((1, "s", SECONDS_BELOW), (MINUTE, "min", MINUTES_BELOW), (HOUR, "h", HOURS_BELOW))
    length, unit = next(((length, unit) for length, unit, below in units if high_s < below), (DAY, "d"))
    low, high = int(max(0.0, low_s) // length), ceil(max(0.0, high_s) / length)
    return f"{low} to {high} {unit}" if low < high else f"{high} {unit}"


def period(seconds: float) -> str:
    """A length that is set, not measured, and exact: `0.5 s`, `90 s`, `5 min`, `2 h`, `7 d`.

    In the largest unit of which it is a whole multiple, from the bounds on that `duration` has.
    """
    for unit, length, least in (("d", DAY, HOURS_BELOW), ("h", HOUR, MINUTES_BELOW), ("min", MINUTE, SECONDS_BELOW)):
        if seconds >= least and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"


def percent(rate: float | None) -> str:
    """A rate of 0..1 as a percentage: `17.8 %`, `0.04 %`; a dash where nothing was measured, which is never `0 %`."""
    return "-" if rate is None else f"{percent_figure(rate)} %"


def percent_figure(rate: float) -> str:
    """The figure alone: `17.8`, `93`, `0.04`, `<0.01`. Only none is `0` and only all is `100`."""
    value = rate * 100
    if value <= 0:
        return "0"
    if value >= 100:
        return "100"
    if value < 0.01:
        return "<0.01"
    if value < 0.095:
        return f"{value:.2f}"
    return f"{min(value, 99.9):.1f}".removesuffix(".0")


def utilization(used: int | None, target: int) -> str:
    """`41/70 %`, in percent of what is requested, so that both may be above 100; `?` where it was not measured."""
    return f"{'?' if used is None else used}/{target} %"


def latency(seconds: float | None, saturated: bool = False) -> str:
    """`380 ms`, `2.1 s`; "at least" where the histogram ends before the truth does."""
    if seconds is None:
        return "-"
    text = f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
    return f"at least {text}" if saturated else text


def milliseconds(value: float | None) -> str:
    """`0.4 ms`, `38 ms`, `1.2 s`; a dash where nothing was measured."""
    if value is None:
        return "-"
    return f"{value:.1f} ms" if value < 0.95 else f"{value:.0f} ms" if value < 999.5 else f"{value / 1000:.1f} s"


def count(number: float, capped: bool = False) -> str:
    """Thousands set apart by a space; `+` where counting stopped at the bound."""
    return f"{number:,.0f}".replace(",", " ") + ("+" if capped else "")


def money(amount: float | Decimal | None) -> str:
    """`1 234.50`: two decimals, thousands set apart by a space; a dash where nothing is known."""
    return "-" if amount is None else f"{amount:,.2f}".replace(",", " ")


def several(number: float, one: str, many: str | None = None) -> str:
    """`1 pod`, `3 pods`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def plural(noun: str) -> str:
    """Several of what a runtime calls its units: "pods", "containers"."""
    return noun + "s"


def ago(seconds: float | None) -> str:
    """An age that doesn't tick while it is young: `now`, then steps of 5 s to `55 s ago`, then as durations."""
    if seconds is None:
        return "never"
    if seconds < 5:
        return "now"
    return f"{duration(seconds // 5 * 5 if seconds < MINUTE else seconds // MINUTE * MINUTE)} ago"


def clock(at: datetime | None) -> str:
    """`14:07:31`, in UTC; a dash where nothing is known."""
    return "-" if at is None else f"{at.astimezone(UTC):%H:%M:%S}"


def clock_minute(at: datetime) -> str:
    """`14:07`, in UTC."""
    return f"{at.astimezone(UTC):%H:%M}"


def date(at: datetime) -> str:
    """`2026-11-29`, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def moment(at: datetime) -> str:
    """`2026-11-29 14:07:31Z`."""
    return f"{at.astimezone(UTC).isoformat(sep=' ', timespec='seconds')[:19]}Z"


def since(at: datetime | None, now: datetime) -> float | None:
    """Seconds from `at` to `now`, never negative; None where there is no `at`."""
    return None if at is None else max(0.0, (now - at).total_seconds())


def stopwatch(since: datetime | None, now: datetime) -> str:
    """`00:22:13` since then."""
    seconds = max(0, int((now - since).total_seconds())) if since is not None else 0
    return f"{seconds // HOUR:02}:{seconds % HOUR // MINUTE:02}:{seconds % MINUTE:02}"
