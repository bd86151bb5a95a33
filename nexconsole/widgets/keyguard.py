"""Which keys a dialog may believe: none that were typed before it stood, and none that are held down."""

from __future__ import annotations

import time
from collections.abc import Callable

OPENING_S = 0.4
QUIET_S = 0.7  # after a key that was discarded: longer than any keyboard waits before it repeats
REPEAT_S = 0.15  # longer than any keyboard waits between two repeats


class KeyGuard:
    """Ask `refuses` once for every key, in the order in which they come. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._deaf_until = now() + OPENING_S

    @property
    def listening(self) -> bool:
        """Whether a key that comes now would be believed."""
        return self._now() >= self._deaf_until

    def refuses(self) -> bool:
        """Whether this key is to be discarded; if so, the next one must not come too soon either."""
        if self.listening:
            return False
        self._deaf_until = max(self._deaf_until, self._now() + QUIET_S)
        return True

    def startle(self) -> None:
        """A key turned out to be held down: believe nothing until it is let go."""
        self._deaf_until = self._now() + QUIET_S
