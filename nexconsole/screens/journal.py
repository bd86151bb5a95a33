"""The live journal of all consoles; entries with an unknown result come first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..catalogue import Subject
from ..journal import Entry, EntryKind
from ..session.entry_subjects import entry_subject
from ..text.units import clock
from ..widgets.banner import key_of
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, column, fit, plain, wrapped
from .dialog import along, on_row
from .entry_text import words
from .page import PageScreen

if TYPE_CHECKING:
    from ..runbook.model import Runbook
    from ..session.operation import Operation
    from ..session.session import Session

INKS: Mapping[str, str] = {
    EntryKind.INTENT: "strong",
    EntryKind.NOTE: "note",
    EntryKind.SEVERITY: "warn",
    EntryKind.CAUSE: "strong",
    EntryKind.UNDO: "strong",
    EntryKind.BROKE_GLASS: "alarm",
}
KIND = 10  # cells
DETAIL = 7  # lines below the list for the entry under the cursor


class JournalScreen(PageScreen[str | None]):
    """Returns the id of an intent with an unknown result or verdict, for the operator to settle."""

    CSS_PATH = paths.STYLES / "journal.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the journal"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="journal.close", tooltip="Close the journal"),
        Binding("J", "close", "Back", id="journal.show", tooltip="Close the journal", show=False),
        *along("journal"),
        Binding("enter", "open", "Open", id="journal.open", tooltip="Open the entry: all that is on record of it"),
        *on_row("journal"),
        Binding("c", "copy", "Copy", id="journal.copy", tooltip="Copy the entry's command, or its words"),
        Binding("o", "tell", "Outcome", id="journal.tell", tooltip="Say what became of an action, or if it helped"),
    ]

    def __init__(
        self,
        session: Session,
        runbook: Runbook | None = None,
        open_page: Callable[[Subject], None] = lambda subject: None,
    ) -> None:
        super().__init__()
        self._open_page = open_page
        self._session, self._runbook = session, runbook
        self._at: str | None = None  # the entry under the cursor; None: the newest, whichever that is
        self._top = self._head = 0

    def compose(self) -> ComposeResult:
        with Container(id="journal"):
            yield LineCanvas(id="entries")
            yield LineCanvas(id="entry")
            yield LineCanvas(id="journal-keys")

    def on_mount(self) -> None:
        self.set_interval(0.25, self.paint)
        self._at = next(iter(self._session.lost), None)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    @property
    def _entries(self) -> Sequence[Entry]:
        """Those that the filter leaves."""
        entries = [entry for entry in self._session.incident_store.on_record if entry.kind != EntryKind.HEAD]
        if not self.filter:
            return entries
        return [entry for entry in entries if self.filtered(self._text(entry))]

    def _text(self, entry: Entry) -> str:
        return f"{plain(entry.writer, 40)} {plain(entry.kind, 8)} {self._words(entry)}"

    def _words(self, entry: Entry) -> str:
        """In words, behind the mark of what counts for nothing."""
        return self._session.incident_store.judge.marked(entry, words(entry, self._runbook))

    @property
    def _index(self) -> int:
        entries = self._entries
        if self._at is None:
            return len(entries) - 1
        return next((n for n, entry in enumerate(entries) if entry.id == self._at), len(entries) - 1)

    @property
    def entry(self) -> Entry | None:
        entries = self._entries
        return entries[self._index] if entries else None

    @property
    def subject(self) -> Subject | None:
        """What the entry under the cursor was about."""
        if (entry := self.entry) is None:
            return None
        return entry_subject(entry, words(entry, self._runbook), self._session.incident_store.on_record)

    @property
    def cursor_at(self) -> tuple[int, int]:
        return 0, 1 + self._head + self._index - self._top

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        entries = self._entries
        if entries:
            index = max(0, min(len(entries) - 1, self._index + by))
            self._at = None if index == len(entries) - 1 else entries[index].id
            self._notice = ""
            self.paint()

    def action_open(self) -> None:
        if (subject := self.subject) is not None:
            self._open_page(subject)

    def action_copy(self) -> None:
        if self.entry is None:
            return
        command = _plan(self.entry).get("command")
        self.app.copy_to_clipboard(str(command or words(self.entry, self._runbook)))
        self.say(f"copied its {'command' if command else 'words'} to the terminal's clipboard")

    def action_tell(self) -> None:
        if self.entry is not None and self.entry.id in self._session.lost:
            self.dismiss(self.entry.id)
        else:
            self.say("the entry under the cursor is no action that is UNKNOWN or without a verdict")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._session.lost) if action == "tell" else super().check_action(action, parameters)

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#entries", LineCanvas)
        width, height = shown.size
        entries, lost = self._entries, self._session.lost
        rows = Listing([entry.id for entry in entries], lambda n: self._row(entries[n], lost, width - 4))
        trouble = self._session.trouble
        head: tuple[Line, ...] = tuple(((line, "alarm"),) for line in wrapped(trouble, width - 4, 2)) if trouble else ()
        if lines := self._session.incident_store.lost:
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            head = (*head, ((f"{plain(lines[-1])}{more}: see `nexconsole journal verify`", "warn"),))
        if not self._session.incident_store.on_record:
            head = (*head, ((f"nothing is on record yet: {key_of('journal.note')} writes a note", "muted"),))
        picture = Panel("calm", head, rows if entries else None)
        self._head = len(head)
        seen, index = sight(picture, height), self._index
        self._top = max(min(self._top, index), index - seen + 1, 0)
        aside: Line = ((plain(self._session.journal.file, 200) if width > 100 else "", "muted"),)
        title = f"Journal{self.filter_words(len(entries), len(self._session.incident_store.on_record))}"
        frame = PanelFrame(title, aside, True, self._top, index if entries else None)
        shown.show_lines(framed(picture, frame, width, height))
        below = self.query_one("#entry", LineCanvas)
        below.show_lines(tuple(fit(line, width) for line in self._about(width - 2)))
        keys = self.query_one("#journal-keys", LineCanvas)
        keys.show_lines((self.foot(width),))

    def _about(self, width: int) -> list[Line]:
        """The selected entry in full, as far as there is room; what needs a check comes first."""
        if self.entry is None:
            return []
        lines: list[Line] = []
        if (lost := self._session.lost.get(self.entry.id)) is not None:
            text = f"UNKNOWN: its console ended before the outcome. Check whether {lost.watch}"
            if lost.outcome is not None:
                ended = f"its console ended while it watched what came of {lost.outcome.state}: {lost.outcome.answer}"
                text = f"{_mark(lost)}: {ended}. Check whether {lost.watch}"
            lines += [((f" {line}", "warn"),) for line in wrapped(text, width, 2)]
        lines += [((f" {line}", "text"),) for line in wrapped(self._words(self.entry), width, 3)]
        command = _plan(self.entry).get("command")
        if command:
            lines += [((f" {line}", "muted"),) for line in wrapped(str(command), width, 3)]
        return lines[:DETAIL]

    def _row(self, entry: Entry, lost: Mapping[str, Operation], width: int) -> Line:
        who = 10 if width < 90 else 18
        kind = _mark(lost[entry.id]) if entry.id in lost else plain(entry.kind, 8)
        ink = "warn" if entry.id in lost else INKS.get(entry.kind, "text")
        if entry.kind in (EntryKind.OUTCOME, EntryKind.VERDICT):
            part = entry.data.get(entry.kind)
            state = str(part.get("state")) if isinstance(part, dict) else ""
            ink = "text" if state in ("done", "worked") else "warn"
        if self._session.incident_store.judge.mark(entry):
            ink = "warn"
        writer = column(plain(entry.writer, 40), who)
        return (
            (f"{clock(entry.at)} {writer} ", "muted"),
            (f"{column(kind, KIND)} ", "muted" if ink == "text" else ink),
            (self._words(entry), ink),
        )


def _mark(lost: Operation) -> str:
    return "NO VERDICT" if lost.outcome is not None and lost.outcome.state == "done" else "UNKNOWN"


def _plan(entry: Entry) -> dict[str, object]:
    plan = entry.data.get("plan")
    return plan if isinstance(plan, dict) else {}
