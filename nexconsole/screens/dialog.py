"""A modal screen that answers once."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Keys that were queued behind the one that closed it are nobody's: they must not close what lies below, nor
    what has opened since. Textual's `dismiss` pops whichever screen is on top."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close with this result, if it is the screen on top."""
        if self.app.screen is not self:
            return AwaitComplete.nothing()
        return super().dismiss(result)


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
