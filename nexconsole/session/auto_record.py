"""What enters the record by itself: the severity that lasts, and what changes while an incident is open.

Every console watches; each waits a random moment before it writes and looks whether another has written meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import JournalError
from ..incident.events import Observation, StateChange, observations
from ..incident.incident import Incident
from ..incident.metrics import sample_of
from ..journal import Entry, EntryKind
from ..model import Reading
from ..settings import Settings
from .incident_store import IncidentStore

log = logging.getLogger(__name__)

STEADY_S = 10.0  # a severity, or a crossed threshold, that lasts for less is not recorded
TURNS_S = 3.0  # the random moment before writing, at most
FIGURES_S = 30.0  # between two entries of figures, unless the severity changes


class AutoRecord:
    """`spawn` runs a coroutine beside the screen."""

    def __init__(
        self,
        incident_store: IncidentStore,
        settings: Settings,
        clock: Callable[[], datetime],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._incident_store, self._settings, self._clock, self._spawn = incident_store, settings, clock, spawn
        self._candidate: tuple[str, float] | None = None
        self._recording = False
        self.risen_at: datetime | None = None  # when a severity was first judged that has not gone down to none since
        self._states: dict[str, str] = {}  # of subjects that are as usual, or whose state was there from the start
        self._waiting: dict[str, tuple[str, float]] = {}  # subject -> its new state, and since when (loop's time)
        self._writing: set[str] = set()
        self._of: str | None = None  # the incident that the states above belong to
        self._taking = False  # whether figures are being written

    # --- the severity -----------------------------------------------------------------------------------------

    def judged(self, level: str, because: Sequence[str]) -> None:
        """The severity by now; called about once a second. One that lasts is recorded, unless the journal has it."""
        if level == "none":
            self.risen_at = None
        elif self.risen_at is None:
            self.risen_at = self._clock()
        now = asyncio.get_running_loop().time()
        if self._candidate is None or self._candidate[0] != level:
            self._candidate = (level, now)
        steady = now - self._candidate[1] >= STEADY_S
        if steady and not self._recording and level != self._recorded_level():
            self._recording = True
            self._spawn(self._record_severity(level, list(because)[:5]))

    def _recorded_level(self) -> str:
        name = self._incident_store.current
        entries = self._incident_store.of(name) if name else self._incident_store.entries
        last = next((entry for entry in reversed(entries) if entry.kind == EntryKind.SEVERITY), None)
        return str(last.data.get("level")) if last else "none"

    async def _record_severity(self, level: str, because: list[str]) -> None:
        try:
            await asyncio.sleep(random.uniform(0.0, TURNS_S))
            if level != self._recorded_level():
                await self._incident_store.record(EntryKind.SEVERITY, {"level": level, "because": because})
        except JournalError as error:
            log.warning("the severity %s could not be recorded: %s", level, error)
            await asyncio.sleep(STEADY_S)
        finally:
            self._recording = False

    # --- what changes by itself -------------------------------------------------------------------------------

    def look(self, readings: Mapping[str, Reading]) -> None:
        """Compare the readings with what is on record of the current incident; called about once a second."""
        if self._incident_store.current != self._of:
            self._of = self._incident_store.current
            self._states, self._waiting = {}, {}
        incident = self._incident_store.incident
        if incident is None:
            return
        now = asyncio.get_running_loop().time()
        known = self._states | {change.subject: change.state for change in incident.changes}
        found = observations(readings, known, self._settings, self._clock())
        self._take_figures(readings)
        for sight in found:
            if known.get(sight.subject) == sight.state:
                self._waiting.pop(sight.subject, None)
            elif sight.subject not in known and sight.usual:
                self._states[sight.subject] = sight.state
            elif sight.subject not in self._writing and self._due(sight, now):
                self._writing.add(sight.subject)
                self._spawn(self._record(sight, _last_of(incident, sight.subject)))

    def _take_figures(self, readings: Mapping[str, Reading]) -> None:
        """Write how things stand where nobody has for a while, or the severity has changed since."""
        entries = self._incident_store.of(self._of) if self._of else ()
        last = next(
            (entry for entry in reversed(entries) if entry.kind in (EntryKind.FIGURES, EntryKind.SEVERITY)), None
        )
        if last is not None and last.kind == EntryKind.FIGURES:
            if self._incident_store.age_s(last) < FIGURES_S:  # not by the time that another host's clock put in it
                return
        if not self._taking and any(reading.value is not None for reading in readings.values()):
            self._taking = True
            self._spawn(self._record_figures(dict(readings), last))

    async def _record_figures(self, readings: Mapping[str, Reading], last: Entry | None) -> None:
        try:
            await asyncio.sleep(random.uniform(0.0, TURNS_S))
            entries = self._incident_store.of(self._of) if self._of else ()
            newer = (entry for entry in reversed(entries) if entry.kind == EntryKind.FIGURES)
            if self._incident_store.current != self._of or (
                (found := next(newer, None)) is not None and (last is None or found.order > last.order)
            ):
                return
            await self._incident_store.record(
                EntryKind.FIGURES, {"figures": sample_of(readings, self._clock(), self._settings)}
            )
        except JournalError as error:
            log.warning("the figures could not be recorded: %s", error)
            await asyncio.sleep(STEADY_S)
        finally:
            self._taking = False

    def _due(self, sight: Observation, now: float) -> bool:
        state, since = self._waiting.get(sight.subject, ("", now))
        if state != sight.state:
            since = now
        self._waiting[sight.subject] = (sight.state, since)
        return sight.brief or now - since >= STEADY_S

    async def _record(self, sight: Observation, before: StateChange | None) -> None:
        """Write it down, unless something else has been written of the same subject since `before` was the last."""
        try:
            await asyncio.sleep(random.uniform(0.0, TURNS_S / 3 if sight.brief else TURNS_S))
            incident = self._incident_store.incident
            if incident is None or self._incident_store.current != self._of:
                return
            last = _last_of(incident, sight.subject)
            if last is not None and (last.state == sight.state or last != before):
                return
            data = {"subject": sight.subject, "state": sight.state, "text": sight.text}
            await self._incident_store.record(EntryKind.SEEN, data)
        except JournalError as error:
            log.warning("what was seen could not be recorded: %s: %s", sight.text, error)
            await asyncio.sleep(STEADY_S)
        finally:
            self._writing.discard(sight.subject)
            self._waiting.pop(sight.subject, None)


def _last_of(incident: Incident, subject: str) -> StateChange | None:
    """What was last written of this subject."""
    return next((change for change in reversed(incident.changes) if change.subject == subject), None)
