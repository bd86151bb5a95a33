"""Figures and severity over time, small: lines of characters, an inline SVG, and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from html import escape
from typing import Any

from ..incident.incident import Incident
from ..incident.metrics import metric_specs, ranges, said, title
from ..severity import LEVELS
from ..signals.signal import Number
from ..text.units import clock

STANDS = timedelta(seconds=90)  # a figure counts until the next one, and no longer than this
COLUMNS = 60
_LABEL = 20  # characters before the characters of a line
_SIGNS = ("1", "2", "3", ".")  # by rank, the worst first; shape and not colour carries the meaning
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _LEFT, _RIGHT = 600, 132, 66  # of the plots, and the room for words beside them
_PLOT, _BAR, _GAP = 46, 22, 14  # heights: a figure's plot, the severity's bar, between two
_ROOM = 18.0  # for a number
_GREYS = ("#222", "#777", "#bbb", "#eee")
Span = tuple[float, float, Number]  # from, to (parts of the whole time), value


def as_text(incident: Incident) -> str:
    """A line for each figure that was known, one for the severity, one for the actions' numbers; "" for nothing.

    Each character is a sixtieth of the time and shows its worst; a blank where nothing was known.
    """
    ranks = _levels(incident)
    drawn = _drawn(incident)
    if incident.begin is None or incident.end is None or not (ranks or drawn):
        return ""
    lines = [f"{'':{_LABEL}} {clock(incident.begin)}{clock(incident.end):>{COLUMNS - 6}}"]
    for name, spans in drawn:
        most = max(value for _, _, value in spans)
        signs = [_bar(max(met), most) if met else " " for met in _columns(spans)]
        label, top = title(name, incident.metrics), said(name, most, incident.metrics)
        lines.append(f"{label:<{_LABEL}} |{''.join(signs)}| max {top}")
    if ranks:
        signs = [_SIGNS[int(min(met))] if met else " " for met in _columns(ranks)]
        lines.append(f"{'severity':<{_LABEL}} |{''.join(signs)}| 1 SEV-1, 2 SEV-2, 3 SEV-3, . none")
    if incident.actions:
        lines.append(f"{'actions':<{_LABEL}} |{_numbers(incident)}|")
    return "\n".join(lines)


def as_svg(incident: Incident) -> str:
    """The same as plots above each other, the severity as a bar, and the actions as numbered marks through all.

    "" where there is nothing to draw.
    """
    ranks = _levels(incident)
    drawn = _drawn(incident)
    if incident.begin is None or incident.end is None or not (ranks or drawn):
        return ""
    parts: list[str] = []
    y = 6.0
    for name, spans in drawn:
        parts += _plot(title(name, incident.metrics), partial(said, name, specs=incident.metrics), spans, y)
        y += _PLOT + _GAP
    if ranks:
        parts += _severity(ranks, y)
        y += _BAR
    parts += _marks(incident, y)
    parts.append(f'<text x="{_LEFT}" y="{y + 32:.0f}">{clock(incident.begin)}</text>')
    parts.append(f'<text x="{_LEFT + _WIDTH}" y="{y + 32:.0f}" text-anchor="end">{clock(incident.end)}</text>')
    size = f'viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {y + 40:.0f}"'
    words = "<title>Figures and severity over time; the numbers below are the actions</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{words}{"".join(parts)}</svg>'


def series(incident: Incident) -> dict[str, Any]:
    """`at` (UTC), and of each figure as many values; null where it was not known."""
    names = [metric_range.name for metric_range in ranges(incident.figures, incident.metrics)]
    return {
        "at": [sample.at for sample in incident.figures],
        "figures": {name: [sample.numbers.get(name) for sample in incident.figures] for name in names},
    }


def _part(incident: Incident, at: datetime) -> float:
    assert incident.begin is not None
    return min(1.0, max(0.0, (at - incident.begin) / incident.lasted))


def _drawn(incident: Incident) -> list[tuple[str, list[Span]]]:
    """The figures that are plotted, those that were known at some time."""
    specs = metric_specs() if incident.metrics is None else incident.metrics
    names = (name for name, spec in specs.items() if spec.drawn)
    return [(name, spans) for name in names if (spans := _figure(incident, name))]


def _levels(incident: Incident) -> list[Span]:
    """The rank of each severity as it was judged; [] where nothing lasts."""
    if not incident.lasted or not incident.levels:
        return []
    marks = [_part(incident, level.at) for level in incident.levels]
    return [(at, end, change.rank) for at, end, change in zip(marks, [*marks[1:], 1.0], incident.levels, strict=True)]


def _figure(incident: Incident, name: str) -> list[Span]:
    if not incident.lasted or not incident.figures:
        return []
    found: list[Span] = []
    for sample, following in zip(incident.figures, [*incident.figures[1:], None], strict=True):
        if name in sample.numbers:
            until = min(sample.at + STANDS, following.at) if following else sample.at + STANDS
            found.append((_part(incident, sample.at), _part(incident, until), sample.numbers[name]))
    return found


def _columns(spans: Sequence[Span]) -> Iterator[list[Number]]:
    """For each column what the spans that reach into it have."""
    for column in range(COLUMNS):
        low, high = column / COLUMNS, (column + 1) / COLUMNS
        yield [value for start, end, value in spans if start < high and (end > low or start == end >= low)]


def _bar(value: Number, most: Number) -> str:
    """Nothing is the lowest; whatever is more than nothing is seen to be more."""
    return _BARS[0] if value <= 0 or most <= 0 else _BARS[max(1, round(value / most * (len(_BARS) - 1)))]


def _numbers(incident: Incident) -> str:
    """The actions' numbers where they were begun; one that would stand on another is left out."""
    row = [" "] * COLUMNS
    free = 0
    for number, action in enumerate(incident.actions, 1):
        column = min(COLUMNS - len(str(number)), int(_part(incident, action.at) * COLUMNS)) if incident.lasted else 0
        if column >= free:
            row[column : column + len(str(number))] = str(number)
            free = column + len(str(number)) + 1
    return "".join(row)


