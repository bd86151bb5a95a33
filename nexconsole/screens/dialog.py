"""A modal screen that answers once."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
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
