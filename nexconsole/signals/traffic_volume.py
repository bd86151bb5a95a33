"""How many purchases are tried, beside how many were before; and a provider's last minute."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from ..text.units import count, percent, several
from .probe import PROVIDER, Probe, ProbeResult, View

if TYPE_CHECKING:
    from .transactions import Transactions

FEW = 4  # purchases of the last minute; fewer say nothing of a provider
LEAST = 8  # steps of the trend before the window that say what is usual


def _times(view: View[Transactions]) -> ProbeResult:
    """How many times as many are tried a minute as in the half hour before the window."""
    value = view.value
    newest = value.trend[-1].at if value.trend else 0.0
    before = [step.attempts for step in value.trend if step.at < newest - value.window_s]
    usual = median(before) if len(before) >= LEAST else 0.0
    if usual <= 0:
        return ProbeResult(text="not known: there is nothing to compare with", value=None)
    now = value.attempts * 60 / value.window_s
    text = f"{count(round(now))} purchases a minute are tried, {count(round(usual))} before"
    return ProbeResult(text=text, value=round(now / usual, 2))


def _lately(view: View[Transactions]) -> ProbeResult:
    """A provider's share of failures in the last minute: the window forgets what was before only slowly."""
    one = view.first(view.value.providers, "name")
    if one is None or one.minute < FEW:
        return ProbeResult(text=f"not known: too few purchases of {view.argument} in the last minute", value=None)
    share = one.minute_failures / one.minute
    text = f"{one.name} fails {percent(share)} of {several(one.minute, 'purchase')} of the last minute"
    return ProbeResult(text=text, value=share)


LATELY = Probe(
    name="provider.lately",
    title="a provider's share of failures in the last minute",
    signal="transactions",
    kind="number",
    unit="ratio",
    argument=PROVIDER,
    read=_lately,
)
PROBE = Probe(
    name="transactions.times",
    title="how many times as many purchases as usual are tried",
    signal="transactions",
    kind="number",
    read=_times,
)
