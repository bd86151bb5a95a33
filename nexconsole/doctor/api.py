"""NexNum's API: whether it answers and has the reconcile route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..text.units import milliseconds
from .check import Check, attempt

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    api = sources.api
    await api.ping()
    yield Check(
        area="api",
        what="connection",
        state="ok",
        said=f"{api.address} answers in {milliseconds(api.health.latency_ms)}",
    )

    async def reconcile() -> str:
        return "the route allows " + ", ".join(await api.methods("/api/cron/reconcile"))

    yield await attempt("api", "/api/cron/reconcile", reconcile, "this version may have no such route", worst="warn")
