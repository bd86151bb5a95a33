"""Status pages: what the providers report about themselves. Evidence with its age, never a verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..model import Value, utc_now
from ..text.units import duration
from .probe import PROVIDER, Probe, ProbeResult, View
from .signal import (
    MOST_NAMED,
    Signal,
)

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 60.0
AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class StatusPage:
    """What the provider's page said at `read_at` (UTC); `error` is why nothing newer is known.

    `indicator` is the page's own word, such as none, minor, major or critical; "" where it has none.
    """

    provider: str
    said: str = ""
    indicator: str = ""
    read_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class StatusPages(Value):
    """One page for each provider that the settings name one for, in their order."""

    pages: tuple[StatusPage, ...] = ()


async def read(sources: Sources, settings: Settings, previous: Value | None) -> StatusPages:
    """Fetch every page, a few at a time; one that fails keeps what it said before."""
    pages = sources.status_pages
    before = {page.provider: page for page in previous.pages} if isinstance(previous, StatusPages) else {}
    places = asyncio.Semaphore(AT_ONCE)

    async def one(provider: str) -> StatusPage:
        async with places:
            try:
                said = await pages.fetch(provider)
            except SourceError as error:
                return replace(before.get(provider, StatusPage(provider=provider)), error=str(error))
        return StatusPage(provider=provider, said=said.text, indicator=said.indicator, read_at=utc_now())

    status_pages = await asyncio.gather(*(one(provider) for provider in pages.providers))
    return StatusPages(source="the providers' status pages", pages=tuple(status_pages))


def _summary(value: StatusPages) -> str:
    return ", ".join(f"{page.provider}: {page.said or page.error}" for page in value.pages[:MOST_NAMED])


def _page(view: View[StatusPages]) -> ProbeResult:
    value = view.value
    page = view.first(value.pages, "provider")
    if page is None:
        text = f"not known: providers.status_pages has no status page of {view.argument}"
        return ProbeResult(text=text, value=None)
    if page.read_at is None:
        return ProbeResult(text=f"not known: {page.error}", value=None)
    age = duration(max(0.0, (view.now - page.read_at).total_seconds()))
    word = f" ({page.indicator})" if page.indicator else ""
    return ProbeResult(text=f"{page.provider} said of itself {age} ago: {page.said}{word}", value=page.said)


PROBES = (
    Probe(
        name="provider.statuspage",
        title="what a provider's own status page says",
        signal="status_pages",
        kind="text",
        read=_page,
        argument=PROVIDER,
    ),
)
SIGNAL = Signal(
    name="status_pages",
    kind=StatusPages,
    read=read,
    summary=_summary,
    every=EVERY_S,
    timeout=45.0,
    needs=("status_pages",),
    optional=True,
    probes=PROBES,
)
