"""The shared screen: large enough for a video of 1280 by 720, customer data masked.

It is the same console: the view replaces the panes, under the same dialogs, with the same readings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual import events
from textual.widgets import Input

from .. import paths
from ..panes import kpis
from ..text.units import clock
from ..widgets import banner, big_digits
from ..widgets.canvas import LineCanvas
from ..widgets.spans import BLANK, Line, Span, cells, column, cut, fit, length, plain, spread, wrapped
from .dialog import named
from .shared_model import SharedModel, scene

if TYPE_CHECKING:
    from .console import ConsoleScreen
    from .controller import Controller

EVERY_S = 0.5
PRESSED_S = 1.6  # how long a key that was pressed stays in its corner
SIDE = 2  # empty cells at the left and right
BETWEEN = 4  # cells between two answers
LEFT = 0.56  # of the width is the left answers': the failure rate has a point and a unit
LABEL = 6  # cells of the words "done" and "next"
SLIM = 60  # cells; in fewer, one answer a line
WIDE = 96  # cells from which two large answers stand side by side
INKS = {"SEV-1": "alarm", "SEV-2": "alarm", "SEV-3": "warn"}


@dataclass(frozen=True)
class Form:
    """Sizes: lines of a figure, actions listed, lines of next steps."""

    figure: int
    moves: int
    ahead: int
    why: int = 1
    air: bool = False


FORMS = (
    Form(5, 3, 3, 2, True),
    Form(5, 3, 2, 1, True),
    Form(5, 3, 2),
    Form(5, 2, 1),
    Form(3, 3, 3, 2, True),
    Form(3, 3, 2),
    Form(3, 2, 1),
    Form(3, 1, 1),
    Form(1, 2, 1),
    Form(1, 0, 1),
    Form(1, 0, 0),
)
SMALLER = next(n for n, form in enumerate(FORMS) if form.figure < big_digits.LARGE)


class SharedFrame(LineCanvas):
    """The uppermost line: where we are, the key that was pressed, and the time. It stays over every pane."""

    def __init__(self, console: ConsoleScreen) -> None:
        super().__init__(id="frame")
        self._below = console
        self._pressed = ""

    def on_mount(self) -> None:
        self.set_interval(EVERY_S, self.paint)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.paint()

    def pressed(self, event: events.Key, typing: bool) -> None:
        """Show this key for a moment; while text is typed, which may hold secrets, only that it is."""
        if typing and (event.is_printable or event.key in ("backspace", "delete", "left", "right", "tab", "shift+tab")):
            name = "typing"
        else:
            name = named(event)
        self._pressed = name
        self.paint()
        self.set_timer(PRESSED_S, lambda: self._released(name))

    def _released(self, name: str) -> None:
        if self._pressed == name:
            self._pressed = ""
            self.paint()

    def paint(self) -> None:
        width, console = self.size.width, self._below
        if not width:
            return
        ((where, ink),) = banner.environment(console.settings, console.drill, console.replay)
        drill = ink == "block-drill"
        name = plain(console.replay or (console.drill if drill else console.settings.name) or "", 40)
        frozen = f"   FROZEN since {clock(console.frozen_at)}" if console.frozen_at else ""
        left: Line = ((f"{where} {name}{frozen}", ink),)
        key: Line = ((f" key: {self._pressed} ", "block-frozen"),) if self._pressed else ()
        right: Line = (*key, (f"  {clock(console.now)}Z ", ink))
        room = max(0, width - length(left) - length(right))
        fill = f" {banner.TAPE * (room - 1)}" if drill else " " * room
        self.show_lines((fit((*left, (fill, ink), *right), width),))


class SharedScreen(LineCanvas):
    """The incident's state on one screen. `controller` gives the session's controller once it is made."""

    def __init__(self, console: ConsoleScreen, controller: Callable[[], Controller | None]) -> None:
        super().__init__(id="presentation")
        self._below, self._controller = console, controller
        self._risen_at: datetime | None = None

    def on_mount(self) -> None:
        self.set_interval(EVERY_S, self.paint)
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        self.paint()

    def paint(self) -> None:
        """Draw again; what looks as before is not repainted."""
        width, height = self.size
        severity = self._below.severity
        if severity is not None:
            high = severity.level != "none"
            self._risen_at = (self._risen_at or self._below.now) if high else None
        if width and height:
            self.show_lines(self._lines_of(width, height))

    def _lines_of(self, width: int, height: int) -> tuple[Line, ...]:
        model = scene(self._controller(), self._risen_at, self._below.pictured[0], self._below.now)
        inside = max(1, width - 2 * SIDE)
        for form in FORMS if inside >= WIDE else FORMS[SMALLER:]:
            parts = self._parts(model, form, inside)
            if sum(map(len, parts)) + len(parts) - 1 <= height:
                break
        return tuple(fit(((" " * SIDE, "text"), *line), width) for line in aired(parts, inside, height))

    def _parts(self, model: SharedModel, form: Form, width: int) -> list[list[Line]]:
        """Head, answers, and what was and will be done; between them stand rules."""
        done = [*self._done(model, form, width), *self._next(model, form, width)]
        return [part for part in (self._head(model, form, width), self._answers(form, width), done) if part]

    # --- the head ---------------------------------------------------------------------------------------------

    def _head(self, model: SharedModel, form: Form, width: int) -> list[Line]:
        taken, severity, _ = self._below.pictured
        readings = {name: taken[name] for name in self._below.judged if name in taken}
        # Nothing in there is cut yet: what is too long is wrapped here.
        below = self._below
        cause, named = below.cause_words(severity)
        (chip, _), *why = banner.verdict(
            severity, readings, below.now, 400, below.in_force, below.judged, (), cause, named
        )
        level, now = chip.strip(), self._below.now
        ink = INKS.get(level, "strong")
        lines = list(_large(level, ink, _elapsed(model.since, now), width, form.figure))
        sentence = "; ".join(filter(None, (part.strip(" ;") for text, _ in why for part in text.split("  "))))
        loud = "strong" if level in INKS else "text"
        lines += [BLANK] * form.air
        lines += [((line, loud),) for line in wrapped(sentence, width, form.why)] or [BLANK]
        lines.append(self._who(model, width))
        return lines

    def _who(self, model: SharedModel, width: int) -> Line:
        drives = plain(model.driver, 30)
        parts: list[Span] = [(f"operator {drives}", "strong") if drives else ("operator none", "warn")]
        if not drives and model.since is None and not model.commander:
            parts = [("no incident", "muted")]
        if model.broken_glass:
            parts.insert(0, (f" GLASS BROKEN: {plain(model.broken_glass, 60)} ", "block-alarm"))
        if model.commander:
            parts.append((f"commander {plain(model.commander, 30)}", "text"))
        if model.declared:
            parts.append((f"declared {plain(model.declared, 10)}", "warn"))
        if model.id:
            parts.append((f"{plain(model.id, 30)}{f' {plain(model.title, 80)}' if model.title else ''}", "muted"))
        line: list[Span] = []
        for run in parts:
            line += [("   ", "text"), run] if line else [run]
        what = "since it began" if model.id else "since the severity rose"
        since: Line = ((f"{what}, {clock(model.since)}Z", "muted"),) if model.since is not None else ()
        return spread(tuple(line), since, width) if since else fit(tuple(line), width)

    # --- the answers ------------------------------------------------------------------------------------------

    def _answers(self, form: Form, width: int) -> list[Line]:
        console = self._below
        slim = width < SLIM or form.figure == 1
        left = width if slim else round((width - BETWEEN) * LEFT)
        right = width if slim else width - BETWEEN - left
        readings = console.pictured[0]
        told = []
        for signal, wide in zip(kpis.ANSWERS, (left, right, left, right), strict=True):
            space = console.space(signal, wide, 1 if slim else form.figure)
            told.append((kpis.kpi(signal, readings.get(signal), space), space))
        if slim:
            return [kpis.brief(*one) for one in told]
        gap: Span = (" " * BETWEEN, "text")
        drawn = zip(kpis.beside(told[::2]), kpis.beside(told[1::2]), strict=True)
        above, below = ([(*one, gap, *other) for one, other in zip(*both, strict=True)] for both in drawn)
        return [*above, BLANK, *below]

    # --- what was done, and what comes --------------------------------------------------------------------------

    def _done(self, model: SharedModel, form: Form, width: int) -> list[Line]:
        if not form.moves:
            return []
        if not model.moves:
            return [(("done".ljust(LABEL), "muted"), ("no action yet", "muted"))]
        lines = []
        mark = max(cells(move.verdict[0]) for move in model.moves) + 2
        for n, action in enumerate(reversed(model.moves[-form.moves :])):
            text, ink = action.verdict
            who = f"{clock(action.at)[:5]} {plain(action.by, 16)}  "
            because = f": {plain(action.because)}" if action.because else ""
            lines.append(
                (
                    ("done".ljust(LABEL) if n == 0 else " " * LABEL, "muted"),
                    (column(text, mark), ink),
                    (who, "muted"),
                    (plain(action.name, 80), "strong"),
                    (because, "text"),
                )
            )
        return [fit(line, width) for line in lines]

    def _next(self, model: SharedModel, form: Form, width: int) -> list[Line]:
        ahead = model.ahead or (("nothing is under way or planned", "muted"),)
        lines: list[Line] = []
        for n, (text, ink) in enumerate(ahead[: form.ahead]):
            label = "next".ljust(LABEL) if n == 0 else " " * LABEL
            lines.append(((label, "muted"), (cut(plain(text), width - LABEL), ink)))
        return lines


def aired(parts: list[list[Line]], width: int, height: int) -> list[Line]:
    """The parts with rules between them, and the lines that are left over spread around the rules."""
    spare = max(0, height - sum(map(len, parts)) - len(parts) + 1)
    rule: Line = (("─" * width, "frame"),)
    gaps = 2 * (len(parts) - 1) + 1  # before the first part, and before and after each rule
    each, more = divmod(min(spare, 3 * gaps), gaps)
    lines: list[Line] = [BLANK] * (each + (1 if more > 2 * (len(parts) - 1) else 0))
    for n, part in enumerate(parts):
        if n:
            before = each + (1 if more > 2 * (n - 1) else 0)
            after = each + (1 if more > 2 * (n - 1) + 1 else 0)
            lines += [*[BLANK] * before, rule, *[BLANK] * after]
        lines += part
    return lines[:height]


def _elapsed(since: datetime | None, now: datetime) -> str:
    """`0:04:12`; "" where no time runs."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _large(level: str, ink: str, elapsed: str, width: int, height: int) -> tuple[Line, ...]:
    """The severity at the left and the incident's clock at the right, as large as fits."""
    both = big_digits.large_width(level) + big_digits.large_width(elapsed) + BETWEEN
    if height >= big_digits.LARGE and big_digits.drawable(level) and both <= width:
        rows = big_digits.large(level, ink)
        times = big_digits.large(elapsed, "figure") if elapsed else (BLANK,) * big_digits.LARGE
    elif height >= big_digits.HEIGHT and big_digits.drawable(level) and both // 2 <= width:
        rows = big_digits.figure(level, ink)
        times = big_digits.figure(elapsed, "figure") if elapsed else (BLANK,) * big_digits.HEIGHT
    else:
        rows, times = (((level, ink),),), (((elapsed, "figure"),),)
    return tuple(spread(row, time, width) for row, time in zip(rows, times, strict=True))


def begin(console: ConsoleScreen, controller: Callable[[], Controller | None]) -> None:
    """Lay the view over the panes."""
    if console.query(SharedScreen):
        return
    for lines in console.query(LineCanvas):  # forget what was drawn unmasked, also where it is not visible now
        lines.show_lines(())
    sheet, app = paths.STYLES / "presentation.tcss", console.app
    if not app.stylesheet.has_source(str(sheet), ""):
        app.stylesheet.read(sheet)
        app.stylesheet.reparse()
    console.add_class("-presenting")
    console.mount(SharedFrame(console), before=0)
    console.query_one("#panes").mount(SharedScreen(console, controller), before=0)
    app.stylesheet.update(console)


def end(console: ConsoleScreen) -> None:
    """Restore the panes."""
    console.remove_class("-presenting")
    for view in (*console.query(SharedFrame), *console.query(SharedScreen)):
        view.remove()


def pressed(console: ConsoleScreen, event: events.Key, focused: object) -> None:
    """A key was pressed; `focused` is what has the keys now."""
    for frame in console.query(SharedFrame):
        frame.pressed(event, isinstance(focused, Input))