def _plot(title: str, say: Callable[[Number], str], spans: Sequence[Span], top: float) -> Iterator[str]:
    """Steps, filled; broken where nothing was known."""
    most = max(value for _, _, value in spans)
    bottom = top + _PLOT

    def y(value: Number) -> float:
        return bottom - (max(0, value) / most * (_PLOT - 4) if most > 0 else 0)

    yield f'<text x="{_LEFT - 8}" y="{top + _PLOT / 2 + 4:.1f}" text-anchor="end">{escape(title)}</text>'
    yield f'<line x1="{_LEFT}" y1="{bottom}" x2="{_LEFT + _WIDTH}" y2="{bottom}" stroke="#bbb"/>'
    for run in _runs(spans):
        points = [(_LEFT + x * _WIDTH, y(value)) for start, end, value in run for x in (start, end)]
        line = " ".join(f"{x:.1f},{height:.1f}" for x, height in points)
        first, last = points[0][0], points[-1][0]
        yield f'<polygon points="{first:.1f},{bottom} {line} {last:.1f},{bottom}" fill="#ddd"/>'
        yield f'<polyline points="{line}" fill="none" stroke="#111" stroke-width="1.5"/>'
    yield f'<text x="{_LEFT + _WIDTH + 6}" y="{top + 10:.1f}">{escape(say(most))}</text>'
    yield f'<text x="{_LEFT + _WIDTH + 6}" y="{bottom:.1f}">0</text>'


def _runs(spans: Sequence[Span]) -> Iterator[list[Span]]:
    run: list[Span] = []
    for span in spans:
        if run and span[0] > run[-1][1]:
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def _severity(ranks: Sequence[Span], top: float) -> Iterator[str]:
    yield f'<text x="{_LEFT - 8}" y="{top + 15:.1f}" text-anchor="end">severity</text>'
    for start, end, rank in ranks:
        x, width = _LEFT + start * _WIDTH, max(1.0, (end - start) * _WIDTH)
        yield f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BAR}" fill="{_GREYS[int(rank)]}"/>'
        word = LEVELS[int(rank)]
        if width >= 7.0 * len(word):
            ink = "#fff" if rank < 2 else "#111"
            yield f'<text x="{x + 4:.1f}" y="{top + 15:.1f}" fill="{ink}">{word}</text>'


def _marks(incident: Incident, bottom: float) -> Iterator[str]:
    written = -_ROOM
    for number, action in enumerate(incident.actions, 1):
        x = _LEFT + _part(incident, action.at) * _WIDTH
        yield f'<line x1="{x:.1f}" y1="2" x2="{x:.1f}" y2="{bottom + 6:.1f}" stroke="#555" stroke-dasharray="3 3"/>'
        if x - written >= _ROOM:  # the next number would stand on this one
            yield f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{number}</text>'
            written = x
