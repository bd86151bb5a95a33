"""The big figure of a pane, three lines high: digits set in half blocks, readable across a room."""

from __future__ import annotations

from .cells import Line

HEIGHT = 3

# Five rows of dots each, a sixth stays empty; two rows share a line of cells.
_GLYPHS = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": ("## ", " # ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", "###", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", "  #", "  #", "  #"),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
    ".": (" ", " ", " ", " ", "#"),
    "+": ("   ", " # ", "###", " # ", "   "),
    "-": ("   ", "   ", "###", "   ", "   "),
    "%": ("#  #", "  # ", " #  ", "#  #", "    "),
    " ": (" ", " ", " ", " ", " "),
}
_HALVES = {"  ": " ", "# ": "▀", " #": "▄", "##": "█"}


def width(text: str) -> int:
    """Cells that the figure takes."""
    return sum(len(_GLYPHS[character][0]) + 1 for character in text) - 1 if text else 0


def figure(text: str, ink: str) -> tuple[Line, ...]:
    """The text (digits, `.`, `+`, `-`, `%`, space) as three lines of one ink."""
    rows = [" ".join(_GLYPHS[character][row] for character in text) for row in range(5)]
    rows.append(" " * len(rows[0]))
    return tuple(
        (("".join(_HALVES[a + b] for a, b in zip(rows[y], rows[y + 1], strict=True)), ink),) for y in range(0, 6, 2)
    )


def beside(text: str, ink: str, words: tuple[Line, ...], room: int, unit: str = "") -> tuple[Line, ...]:
    """The big figure with up to three lines of words at its right, or one plain line where it doesn't fit.

    `room` is the width in cells; the words get at least 16 of them.
    """
    if width(text) + len(unit) + 1 + 19 > room or not set(text) <= set(_GLYPHS):
        head = ((f"{text}{' ' + unit if unit else ''}", ink), ("  ", "text"))
        return (head + (words[0] if words else ()), *words[1:])
    big = figure(text, ink)
    units = ("", "", f" {unit}") if unit else ("", "", "")
    blank = " " * (len(unit) + 1) if unit else ""
    rows = []
    for y in range(HEIGHT):
        tail = (units[y] or blank, ink)
        rows.append((*big[y], tail, ("   ", "text"), *(words[y] if y < len(words) else ())))
    return tuple(rows) + words[HEIGHT:]
