"""Lists the keys that work now, from the bindings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Container
from textual.dom import DOMNode
from textual.screen import Screen

from .. import paths
from ..panes.pane import Pane
from ..widgets.banner import key_line, key_name
from ..widgets.canvas import LineCanvas
from ..widgets.key_map import UNBOUND
from ..widgets.spans import Line, column, fit
from .dialog import Dialog

KEY = 16
PAGE = 20  # lines


class KeyHelp(Dialog[None]):
    """The keys that work on the screen `below` now; `offered` says which of the application's actions do anything.

    Any of the keys that opened it closes it.
    """

    CSS_PATH = paths.STYLES / "keys.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close", id="keys.close", tooltip="Close this list"),
        Binding("down,j", "move(1)", "Down", id="keys.down", tooltip="Scroll down", show=False),
        Binding("up,k", "move(-1)", "Up", id="keys.up", tooltip="Scroll up", show=False),
        Binding("pagedown,space", f"move({PAGE})", "Page down", id="keys.pagedown", tooltip="A page on", show=False),
        Binding("pageup", f"move(-{PAGE})", "Page up", id="keys.pageup", tooltip="A page back", show=False),
        Binding("end,G", "move(1000)", "Last", id="keys.last", tooltip="Go to the end", show=False),
        Binding("home,g", "move(-1000)", "First", id="keys.first", tooltip="Go to the top", show=False),
    ]

    def __init__(self, below: Screen[Any], offered: Callable[[str], bool]) -> None:
        super().__init__()
        self._listed = tuple(listed(below, offered))
        self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="sheet"):
            yield LineCanvas(id="list")
            yield LineCanvas(id="list-foot")

    def on_mount(self) -> None:
        self.call_after_refresh(self._fit)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """As high as it needs to be, so that as much as possible of what is below stays in sight."""
        for sheet in self.query("#sheet"):
            sheet.styles.height = min(len(self._listed) + 3, self.app.size.height)
        self.call_after_refresh(self._paint)

    def action_move(self, by: int) -> None:
        self._top += by
        self._paint()

    def _paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown, foot = self.query_one("#list", LineCanvas), self.query_one("#list-foot", LineCanvas)
        height, many = shown.size.height, len(self._listed)
        self._top = max(0, min(self._top, many - height))
        shown.show_lines(self._listed[self._top : self._top + height])  # cut by the sheet, at the width that it has
        width = foot.size.width
        place = f"{self._top + 1}-{min(many, self._top + height)} of {many} " if many > height else ""
        keys = [("escape", "closes"), *([("down", "scrolls")] if place else [])]
        foot.show_lines((fit((*key_line(keys, max(0, width - len(place))), (place, "muted")), width),))


def listed(below: Screen[Any], offered: Callable[[str], bool]) -> list[Line]:
    """A heading for each place that has keys now, and a line for what each of them does."""
    places: dict[str, dict[str, list[str]]] = {}
    for key, active in below.active_bindings.items():
        if key != UNBOUND and _works(active, offered):
            place = places.setdefault(_place(active.node, below), {})
            place.setdefault(active.binding.tooltip, []).append(key_name(key))
    lines: list[Line] = []
    for name, told in places.items():
        lines += [(), ((name, "muted"),)] if lines else [((name, "muted"),)]
        lines += [((f"  {column(' '.join(keys), KEY)}", "key"), (does, "text")) for does, keys in told.items()]
    return lines


def _works(active: ActiveBinding, offered: Callable[[str], bool]) -> bool:
    if not (active.binding.id and active.binding.tooltip and active.enabled):  # Textual's own have no id
        return False
    return offered(active.binding.action.removeprefix("app."))


def _place(node: DOMNode, below: Screen[Any]) -> str:
    if isinstance(node, Pane):
        return f"in the pane {node.face.TITLE}"
    if node is below:
        return getattr(node, "PLACE", "on this screen")
    return getattr(node, "PLACE", "anywhere")
