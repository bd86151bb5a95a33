"""Search: whether Meilisearch is well, without which offers don't refresh and the outbox can't drain.

(nexnum.md#outbox)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError
from ..model import Value
from .readings import Signal

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources


@dataclass(frozen=True, kw_only=True)
class Search(Value):
    """`up`: it answers this console, and says "available". `why` says how it doesn't."""

    up: bool
    why: str = ""


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Search:
    """Ask `/health`. That it doesn't answer is an answer."""
    try:
        said = await sources.search.health_status()
    except NotConfigured:
        raise
    except SourceError as error:
        return Search(source="meilisearch", up=False, why=str(error))
    if said == "available":
        return Search(source="meilisearch", up=True)
    return Search(source="meilisearch", up=False, why=f"search at {sources.search.address} says it is {said}")


SIGNAL = Signal(name="search", read=read, every=10.0, timeout=8.0)
