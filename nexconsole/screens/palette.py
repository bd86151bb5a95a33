"""The palette: every command by fuzzy search, each with its stable name; what can't be done now says why."""

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
from ..widgets.cells import Line, cells, column, cut, fit, plain, wrapped
from ..widgets.field import Field
from ..widgets.fuzzy import score
from ..widgets.lines import Lines
from .dialog import Dialog

NAME = 20  # cells of a stable name


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line of the palette. `name` is stable ("provider.disable"); `words` are found but not shown.

    `weight` orders what fits equally well, and everything while nothing is typed. `why_not`: why it can't be done.
    """

    name: str
    title: str
    run: Callable[[], object]
    words: tuple[str, ...] = ()
    detail: str = ""
    weight: float = 0.0
    why_not: str = ""


def ranked(typed: str, commands: Sequence[Command]) -> list[Command]:
    """The commands that fit, best first; what can't be done comes after what can and fits as well.

    Where nothing fits all the words, the last ones are left out: they may be an argument that no reading tells of.
    """
    words = typed.split()
    while True:
        found = _fitting(" ".join(words), commands)
        if found or len(words) < 2:
            return found
        words.pop()


def _fitting(typed: str, commands: Sequence[Command]) -> list[Command]:
    scored = []
    for n, command in enumerate(commands):
        fits = score(typed, (command.title, command.name, *command.words)) if typed else 1.0
        if fits > 0:
            fits += 12 * command.weight - (15 if command.why_not else 0)
            scored.append((-fits, n, command))
    scored.sort(key=lambda one: one[:2])
    return [command for _, _, command in scored]


class Palette(Dialog[Command | None]):
    """Returns the command that was taken."""

    CSS_PATH = paths.STYLES / "palette.tcss"
    AUTO_FOCUS = "#search"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p", "cancel", "Close", id="palette.close", tooltip="Close the palette", priority=True),
        Binding("down", "move(1)", "Down", id="palette.down", tooltip="Next command", priority=True),
        Binding("up", "move(-1)", "Up", id="palette.up", tooltip="Previous command", priority=True),
        Binding("pagedown", "move(8)", "Page down", id="palette.pagedown", tooltip="A page down", priority=True),
        Binding("pageup", "move(-8)", "Page up", id="palette.pageup", tooltip="A page up", priority=True),
    ]

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self._commands = tuple(commands)
        self.found = ranked("", self._commands)
        self._at = self._top = 0
        self._said = ""

    def compose(self) -> ComposeResult:
        with Container(id="palette"):
            search = Field(id="search", compact=True, placeholder="what to do: kill query, restart, 5sim ...")
            search.cursor_blink = False
            yield search
            yield Lines(id="found")
            yield Lines(id="about")

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.found = ranked(event.value, self._commands)
        self._at = self._top = 0
        self._said = ""
        self.paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.found:
            return
        command = self.found[self._at]
        if command.why_not:
            self._said = f"not now: {command.why_not}"
            self.paint()
        else:
            self.dismiss(command)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self.query_one("#found") and event.y < len(self.found) - self._top:
            self._at = self._top + event.y
            self.paint()

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self.found) - 1, self._at + by))
        self._said = ""
        self.paint()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def paint(self) -> None:
        found = self.query_one("#found", Lines)
        width, height = found.size
        self._top = max(min(self._top, self._at), self._at - height + 1, 0)
        rows = self.found[self._top : self._top + height]
        drawn = [self._row(command, self._top + n == self._at, width) for n, command in enumerate(rows)]
        found.show_lines(tuple(drawn) if drawn else ((("  nothing fits", "muted"),),))
        about = self.query_one("#about", Lines)
        about.show_lines(tuple(self._about(about.size.width)))

    def _row(self, command: Command, here: bool, width: int) -> Line:
        name = column(command.name, min(NAME, width // 3))
        room = max(0, width - cells(name) - 3)
        title = plain(command.title, 200)
        if here:
            mark = ">○" if command.why_not else "> "
            return fit(((mark, "cursor"), (column(title, room), "cursor"), (f" {name}", "cursor")), width)
        ink = "faint" if command.why_not else "text"
        mark = "○ " if command.why_not else "  "
        return fit(((mark, "faint"), (column(title, room), ink), (f" {name}", "faint" if command.why_not else "muted")),
                   width)  # fmt: skip

    def _about(self, width: int) -> list[Line]:
        if self._said:
            return [((line, "warn"),) for line in wrapped(self._said, width, 2)]
        if not self.found:
            return [()]
        command = self.found[self._at]
        if command.why_not:
            return [((line, "doubt"),) for line in wrapped(f"not now: {command.why_not}", width, 2)]
        return [((cut(plain(command.detail), width), "muted"),)]
