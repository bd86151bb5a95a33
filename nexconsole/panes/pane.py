"""A pane: shows one signal's reading, small or maximized, with a row cursor that stays on its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from ..catalogue import Subject
from ..model import Reading
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, RenderContext, framed, sight
from ..widgets.spans import as_text
from . import view as faces
from .view import SignalView

FRAMED = 3  # lines from which there is room for a frame; below it a pane is one line
COPY_WIDTH = 160  # a copied row is drawn this wide, so that the screen's width doesn't cut it
WHEEL = 3


class Pane(LineCanvas, can_focus=True):
    """`space` makes the Space of an inside of so many cells; the pane asks for it whenever it draws."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "row(1)", "Down", id="row.down", tooltip="Move the row cursor down", show=False),
        Binding("up,k", "row(-1)", "Up", id="row.up", tooltip="Move the row cursor up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="row.pagedown", tooltip="Move a page down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="row.pageup", tooltip="Move a page up", show=False),
        Binding("home,g", "row(-1000000)", "First", id="row.first", tooltip="Go to the first row", show=False),
        Binding("end,G", "row(1000000)", "Last", id="row.last", tooltip="Go to the last row", show=False),
    ]

    def __init__(self, face: SignalView, space: Callable[[str, int, int], RenderContext]) -> None:
        super().__init__(id=face.SIGNAL, classes="pane")
        self.face = face
        self.reading: Reading | None = None
        self.large = False
        self._space = space
        self._key: str | None = None
        self._index = 0
        self._top = 0
        self._rows: Listing | None = None  # that are drawn

    @property
    def subject(self) -> Subject | None:
        """What the row under the cursor stands for, as it is drawn."""
        rows = self._rows
        if rows is None or self._key is None or self._index >= len(rows.keys) or rows.keys[self._index] != self._key:
            return None
        return rows.subject(self._index)

    def show(self, reading: Reading | None) -> None:
        """Show this reading from now on."""
        self.reading = reading
        self.paint()

    def enlarge(self, large: bool) -> None:
        """Switch to or from the detailed form."""
        self.large, self._top = large, 0
        self._key, self._index = None, 0
        self.call_after_refresh(self.paint)  # the new size has drawn it already, unless it is the old one

    def paint(self) -> None:
        """Redraw; unchanged cells are not repainted."""
        width, height = self.size
        if not width or not height:
            return
        self._rows = None
        if height < FRAMED:
            space = self._space(self.face.SIGNAL, width, height)
            self.show_lines((faces.brief(self.face, self.reading, space),))
            return
        space = self._space(self.face.SIGNAL, max(0, width - 4), height - 2)
        drawn = faces.picture(self.face, self.reading, space, self.large)
        self._settle(drawn, height)
        self._rows = drawn.rows
        cursor = self._index if self._key is not None and self.has_focus else None
        title = self.face.TITLE if self.face.NUMBER is None else f"{self.face.NUMBER} {self.face.TITLE}"
        frame = PanelFrame(title, faces.provenance(self.reading, space), self.has_focus, self._top, cursor)
        self.show_lines(framed(drawn, frame, width, height))

    def copied(self) -> tuple[str, str]:
        """What a copy takes, as (what it is, its text): the cursor's row, else the whole pane."""
        width, height = self.size
        space = self._space(self.face.SIGNAL, max(COPY_WIDTH, width - 4), max(1, height - 2))
        drawn = faces.picture(self.face, self.reading, space, self.large)
        if self._key is not None and drawn.rows and self._index < len(drawn.rows.keys):
            return "row", as_text((drawn.rows.draw(self._index),)).strip()
        inside = replace(space, width=max(0, width - 4))
        drawn = faces.picture(self.face, self.reading, inside, self.large)
        rows = [drawn.rows.draw(n) for n in range(len(drawn.rows.keys))] if drawn.rows else []
        title = f"{self.face.TITLE} ({as_text((faces.provenance(self.reading, space),))})"
        return "pane", f"{title}\n{as_text((*drawn.head, *rows, *drawn.foot))}".rstrip()

    def _settle(self, drawn: Panel, height: int) -> None:
        """Keep the cursor on its row's key wherever that has moved to, and the cursor in sight."""
        keys = drawn.rows.keys if drawn.rows else ()
        seen = sight(drawn, height)
        if not keys:
            self._top = 0
            return
        if self._key is None and self.large:
            self._key, self._index = keys[0], 0
        if self._key is not None:
            self._index = min(self._index, len(keys) - 1)
            if keys[self._index] != self._key:
                self._index = next((n for n, key in enumerate(keys) if key == self._key), self._index)
                self._key = keys[self._index]
            self._top = min(max(self._top, self._index - max(0, seen - 1)), self._index)
        self._top = max(0, min(self._top, len(keys) - seen))

    def _drawn(self) -> tuple[Panel, int]:
        width, height = self.size
        space = self._space(self.face.SIGNAL, max(0, width - 4), max(0, height - 2))
        return faces.picture(self.face, self.reading, space, self.large), height

    def action_row(self, by: int) -> None:
        drawn, _ = self._drawn()
        keys = drawn.rows.keys if drawn.rows else ()
        if not keys:
            return
        index = (self._index + by) if self._key is not None else (0 if by > 0 else len(keys) - 1)
        if self._key is None and abs(by) > 1:
            index = by
        self._index = max(0, min(len(keys) - 1, index))
        self._key = keys[self._index]
        self.paint()

    def action_page(self, by: int) -> None:
        self.action_row(by * max(1, sight(*self._drawn()) - 1))

    def _scroll(self, by: int) -> None:
        drawn, height = self._drawn()
        keys, seen = (drawn.rows.keys if drawn.rows else ()), sight(drawn, height)
        self._top = max(0, min(self._top + by, len(keys) - seen))
        if self._key is not None and keys:
            self._index = max(self._top, min(self._index, self._top + max(0, seen - 1)))
            self._key = keys[self._index]
        self.paint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-WHEEL)

    def on_resize(self) -> None:
        self.paint()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.paint()
