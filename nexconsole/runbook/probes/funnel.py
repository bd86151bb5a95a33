"""Probes of the funnel: what became of the customers who asked for a number. (nexnum.md#refused, #purchase-lines)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from ...signals.funnel import Funnel
from ...signals.log_reach import within
from ...text.units import duration, several
from .probe import MAYBE_PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View


def _counted(what: str, count: Callable[[Funnel], int], attribute: str) -> Read:
    """A count of the window, of one provider where that is named."""

    def read(view: View[Funnel]) -> ProbeResult:
        value = view.value
        if value.unknown:
            return ProbeResult(text=f"not known: {value.unknown}", value=None)
        span = within(value.window_s, value.rests_on_s)
        if not view.argument:
            return ProbeResult(text=f"{several(count(value), 'customer')} {what} in {span}", value=float(count(value)))
        one = next((provider for provider in value.providers if view.called(provider.name)), None)
        if one is None and (not value.pods_followed or value.more_providers):
            return ProbeResult(text=f"not known: the logs say nothing of {view.argument}", value=None)
        many = 0 if one is None else getattr(one, attribute)
        return ProbeResult(text=f"{several(many, 'customer')} {what} at {view.argument} in {span}", value=float(many))

    return read


def _without_offer(view: View[Funnel]) -> ProbeResult:
    value = view.value
    if value.unknown:
        return ProbeResult(text=f"not known: {value.unknown}", value=None)
    many, span = value.without_offer, within(value.window_s, value.rests_on_s)
    refused = several(many, "customer") + " refused because nobody offers what they want"
    return ProbeResult(text=f"{refused}, in {span}", value=float(many))


def _waiting(view: View[Funnel]) -> ProbeResult:
    value = view.value
    if not value.pods_followed:
        return ProbeResult(text="not known: no pod's log is followed", value=None, lacks="reading the pods' logs")
    if value.unknown:
        return ProbeResult(text=f"not known: {value.unknown}", value=None)
    if not value.waiting:
        return ProbeResult(text="no purchase waits", value=0.0)
    least = "at least " if value.oldest_at_least else ""
    age = f", the oldest for {least}{duration(value.oldest_s)}"
    return ProbeResult(text=f"{several(value.waiting, 'purchase')} wait{age}", value=float(value.waiting))


def _funds(view: View[Funnel]) -> ProbeResult:
    value = view.value
    if not value.pods_followed:
        return ProbeResult(text="not known: no pod's log is followed", value=None, lacks="reading the pods' logs")
    if value.unknown:
        return ProbeResult(text=f"not known: {value.unknown}", value=None)
    many = value.refused.get("funds", 0)
    users = value.users_without_funds
    who = f" ({several(users, 'user')})" if users is not None and many else ""
    span = within(value.window_s, value.rests_on_s)
    return ProbeResult(text=f"{several(many, 'purchase')} refused for lack of funds{who} in {span}", value=float(many))


def _probe(name: str, title: str, read: Read, **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="funnel", kind="number", read=read, **options)


PROBES = (
    _probe(
        "funnel.refused",
        "customers who were refused a number",
        _counted("refused", lambda value: value.turned_away, "refused"),
        argument=MAYBE_PROVIDER,
    ),
    _probe(
        "funnel.unoffered",
        "customers who were refused because nobody offers what they want",
        _without_offer,
    ),
    _probe(
        "funnel.sold",
        "customers who were sold a number",
        _counted("sold a number", lambda value: value.sold, "sold"),
        argument=MAYBE_PROVIDER,
    ),
    _probe("funnel.waiting", "purchases that wait for their end", _waiting),
    _probe("funnel.funds", "purchases refused for lack of the user's funds", _funds),
)
