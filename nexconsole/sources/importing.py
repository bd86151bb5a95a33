"""Imports in a thread that yields to the screen.

Two threads share one interpreter: while modules run, the event loop takes twice its time. So between two modules the
thread waits while an operator's key is handled. Measured at 20 keys a second: the slowest twentieth of the echoes takes
80 ms without this, 50 to 60 ms with it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

KEY_S = 0.045  # a key that draws all panes anew is answered within this
LONGEST_S = 2.5  # and somebody who types without rest gets the data nevertheless
STEP_S = 0.002


class Courtesy:
    """A finder that finds nothing: asked before each module, it waits in the threads that import behind the screen."""

    def __init__(self) -> None:
        self._polite: set[int] = set()
        self._until = 0.0
        self._left_s = LONGEST_S

    def key(self) -> None:
        """An operator has pressed a key: go on when it is answered."""
        if self._polite:
            self._until = time.monotonic() + KEY_S

    def run(self, work: Callable[[], object]) -> None:
        """Do this, which imports, in the calling thread."""
        me = threading.get_ident()
        if not self._polite:
            sys.meta_path.insert(0, self)
        self._polite.add(me)
        try:
            work()
        finally:
            self._polite.discard(me)
            if not self._polite:
                sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if threading.get_ident() in self._polite:
            while self._left_s > 0 and time.monotonic() < self._until:
                self._left_s -= STEP_S
                time.sleep(STEP_S)
        return None


COURTESY = Courtesy()
