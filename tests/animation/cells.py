"""A terminal's screen as runs of cells that look alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyte

FOREGROUND, BACKGROUND = "#d5dae3", "#0f131a"  # where the console names none
_NAMED = {"black": "000000", "brown": "c0a000", "white": "d5dae3"}


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
    styled = [(column, cells[column].data, *_look(cells[column])) for column in range(columns)]
    for (ink, ground, bold), run in groupby(styled, key=lambda cell: cell[2:]):
        alike = list(run)
        text = "".join(cell[1] for cell in alike)
        if text.strip() or ground != BACKGROUND:
            yield CellRun(alike[0][0], text, ink, ground, bold)


def _look(cell: Any) -> tuple[str, str, bool]:
    ink, ground = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
    if cell.reverse:
        ink, ground = ground, ink
    return ("" if cell.data == " " else ink), ground, bool(cell.bold) and cell.data != " "


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    value = _NAMED.get(name, name)
    return f"#{value.lower()}" if len(value) == 6 else default
