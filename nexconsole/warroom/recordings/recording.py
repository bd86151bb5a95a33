"""Readings recorded beside an incident's journal, for replay: off the loop, and by one console a folder.

A reading is recorded as what is different from the last one of its signal; once a minute all is told anew.
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
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from ...errors import JournalError
from ...journal import Scrubber
from ...model import Reading, utc_now
from ...settings import Settings
from ...sources.threads import AllHang, Threads
from .chunks import KEY, milliseconds, moment
from .differences import difference
from .reel import Reel

SUFFIX = ".readings"
FLUSH_S = 4.0  # a crash loses no more than this
TAKEOVER_S = 2.0  # between two tries to become the recorder
KEY_S = 60.0
SILENCE_S = 15.0  # for longer than this nothing was recorded: what was known before is not shown as if it still held
HANG_S = 30.0
CLOSE_S = 1.0
MOST_WAITING = 500  # readings that wait for the disk; the oldest ones are given up
RESTS = 16  # times as long as a signal's reading takes, twice in a row: a huge one must not fill a core
TEXTS = 5_000  # most of a reading's texts stood in the one before it
ALMOST_A_MS = timedelta(microseconds=999)
TOO_LARGE = "the reading was too large to be recorded"


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One line of a recording: a signal's reading at the time `at` (UTC), or which console records, or why it ended.

    `value` is the difference to the one before (differences); left out, it is the same.
    """

    at: Moment
    signal: str = ""
    every: float = 0.0
    taken: Moment | None = None
    attempted: Moment | None = None
    error: str | None = None
    absent: bool = False
    value: list[Any] | dict[str, Any] | UnsetType = UNSET
    console: dict[str, str] | None = None  # environment, name
    ended: str = ""


@dataclass
class _Written:
    """What was last recorded of a signal, and from when on the next one is due."""

    reading: Reading
    plain: Any
    due: datetime
    line: Line
    took_s: float


def recording_file(journal: Path) -> Path:
    """Where the readings of this journal's incident lie."""
    return journal.with_suffix(SUFFIX)


