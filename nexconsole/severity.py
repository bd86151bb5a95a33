"""Severity: the runbook's SEV rules as a pure function of readings and of what answers. (runbook, "Severity Levels")"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .model import Reading, SourceHealth, value_of
from .settings import Settings
from .signals import dependencies, severity_limits, waiting
from .signals.alerts import Alerts
from .signals.circuits import Circuits
from .signals.database import Database
from .signals.dependencies import NEEDS
from .signals.funnel import Funnel
from .signals.locks import Locks
from .signals.log_reach import LINES_S, within
from .signals.outbox import Outbox
from .signals.registry import EXTRA
from .signals.reservations import Reservations
from .signals.transactions import Transactions
from .signals.workloads import Workloads
from .sources.purchase_tally import WITHOUT_OFFER
from .text.units import count, duration, latency, percent, several

LEVELS = ("SEV-1", "SEV-2", "SEV-3", "none")
SOURCES = "sources"  # the signal of a reason that is a source's own silence
STEP_S = 10  # so that what is expected does not change with every second
MINUTES = 2  # of the funnel: the one that runs, and the one before
FEW_WAITING = 3  # purchases; with fewer it may be these that hang, and not purchasing
MANY_BLOCKED = 5  # database sessions
ALL_FAIL = 0.999  # from this rate on, nothing can be bought


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule that holds: the level it asks for, in words with its figures, and the reading it rests on.

    `age_s` is the reading's age; `stale` that its source has not answered since; `outlook` what is to be expected.
    """

    level: str
    text: str
    signal: str
    age_s: float | None
    stale: bool = False
    outlook: str = ""


@dataclass(frozen=True, kw_only=True)
class Severity:
    """The highest level that any reason asks for, the reasons most severe first; of equals, silent sources first.

    `unknown` names the signals that have never given a value: they can raise nothing, and lower nothing. What an
    installation may well do without is not among them while it is not configured.
    `unanswered` are sentences on what purchases need and what has not answered this console, but proves no incident:
    it never has, or it answered that it won't. With one of them nobody may call it calm.
    """

    level: str
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


_FUNNEL = "funnel"
Held = tuple[str, str] | tuple[str, str, str]  # level, text, and what is to be expected


def judge(
    readings: Mapping[str, Reading], settings: Settings, now: datetime, sources: Iterable[SourceHealth] = ()
) -> Severity:
    """Apply every rule to every reading that has a value, however old: a silent source lowers nothing."""
    health = {each.name: each for each in sources if each.name in NEEDS and each.error is not None}
    reasons = [
        Reason(level=NEEDS[name].level, text=dependencies.silence(health[name], now), signal=SOURCES, age_s=0.0)
        for name in NEEDS
        if name in health and dependencies.silent(health[name], now)
    ]
    for name, rules in RULES.items():  # in this order, whichever signal answered first
        reading = readings.get(name)
        if reading is None or reading.value is None:
            continue
        stale = reading.state(now) != "fresh"
        for level, text, *outlook in (*_across(name, readings, settings), *rules(reading.value, settings)):
            expected = "" if stale else "".join(outlook)
            reason = Reason(level=level, text=text, signal=name, age_s=reading.age(now), stale=stale, outlook=expected)
            reasons.append(reason)
    refused = _mostly_refused(readings)
    reasons.sort(key=lambda reason: (LEVELS.index(reason.level), reason.signal != SOURCES, reason.signal != refused))
    return Severity(
        level=reasons[0].level if reasons else "none",
        reasons=tuple(reasons),
        unknown=tuple(name for name in RULES if _unknown(name, readings.get(name))),
        unanswered=tuple(
            dependencies.doubt(health[name])
            for name in NEEDS
            if name in health and dependencies.doubtful(health[name], now)
        ),
    )


def _mostly_refused(readings: Mapping[str, Reading]) -> str:
    """The funnel, where a larger share is refused than fails: of equal reasons that one comes first; else ""."""
    funnel, transactions = value_of(readings, _FUNNEL, Funnel), value_of(readings, "transactions", Transactions)
    if funnel is None or not funnel.decided:
        return ""
    failing = (transactions.failure_rate or 0.0) if transactions is not None else 0.0
    return _FUNNEL if funnel.without_offer / funnel.decided > failing else ""


