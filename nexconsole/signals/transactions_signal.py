"""The transactions signal's declaration: failure rate, purchases in flight, and where.
(nexnum.md#one-or-all, #slots)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..text.units import count, duration, latency, percent, period, several
from . import traffic_volume, waiting
from .attribution import ProviderTraffic
from .circuits import Circuits
from .probe import PROVIDER, Probe, ProbeResult, View
from .signal import (
    IN_FLIGHT,
    LATENCY,
    LISTED,
    MOST_SUBJECTS,
    PURCHASES,
    Judgement,
    MetricSpec,
    Number,
    Numbers,
    Signal,
    SubjectState,
    circuit_of,
    gauge,
    in_flight_at,
    provider_gauge,
    purchases_at,
    rounded,
)
from .transactions import Transactions, read

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings


ALL_FAIL = 0.999  # from this rate on, nothing can be bought


STEP_S = 10  # so that what is expected does not change with every second


UNCOUNTED = "not known: only the rows have purchases in flight, and they can't be read"

SEVERAL = "purchases at several providers"  # of which others are well: nothing that all share explains it

FEW = 5  # a provider with fewer attempts is not judged by its rate


CHANCE_IN_ALL = 5  # so many failures that stand out at no provider may be chance, whatever the rate


def _reasons(value: Transactions, settings: Settings) -> Iterator[Judgement]:
    yield from _waits(value, settings)
    rules, rate = settings.severity, value.failure_rate
    if rate is not None and value.decided >= settings.transactions.few:
        where, outlook = _where(value), _outlook(value, rules.high_rate)
        about, explains = _about(value)
        if rate >= ALL_FAIL:
            failing = f"{count(value.failures)} of {count(value.decided)} purchases fail{where}"
            yield Judgement("SEV-1", f"purchasing is down: {failing}", outlook, about, explains)
        elif rate > rules.high_rate and not _by_chance(value):
            level = "SEV-1" if rate > rules.critical_rate else "SEV-2"
            yield Judgement(level, f"{percent(rate)} of purchases fail{where}", outlook, about, explains)
    for provider in value.providers:
        few = provider.decided < settings.transactions.provider_few
        if few or provider.failure_rate is None or provider.failure_rate < settings.transactions.provider_failing:
            continue
        yield Judgement(
            "SEV-2" if provider.failure_rate >= ALL_FAIL else "SEV-3",
            f"{provider.name} fails {percent(provider.failure_rate)} of {several(provider.decided, 'purchase')}",
            about=purchases_at(provider.name),
            explains=(circuit_of(provider.name),),
        )
    if value.latency_p95_s is not None and value.latency_p95_s > rules.latency_s:
        yield Judgement(
            "SEV-2",
            f"purchase latency p95 is {latency(value.latency_p95_s, value.latency_saturated)}",
            about=LATENCY,
        )


def _about(value: Transactions) -> tuple[str, tuple[str, ...]]:
    """What the failure rate speaks of, and what follows from it: what all share explains no single provider's."""
    scope = value.scope
    if scope.verdict == "one" and scope.provider:
        return purchases_at(scope.provider), (circuit_of(scope.provider),)
    return (SEVERAL if scope.verdict == "some" else PURCHASES), ()


def _summary(value: Transactions) -> str:
    window = duration(value.window_s)
    waits = f"{count(value.in_flight)} in flight, oldest {duration(value.oldest_s)}" if value.in_flight else ""
    waits += waiting.as_of(value) if waits else ""
    if value.failure_rate is None:
        return f"no purchase decided in {window}, {waits}" if waits else f"no purchase in {window}"
    figures = f"{percent(value.failure_rate)} of {several(value.decided, 'purchase')} failed in {window}"
    if value.minute is not None and value.minute.decided:
        figures += f" ({percent(value.minute.failure_rate)} in the last minute)"
    return f"{figures}, {f'{waits}, ' if waits else ''}{value.scope.verdict}: {value.scope.because}"


def _numbers(value: Transactions, every: float, now: datetime) -> Numbers:
    rates = [
        provider.failure_rate
        for provider in value.providers
        if provider.failure_rate is not None and provider.decided >= FEW
    ]
    # The last p95 stands in the reading for a window while Prometheus is gone, and so does who waits without Postgres.
    recent_s = max(3 * every, 15.0)
    old = value.latency_at is not None and (now - value.latency_at).total_seconds() > recent_s
    old_waits = value.waiting_at is not None and (now - value.waiting_at).total_seconds() > recent_s
    return {
        "failure_rate": rounded(value.failure_rate),
        "attempts": value.attempts,
        "purchases_waiting": None if old_waits or _uncounted(value) else value.overdue,
        "latency_p95_s": None if old else rounded(value.latency_p95_s),
        "worst_provider_rate": rounded(max(rates, default=None)),
    }


