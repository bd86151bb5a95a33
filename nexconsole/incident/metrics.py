"""How things stood, in a handful of numbers: taken from readings, written in the journal, folded from it again.

A number that is not known, or stale, is None and never 0. Rates are 0..1; times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..journal import Entry, EntryKind
from ..model import Reading, State
from ..text.sanitize import clean
from ..text.units import count, duration, latency, percent

if TYPE_CHECKING:
    from ..signals.balances import Balances
    from ..signals.circuits import Circuits
    from ..signals.database import Database
    from ..signals.database_cpu import DatabaseCpu
    from ..signals.funnel import Funnel
    from ..signals.integrity import Integrity
    from ..signals.locks import Locks
    from ..signals.outbox import Outbox
    from ..signals.reservations import Reservations
    from ..signals.slots import Slots
    from ..signals.transactions import Transactions
    from ..signals.workloads import Workloads

Number = int | float
Numbers = dict[str, Number | None]  # by figure; None: not known
BUCKET_S = 15  # several consoles write the same: the first of each bucket counts
MOST = 40  # numbers of one entry
LARGEST = 1e15
FEW = 5  # a provider with fewer attempts is not judged by its rate


@dataclass(frozen=True, kw_only=True)
class MetricSample:
    """The numbers that were known at `at` (UTC), by name; what is not in there was not known."""

    at: datetime
    numbers: Mapping[str, Number]


@dataclass(frozen=True, kw_only=True)
class MetricRange:
    """One figure over an incident: first, worst and last known value, and when it was worst (UTC)."""

    name: str
    start: Number
    worst: Number
    worst_at: datetime
    end: Number


@dataclass(frozen=True)
class MetricSpec:
    """A figure in words: its title, how its value is said; `less`: it is the worse the less it is."""

    title: str
    say: Callable[[Number], str]
    less: bool = False


def sample_of(readings: Mapping[str, Reading], now: datetime) -> dict[str, Number | None]:
    """Every figure by its name, from the readings that are fresh at `now`; None for the rest."""
    found: dict[str, Number | None] = dict.fromkeys(MEANINGS)
    for signal, take in EXTRACTORS.items():
        reading = readings.get(signal)
        if reading is not None and reading.value is not None and reading.state(now) is State.FRESH:
            found.update(take(reading.value, reading.every, now))
    return found


def samples_in(entries: Iterable[Entry]) -> tuple[MetricSample, ...]:
    """Those that these entries (in merge's order) hold, the first of each bucket of 15 s."""
    found: dict[int, MetricSample] = {}
    for entry in entries:
        bucket = int(entry.at.timestamp() // BUCKET_S)
        if entry.kind == EntryKind.FIGURES and bucket not in found and (numbers := dict(_numbers(entry.data))):
            found[bucket] = MetricSample(at=entry.at.astimezone(UTC), numbers=numbers)
    return tuple(found.values())


def ranges(figures: Iterable[MetricSample]) -> tuple[MetricRange, ...]:
    """Each figure that was ever known, in the order of `MEANINGS` and then by name."""
    known: dict[str, list[tuple[datetime, Number]]] = {}
    for sample in figures:
        for name, number in sample.numbers.items():
            known.setdefault(name, []).append((sample.at, number))
    names = [*(name for name in MEANINGS if name in known), *sorted(known.keys() - MEANINGS.keys())]
    return tuple(_extent(name, known[name]) for name in names)


def _extent(name: str, points: list[tuple[datetime, Number]]) -> MetricRange:
    less = name in MEANINGS and MEANINGS[name].less
    at, worst = (min if less else max)(points, key=lambda point: point[1])  # the first of equals
    return MetricRange(name=name, start=points[0][1], worst=worst, worst_at=at, end=points[-1][1])


def title(name: str) -> str:
    return MEANINGS[name].title if name in MEANINGS else clean(name.replace("_", " "), 40)


def said(name: str, number: Number | None) -> str:
    """The figure with its unit; a dash where it is not known."""
    if number is None:
        return "-"
    return MEANINGS[name].say(number) if name in MEANINGS else f"{number:g}"


def _numbers(data: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    figures = data.get("figures")
    for name, number in list(figures.items())[:MOST] if isinstance(figures, dict) else ():
        usable = isinstance(number, int | float) and not isinstance(number, bool)
        if usable and -LARGEST <= number <= LARGEST and math.isfinite(number):
            yield clean(name, 40), number


def _transactions(value: Transactions, every: float, now: datetime) -> Numbers:
    rates = [
        provider.failure_rate
        for provider in value.providers
        if provider.failure_rate is not None and provider.decided >= FEW
    ]
    # The last p95 stands in the reading for a window while Prometheus is gone.
    old = value.latency_at is not None and (now - value.latency_at).total_seconds() > max(3 * every, 15.0)
    return {
        "failure_rate": _rounded(value.failure_rate),
        "attempts": value.attempts,
        "purchases_waiting": value.overdue,
        "latency_p95_s": None if old else _rounded(value.latency_p95_s),
        "worst_provider_rate": _rounded(max(rates, default=None)),
    }


def _circuits(value: Circuits, every: float, now: datetime) -> Numbers:
    states = [provider.state for provider in value.providers if provider.active is not False]
    opened = states.count("open")
    return {"circuits_open": None if not opened and "unknown" in states else opened}


def _funnel(value: Funnel, every: float, now: datetime) -> Numbers:
    known, read = not value.unknown, value.pods_followed > 0 and not value.unknown
    return {
        "customers_refused": value.turned_away if known else None,
        "customers_sold": value.sold if known else None,
        "customers_waiting": value.waiting if read else None,
        "longest_wait_s": _rounded(value.oldest_s, 1) if read else None,
    }


def _outbox(value: Outbox, every: float, now: datetime) -> Numbers:
    return {
        "outbox_pending": value.pending,
        "outbox_oldest_pending_s": _rounded(value.oldest_pending_s, 1),
        "outbox_failed": value.failed,
    }


def _reservations(value: Reservations, every: float, now: datetime) -> Numbers:
    return {"reservations_pending": value.pending, "reservations_stuck": value.stuck}


def _locks(value: Locks, every: float, now: datetime) -> Numbers:
    return {"locks_abandoned": None if not value.abandoned and not value.known else value.abandoned}


def _database(value: Database, every: float, now: datetime) -> Numbers:
    return {"sessions_blocked": None if not value.blocked and value.restricted else value.blocked}


def _workloads(value: Workloads, every: float, now: datetime) -> Numbers:
    return {"pods_ready": value.ready, "pods_desired": value.desired}


def _slots(value: Slots, every: float, now: datetime) -> Numbers:
    worst = value.worst
    return {"slot_wait_s": worst.wait_s if worst else 0}


def _balances(value: Balances, every: float, now: datetime) -> Numbers:
    return {"balances_low": len(value.of("empty", "low"))}


def _database_cpu(value: DatabaseCpu, every: float, now: datetime) -> Numbers:
    return {"database_cpu": _rounded(value.used)}


def _integrity(value: Integrity, every: float, now: datetime) -> Numbers:
    return {"integrity_findings": sum(finding.level != "none" for finding in value.findings)}


def _rounded(number: float | None, digits: int = 4) -> float | None:
    return None if number is None else round(number, digits)


EXTRACTORS: Mapping[str, Callable[[Any, float, datetime], Numbers]] = {
    "transactions": _transactions,
    "circuits": _circuits,
    "funnel": _funnel,
    "outbox": _outbox,
    "reservations": _reservations,
    "locks": _locks,
    "database": _database,
    "workloads": _workloads,
    "slots": _slots,
    "balances": _balances,
    "database_cpu": _database_cpu,
    "integrity": _integrity,
}
MEANINGS = {
    "failure_rate": MetricSpec("failure rate", percent),
    "attempts": MetricSpec("purchase attempts", count, less=True),
    "purchases_waiting": MetricSpec("purchases that wait", count),
    "latency_p95_s": MetricSpec("latency p95", latency),
    "worst_provider_rate": MetricSpec("worst provider's failure rate", percent),
    "circuits_open": MetricSpec("circuits open", count),
    "customers_refused": MetricSpec("customers refused", count),
    "customers_sold": MetricSpec("customers sold to", count, less=True),
    "customers_waiting": MetricSpec("customers waiting", count),
    "longest_wait_s": MetricSpec("longest wait", duration),
    "outbox_pending": MetricSpec("outbox pending", count),
    "outbox_oldest_pending_s": MetricSpec("oldest outbox event", duration),
    "outbox_failed": MetricSpec("outbox failed", count),
    "reservations_pending": MetricSpec("reservations pending", count),
    "reservations_stuck": MetricSpec("reservations stuck", count),
    "locks_abandoned": MetricSpec("locks abandoned", count),
    "sessions_blocked": MetricSpec("database sessions blocked", count),
    "pods_ready": MetricSpec("pods ready", count, less=True),
    "pods_desired": MetricSpec("pods wanted", count),
    "slot_wait_s": MetricSpec("longest wait for a turn", duration),
    "balances_low": MetricSpec("balances low or used up", count),
    "database_cpu": MetricSpec("database CPU", percent),
    "integrity_findings": MetricSpec("data and security findings", count),
}
