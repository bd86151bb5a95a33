"""The page that Enter opens: what a row stands for, in full, drawn anew as readings come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..catalogue import Subject
from ..lookups.registry import lookups
from ..model import Reading
from ..pages.composing import composed
from ..pages.registry import page_of
from ..pages.section import PageContext, sentence
from ..session.session import Session
from ..signals.readings import readings
from ..signals.signal import Signal
from ..sources.workload_runtime import runtime_of
from ..text.units import clock
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, plain
from .console import ConsoleScreen
from .page import PageScreen

LOGS, VERBS = "logs", "verbs"  # the application's actions
FAR = 1_000_000
COPY_WIDTH = 160  # so that the screen's width cuts nothing
FRAME = 4  # cells at the sides
NOT_RECORDED = "this is a replay, and it was not recorded"


class SubjectScreen(PageScreen[None]):
    """Whose subject has vanished keeps what was known of it, and says since when."""

    CSS_PATH = paths.STYLES / "subject.tcss"
    AUTO_FOCUS = ""
    PLACE = "on this page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="subject.close", tooltip="Back to where you were"),
        Binding("down,j", "move(1)", "Down", id="subject.down", tooltip="Scroll a line down", show=False),
        Binding("up,k", "move(-1)", "Up", id="subject.up", tooltip="Scroll a line up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="subject.pagedown", tooltip="A page on", show=False),
        Binding("pageup", "page(-1)", "Page up", id="subject.pageup", tooltip="A page back", show=False),
        Binding("home,g", f"move(-{FAR})", "First", id="subject.first", tooltip="Go to the top", show=False),
        Binding("end,G", f"move({FAR})", "Last", id="subject.last", tooltip="Go to the end", show=False),
        Binding("space", "verbs", "Actions", id="subject.actions", tooltip="What can be done to what the page shows"),
        Binding("tab", "unfold", "All lines", id="subject.unfold", tooltip="Show all lines, or the first of each part"),
        Binding(
            "l", "log", "Log", id="subject.log", tooltip="The log of this pod, or the lines that name this provider"
        ),
        Binding("c", "copy", "Copy", id="subject.copy", tooltip="Copy the whole page as text"),
    ]

    def __init__(
        self, subject: Subject, session: Session, console: ConsoleScreen, open_logs: Callable[..., None]
    ) -> None:
        super().__init__()
        self._open_logs = open_logs
        self.shows = self.subject = subject
        self._session, self._panes = session, console
        self._page = page_of(subject.kind)
        self._read: dict[str, Reading] = {}  # what is read for this page alone
        self._kept: Mapping[str, Reading] = {}  # the readings of when it was last there
        self._gone: str = ""  # since when it is not
        self._unfolded = False
        self._folded = False  # whether some lines are folded away now
        self._top = 0

    def compose(self) -> ComposeResult:
        with Container(id="subject"):
            yield LineCanvas(id="subject-lines")
            yield LineCanvas(id="subject-keys")

    def on_mount(self) -> None:
        self._session.monitor.listeners.append(self._heard)
        self.set_interval(1.0, self.paint)
        for lookup in lookups(self.subject):
            self.run_worker(self._look(lookup), name=lookup.name, group="lookups")
        self.call_after_refresh(self.paint)

    def on_unmount(self) -> None:
        self._session.monitor.listeners.remove(self._heard)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    def _heard(self, reading: Reading) -> None:
        if reading.signal in self._page.SIGNALS:
            self.paint()

    async def _look(self, lookup: Signal[Any]) -> None:
        """Read this for as long as the page is open."""
        session = self._session
        if self._panes.replay is not None:
            self._read[lookup.name] = Reading(signal=lookup.name, every=lookup.every, absent=True, error=NOT_RECORDED)
            return
        async for reading in readings(lookup, session.sources, session.settings, session.clock):
            self.take(reading)

    def take(self, reading: Reading) -> None:
        """A reading that was made for this page alone."""
        self._read[reading.signal] = reading
        self.paint()

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self._top += by
        self.paint()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.query_one("#subject-lines", LineCanvas).size.height - 4))

    def action_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self.paint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "unfold":
            return self._folded or self._unfolded
        return super().check_action(action, parameters)

    def action_verbs(self) -> None:
        getattr(self.app, f"action_{VERBS}")()

    def action_log(self) -> None:
        """On top of this page: Esc comes back to it."""
        name = self.subject.arguments.get(self.subject.kind) or self.subject.title
        if self._panes.replay is not None or self.subject.kind not in ("pod", "provider"):
            self.app.call_later(getattr(self.app, f"action_{LOGS}"))
        elif self.subject.kind == "pod":
            self._open_logs(pod=name)
        else:
            self._open_logs(of=name)

    def action_copy(self) -> None:
        width = max(COPY_WIDTH, self.size.width - FRAME)
        lines, _ = composed(self._page, self._known(width), FAR, True)
        self.app.copy_to_clipboard(f"{self._title()}\n{as_text(lines)}\n")
        self.say("copied this page to the terminal's clipboard")

    @property
    def gone(self) -> bool:
        """Whether the subject has vanished."""
        return bool(self._gone)

    # --- drawing ----------------------------------------------------------------------------------------------

    def _title(self) -> str:
        runtime = runtime_of(self._session.sources)
        noun = runtime.noun.capitalize() if self._page.NOUN == "Pod" and runtime is not None else self._page.NOUN
        title = f"{noun} {plain(self.subject.title, 120)}".strip()
        return title if ":" in title.partition(" ")[0] else title[:1].upper() + title[1:]

    def _known(self, width: int) -> PageContext:
        """From the readings by now; from those that it was last there in, where it has vanished."""
        context = PageContext(
            subject=self.subject,
            width=width,
            now=self._session.clock(),
            settings=self._session.settings,
            readings={**self._session.readings, **self._read},
            alert_levels=self._panes.alert_levels,
            entries=self._session.entries,
        )
        there = self._page.present(context)
        if there is False and not self._gone:
            self._gone = clock(context.now)
        elif there:
            self._gone, self._kept = "", context.readings
        return replace(context, readings=self._kept) if self._gone and self._kept else context

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#subject-lines", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        context = self._known(width - FRAME)
        head: tuple[Line, ...] = ()
        if self._gone:
            was = "this is what was known then" if self._kept else "it was not there when this page was opened"
            head = sentence(f"gone since {self._gone}: {was}", "warn", width - FRAME)
        lines, self._folded = composed(self._page, context, height - 2 - len(head), self._unfolded)
        listing = Listing([str(n) for n in range(len(lines))], lines.__getitem__)
        picture = Panel("stale" if self._gone else "calm", head, listing)
        self._top = max(0, min(self._top, len(lines) - sight(picture, height)))
        frame = PanelFrame(self._title(), (), True, self._top)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#subject-keys", LineCanvas).show_lines((self.foot(width),))
