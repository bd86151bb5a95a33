"""A terminal driver for slow links: writes never block, and a lost terminal is noticed."""

from __future__ import annotations

import contextlib
import os
import queue
import select
from codecs import getincrementaldecoder

from textual import events
from textual.driver import Driver
from textual.message import Message

from .key_guard import Bursts
from .textual_private import TerminalInput, TerminalOutput, queue_of, reads_terminal

LOOK_S = 0.1  # how often it is looked whether reading is to end
LEAVE_S = 1.0  # how long leaving waits for a terminal that takes nothing


class KeysTogether(TerminalInput):
    """Textual's reading of a terminal; and each key knows how many were read together with it, and bytes that are no
    text do no harm."""

    def run_input_thread(self) -> None:
        """Until `exit_event` is set."""
        parser = self.parser()
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
            bursts.stamp([message for message in messages if isinstance(message, events.Key)])
            for message in messages:
                self.process_message(message)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:  # hung up
            return b""


class NonBlockingDriver(TerminalOutput):
    """Clicks and the wheel, but no report for every move (each costs 1.3 kB and 4 ms); and one that never makes the
    console wait: what a terminal that takes nothing would have been sent is left out."""

    mouse = "\x1b[?1000h\x1b[?1006h"
    behind = False  # something was left out: all must be drawn anew
    _leaving = _begun = False

    def write(self, data: str) -> None:
        writer = self.writer
        if writer is None:
            super().write(data)
        elif not writer.is_alive():  # the terminal is gone
            self.behind = True
        elif self._leaving:
            with contextlib.suppress(queue.Full):
                queue_of(writer).put(data, timeout=LEAVE_S)
        elif queue_of(writer).full():
            self.behind = True
        else:
            super().write(data)

    @property
    def caught_up(self) -> bool:
        """Whether a terminal that was behind takes something again."""
        writer = self.writer
        return self.behind and writer is not None and writer.is_alive() and queue_of(writer).empty()

    @property
    def gone(self) -> bool:
        """Whether its other end is closed. Under `su` and in containers nobody is told that by a signal."""
        return self.writer is not None and _hung_up(self.fileno)

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
        writer = self.writer
        if writer is None:
            super().close()
            return
        self.forget_writer()
        super().close()
        with contextlib.suppress(queue.Full):
            queue_of(writer).put(None, timeout=LEAVE_S if writer.is_alive() else 0)
        writer.join(LEAVE_S)


def non_blocking(driver: type[Driver]) -> type[Driver]:
    """The driver made `NonBlockingDriver`, and with `KeysTogether` where it reads a terminal."""
    reading = (KeysTogether,) if reads_terminal(driver) else ()
    made: type[Driver] = type("NonBlockingDriver", (NonBlockingDriver, *reading, driver), {})
    return made


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # what can't be asked not to be told: hang-ups and errors
    return bool(poll.poll(0))
