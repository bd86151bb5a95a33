"""Readings recorded beside an incident's journal, for replay: off the loop, and by one console a folder.

A reading is packed against the last keyframe; about once a minute a keyframe tells all anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from ..errors import JournalError
from ..model import Reading, utc_now
from ..settings import Settings
from ..sources.threads import AllHang, Threads
from ..storage.schema import moment, nanoseconds
from ..text.units import period
from .packing import pack
from .playback import SILENCE_S
from .prelude import half_hour_before
from .scrubbing import ValueScrubber
from .values import NO_VALUE, encode
from .writer import RecordingWriter, Turn

FLUSH_S = 0.75  # with the commits before and after it, a crash loses a second at most
TAKEOVER_S = 1.5  # between two tries to become the recorder
KEY_S = 60.0
HANG_S = 30.0
CLOSE_S = 1.0
MOST_WAITING = 500  # readings that wait for the disk; the oldest ones are given up
RESTS = 16  # times as long as a signal's reading takes, twice in a row: a huge one must not fill a core
TOO_LARGE = "the reading was too large to be recorded"


@dataclass
class WrittenReading:
    """What was last recorded of a signal, and from when on the next one is due."""

    reading: Reading
    every: float
    error: str | None
    value: msgspec.Raw
    due: datetime
    took_s: float
    took_twice_s: float  # by it and by the one before, each

    def text(self, at: datetime) -> bytes:
        """Its JSON in a row of this time."""
        return encode(self.reading, at, self.every, self.error, self.value)


class Recorder:
    """Records into `file` what it takes, once `run` has begun, while no other console does.

    `trouble` is why nothing is recorded any more, once; "" while all is well. `records`: this console is the one that
    does. `clock` may be asked in a thread. `key_s` is how long readings are packed against one keyframe.
    `record` is the flight record, of which the last half hour is put in front of a recording that is new.
    """

    key_s = KEY_S
    thread = "recording"

    def __init__(
        self, settings: Settings, file: Path, clock: Callable[[], datetime] = utc_now, record: Path | None = None
    ) -> None:
        self.file, self.trouble, self.records = file, "", False
        console = msgspec.json.encode({"environment": settings.environment, "name": settings.name}).decode()
        self._writer = self._made_writer(settings, console)
        self._every = timedelta(seconds=self._cadence_s(settings))
        self._clock, self._scrub = clock, ValueScrubber(settings)
        self._given_up, self._record = False, record
        self._newest: dict[str, Reading] = {}
        self._waiting: deque[tuple[datetime, Reading]] = deque(maxlen=MOST_WAITING)
        self._closing = asyncio.Event()
        self._threads = Threads(1, self.thread)
        self._forget(0)

    def _made_writer(self, settings: Settings, console: str) -> RecordingWriter:
        limit_mb = settings.recording.limit_mb
        full = f"the recording has reached its limit of {limit_mb:g} MB (recording.limit_mb): replay ends here"
        return RecordingWriter(self.file, int(limit_mb * 1e6), full, console)

    def _cadence_s(self, settings: Settings) -> float:
        return settings.recording.every_s

    def take(self, reading: Reading) -> None:
        """Called for every reading, on the loop."""
        self._newest[reading.signal] = reading
        self._waiting.append((self._clock(), reading))

    async def run(self) -> None:
        """Record until closed, or until nothing can be recorded: then `trouble` says why."""
        if not self._every:
            return
        while not (self.trouble or self._closing.is_set()):
            await self._turned()
            self._given_up = bool(self.trouble)
            await self._rest(0 if self.trouble else FLUSH_S if self.records else TAKEOVER_S)

    async def _turned(self) -> None:
        """One turn in the thread; what came of it is in `records` and `trouble`."""
        self.trouble = ""
        try:
            async with asyncio.timeout(HANG_S):
                self.records = await self._threads.run(self._turn, HANG_S)
                return
        except JournalError as error:
            self.trouble = str(error)
        except (TimeoutError, AllHang):
            self.trouble = f"{self._writer.stops}: {self.file}: no answer from the disk in {period(HANG_S)}"
        self.records = False

    async def _rest(self, seconds: float) -> None:
        """Until then, or until it is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def close(self) -> None:
        """Record what waits, if the disk is quick, and let another console record."""
        self._closing.set()
        with contextlib.suppress(TimeoutError, AllHang, JournalError):
            async with asyncio.timeout(CLOSE_S):
                await self._threads.run(self._last, CLOSE_S)
        self._threads.close()

    # --- in the thread ----------------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Write what came since the last turn; whether this console is the recorder."""
        try:
            now = self._clock()
            if not self._writer.holds():
                if not self._writer.take():
                    self._waiting.clear()
                    return False
                if self._record is not None and not self._writer.end:
                    self._writer.prepend(half_hour_before(self._record, now, self._writer.limit))
                self._begin(now)
            self._write(self._clock())
        except BaseException:
            self._writer.release()
            raise
        if self._given_up:  # the loop has given it up meanwhile
            self._writer.release()
        return True

    def _last(self) -> None:
        if self._writer.holds():
            self._write(self._clock(), last=True)
            self._writer.release()

    def _begin(self, now: datetime) -> None:
        """Nothing of what another console has recorded is known here: all is told anew, in a new span."""
        self._forget(max(self._writer.end, nanoseconds(now)))
        self._waiting.clear()
        begin = moment(self._end)
        self._waiting.extend((begin, reading) for reading in tuple(self._newest.values()))

    def _forget(self, end: int) -> None:
        self._end = end  # the last time on record, in nanoseconds
        self._span_due, self._key_due = True, False
        self._key_at: datetime | None = None
        self._held: dict[str, tuple[datetime, Reading]] = {}
        self._written: dict[str, WrittenReading] = {}
        self._bases: dict[str, bytes] = {}  # the last keyframe's texts

    def _write(self, now: datetime, last: bool = False) -> None:
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        begin = moment(self._end)
        end = max(now, begin)
        silent = (end - begin).total_seconds() > SILENCE_S
        if silent:
            begin = min(max(waiting[0][0], begin) if waiting else end, end)
        opened = self._next(begin) if silent or self._span_due else None
        keyframe = self._keyframe(begin, opened) if self._written and (silent or self._is_key_due(end)) else None
        fresh = [self._row(min(max(at, begin), end), reading) for at, reading in self._due(waiting, end, last)]
        rows = [(self._next(at), signal, packed) for at, signal, packed in sorted(fresh, key=lambda row: row[0])]
        self._end = max(self._end, nanoseconds(end))
        begun = keyframe[0] if keyframe is not None else opened
        self._writer.write(self._told(Turn(self._end, opened, keyframe, rows), begun))
        self._span_due = False

    def _told(self, turn: Turn, begun: int | None) -> Turn:
        """The turn as it is written; `begun` is when the stretch begins that begins in it, if one does."""
        return turn

    def _next(self, at: datetime) -> int:
        """The key of a row of this time, after all that are on record."""
        self._end = max(nanoseconds(at), self._end + 1)
        return self._end

    def _is_key_due(self, now: datetime) -> bool:
        return self._key_due or self._key_at is None or (now - self._key_at).total_seconds() >= self.key_s

    def _keyframe(self, begin: datetime, opened: int | None) -> tuple[int, bytes]:
        """What is known by now of every signal: with a span that begins, or before this turn's readings."""
        at = self._next(begin) if opened is None else opened
        self._key_at, self._key_due = begin, False
        self._bases = {signal: written.text(moment(at)) for signal, written in self._written.items()}
        return at, pack(msgspec.json.encode({signal: msgspec.Raw(text) for signal, text in self._bases.items()}))

    def _due(
        self, waiting: list[tuple[datetime, Reading]], now: datetime, last: bool
    ) -> Iterator[tuple[datetime, Reading]]:
        """At most one reading of a signal in its time, and each that fails where the last one did not, or the other
        way round. The newest one is held back until its time has come, or the `last` turn."""
        for at, reading in waiting:
            before = self._written.get(reading.signal)
            if before is None or at >= before.due or _worth(before.reading) != _worth(reading):
                self._held.pop(reading.signal, None)
                yield at, reading
            else:
                self._held[reading.signal] = (at, reading)
        for signal, (at, reading) in tuple(self._held.items()):
            if last or now >= self._written[signal].due:
                del self._held[signal]
                yield at, reading

    def _row(self, at: datetime, reading: Reading) -> tuple[datetime, str, bytes]:
        """The reading as it is written at this time."""
        began = time.thread_time()
        last = self._written.get(reading.signal)
        rest = max(self._every, timedelta(seconds=RESTS * last.took_twice_s)) if last else self._every
        every = max(reading.every, rest.total_seconds())
        value, error = self._value(reading, last)
        base = self._bases.get(reading.signal)
        packed = pack(encode(reading, at, every, error, value), base or b"")
        self._key_due = self._key_due or base is None
        due = last.due + rest if last is not None and at - last.due < rest else at + rest
        took_s = time.thread_time() - began
        twice_s = min(took_s, last.took_s) if last is not None else 0.0
        self._written[reading.signal] = WrittenReading(reading, every, error, value, due, took_s, twice_s)
        return at, reading.signal, packed

    def _value(self, reading: Reading, last: WrittenReading | None) -> tuple[msgspec.Raw, str | None]:
        """The value as JSON without secrets, and the error's sentence."""
        error = None if reading.error is None else self._scrub.sentence(reading.error)
        if reading.value is None:
            return NO_VALUE, error
        if last is not None and last.reading.value is reading.value:
            return last.value, error
        value = self._scrub.value(reading.signal, reading.value)
        return value, error or (TOO_LARGE if value is NO_VALUE else None)


def _worth(reading: Reading) -> tuple[bool, bool, bool]:
    return reading.value is None, reading.error is None, reading.absent
