"""Large digits: three lines high in a pane, five on a shared screen."""

from __future__ import annotations

from .spans import Line

HEIGHT = 3
GAP = 3  # cells between the figure and the words
WORDS = 16  # cells that the words need

# Five rows of dots each, below an empty one; two rows share a line of cells.
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
    "<": ("  #", " # ", "#  ", " # ", "  #"),
    ".": (" ", " ", " ", " ", "#"),
    "+": ("   ", " # ", "###", " # ", "   "),
    "-": ("   ", "   ", "###", "   ", "   "),
    "%": ("#  #", "  # ", " #  ", "#  #", "    "),
    " ": (" ", " ", " ", " ", " "),
    ":": (" ", "#", " ", "#", " "),
    "~": ("    ", " # #", "# # ", "    ", "    "),
    "?": ("## ", "  #", " # ", "   ", " # "),
    "A": (" # ", "# #", "###", "# #", "# #"),
    "C": (" ##", "#  ", "#  ", "#  ", " ##"),
    "E": ("###", "#  ", "## ", "#  ", "###"),
    "L": ("#  ", "#  ", "#  ", "#  ", "###"),
    "M": ("#   #", "## ##", "# # #", "#   #", "#   #"),
    "S": (" ##", "#  ", " # ", "  #", "## "),
    "V": ("# #", "# #", "# #", "# #", " # "),
}
LARGE = 5  # lines of a large figure
_HALVES = {"  ": " ", "# ": "▀", " #": "▄", "##": "█"}


def width(text: str) -> int:
    """Cells that the figure takes."""
    return sum(len(_GLYPHS[character][0]) + 1 for character in text) - 1 if text else 0


def figure(text: str, ink: str) -> tuple[Line, ...]:
    """The text (digits, `.`, `+`, `-`, `%`, space) as three lines of one ink."""
    rows = [" ".join(_GLYPHS[character][row] for character in text) for row in range(5)]
    rows.insert(0, " " * len(rows[0]))
    return tuple(
        (("".join(_HALVES[a + b] for a, b in zip(rows[y], rows[y + 1], strict=True)), ink),) for y in range(0, 6, 2)
    )


def drawable(text: str) -> bool:
    """Whether there is a picture for every character."""
    return set(text) <= set(_GLYPHS)


def large_width(text: str) -> int:
    """Cells that the large figure takes."""
    return 2 * width(text)


def large(text: str, ink: str, dot: str = "█") -> tuple[Line, ...]:
    """The text as five lines of one ink, every dot two cells wide; another `dot` tells what is no longer true."""
    rows = (" ".join(_GLYPHS[character][row] for character in text) for row in range(LARGE))
    return tuple((("".join(dot * 2 if mark == "#" else "  " for mark in row), ink),) for row in rows)


def room(text: str, whole: int, unit: str = "") -> int:
    """Cells that are left for words beside the figure; below `WORDS` there is no place for it."""
    return whole - width(text) - (len(unit) + 1 if unit else 0) - GAP


def beside(text: str, ink: str, words: tuple[Line, ...], whole: int, unit: str = "") -> tuple[Line, ...]:
    """The big figure with three lines of words at its right, or the same in plain lines where it doesn't fit.

    `whole` is the width in cells of both together.
    """
    if not set(text) <= set(_GLYPHS) or room(text, whole, unit) < WORDS:
        first, *others = words
        return (((f"{text}{' ' + unit if unit else ''}  ", ink), *first), *others)
    rows = figure(text, ink)
    units = ("", "", f" {unit}") if unit else ("", "", "")
    tail = len(unit) + 1 if unit else 0
    padded = (*words, *((),) * HEIGHT)[:HEIGHT]
    return tuple(
        (*row, (mark.ljust(tail), ink), (" " * GAP, "text"), *line)
        for row, mark, line in zip(rows, units, padded, strict=True)
    )
