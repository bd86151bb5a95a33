"""The terminal at the far end of a link: it may take nothing for a while, and it may be gone without a word."""

from __future__ import annotations

import contextlib
import os
import queue
import select
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any

from textual import events
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.message import Message

from .key_guard import Bursts

if TYPE_CHECKING:
    from textual.drivers._writer_thread import WriterThread
    from textual.drivers.linux_driver import LinuxDriver as TerminalDriver
else:
    TerminalDriver = object  # mixed into whichever driver Textual takes

LOOK_S = 0.1  # how often it is looked whether reading is to end
LEAVE_S = 1.0  # how long leaving waits for a terminal that takes nothing


class KeysTogether(TerminalDriver):
    """Textual's reading of a terminal; and each key knows how many were read together with it, and bytes that are no
    text do no harm."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        if self._size is None:
            # Else Rich is asked first, who takes 80 by 25 for what says no size: the screen would be laid out for ever
            # for the one and for the other in turn.
            self._size = self._get_terminal_size()

    def run_input_thread(self) -> None:
        """Until `exit_event` is set."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        bursts, poll = Bursts(), select.poll()
        poll.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            messages: list[Message] = []
            if poll.poll(LOOK_S * 1000):
                data = self._read()
                if text := decode(data):  # the parser takes nothing for the end
                    messages += parser.feed(text)
                if not data:  # nobody is there any more, which is for `gone` to say
                    self.exit_event.wait(LOOK_S)
            messages += parser.tick()
            bursts.stamp([one for one in messages if isinstance(one, events.Key)])
            for message in messages:
                self.process_message(message)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:  # hung up
            return b""


class Steady(TerminalDriver):
    """Clicks and the wheel, but no report for every move (each costs 1.3 kB and 4 ms); and one that never makes the
    console wait: what a terminal that takes nothing would have been sent is left out."""

    behind = False  # something was left out: all must be drawn anew
    _leaving = _begun = False

    def write(self, data: str) -> None:
        writer = self._writer
        if writer is None:
            super().write(data)
        elif not writer.is_alive():  # the terminal is gone
            self.behind = True
        elif self._leaving:
            with contextlib.suppress(queue.Full):
                writer._queue.put(data, timeout=LEAVE_S)
        elif writer._queue.full():
            self.behind = True
        else:
            super().write(data)

    @property
    def caught_up(self) -> bool:
        """Whether a terminal that was behind takes something again."""
        writer = self._writer
        return self.behind and writer is not None and writer.is_alive() and writer._queue.empty()

    @property
    def gone(self) -> bool:
        """Whether its other end is closed. Under `su` and in containers nobody is told that by a signal."""
        return self._writer is not None and _hung_up(self.fileno)

    @property
    def _writer(self) -> WriterThread | None:
        """The thread that writes; None where the driver has none, as without a terminal."""
        return getattr(self, "_writer_thread", None)

    def start_application_mode(self) -> None:
        """Once at a time: tmux and sshd send SIGCONT behind SIGHUP, also to who was never stopped, and what was
        begun twice would be ended once, and keep the process alive."""
        if not self._begun:
            self._begun, self._leaving = True, False
            super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's has no annotation

    def stop_application_mode(self) -> None:
        self._leaving = True
        super().stop_application_mode()
        self._begun = False

    def close(self) -> None:
        writer = self._writer
        if writer is None:
            super().close()
            return
        self._writer_thread = None
        super().close()
        with contextlib.suppress(queue.Full):
            writer._queue.put(None, timeout=LEAVE_S if writer.is_alive() else 0)
        writer.join(LEAVE_S)

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1006h")
            self.flush()

    def _enable_mouse_pixels(self) -> None:
        """Cells are enough."""


def non_blocking(driver: type[Driver]) -> type[Driver]:
    """The driver made `Steady`, and with `KeysTogether` where it reads a terminal."""
    reading = (KeysTogether,) if hasattr(driver, "_run_input_thread") else ()
    made: type[Driver] = type("Steady", (Steady, *reading, driver), {})
    return made


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # what can't be asked not to be told: hang-ups and errors
    return bool(poll.poll(0))
