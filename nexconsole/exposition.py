"""The status in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .model import State
from .severity import LEVELS
from .signals.dependencies import reads
from .status import Status

if TYPE_CHECKING:
    from .signals.circuits import Circuits
    from .signals.findings import Kind
    from .signals.funnel import Funnel
    from .signals.integrity import Integrity
    from .signals.slots import Slots

PREFIX = "nexconsole_"
STATES = (State.FRESH, State.STALE, State.ERROR, State.ABSENT)
Sample = tuple[Mapping[str, str], float | int | None]  # labels, value; None is left out, for it is not zero
Read = Callable[[Any], Iterable[Sample]]  # from a signal's value


def exposition(status: Status) -> str:
    """Every metric with its help and type; what is not known has no sample."""
    lines = []
    for name, help_text, samples in _metrics(status):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP {PREFIX}{name} {_help(help_text)}", f"# TYPE {PREFIX}{name} gauge"]
            lines += [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _labels(labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float | int) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _metrics(status: Status) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    level = len(LEVELS) - 1 - LEVELS.index(status.severity.level)
    yield "status_timestamp_seconds", "When this was read.", [({}, status.at.timestamp())]
    yield "severity_level", "0: no rule holds; 1: SEV-3; 2: SEV-2; 3: SEV-1.", [({}, level)]
    yield "status_exit_code", "0: all was read and is well; 1: SEV-3; 2: SEV-1 or SEV-2; 3: not known.", [
        ({}, status.exit_code)
    ]  # fmt: skip
    yield "status_unread", "How many things that are configured could not be read.", [({}, len(status.unread))]
    yield "signal_state", "1 for the state in which a signal's reading is.", [
        ({"signal": name, "state": state.value}, int(reading.state(status.at) is state))
        for name, reading in status.readings.items()
        for state in STATES
    ]  # fmt: skip
    yield (
        "signal_age_seconds",
        "How old a signal's reading is.",
        [({"signal": name}, reading.age(status.at)) for name, reading in status.readings.items()],
    )
    yield (
        "source_up",
        "Whether a configured source could be read.",
        [({"source": source.name}, int(reads(source))) for source in status.sources if source.configured],
    )
    for signal, metrics in METRICS.items():
        reading = status.readings.get(signal)
        if reading is not None and reading.value is not None and reading.state(status.at) is State.FRESH:
            for name, help_text, read in metrics:
                yield name, help_text, list(read(reading.value))


def _one(attribute: str) -> Read:
    return lambda value: [({}, getattr(value, attribute))]


def _each(attribute: str) -> Read:
    """One sample a provider; a provider that is not known by a row has no id."""
    return lambda value: [
        ({"provider": provider.name, "id": provider.id or ""}, getattr(provider, attribute))
        for provider in value.providers
    ]


def _circuit(value: Circuits) -> Iterator[Sample]:
    for provider in value.providers:
        if provider.state != "unknown":
            yield (
                {"provider": provider.name, "id": provider.id or ""},
                {"closed": 0, "half-open": 1, "open": 2}[provider.state],
            )


def _active(value: Circuits) -> Iterator[Sample]:
    for provider in value.providers:
        yield (
            {"provider": provider.name, "id": provider.id or ""},
            None if provider.active is None else int(provider.active),
        )


def _refused(value: Funnel) -> Iterator[Sample]:
    return (({"reason": reason}, number) for reason, number in value.refused.items())


def _waiting(value: Funnel) -> Iterator[Sample]:
    yield {}, value.waiting if value.pods_followed else None


def _waits(value: Slots) -> Iterator[Sample]:
    waits = {wait.id: wait.wait_s for wait in value.waits}
    for provider in value.providers:
        yield {"provider": provider.name, "id": provider.id}, waits.get(provider.id, 0.0)


def _money(attribute: str) -> Read:
    """One sample a provider whose balance NexNum has ever asked for."""
    return lambda value: [
        ({"provider": balance.name}, getattr(balance, attribute))
        for balance in value.balances
        if balance.state != "unknown"
    ]


def _findings(value: Integrity) -> Iterator[Sample]:
    kinds: tuple[Kind, ...] = ("data", "security")
    for kind in kinds:
        levels = [finding.level for finding in value.of(kind)]
        yield from (({"kind": kind, "level": level}, levels.count(level)) for level in LEVELS)


METRICS: dict[str, tuple[tuple[str, str, Read], ...]] = {
    "transactions": (
        ("purchases_window_seconds", "The window that purchases are counted in.", _one("window_s")),
        ("purchases_decided", "Purchases of the window that were bought or failed.", _one("decided")),
        ("purchases_failed", "Purchases of the window that failed.", _one("failures")),
        ("purchases_failure_ratio", "Failed purchases as a share of the decided.", _one("failure_rate")),
        ("purchases_in_flight", "Purchases that are not decided yet.", _one("in_flight")),
        ("purchases_overdue", "Those of the window that have taken longer than usual.", _one("overdue")),
        ("purchases_oldest_in_flight_seconds", "Age of the oldest that is not decided.", _one("oldest_s")),
        ("purchases_usual_seconds", "How long a purchase usually takes (median).", _one("usual_s")),
        ("purchases_latency_p95_seconds", "95th percentile of the provider's call.", _one("latency_p95_s")),
        ("provider_purchases_decided", "Decided purchases of the window by provider.", _each("decided")),
        ("provider_purchases_failed", "Failed purchases of the window by provider.", _each("failures")),
        ("provider_purchases_failure_ratio", "Failed as a share of the decided by provider.", _each("failure_rate")),
        ("provider_purchases_in_flight", "Undecided purchases by provider.", _each("in_flight")),
        ("provider_oldest_in_flight_seconds", "Age of the oldest undecided by provider.", _each("oldest_s")),
    ),
    "funnel": (
        ("customers_rest_on_seconds", "How many seconds the customers' counts rest on.", _one("rests_on_s")),
        ("customers_sold", "Customers who were sold a number.", _one("sold")),
        ("customers_refused", "Customers who were refused one, by reason.", _refused),
        ("customers_waiting", "Customers who wait; none where no pod's log is followed.", _waiting),
    ),
    "circuits": (
        ("provider_circuit_state", "0: closed; 1: half-open; 2: open; none where it is not known.", _circuit),
        ("provider_active", "Whether a provider is active.", _active),
    ),
    "outbox": (
        ("outbox_pending", "Outbox events that wait; counting stops at a bound.", _one("pending")),
        ("outbox_failed", "Outbox events that failed and that nothing retries.", _one("failed")),
        ("outbox_oldest_pending_seconds", "Age of the oldest waiting outbox event.", _one("oldest_pending_s")),
    ),
    "reservations": (
        ("reservations_pending", "Purchases that are pending, each once.", _one("pending")),
        ("reservations_stuck", "Purchases that are stuck, each once.", _one("stuck")),
        ("reservations_oldest_seconds", "Age of the oldest reservation.", _one("oldest_s")),
    ),
    "locks": (("locks_abandoned", "Locks that nobody will release.", _one("abandoned")),),
    "database": (
        ("database_sessions_blocked", "Database sessions that wait for another.", _one("blocked")),
        ("database_connections", "Database connections in use.", _one("connections")),
        ("database_connections_limit", "Database connections that there may be.", _one("max_connections")),
    ),
    "workloads": (
        ("pods_ready", "Pods of the deployment that are ready.", _one("ready")),
        ("pods_desired", "Pods that the deployment wants.", _one("desired")),
    ),
    "alerts": (("alerts_firing", "Alerts that fire.", lambda value: [({}, len(value.firing))]),),
    "slots": (("provider_slot_wait_seconds", "How long a purchase waits for its turn, from 3 s on.", _waits),),
    "balances": (
        ("provider_balance", "Our balance at a provider when NexNum last asked for it.", _money("balance")),
        ("provider_balance_limit", "The provider's low_balance_alert.", _money("alert")),
        ("provider_balance_age_seconds", "Since when the balance was not asked for.", _money("age_s")),
    ),
    "search": (("search_up", "Whether the search index is up.", lambda value: [({}, int(value.up))]),),
    "database_cpu": (("database_cpu_used_ratio", "The share of the database's CPU that is used.", _one("used")),),
    "integrity": (("integrity_findings", "Findings about data and security by level.", _findings),),
}
