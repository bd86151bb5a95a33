"""Shows copied text in full, as a terminal may ignore the copy silently."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..widgets.canvas import LineCanvas
from ..widgets.spans import wrapped
from .dialog import Dialog

MOST = 8  # lines of it that are shown


class ClipboardNotice(Dialog[None]):
    """Any of the keys that are asked for closes it."""

    CSS_PATH = paths.STYLES / "copied.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,space,q,y", "dismiss", "Close", id="copied.close", tooltip="Close what was copied"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Container(id="copied"):
            yield LineCanvas(id="copied-text")

    def on_mount(self) -> None:
        self._paint()

    def on_resize(self) -> None:
        self._paint()

    def _paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        text = wrapped(self._text, max(10, self.app.size.width - 4), MOST)
        lines = ((self._title, "strong"),), *(((line, "text"),) for line in text), (("esc", "key"), (" back", "muted"))
        self.query_one("#copied").styles.height = len(lines) + 2
        self.query_one("#copied-text", LineCanvas).show_lines(lines)
