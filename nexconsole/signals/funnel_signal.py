"""The funnel signal's declaration: results of customers' purchases. (nexnum.md#refused, #purchase-lines)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Unpack

from ..sources.purchase_tally import WITHOUT_OFFER
from ..text.units import count, duration, percent, several
from . import failing_runs, failure_kinds, provider_sales, unrecorded
from .funnel import Funnel, read
from .log_reach import within
from .probe import MAYBE_PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View
from .signal import (
    IN_FLIGHT,
    LISTED,
    PURCHASES,
    REFUSED,
    ExportedMetric,
    Judgement,
    LabelledSample,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
    rounded,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings


STEP_S = 10  # so that what is expected does not change with every second


MINUTES = 2  # of the funnel: the one that runs, and the one before


FEW_WAITING = 3  # purchases; with fewer it may be these that hang, and not purchasing


def _reasons(value: Funnel, settings: Settings) -> Iterator[Judgement]:
    """Customers whom no row and no provider's counter knows. (nexnum.md#refused, #slots)"""
    rules = settings.funnel
    span = within(value.window_s, value.rests_on_s)
    if value.decided >= rules.few and value.without_offer:
        share = value.without_offer / value.decided
        level = "SEV-1" if share > rules.refused_critical else "SEV-2" if share > rules.refused_high else ""
        reasons = " or ".join(reason for reason in WITHOUT_OFFER if value.refused.get(reason))
        few = value.users_refused
        who = f", to {several(few, 'user')}" if few is not None and 2 * few < value.without_offer else ""
        if level:
            said = f"{count(value.without_offer)} of {several(value.decided, 'customer')} refused: {reasons}{who}"
            yield Judgement(level, f"{said}, in {span}", _refused_outlook(value, rules.refused_high), about=REFUSED)
    if value.failed >= rules.few and not value.sold:
        yield Judgement(
            "SEV-1",
            f"purchasing is down: none of {count(value.decided)} customers was sold a number, in {span} (pod logs)",
            about=PURCHASES,
        )
    elif (asked := _nobody_sold(value)) >= rules.few:
        yield Judgement(
            "SEV-1",
            f"purchasing is down: none of {count(asked)} customers was sold a number in the last minute (pod logs)",
            about=PURCHASES,
        )
    if value.undecided_s is None:
        return
    if value.undecided_s > max(rules.undecided_s, rules.undecided_usual * (value.usual_s or 0.0)):
        many = value.waiting_new
        told = f"{several(many, 'purchase')} in flight, none answered for {duration(value.undecided_s)}"
        if many >= FEW_WAITING:
            yield Judgement("SEV-1", f"purchasing is down: {told} (pod logs)", about=IN_FLIGHT)
        elif many:
            yield Judgement("SEV-3", f"{told} (pod logs)", about=IN_FLIGHT)


def _summary(value: Funnel) -> str:
    if value.unknown:
        return str(value.unknown)
    told = f"{count(value.attempts)} asked, {count(value.sold)} sold, {count(value.turned_away)} refused,"
    told += f" {count(value.failed)} failed"
    waits = f", {count(value.waiting)} in flight" if value.waiting else ""
    longest = f", oldest {duration(value.oldest_s)}" if value.oldest_s is not None else ""
    why = ", ".join(f"{reason} {many}" for reason, many in value.refused.items())
    refused = f"; refused: {why}" if why else ""
    return f"{told}{waits}{longest} in {within(value.window_s, value.rests_on_s)}{refused}"


def _numbers(value: Funnel, every: float, now: datetime) -> Numbers:
    known, read = not value.unknown, value.pods_followed > 0 and not value.unknown
    return {
        "customers_refused": value.turned_away if known else None,
        "customers_sold": value.sold if known else None,
        "customers_waiting": value.waiting if read else None,
        "longest_wait_s": rounded(value.oldest_s, 1) if read else None,
    }


