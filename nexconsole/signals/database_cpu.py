"""The database's CPU, by the PromQL that the settings name: only the installation's people know which series it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadAnswer, NotConfigured
from ..model import Value
from .readings import Signal

if TYPE_CHECKING:
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


SIGNAL = Signal(name="database_cpu", read=read, every=10.0)
