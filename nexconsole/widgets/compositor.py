"""Sends the terminal only the cells that differ from what it already shows.

Textual resends everything left of a change in the same widget, everything below an open dialog, and the whole screen
when one opens or closes. Over a slow link that takes seconds. This module remembers what was sent, cell by cell,
whichever screen it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer

from .canvas import LineCanvas
from .glyphs import TABLES
from .textual_private import ChopsUpdate, CompositorUpdate, LayoutUpdate, UpdatedApp, color_system, visible_widgets

HOLD_S = 0.15  # how long a picture is held back for lines that have another size and are not drawn for it yet
GAP = 5  # cells that look as before and are sent all the same: moving the cursor over them costs more bytes
MOST_PENS = 4_000  # that are remembered; there are some dozens, unless themes are changed for hours


class Pen:
    """How a character is drawn: the codes of its attributes, its foreground and its background."""

    __slots__ = ("attributes", "background", "blank", "foreground")

    def __init__(self, attributes: str = "", foreground: str = "", background: str = "") -> None:
        self.attributes, self.foreground, self.background = attributes, foreground, background
        self.blank: Pen = self  # the pen that draws a blank alike

    def after(self, pen: Pen) -> str:
        """The sequence that takes this pen in the place of that one."""
        lost = (pen.foreground and not self.foreground) or (pen.background and not self.background)
        if self.attributes != pen.attributes or lost:
            codes: tuple[str, ...] = ("0", self.attributes, self.foreground, self.background)
        else:
            codes = (
                self.foreground if self.foreground != pen.foreground else "",
                self.background if self.background != pen.background else "",
            )
        return f"\x1b[{';'.join(filter(None, codes))}m"


PLAIN = Pen()
Cell = tuple[str, Pen]  # the second cell of a wide character is ""
Run = tuple[int, int, Pen, str]  # the columns of its first cell and after its last one, and what stands there
Stretch = tuple[int, int, Iterable[Segment]]  # a line, the column of its first cell, and what stands from there on


class Written(CompositorUpdate):
    """An update that has become sequences."""

    def __init__(self, sequences: str) -> None:
        self.sequences = sequences

    def render_segments(self, console: Console) -> str:
        return self.sequences


class SentFrame:
    """What the terminal shows, as far as it took what it was sent."""

    def __init__(self) -> None:
        self.glyphs = TABLES["full"]
        self._lines: dict[int, list[Cell | None]] = {}
        self._pens: dict[Style | None, Pen] = {None: PLAIN}
        self._by_codes: dict[tuple[str, str, str], Pen] = {("", "", ""): PLAIN}

    def forget(self) -> None:
        """Nothing is known of what it shows: whatever is drawn is sent."""
        self._lines.clear()

    def difference(self, update: CompositorUpdate, console: Console) -> str:
        """The sequences that make the terminal show this update; "" where it does. From then on it does."""
        out: list[str] = []
        pen = PLAIN
        for y, x, segments in _stretches(update):
            after = self._cells(segments, console)
            line = self._lines.setdefault(y, [])
            line += [None] * (x + len(after) - len(line))
            before = line[x : x + len(after)]
            if before == after:
                continue
            line[x : x + len(after)] = after
            runs = [run for start, end in _changes(before, after) for run in _runs(after[start:end], x + start)]
            sequences, pen = min((_in_order(y, runs, pen), _by_pen(y, runs, pen)), key=lambda way: len(way[0]))
            out.append(sequences)
        if pen is not PLAIN:
            out.append("\x1b[0m")
        return "".join(out)

    def _cells(self, segments: Iterable[Segment], console: Console) -> list[Cell]:
        cells: list[Cell] = []
        as_meant = self.glyphs is TABLES["full"]
        for text, style, control in segments:
            if control:
                continue
            pen = self._pens.get(style) or self._pen(style, console)
            for character in text:
                if character == " ":
                    cells.append((character, pen.blank))
                elif character.isascii():
                    cells.append((character, pen))
                elif (wide := cell_len(character)) == 1:
                    cells.append((character if as_meant else self.glyphs[character], pen))
                elif wide == 2 and (glyph := self.glyphs[character]) == character:
                    cells += [(character, pen), ("", pen)]
                elif wide == 2:
                    cells += [(glyph, pen), (" ", pen.blank)]
                elif cells and self.glyphs.accents:  # an accent belongs to the character before it
                    n = -2 if cells[-1][0] == "" and len(cells) > 1 else -1
                    cells[n] = (cells[n][0] + character, cells[n][1])
        return cells

    def _pen(self, style: Style | None, console: Console) -> Pen:
        if len(self._pens) > MOST_PENS:
            self._pens.clear()
        pen = self._pens[style] = self._of_codes(*_codes(style, console)) if style is not None else PLAIN
        return pen

    def _of_codes(self, attributes: str, foreground: str, background: str) -> Pen:
        codes = (attributes, foreground, background)
        if (pen := self._by_codes.get(codes)) is None:
            pen = self._by_codes[codes] = Pen(*codes)
            if not {"4", "7", "9"}.intersection(attributes.split(";")) and (attributes or foreground):
                pen.blank = self._of_codes("", "", background)  # no underline, nothing reversed
        return pen


def _runs(cells: Sequence[Cell], x: int) -> Iterator[Run]:
    """Neighbouring cells of one pen as one run; a blank goes with the cells before it where it looks the same."""
    start, pen, text = x, cells[0][1], ""
    for n, (character, wanted) in enumerate(cells, x):
        if wanted is not pen and not (character == " " and wanted is pen.blank):
            if text.strip(" ") or wanted.blank is not pen.blank:
                yield start, n, pen, text
                start, text = n, ""
            pen = wanted
        text += character
    yield start, x + len(cells), pen, text


def _in_order(y: int, runs: Sequence[Run], pen: Pen) -> tuple[str, Pen]:
    """The runs from left to right, and the pen at their end."""
    out = []
    at = -1
    for start, end, wanted, text in runs:
        if start != at:
            out.append(f"\x1b[{y + 1};{start + 1}H" if at < 0 else f"\x1b[{start + 1}G")
        if wanted is not pen:
            out.append(wanted.after(pen))
            pen = wanted
        out.append(text)
        at = end
    return "".join(out), pen


def _by_pen(y: int, runs: Sequence[Run], pen: Pen) -> tuple[str, Pen]:
    """The runs of one pen after the other, first of the one that is taken already: colours cost more than moves."""
    pens = dict.fromkeys(run[2] for run in runs)
    order = sorted(pens, key=lambda one: one is not pen)
    return _in_order(y, [run for pen in order for run in runs if run[2] is pen], pen)


# Rich's attributes, and their codes in a terminal.
ATTRIBUTES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "reverse": "7",
    "conceal": "8",
    "strike": "9",
}


def _codes(style: Style, console: Console) -> tuple[str, str, str]:
    """The attributes', the foreground's and the background's codes, with as many colours as the terminal has."""
    colours = color_system(console)
    attributes = ";".join(code for name, code in ATTRIBUTES.items() if getattr(style, name))
    if colours is None:
        return attributes, "", ""
    ink = ";".join(style.color.downgrade(colours).get_ansi_codes()) if style.color else ""
    ground = ";".join(style.bgcolor.downgrade(colours).get_ansi_codes(foreground=False)) if style.bgcolor else ""
    return attributes, ink, ground


