"""The command palette: fuzzy search over every command; an unavailable one says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input

from .. import paths
from ..widgets.canvas import LineCanvas
from ..widgets.fuzzy import best_first
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, cells, column, cut, fit, plain, wrapped
from .dialog import Dialog, DialogMessage

PAGE = 8  # rows
MOVES = {"down": 1, "up": -1, "pagedown": PAGE, "pageup": -PAGE}
NAME = 20  # cells of a stable name
NOTHING = "nothing fits: type a verb (disable, restart, undo, scenario), a name that is on screen, or help for the keys"


@dataclass(frozen=True, kw_only=True)
class PaletteCommand:
    """A line of the palette. `name` is stable ("provider.disable"); `words` are found but not shown.

    `weight` orders what fits equally well, and everything while nothing is typed. `why_not`: why it can't be done.
    `binding` is the id of the binding that does the same: its key follows the title. `targets` are the names of what it
    is done to: no other spelling finds them. `asks`: what it is done to is asked for, so that it fits words that
    nothing here knows.
    """

    name: str
    title: str
    run: Callable[[], object]
    words: tuple[str, ...] = ()
    detail: str = ""
    weight: float = 0.0
    why_not: str = ""
    asks: bool = False
    binding: str = ""
    targets: tuple[str, ...] = ()


def ranked(typed: str, commands: Sequence[PaletteCommand]) -> list[PaletteCommand]:
    """The commands that fit, best first; what can't be done comes after what can and fits as well.

    Where nothing fits all the words, the last ones are left out for those commands that ask what they are done to:
    the words may be a target that no reading tells of. Another target than the one that was typed is never found.
    """
    words = typed.split()
    palette_commands = best_first(typed, commands)
    asking = [command for command in commands if command.asks]
    while not palette_commands and len(words) > 1:
        words.pop()
        palette_commands = best_first(" ".join(words), asking)
    return palette_commands


class Palette(Dialog[PaletteCommand | None]):
    """Returns the command that was taken."""

    CSS_PATH = paths.STYLES / "palette.tcss"
    AUTO_FOCUS = "#search"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p", "cancel", "Close", id="palette.close", tooltip="Close the palette", priority=True),
        Binding("down", "move(1)", "Down", id="palette.down", tooltip="Next command"),
        Binding("up", "move(-1)", "Up", id="palette.up", tooltip="Previous command"),
        Binding("pagedown", f"move({PAGE})", "Page down", id="palette.pagedown", tooltip="A page down"),
        Binding("pageup", f"move(-{PAGE})", "Page up", id="palette.pageup", tooltip="A page up"),
    ]

    def __init__(self, commands: Sequence[PaletteCommand]) -> None:
        super().__init__()
        self._commands = tuple(commands)
        self.found = ranked("", self._commands)
        self._typed = ""  # what `found` fits
        self._at = self._top = 0
        self._seen: tuple[str, int] | None = None  # the state that is on screen
        self._entered: tuple[str, int] | None = None  # the state that was taken before it was
        self._said = DialogMessage()

    def compose(self) -> ComposeResult:
        with Container(id="palette"):
            search = MaskedInput(id="search", compact=True, placeholder="what to do: kill query, restart, 5sim ...")
            search.cursor_blink = False
            yield search
            yield LineCanvas(id="found")
            yield LineCanvas(id="about")

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._search()

    def _search(self) -> None:
        """Find what fits the line as it is now."""
        typed = self.query_one("#search", Input).value
        if typed != self._typed:
            self._typed, self.found = typed, ranked(typed, self._commands)
            self._at = self._top = 0
            self._said.unsay()
            self._entered = None
            self.paint()

    def on_key(self, event: events.Key) -> None:
        """The rows' keys, in the order in which all keys were pressed: bindings are looked up only later."""
        if event.key in MOVES:
            event.stop()
            self.action_move(MOVES[event.key])

    def on_masked_input_entered(self, event: MaskedInput.Entered) -> None:
        """Take the row under the cursor as soon as it is on screen; not if it is another one by then."""
        event.stop()
        self._search()
        if event.value != self._typed:
            self.say("something was typed after enter: press it once more")
        elif self._seen == self._state:
            self._take()
        elif self._entered is None:
            self._entered = self._state
            self.paint()

    @property
    def _state(self) -> tuple[str, int]:
        return (self._typed, self._at)

    def _stands(self, state: tuple[str, int]) -> None:
        """It has been drawn."""
        self._seen = state
        if self._entered is not None and self._entered == state == self._state:
            self._take()

    def _take(self) -> None:
        self._entered = None
        if not self.found:
            return
        command = self.found[self._at]
        if command.why_not:
            self.say(f"not now: {command.why_not}")
        else:
            self.dismiss(command)

    def say(self, text: str) -> None:
        self._said.say(text)
        self.paint()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self.query_one("#found") and event.y < len(self.found) - self._top:
            self._at = self._top + event.y
            self._entered = None
            self.paint()

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self.found) - 1, self._at + by))
        self._said.unsay()
        self._entered = None
        self.paint()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        canvas = self.query_one("#found", LineCanvas)
        width, height = canvas.size
        self._top = max(min(self._top, self._at), self._at - height + 1, 0)
        rows = self.found[self._top : self._top + height]
        drawn = [self._row(command, self._top + n == self._at, width) for n, command in enumerate(rows)]
        nothing = tuple(((f"  {line}", "muted"),) for line in wrapped(NOTHING, max(10, width - 2), 3))
        canvas.show_lines(tuple(drawn) or nothing)
        about = self.query_one("#about", LineCanvas)
        about.show_lines(tuple(self._about(about.size.width)))
        self.call_after_refresh(self._stands, self._state)

    def _row(self, command: PaletteCommand, here: bool, width: int) -> Line:
        name = column(command.name, min(NAME, width // 3))
        room = max(0, width - cells(name) - 3)
        title = plain(command.title, 200)
        if here:
            mark = ">○" if command.why_not else "> "
            return fit(((mark, "cursor"), (column(title, room), "cursor"), (f" {name}", "cursor")), width)
        ink = "faint" if command.why_not else "text"
        mark = "○ " if command.why_not else "  "
        return fit(
            ((mark, "faint"), (column(title, room), ink), (f" {name}", "faint" if command.why_not else "muted")), width
        )

    def _about(self, width: int) -> list[Line]:
        if self._said.text:
            return [((line, "warn"),) for line in wrapped(self._said.text, width, 2)]
        if not self.found:
            return [()]
        command = self.found[self._at]
        if command.why_not:
            return [((line, "doubt"),) for line in wrapped(f"not now: {command.why_not}", width, 2)]
        return [((cut(plain(command.detail), width), "muted"),)]
