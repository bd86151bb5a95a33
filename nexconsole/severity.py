"""Severity: the runbook's SEV rules as a pure function of readings. (runbook, "Severity Levels")"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from .model import Reading
from .settings import Settings
from .signals.alerts import Alerts
from .signals.circuits import Circuits
from .signals.database import Database
from .signals.locks import Locks
from .signals.outbox import Outbox
from .signals.reservations import Reservations
from .signals.transactions import Transactions
from .signals.workloads import Workloads
from .text.units import duration, latency, percent

LEVELS = ("SEV-1", "SEV-2", "SEV-3", "none")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule that holds: the level it asks for, in words with its figures, and the reading it rests on.

    `age_s` is the reading's age; `stale` that its source has not answered since.
    """

    level: str
    text: str
    signal: str
    age_s: float | None
    stale: bool = False


@dataclass(frozen=True, kw_only=True)
class Severity:
    """The highest level that any reason asks for, the reasons most severe first.

    `unknown` names the signals that have never given a value: they can raise nothing, and lower nothing.
    """

    level: str
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()


def judge(readings: Mapping[str, Reading], settings: Settings, now: datetime) -> Severity:
    """Apply every rule to every reading that has a value, however old: a silent source lowers nothing."""
    reasons = []
    for name, rules in RULES.items():  # in this order, whichever signal answered first
        reading = readings.get(name)
        if reading is None or reading.value is None:
            continue
        stale = reading.state(now) != "fresh"
        for level, text in rules(reading.value, settings):
            reasons.append(Reason(level=level, text=text, signal=name, age_s=reading.age(now), stale=stale))
    reasons.sort(key=lambda reason: LEVELS.index(reason.level))
    return Severity(
        level=reasons[0].level if reasons else "none",
        reasons=tuple(reasons),
        unknown=tuple(name for name in RULES if readings.get(name) is None or readings[name].value is None),
    )


def _transactions(value: Transactions, settings: Settings) -> Iterator[tuple[str, str]]:
    rules, rate = settings.severity, value.failure_rate
    if rate is not None and value.attempts >= settings.transactions.few:
        where = _where(value)
        if rate >= 0.999:
            yield "SEV-1", f"purchasing is down: {value.failures} of {value.attempts} purchases fail{where}"
        elif rate > rules.critical_rate:
            yield "SEV-1", f"{percent(rate)} of purchases fail{where}"
        elif rate > rules.high_rate:
            yield "SEV-2", f"{percent(rate)} of purchases fail{where}"
    for provider in value.providers:
        few = provider.attempts < settings.transactions.provider_few
        if few or provider.failure_rate is None or provider.failure_rate < settings.transactions.provider_failing:
            continue
        yield (
            ("SEV-2" if provider.failure_rate >= 0.999 else "SEV-3"),
            f"{provider.name} fails {percent(provider.failure_rate)} of {provider.attempts} purchases",
        )
    if value.latency_p95_s is not None and value.latency_p95_s > rules.latency_s:
        yield "SEV-2", f"purchase latency p95 is {latency(value.latency_p95_s, value.latency_saturated)}"


def _where(value: Transactions) -> str:
    scope = value.scope
    if scope.verdict == "one" and value.failures:
        share = next((p.failures for p in value.providers if p.name == scope.provider), 0) / value.failures
        return f", {percent(share)} of them at {scope.provider}"
    return {"all": ", at all providers", "some": ", at several providers"}.get(scope.verdict, "")


def _circuits(value: Circuits, settings: Settings) -> Iterator[tuple[str, str]]:
    watched = [provider for provider in value.providers if provider.active is not False]
    for provider in watched:
        if provider.flapping:
            yield "SEV-3", f"{provider.name}'s circuit flaps: opened {provider.opened} times in 10 min"
        elif provider.state in ("open", "half-open"):
            yield "SEV-3", f"{provider.name}'s circuit is {provider.state.upper()}"
    if watched and all(provider.state == "open" for provider in watched):
        yield "SEV-1", f"purchasing is down: the circuits of all {len(watched)} active providers are open"
    if value.providers and all(provider.active is False for provider in value.providers):
        yield "SEV-1", "purchasing is down: no provider is active"


def _outbox(value: Outbox, settings: Settings) -> Iterator[tuple[str, str]]:
    if value.failed:
        events = "1 outbox event" if value.failed == 1 else f"{value.failed} outbox events"
        yield "SEV-3", f"{events} failed, and nothing will retry what failed"
    late = value.oldest_pending_s
    if late is not None and late > settings.outbox.stuck_after_s:
        yield "SEV-3", f"the oldest outbox event has waited {duration(late)}"


def _reservations(value: Reservations, settings: Settings) -> Iterator[tuple[str, str]]:
    rules = settings.reservations
    if value.pending > rules.limit:
        yield "SEV-2", f"{value.pending} reservations are pending, over the runbook's {rules.limit}"
    elif value.stuck > rules.alert_limit:
        yield "SEV-3", f"{value.stuck} reservations are stuck, over the alert's {rules.alert_limit}"


def _locks(value: Locks, settings: Settings) -> Iterator[tuple[str, str]]:
    if not value.abandoned:
        return
    more = "+" if value.capped else ""
    kept = "1 lock that nobody will release keeps a customer out"
    if value.abandoned > 1:
        kept = f"{value.abandoned}{more} locks that nobody will release keep customers out"
    oldest = "" if value.oldest_s is None else f", the oldest {duration(value.oldest_s)}"
    yield "SEV-3", kept + oldest


def _database(value: Database, settings: Settings) -> Iterator[tuple[str, str]]:
    if value.blocked:
        yield "SEV-2" if value.blocked >= 5 else "SEV-3", f"{value.blocked} database sessions are blocked by another"
    if value.max_connections and value.connections >= 0.9 * value.max_connections:
        yield "SEV-2", f"{value.connections} of {value.max_connections} database connections are used"


def _workloads(value: Workloads, settings: Settings) -> Iterator[tuple[str, str]]:
    if value.desired and value.ready == 0:
        yield "SEV-1", f"purchasing is down: none of {value.desired} pods of {value.deployment} is ready"
    elif value.ready < value.desired and value.rollout != "progressing":
        yield "SEV-3", f"{value.ready} of {value.desired} pods of {value.deployment} are ready"


def _alerts(value: Alerts, settings: Settings) -> Iterator[tuple[str, str]]:
    for alert in value.firing:
        level = settings.severity.alerts.get(alert.severity)
        if level in LEVELS[:3]:
            yield level, f"alert {alert.name} fires ({alert.severity})"


RULES = {
    "transactions": _transactions,
    "circuits": _circuits,
    "outbox": _outbox,
    "reservations": _reservations,
    "locks": _locks,
    "database": _database,
    "workloads": _workloads,
    "alerts": _alerts,
}
