"""What may stand as an argument of an action, as far as readings and settings tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..model import Reading, value_of
from ..settings import Settings
from ..signals.alerts import Alerts
from ..signals.circuits import Circuits
from ..signals.database import Database
from ..signals.outbox import OutboxEvents
from ..signals.transactions import Transactions
from ..signals.workloads import Workloads

Readings = Mapping[str, Reading]


def argument_values(kind: str, readings: Readings, settings: Settings) -> tuple[str, ...]:
    """The words that are known for this kind of argument (catalogue.KINDS), each once."""
    if kind == "family":
        return tuple(settings.locks.families)
    if kind == "duration":
        return ("30m", "1h", "4h")
    read = KNOWN.get(kind)
    return tuple(dict.fromkeys(str(word) for word in read(readings))) if read else ()


def _providers(readings: Readings) -> list[str]:
    circuits, traffic = value_of(readings, "circuits", Circuits), value_of(readings, "transactions", Transactions)
    return [provider.name for value in (traffic, circuits) if value is not None for provider in value.providers]


def _pods(readings: Readings) -> list[str]:
    workloads = value_of(readings, "workloads", Workloads)
    return [pod.name for pod in workloads.pods] if workloads is not None else []


def _sessions(readings: Readings) -> list[str]:
    database = value_of(readings, "database", Database)
    return [str(session.pid) for session in database.sessions] if database is not None else []


def _events(readings: Readings) -> list[str]:
    events = value_of(readings, "outbox events", OutboxEvents)
    return [event.id for event in events.events if event.status == "FAILED"] if events is not None else []


def _alerts(readings: Readings) -> list[str]:
    alerts = value_of(readings, "alerts", Alerts)
    return [alert.name for alert in alerts.firing] if alerts is not None else []


KNOWN: Mapping[str, Callable[[Readings], Sequence[str]]] = {
    "provider": _providers,
    "pod": _pods,
    "pid": _sessions,
    "event": _events,
    "alert": _alerts,
}
