"""The database's CPU, by the PromQL that the settings name: only the installation's people know which series it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadAnswer, NotConfigured
from ..model import Value
from ..text.units import percent
from .probe import Probe, ProbeResult, View
from .signal import (
    IN_FLIGHT,
    LATENCY,
    Judgement,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
    gauge,
    rounded,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import Settings
    from ..sources import Sources

KEY = "prometheus.expressions.database_cpu"
MOST = 1.05  # a share may be a little over 1: it is a rate over a window


@dataclass(frozen=True, kw_only=True)
class DatabaseCpu(Value):
    """The share of the database's CPU that is used, 0..1: of the busiest server where there are several."""

    used: float


async def read(sources: Sources, settings: Settings, previous: Value | None) -> DatabaseCpu:
    expression = settings.prometheus.expressions.database_cpu
    if not expression:
        raise NotConfigured("prometheus", f"the database's CPU is not configured: set {KEY}")
    samples = await sources.prometheus.query(expression)
    if not samples:
        raise BadAnswer("prometheus", f"{KEY} has no series at {sources.prometheus.address}: is the expression right?")
    used = max((sample.value for sample in samples if math.isfinite(sample.value)), default=math.nan)
    if not 0 <= used <= MOST:
        sentence = f"{KEY} gives {used:g}: it must be a share, 0..1. Is it a percentage? Then divide it by 100"
        raise BadAnswer("prometheus", sentence)
    return DatabaseCpu(source="prometheus", notes=samples.notes, used=min(used, 1.0))


BUSY = 0.9  # the share of the database's CPU above which it is the limit


def _reasons(value: DatabaseCpu, settings: Settings) -> Iterator[Judgement]:
    if value.used > BUSY:
        yield Judgement("SEV-2", f"{percent(value.used)} of the database's CPU is used", explains=(LATENCY, IN_FLIGHT))


def _summary(value: DatabaseCpu) -> str:
    return f"{percent(value.used)} used"


def _numbers(value: DatabaseCpu, every: float, now: datetime) -> Numbers:
    return {"database_cpu": rounded(value.used)}


def _states(value: DatabaseCpu, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    busy = value.used > 0.9
    words = f"{percent(value.used)} of the database's CPU is used"
    yield SubjectState("database CPU", "busy" if busy else "free", words, usual=not busy)


def _cpu(view: View[DatabaseCpu]) -> ProbeResult:
    value = view.value
    return ProbeResult(text=f"{percent(value.used)} of the database's CPU is used", value=value.used)


PROBES = (
    Probe(
        name="database.cpu",
        title="share of the database's CPU in use",
        signal="database_cpu",
        kind="number",
        unit="ratio",
        read=_cpu,
    ),
)
SIGNAL = Signal(
    name="database_cpu",
    kind=DatabaseCpu,
    read=read,
    summary=_summary,
    every=10.0,
    unseen_every=20.0,
    needs=("prometheus",),
    optional=True,
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "database_cpu": MetricSpec("database CPU", percent),
    },
    exported=(gauge("database_cpu_used_ratio", "The share of the database's CPU that is used.", "used"),),
    observe=_states,
    probes=PROBES,
)
