"""A terminal's screen as runs of cells that look alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyte

FOREGROUND, BACKGROUND = "#c9d1d9", "#0d1117"  # where the console names none, as in its dark theme
_NAMED = {"black": "000000", "brown": "c0a000", "white": "c9d1d9"}


@dataclass(frozen=True, slots=True)
class CellRun:
    """Cells of one line that look alike; `column` is that of the first."""

    column: int
    text: str
    ink: str
    ground: str
    bold: bool


Row = tuple[CellRun, ...]


def rows_of(screen: pyte.Screen) -> tuple[Row, ...]:
    """What stands on the screen, line by line."""
    return tuple(tuple(_runs(screen.buffer[line], screen.columns)) for line in range(screen.lines))


def _runs(cells: Any, columns: int) -> Iterator[CellRun]:
    looks: list[tuple[str, str, bool]] = []
    for column in range(columns):
        look = _look(cells[column])
        if cells[column].data == " " and looks and looks[-1][1] == look[1]:
            look = looks[-1]  # a blank has no ink of its own
        looks.append(look)
    for (ink, ground, bold), places in groupby(range(columns), key=looks.__getitem__):
        run = list(places)
        text = "".join(cells[column].data for column in run)
        if text.strip() or ground != BACKGROUND:
            yield CellRun(run[0], text, ink, ground, bold)


def _look(cell: Any) -> tuple[str, str, bool]:
    ink, ground = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
    return (ground, ink, bool(cell.bold)) if cell.reverse else (ink, ground, bool(cell.bold))


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    value = _NAMED.get(name, name)
    return f"#{value.lower()}" if len(value) == 6 else default
