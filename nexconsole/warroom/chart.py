"""Severity over time, small: a line of characters, and an inline SVG."""

from __future__ import annotations

from html import escape

from ..severity import LEVELS
from .incident import Incident
from .report import clock

COLUMNS = 60
_SIGNS = ("1", "2", "3", ".")  # by rank, the worst first; shape and not colour carries the meaning
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 76, 56, 10  # of the plot, and the room for words beside and above it
_ROOM = 18.0  # for a number
_GREYS = ("#222", "#666", "#aaa", "#ddd")


def as_text(incident: Incident) -> str:
    """One line: the worst severity of each sixtieth of the time; a blank where none was known yet."""
    spans = _spans(incident)
    if not spans:
        return ""
    signs = []
    for column in range(COLUMNS):
        low, high = column / COLUMNS, (column + 1) / COLUMNS
        met = [rank for start, end, rank in spans if start < high and end > low]
        signs.append(_SIGNS[min(met)] if met else " ")
    assert incident.begin is not None and incident.end is not None
    return f"{clock(incident.begin)} |{''.join(signs)}| {clock(incident.end)}   1 SEV-1, 2 SEV-2, 3 SEV-3, . none"


def as_svg(incident: Incident) -> str:
    """The same with steps, and the actions as numbered marks; "" where there is nothing to draw."""
    spans = _spans(incident)
    if not spans or incident.begin is None or incident.end is None:
        return ""
    row = _HEIGHT / len(LEVELS)
    parts = []
    for rank, level in enumerate(LEVELS):
        y = _TOP + rank * row + row
        parts.append(f'<text x="{_LEFT - 6}" y="{y - 4:.1f}" text-anchor="end">{escape(level)}</text>')
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDTH}" y2="{y:.1f}" stroke="#ddd"/>')
    for start, end, rank in spans:
        top = _TOP + rank * row + 2
        parts.append(
            f'<rect x="{_LEFT + start * _WIDTH:.1f}" y="{top:.1f}" width="{max(1.0, (end - start) * _WIDTH):.1f}"'
            f' height="{_TOP + _HEIGHT - top:.1f}" fill="{_GREYS[rank]}"/>'
        )
    bottom = _TOP + _HEIGHT
    written = -_ROOM
    for number, action in enumerate(incident.actions, 1):
        x = _LEFT + (action.at - incident.begin) / incident.lasted * _WIDTH
        parts.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 6}" stroke="#000"/>')
        if x - written >= _ROOM:  # the next number would stand on this one
            parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{number}</text>')
            written = x
    parts.append(f'<text x="{_LEFT}" y="{bottom + 32}">{clock(incident.begin)}</text>')
    parts.append(f'<text x="{_LEFT + _WIDTH}" y="{bottom + 32}" text-anchor="end">{clock(incident.end)}</text>')
    size = f'viewBox="0 0 {_LEFT + _WIDTH + 10} {bottom + 38}"'
    title = "<title>Severity over time; the numbers below are the actions</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{title}{"".join(parts)}</svg>'


def _spans(incident: Incident) -> list[tuple[float, float, int]]:
    """(start, end, rank) of each severity, as parts of the whole time; [] where nothing lasts."""
    if incident.begin is None or incident.end is None or not incident.lasted:
        return []
    marks = [(level.at - incident.begin) / incident.lasted for level in incident.levels]
    return [
        (start, end, level.rank) for start, end, level in zip(marks, [*marks[1:], 1.0], incident.levels, strict=True)
    ]
