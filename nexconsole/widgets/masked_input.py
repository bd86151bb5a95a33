"""An input that shows dots for text that watchers of a shared screen must not see."""

from __future__ import annotations

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Input

from .privacy import MASKER


class Dots(Highlighter):
    """Dots in the place of a text that watchers of a shared screen must not see."""

    def highlight(self, text: Text) -> None:
        if MASKER.enabled and MASKER.mask(text.plain) != text.plain:
            text.plain = "•" * len(text.plain)


class MaskedInput(Input):
    """Textual's, and nothing in it is seen by others that the panes would not show them."""

    own_words = False  # Enter takes what was typed and starts nothing: it may come in one burst with the words
    pressed: events.Key | None = None  # the last key that came to this line

    def __init__(self, *, id: str, compact: bool = False, placeholder: str = "", max_length: int = 0) -> None:
        super().__init__(id=id, compact=compact, placeholder=placeholder, max_length=max_length, highlighter=Dots())

    class Entered(Message):
        """Enter was pressed when this stood in the line, whatever was typed since."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    def on_key(self, event: events.Key) -> None:
        self.pressed = event
        if event.key == "enter":  # here, in the order of the keys: a binding is looked up when more have been typed
            event.stop()
            event.prevent_default()
            self.post_message(self.Entered(self.value))
