"""The live pod logs: filtered, held still, searched for errors, and a purchase followed through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer

from .. import paths
from ..sources.log_entry import LogEntry
from ..sources.log_filter import LogFilter, purchase_filter
from ..sources.log_view import LogView
from ..text.units import count
from ..widgets.banner import key_of
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed
from ..widgets.privacy import MASKER
from ..widgets.spans import Line, as_text, length, phrases
from . import pod_log_words as words
from .entry_scroll import EntryScroll
from .page import PageScreen
from .pod_log_rows import LogRows, harmless
from .prompt import Prompt

if TYPE_CHECKING:
    from ..sources.workload_runtime import WorkloadRuntime

EVERY_S = 0.25
AGAIN_S = 0.03  # where more is to be read than one turn may take
DRAWN_EVERY_S = 1.25  # what is new is drawn; many lines a second are many bytes on a slow link
TYPED_S = 0.15  # between the last key of a word and the lines with it
PAGE = 20  # lines
ALL = 1_000_000
SIDEWAYS = 0.5  # of the width, for one key
LEVELS = ("", "warn", "error")


class PodLogs(PageScreen[None]):
    """Shows the logs that the console already follows; nothing is read twice.

    `of`: only lines with these words, or of the provider with this name. `pod`: only those of the pod with this name.
    `providers`: all names of each provider, by the one that it is known by.
    """

    CSS_PATH = paths.STYLES / "journal.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the logs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="logs.close", tooltip="Leave what is followed, or close the logs"),
        Binding("l", "close", "Back", id="logs.show", tooltip="Close the logs", show=False),
        Binding("slash", "words", "Filter", id="logs.filter", tooltip="Only lines with these words; -word: without it"),
        Binding("v", "level", "Level", id="logs.level", tooltip="All lines, warnings and worse, or errors only"),
        Binding("p", "hold", "Pause", id="logs.hold", tooltip="Hold the lines still, or follow again"),
        Binding("left_square_bracket", "error(-1)", "Error", id="logs.error_up", tooltip="To the error above"),
        Binding("right_square_bracket", "error(1)", "", id="logs.error_down", tooltip="To the error below", show=False),
        Binding("enter,f", "follow", "Follow", id="logs.follow", tooltip="Follow the purchase of the line: all pods"),
        Binding("r", "provider", "Provider", id="logs.provider", tooltip="Only lines of one provider"),
        Binding("o", "pod", "Pod", id="logs.pod", tooltip="Only lines of one pod"),
        Binding("w", "wrap", "Wrap", id="logs.wrap", tooltip="Wrap long lines, or one row a line"),
        Binding("backspace", "remove", "", id="logs.remove", tooltip="Remove the filter that was set last", show=False),
        Binding("c", "copy", "Copy", id="logs.copy", tooltip="Copy the lines in sight"),
        Binding("C", "copy_line", "", id="logs.copy_line", tooltip="Copy the line under the cursor", show=False),
        Binding("tab", "next_pod(1)", "", id="logs.next_pod", tooltip="The next pod's lines, then all", show=False),
        Binding("shift+tab", "next_pod(-1)", "", id="logs.last_pod", tooltip="The pod before", show=False),
        Binding("right", "sideways(1)", "", id="logs.right", tooltip="What is off to the right", show=False),
        Binding("left", "sideways(-1)", "", id="logs.left", tooltip="Back to the left", show=False),
        Binding("down,j", "move(1)", "Down", id="logs.down", tooltip="A line on", show=False),
        Binding("up,k", "move(-1)", "Up", id="logs.up", tooltip="A line back", show=False),
        Binding("pagedown,space", "page(1)", "Page down", id="logs.pagedown", tooltip="A page on", show=False),
        Binding("pageup", "page(-1)", "Page up", id="logs.pageup", tooltip="A page back", show=False),
        Binding("end,G", f"move({ALL})", "Last", id="logs.last", tooltip="Follow again", show=False),
        Binding("home,g", f"move(-{ALL})", "First", id="logs.first", tooltip="Go to the oldest", show=False),
    ]

    def __init__(
        self,
        runtime: WorkloadRuntime,
        of: str = "",
        pod: str = "",
        providers: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
    ) -> None:
        super().__init__()
        self.logs = runtime.logs
        self._providers = providers
        known = of in (names := providers())
        wanted = LogFilter(provider=of if known else "", labels=names.get(of, ()), words="" if known else of, pod=pod)
        self.view = LogView(replace(wanted, cover=_cover()))
        self.rows = LogRows()
        self.place: EntryScroll[LogEntry] = EntryScroll(self.view.near)
        self._set_last = [name for name in ("provider", "words", "pod") if getattr(wanted, name)]
        self._more: Timer | None = None
        self._typing: Timer | None = None
        self._before: LogEntry | None = None  # under the cursor before a purchase was followed

    def compose(self) -> ComposeResult:
        with Container(id="journal"):
            yield LineCanvas(id="entries")
            yield LineCanvas(id="journal-keys")

    def on_mount(self) -> None:
        self.logs.asked.ask(self.view.filter.pod)
        self.set_interval(EVERY_S, self.read)
        self.set_interval(DRAWN_EVERY_S, self.paint)
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        self.logs.asked.ask("")

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def _begin(self) -> None:
        self.read()
        self.paint()

    def read(self) -> None:
        """Take what is new, and go on reading back what a new filter wants: a little in each turn."""
        if (cover := _cover()) is not self.view.filter.cover:  # the screen is shared from now on, or no longer
            self.view.choose(replace(self.view.filter, cover=cover))
        whole = self.view.take(self.logs.shown)
        if not (self.view.read_back() and whole) and self._more is None:
            self._more = self.set_timer(AGAIN_S, self._read_more)

    def _read_more(self) -> None:
        self._more = None
        self._begin()

    # --- moving -----------------------------------------------------------------------------------------------

    def _measured(self) -> tuple[int, int]:
        """The inside's width, and how many rows of entries there is room for."""
        width, height = self.query_one("#entries", LineCanvas).size
        self.rows.prepare(width - 4, (log.name for log in self.logs.shown.values()))
        room = height - 2 - len(words.head(self, width - 4))
        self.place.measure(self.view.kept, self.rows.height, room)
        return width - 4, room

    def _moved(self) -> None:
        if self.place.cursor is not None:
            self.view.hold()
        self.paint()

    def action_move(self, by: int) -> None:
        self._measured()
        if by >= len(self.view.kept):
            return self._follow_again()
        if by <= -len(self.view.kept):
            self.place.go(0)
        elif by > 0 and self.place.cursor is None:
            return
        elif not all([self.place.step(by) for _ in range(abs(by))]) and by > 0:
            return self._follow_again()
        self._moved()

    def action_page(self, by: int) -> None:
        self._measured()
        if by > 0 and (self.place.cursor is None or not self.place.page(by)):
            return self._follow_again()
        if by < 0:
            self.place.page(by)
        self._moved()

    def action_hold(self) -> None:
        self._measured()
        if self.place.cursor is not None:
            return self._follow_again()
        self.place.hold()
        self._moved()

    def _follow_again(self) -> None:
        self.place.follow()
        self.view.release()
        self._begin()

    def action_error(self, by: int) -> None:
        self._measured()
        if by > 0:
            index = self.view.error_after(self.place.index)
        else:
            here = self.place.index + (self.place.cursor is None)
            index = self.view.error_before(here)
        if index is None:
            place = "below" if by > 0 else f"above, in the {count(len(self.view.kept))} lines that are kept here"
            return self.say(f"no error {place}")
        self.place.go(index)
        self._moved()

    def action_wrap(self) -> None:
        self.rows.wrap, self.rows.left = not self.rows.wrap, 0
        left, right = key_of("logs.left", PodLogs), key_of("logs.right", PodLogs)
        self.say("long lines wrap" if self.rows.wrap else f"one row a line: {left} {right} move sideways")

    def action_sideways(self, by: int) -> None:
        room = self._measured()[1]
        top = self.place.sight[0]
        most = max(0, self.rows.widest(self.view.kept[top : top + room]) - self.rows.room() // 2)
        step = max(1, int(self.rows.room() * SIDEWAYS))
        self.rows.left = max(0, min(self.rows.left + by * step, most))
        self.paint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sideways":
            return not self.rows.wrap
        if action == "remove":
            return bool(self._set_last)
        return super().check_action(action, parameters)

    # --- filters ----------------------------------------------------------------------------------------------

    def choose(self, name: str, value: str) -> None:
        """Set one of the filters, or take it away with ""; the lines are read back from what is kept."""
        changed: dict[str, object] = {name: value}
        if name == "provider":
            changed["labels"] = self._providers().get(value, ())
        self.view.choose(replace(self.view.filter, **changed))  # type: ignore[arg-type]
        self._set_last = [other for other in self._set_last if other != name] + [name] * bool(value)
        if name == "pod":
            self.logs.asked.ask(value)
        self.refresh_bindings()
        self._begin()

    def action_level(self) -> None:
        self.choose("level", LEVELS[(LEVELS.index(self.view.filter.level) + 1) % len(LEVELS)])

    def action_remove(self) -> None:
        if self._set_last:
            self.choose(self._set_last[-1], "")

    def action_words(self) -> None:
        self.app.run_worker(self._ask_words(), group="dialogs")

    async def _ask_words(self) -> None:
        was = self.view.filter.words
        prompt = Prompt(
            "only lines with all of these words; -word: without it",
            hint="empty shows all",
            wrong=lambda text: "",
            own_words=True,
            value=was,
            typed=self._typed,
        )
        text = await self.app.push_screen_wait(prompt)
        self._typed_at_last(was if text is None else text)

    def _typed(self, text: str) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPED_S, lambda: self._typed_at_last(text))

    def _typed_at_last(self, text: str) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        if self.is_mounted and text != self.view.filter.words:
            self.choose("words", text)

    def action_provider(self) -> None:
        self.app.run_worker(self._ask_provider(), group="dialogs")

    async def _ask_provider(self) -> None:
        offered = words.providers_named(self.view, self._providers())
        prompt = Prompt(
            "only lines of which provider?",
            hint="empty shows all",
            offered=offered,
            wrong=lambda text: "",
            own_words=True,
        )
        text = await self.app.push_screen_wait(prompt)
        if text is not None and self.is_mounted:
            self.choose("provider", text)

    def action_pod(self) -> None:
        self.app.run_worker(self._ask_pod(), group="dialogs")

    async def _ask_pod(self) -> None:
        names = self.pods
        prompt = Prompt(
            f"only lines of which {self.logs.noun}? its name, or how it ends",
            hint="empty shows all",
            offered=names,
            wrong=lambda text: words.no_pod(text, names, self.logs.noun),
            own_words=True,
        )
        text = await self.app.push_screen_wait(prompt)
        if text is not None and self.is_mounted:
            self.choose("pod", words.pod_meant(text, names))

    def action_next_pod(self, by: int) -> None:
        names = ("", *self.pods)
        here = names.index(self.view.filter.pod) if self.view.filter.pod in names else 0
        self.choose("pod", names[(here + by) % len(names)])

    @property
    def pods(self) -> tuple[str, ...]:
        """The names of all pods whose lines there are or could be."""
        return tuple(sorted({*self.logs.names, *(log.name for log in self.logs.shown.values())}))

    # --- a purchase -------------------------------------------------------------------------------------------

    def action_follow(self) -> None:
        self._measured()
        entry = self.place.cursor
        if entry is None:
            self.place.hold()
            self._moved()
            up, down, follow = (key_of(f"logs.{name}", PodLogs) for name in ("up", "down", "follow"))
            return self.say(f"choose the line with {up} {down}: {follow} follows what it belongs to")
        wanted = purchase_filter(entry.ids, self.view.all)
        if wanted is None:
            return self.say(words.NO_ID)
        self._before = self._before or entry
        self.view.follow(wanted)
        self._moved()

    def action_close(self) -> None:
        if self.view.purchase is None:
            return super().action_close()
        self.view.follow(None)
        if self._before is not None and self.place.cursor is not None:
            self.place.cursor = self._before
        self._before = None
        self._begin()

    # --- copying ----------------------------------------------------------------------------------------------

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(as_text(self._in_sight(*self._measured())[0]))
        self.say("copied the lines in sight to the terminal's clipboard")

    def action_copy_line(self) -> None:
        if self.place.cursor is None:
            return self.say(f"no line is under a cursor: {key_of('logs.hold', PodLogs)} gives one")
        self.app.copy_to_clipboard(self.rows.whole(self.place.cursor))
        self.say("copied the line under the cursor to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query("#entries"):  # closed by now
            return
        shown = self.query_one("#entries", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        inside, room = self._measured()
        rows, cursor = self._in_sight(inside, room)
        head = words.head(self, inside)
        if not self.view.kept:
            head = (*head, ((words.why_none(self), "muted"),))
        picture = Panel("calm", head, Listing([str(n) for n in range(len(rows))], rows.__getitem__))
        title = words.title(self, width)
        aside = phrases(words.aside(self), max(0, width - 8 - length(((title, "text"),))))
        shown.show_lines(framed(picture, PanelFrame(title, aside, True, cursor=cursor), width, height))
        self.query_one("#journal-keys", LineCanvas).show_lines((self.foot(width),))

    def _in_sight(self, width: int, room: int) -> tuple[list[Line], int | None]:
        """The rows in sight, and which of them the cursor is on."""
        kept, (index, skip), cursor = self.view.kept, self.place.sight, self.place.index
        rows: list[Line] = []
        at: int | None = None
        while index < len(kept) and len(rows) < room:
            if index == cursor and self.place.cursor is not None:
                at = len(rows)
            rows += self.rows.rows(kept[index])[skip:]
            index, skip = index + 1, 0
        return rows[:room], at


def _cover() -> Callable[[str], str] | None:
    """What hides a line's words from those who watch; None where nobody does."""
    return harmless if MASKER.enabled else None
