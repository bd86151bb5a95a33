"""How many messages a service is sent in a minute, and what is held back meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
LAST_TITLES = 5


class RateLimit:
    """At most `per_minute` in any minute; 0: no limit. `held` are the titles of what was held back since."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._monotonic = per_minute, monotonic
        self._sent: deque[float] = deque()
        self.held: list[str] = []

    def allows(self) -> bool:
        """Whether one more may be sent now; if so it is counted."""
        if not self._per_minute:
            return True
        now = self._monotonic()
        while self._sent and now - self._sent[0] >= WINDOW_S:
            self._sent.popleft()
        if len(self._sent) >= self._per_minute:
            return False
        self._sent.append(now)
        return True

    @property
    def free_in_s(self) -> float:
        """In how many seconds one more may be sent."""
        if not self._per_minute or len(self._sent) < self._per_minute:
            return 0.0
        return max(0.0, self._sent[0] + WINDOW_S - self._monotonic())

    def hold(self, title: str) -> None:
        self.held.append(title)

    def taken(self) -> tuple[int, list[str]]:
        """How many were held back, and the newest of their titles; from now on none are."""
        held, self.held = self.held, []
        return len(held), held[-LAST_TITLES:]
