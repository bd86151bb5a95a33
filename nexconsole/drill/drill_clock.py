"""Drill time, which an instructor may run faster or slower than the clock."""

from __future__ import annotations

from .market.clock import Clock

SLOWEST, FASTEST = 0.25, 10.0
_STEP_S = 1.0  # a change of speed is felt after at most so long


class DrillClock:
    """Drill time is the seconds since the drill began, `speed` of them in a real one; below 0 it is the past's.

    What stamps rows, lines and samples is the clock, which stays real.
    """

    def __init__(self, clock: Clock, epoch: float) -> None:
        self._clock = clock
        self._turns = [(epoch, 0.0, 1.0)]  # (epoch seconds, drill time, speed from there on)

    @property
    def speed(self) -> float:
        return self._turns[-1][2]

    def set(self, speed: float) -> None:
        """From now on this fast: SLOWEST to FASTEST."""
        self._turns.append((self._clock.now(), self.now(), speed))

    def now(self) -> float:
        """Drill time, in seconds."""
        at, drill_s, speed = self._turns[-1]
        return drill_s + (self._clock.now() - at) * speed

    def clock_at(self, drill_s: float) -> float:
        """The epoch seconds at which it was this drill time, or will be at the speed of now."""
        at, begun_s, speed = next((turn for turn in reversed(self._turns) if turn[1] <= drill_s), self._turns[0])
        return at + (drill_s - begun_s) / speed

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds of drill time."""
        left = seconds
        while left > 0:
            pause = min(_STEP_S, left / self.speed)
            speed = self.speed
            await self._clock.sleep(pause)
            left -= pause * speed
