"""The words that the rows of a list must have, typed while the list below follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input

from .. import paths
from ..widgets.canvas import LineCanvas
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, fit, plain
from .dialog import Dialog

LONGEST = 100


class FilterPrompt(Dialog[None]):
    """Tells `narrow` each time the words change; Esc tells it none. `of`: which list it is, where that is not clear."""

    CSS_PATH = paths.STYLES / "prompt.tcss"
    AUTO_FOCUS = "#line"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", id="filter.clear", tooltip="Show all rows again"),
    ]

    def __init__(self, of: str, words: str, narrow: Callable[[str], None]) -> None:
        super().__init__()
        self._of, self._words, self._narrow = of, words, narrow

    def compose(self) -> ComposeResult:
        with Container(id="prompt"):
            yield LineCanvas(id="asked")
            line = MaskedInput(id="line", compact=True, max_length=LONGEST)
            line.value, line.cursor_blink, line.own_words = self._words, False, True
            yield line
            yield LineCanvas(id="hint")

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        asked, hint = self.query_one("#asked", LineCanvas), self.query_one("#hint", LineCanvas)
        title = f"only rows{plain(self._of and f' of {self._of}', 60)} with these words"
        asked.show_lines((fit(((title, "strong"),), asked.size.width),))
        keys: Line = (("enter", "key"), (" keeps them   ", "muted"), ("esc", "key"), (" shows all rows", "muted"))
        hint.show_lines((fit(keys, hint.size.width),))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def on_masked_input_entered(self, event: MaskedInput.Entered) -> None:
        event.stop()
        self._narrow(event.value)
        self.dismiss(None)

    def action_clear(self) -> None:
        self._narrow("")
        self.dismiss(None)
