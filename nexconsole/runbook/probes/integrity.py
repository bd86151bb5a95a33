"""Probes of data that is lost or in danger, and of what stands open. What is not found proves nothing."""

from __future__ import annotations

from ...severity import LEVELS
from ...signals.findings import Kind
from ...signals.integrity import Integrity
from .probe import Probe, ProbeResult, Read, View, many


def _worst(kind: Kind) -> Read:
    def read(view: View[Integrity]) -> ProbeResult:
        value = view.value
        found = value.of(kind)
        if found:
            more = f" (and {many(len(found) - 1, 'other finding')})" if len(found) > 1 else ""
            return ProbeResult(text=found[0].text + more, value=found[0].level)
        taken = [check for check in value.checks if check.at is not None]
        blind = [check.name for check in value.checks if check.error]
        text = f"nothing was found in {many(len(taken), 'look')}"
        return ProbeResult(text=text + (f"; not looked at: {', '.join(blind)}" if blind else ""), value="none")

    return read


def _probe(name: str, title: str, kind: Kind) -> Probe:
    return Probe(name=name, title=title, signal="integrity", kind="word", words=LEVELS, read=_worst(kind))


PROBES = (
    _probe("integrity.data", "the worst finding about lost or endangered data", "data"),
    _probe("integrity.security", "the worst finding about what stands open", "security"),
)
