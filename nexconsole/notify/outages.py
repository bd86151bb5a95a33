"""Which services fail, as far as this console knows, and what they were not told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHOWN_S = 300.0  # for so long after its last failure a service counts among the troubles
MOST_MESSAGES = 1_000  # not told, that are counted


@dataclass
class Outage:
    """Since when a service fails is on record; `at` is the last failure, monotonic. `messages` are ids."""

    why: str
    at: float
    messages: set[str] = field(default_factory=set)


class Outages:
    """By the service's name. It lasts until the service takes a message, from whichever console."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._of: dict[str, Outage] = {}

    def fail(self, name: str, why: str, age_s: float = 0.0, message: str = "") -> None:
        """It did not take a message `age_s` seconds ago; `message`: the one that was not told."""
        at = self._monotonic() - age_s
        outage = self._of.setdefault(name, Outage(why, at))
        if at >= outage.at:
            outage.why, outage.at = why, at
        if message and len(outage.messages) < MOST_MESSAGES:
            outage.messages.add(message)

    def end(self, name: str) -> None:
        self._of.pop(name, None)

    def failing(self, name: str) -> bool:
        return name in self._of

    def untold(self, name: str) -> frozenset[str]:
        """The messages that it did not take from this console."""
        return frozenset(self._of[name].messages) if name in self._of else frozenset()

    def lately(self) -> list[tuple[str, str]]:
        """Each service that failed lately, and why."""
        since = self._monotonic() - SHOWN_S
        return [(name, outage.why) for name, outage in self._of.items() if outage.at > since]
