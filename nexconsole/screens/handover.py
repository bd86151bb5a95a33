"""The handover page on screen, as it was when opened or taken anew; customer data is masked in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..report.handover import as_markdown, as_text, heading
from ..text.units import clock
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, plain
from .dialog import along
from .page import PageScreen

if TYPE_CHECKING:
    from ..report.handover import HandoverPage

FRAME = 4  # cells at the sides
FAR = 1_000  # lines: the whole page, which is scrolled
LONGEST = 500


class HandoverScreen(PageScreen[None]):
    """`take` makes the page; `store` writes it into files and says where, or why not."""

    CSS_PATH = paths.STYLES / "sheet.tcss"
    AUTO_FOCUS = ""
    PLACE = "on the handover page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,h", "close", "Back", id="handover.close", tooltip="Back to where you were"),
        Binding("c", "copy", "Copy", id="handover.copy", tooltip="Copy the page as text, of 60 lines at the most"),
        Binding("m", "copy_markdown", "Markdown", id="handover.markdown", tooltip="Copy the page as Markdown"),
        Binding("f", "file", "File", id="handover.file", tooltip="Write the page into files, as text and Markdown"),
        Binding("r", "retake", "Take anew", id="handover.retake", tooltip="Make the page anew from what is known now"),
        *along("handover"),
    ]

    def __init__(self, take: Callable[[], HandoverPage], store: Callable[[HandoverPage], Awaitable[str]]) -> None:
        super().__init__()
        self._take, self._store = take, store
        self._page = take()
        self._at = self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="glass"):
            yield LineCanvas(id="glass-rows")
            yield LineCanvas(id="glass-keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self._at += by
        self._notice = ""
        self.paint()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(as_text(self._page))
        self.say("copied the page to the terminal's clipboard, as text; customers are masked in it")

    def action_copy_markdown(self) -> None:
        self.app.copy_to_clipboard(as_markdown(self._page))
        self.say("copied the page to the terminal's clipboard, as Markdown; customers are masked in it")

    def action_file(self) -> None:
        self.app.run_worker(self._file(), group="export", exclusive=True)

    async def _file(self) -> None:
        self.say(await self._store(self._page), 12.0)

    def action_retake(self) -> None:
        self._page = self._take()
        self._at = 0
        self.say("made anew")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#glass-rows", LineCanvas)
        width, height = shown.size
        rows = as_text(self._page, max(20, width - FRAME), FAR).splitlines()[1:]  # its heading is the frame's
        titles = {section.title.upper() for section in self._page.sections}
        self._at = max(0, min(len(rows) - 1, self._at))
        picture = Panel("calm", (), Listing([str(n) for n in range(len(rows))], lambda n: _row(rows[n], titles)))
        seen = sight(picture, height)
        self._top = max(min(self._top, self._at), self._at - seen + 1, 0)
        aside: Line = ((f"as of {clock(self._page.at)}Z", "muted"),)
        name = heading(self._page).partition(",")[0].capitalize().replace("inc-", "INC-")
        frame = PanelFrame(name, aside, True, self._top, self._at)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#glass-keys", LineCanvas).show_lines((self.foot(width),))


def _row(text: str, titles: set[str]) -> Line:
    return ((plain(text, LONGEST), "note" if text in titles else "text"),)
