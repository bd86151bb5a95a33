"""The menu over a row: what can be done to what the row stands for, each by one letter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..catalogue import Subject
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, cells, plain, wrapped
from .dialog import Dialog, DialogMessage
from .palette import PaletteCommand

WIDEST = 96  # cells
LOOK_S = 0.5  # how often it is looked whether the row is still there
ABOUT = 2  # lines below the actions
GONE = "no longer listed: what you choose is still asked of it alone"


@dataclass(frozen=True, kw_only=True)
class MenuLine:
    """One line; `letter` begins it, "" where none was left."""

    letter: str
    command: PaletteCommand


class RowMenu(Dialog[PaletteCommand | None]):
    """Returns what was chosen. Its lines, their letters and the subject stay what they were when it was opened.

    `listed` says whether the subject still has a row; `because`, why nothing can be done here; `row`: where it is.
    """

    CSS_PATH = paths.STYLES / "row_menu.tcss"
    AUTO_FOCUS = ""
    PLACE: ClassVar[str] = "in the menu of a row"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "Close", id="verbs.close", tooltip="Close the menu"),
        Binding("down,j", "move(1)", "Down", id="verbs.down", tooltip="Next line"),
        Binding("up,k", "move(-1)", "Up", id="verbs.up", tooltip="Previous line"),
    ]

    def __init__(
        self,
        subject: Subject,
        lines: Sequence[MenuLine],
        listed: Callable[[], bool],
        *,
        because: str = "",
        row: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.subject, self.choices = subject, tuple(lines)
        self._listed, self._because, self._row = listed, because, row
        self._gone = False
        self._at = self._top = 0
        self._room = (0, 0)  # cells of the menu
        self._seen: int | None = None  # the line under the cursor by what is on screen
        self._said = DialogMessage()

    def compose(self) -> ComposeResult:
        with Container(id="row-menu"):
            yield LineCanvas(id="verbs")

    def on_mount(self) -> None:
        self.set_interval(LOOK_S, self._look)
        self.call_after_refresh(self._place)

    def on_resize(self) -> None:
        self.call_after_refresh(self._place)

    def _place(self) -> None:
        """Below the row, or above it where there is no room below."""
        if not self.query("#row-menu"):  # closed by now
            return
        menu, (width, height) = self.query_one("#row-menu"), self.app.size
        widest = max((cells(plain(line.command.title, 200)) + 10 for line in self.choices), default=0)
        wide = min(width, WIDEST, max(56, widest, cells(plain(self.subject.title, 120)) + 12))
        high = min(height, len(self.choices) + ABOUT + 2)
        x, y = self._row
        below = y + 1 + high <= height
        menu.styles.width, menu.styles.height = self._room = wide, high
        menu.styles.offset = (max(0, min(x + 3, width - wide)), y + 1 if below else max(0, y - high))
        self.call_after_refresh(self.paint)

    def _look(self) -> None:
        if self._gone is self._listed():
            self._gone = not self._gone
            self.paint()

    # --- keys -------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Letters and Enter, in their order; those pressed before the menu was on screen are discarded."""
        if event.key in ("escape", "ctrl+c", "question_mark"):
            return
        by = {"down": 1, "j": 1, "up": -1, "k": -1}.get(event.key)
        if by is None and event.key == "q":
            return
        event.stop()
        event.prevent_default()
        if self._seen is None:
            return
        if by is not None:
            self.action_move(by)
        elif event.key == "enter":
            if self._seen == self._at:
                self._take(self._at)
        elif (at := next((n for n, line in enumerate(self.choices) if line.letter == event.key), None)) is not None:
            self._take(at)

    def _take(self, at: int) -> None:
        if not self.choices:
            return
        self._at = at
        command = self.choices[at].command
        if command.why_not:
            self.say(f"not now: {command.why_not}")
        else:
            self.dismiss(command)

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self.choices) - 1, self._at + by))
        self._said.unsay()
        self.paint()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        """A click on a line takes it; one beside the menu closes it."""
        menu = self.query_one("#row-menu")
        if not menu.region.contains(event.screen_x, event.screen_y):
            self.dismiss(None)
            return
        at = event.screen_y - menu.region.y - 1 + self._top
        if self._seen is not None and menu.region.y < event.screen_y and 0 <= at < len(self.choices):
            self._take(at)

    def say(self, text: str) -> None:
        self._said.say(text)
        self.paint()

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas) or self._room == (0, 0):  # closed by now, or not placed yet
            return
        canvas = self.query_one("#verbs", LineCanvas)
        width, height = self._room
        foot = self._about(max(1, width - 4))
        rows = Listing([str(n) for n in range(len(self.choices))], lambda n: self._line(self.choices[n]))
        picture = Panel("calm", (), rows if self.choices else None, foot)
        seen = sight(picture, height)
        self._top = max(min(self._top, self._at), self._at - max(1, seen) + 1, 0)
        frame = PanelFrame(plain(self.subject.title, 120), (), True, self._top, self._at if self.choices else None)
        canvas.show_lines(framed(picture, frame, width, height))
        self.call_after_refresh(self._stands, self._at)

    def _stands(self, at: int) -> None:
        """It has been drawn."""
        self._seen = at

    @staticmethod
    def _line(line: MenuLine) -> Line:
        command = line.command
        ink = "faint" if command.why_not else "text"
        mark = "○ " if command.why_not else "  "
        return (
            (f"{line.letter or ' '} ", "faint" if command.why_not else "key"),
            (mark, "faint"),
            (plain(command.title, 200), ink),
        )

    def _about(self, width: int) -> tuple[Line, ...]:
        """What there is to say, on as many lines as there always are."""
        if self._said.text:
            said, ink = self._said.text, "warn"
        elif self._gone:
            said, ink = GONE, "warn"
        elif self._because:
            said, ink = self._because, "doubt"
        elif self.choices:
            command = self.choices[self._at].command
            said, ink = (f"not now: {command.why_not}", "doubt") if command.why_not else (command.detail, "muted")
        else:
            said, ink = "nothing can be done to it here", "muted"
        lines: list[Line] = [((line, ink),) for line in wrapped(said, width, ABOUT)]
        return tuple([*lines, *[()] * (ABOUT - len(lines))])
