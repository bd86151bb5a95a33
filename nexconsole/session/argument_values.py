"""What may stand as an argument of an action, as far as readings and settings tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..model import Reading
from ..settings import Settings

Readings = Mapping[str, Reading]


def argument_values(kind: str, readings: Readings, settings: Settings) -> tuple[str, ...]:
    """The words that are known for this kind of argument (catalogue.KINDS), each once."""
    if kind == "family":
        return tuple(settings.locks.families)
    if kind == "duration":
        return ("30m", "1h", "4h")
    read = KNOWN.get(kind)
    return tuple(dict.fromkeys(str(word) for word in read(readings))) if read else ()


def _value(readings: Readings, signal: str) -> Any:
    reading = readings.get(signal)
    return reading.value if reading else None


def _providers(readings: Readings) -> list[str]:
    circuits, traffic = _value(readings, "circuits"), _value(readings, "transactions")
    return [one.name for value in (traffic, circuits) if value is not None for one in value.providers]


def _pods(readings: Readings) -> list[str]:
    workloads = _value(readings, "workloads")
    return [pod.name for pod in workloads.pods] if workloads is not None else []


def _sessions(readings: Readings) -> list[str]:
    database = _value(readings, "database")
    return [str(session.pid) for session in database.sessions] if database is not None else []


def _events(readings: Readings) -> list[str]:
    events = _value(readings, "outbox events")
    return [event.id for event in events.events if event.status == "FAILED"] if events is not None else []


def _alerts(readings: Readings) -> list[str]:
    alerts = _value(readings, "alerts")
    return [alert.name for alert in alerts.firing] if alerts is not None else []


KNOWN: Mapping[str, Callable[[Readings], Sequence[str]]] = {
    "provider": _providers,
    "pod": _pods,
    "pid": _sessions,
    "event": _events,
    "alert": _alerts,
}
