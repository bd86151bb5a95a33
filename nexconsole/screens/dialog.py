"""A modal screen that answers once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from ..widgets.banner import key_at, key_name
from ..widgets.canvas import LineCanvas
from ..widgets.key_guard import REPEAT_S, KeyGuard, together

Result = TypeVar("Result")
WHEEL = 3  # lines
NOTICE_S = 6.0
SAID_S = 0.5  # the least that a sentence stays
MOMENT_S = 0.05  # between two different keys that somebody presses
HELD = "was held down, or came together with other keys: press it once"


class Dialog(ModalScreen[Result]):
    """A screen that closes once. Keys queued behind the closing key must not reach the screen below, as Textual's
    `dismiss` pops whichever screen is on top.
    """

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close with this result, if it is the screen on top."""
        if self.app.screen is not self:
            closed: AwaitComplete = AwaitComplete.nothing()
            return closed
        return super().dismiss(result)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -WHEEL)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        move = getattr(self, "action_move", None)
        if move is not None:
            event.stop()
            move(by)

    def new_guard(self) -> KeyGuard:
        """A guard that begins now, by the app's clock."""
        return KeyGuard(getattr(self.app, "monotonic", time.monotonic))

    def say(self, text: str) -> None:
        """Show the operator a sentence, in the screen's own notice line if it has one."""
        self.notify(text, markup=False)


def do_shown_key(screen: Screen[Any], canvas: LineCanvas, x: int, y: int) -> None:
    """Do what the key does that is shown at this cell of a line of keys, if it works now."""
    lines = canvas.lines
    name = key_at(lines[y], x) if y < len(lines) else ""
    for key, active in screen.active_bindings.items():
        if name and key_name(key) == name and active.binding.id and active.enabled:
            screen.app.call_later(screen.app.run_action, active.binding.action, active.node)
            return


class DialogMessage:
    """A sentence in a dialog's own line. It stays while keys of the same burst still come."""

    def __init__(self) -> None:
        self.text = ""
        self._at = 0.0

    def say(self, text: str) -> None:
        self.text, self._at = text, time.monotonic()

    def unsay(self) -> None:
        """Another key cleared the notice."""
        if time.monotonic() - self._at > SAID_S:
            self.text = ""


class GuardedDialog(Dialog[Result]):
    """Discards keys from before it opened, held keys, and keys of a burst.

    Every key reaches `pressed` once, in order, before it is handled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guard = KeyGuard()
        self._presses = 0
        self._hurried = False  # the last key came sooner after the one before it than a person presses two
        self._last: events.Key | None = None
        self._judged: events.Key | None = None

    def on_mount(self) -> None:
        self.guard = self.new_guard()

    def refused(self, event: events.Key) -> bool:
        """Whether the guard discards this key; it is counted whoever gets it first."""
        if event is self._judged:
            return False
        self._presses += 1
        last, self._last = self._last, event
        least = REPEAT_S if last is not None and last.key == event.key else MOMENT_S
        self._hurried = last is not None and event.time - last.time < least
        if self.guard.refuses():
            event.stop()
            event.prevent_default()
            return True
        self._judged = event
        return False

    def alone(self, event: events.Key, then: Callable[[], object]) -> None:
        """Do this unless other keys come shortly before or after: a person presses one key."""
        if together(event) > 1 or self._hurried:
            self._startled(event)
        else:
            self._wait(event, self._presses, then)

    def _wait(self, event: events.Key, press: int, then: Callable[[], object]) -> None:
        began = time.monotonic()

        def decide() -> None:
            if self._presses != press:
                self._startled(event)
            elif time.monotonic() - began > 2 * REPEAT_S:  # the loop was late: keys may still be on their way
                self._wait(event, press, then)
            elif self.is_current:
                then()

        self.set_timer(REPEAT_S, decide)

    def _startled(self, event: events.Key) -> None:
        self.guard.startle()
        self.say(f"{named(event)} {HELD}")


def named(event: events.Key) -> str:
    """A key as people call it: `^P`, `esc`, `?`, `d`."""
    name = key_name(event.key)
    if name != event.key:
        return name
    return event.character if event.is_printable and event.character else event.key.replace("_", " ")


def on_row(name: str) -> tuple[BindingType, ...]:
    """The keys of the row under the cursor of the page called `name`, and its filter."""
    return (
        Binding("space", "app.row('actions')", "Actions", id=f"{name}.actions", tooltip="What can be done to the row"),
        Binding("slash", "app.row('filter')", "Filter", id=f"{name}.filter", tooltip="Show only rows with these words"),
    )


def along(name: str) -> tuple[BindingType, ...]:
    """The keys that move along a list of entries in their order; the screen called `name` has `action_move(by)`."""
    return (
        Binding("down,j", "move(1)", "Down", id=f"{name}.down", tooltip="Next entry", show=False),
        Binding("up,k", "move(-1)", "Up", id=f"{name}.up", tooltip="Previous entry", show=False),
        Binding("pagedown", "move(10)", "Page down", id=f"{name}.pagedown", tooltip="A page on", show=False),
        Binding("pageup", "move(-10)", "Page up", id=f"{name}.pageup", tooltip="A page back", show=False),
        Binding("end,G", "move(1000000)", "Last", id=f"{name}.last", tooltip="Go to the newest", show=False),
        Binding("home,g", "move(-1000000)", "First", id=f"{name}.first", tooltip="Go to the oldest", show=False),
    )


class NoticeDialog(GuardedDialog[Result]):
    """A guarded dialog that shows a sentence in its own lines for NOTICE_S. Its `paint` draws `_notice`."""

    def __init__(self) -> None:
        super().__init__()
        self._notice = ""

    def paint(self) -> None:
        """Draw the dialog anew."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        self._notice = text
        self.paint()
        self.set_timer(NOTICE_S, lambda: self._unsay(text))

    def _unsay(self, text: str) -> None:
        if self._notice == text:
            self._notice = ""
            self.paint()
