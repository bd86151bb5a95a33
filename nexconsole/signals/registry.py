"""All signals, one a line, in the order in which the console shows them. Consumers iterate over them by `signals`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from . import (
    alerts,
    balances,
    changes,
    circuits_signal,
    customers_signal,
    database,
    database_cpu,
    funnel_signal,
    integrity,
    locks,
    onset_signal,
    outbox,
    reservations,
    runway_signal,
    search,
    slots,
    status_pages,
    transactions_signal,
    workloads,
)
from .measured import Measurement, measured
from .plugins import Installed, installed

if TYPE_CHECKING:
    from ..model import Value
    from ..settings import Settings, SignalSettings
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
    customers_signal.SIGNAL,
    onset_signal.SIGNAL,
    changes.SIGNAL,
    runway_signal.SIGNAL,
)


MOST_KEPT = 16
# What `status --json` has beside the signals: no signal may be called so.
RESERVED = frozenset(
    {
        "version",
        "environment",
        "profile",
        "name",
        "at",
        "sources",
        "severity",
        "causes",
        "witnesses",
        "not_known",
        "exit_code",
        "record",
        "past",
    }
)
_KEPT: dict[int, tuple[Mapping[str, SignalSettings], Installed, Installed]] = {}


def signals(settings: Settings | None = None) -> tuple[Signal[Any], ...]:
    """Every signal of a console with these settings: ours, those of installed packages, those of the settings."""
    return (*BUILT_IN, *_declared(settings).signals)


def extra(settings: Settings | None = None) -> tuple[Signal[Any], ...]:
    """Those of installed packages and of the settings."""
    return _declared(settings).signals


def problems(settings: Settings | None = None) -> tuple[str, ...]:
    """A sentence for each signal and probe of a package or of the settings that is left out."""
    return _declared(settings).problems


def _declared(settings: Settings | None) -> Installed:
    """What is not ours. It is kept: packages and settings stay as they are while a console runs."""
    brought, tables = installed(), settings.signals if settings is not None else {}
    kept = _KEPT.get(id(tables))
    if kept is not None and kept[0] is tables and kept[1] is brought:
        return kept[2]
    if len(_KEPT) > MOST_KEPT:
        _KEPT.clear()
    declared = _united(brought, tables)
    _KEPT[id(tables)] = tables, brought, declared
    return declared


def _united(brought: Installed, tables: Mapping[str, SignalSettings]) -> Installed:
    taken = {*RESERVED, *(signal.name for signal in BUILT_IN)}
    asked = {probe.name for signal in BUILT_IN for probe in signal.probes}
    extra: list[Signal[Any]] = []
    problems = list(brought.problems)
    own = (("", signal) for signal in brought.signals)
    for where, signal in (*own, *(("signals.", measured(name, rules)) for name, rules in tables.items())):
        again = [probe.name for probe in signal.probes if probe.name in asked]
        if signal.name in taken or again:
            what = f"something named {signal.name}" if signal.name in taken else f"a probe {again[0]}"
            problems.append(f"{where or 'the signal '}{signal.name} is left out: there is {what} already")
            continue
        taken.add(signal.name)
        asked |= {probe.name for probe in signal.probes}
        extra.append(signal)
    probes = []
    for probe in brought.probes:
        if probe.name in asked or probe.signal not in taken:
            why = "its name is taken" if probe.name in asked else f"there is no signal {probe.signal}"
            problems.append(f"the probe {probe.name} is left out: {why}")
        else:
            asked.add(probe.name)
            probes.append(probe)
    return Installed(signals=tuple(extra), probes=tuple(probes), problems=tuple(problems))


def polled(settings: Settings | None = None) -> tuple[Signal[Any], ...]:
    """The signals that are read all the time; the others are read while somebody looks at them."""
    return tuple(signal for signal in signals(settings) if not signal.on_demand)


def probes(settings: Settings | None = None) -> Mapping[str, Probe]:
    """Every probe by its name, in the order of the signals."""
    own = (probe for signal in signals(settings) for probe in signal.probes)
    return {probe.name: probe for probe in (*own, *_declared(settings).probes)}


def value_types(settings: Settings | None = None) -> Mapping[str, type[Value]]:
    """The type of each signal's value, by the signal's name."""
    return {signal.name: signal.kind for signal in signals(settings)}


def value_type(name: str, fields: Collection[str]) -> type[Value] | None:
    """The type of a recorded value with these fields; None where nothing here knows the signal.

    A signal of somebody's settings is known by its fields: whoever replays may have other settings.
    """
    measurement = Measurement if {"title", "number"} <= set(fields) else None
    return value_types().get(name, measurement)
