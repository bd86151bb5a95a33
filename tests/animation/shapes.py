"""Frames and blocks as shapes: a font that a browser takes instead leaves gaps between its lines and blocks."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH, HEIGHT = 8, 17  # of a cell
LINE_STROKES = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "udr", "┤": "udl", "┬": "lrd", "┴": "lru",
    "┼": "lrud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "━": "LR", "┃": "UD", "┏": "RD", "┓": "LD", "┗": "RU",
    "┛": "LU", "┣": "UDR", "┫": "UDL", "╴": "l", "╶": "r",
}  # fmt: skip
# As parts of the cell: left, top, right, bottom.
BLOCKS = {
    "█": (0.0, 0.0, 1.0, 1.0), "▀": (0.0, 0.0, 1.0, 0.5), "▌": (0.0, 0.0, 0.5, 1.0), "▐": (0.5, 0.0, 1.0, 1.0),
    **{character: (0.0, 1 - (n + 1) / 8, 1.0, 1.0) for n, character in enumerate("▁▂▃▄▅▆▇")},
    **{character: (0.0, 0.0, 1 - (n + 1) / 8, 1.0) for n, character in enumerate("▉▊▋")},
}  # fmt: skip
SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
SHAPES = {*LINE_STROKES, *BLOCKS, *SHADES}


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """As a part of a path."""
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def shape(character: str, column: int) -> str:
    """What stands in this cell of a line, as a part of a path."""
    if character in LINE_STROKES:
        return "".join(_strokes(LINE_STROKES[character], column * WIDTH))
    left, top, right, bottom = BLOCKS.get(character, BLOCKS["█"])
    return rectangle((column + left) * WIDTH, top * HEIGHT, (right - left) * WIDTH, (bottom - top) * HEIGHT)


def _strokes(ways: str, x: float) -> Iterator[str]:
    """Small letters are thin strokes, large ones thick; each from the edge to the middle."""
    for way in ways:
        thick = 2 if way.isupper() else 1
        left, top = x + (WIDTH - thick) / 2, (HEIGHT - thick) / 2
        across, down = (WIDTH + thick) / 2, (HEIGHT + thick) / 2
        places = {
            "l": (x, top, across, thick),
            "r": (left, top, across, thick),
            "u": (left, 0, thick, down),
            "d": (left, top, thick, down),
        }
        yield rectangle(*places[way.lower()])
