"""A replay's clock: a place between a beginning and an end that moves at a speed, or stands still."""

from __future__ import annotations

import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..errors import SettingsError

SLOWEST, FASTEST = 0.5, 64.0
JUST_NOW = timedelta(seconds=1.5)  # an event that was jumped to is not the one before
MOMENTS = "give +MM:SS from the beginning, a time such as 14:07, or a date and a time"
_OFFSET = re.compile(r"\+(?:(\d+):)?(\d+):(\d\d)")
_OF_DAY = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?Z?")


class Player:
    """`marks` are the times of the events, in order. `monotonic` gives seconds. At its end it stops."""

    def __init__(
        self,
        begin: datetime,
        end: datetime,
        marks: Sequence[datetime] = (),
        *,
        speed: float = 1.0,
        at: datetime | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.begin, self.end, self.marks, self.speed = begin, max(begin, end), tuple(marks), speed
        self._monotonic = monotonic
        self._playing = True
        self._place, self._since = begin, monotonic()
        self.go(at or begin)

    @property
    def now(self) -> datetime:
        if not self._playing:
            return self._place
        passed = timedelta(seconds=(self._monotonic() - self._since) * self.speed)
        return min(self._place + passed, self.end)

    @property
    def at_end(self) -> bool:
        return self.now >= self.end

    @property
    def playing(self) -> bool:
        return self._playing and not self.at_end

    def go(self, to: datetime) -> None:
        """Go there, or as near as there is something."""
        self._place, self._since = min(max(to, self.begin), self.end), self._monotonic()

    def skip(self, seconds: float) -> None:
        self.go(self.now + timedelta(seconds=seconds))

    def toggle(self) -> None:
        """Stop, or go on; from the end, begin again."""
        was, at_end = self.playing, self.at_end
        self.go(self.begin if at_end else self.now)
        self._playing = not was

    def set_speed(self, speed: float) -> None:
        self.go(self.now)
        self.speed = min(max(speed, SLOWEST), FASTEST)

    @property
    def past(self) -> int:
        """How many events there were by now."""
        return bisect_right(self.marks, self.now)

    def next_event(self) -> bool:
        """Go to the event that comes next; False where none does."""
        if self.past == len(self.marks):
            return False
        self.go(self.marks[self.past])
        return True

    def previous_event(self) -> bool:
        before = bisect_left(self.marks, self.now - (JUST_NOW * self.speed if self.playing else timedelta()))
        if not before:
            return False
        self.go(self.marks[before - 1])
        return True


def moment_of(text: str, begin: datetime, opened: datetime | None = None) -> datetime:
    """The time that a person means: +MM:SS or +HH:MM:SS from the beginning, a time of the day that follows it, or a
    date with its time, in UTC. Raises SettingsError.

    `opened` is what is meant by the beginning, where something is known of the time before it too.
    """
    try:
        if found := _OFFSET.fullmatch(text):
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            return (opened or begin) + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if found := _OF_DAY.fullmatch(text):
            hour, minute, second = (int(part or 0) for part in found.groups())
            that_day = begin.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return that_day if that_day >= begin.replace(second=0, microsecond=0) else that_day + timedelta(days=1)
        named = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"--at {text}: {MOMENTS}") from error
    return named.replace(tzinfo=UTC) if named.tzinfo is None else named.astimezone(UTC)
