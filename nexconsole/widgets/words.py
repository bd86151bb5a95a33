"""Figures as words: durations, shares and counts, the same everywhere on screen."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float | None) -> str:
    """`0 s`, `42 s`, `25 min`, `3 h 10 min`, `2 d 4 h`; a dash where nothing is known."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min"
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def share(rate: float | None) -> str:
    """A rate of 0..1 as a percentage; nothing measured is a dash, never `0 %`."""
    return "-" if rate is None else f"{percent(rate)} %"


def percent(rate: float) -> str:
    """The figure alone: one decimal below 99.95, none at 0 and 100; more than nothing is never `0.0`."""
    value = rate * 100
    if value == 0 or value >= 99.95:
        return f"{value:.0f}"
    return f"{max(value, 0.1):.1f}" if value < 99.9 else "99.9"


def latency(seconds: float | None, saturated: bool = False) -> str:
    """`380 ms`, `2.1 s`; "at least" where the histogram ends before the truth does."""
    if seconds is None:
        return "-"
    text = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    return f"at least {text}" if saturated else text


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 0.95 else f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def count(number: int, capped: bool = False) -> str:
    """Thousands set apart by a space; `+` where counting stopped at the bound."""
    return f"{number:,}".replace(",", " ") + ("+" if capped else "")


def several(number: int, one: str, many: str | None = None) -> str:
    """`1 pod`, `3 pods`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def ago(seconds: float | None) -> str:
    """An age that doesn't tick while it is young: `now`, then steps of 5 s, then as durations."""
    if seconds is None:
        return "never"
    if seconds < 5:
        return "now"
    return f"{int(seconds) // 5 * 5 if seconds < 60 else int(seconds) // 60} {'s' if seconds < 60 else 'min'} ago"


def clock(at: datetime) -> str:
    """`14:07:31`, in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def since(at: datetime | None, now: datetime) -> float | None:
    """Seconds from `at` to `now`, never negative."""
    return None if at is None else max(0.0, (now - at).total_seconds())


def stopwatch(since: datetime | None, now: datetime) -> str:
    """`00:22:13` since then."""
    seconds = max(0, int((now - since).total_seconds())) if since is not None else 0
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
