"""A line of input that shows dots for what watchers of a shared screen must not see."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Input

from .privacy import MASKER


class MaskedInput(Input):
    """Textual's, and nothing in it is seen by others that the panes would not show them."""

    own_words = False  # Enter takes what was typed and starts nothing: it may come in one burst with the words

    class Entered(Message):
        """Enter was pressed when this stood in the line, whatever was typed since."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # here, in the order of the keys: a binding is looked up when more have been typed
            event.stop()
            event.prevent_default()
            self.post_message(self.Entered(self.value))
        else:
            await super()._on_key(event)

    @property
    def _value(self) -> Text:
        shown = super()._value
        if MASKER.enabled and MASKER.mask(self.value) != self.value:
            return Text("•" * len(self.value), no_wrap=True, overflow="ignore", end="")
        return shown
