"""The replay screen: a recording played in the panes, with a player's keys and bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..incident.actions import actions_in
from ..journal import Entry
from ..model import Reading, State
from ..panes.outbox import EVENTS
from ..session.monitor import EXPLAINED_S
from ..signals.registry import value_types
from ..text.units import clock, date
from ..widgets.canvas import LineCanvas
from ..widgets.replay_bar import NextEvent, player_line
from ..widgets.spans import Line, cut, fit, length, plain, spread
from .console import ConsoleScreen
from .entry_text import words

if TYPE_CHECKING:
    from ..recording.player import Player
    from ..recording.replay import Replay
    from ..severity import Severity

TURN_S = 0.25
UNRECORDED = "no reading recorded"
END = "the replay is at its end: home goes back to its beginning"
HINTED = 150  # columns from which there is room for what fits now beside what was done


def _key(key: str, action: str, word: str, id: str, tooltip: str) -> Binding:
    # Before those of a pane or scenario that has the focus: here nothing is chosen, and everything is sought.
    return Binding(key, action, word, id=id, tooltip=tooltip, priority=True)


class ReplayScreen(ConsoleScreen):
    """`told` is called with the entries that were on record by the moment shown, whenever they are others."""

    SHOWN_KEYS: ClassVar = (
        "replay.pause",
        ("←→", "10 s"),
        ("[ ]", "1 min"),
        (", .", "event"),
        ("+-", "speed"),
        "journal.show",
        "incident.show",
        ("0-9", "pane"),
        "app.keys",
        "app.quit",
        "scenario.open",
    )
    BOTTOM: ClassVar = "#replay"
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("space", "pause", "Pause", "replay.pause", "Stop the replay, or go on"),
        _key("left", "skip(-10)", "Back", "replay.back", "Back by 10 s"),
        _key("right", "skip(10)", "On", "replay.on", "On by 10 s"),
        _key("shift+left,left_square_bracket", "skip(-60)", "Back", "replay.minute_back", "Back by a minute"),
        _key("shift+right,right_square_bracket", "skip(60)", "On", "replay.minute_on", "On by a minute"),
        _key("comma", "event(-1)", "Event", "replay.previous", "Back to the event of the journal before"),
        _key("full_stop", "event(1)", "Event", "replay.next", "On to the next event of the journal"),
        _key("plus,equals_sign", "speed(2.0)", "Faster", "replay.faster", "Twice as fast, to 64"),
        _key("minus", "speed(0.5)", "Slower", "replay.slower", "Half as fast, to 0.5"),
        _key("home", "ends(0)", "Beginning", "replay.begin", "Go to the beginning"),
        _key("end", "ends(1)", "End", "replay.end", "Go to the end"),
    ]

    def __init__(self, *given: Any, of: Replay, player: Player, **options: Any) -> None:
        super().__init__(*given, **options)
        self.of, self.player, self.replay = of, player, of.name
        self.told: Callable[[Sequence[Entry]], None] = lambda entries: None
        self._missing: dict[str, Reading] = {
            name: Reading(signal=name, every=1.0, attempted_at=of.begin, error=UNRECORDED)
            for name in value_types(self.settings)
        }
        self._told = tuple(_said(of.events, of.entries))
        self._known = -1  # entries
        self._at: datetime | None = None  # the moment shown
        self._ended = False
        self._explained_at = 0.0  # the moment shown then, epoch seconds

    def compose(self) -> ComposeResult:
        for widget in super().compose():
            if widget.id == "keys":
                yield _line()
            yield widget

    def on_mount(self) -> None:  # beside the console's own, which Textual calls too
        self.set_interval(TURN_S, self._beat)
        self.call_after_refresh(self.turn)

    # --- the moment -------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        if self.player.now != self._at:
            self.turn()

    def turn(self) -> None:
        """Show the moment that the player has come to."""
        now = self._at = self.player.now
        newer = [each for each in self._readings(now) if self.readings.get(each.signal) is not each]
        for reading in newer:
            self.monitor.take(reading)
        if newer and abs(now.timestamp() - self._explained_at) >= EXPLAINED_S:  # by the time that is shown
            self._explained_at = now.timestamp()
            self.monitor.explain_now()
        self.tell()
        self.tick()
        if self.player.at_end and not self._ended:
            self.say("; ".join(filter(None, (END, self.of.recording.ended))), 10.0)
        self._ended = self.player.at_end

    def tell(self, anew: bool = False) -> None:
        """Give what was on record by now, if it is not what was given last."""
        entries = self.of.told(self.player.now)
        if len(entries) != self._known or anew:
            self._known = len(entries)
            self.told(entries)

    def _readings(self, now: datetime) -> Iterator[Reading]:
        found = self.of.recording.at(now)
        for name, missing in self._missing.items():
            reading = found.get(name, missing)
            # The events were read only while somebody looked at them.
            yield missing if name == EVENTS and reading.state(now) is State.STALE else reading

    def _verdict(self, severity: Severity | None, judged: Mapping[str, Reading], width: int) -> Line:
        if any(reading.error != UNRECORDED for reading in judged.values()):
            return super()._verdict(severity, judged, width)
        return fit(((" ? ", "block-calm"), (f" {UNRECORDED} at this time", "muted")), width)

    # --- the bars ---------------------------------------------------------------------------------------------

    def _paint_strips(self) -> None:
        super()._paint_strips()
        for line in self.query("#replay").results(LineCanvas):
            line.show_lines((player_line(self.player, self._next(), self._silent, self.size.width),))

    def _second(self, sources: object, width: int) -> Line:
        """Where and when this was, and what had been done last."""
        where = f" {plain(self.settings.environment, 24)} {plain(self.settings.name, 30)}  {date(self.now)}   "
        past = self.player.past
        last = " ".join(self._told[past - 1]) if past else ""
        right: Line = ((f"  {self.hint} ", "note"),) if self.hint and (width >= HINTED or not last) else ()
        left: Line = ((where, "strong"), (cut(last, max(0, width - len(where) - length(right) - 1)), "muted"))
        return spread(left, right, width) if right else fit(left, width)

    def _next(self) -> NextEvent | None:
        past = self.player.past
        return NextEvent(self.of.events[past].at, *self._told[past]) if past < len(self._told) else None

    def _silent(self, when: datetime) -> bool:
        return not self.of.recording.recorded(when)

    # --- the keys ---------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        self.player.toggle()
        self.turn()

    def action_freeze(self) -> None:
        self.action_pause()

    def action_skip(self, seconds: int) -> None:
        self.player.skip(seconds)
        self.turn()

    def action_event(self, way: int) -> None:
        there = self.player.next_event() if way > 0 else self.player.previous_event()
        if not there:
            self.say("no event comes after this" if way > 0 else "no event came before this")
        self.turn()

    def action_speed(self, by: float) -> None:
        self.player.set_speed(self.player.speed * by)
        self.turn()

    def action_ends(self, which: int) -> None:
        self.player.go(self.player.end if which else self.player.begin)
        self.turn()


def _said(events: Sequence[Entry], entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Each event as (when and by whom, what); what became of an action is said with its name."""
    names = {taken.intent: taken.name for taken in actions_in(entries)}
    for entry in events:
        of = plain(names.get(str(entry.data.get("intent")), ""), 80)
        told = f"{of}: {words(entry, None)}" if of else words(entry, None)
        yield f"{clock(entry.at)} {plain(entry.writer, 24)}", f"{plain(entry.kind, 12)} {told}"


def _line() -> Widget:
    line = LineCanvas(id="replay")
    line.styles.height = 1
    return line