class Recorder:
    """Records into `file` what it takes, once `run` has begun, while no other console does.

    `trouble` is why nothing is recorded any more, once; "" while all is well. `clock` may be asked in a thread.
    """

    def __init__(self, settings: Settings, file: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.file, self.trouble = file, ""
        rules = settings.recording
        full = f"the recording has reached its limit of {rules.limit_mb:g} MB (recording.limit_mb): replay ends here"
        self._every = timedelta(seconds=rules.every_s)
        self._reel = Reel(file, int(rules.limit_mb * 1e6), full)
        self._full, self._clock, self._scrub = full, clock, Scrubber.of(settings, remembered=TEXTS)
        self._about = {"environment": settings.environment, "name": settings.name}
        self._newest: dict[str, Reading] = {}
        self._waiting: deque[tuple[datetime, Reading]] = deque(maxlen=MOST_WAITING)
        self._written: dict[str, _Written] = {}
        self._held: dict[str, tuple[datetime, Reading]] = {}
        self._key_at: datetime | None = None
        self._closing = asyncio.Event()
        self._threads = Threads(1, "recording")

    def take(self, reading: Reading) -> None:
        """Called for every reading, on the loop."""
        self._newest[reading.signal] = reading
        self._waiting.append((self._clock(), reading))

    async def run(self) -> None:
        """Record until closed, or until nothing can be recorded: then `trouble` says why."""
        if not self._every:
            return
        recording = False
        while not (self.trouble or self._closing.is_set()):
            try:
                async with asyncio.timeout(HANG_S):
                    recording = await self._threads.run(self._turn, HANG_S)
            except JournalError as error:
                self.trouble = str(error)
            except (TimeoutError, AllHang):
                self.trouble = f"nothing is recorded for replay: {self.file}: no answer from the disk in {HANG_S:g} s"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if self.trouble else FLUSH_S if recording else TAKEOVER_S):
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
            if not self._reel.held():
                if not self._reel.take():
                    self._waiting.clear()
                    return False
                self._begin(now)
            self._write(self._clock())
        except BaseException:
            self._reel.release()
            raise
        if self.trouble:  # the loop has given it up meanwhile
            self._reel.release()
        return True

    def _last(self) -> None:
        if self._reel.held():
            self._write(self._clock(), last=True)
            self._reel.release()

    def _begin(self, now: datetime) -> None:
        """Nothing of what another console has recorded is known here: all is told anew."""
        self._waiting.clear()
        self._held.clear()
        self._written.clear()
        self._key_at = None
        self._reel.end = max(self._reel.end, milliseconds(now))
        begin = moment(self._reel.end)
        self._waiting.extend((begin, reading) for reading in tuple(self._newest.values()))

    def _write(self, now: datetime, last: bool = False) -> None:
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        begin = moment(self._reel.end)
        end = max(moment(milliseconds(now + ALMOST_A_MS)), begin)  # a whole one, and none of what came is later
        silent = (end - begin).total_seconds() > SILENCE_S
        if silent:
            begin = min(max(waiting[0][0], begin) if waiting else end, end)
        key = silent or self._key_at is None or (end - self._key_at).total_seconds() >= KEY_S
        lines = [Line(at=begin, console=self._about)] if key else []
        lines += [
            msgspec.structs.replace(written.line, at=begin, value=[written.plain])
            for written in self._written.values()
            if key
        ]
        fresh = [self._line(min(max(at, begin), end), reading) for at, reading in self._due(waiting, end, last)]
        lines += sorted(fresh, key=lambda line: line.at)
        if key:
            self._key_at = end
        farewell = msgspec.json.encode(Line(at=end, ended=self._full)) + b"\n"
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        self._reel.append(text, milliseconds(begin), milliseconds(end), KEY if key else 0, farewell)

    def _due(
        self, waiting: list[tuple[datetime, Reading]], now: datetime, last: bool
    ) -> Iterator[tuple[datetime, Reading]]:
        """At most one reading of a signal in its time, and each that fails where the last one did not, or the other
        way round. The newest one is held back until its time has come, or the `last` chunk."""
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

    def _line(self, at: datetime, reading: Reading) -> Line:
        began = time.thread_time()
        last = self._written.get(reading.signal)
        plain, error = self._plain(reading, last)
        same = last is not None and (plain is last.plain or plain == last.plain)
        change = UNSET if same else difference(last.plain, plain) if last is not None else [plain]
        took_s = time.thread_time() - began
        every = max(self._every, timedelta(seconds=RESTS * min(took_s, last.took_s if last else 0.0)))
        line = Line(
            at=at,
            signal=reading.signal,
            every=max(reading.every, every.total_seconds()),
            taken=reading.taken_at,
            attempted=reading.attempted_at,
            error=error,
            absent=reading.absent,
            value=change,
        )
        due = last.due + every if last is not None and at - last.due < every else at + every
        self._written[reading.signal] = _Written(reading, plain, due, line, took_s)
        return line

    def _plain(self, reading: Reading, last: _Written | None) -> tuple[Any, str | None]:
        """The value as plain data without secrets, and the error's sentence."""
        error = None if reading.error is None else self._scrub({"error": reading.error})["error"]
        if reading.value is None:
            return None, error
        if last is not None and last.reading.value is reading.value:
            return last.plain, error
        scrubbed = self._scrub({"value": reading.value})
        plain = scrubbed.get("value")
        if plain is None:
            return None, error or TOO_LARGE
        if left_out := scrubbed.get("cut"):
            plain["notes"] = [*plain.get("notes", ()), *(f"not recorded: {sentence}" for sentence in left_out)]
        return plain, error


def _worth(reading: Reading) -> tuple[bool, bool, bool]:
    return reading.value is None, reading.error is None, reading.absent
