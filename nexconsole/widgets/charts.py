"""Charts in block characters: a bar, and a trend with its threshold lines."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..text.units import percent
from .spans import Line, Span, cells, cut, plain

_EIGHTHS = " ▁▂▃▄▅▆▇█"
AXIS = 6  # cells at the right for the labels of the thresholds
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0)


def bar(rate: float | None, width: int, ink: str) -> tuple[Span, ...]:
    """A share of 0..1 as a bar on a dotted track; any share above zero shows at least a mark."""
    if rate is None:
        return ((" " * width, "frame"),)
    full = min(width, max(round(rate * width), 1 if rate > 0 else 0))
    return (("▆" * full, ink), ("·" * (width - full), "frame"))


def columns(points: Sequence[tuple[float, float | None]], span: float, width: int) -> list[float | None]:
    """The worst value in each of `width` equal stretches of the last `span` seconds.

    `points` are (epoch seconds, value) in order of time; a point holds until the next one, at most 1.5 times their
    usual distance. Stretches are aligned to the epoch, so that the picture moves by whole columns only.
    """
    if not points or width <= 0:
        return [None] * max(0, width)
    distances = sorted(b[0] - a[0] for a, b in pairwise(points))
    hold = 1.5 * distances[len(distances) // 2] if distances else span / width
    each = span / width
    last = math.floor(points[-1][0] / each)
    out: list[float | None] = [None] * width
    for n, (at, value) in enumerate(points):
        until = min(points[n + 1][0], at + hold) if n + 1 < len(points) else at
        first = max(0, math.floor(at / each) - last + width - 1)
        end = min(width - 1, max(first, math.ceil(until / each) - 1 - last + width - 1))
        if value is not None and at > points[-1][0] - span - each:
            for x in range(first, end + 1):
                drawn = out[x]
                out[x] = value if drawn is None else max(drawn, value)
    return out


@dataclass(frozen=True)
class ChartMark:
    """Something that was done at a moment (epoch seconds): a letter on the chart, and its words in the legend.

    `brief` is for a legend with little room.
    """

    at: float
    letter: str
    text: str
    brief: str = ""


def placed(
    marks: Iterable[ChartMark], points: Sequence[tuple[float, float | None]], span: float, width: int
) -> dict[int, ChartMark]:
    """The marks by column of the same chart, as `columns` has it; of several in one the newest stands."""
    if not points or width <= 0:
        return {}
    each = span / width
    last = math.floor(points[-1][0] / each)
    found: dict[int, ChartMark] = {}
    for mark in sorted(marks, key=lambda mark: mark.at):
        x = min(width - 1, math.floor(mark.at / each) - last + width - 1)
        if x >= 0:
            found[x] = mark
    return found


def axis(begin: str, end: str, width: int, marks: Mapping[int, ChartMark]) -> Line:
    """The line below a chart: its begin and its end, and between them the letters of the marks."""
    row = list(begin + " " * max(0, width - len(begin) - len(end)) + end)[:width]
    letters = {x: mark.letter for x, mark in marks.items() if x < width}
    for x in letters:
        if begin and x < len(begin):  # a letter is worth more than the words
            row[: len(begin)] = " " * len(begin)
        if x >= width - len(end):
            row[width - len(end) :] = " " * len(end)
    runs: list[Span] = []
    for x, text in enumerate(row):
        runs.append((letters[x], "note") if x in letters else (text, "muted"))
    return tuple(runs)


def legend(marks: Iterable[ChartMark], width: int) -> Line:
    """What the letters mean, in order of time: in full, in brief, or the newest alone, as there is room."""
    order = sorted(marks, key=lambda mark: mark.at)
    for texts in ([mark.text for mark in order], [mark.brief or mark.text for mark in order]):
        words = [(mark.letter, plain(text, 80)) for mark, text in zip(order, texts, strict=True)]
        if sum(cells(f"{letter} {text}  ") for letter, text in words) - 2 <= width:
            break
    while len(words) > 1 and sum(cells(f"{letter} {text}  ") for letter, text in words) - 2 > width:
        del words[0]
    line: list[Span] = []
    for letter, text in words:
        line += [("  ", "muted")] if line else []
        line += [(f"{letter} ", "note"), (cut(text, max(0, width - 2)), "muted")]
    return tuple(line)


def trend(
    values: Sequence[float | None],
    height: int,
    thresholds: Sequence[tuple[float, str]],
    base: str = "chart",
    marked: Collection[int] = (),
) -> tuple[Line, ...]:
    """A chart of rates 0..1, `height` lines by `len(values) + AXIS` cells; a thin line stands in `marked` columns.

    `thresholds` are (rate, ink), the lowest first: each is a dotted line with its label, and a column takes the ink
    of the highest threshold that its value is above. Nothing measured leaves a gap, zero draws the base line.
    """
    most = max((value for value in values if value is not None), default=0.0)
    top = next((scale for scale in SCALES if most <= scale), 1.0)
    inks = [
        next((ink for rate, ink in reversed(thresholds) if value is not None and value > rate), base)
        for value in values
    ]
    rows = {min(height - 1, int(rate / top * height)): rate for rate, _ in thresholds if rate < top}
    lines = []
    for row in reversed(range(height)):
        rate = rows.get(row)
        runs: list[Span] = []
        for x, (value, ink) in enumerate(zip(values, inks, strict=True)):
            glyph = " " if value is None else _EIGHTHS[max(0, min(8, math.ceil((value / top * height - row) * 8)))]
            if glyph == " ":
                glyph, ink = ("│", "frame") if x in marked else _empty(value, row, rate is not None)
            if runs and runs[-1][1] == ink:
                runs[-1] = (runs[-1][0] + glyph, ink)
            else:
                runs.append((glyph, ink))
        label = percent(rate) if rate is not None else percent(top) if row == height - 1 else ""
        runs.append((label.rjust(AXIS), "muted" if rate is not None else "faint"))
        lines.append(tuple(runs))
    return tuple(lines)


def _empty(value: float | None, row: int, threshold: bool) -> Span:
    if threshold:
        return ("┄", "frame")
    return ("▁", "frame") if row == 0 and value is not None else (" ", "frame")
