"""All changes of the last hours, the newest first, each set against when it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..causes.change_wording import CHANGES, against_onset, change_id, onset_of, said
from ..model import State
from ..panes.subjects import change as change_subject
from ..text.units import clock, clock_minute, duration
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, column, plain, wrapped
from .dialog import along, on_row
from .page import PageScreen

if TYPE_CHECKING:
    from ..catalogue import Subject
    from ..signals.change import Change, ChangeLog
    from ..signals.onset import Onset
    from .console import ConsoleScreen

FRAME = 4  # cells at the sides
WIDE = 100  # cells from which a row has its source
KIND, AGAINST, SOURCE = 11, 26, 12  # cells


class ChangesScreen(PageScreen[None]):
    """Drawn anew once a second; the cursor stays on its change. A frozen picture has the changes of its moment."""

    CSS_PATH = paths.STYLES / "why.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the list of changes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="changes.close", tooltip="Back to where you were"),
        Binding("C", "close", "Back", id="changes.show", tooltip="Back to where you were", show=False),
        *along("changes"),
        Binding("enter", "open", "Open", id="changes.open", tooltip="Open the change: all that is known of it"),
        *on_row("changes"),
        Binding("c", "copy", "Copy", id="changes.copy", tooltip="Copy the list as text"),
    ]

    def __init__(self, console: ConsoleScreen, open_page: Callable[[Subject], None], at: str = "") -> None:
        """`at` is the id of the change under the cursor; "" for the newest."""
        super().__init__()
        self._panes, self._open_page = console, open_page
        self._chosen, self._top, self._head = at, 0, 0

    def compose(self) -> ComposeResult:
        with Container(id="reasons"):
            yield LineCanvas(id="reasons-lines")
            yield LineCanvas(id="reasons-keys")

    def on_mount(self) -> None:
        self.set_interval(1.0, self.paint)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    @property
    def _log(self) -> ChangeLog | None:
        return CHANGES.value(self._panes.pictured[0])

    @property
    def _onset(self) -> Onset | None:
        return onset_of(self._panes.explanation, self._panes.pictured[0])

    @property
    def _changes(self) -> tuple[Change, ...]:
        """Those that the filter leaves."""
        log = self._log
        changes = log.changes if log is not None else ()
        return tuple(each for each in changes if self.filtered(f"{each.kind} {each.subject} {said(each)} {each.who}"))

    def _index(self, changes: tuple[Change, ...]) -> int:
        return next((n for n, each in enumerate(changes) if change_id(each) == self._chosen), 0)

    @property
    def subject(self) -> Subject | None:
        changes = self._changes
        return change_subject(changes[self._index(changes)]) if changes else None

    @property
    def cursor_at(self) -> tuple[int, int]:
        return 0, 3 + self._head + self._index(self._changes) - self._top

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        if changes := self._changes:
            self._chosen = change_id(changes[max(0, min(len(changes) - 1, self._index(changes) + by))])
        self.paint()

    def action_open(self) -> None:
        if (subject := self.subject) is not None:
            self._open_page(subject)

    def action_copy(self) -> None:
        onset, width = self._onset, 160
        self.app.copy_to_clipboard(as_text([self._row(each, onset, width) for each in self._changes]) + "\n")
        self.say("copied the changes to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#reasons-lines", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        changes, onset, inside = self._changes, self._onset, width - FRAME
        rows = Listing([change_id(each) for each in changes], lambda n: self._row(changes[n], onset, inside))
        picture = Panel("calm", self._doubts(inside), rows if changes else None)
        seen, index = sight(picture, height), self._index(changes)
        self._head = len(picture.head)
        self._top = max(min(self._top, index), index - seen + 1, 0)
        log = self._log
        of = len(log.changes) if log is not None else 0
        began = f"it began at {clock_minute(onset.at)}" if onset is not None and onset.at is not None else ""
        title = f"What changed{self.filter_words(len(changes), of)}"
        frame = PanelFrame(title, ((began, "note"),), True, self._top, index if changes else None)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#reasons-keys", LineCanvas).show_lines((self.foot(width),))

    def _doubts(self, width: int) -> tuple[Line, ...]:
        """What was not read, or not lately, so that nobody takes an empty list for quiet."""
        reading, log = self._panes.pictured[0].get(CHANGES), self._log
        if log is None:
            why = (reading.error if reading is not None else None) or "nothing was read yet"
            return tuple(((line, "doubt"),) for line in wrapped(f"not known: {why}", width, 2))
        said_of: list[str] = []
        if reading is not None and reading.state(self._panes.now) is not State.FRESH:
            said_of.append(
                f"last read {duration(reading.age(self._panes.now))} ago: {reading.error or 'nothing newer'}"
            )
        said_of += log.notes
        if not log.changes:
            said_of.append("no change is known")
        return tuple(((line, "doubt"),) for sentence in said_of[:4] for line in wrapped(plain(sentence), width, 2))

    def _row(self, change: Change, onset: Onset | None, width: int) -> Line:
        words, ink = against_onset(change, onset, self._panes.now)
        words = words if width >= WIDE else words.partition(",")[0]
        by = f", {plain(change.who, 40)}" if change.who else ""
        source = f"{column(plain(change.source, 40), SOURCE)} " if width >= WIDE else ""
        return (
            (f"{clock(change.at)} ", "muted"),
            (f"{column(plain(change.kind), KIND)} ", "muted"),
            (f"{column(words, AGAINST if width >= WIDE else 14)} ", ink),
            (source, "muted"),
            (f"{plain(said(change))}{by}", "muted" if ink == "muted" else "text"),
        )
