"""What the keys do, listed from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from .. import paths
from ..panes.pane import Pane
from ..widgets.cells import Line, column
from ..widgets.lines import Lines
from .dialog import Dialog

NAMES = {
    "question_mark": "?", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup", "shift+tab": "shift+tab",
    "comma": ",", "full_stop": ".", "left_square_bracket": "[", "right_square_bracket": "]", "plus": "+",
    "equals_sign": "=", "minus": "-", "down": "down", "up": "up", "ctrl+q": "^Q", "ctrl+c": "^C", "ctrl+p": "^P",
}  # fmt: skip
KEY = 16


class Keys(Dialog[None]):
    """Any of the keys that opened it closes it."""

    CSS_PATH = paths.STYLES / "keys.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="keys.close", tooltip="Close this list"),
        Binding("down,j", "move(1)", "Down", id="keys.down", tooltip="Scroll down", show=False),
        Binding("up,k", "move(-1)", "Up", id="keys.up", tooltip="Scroll up", show=False),
    ]

    def __init__(self, below: Screen) -> None:
        super().__init__()
        self._below = below
        self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="sheet"):
            yield Lines(id="list")

    def on_resize(self) -> None:
        self.call_after_refresh(self._paint)

    def action_move(self, by: int) -> None:
        self._top += by
        self._paint()

    def _paint(self) -> None:
        sheet = self.query_one("#list", Lines)
        height = sheet.size.height
        listed = self.listed()
        self._top = max(0, min(self._top, len(listed) - height))
        sheet.show_lines(tuple(listed[self._top : self._top + height]))  # cut by the sheet, at the width that it has

    def listed(self) -> list[Line]:
        """A heading for each place and a line for each binding that has a tooltip."""
        lines: list[Line] = []
        places = (
            ("the console", self._below._bindings),
            ("in a pane", Pane._merged_bindings),
            ("anywhere", self.app._bindings),
        )
        for place, bindings in places:
            if bindings is None:
                continue
            told: dict[str, list[str]] = {}
            for key, binding in bindings:
                if binding.tooltip and binding.id:
                    told.setdefault(binding.tooltip, []).append(NAMES.get(key, key))
            lines.append(((place, "muted"),))
            lines += [((f"  {column(' '.join(keys), KEY)}", "key"), (tip, "text")) for tip, keys in told.items()]
            lines.append(())
        lines.append(((f"  {column('^P', KEY)}", "key"), ("Every command by name", "text")))
        return lines
