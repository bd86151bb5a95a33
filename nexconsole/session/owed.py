"""Who is owed of an incident: the span that is asked for, and the sentences that say it without anybody's name."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..lookups import owed
from ..text.units import period

if TYPE_CHECKING:
    from ..incident.incident import Incident
    from ..settings import Settings
    from ..sources import Sources

TIMEOUT_S = 4.0


def span_of(incident: Incident, settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """From when to when the purchases of an incident began: a window before it was judged, to its end or to now."""
    since = incident.since or incident.begin or now
    until = incident.end if incident.closed is not None and incident.end is not None else now
    return since - timedelta(seconds=settings.transactions.window_s), max(since, until)


async def owed_words(
    sources: Sources, settings: Settings, incident: Incident, name: str, now: datetime
) -> tuple[str, ...]:
    """What is owed, and the command that lists it; why it is not known where it can't be read."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await owed.read(sources, settings, *span_of(incident, settings, now))
    except SourceError as error:
        return (f"who is owed money is not known: {error}",)
    except TimeoutError:
        return (f"who is owed money is not known: no answer within {period(TIMEOUT_S)}",)
    listed = (f"`nexconsole export --owed {name}` lists them",) if found.claims else ()
    return (found.sentence, *listed, *found.notes)
