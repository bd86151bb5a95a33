"""A full-screen page over the console, with its own keys and the console's keys that apply."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType

from ..catalogue import Subject
from ..widgets.banner import key_line
from ..widgets.key_map import UNBOUND
from ..widgets.spans import Line, cut, fit, plain
from .dialog import Dialog

Result = TypeVar("Result")
NOTICE_S = 6.0
FILTER = 24  # cells of the filter's words in the frame


class PageScreen(Dialog[Result]):
    """`paint` draws it; its last line is `foot(width)`, with the keys that work here as the bindings name them.

    What does the same as an application's binding has its id, so that a changed key is changed here too.
    """

    PLACE: ClassVar[str] = "here"  # as the list of keys names it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "app.help", "keys", id="app.keys", tooltip="Show what the keys do here"),
        Binding("n", "app.note", "note", id="journal.note", tooltip="Write a one-line note in the journal"),
        Binding("e", "app.export", "report", id="report.export", tooltip="Write the incident's report into files"),
        Binding("y", "app.status_line", "status line", id="report.line", tooltip="Copy the state in one line"),
        Binding("ctrl+p", "app.command_palette", "commands", id="app.palette", tooltip="Every command by name"),
        Binding("J", "turn('journal')", "journal", id="journal.show", tooltip="To the journal", show=False),
        Binding("i", "turn('incident')", "incident", id="incident.show", tooltip="To the incident", show=False),
        Binding("l", "turn('logs')", "logs", id="logs.show", tooltip="To the pods' logs", show=False),
        Binding("w", "turn('why')", "why", id="why.show", tooltip="To the list of reasons", show=False),
        Binding("C", "turn('changes')", "changes", id="changes.show", tooltip="To what changed", show=False),
        Binding("B", "turn('sheet')", "sheet", id="sheet.show", tooltip="To the break-glass sheet", show=False),
        Binding("t", "app.next_theme", "theme", id="app.theme", tooltip="Take the next theme", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._notice = ""
        self.filter = ""  # words that the rows of a list must have
        self.shows: Subject | None = None  # what the whole page is of; None where it lists several

    def narrow(self, words: str) -> None:
        """Show only rows with these words."""
        self.filter = words.strip()
        self.paint()

    def filtered(self, text: str) -> bool:
        """Whether a row with this text is shown."""
        return all(word in text.casefold() for word in self.filter.casefold().split())

    def filter_words(self, shown: int, of: int) -> str:
        """What the frame says of the filter; "" while there is none."""
        return f"  {shown} of {of}, filter: {cut(plain(self.filter), FILTER)}" if self.filter else ""

    def lists(self, subject: Subject) -> bool:
        """Whether there is still a row for this; entries and pages stay."""
        return True

    @property
    def cursor_at(self) -> tuple[int, int]:
        """Where on the screen the row under the cursor begins."""
        return 0, 0

    def paint(self) -> None:
        """Redraw."""
        raise NotImplementedError

    def say(self, text: str, seconds: float = NOTICE_S) -> None:
        """A sentence in the last line for a moment."""
        self._notice = text
        self.paint()
        self.set_timer(seconds, lambda: self._unsay(text))

    def _unsay(self, text: str) -> None:
        if self._notice == text and self.is_mounted:
            self._notice = ""
            self.paint()

    def foot(self, width: int) -> Line:
        """The notice, or the keys: the way back first, then this page's own, then what works everywhere."""
        if self._notice:
            return fit(((f" {plain(self._notice)}", "note"),), width)
        shown: dict[str, tuple[str, str]] = {}  # by action: its key, and the word for it
        for key, active in self.active_bindings.items():
            binding = active.binding
            if key == UNBOUND:
                continue
            if binding.id and binding.show and active.enabled and (binding.action not in shown or key == "escape"):
                shown[binding.action] = (key, binding.description.lower())
        order = sorted(shown, key=lambda action: (action != "close", action.startswith("app.")))
        return key_line([shown[action] for action in order], width)

    def action_close(self) -> None:
        """All rows again, or back to where this page was opened."""
        if self.filter:
            self.narrow("")
        else:
            self.dismiss(None)

    def action_turn(self, to: str) -> None:
        """Close this page and open that one."""
        self.dismiss(None)
        self.app.call_later(getattr(self.app, f"action_{to}"))