def _stretches(update: CompositorUpdate) -> Iterator[Stretch]:
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield y, update.region.x, (segment for strip in strips for segment in strip)
    elif isinstance(update, ChopsUpdate):
        for y, x1, x2 in update.spans:
            # A chop is a widget's stretch of a line, at its x.
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < x2 and end > x1:
                    start = max(x, x1)
                    yield y, start, strip.crop(start - x, min(end, x2) - x)


def _changes(before: Sequence[Cell | None], after: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    """The stretches [x, end) of cells that differ; a wide character is never cut in half."""
    x = sent = 0
    start: int | None = None
    width = len(after)
    while x < width:
        if before[x] == after[x]:
            x += 1
            continue
        begin, end = x, x + 1
        while begin > 0 and (after[begin][0] == "" or _tail(before[begin])):
            begin -= 1
        while end < width and (after[end][0] == "" or _tail(before[end])):
            end += 1
        if start is not None and begin - sent < GAP:
            sent = max(sent, end)
        else:
            if start is not None:
                yield start, sent
            start, sent = begin, end
        x = end
    if start is not None:
        yield start, sent


def _tail(cell: Cell | None) -> bool:
    return cell is not None and cell[0] == ""


def owes(screen: Screen[Any]) -> bool:
    """Whether lines are missing in what the screen shows."""
    return any(isinstance(widget, LineCanvas) and widget.owed for widget in visible_widgets(screen))


class DiffingApp(UpdatedApp):
    """Sends the terminal only what it does not show yet, and no picture that is about to be painted over.

    When a screen opens or a pane grows, Textual draws the empty places first and the lines 30 ms later.
    """

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self.sent = SentFrame()
        self._holding: Timer | None = None

    def sent_as(self, screen: Screen[Any], update: CompositorUpdate) -> CompositorUpdate | None:
        held = self._held(screen, update)
        sequences = self.sent.difference(held, self.console) if held is not None else ""
        return Written(sequences) if sequences or self.moves_cursor() else None

    def _held(self, screen: Screen[Any], update: CompositorUpdate) -> CompositorUpdate | None:
        """The picture that may be sent now; None while lines are missing in it."""
        held, self._holding = self._holding, None
        if owes(screen):
            self._holding = held or self.set_timer(HOLD_S, self._release)
            return None
        if held is None:
            return update
        held.stop()
        return self.whole_update()

    @property
    def has_screen(self) -> bool:
        """Whether there is a screen to draw or to press keys on: not while the app leaves."""
        return self.is_running and bool(self.screen_stack)

    def _release(self) -> None:
        """The lines did not come: the picture is sent as it is."""
        self._holding = None
        if not self.has_screen:
            return
        for widget in visible_widgets(self.screen):
            if isinstance(widget, LineCanvas):
                widget.forgive()
        self.send(self.whole_update())

    def on_line_canvas_drawn(self) -> None:
        """The last lines that were missing have come: the whole picture is made, once."""
        if self._holding is not None and self.has_screen and not owes(self.screen):
            self._holding.stop()
            self._holding = None
            self.send(self.whole_update())
