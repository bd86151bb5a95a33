"""Lists the keys that work here and now, from the bindings; finds them by words, and does what the chosen one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input

from .. import paths
from ..panes.pane import Pane
from ..widgets.banner import key_line, key_name
from ..widgets.canvas import LineCanvas
from ..widgets.fuzzy import score
from ..widgets.key_map import UNBOUND
from ..widgets.masked_input import MaskedInput
from ..widgets.spans import Line, cells, column, cut, fit, plain
from .dialog import Dialog, DialogMessage

KEY, NARROW = 11, 60  # cells of the keys, and from how many on they have them
PAGE = 20  # lines
INCIDENT = ("scenario", "operation", "proposal", "journal", "incident", "report", "sheet")  # how ids begin
# What acts or records at once, on what is seen where it is pressed: it is pressed there.
AT_ONCE = ("proposal.", "step.go", "step.look", "step.skip", "step.reopen", "step.record")


@dataclass(frozen=True)
class KeyEntry:
    """What one or more keys do in a place. `why_not`: why not now."""

    place: str
    keys: tuple[str, ...]
    active: ActiveBinding
    why_not: str = ""
    subject: object = field(default=None, compare=False)  # what the row under the cursor stood for

    @property
    def does(self) -> str:
        return self.active.binding.tooltip

    @property
    def words(self) -> tuple[str, ...]:
        """What it is found by."""
        binding = self.active.binding
        return self.does, " ".join(self.keys), binding.description, binding.id or "", self.place

    @property
    def text(self) -> str:
        return " ".join(self.words).casefold()

    @property
    def at_once(self) -> bool:
        """Whether it would act or record without asking: then it is done where it is seen."""
        return (self.active.binding.id or "").startswith(AT_ONCE)


@dataclass(frozen=True)
class KeyHelpApp:
    """What the list asks of the application."""

    offered: Callable[[str], bool]  # whether an action would do anything now
    why_not: Callable[[str], str]  # why it would not, where that is worth saying; "": it is left out


class KeyHelp(Dialog[KeyEntry | None]):
    """The keys that work on the screen `below` now. Returns what is to be done on it."""

    CSS_PATH = paths.STYLES / "keys.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the list of keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "leave", "close", id="keys.close", tooltip="Close this list"),
        Binding("enter", "take", "does it", id="keys.take", tooltip="Do what the key under the cursor does"),
        Binding("slash", "search", "find", id="keys.search", tooltip="Only the keys whose words hold this"),
        Binding("down,j", "move(1)", "Down", id="keys.down", tooltip="The next key", show=False),
        Binding("up,k", "move(-1)", "Up", id="keys.up", tooltip="The key before", show=False),
        Binding("pagedown,space", f"move({PAGE})", "Page down", id="keys.pagedown", tooltip="A page on", show=False),
        Binding("pageup", f"move(-{PAGE})", "Page up", id="keys.pageup", tooltip="A page back", show=False),
        Binding("end,G", "move(1000)", "Last", id="keys.last", tooltip="Go to the end", show=False),
        Binding("home,g", "move(-1000)", "First", id="keys.first", tooltip="Go to the top", show=False),
    ]

    def __init__(self, below: Screen[Any], app: KeyHelpApp) -> None:
        super().__init__()
        self._all = tuple(entries(below, app))
        self.found = self._all
        self._at = self._top = 0
        self._said = DialogMessage()

    def compose(self) -> ComposeResult:
        with Container(id="sheet"):
            search = MaskedInput(id="key-search", compact=True, placeholder="find a key: undo, journal ...")
            search.cursor_blink, search.own_words = False, True
            search.display = False
            yield search
            yield LineCanvas(id="list")
            yield LineCanvas(id="list-foot")

    def on_mount(self) -> None:
        self.call_after_refresh(self._fit)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """As high as it needs to be, so that as much as possible of what is below stays in sight."""
        for sheet in self.query("#sheet"):
            sheet.styles.height = min(len(self.rows) + 3, self.app.size.height)
        self.call_after_refresh(self._paint)

    # --- keys -------------------------------------------------------------------------------------------------

    @property
    def _search(self) -> MaskedInput:
        return self.query_one("#key-search", MaskedInput)

    def action_leave(self) -> None:
        """Leave the search, then the list."""
        if self._search.display:
            self._search.value = ""
            self._search.display = False
            self.set_focus(None)
            self._find("")
        else:
            self.dismiss(None)

    def action_search(self) -> None:
        self._search.display = True
        self._search.focus()
        self._paint()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._find(event.value)

    def _find(self, typed: str) -> None:
        words = typed.casefold().split()
        literal = [entry for entry in self._all if all(word in entry.text for word in words)]
        guessed = [entry for entry in self._all if score(typed, entry.words, guessing=True)]
        self.found = tuple(literal or guessed)
        likely = [entry for entry in self.found if not entry.why_not] or self.found
        best = max(likely, key=lambda entry: score(typed, entry.words, guessing=True), default=None) if words else None
        self._at, self._top = (self.found.index(best) if best else 0), 0
        self._said.unsay()
        self.call_after_refresh(self._paint)

    def on_key(self, event: events.Key) -> None:
        moves = {"down": 1, "up": -1, "pagedown": PAGE, "pageup": -PAGE}
        if self._search.has_focus and event.key in moves:
            event.stop()
            self.action_move(moves[event.key])

    def on_masked_input_entered(self, event: MaskedInput.Entered) -> None:
        event.stop()
        self.action_take()

    def action_move(self, by: int) -> None:
        self._at = max(0, min(len(self.found) - 1, self._at + by))
        self._said.unsay()
        self._paint()

    def action_take(self) -> None:
        """Do it on the screen below, as soon as that is in front again."""
        entry = self.found[self._at] if self.found else None
        if entry is None:
            return
        if entry.why_not:
            self.say(f"not now: {entry.why_not}")
        elif entry.at_once:
            self.say(f"it acts at once: close this list, and press {entry.keys[0]} where you see on what")
        else:
            self.dismiss(entry)

    def say(self, text: str) -> None:
        self._said.say(text)
        self._paint()

    def on_click(self, event: events.Click) -> None:
        """A click goes to a line; one more does it."""
        shown = self.query_one("#list", LineCanvas)
        row = self._top + event.y
        if event.widget is not shown or row >= len(self.rows):
            return
        entry = self.rows[row]
        if isinstance(entry, KeyEntry):
            again, self._at = self.found[self._at] is entry, self.found.index(entry)
            if again:
                self.action_take()
            else:
                self._paint()

    # --- drawing ----------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[KeyEntry | str]:
        """The lines of the list: a heading for each place, and its entries."""
        rows: list[KeyEntry | str] = []
        place = ""
        for entry in self.found:
            if entry.place != place:
                rows += ["", entry.place] if place else [f"Keys {entry.place}"]
                place = entry.place
            rows.append(entry)
        return rows

    def _paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown, foot = self.query_one("#list", LineCanvas), self.query_one("#list-foot", LineCanvas)
        rows, (width, height) = self.rows, shown.size
        here = rows.index(self.found[self._at]) if self.found else 0
        first = here - 1 if here and isinstance(rows[here - 1], str) else here  # with its heading
        self._top = max(0, min(max(self._top, here - height + 1), first, max(0, len(rows) - height)))
        drawn = [
            self._line(row, self._top + n == here, width) for n, row in enumerate(rows[self._top : self._top + height])
        ]
        shown.show_lines(tuple(drawn) or ((("no key does that: the palette may know it", "muted"),),))
        foot.show_lines((self._foot(foot.size.width, height, len(rows)),))

    def _line(self, row: KeyEntry | str, here: bool, width: int) -> Line:
        if isinstance(row, str):
            return ((plain(row), "strong"),)
        keys = column(" ".join(row.keys), KEY if width >= NARROW else 8)
        why = f"  {row.why_not}" if row.why_not and width >= NARROW else ""  # where it has no room, Enter says it
        does = cut(row.does, max(8, width - cells(keys + why) - 3))
        if here:
            return fit(((f"> {keys} {does}{why}", "cursor"),), width)
        ink = "faint" if row.why_not else "text"
        return fit(((f"  {keys} ", "faint" if row.why_not else "key"), (does, ink), (why, "faint")), width)

    def _foot(self, width: int, height: int, many: int) -> Line:
        if self._said.text:
            return fit(((plain(self._said.text), "note"),), width)
        place = f"{self._top + 1}-{min(many, self._top + height)} of {many} " if many > height else ""
        back = "leaves the search" if self._search.display else "closes"
        keys = [("escape", back), ("enter", "does it"), *([] if self._search.display else [("slash", "finds")])]
        keys += [("down", "scrolls")] if place else []
        return fit((*key_line(keys, max(0, width - cells(place))), (place, "muted")), width)


def entries(below: Screen[Any], app: KeyHelpApp) -> Iterator[KeyEntry]:
    """What each key does now: first on the row or step, then in the pane or page, for the incident, and everywhere."""
    found: dict[tuple[int, str, str], tuple[list[str], ActiveBinding]] = {}
    for key, active in below.active_bindings.items():
        binding = active.binding
        if key == UNBOUND or not (binding.id and binding.tooltip and active.enabled):  # Textual's own have no id
            continue
        rank, place = _place(active, below)
        found.setdefault((rank, place, binding.tooltip), ([], active))[0].append(key_name(key))
    for (_, place, _), (keys, active) in sorted(
        found.items(), key=lambda item: (item[0][0], *_order(item[1][1].binding))
    ):
        action = active.binding.action.removeprefix("app.")
        works, subject = app.offered(action), getattr(active.node, "subject", None)
        if works or app.why_not(action):
            yield KeyEntry(place, tuple(keys), active, "" if works else app.why_not(action), subject)


def _order(binding: Binding) -> tuple[bool, bool]:
    """In its place: what does something, then what moves, and the many keys of one sort last."""
    return (binding.id or "").startswith("pane.") and binding.key.isdigit(), not binding.show


def _place(active: ActiveBinding, below: Screen[Any]) -> tuple[int, str]:
    """Where in the list, and under which heading."""
    node, binding = active.node, active.binding
    if node is not below.app and not binding.action.startswith(("app.", "turn(")):
        if isinstance(node, Pane):
            return 0, f"in the pane {node.face.TITLE}"
        return (1 if node is below else 0), getattr(node, "PLACE", "on this screen")
    if (binding.id or "").partition(".")[0] in INCIDENT:
        return 2, "for the incident"
    return (1, getattr(below, "PLACE", "")) if (binding.id or "").startswith("pane.") else (3, "everywhere")
