"""Search: Meilisearch's health. Without it offers don't refresh and the outbox can't drain. (nexnum.md#outbox)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotConfigured, SourceError
from ..model import Value
from .probe import Probe, ProbeResult, View
from .signal import (
    REFUSED,
    ExportedMetric,
    Judgement,
    Signal,
    SubjectState,
)

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


EXPLAINED = (REFUSED, "outbox")  # what follows while no offer is found


def _reasons(value: Search, settings: Settings) -> Iterator[Judgement]:
    if not value.up:
        yield Judgement("SEV-3", f"the search index is down, so offers don't refresh: {value.why}", explains=EXPLAINED)


def _summary(value: Search) -> str:
    return "up" if value.up else f"down: {value.why}"


def _states(value: Search, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    words = "the search index answers again" if value.up else f"the search index is down: {value.why}"
    yield SubjectState("search", "up" if value.up else "down", words, usual=value.up)


def _up(view: View[Search]) -> ProbeResult:
    value = view.value
    return ProbeResult(text="the search index is up" if value.up else f"it is down: {value.why}", value=value.up)


PROBES = (Probe(name="search.up", title="whether the search index is up", signal="search", kind="flag", read=_up),)
SIGNAL = Signal(
    name="search",
    kind=Search,
    read=read,
    summary=_summary,
    every=10.0,
    unseen_every=30.0,
    timeout=8.0,
    needs=("search",),
    optional=True,
    reasons=_reasons,
    exported=(ExportedMetric("search_up", "Whether the search index is up.", lambda value: [({}, int(value.up))]),),
    observe=_states,
    probes=PROBES,
)
