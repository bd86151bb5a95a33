"""All profiles of the settings: level, what it is, since when; Enter switches to the one under the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from .. import paths
from ..session.known_profiles import KnownProfiles
from ..session.overview import (
    APART_S,
    CALM,
    CLOSE_S,
    EVERY_S,
    NOT_KNOWN,
    ProfileOverview,
    ProfileWatch,
    level_words,
    since_words,
)
from ..text.units import ago, period, since
from ..widgets.canvas import LineCanvas
from ..widgets.panel import Listing, Panel, PanelFrame, framed, sight
from ..widgets.spans import Line, as_text, column, fit, plain
from .dialog import along
from .page import PageScreen

FRAME = 4  # cells at the sides
WIDE = 140  # cells from which a profile has one line and not two
CHIPS = {"SEV-1": "block-alarm", "SEV-2": "block-alarm", "SEV-3": "block-warn", CALM: "block-calm"}


class OverviewScreen(PageScreen[None]):
    """The others are read while this page is open, one time in EVERY_S each; nothing of theirs is kept or changed."""

    CSS_PATH = paths.STYLES / "why.tcss"
    AUTO_FOCUS = ""
    PLACE = "in the overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back", id="overview.close", tooltip="Back to where you were"),
        Binding("O", "close", "Back", id="overview.show", tooltip="Back to where you were", show=False),
        *along("overview"),
        Binding("enter", "switch", "Switch", id="overview.switch", tooltip="Leave this NexNum for that one"),
        Binding("c", "copy", "Copy", id="overview.copy", tooltip="Copy the overview as text"),
    ]

    def __init__(
        self,
        profiles: KnownProfiles,
        own: Callable[[], ProfileOverview],
        switch: Callable[[str], str],
        clock: Callable[[], datetime],
    ) -> None:
        """`own` is this console's own line; `switch` leaves for a profile, and says why not, "" where it does."""
        super().__init__()
        self._profiles, self._own, self._switch, self._clock = profiles, own, switch, clock
        others = [name for name in profiles.names if name != profiles.current]
        self._watches = {name: ProfileWatch(name, profiles.load, changed=self._changed) for name in others}
        self._chosen, self._top = profiles.current or profiles.names[0], 0

    def compose(self) -> ComposeResult:
        with Container(id="reasons"):
            yield LineCanvas(id="reasons-lines")
            yield LineCanvas(id="reasons-keys")

    def on_mount(self) -> None:
        self.set_interval(1.0, self.paint)
        self.call_after_refresh(self.paint)
        for place, watch in enumerate(self._watches.values()):
            self.run_worker(self._follow(watch, place * APART_S), group="overview", exit_on_error=True)

    async def _follow(self, watch: ProfileWatch, after_s: float) -> None:
        """Until the page is closed."""
        try:
            await asyncio.sleep(after_s)
            await watch.watch()
        finally:
            await asyncio.shield(asyncio.wait_for(watch.close(), CLOSE_S))

    def _changed(self) -> None:
        if self.is_mounted:
            self.paint()

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint)

    @property
    def _lines(self) -> list[ProfileOverview]:
        """In the order of the settings."""
        return [self._watches[name].newest if name in self._watches else self._own() for name in self._profiles.names]

    # --- keys -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        names = self._profiles.names
        self._chosen = names[max(0, min(len(names) - 1, names.index(self._chosen) + by))]
        self.paint()

    def action_switch(self) -> None:
        watch = self._watches.get(self._chosen)
        if watch is not None and not watch.opened:  # what can't be opened is not left for
            self.say(f"not now: {watch.newest.error or 'its settings are being read'}")
        elif why_not := self._switch(self._chosen):
            self.say(why_not)

    def action_copy(self) -> None:
        rows = [line for each in self._lines for line in self._rows(each, 160)]
        self.app.copy_to_clipboard(as_text(rows) + "\n")
        self.say("copied the overview to the terminal's clipboard")

    # --- drawing ----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        if not self.query(LineCanvas):  # closed by now
            return
        shown = self.query_one("#reasons-lines", LineCanvas)
        width, height = shown.size
        if width < 12 or height < 3:
            return
        inside = width - FRAME
        rows = [(each.profile, line) for each in self._lines for line in self._rows(each, inside)]
        listing = Listing([name for name, _ in rows], lambda n: rows[n][1])
        picture = Panel("calm", (), listing)
        seen = sight(picture, height)
        index = next(n for n, (name, _) in enumerate(rows) if name == self._chosen)
        last = index + (1 if width < WIDE else 0)
        self._top = max(min(self._top, index), last - seen + 1, 0)
        title = f"All NexNums: {len(self._profiles.names)} profiles"
        frame = PanelFrame(title, ((f"each read every {period(EVERY_S)}", "muted"),), True, self._top, index)
        shown.show_lines(framed(picture, frame, width, height))
        self.query_one("#reasons-keys", LineCanvas).show_lines((self.foot(width),))

    def _rows(self, each: ProfileOverview, width: int) -> tuple[Line, ...]:
        """One line where there is room, else two: where and how bad; what it is."""
        environment = plain(each.environment, 10).upper() or "?"
        where: Line = (
            (f" {environment:<10} ", "block-production" if "PROD" in environment else "block-other"),
            (f" {column(plain(each.profile), 20 if width >= WIDE else 12)} ", "strong"),
            (f" {level_words(each):<9} ", CHIPS.get(each.level, "block-warn")),
            (f" {column(since_words(each, self._clock()), 13)} ", "text"),
            (column({"": "no incident", None: "incident ?"}.get(each.incident, each.incident or ""), 17), "text"),
        )
        here = "here" if each.profile == self._profiles.current else ""
        age = here or (f"read {ago(since(each.read_at, self._clock()))}" if each.read_at else "")
        sentence = plain(each.sentence)
        ink = "doubt" if each.level == NOT_KNOWN else "text"
        if width + FRAME >= WIDE:
            return (fit((*where, (f" {column(age, 17)} ", "muted"), (sentence, ink)), width),)
        return (fit(where, width), fit(((f"   {age}: " if age else "   ", "muted"), (sentence, ink)), width))
