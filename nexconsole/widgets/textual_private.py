"""The private parts of Textual and Rich that the console uses. No other module touches one.

They may move with any release, so Textual is pinned exactly, and `tests/test_textual_private.py` checks every name and
signature that is used here, and says which has moved.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from queue import Queue
from typing import TYPE_CHECKING, Any, cast

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.driver import Driver
from textual.screen import Screen
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.drivers._writer_thread import WriterThread
    from textual.drivers.linux_driver import LinuxDriver
else:
    LinuxDriver = object  # these are mixed into whichever driver Textual takes

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "LayoutUpdate",
    "TerminalInput",
    "TerminalOutput",
    "UpdatedApp",
    "color_system",
    "queue_of",
    "reads_terminal",
    "visible_widgets",
]


def visible_widgets(screen: Screen[Any]) -> Iterable[Widget]:
    """The screen's widgets that can be seen."""
    return screen._compositor.visible_widgets


def color_system(console: Console) -> ColorSystem | None:
    """How many colours the terminal has; None: none at all."""
    return console._color_system


# --- the app ---------------------------------------------------------------------------------------------------------


class UpdatedApp(App[None]):
    """An App that decides what is sent of an update, and how it reports a bug of its own."""

    def sent_as(self, screen: Screen[Any], update: CompositorUpdate) -> CompositorUpdate | None:
        """What is sent in the place of an update of the screen in front; None: nothing."""
        return update

    def bug_report(self, error: BaseException) -> RenderableType | None:
        """What is printed in the place of Textual's traceback; None: Textual's."""
        return None

    def send(self, update: CompositorUpdate) -> None:
        """Send an update of the screen in front, by way of `sent_as`."""
        self._display(self.screen, update)

    def whole_update(self) -> CompositorUpdate:
        """All that the screen in front shows, with what is seen of those behind it."""
        update = self.screen._compositor.render_update(full=True, screen_stack=self._background_screens)
        return cast("CompositorUpdate", update)  # Textual's annotation does not know its own updates

    def moves_cursor(self) -> bool:
        """Whether sending an update of the screen in front would move the terminal's cursor."""
        return self.screen.outer_size.clamp_offset(self.cursor_position) != self._previous_cursor_position

    @property
    def driver(self) -> Driver | None:
        """What reads and writes the terminal; None before the app runs."""
        return self._driver

    def keep_bindings(self, actions: Collection[str]) -> None:
        """Forget every key of the app's that is bound to another action."""
        self._bindings.key_to_bindings = {
            key: kept
            for key, bindings in self._bindings.key_to_bindings.items()
            if (kept := [binding for binding in bindings if binding.action in actions])
        }

    def _display(self, screen: Screen[Any], renderable: RenderableType | CompositorUpdate | None) -> None:
        if isinstance(renderable, CompositorUpdate) and screen is self.screen and self._sends:
            renderable = self.sent_as(screen, renderable)
        super()._display(screen, cast("RenderableType | None", renderable))

    @property
    def _sends(self) -> bool:
        """Whether Textual would send an update now."""
        return self._running and not self._closed and self._driver is not None and not self._batch_count

    def _fatal_error(self) -> None:
        error = sys.exc_info()[1] or self._exception
        report = self.bug_report(error) if error is not None else None
        if report is None:
            super()._fatal_error()
            return
        self.bell()
        self._exit_renderables.append(report)
        self._close_messages_no_wait()


# --- the terminal's driver -------------------------------------------------------------------------------------------


def reads_terminal(driver: type[Driver]) -> bool:
    """Whether this driver reads a terminal itself."""
    return hasattr(driver, "_run_input_thread")


def queue_of(writer: WriterThread) -> Queue[str | None]:
    """What waits to be written; None ends the writer."""
    return writer._queue


class TerminalInput(LinuxDriver):
    """The reading side of a driver: the terminal's own size, asked for once, and Textual's parser."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        if self._size is None:
            # Else Rich is asked first, who takes 80 by 25 for what says no size: the screen would be laid out for ever
            # for the one and for the other in turn.
            self._size = self._get_terminal_size()

    def parser(self) -> XTermParser:
        return XTermParser(self._debug)


class TerminalOutput(LinuxDriver):
    """The writing side of a driver. `mouse` are the sequences that ask the terminal for what the mouse does."""

    mouse = ""

    @property
    def writer(self) -> WriterThread | None:
        """The thread that writes; None where the driver has none, as without a terminal."""
        return getattr(self, "_writer_thread", None)

    def forget_writer(self) -> None:
        """Closing leaves the thread alone from now on."""
        self._writer_thread = None

    def _enable_mouse_support(self) -> None:
        if self._mouse and self.mouse:
            self.write(self.mouse)
            self.flush()

    def _enable_mouse_pixels(self) -> None:
        """Cells are enough."""