def _across(name: str, readings: Mapping[str, Reading], settings: Settings) -> Iterator[Held]:
    """The rules on this signal that rest on other readings too."""
    if name in ACROSS:
        yield from ACROSS[name](readings, settings)


def _unknown(name: str, reading: Reading | None) -> bool:
    if reading is None:
        return name not in EXTRA
    return reading.value is None and not (reading.absent and name in EXTRA)


def _transactions(value: Transactions, settings: Settings) -> Iterator[Held]:
    yield from _waits(value, settings)
    rules, rate = settings.severity, value.failure_rate
    if rate is not None and value.decided >= settings.transactions.few:
        where, outlook = _where(value), _outlook(value, rules.high_rate)
        if rate >= ALL_FAIL:
            yield (
                "SEV-1",
                f"purchasing is down: {count(value.failures)} of {count(value.decided)} purchases fail{where}",
                outlook,
            )
        elif rate > rules.critical_rate:
            yield "SEV-1", f"{percent(rate)} of purchases fail{where}", outlook
        elif rate > rules.high_rate:
            yield "SEV-2", f"{percent(rate)} of purchases fail{where}", outlook
    for provider in value.providers:
        few = provider.decided < settings.transactions.provider_few
        if few or provider.failure_rate is None or provider.failure_rate < settings.transactions.provider_failing:
            continue
        yield (
            ("SEV-2" if provider.failure_rate >= ALL_FAIL else "SEV-3"),
            f"{provider.name} fails {percent(provider.failure_rate)} of {several(provider.decided, 'purchase')}",
        )
    if value.latency_p95_s is not None and value.latency_p95_s > rules.latency_s:
        yield "SEV-2", f"purchase latency p95 is {latency(value.latency_p95_s, value.latency_saturated)}"


