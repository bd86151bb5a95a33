"""A widget that draws lines and repaints only the cells that changed."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

from . import styles as inks
from .privacy import MASKER
from .spans import Line, cells, covered, fit, length

GAP = 8  # changed cells nearer to each other than this are sent as one stretch


class LineCanvas(Widget):
    """Shows a tuple of lines, each as wide as the widget. Scrolling is the business of whoever makes the lines:
    the drawing then costs what is in sight, however long the list behind it is."""

    class Drawn(Message):
        """What is shown was drawn for the size that it has had since a while."""

    ALLOW_SELECT = False
    # Nothing in here scrolls by Textual's means, so a new size of the inside asks for no second layout of everything.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._inks: dict[str, Style] = {}
        self._drawn_for = Size(0, 0)

    @property
    def owed(self) -> bool:
        """Whether what is shown was drawn for another size."""
        return self._drawn_for != self.size

    def on_resize(self) -> None:
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        """Who makes the lines made none for the new size: those that there are stay."""
        if self.owed:
            self.show_lines(self._lines)

    def forgive(self) -> None:
        """Nothing is owed any more for the size that it has."""
        self._drawn_for = self.size

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown now."""
        return self._lines

    def show_lines(self, lines: tuple[Line, ...]) -> None:
        """Show these lines; nothing is repainted where they are what they were."""
        if MASKER.enabled:
            lines = tuple(covered(line) for line in lines)
        old, self._lines = self._lines, lines
        if not self.is_mounted:
            return
        width, height = self.size
        if self.owed:
            self._drawn_for = self.size
            self.post_message(self.Drawn())
        regions = []
        for y in range(min(height, max(len(old), len(lines)))):
            before, after = old[y] if y < len(old) else (), lines[y] if y < len(lines) else ()
            if before != after:
                before = fit(before, width) if length(before) > width else before  # so it was shown: cut
                regions += [Region(x, y, end - x, 1) for x, end in _changes(before, after, width)]
        if regions:
            self.refresh(*regions)

    def notify_style_update(self) -> None:
        self._inks = {}
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self._inks:
            self._inks = inks.styles(self.app.theme_variables)
        line = fit(self._lines[y] if y < len(self._lines) else (), width)
        return Strip([Segment(text, self._inks[name]) for text, name in line], width)


def _cells_of(line: Line, width: int) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for text, ink in line:
        if text.isascii():
            out += [(character, ink) for character in text]
            continue
        for character in text:
            wide = cells(character)
            if wide == 0 and out:
                out[-1] = (out[-1][0] + character, ink)
            else:
                out.append((character, ink))
                out += [("", ink)] * (wide - 1)
    return out[:width] + [(" ", "text")] * (width - len(out))


def _changes(before: Line, after: Line, width: int) -> list[tuple[int, int]]:
    """The stretches [x, end) of cells that differ; a wide character is never cut in half."""
    old, new = _cells_of(before, width), _cells_of(after, width)
    stretches: list[tuple[int, int]] = []
    for x, (was, now) in enumerate(zip(old, new, strict=True)):
        if was == now:
            continue
        start, end = x, x + 1
        while start > 0 and (old[start][0] == "" or new[start][0] == ""):
            start -= 1
        while end < width and (old[end][0] == "" or new[end][0] == ""):
            end += 1
        if stretches and start - stretches[-1][1] < GAP:
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((start, end))
    return stretches
