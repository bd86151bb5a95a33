"""The providers' status pages: whether each is readable. A failure is a warning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from .check import Check, attempt

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    pages = sources.status_pages
    for provider in pages.providers:

        async def page(provider: str = provider) -> str:
            return f"says: {(await pages.fetch(provider)).text}"

        advice = f"check providers.status_pages.{provider}"
        yield await attempt("status_pages", provider, page, advice, worst="warn")
