"""A terminal at the far end of a slow link, and how soon a key shows there."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from . import worlds
from .figures import LOADED_S, console_stands
from .screen import Screen
from .table import Figure
from .terminal import BenchmarkTerminal

RATE = 8_000  # bytes a second: 64 kbit/s
DELAY_S = 0.15  # either way: 300 ms until an answer can begin to come
LIMIT_MS = 1500.0

# What opens something, words that stand then, and what closes it again: then every pane stands again.
KEYS = (
    ("?", "closes", "\x1b"),
    ("\x10", "what to do", "\x1b"),
    ("J", "status line", "\x1b"),
    ("n", "takes it", "\x1b"),
    ("B", "take anew", "\x1b"),
    ("1", "all panes", "1"),
    ("2", "all panes", "2"),
)
NAMES = {"\x1b": "esc", "\x10": "^P"}


class SlowTerminal(BenchmarkTerminal):
    """What the program writes arrives at RATE and DELAY_S late, in order, as through a link with a deep buffer."""

    _free_at = 0.0  # when the link has taken all that was written so far

    def _read(self) -> None:
        while not self._closing:
            try:
                if not select.select([self._master], [], [], 0.1)[0]:
                    continue
                data = os.read(self._master, 512)
            except OSError:  # the other side is closed
                return
            self.bytes += len(data)
            self._free_at = max(self._free_at, time.perf_counter()) + len(data) / RATE
            self._arrived.put((self._free_at + DELAY_S, data))

    def _take(self, patience_s: float) -> float | None:
        """As of any terminal, but a chunk is there only when the link has brought it."""
        deadline = time.perf_counter() + patience_s
        while True:
            ended = self.ended
            try:
                at, data = self._arrived.get(timeout=max(0.0, min(0.1, deadline - time.perf_counter())))
            except queue.Empty:
                if ended is not None or time.perf_counter() >= deadline:
                    return None
                continue
            time.sleep(max(0.0, at - time.perf_counter()))
            self.screen.feed(data)
            return at

    def press(self, keys: str) -> float:
        """Send keys, which are on their way for DELAY_S; when they were pressed."""
        at = time.perf_counter()
        threading.Timer(DELAY_S, os.write, (self._master, keys.encode())).start()
        return at


def keys_over_a_slow_link(world: Mapping[str, str]) -> Iterator[Figure]:
    """Each key that opens something, until its words stand, and the one that closes it again, until all panes do."""
    with worlds.console(dict(world)) as (console, environment), SlowTerminal(console, environment) as terminal:
        at = terminal.until(console_stands, 40.0)
        yield Figure("ready over 64 kbit/s and 300 ms", (at - terminal.began) * 1e3, "ms")
        terminal.rest(LOADED_S)
        took: list[tuple[float, str]] = []
        for key, words, back in KEYS:
            for press, shown in ((key, _has(words)), (back, console_stands)):
                pressed = terminal.press(press)
                took.append(((terminal.until(shown, after=pressed) - pressed) * 1e3, NAMES.get(press, press)))
                terminal.rest(1.5)
        worst, name = max(took)
        note = f"worst of {len(took)} ({name})"
        yield Figure("a key's echo over 64 kbit/s and 300 ms", worst, "ms", LIMIT_MS, note=note)


def _has(words: str) -> Callable[[Screen], bool]:
    return lambda screen: words in screen.text