def _subject_numbers(value: Transactions) -> Iterator[tuple[str, str, Number | None]]:
    for provider in value.providers[:MOST_SUBJECTS]:
        yield "failure_rate", provider.name, rounded(provider.failure_rate)
        yield "attempts", provider.name, provider.attempts


def _states(value: Transactions, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    rules, rate = settings.severity, value.failure_rate
    if rate is not None and value.decided >= settings.transactions.few and not _by_chance(value):
        over = next((limit for limit in (rules.critical_rate, rules.high_rate) if rate > limit), None)
        state = f"under {percent(rules.high_rate)}" if over is None else f"over {percent(over)}"
        yield SubjectState("failure rate", state, f"{percent(rate)} of purchases fail: {state}", usual=over is None)
    down = waiting.blocked(value, settings.transactions)
    if down is not None:
        yield SubjectState("purchases", "not decided", waiting.said(down, value))
    elif value.decided and not waiting.unread(value):
        yield SubjectState("purchases", "decided", "purchases are decided again", usual=True)
    if value.latency_p95_s is not None:
        slow = value.latency_p95_s > rules.latency_s
        state = f"{'over' if slow else 'under'} {period(rules.latency_s)}"
        yield SubjectState(
            "latency", state, f"purchase latency p95 is {latency(value.latency_p95_s)}: {state}", usual=not slow
        )


def _details(value: Transactions) -> Iterator[str]:
    for one in sorted(value.providers, key=lambda one: -one.failures)[:LISTED]:
        waits = f", {count(one.in_flight)} in flight, oldest {duration(one.oldest_s)}" if one.in_flight else ""
        if one.decided:
            failed = f"{count(one.failures)} of {count(one.decided)} failed"
            yield f"{one.name}: {failed}, {percent(one.failure_rate)}{waits}"
        elif waits:
            yield f"{one.name}: none decided{waits}"


def _waits(value: Transactions, settings: Settings) -> Iterator[Judgement]:
    """Purchases that are not decided, whatever the rate of those that are. (nexnum.md#slots)"""
    rules = settings.transactions
    down = waiting.blocked(value, rules)
    if down is not None:
        about = in_flight_at(down.provider) if down.provider else IN_FLIGHT
        yield Judgement("SEV-1", f"purchasing is down: {waiting.said(down, value, of_purchasing=True)}", about=about)
        return
    for provider in waiting.blocked_providers(value, rules):
        yield Judgement("SEV-2", waiting.said(provider, value), about=in_flight_at(provider.provider))
    if waiting.many_overdue(value, rules):
        usual = waiting.usually(value)
        yield Judgement(
            "SEV-2",
            f"{count(value.overdue)} of {count(value.overdue + value.decided)} purchases in flight for over"
            f" {duration(value.overdue_after_s)}{f' ({usual})' if usual else ''}{waiting.as_of(value)}",
            about=IN_FLIGHT,
        )


def _outlook(value: Transactions, high: float) -> str:
    """When a window that is bad by what is over will be good again, if no more fail than in the last minute."""
    minute = value.minute
    if minute is None or minute.failure_rate is None or minute.failure_rate > high:
        return ""
    left = value.clean_in_s if not minute.failures else _past_in(value, high)
    if left is None:
        return ""
    falls = duration(math.ceil(left / STEP_S) * STEP_S, exact=True)
    few = f"{count(minute.failures)} of" if minute.failures else "none of"
    return f"{few} {several(minute.decided, 'purchase')} failed in the last minute; the level falls within {falls}"


def _past_in(value: Transactions, high: float) -> float | None:
    """In how many seconds the trend's last step of too many failures will have left the window."""
    bad = [step.at for step in value.trend if (step.failure_rate or 0.0) > high]
    left = bad[-1] + value.window_s - value.trend[-1].at if bad else 0.0
    return left if left > 0 else None


def _where(value: Transactions) -> str:
    scope = value.scope
    if scope.verdict == "one" and value.failures:
        share = next((p.failures for p in value.providers if p.name == scope.provider), 0) / value.failures
        return f", {percent(share)} of them at {scope.provider}"
    return {"all": ", at all providers", "some": ", at several providers"}.get(scope.verdict, "")


def _rate(view: View[Transactions]) -> ProbeResult:
    value = view.value
    window = duration(value.window_s)
    if value.failure_rate is None:
        waits = f": {several(value.in_flight, 'purchase')} in flight" if value.in_flight else ""
        return ProbeResult(text=f"not known: no purchase was decided in {window}{waits}", value=None)
    counts = f"{count(value.failures)} of {count(value.decided)} purchases failed in {window}"
    if value.decided < view.settings.transactions.few or _by_chance(value):
        return ProbeResult(text=f"{counts}: too few to judge by", value=None)
    doubt = f"; {value.disagreement}" if value.disagreement else ""
    return ProbeResult(text=f"{percent(value.failure_rate)}: {counts}{doubt}", value=value.failure_rate)


def _by_chance(value: Transactions) -> bool:
    """Whether a few failures of a few purchases, at no provider more than chance, make the rate a high one."""
    return 0 < value.failures <= CHANCE_IN_ALL and value.scope.verdict == "unknown" and bool(value.providers)


def _scope(view: View[Transactions]) -> ProbeResult:
    value = view.value
    scope = value.scope
    because = f": {scope.because}" if scope.because else ""
    if scope.verdict == "unknown":
        return ProbeResult(text=f"not known{because or ': too few to say'}", value=None)
    where = f"one provider, {scope.provider}" if scope.verdict == "one" else f"{scope.verdict} of the providers"
    gives = {"provider": scope.provider} if scope.verdict == "one" and scope.provider else {}
    return ProbeResult(text=where + because, value=scope.verdict, gives=gives)


def _latency(view: View[Transactions]) -> ProbeResult:
    value = view.value
    if value.latency_p95_s is None:
        return ProbeResult(text="not known: no purchase's duration was measured", value=None)
    longest = latency(value.latency_p95_s, value.latency_saturated)
    return ProbeResult(text=f"95 % of purchases take up to {longest}", value=value.latency_p95_s)


def _worst(view: View[Transactions]) -> ProbeResult:
    few = view.settings.transactions.provider_few
    judged = [p for p in view.value.providers if p.failure_rate is not None and p.decided >= few]
    if not judged:
        return ProbeResult(text="not known: no provider has enough purchases to judge by", value=None)
    worst = max(judged, key=lambda p: (p.failure_rate, p.failures))
    return ProbeResult(text=_of(worst), value=worst.failure_rate, gives={"provider": worst.name})


def _provider(view: View[Transactions]) -> ProbeResult:
    traffic = _traffic(view)
    if traffic is None or traffic.failure_rate is None:
        return ProbeResult(text=f"not known: nothing was bought from {view.argument}", value=None)
    few = traffic.decided < view.settings.transactions.provider_few
    return ProbeResult(
        text=_of(traffic) + (": too few to judge by" if few else ""), value=None if few else traffic.failure_rate
    )


def _attempts(view: View[Transactions]) -> ProbeResult:
    traffic, window = _traffic(view), duration(view.value.window_s)
    if traffic is None:
        circuits = view.other("circuits", Circuits)
        if circuits is None or view.first(circuits.providers, "name", "display_name", "id") is None:
            return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    count = traffic.attempts if traffic else 0
    return ProbeResult(text=f"{several(count, 'purchase')} from {view.argument} tried in {window}", value=float(count))


def _blocked(view: View[Transactions]) -> ProbeResult:
    """Whether purchases begin and none is decided any more, at no provider."""
    value = view.value
    found = waiting.blocked(value, view.settings.transactions)
    if found is not None:
        gives = {"provider": found.provider} if found.provider else {}
        return ProbeResult(text=waiting.said(found, value), value=True, gives=gives)
    if _uncounted(value):
        return ProbeResult(text=UNCOUNTED, value=None)
    if not value.decided and not value.in_flight:
        return ProbeResult(text="not known: nobody has bought lately", value=None)
    return ProbeResult(text=f"purchases are decided{_under_way(value)}", value=False)


def _overdue(view: View[Transactions]) -> ProbeResult:
    value = view.value
    if _uncounted(value):
        return ProbeResult(text=UNCOUNTED, value=None)
    many = waiting.many_overdue(value, view.settings.transactions)
    late = f"{count(value.overdue)} of {several(value.overdue + value.decided, 'purchase')} in flight for over"
    return ProbeResult(text=f"{late} {duration(value.overdue_after_s)}{waiting.as_of(value)}", value=many)


def _waiting(view: View[Transactions]) -> ProbeResult:
    value = view.value
    if _uncounted(value):
        return ProbeResult(text=UNCOUNTED, value=None)
    if not value.in_flight:
        return ProbeResult(text=f"no purchase is in flight{waiting.as_of(value)}", value=0.0)
    worst = max(value.providers, key=lambda one: (one.overdue, one.in_flight), default=None)
    gives = {"provider": worst.name} if worst is not None and worst.overdue else {}
    at = f", {count(worst.in_flight)} of them at {worst.name}" if worst is not None and worst.in_flight else ""
    return ProbeResult(text=_under_way(value).removeprefix(", ") + at, value=float(value.in_flight), gives=gives)


def _under_way(value: Transactions) -> str:
    if not value.in_flight:
        return ""
    usual = waiting.usually(value)
    oldest = f"oldest {duration(value.oldest_s)}{f' ({usual})' if usual else ''}"
    return f", {several(value.in_flight, 'purchase')} in flight, {oldest}{waiting.as_of(value)}"


def _uncounted(value: Transactions) -> bool:
    """Whether the number in flight is unknown: the rows can't be read, and were not within the window."""
    return waiting.unread(value) and not waiting.kept(value)


def _traffic(view: View[Transactions]) -> ProviderTraffic | None:
    return view.first(view.value.providers, "name")


def _of(traffic: ProviderTraffic) -> str:
    return f"{traffic.name} fails {percent(traffic.failure_rate or 0)} of {several(traffic.decided, 'purchase')}"


PROBES = (
    traffic_volume.PROBE,
    traffic_volume.LATELY,
    Probe(
        name="transactions.blocked",
        title="whether purchases begin and none is decided",
        signal="transactions",
        kind="flag",
        gives={"provider": "provider"},
        read=_blocked,
    ),
    Probe(
        name="transactions.overdue",
        title="whether many purchases are in flight for longer than usual",
        signal="transactions",
        kind="flag",
        read=_overdue,
    ),
    Probe(
        name="transactions.waiting",
        title="purchases in flight: begun and not decided",
        signal="transactions",
        kind="number",
        gives={"provider": "provider"},
        read=_waiting,
    ),
    Probe(
        name="transactions.rate",
        title="share of purchases that fail",
        signal="transactions",
        kind="number",
        unit="ratio",
        read=_rate,
    ),
    Probe(
        name="transactions.scope",
        title="whether one provider's purchases fail, or some, or all",
        signal="transactions",
        kind="word",
        words=("one", "some", "all", "none"),
        gives={"provider": "provider"},
        read=_scope,
    ),
    Probe(
        name="transactions.latency",
        title="how long 95 % of purchases take at most",
        signal="transactions",
        kind="number",
        unit="seconds",
        read=_latency,
    ),
    Probe(
        name="transactions.worst",
        title="the worst provider's share of purchases that fail",
        signal="transactions",
        kind="number",
        unit="ratio",
        gives={"provider": "provider"},
        read=_worst,
    ),
    Probe(
        name="transactions.provider",
        title="a provider's share of purchases that fail",
        signal="transactions",
        kind="number",
        unit="ratio",
        argument=PROVIDER,
        read=_provider,
    ),
    Probe(
        name="transactions.attempts",
        title="how many purchases a provider was asked for",
        signal="transactions",
        kind="number",
        argument=PROVIDER,
        read=_attempts,
    ),
)


SIGNAL = Signal(
    name="transactions",
    kind=Transactions,
    read=read,
    summary=_summary,
    every=2.0,
    timeout=10.0,
    reasons=_reasons,
    numbers=_numbers,
    subject_numbers=_subject_numbers,
    metrics={
        "failure_rate": MetricSpec("failure rate", percent, drawn=True, told_above=0.0),
        "attempts": MetricSpec("purchase attempts", count, less=True),
        "purchases_waiting": MetricSpec("purchases in flight", count),
        "latency_p95_s": MetricSpec("latency p95", latency),
        "worst_provider_rate": MetricSpec("worst provider's failure rate", percent),
    },
    exported=(
        gauge("purchases_window_seconds", "The window that purchases are counted in.", "window_s"),
        gauge("purchases_decided", "Purchases of the window that were bought or failed.", "decided"),
        gauge("purchases_failed", "Purchases of the window that failed.", "failures"),
        gauge("purchases_failure_ratio", "Failed purchases as a share of the decided.", "failure_rate"),
        gauge("purchases_in_flight", "Purchases in flight: begun and not decided.", "in_flight"),
        gauge("purchases_overdue", "Purchases in flight for longer than usual.", "overdue"),
        gauge("purchases_oldest_in_flight_seconds", "Age of the oldest purchase in flight.", "oldest_s"),
        gauge("purchases_usual_seconds", "How long a purchase usually takes (median).", "usual_s"),
        gauge("purchases_latency_p95_seconds", "95th percentile of the provider's call.", "latency_p95_s"),
        provider_gauge("provider_purchases_decided", "Decided purchases of the window by provider.", "decided"),
        provider_gauge("provider_purchases_failed", "Failed purchases of the window by provider.", "failures"),
        provider_gauge(
            "provider_purchases_failure_ratio", "Failed as a share of the decided by provider.", "failure_rate"
        ),
        provider_gauge("provider_purchases_in_flight", "Purchases in flight by provider.", "in_flight"),
        provider_gauge("provider_oldest_in_flight_seconds", "Age of the oldest in flight by provider.", "oldest_s"),
    ),
    observe=_states,
    details=_details,
    arguments={"provider": lambda value: (one.name for one in value.providers)},
    probes=PROBES,
)
