"""The break-glass sheet on screen, as it was when opened: no command changes under the cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, plain, plain_command
from .page import PageScreen

if TYPE_CHECKING:
    from ..break_glass.sheet import SheetRow

INKS = {"title": "strong", "head": "note", "alarm": "warn", "does": "muted", "command": "strong"}
FAR = 1_000_000


class SheetScreen(PageScreen[None]):
    """`take` makes the sheet; `kept` is where it lies on disk, "" for nowhere."""

    CSS_PATH = paths.STYLES / "sheet.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the break-glass sheet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="sheet.close", tooltip="Close the sheet"),
        Binding("B", "close", "Back", id="sheet.show", tooltip="Close the sheet", show=False),
        Binding("down,j", "move(1)", "Down", id="sheet.down", tooltip="Next line", show=False),
        Binding("up,k", "move(-1)", "Up", id="sheet.up", tooltip="Previous line", show=False),
        Binding("pagedown,space", "page(1)", "Page down", id="sheet.pagedown", tooltip="A page on", show=False),
        Binding("pageup", "page(-1)", "Page up", id="sheet.pageup", tooltip="A page back", show=False),
        Binding("home,g", f"move(-{FAR})", "First", id="sheet.first", tooltip="Go to the top", show=False),
        Binding("end,G", f"move({FAR})", "Last", id="sheet.last", tooltip="Go to the end", show=False),
        Binding("tab,n", "command(1)", "Next", id="sheet.next", tooltip="Go to the next command"),
        Binding(
            "shift+tab,N",
            "command(-1)",
            "Command before",
            id="sheet.previous",
            tooltip="Go to the command before",
            show=False,
        ),
        Binding("c", "copy", "Copy", id="sheet.copy", tooltip="Copy the command under the cursor, else the whole"),
        Binding("C", "copy_all", "Copy all", id="sheet.copy_all", tooltip="Copy the whole sheet"),
        Binding("r", "retake", "Take anew", id="sheet.retake", tooltip="Take the sheet anew from what is known now"),
    ]

    def __init__(self, take: Callable[[], tuple[SheetRow, ...]], kept: str) -> None:
        super().__init__()
        self._take, self._file = take, kept
        self._rows = take()
        self._at = self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="glass"):
            yield LineCanvas(id="glass-rows")
            yield LineCanvas(id="glass-keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    @property
    def command(self) -> str:
        """The whole command under the cursor; "" where there is none."""
        return self._rows[self._at].command

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self._rows) - 1, self._at + by))
        self._notice = ""
        self.paint()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.query_one("#glass-rows", LineCanvas).size.height - 4))

    def action_command(self, by: int) -> None:
        """The first line of what the next command does, or the command before."""
        firsts = [n for n, row in enumerate(self._rows) if row.kind == "does" and self._begins(n)]
        if by > 0:
            to = next((n for n in firsts if n > self._at), self._at)
        else:
            to = next((n for n in reversed(firsts) if n < self._at), self._at)
        self.action_move(to - self._at)

    def _begins(self, n: int) -> bool:
        return n == 0 or self._rows[n - 1].command != self._rows[n].command

    def action_copy(self) -> None:
        if not self.command:
            self.action_copy_all()
            return
        self.app.copy_to_clipboard(self.command)
        self.say("copied this command to the terminal's clipboard: read it before you press Enter")

    def action_copy_all(self) -> None:
        self.app.copy_to_clipboard("".join(f"{row.whole}\n" for row in self._rows))
        self.say("copied the whole sheet to the terminal's clipboard")

    def action_retake(self) -> None:
        self._rows = self._take()
        self.action_move(0)
        self.say("taken anew")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#glass-rows", LineCanvas)
        width, height = shown.size
        picture = Panel("calm", (), Listing([str(n) for n in range(len(self._rows))], self._row))
        seen = sight(picture, height)
        self._top = max(min(self._top, self._at), self._at - seen + 1, 0)
        if self.command:  # the whole command is seen, not its first line alone
            last = max(n for n in range(self._at, len(self._rows)) if self._rows[n].command == self.command)
            self._top = min(self._at, max(self._top, min(last, self._at + seen - 1) - seen + 1))
        aside: Line = ((f"kept in {plain(self._file, 200)}", "muted"),) if self._file and width > 100 else ()
        frame = PanelFrame("Break-glass sheet", aside, True, self._top, self._at)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#glass-keys", LineCanvas).show_lines((self.foot(width),))

    def _row(self, n: int) -> Line:
        row = self._rows[n]
        return ((plain_command(row.whole) if row.command else plain(row.whole), INKS.get(row.kind, "text")),)
