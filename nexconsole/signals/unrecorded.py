"""Purchases that end in an error before they have a row: only logs and HTTP answers know them.

(nexnum.md#refused, #answers)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..model import Reading, value_of
from ..text.units import count, percent, several
from .funnel import Funnel
from .log_reach import within
from .probe import Probe, ProbeResult, Read, View
from .signal import PURCHASES, Judgement
from .transactions import Transactions

if TYPE_CHECKING:
    from ..settings import Settings

TIMES = 2.0  # as large a share as by the rows: so many more fail than have a row


def reasons(readings: Mapping[str, Reading], settings: Settings) -> Iterator[Judgement]:
    """The level for failures of which the rows know too little; none where the rows tell as much."""
    funnel, rows = value_of(readings, "funnel", Funnel), value_of(readings, "transactions", Transactions)
    if funnel is None or not funnel.sold or funnel.unknown or rows is None or rows.failure_rate is None:
        return  # that nobody is sold a number has a rule of its own
    decided, rules = funnel.sold + funnel.failed, settings.severity
    share = funnel.failed / decided
    if funnel.failed < settings.funnel.few or share <= rules.high_rate or share < TIMES * rows.failure_rate:
        return
    level = "SEV-1" if share > rules.critical_rate else "SEV-2"
    span = within(funnel.window_s, funnel.rests_on_s)
    told = f"{percent(share)} of {several(decided, 'purchase')} end in an error, most without a row, in {span}"
    yield Judgement(level, told, about=PURCHASES)


def _errors(view: View[Funnel]) -> ProbeResult:
    """The share of purchases that end in an error: 0..1."""
    value = view.value
    decided = value.sold + value.failed
    if value.unknown or decided < view.settings.funnel.few:
        return ProbeResult(text=f"not known: {value.unknown or 'too few purchases were decided'}", value=None)
    span = within(value.window_s, value.rests_on_s)
    text = f"{count(value.failed)} of {several(decided, 'purchase')} end in an error, in {span}"
    return ProbeResult(text=text, value=value.failed / decided)


def _without_row(view: View[Funnel]) -> ProbeResult:
    """How much larger the share is that ends in an error than the share that fails by the rows: 0..1."""
    errors, rows = _errors(view), view.other("transactions", Transactions)
    if not isinstance(errors.value, float) or rows is None or rows.failure_rate is None:
        why = errors.text if errors.value is None else "not known: no row tells which share fails"
        return ProbeResult(text=why, value=None)
    text = f"{errors.text}; by the rows {percent(rows.failure_rate)} fail"
    return ProbeResult(text=text, value=max(0.0, errors.value - rows.failure_rate))


def _probe(name: str, title: str, read: Read) -> Probe:
    return Probe(name=name, title=title, signal="funnel", kind="number", unit="ratio", read=read)


PROBES = (
    _probe("funnel.errors", "share of purchases that end in an error, with a row or without", _errors),
    _probe("funnel.without-row", "share of purchases that end in an error and have no row", _without_row),
)
