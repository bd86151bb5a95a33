"""The flight recorder: any console keeps the last hours of readings, incident or not, in one record of this account.

Several consoles of a host have one record: one of them writes, another goes on when it ends. It never gives up: what
keeps it from recording is said once, and it goes on when that is over.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ..errors import SettingsError
from ..incident.metrics import LARGEST, sample_of, subject_sample_of
from ..model import utc_now
from ..settings import Settings
from ..sources.flight_record import LONGEST, flight_record_file
from ..storage.schema import POINT, moment
from ..text.sanitize import clean
from ..text.units import duration
from .flight_writer import FlightRecordWriter, SetAside
from .recorder import Recorder
from .writer import RecordingWriter, Turn

STRETCH_S = 600.0  # what is dropped at once
COMMIT_S = 10.0  # a crash loses so much at most
NEXT_S = 10.0  # between two tries to become the recorder
RETRY_S = 30.0  # after what could not be written
BACK = timedelta(minutes=2)  # a clock that goes back by more begins a new record
SHARE = 0.008  # of a core it takes at most in the long run; where a turn takes long, it records more seldom
GOES_ON = "the flight record goes on"


class FlightRecorder(Recorder):
    """`say` hears each trouble once, and when it is over. `trouble` is what keeps it from recording now.

    `tried`: whether it has tried to record by now.
    """

    key_s = STRETCH_S
    thread = "flight recorder"
    _writer: FlightRecordWriter

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None] = lambda sentence: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Raises SettingsError where this account has no folder for it."""
        self._settings, self._say, self.tried = settings, say, False
        self._set_aside: list[str] = []
        self._turn_s = math.inf  # of processor time, the last one; the first one counts as two
        super().__init__(settings, flight_record_file(settings), clock)

    def _made_writer(self, settings: Settings, console: str) -> RecordingWriter:
        return FlightRecordWriter(self.file, settings, console)

    def _cadence_s(self, settings: Settings) -> float:
        return settings.recorder.every_s

    async def run(self) -> None:
        """Record until closed."""
        said = ""
        commit_s = min(COMMIT_S, self._cadence_s(self._settings))
        while not self._closing.is_set():
            await self._turned()
            self.tried = True
            while self._set_aside:
                self._say(self._set_aside.pop(0))
            if self.trouble != said:
                self._say(self.trouble or GOES_ON)
            said = self.trouble
            pace = max(commit_s, self._every.total_seconds()) if self._is_slowed else commit_s
            await self._rest(RETRY_S if self.trouble else pace if self.records else NEXT_S)

    # --- in the thread ----------------------------------------------------------------------------------------

    def _turn(self) -> bool:
        began = time.thread_time()
        try:
            if self._writer.holds():
                self._mind_clock(self._end)
            return super()._turn()
        except SetAside as error:
            self._set_aside.append(str(error))
            return super()._turn()
        finally:
            self._mind_cost(time.thread_time() - began)

    def _mind_cost(self, took_s: float) -> None:
        """From now on record no more often than such turns may be; one alone, as of a keyframe, changes nothing."""
        least_s = min(took_s, self._turn_s) / SHARE
        self._turn_s = took_s
        self._every = timedelta(seconds=max(self._cadence_s(self._settings), least_s))

    @property
    def _is_slowed(self) -> bool:
        return self._every.total_seconds() > self._cadence_s(self._settings)

    def _begin(self, now: datetime) -> None:
        self._mind_clock(self._writer.end)
        super()._begin(now)

    def _mind_clock(self, end: int) -> None:
        """Set the record aside where it ends in times to come: what follows could not stand in it by its time."""
        ahead = moment(end) - self._clock()
        if ahead > BACK:
            self._writer.set_aside(f"ends {duration(ahead)} from now: the clock has been put back")

    def _forget(self, end: int) -> None:
        super()._forget(end)
        self._stretch = 0
        self._points: dict[tuple[str, str], bytes] = {}
        self._pointed_at: datetime | None = None

    def _is_key_due(self, now: datetime) -> bool:
        return super()._is_key_due(now) or self._writer.crowded

    def _told(self, turn: Turn, begun: int | None) -> Turn:
        if begun is not None:
            self._stretch, self._points = begun, {}
        now = moment(turn.end)
        if self._pointed_at is not None and now - self._pointed_at < self._every * 0.9:
            return turn
        self._pointed_at = now
        milliseconds = (turn.end - self._stretch) // 1_000_000
        points = []
        for key, value in self._numbers(now):
            self._points[key] = self._points.get(key, b"") + POINT.pack(milliseconds, value)
            points.append((*key, self._points[key]))
        return replace(turn, stretch=self._stretch, points=points)

    def _numbers(self, now: datetime) -> Iterator[tuple[tuple[str, str], float]]:
        """What is known now, by metric and subject."""
        of_all = sample_of(self._newest, now, self._settings)
        found = {(metric, ""): number for metric, number in of_all.items() if number is not None}
        for (metric, subject), number in (found | subject_sample_of(self._newest, now, self._settings)).items():
            if math.isfinite(number) and abs(number) <= LARGEST:
                yield (metric, clean(subject, LONGEST)), float(number)


def open_flight_recorder(
    settings: Settings,
    say: Callable[[str], None] = lambda sentence: None,
    clock: Callable[[], datetime] = utc_now,
) -> FlightRecorder | None:
    """The recorder of a console; None where nothing is to be recorded, or this account has no folder for it."""
    if not settings.recorder.enabled:
        return None
    with contextlib.suppress(SettingsError):
        return FlightRecorder(settings, say, clock)
    return None
