"""A pane: shows one signal's reading, small or maximized, with a row cursor that stays on its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from ..catalogue import Subject
from ..model import Reading
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, RenderContext, framed, sight
from ..widgets.spans import as_text
from . import view as faces
from .arrangement import Arrangement, arranged
from .began import began_words
from .view import SignalView

FRAMED = 3  # lines from which there is room for a frame; below it a pane is one line
COPY_WIDTH = 160  # a copied row is drawn this wide, so that the screen's width doesn't cut it
WHEEL = 3
ROOMY = 14  # lines inside a pane that has all the room it may get


class Pane(LineCanvas, can_focus=True):
    """`space` makes the RenderContext of an inside of so many cells; the pane asks for it whenever it draws.

    `wanted` is told what is asked for (actions, page, log, filter), and of which row.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "row(1)", "Down", id="row.down", tooltip="Move the row cursor down", show=False),
        Binding("up,k", "row(-1)", "Up", id="row.up", tooltip="Move the row cursor up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="row.pagedown", tooltip="Move a page down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="row.pageup", tooltip="Move a page up", show=False),
        Binding("home,g", "row(-1000000)", "First", id="row.first", tooltip="Go to the first row", show=False),
        Binding("end,G", "row(1000000)", "Last", id="row.last", tooltip="Go to the last row", show=False),
        Binding("space", "wish('actions')", "Actions", id="row.actions", tooltip="What can be done to the row"),
        Binding("enter", "wish('page')", "Open", id="row.open", tooltip="Open the row's page"),
        Binding("l", "wish('log')", "Log", id="row.log", tooltip="The log of the row's pod"),
        Binding("slash", "filter", "Filter", id="row.filter", tooltip="Show only rows with these words"),
        Binding(
            "less_than_sign",
            "sort(-1)",
            "Sort back",
            id="row.sort_back",
            tooltip="Sort by the column before; from the worst first: by a column, reversed",
            show=False,
        ),
        Binding("greater_than_sign", "sort(1)", "Sort", id="row.sort", tooltip="Sort by the next column", show=False),
    ]

    class Cursor(Message):
        """The cursor came to a row, or there is none any more."""

    def __init__(
        self,
        face: SignalView,
        space: Callable[[str, int, int], RenderContext],
        wanted: Callable[[Pane, str, Subject | None], None] = lambda pane, what, subject: None,
    ) -> None:
        super().__init__(id=face.SIGNAL, classes="pane")
        self.face = face
        self.reading: Reading | None = None
        self.large = False
        self._space = space
        self._key: str | None = None
        self._index = 0
        self._top = 0
        self._rows: Listing | None = None  # that are drawn, below so many lines
        self._head = 0
        self._wish = Arrangement()
        self._had_focus = self._told = False
        self._counted: tuple[Reading | None, tuple[object, ...], int] | None = None  # for which, and the lines
        self.wanted = wanted

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
        self._wish = Arrangement(words=self.filter if large else "")  # small panes keep the worst first, and all rows
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
        drawn, arranged_by = self._picture(space)
        self._settle(drawn, height)
        self._rows, self._head = drawn.rows, len(drawn.head)
        cursor = self._index if self._key is not None and self.has_focus else None
        title = self.face.TITLE if self.face.NUMBER is None else f"{self.face.NUMBER} {self.face.TITLE}"
        title = f"{title}  {arranged_by}" if arranged_by else title
        began = began_words((self.face.SIGNAL, *getattr(self.face, "BESIDE", ())), space)
        frame = PanelFrame(title, faces.provenance(self.reading, space), self.has_focus, self._top, cursor, began)
        self.show_lines(framed(drawn, frame, width, height))
        if (there := self.has_focus and self.subject is not None) is not self._told:
            self._told = there
            self.post_message(self.Cursor())

    @property
    def full_height(self) -> int:
        """Lines that it would fill with its frame, if there were room: counted once for each reading, by drawing."""
        space = self._space(self.face.SIGNAL, max(0, self.size.width - 4), ROOMY)
        reading = self.reading
        state = reading.state(space.now) if reading is not None else None
        drawn_for = state, space.width, space.alert_level, space.marks
        if self._counted is None or self._counted[0] is not reading or self._counted[1] != drawn_for:
            drawn = faces.picture(self.face, reading, space)
            lines = FRAMED - 1 + len(drawn.head) + len(drawn.foot) + (len(drawn.rows.keys) if drawn.rows else 0)
            self._counted = reading, drawn_for, lines
        return self._counted[2]

    def copied(self) -> tuple[str, str]:
        """What a copy takes, as (what it is, its text): the cursor's row, else the whole pane."""
        width, height = self.size
        space = self._space(self.face.SIGNAL, max(COPY_WIDTH, width - 4), max(1, height - 2))
        drawn, _ = self._picture(space)
        if self._key is not None and drawn.rows and self._index < len(drawn.rows.keys):
            return "row", as_text((drawn.rows.draw(self._index),)).strip()
        inside = replace(space, width=max(0, width - 4))
        drawn, _ = self._picture(inside)
        rows = [drawn.rows.draw(n) for n in range(len(drawn.rows.keys))] if drawn.rows else []
        title = f"{self.face.TITLE} ({as_text((faces.provenance(self.reading, space),))})"
        return "pane", f"{title}\n{as_text((*drawn.head, *rows, *drawn.foot))}".rstrip()

    def _settle(self, drawn: Panel, height: int) -> None:
        """Keep the cursor on its row's key wherever that has moved to, and the cursor in sight."""
        rows = drawn.rows
        keys = rows.keys if rows else ()
        seen = sight(drawn, height)
        if rows is None or not keys:
            self._top = 0
            return
        if self._key is None and self.large:
            self._index = self._stop(rows, 0, 1)
            self._key = keys[self._index]
        if self._key is not None and (self.large or self.has_focus):  # else the worst are in sight
            self._index = min(self._index, len(keys) - 1)
            if keys[self._index] != self._key:
                self._index = next((n for n, key in enumerate(keys) if key == self._key), self._index)
                self._index = self._stop(rows, self._index, 1)
                self._key = keys[self._index]
            self._top = min(max(self._top, self._index - max(0, seen - 1)), self._index)
            if self._index == self._stop(rows, 0, 1) and self._index < seen:
                self._top = 0  # with the headings above the first row
        self._top = max(0, min(self._top, len(keys) - seen))

    @staticmethod
    def _stop(rows: Listing, index: int, by: int) -> int:
        """The nearest row from there on where the cursor stops; behind it where there is none ahead."""
        many, index = len(rows.keys), max(0, min(len(rows.keys) - 1, index))
        ahead = range(index, many) if by > 0 else range(index, -1, -1)
        behind = range(index, -1, -1) if by > 0 else range(index, many)
        return next((n for way in (ahead, behind) for n in way if rows.has_cursor(n)), index)

    def _drawn(self) -> tuple[Panel, int]:
        width, height = self.size
        space = self._space(self.face.SIGNAL, max(0, width - 4), max(0, height - 2))
        return self._picture(space)[0], height

    def _picture(self, space: RenderContext) -> tuple[Panel, str]:
        """The panel with the rows as they are wished for, and what the frame says of that."""
        return arranged(faces.picture(self.face, self.reading, space, self.large), self._wish)

    def action_row(self, by: int) -> None:
        rows = self._drawn()[0].rows
        if rows is None or not rows.keys:
            return
        index = (self._index + by) if self._key is not None else (0 if by > 0 else len(rows.keys) - 1)
        if self._key is None and abs(by) > 1:
            index = by
        self._point(rows, self._stop(rows, index, by))

    def _point(self, rows: Listing, index: int) -> None:
        self._index, self._key = index, rows.keys[index]
        self.paint()

    def enter_rows(self) -> None:
        """Take the focus, with the cursor on a row: where it was, else on the first."""
        self.focus()
        if self._key is None and self.size.height >= FRAMED:
            self.action_row(1)

    def action_page(self, by: int) -> None:
        self.action_row(by * max(1, sight(*self._drawn()) - 1))

    # --- what a row is asked for ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "wish" and parameters == ("log",):
            return self.subject is not None and "pod" in self.subject.arguments
        if action == "wish":
            return self.subject is not None
        if action == "filter":
            return self._rows is not None or bool(self._wish.words)
        if action == "sort":
            return self.large and self._rows is not None and bool(self._rows.columns)
        return super().check_action(action, parameters)

    def action_wish(self, what: str) -> None:
        """Ask for the row's actions, its page or its log; what the row stands for is taken now."""
        subject = self.subject
        if subject is not None:
            self.wanted(self, what, subject)

    def action_filter(self) -> None:
        self.wanted(self, "filter", None)

    def action_sort(self, by: int) -> None:
        columns = len(self._rows.columns) if self._rows is not None else 0
        self._wish, self._key, self._index, self._top = self._wish.turned(by, columns), None, 0, 0
        self.paint()

    @property
    def filter(self) -> str:
        """The words that the rows shown must have."""
        return self._wish.words

    def narrow(self, words: str) -> None:
        """Show only rows with these words; the cursor goes to the first of them."""
        self._wish = replace(self._wish, words=words.strip())
        rows = self._drawn()[0].rows
        if words and rows is not None and self._key not in rows.keys:
            self._index = self._stop(rows, 0, 1) if rows.keys else 0
            self._key = rows.keys[self._index] if rows.keys else None
        self.paint()

    def lists(self, subject: Subject) -> bool:
        """Whether a row, seen or not, still stands for this."""
        drawn = faces.picture(self.face, self.reading, self._space(self.face.SIGNAL, 80, 24), self.large).rows
        return drawn is not None and any(
            found is not None and (found.kind, found.id) == (subject.kind, subject.id)
            for found in map(drawn.subject, range(len(drawn.keys)))
        )

    @property
    def cursor_at(self) -> tuple[int, int]:
        """Where on the screen the row under the cursor begins."""
        return self.region.x, self.region.y + 1 + self._head + self._index - self._top

    def on_mouse_down(self) -> None:
        self._had_focus = self.has_focus  # before the click gives it

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the row; a click on the row that it is on opens the row's page."""
        rows, index = self._rows, event.y - 1 - self._head + self._top
        if rows is None or not (0 < event.y - self._head <= self.size.height - 2) or not 0 <= index < len(rows.keys):
            return
        if not rows.has_cursor(index):
            return
        if self._had_focus and self._key == rows.keys[index]:
            self.action_wish("page")
        else:
            self._point(rows, index)

    def _scroll(self, by: int) -> None:
        drawn, height = self._drawn()
        rows, seen = drawn.rows, sight(drawn, height)
        self._top = max(0, min(self._top + by, (len(rows.keys) if rows else 0) - seen))
        if self._key is not None and rows and rows.keys:
            index = max(self._top, min(self._index, self._top + max(0, seen - 1)))
            self._index = self._stop(rows, index, by)
            self._key = rows.keys[self._index]
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
        if not has_focus and not self.large:
            self._top = 0
        self.paint()
