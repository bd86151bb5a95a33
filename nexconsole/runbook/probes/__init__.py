"""Probes: named pure functions of the signals' readings, by which a runbook's looks and conditions are answered."""

from __future__ import annotations

from collections.abc import Mapping

from . import circuits, funnel, integrity, locks, providers, queues, systems, transactions
from .probe import Probe, ProbeAnswer, ProbeResult, View, answer

PROBES: Mapping[str, Probe] = {
    probe.name: probe
    for module in (transactions, circuits, funnel, providers, queues, locks, systems, integrity)
    for probe in module.PROBES
}

__all__ = ["PROBES", "Probe", "ProbeAnswer", "ProbeResult", "View", "answer"]
