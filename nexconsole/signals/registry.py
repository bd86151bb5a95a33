"""All signals, one a line, in the order in which the console shows them. Consumers iterate over them by `signals`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import (
    alerts,
    balances,
    circuits_signal,
    database,
    database_cpu,
    funnel_signal,
    integrity,
    locks,
    outbox,
    reservations,
    search,
    slots,
    status_pages,
    transactions_signal,
    workloads,
)

if TYPE_CHECKING:
    from ..model import Value
    from ..settings import Settings
    from .probe import Probe
    from .signal import Signal

BUILT_IN: tuple[Signal[Any], ...] = (
    transactions_signal.SIGNAL,
    circuits_signal.SIGNAL,
    funnel_signal.SIGNAL,
    outbox.SIGNAL,
    outbox.EVENTS,
    reservations.SIGNAL,
    locks.SIGNAL,
    database.SIGNAL,
    workloads.SIGNAL,
    alerts.SIGNAL,
    slots.SIGNAL,
    balances.SIGNAL,
    search.SIGNAL,
    status_pages.SIGNAL,
    database_cpu.SIGNAL,
    integrity.SIGNAL,
)


def signals(settings: Settings | None = None) -> tuple[Signal[Any], ...]:
    """Every signal of a console with these settings."""
    return BUILT_IN


def polled(settings: Settings | None = None) -> tuple[Signal[Any], ...]:
    """The signals that are read all the time; the others are read while somebody looks at them."""
    return tuple(signal for signal in signals(settings) if not signal.on_demand)


def probes(settings: Settings | None = None) -> Mapping[str, Probe]:
    """Every probe by its name, in the order of the signals."""
    return {probe.name: probe for signal in signals(settings) for probe in signal.probes}


def value_types(settings: Settings | None = None) -> Mapping[str, type[Value]]:
    """The type of each signal's value, by the signal's name."""
    return {signal.name: signal.kind for signal in signals(settings)}