def _waits(value: Transactions, settings: Settings) -> Iterator[Held]:
    """Purchases that are not decided, whatever the rate of those that are. (nexnum.md#slots)"""
    rules = settings.transactions
    down = waiting.blocked(value, rules)
    if down is not None:
        yield "SEV-1", f"purchasing is down: {waiting.said(down, value, of_purchasing=True)}"
        return
    for provider in waiting.blocked_providers(value, rules):
        yield "SEV-2", waiting.said(provider, value)
    if waiting.many_overdue(value, rules):
        usual = waiting.usually(value)
        yield (
            "SEV-2",
            f"{several(value.overdue, 'purchase')} of {count(value.overdue + value.decided)} wait for more than"
            f" {duration(value.overdue_after_s)}{f' ({usual})' if usual else ''}",
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


def _circuits(value: Circuits, settings: Settings) -> Iterator[Held]:
    watched = [provider for provider in value.providers if provider.active is not False]
    window = within(LINES_S, value.reach_s)
    for provider in watched:
        if provider.flapping:
            yield "SEV-3", f"{provider.name}'s circuit flaps: opened {several(provider.opened, 'time')} in {window}"
        elif provider.state in ("open", "half-open"):
            yield "SEV-3", f"{provider.name}'s circuit is {provider.state.upper()}"
    if watched and all(provider.state == "open" for provider in watched):
        yield "SEV-1", f"purchasing is down: the circuits of all {len(watched)} active providers are open"
    if value.providers and all(provider.active is False for provider in value.providers):
        yield "SEV-1", "purchasing is down: no provider is active"


def _funnel(value: Funnel, settings: Settings) -> Iterator[Held]:
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
            said = f"{value.without_offer} of {several(value.decided, 'customer')} refused: {reasons}{who}"
            yield level, f"{said}, in {span}", _refused_outlook(value, rules.refused_high)
    if value.failed >= rules.few and not value.sold:
        yield (
            "SEV-1",
            f"purchasing is down: none of {count(value.decided)} customers was sold a number, in {span} (pod logs)",
        )
    elif (asked := _nobody_sold(value)) >= rules.few:
        yield (
            "SEV-1",
            f"purchasing is down: none of {count(asked)} customers was sold a number in the last minute (pod logs)",
        )
    if value.undecided_s is None:
        return
    if value.undecided_s > max(rules.undecided_s, rules.undecided_usual * (value.usual_s or 0.0)):
        many = value.waiting_new
        told = (
            f"{several(many, 'purchase')} wait for a provider, and none was answered for {duration(value.undecided_s)}"
        )
        if many >= FEW_WAITING:
            yield "SEV-1", f"purchasing is down: {told} (pod logs)"
        elif many:
            yield "SEV-3", f"{told} (pod logs)"


def _nobody_sold(value: Funnel) -> int:
    """How many customers were refused or failed in the last minute, or a little more, if nobody was sold a number and
    most of them failed, or were refused for want of an offer; else 0: lacking funds is no outage."""
    late = value.minutes[-MINUTES:]
    ours = value.failed + value.without_offer
    if len(late) < MINUTES or any(funnel.sold for funnel in late) or 2 * ours < value.failed + value.turned_away:
        return 0
    return sum(funnel.failed + funnel.refused for funnel in late)


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
    decided = sum(funnel.sold + funnel.failed + funnel.refused for funnel in late)
    if not decided:
        return ""
    falls = duration(max(STEP_S, worse[-1].at + 60 + value.window_s - late[-1].at), exact=True)
    refused = count(sum(funnel.refused for funnel in late))
    return f"by now {refused} of {count(decided)} are; the level falls within {falls}"


def _outbox(value: Outbox, settings: Settings) -> Iterator[Held]:
    if value.failed:
        events = "1 outbox event" if value.failed == 1 else f"{count(value.failed)} outbox events"
        yield "SEV-3", f"{events} failed, and nothing will retry what failed"
    late = value.oldest_pending_s
    if late is not None and late > settings.outbox.stuck_after_s:
        yield "SEV-3", f"the oldest outbox event has waited {duration(late)}"


def _reservations(value: Reservations, settings: Settings) -> Iterator[Held]:
    rules = settings.reservations
    if value.pending > rules.limit:
        yield (
            "SEV-2",
            f"{count(value.pending, value.capped)} reservations are pending, over the runbook's {rules.limit}",
        )
    elif value.stuck > rules.alert_limit:
        yield "SEV-3", f"{count(value.stuck)} reservations are stuck, over the alert's {rules.alert_limit}"


def _locks(value: Locks, settings: Settings) -> Iterator[Held]:
    if not value.abandoned:
        return
    kept = "1 lock that nobody will release keeps a customer out"
    if value.abandoned > 1:
        kept = f"{count(value.abandoned, value.capped)} locks that nobody will release keep customers out"
    oldest = "" if value.oldest_s is None else f", the oldest {duration(value.oldest_s)}"
    yield "SEV-3", kept + oldest


def _database(value: Database, settings: Settings) -> Iterator[Held]:
    if value.blocked:
        sessions = f"{several(value.blocked, 'database session')} {'is' if value.blocked == 1 else 'are'}"
        yield "SEV-2" if value.blocked >= MANY_BLOCKED else "SEV-3", f"{sessions} blocked by another"
    if value.max_connections and value.connections >= 0.9 * value.max_connections:
        yield "SEV-2", f"{count(value.connections)} of {count(value.max_connections)} database connections are used"


def _workloads(value: Workloads, settings: Settings) -> Iterator[Held]:
    if value.desired and value.ready == 0:
        yield "SEV-1", f"purchasing is down: none of {count(value.desired)} pods of {value.deployment} is ready"
    elif value.ready < value.desired and value.rollout != "progressing":
        yield "SEV-3", f"{count(value.ready)} of {count(value.desired)} pods of {value.deployment} are ready"


def _alerts(value: Alerts, settings: Settings) -> Iterator[Held]:
    for alert in value.firing:
        level = settings.severity.alerts.get(alert.severity)
        if level in LEVELS[:3]:
            yield level, f"alert {alert.name} fires ({alert.severity})"


RULES: dict[str, Callable[[Any, Settings], Iterator[Held]]] = {
    "transactions": _transactions,
    "circuits": _circuits,
    "funnel": _funnel,
    "outbox": _outbox,
    "reservations": _reservations,
    "locks": _locks,
    "database": _database,
    "workloads": _workloads,
    "alerts": _alerts,
    "slots": severity_limits.slots,
    "balances": severity_limits.balances,
    "search": severity_limits.search,
    "database_cpu": severity_limits.database_cpu,
    "integrity": severity_limits.integrity,
}
ACROSS: dict[str, Callable[[Mapping[str, Reading], Settings], Iterator[Held]]] = {
    "slots": severity_limits.slots_everywhere
}
