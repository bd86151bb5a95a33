"""Decides which keys a dialog accepts: none from before it opened, none held down, none from a burst.

A burst is what the terminal delivers at once: an unbracketed paste, or keys that a slow link has collected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual import events

OPENING_S = 0.4
QUIET_S = 0.7  # after a key that was discarded: longer than any keyboard waits before it repeats
REPEAT_S = 0.15  # longer than any keyboard waits between two repeats
BURST_S = 0.008  # what follows a read so soon belongs to it; no keyboard repeats and nobody types as fast
PASTED = 3  # so many keys in one read that text is taken for pasted; two may be typed while a packet is late
# What may be done with keys of a burst outside of a line of input: nothing happens by them but that something moves.
MOVES = frozenset("up down left right pageup pagedown home end tab shift+tab j k g G upper_g escape ctrl+c".split())
# In a line of input besides what is printable. Enter and Tab take something that nobody has seen by then.
EDITS = frozenset({"backspace", "delete", "left", "right", "home", "end", "escape", "up", "down", "ctrl+c", "ctrl+h"})


class Bursts:
    """Tells each key how many came together with it. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last_at, self._before = -1.0, 0

    def stamp(self, keys: Sequence[events.Key]) -> None:
        """These keys were read at once."""
        if not keys:
            return
        now = self._now()
        together = len(keys) + (self._before if now - self._last_at < BURST_S else 0)
        self._last_at, self._before = now, together
        for key in keys:
            vars(key)["together"] = together


def together(key: events.Key) -> int:
    """How many keys the terminal had handed over by then in the same burst, this one included; 1: it came alone."""
    many: int = vars(key).get("together", 1)
    return many


def may_pass(key: events.Key, typing: bool, own_words: bool = False) -> bool:
    """Whether a key of a burst may do what it does; `typing`: a line of input has the focus, and Enter takes nothing
    but the `own_words` that stand in it."""
    if together(key) < 2 or (typing and own_words and key.key == "enter"):
        return True
    return key.key in EDITS or key.is_printable if typing else key.key in MOVES


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
