"""Prometheus: whether the expressions have series, and which alert rules exist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..signals import database_cpu
from ..text.units import milliseconds, percent
from .check import Check, attempt

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    prometheus = sources.prometheus
    window = f"{settings.transactions.window_s}s"
    expressions = settings.prometheus.expressions
    for what, expression in (("attempts", expressions.attempts), ("p95 latency", expressions.latency_p95)):
        samples = await prometheus.query(expression.replace("{window}", window))
        latency = f"{prometheus.address} answers in {milliseconds(prometheus.health.latency_ms)}"
        if samples:
            yield Check(area="prometheus", what=what, state="ok", said=f"{latency}, {len(samples)} series")
        else:
            advice = "the counters have no series here: is NexNum scraped? Postgres is used instead"
            yield Check(area="prometheus", what=what, state="warn", said=f"{latency}, no series", advice=advice)
    if expressions.database_cpu:
        yield await _database_cpu(sources, settings)
    rules = await prometheus.rules()
    if rules is None:
        said = "this server has no rules route: which alerts exist can't be told"
        yield Check(area="prometheus", what="alert rules", state="warn", said=said)
    else:
        yield Check(area="prometheus", what="alert rules", state="ok", said=f"{len(rules)} rules")


async def _database_cpu(sources: Sources, settings: Settings) -> Check:
    async def cpu() -> str:
        return f"{percent((await database_cpu.read(sources, settings, None)).used)} used"

    advice = f"check {database_cpu.KEY}: a share, 0..1"
    return await attempt("prometheus", "database CPU", cpu, advice, worst="warn")
