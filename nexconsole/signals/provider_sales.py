"""Probes of a provider's sales: how long they take, when the newest was made, and whether it fails in bursts.

By the pods' logs, and where those can't be read by the rows. (nexnum.md#purchase-lines, #purchase-rows)
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Unpack

from ..model import State
from ..text.units import count, duration, latency, percent, several
from .failure_kinds import unread
from .onset import ONSET, Onsets
from .probe import PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View
from .row_outcomes import RowOutcomes

if TYPE_CHECKING:
    from .funnel import Funnel
    from .funnel_providers import ProviderFunnel

SLOWER = 2.5  # times as long as before
SLOW_S = 2.0
USUALLY = 2.0  # times as long as at the others: so much slower a provider may always be
BY_ROWS = ", by the rows"


def _providers(view: View[Funnel]) -> tuple[Sequence[ProviderFunnel | RowOutcomes], str]:
    """Each provider's purchases, and which witness they come from; none where nobody knows them."""
    return (view.value.providers, "") if unread(view.value) is None else (_rows(view), BY_ROWS)


def _rows(view: View[Funnel]) -> Sequence[RowOutcomes]:
    onset, onsets = view.readings.get(ONSET), view.other(ONSET, Onsets)
    return onsets.outcomes if onsets is not None and onset and onset.state(view.now) is State.FRESH else ()


def _provider(view: View[Funnel]) -> tuple[ProviderFunnel | RowOutcomes | None, str]:
    providers, by = _providers(view)
    return view.first(providers, "name"), by


def _before(view: View[Funnel], one: ProviderFunnel | RowOutcomes) -> float | None:
    """What its sales took five minutes before: the logs seldom reach back so far, the rows do."""
    rows = one if one.before_s else next((each for each in _rows(view) if each.name == one.name), None)
    return rows.before_s if rows is not None else None


def _nothing(view: View[Funnel], why: str) -> ProbeResult:
    unknown = unread(view.value)
    lacks = unknown.lacks if unknown is not None else ""
    return ProbeResult(text=f"not known: {why}", value=None, lacks=lacks)


def _timed(view: View[Funnel]) -> tuple[ProviderFunnel | RowOutcomes | None, str]:
    """The provider by the witness that knows what its newest sales took."""
    one, by = _provider(view)
    rows = view.first(_rows(view), "name")
    return (one, by) if one is not None and one.took_s is not None else (rows, BY_ROWS)


def _takes(view: View[Funnel]) -> ProbeResult:
    one, by = _timed(view)
    if one is None or one.took_s is None:
        return _nothing(view, f"too few sales of {view.argument} were seen")
    return ProbeResult(text=f"a sale at {one.name} takes {latency(one.took_s)}{by}", value=one.took_s)


def _slower(view: View[Funnel]) -> ProbeResult:
    """How many times as long as before a sale takes; or as at the others, some of which are usually slower, too."""
    one, by = _timed(view)
    if one is None or one.took_s is None:
        return _nothing(view, f"too few sales of {view.argument} were seen")
    took = one.took_s
    others = [each.took_s for each in _providers(view)[0] if each is not one and each.took_s]
    before_s = _before(view, one)
    compared = [("before", before_s, 1.0)] if before_s else []
    compared += [("at the others", median(others), USUALLY)] if others else []
    if not compared:
        return _nothing(view, f"there is nothing to compare {one.name} with")
    what, with_s, weight = max(compared, key=lambda each: took / each[1] / each[2])
    text = f"a sale at {one.name} takes {latency(took)}, {what} {latency(with_s)}{by}"
    return ProbeResult(text=text, value=round(took / with_s / weight, 2))


def _sold_ago(view: View[Funnel]) -> ProbeResult:
    one, by = _provider(view)
    if one is None or one.sold_s is None:
        return _nothing(view, f"no sale of {view.argument} was seen")
    return ProbeResult(text=f"{one.name}'s newest sale began {duration(one.sold_s)} ago{by}", value=one.sold_s)


def _anything_sold(view: View[Funnel]) -> ProbeResult:
    if unknown := unread(view.value):
        return unknown
    ago = view.value.sold_s
    if ago is None:
        return ProbeResult(text="not known: no sale was seen", value=None)
    return ProbeResult(text=f"the newest sale was made {duration(ago)} ago", value=ago)


def _relapses(view: View[Funnel]) -> ProbeResult:
    one, by = _provider(view)
    rows = view.first(_rows(view), "name")
    if rows is not None and (one is None or rows.relapses > one.relapses):
        one, by = rows, BY_ROWS  # they often reach further back than the logs
    if one is None:
        return _nothing(view, f"nothing tells of purchases at {view.argument}")
    text = f"{one.name} failed several times in a row and then sold again {several(one.relapses, 'time')}{by}"
    return ProbeResult(text=text, value=float(one.relapses))


def _between_bursts(view: View[Funnel]) -> ProbeResult:
    one, by = _provider(view)
    if one is None or one.between is None:
        return _nothing(view, f"too few purchases at {view.argument} are told of")
    text = f"{one.name} fails {percent(one.between)} beside the times when all fail{by}"
    return ProbeResult(text=text, value=one.between)


def _slow_ones(view: View[Funnel]) -> ProbeResult:
    """How many providers take much longer than they did before."""
    providers, by = _providers(view)
    judged = [(each.name, each.took_s, before) for each in providers if each.took_s and (before := _before(view, each))]
    if not judged:
        return _nothing(view, "too few sales were seen to compare")
    slow = [name for name, took, before in judged if took >= max(SLOW_S, SLOWER * before)]
    names = f": {', '.join(slow[:4])}" if slow else ""
    text = f"{count(len(slow))} of {several(len(judged), 'provider')} take much longer than before{names}{by}"
    return ProbeResult(text=text, value=float(len(slow)))


def _probe(name: str, title: str, read: Read, **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="funnel", kind="number", read=read, **options)


PROBES = (
    _probe("provider.takes", "how long a provider's sales take", _takes, unit="seconds", argument=PROVIDER),
    _probe("provider.slower", "how many times as long as before they take", _slower, argument=PROVIDER),
    _probe("provider.sold-ago", "time since a provider's newest sale", _sold_ago, unit="seconds", argument=PROVIDER),
    _probe("funnel.sold-ago", "time since the newest sale, at whatever provider", _anything_sold, unit="seconds"),
    _probe("provider.relapses", "how often a provider failed and then sold again", _relapses, argument=PROVIDER),
    _probe(
        "provider.in-between",
        "share that fails at a provider beside the times when all fail",
        _between_bursts,
        unit="ratio",
        argument=PROVIDER,
    ),
    _probe("providers.slower", "providers whose sales take much longer than before", _slow_ones),
)
