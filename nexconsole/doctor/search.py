"""The search index: whether it answers. A failure is a warning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .check import Check, attempt

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    index = sources.search

    async def health() -> str:
        return f"{index.address} says it is {await index.health_status()}"

    yield await attempt("search", "/health", health, "is Meilisearch running, and reachable from here?", worst="warn")