def _states(value: Funnel, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    rules = settings.funnel
    if value.decided >= rules.few:
        share = value.without_offer / value.decided
        over = next((limit for limit in (rules.refused_critical, rules.refused_high) if share > limit), None)
        state = f"under {percent(rules.refused_high)}" if over is None else f"over {percent(over)}"
        told = (
            f"{count(value.without_offer)} of {count(value.decided)} customers are refused"
            " because nobody offers a number"
        )
        yield SubjectState("refused customers", state, f"{told}: {state}", usual=over is None)


def _details(value: Funnel) -> Iterator[str]:
    for provider in value.providers[:LISTED]:
        told = (
            f"{count(provider.attempts)} asked, {count(provider.sold)} sold,"
            f" {count(provider.failed)} failed, {count(provider.refused)} refused"
        )
        waits = f", {count(provider.waiting)} in flight" if provider.waiting else ""
        yield f"{provider.name or 'no provider yet'}: {told}{waits}"


def _nobody_sold(value: Funnel) -> int:
    """How many customers were refused or failed in the last minute, or a little more, if nobody was sold a number and
    most of them failed, or were refused for want of an offer; else 0: lacking funds is no outage."""
    late = value.minutes[-MINUTES:]
    ours = value.failed + value.without_offer
    if len(late) < MINUTES or any(minute.sold for minute in late) or 2 * ours < value.failed + value.turned_away:
        return 0
    return sum(minute.failed + minute.refused for minute in late)


def _refused_outlook(value: Funnel, high: float) -> str:
    """When a window full of refused customers will be good again, if no more of them are refused than by now."""
    worse = [
        minute
        for minute in value.minutes
        if minute.refused > high * max(1, minute.sold + minute.failed + minute.refused)
    ]
    if not worse or len(value.minutes) < MINUTES or worse[-1] in value.minutes[-MINUTES:]:
        return ""
    late = value.minutes[-MINUTES:]
    decided = sum(minute.sold + minute.failed + minute.refused for minute in late)
    if not decided:
        return ""
    falls = duration(max(STEP_S, worse[-1].at + 60 + value.window_s - late[-1].at), exact=True)
    refused = count(sum(minute.refused for minute in late))
    return f"by now {refused} of {count(decided)} are; the level falls within {falls}"


def _refused_samples(value: Funnel) -> Iterator[LabelledSample]:
    return (({"reason": reason}, number) for reason, number in value.refused.items())


def _waiting_samples(value: Funnel) -> Iterator[LabelledSample]:
    yield {}, value.waiting if value.pods_followed else None


def _counted(what: str, count: Callable[[Funnel], int], attribute: str) -> Read:
    """A count of the window, of one provider where that is named."""

    def read(view: View[Funnel]) -> ProbeResult:
        value = view.value
        if value.unknown:
            return ProbeResult(text=f"not known: {value.unknown}", value=None)
        span = within(value.window_s, value.rests_on_s)
        if not view.argument:
            return ProbeResult(text=f"{several(count(value), 'customer')} {what} in {span}", value=float(count(value)))
        one = view.first(value.providers, "name")
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
        return ProbeResult(text="no purchase is in flight", value=0.0)
    least = "at least " if value.oldest_at_least else ""
    age = f", oldest {least}{duration(value.oldest_s)}"
    return ProbeResult(text=f"{several(value.waiting, 'purchase')} in flight{age}", value=float(value.waiting))


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
    _probe("funnel.waiting", "purchases in flight by the pods' logs", _waiting),
    _probe("funnel.funds", "purchases refused for lack of the user's funds", _funds),
    *failure_kinds.PROBES,
    *provider_sales.PROBES,
    *failing_runs.PROBES,
    *unrecorded.PROBES,
)


SIGNAL = Signal(
    name="funnel",
    kind=Funnel,
    read=read,
    summary=_summary,
    timeout=6.0,
    needs=("kubernetes",),
    reasons=_reasons,
    reasons_across=unrecorded.reasons,
    numbers=_numbers,
    metrics={
        "customers_refused": MetricSpec("customers refused", count),
        "customers_sold": MetricSpec("customers sold to", count, less=True),
        "customers_waiting": MetricSpec("customers waiting", count),
        "longest_wait_s": MetricSpec("longest wait", duration),
    },
    exported=(
        gauge("customers_rest_on_seconds", "How many seconds the customers' counts rest on.", "rests_on_s"),
        gauge("customers_sold", "Customers who were sold a number.", "sold"),
        ExportedMetric("customers_refused", "Customers who were refused one, by reason.", _refused_samples),
        ExportedMetric(
            "customers_waiting", "Customers who wait; none where no pod's log is followed.", _waiting_samples
        ),
    ),
    observe=_states,
    details=_details,
    probes=PROBES,
)
