"""Probes of transactions: how many purchases fail, and where."""

from __future__ import annotations

from ...signals import waiting
from ...signals.attribution import ProviderTraffic
from ...signals.circuits import Circuits
from ...signals.transactions import Transactions
from ...text.units import count, duration, latency, percent, several
from .probe import PROVIDER, Probe, ProbeResult, View, many


def _rate(view: View[Transactions]) -> ProbeResult:
    value = view.value
    window = duration(value.window_s)
    if value.failure_rate is None:
        waits = f": {several(value.in_flight, 'purchase')} under way" if value.in_flight else ""
        return ProbeResult(text=f"not known: no purchase was decided in {window}{waits}", value=None)
    counts = f"{count(value.failures)} of {count(value.decided)} purchases failed in {window}"
    if value.decided < view.settings.transactions.few:
        return ProbeResult(text=f"{counts}: too few to judge by", value=None)
    doubt = f"; {value.disagreement}" if value.disagreement else ""
    return ProbeResult(text=f"{percent(value.failure_rate)}: {counts}{doubt}", value=value.failure_rate)


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
        if circuits is None or not any(view.called(p.name, p.display_name, p.id) for p in circuits.providers):
            return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    count = traffic.attempts if traffic else 0
    return ProbeResult(text=f"{many(count, 'purchase')} from {view.argument} tried in {window}", value=float(count))


def _blocked(view: View[Transactions]) -> ProbeResult:
    """Whether purchases begin and none is decided any more, at no provider."""
    value = view.value
    found = waiting.blocked(value, view.settings.transactions)
    if found is not None:
        gives = {"provider": found.provider} if found.provider else {}
        return ProbeResult(text=waiting.said(found, value), value=True, gives=gives)
    if not value.decided and not value.in_flight:
        return ProbeResult(text="not known: nobody has bought lately", value=None)
    return ProbeResult(text=f"purchases are decided{_under_way(value)}", value=False)


def _overdue(view: View[Transactions]) -> ProbeResult:
    value = view.value
    many = waiting.many_overdue(value, view.settings.transactions)
    late = f"{several(value.overdue, 'purchase')} of {value.overdue + value.decided} wait for more than"
    return ProbeResult(text=f"{late} {duration(value.overdue_after_s)}", value=many)


def _waiting(view: View[Transactions]) -> ProbeResult:
    value = view.value
    if not value.in_flight:
        return ProbeResult(text="no purchase is under way", value=0.0)
    worst = max(value.providers, key=lambda one: (one.overdue, one.in_flight), default=None)
    gives = {"provider": worst.name} if worst is not None and worst.overdue else {}
    at = f", {worst.in_flight} of them at {worst.name}" if worst is not None and worst.in_flight else ""
    return ProbeResult(text=_under_way(value).removeprefix(", ") + at, value=float(value.in_flight), gives=gives)


def _under_way(value: Transactions) -> str:
    if not value.in_flight:
        return ""
    usual = waiting.usually(value)
    oldest = f"the oldest for {duration(value.oldest_s)}{f' ({usual})' if usual else ''}"
    return f", {several(value.in_flight, 'purchase')} under way, {oldest}"


def _traffic(view: View[Transactions]) -> ProviderTraffic | None:
    return next((p for p in view.value.providers if view.called(p.name)), None)


def _of(traffic: ProviderTraffic) -> str:
    return f"{traffic.name} fails {percent(traffic.failure_rate or 0)} of {many(traffic.decided, 'purchase')}"


PROBES = (
    Probe(
        name="transactions.blocked",
        title="whether purchases begin and none is decided any more",
        signal="transactions",
        kind="flag",
        gives={"provider": "provider"},
        read=_blocked,
    ),
    Probe(
        name="transactions.overdue",
        title="whether many purchases wait for longer than they usually take",
        signal="transactions",
        kind="flag",
        read=_overdue,
    ),
    Probe(
        name="transactions.waiting",
        title="purchases that are not decided yet",
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
