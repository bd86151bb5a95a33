"""The earlier incidents of the journals, read beside the screen while an incident is open, and which are like it.

Bounded in files, bytes and time. What can't be read is left out and said; it never keeps an incident from opening.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalError
from ..text.units import several

if TYPE_CHECKING:
    from ..causes.model import Explanation
    from ..incident.incident import Incident
    from ..incident.similar import PastIncident, SimilarIncident
    from ..incident.traits import IncidentTraits
    from ..model import Reading
    from ..settings import Settings
    from ..severity import Severity

log = logging.getLogger(__name__)

MOST_JOURNALS = 150  # the newest
MOST_BYTES = 4 * 1024 * 1024  # of a journal; a larger one is left out
MOST_ENTRIES = 5_000
LONGEST_S = 10.0
PAUSE_S = 0.02  # between two journals: the screen goes first
COMPARED_EVERY_S = 15.0  # while the incident is open: what is known of it grows
BEFORE = timedelta(minutes=30)
MOST_CHANGES = 20
INCIDENT = "INC-"


@dataclass(frozen=True, kw_only=True)
class EarlierIncidents:
    """What was read, and in sentences what was left out."""

    past: tuple[PastIncident, ...] = ()
    left_out: tuple[str, ...] = ()


def read_earlier(settings: Settings, but: str = "", stopped: threading.Event | None = None) -> EarlierIncidents:
    """The newest journals' incidents, but this one, until `stopped` is set. Blocks: for a thread, with pauses where
    it may be stopped. Raises JournalError for the folder alone."""
    from ..journal import journal_files, journal_folder, size_of

    files = [file for file in journal_files(journal_folder(settings)) if file.stem.startswith(INCIDENT)]
    files = [file for file in reversed(files) if file.stem != but]
    past: list[PastIncident] = []
    large = unreadable = 0
    until = time.monotonic() + LONGEST_S
    for number, file in enumerate(files[:MOST_JOURNALS]):
        if time.monotonic() > until:
            return EarlierIncidents(past=tuple(past), left_out=(_left(len(files) - number, "took too long"),))
        try:
            if size_of(file) > MOST_BYTES:
                large += 1
                continue
            found = _past(file, settings)
        except FileNotFoundError:  # only what other hosts wrote is here
            continue
        except (JournalError, OSError):  # `journal verify` says what is wrong with it
            unreadable += 1
            continue
        if found is not None:
            past.append(found)
        if stopped is not None and stopped.wait(PAUSE_S):
            break
    return EarlierIncidents(past=tuple(past), left_out=tuple(_left_out(large, unreadable, len(files))))


def _left_out(large: int, unreadable: int, there: int) -> Iterator[str]:
    if large:
        yield _left(large, "too large")
    if unreadable:
        yield _left(unreadable, "unreadable")
    if there > MOST_JOURNALS:
        yield _left(there - MOST_JOURNALS, f"older than the newest {MOST_JOURNALS}")


def _left(many: int, why: str) -> str:
    return f"{several(many, 'earlier journal')} not compared: {why}"


def _past(file: Path, settings: Settings) -> PastIncident | None:
    from ..incident.incident import fold
    from ..incident.similar import past_of
    from ..journal import Prover, read_incident

    return past_of(file.stem, fold(read_incident(file, Prover.of(settings)).entries[:MOST_ENTRIES]))


def present_traits(
    severity: Severity | None,
    explanation: Explanation | None,
    readings: Mapping[str, Reading],
    settings: Settings,
    now: datetime,
    incident: Incident | None = None,
) -> IncidentTraits:
    """The traits of what is going on now, with those that are on record of the incident already."""
    from ..incident.events import observations
    from ..incident.traits import IncidentTraits, made, traits_of
    from ..signals.circuits import Circuits

    circuits = readings.get("circuits")
    value = circuits.value if circuits is not None else None
    providers = [one.name for one in value.providers] if isinstance(value, Circuits) else []
    traits = made(
        causes=[one.key for one in explanation.named] if explanation is not None else (),
        reasons=[reason.text for reason in severity.reasons] if severity is not None else (),
        states=[(one.subject, one.state) for one in observations(readings, {}, settings, now) if not one.usual],
        changes=changes_before(readings, now),
        level=severity.level if severity is not None else "",
        providers=providers,
    )
    recorded = traits_of(incident, providers).traits if incident is not None else {}
    return IncidentTraits(traits={**recorded, **traits.traits})


def changes_before(readings: Mapping[str, Reading], now: datetime) -> tuple[str, ...]:
    """What changed in the half hour before it began, or before now ("release nexnum-app"); no actions, no alerts."""
    from ..signals.change import CHANGES, ChangeKind
    from ..signals.onset import ONSET

    log_of, onsets = CHANGES.value(readings), ONSET.value(readings)
    if log_of is None:
        return ()
    first = onsets.first if onsets is not None else None
    until = first.at if first is not None and first.at is not None else now
    near = (
        f"{one.kind} {one.target}"
        for one in log_of.changes
        if until - BEFORE <= one.at <= until and one.kind not in (ChangeKind.ACTION, ChangeKind.ALERT)
    )
    return tuple(dict.fromkeys(near))[:MOST_CHANGES]


class SeenBefore:
    """`found`: the earlier incidents that are like the current one; () where none is, or not yet known.

    `spawn` runs a coroutine beside the screen, `changed` is called when `found` is another.
    """

    def __init__(
        self,
        settings: Settings,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._spawn, self._changed, self._monotonic = settings, spawn, changed, monotonic
        self._of: str | None = None
        self._earlier = EarlierIncidents()
        self._read = False
        self._compared_at = float("-inf")
        self.found: tuple[SimilarIncident, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._earlier.left_out

    def look(self, current: str | None, present: Callable[[], IncidentTraits]) -> None:
        """Called about once a second with the current incident's id; `present` gives its traits by now."""
        if current != self._of:
            self._of, self._read, self._compared_at = current, False, float("-inf")
            self._earlier = EarlierIncidents()
            self._show(())
            if current is not None:
                self._spawn(self._load(current))
        if current is None or not self._read or not self._earlier.past:
            return
        if self._monotonic() - self._compared_at >= COMPARED_EVERY_S:
            from ..incident.similar import similar

            self._compared_at = self._monotonic()
            self._show(similar(present(), self._earlier.past))

    def _show(self, found: tuple[SimilarIncident, ...]) -> None:
        if found != self.found:
            self.found = found
            self._changed()

    async def _load(self, current: str) -> None:
        stopped = threading.Event()
        try:
            earlier = await asyncio.to_thread(read_earlier, self._settings, current, stopped)
        except JournalError as error:
            log.warning("earlier incidents can't be compared: %s", error)
            return
        finally:  # also where the console ends: it waits for no thread
            stopped.set()
        if self._of == current:
            self._earlier, self._read = earlier, True
