"""The time span behind a count of log lines, in words."""

from __future__ import annotations

from ..text.units import duration

LINES_S = 600.0  # so many seconds' lines are counted, of breakers and of what upstreams answered


def within(window_s: float, reach_s: float | None) -> str:
    """The span of a count of log lines: `10 min`, or less with the reason."""
    if reach_s is None or reach_s >= window_s:
        return duration(window_s)
    return f"{duration(reach_s)} (logs reach back {duration(reach_s)})"
