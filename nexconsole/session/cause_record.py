"""Likely causes enter the record of an open incident by themselves, each once, and so does that one was withdrawn.

Every console watches; each waits a random moment before it writes and looks whether another has written meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import JournalError
from ..incident.named_causes import WITHDRAWN, NamedCause
from ..journal import EntryKind
from ..severity import Severity
from .incident_store import IncidentStore

if TYPE_CHECKING:
    from ..causes.model import Candidate, Explanation

log = logging.getLogger(__name__)

STEADY_S = 10.0  # a cause that is named for less is not recorded
GONE_S = 30.0  # one that is not named for less is not withdrawn
TURNS_S = 3.0  # the random moment before writing, at most


class CauseRecord:
    """`spawn` runs a coroutine beside the screen; `turns_s`: the random moment before writing, at most."""

    def __init__(
        self,
        incident_store: IncidentStore,
        clock: Callable[[], datetime],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        turns_s: float = TURNS_S,
    ) -> None:
        self._incident_store, self._clock, self._spawn, self._turns_s = incident_store, clock, spawn, turns_s
        self._of: str | None = None  # the incident that the times below belong to
        self._since: dict[tuple[str, bool], datetime] = {}  # a cause and whether it is named now, and since when
        self._writing: set[str] = set()

    def look(self, explanation: Explanation | None, severity: Severity | None) -> None:
        """Compare what is named with what is on record of the current incident; called about once a second."""
        incident, now = self._incident_store.incident, self._clock()
        if self._incident_store.current != self._of:
            self._of, self._since = self._incident_store.current, {}
        if incident is None or explanation is None or severity is None:
            return
        named = {each.key: each for each in explanation.named}
        standing = self._standing()
        held = {reason.about for reason in severity.reasons}
        gone = {key: cause for key, cause in standing.items() if key not in named and held & {*cause.explains}}
        wanted = {(key, True) for key in named if key not in standing} | {(key, False) for key in gone}
        self._since = {each: self._since.get(each, now) for each in wanted}
        for (key, is_named), since in self._since.items():
            if (now - since).total_seconds() >= (STEADY_S if is_named else GONE_S) and key not in self._writing:
                self._writing.add(key)
                data = _named(named[key], now) if is_named else _withdrawn(gone[key])
                self._spawn(self._record(key, data))

    def _standing(self) -> dict[str, NamedCause]:
        """What is on record as likely, by its key."""
        incident = self._incident_store.incident
        causes = incident.causes if incident is not None else ()
        return {cause.key: cause for cause in causes if cause.withdrawn_at is None}

    async def _record(self, key: str, data: dict[str, Any]) -> None:
        """Write it down, unless another console has."""
        try:
            await asyncio.sleep(random.uniform(0.0, self._turns_s))
            stands, of = key in self._standing(), self._incident_store.current
            if of is not None and of == self._of and stands is (data["state"] == WITHDRAWN):
                await self._incident_store.record(EntryKind.CAUSE, data)
        except JournalError as error:
            log.warning("the cause %s could not be recorded: %s", key, error)
            await asyncio.sleep(STEADY_S)
        finally:
            self._writing.discard(key)


def _named(candidate: Candidate, now: datetime) -> dict[str, Any]:
    from ..causes.wording import evidence_words, named_words

    since = candidate.since.at if candidate.since is not None else None
    return {
        "cause": candidate.key,
        "state": "named",
        "title": candidate.title,
        "since": since.astimezone(UTC).isoformat() if since is not None else "",
        "text": named_words(candidate, now),
        "evidence": [evidence_words(line) for line in candidate.evidence if line.holds],
        "explains": list(candidate.explains),
    }


def _withdrawn(cause: NamedCause) -> dict[str, Any]:
    return {"cause": cause.key, "state": WITHDRAWN, "text": cause.text}
