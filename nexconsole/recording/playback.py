"""A recording read back: which readings stood on screen at a moment. A segment is read when it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ..model import Reading
from ..storage.schema import moment, nanoseconds
from ..text.sanitize import clean
from ..text.units import clock
from .seek import Segment

SILENCE_S = 15.0  # for longer than this nothing was recorded: what was known before is not shown as if it still held
KEPT = 8  # segments
_LAST_DIGITS = 999  # nanoseconds of a time that is given in microseconds


class Playback(ABC):
    """`skipped` counts what this version of the console could make nothing of, in words; `problems` are sentences on
    what can't be read. `about` is whose recording it is, `ended` why it stopped before its incident did, if it did.

    `opened` is when the incident's own recording begins.

    `spans` are from when to when a console recorded, `segments` when each segment begins; all in nanoseconds since
    1970, in order.
    """

    def __init__(self, file: Path, spans: Sequence[tuple[int, int]], segments: Sequence[int]) -> None:
        self.file = file
        self.problems: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.about: Mapping[str, str] = {}
        self.ended = ""
        self.begins_at = spans[0][0]  # what is recorded before it is of the time before the incident
        self._spans, self._segments = tuple(spans), tuple(segments)
        self._begins = [begin for begin, _ in spans]
        self._kept: OrderedDict[int, Segment] = OrderedDict()

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _read(self, begin: int, end: int | None) -> Segment:
        """The segment from `begin` to the next one's begin. What can't be read is a sentence in `problems`."""

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From when to when it tells something."""
        return moment(self._begins[0]), moment(max(end for _, end in self._spans))

    @property
    def opened(self) -> datetime:
        return moment(self.begins_at)

    @property
    def spans(self) -> tuple[tuple[datetime, datetime], ...]:
        """From when to when a console recorded, in order."""
        return tuple((moment(begin), moment(end)) for begin, end in self._spans)

    def recorded(self, when: datetime) -> bool:
        """Whether a console recorded then; a pause of a few seconds, as when another one takes over, is none."""
        place = bisect_right(self._begins, nanoseconds(when) + _LAST_DIGITS) - 1
        if place < 0:
            return False
        end = self._spans[place][1]
        following = self._begins[place + 1] if place + 1 < len(self._begins) else None
        return nanoseconds(when) <= end or (following is not None and following - end <= SILENCE_S * 1e9)

    def at(self, when: datetime) -> dict[str, Reading]:
        """The newest reading of each signal by then; none where nothing was recorded then."""
        if not self.recorded(when):
            return {}
        time = nanoseconds(when) + _LAST_DIGITS
        return self._segment(self._place(time)).at(time)

    def changes(self, after: datetime, until: datetime) -> Iterator[tuple[datetime, Reading]]:
        """Each reading that came after the one time and not after the other, in order."""
        first, last = (nanoseconds(when) + _LAST_DIGITS for when in (after, until))
        known = self.at(after)
        for place in range(max(0, self._place(first)), self._place(last) + 1):
            for stored in self._segment(place).after(first, last):
                reading = stored.reading
                if reading is not None and known.get(stored.signal) != reading:  # another console may tell it again
                    known[stored.signal] = reading
                    yield moment(stored.at), reading

    def _report(self, at: int, why: str) -> None:
        problem = f"what was recorded at {clock(moment(at))} can't be read: {clean(why, 200)}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _place(self, time: int) -> int:
        """The last segment that begins by then; -1 where none does."""
        return bisect_right(self._segments, time) - 1

    def _segment(self, place: int) -> Segment:
        if place < 0:
            return Segment()
        if place not in self._kept:
            following = self._segments[place + 1] if place + 1 < len(self._segments) else None
            self._kept[place] = self._read(self._segments[place], following)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return self._kept[place]
