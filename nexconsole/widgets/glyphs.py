"""Sets of glyphs: what is drawn instead where the terminal's font or charset lacks a character.

`full` draws what is meant. `console` is for fonts of 256 characters, as on a machine's own screen (code page 437).
`ascii` is for terminals that show nothing else; letters lose their accents there, other scripts become `?`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

UNKNOWN = "?"

_CONSOLE = {
    "▁": "_", "▂": "_", "▃": "▄", "▅": "▄", "▆": "■", "▇": "█",
    "╭": "┌", "╮": "┐", "╰": "└", "╯": "┘", "┄": "·", "┆": ":",
    "━": "═", "┃": "║", "┏": "╔", "┓": "╗", "┗": "╚", "┛": "╝",
    "●": "•", "▸": "►", "▹": ">", "▾": "▼", "◂": "◄", "╱": "/",
    "…": "~", "‹": "<", "›": ">", "–": "-", "—": "-", "’": "'", "‑": "-", "≠": "!", "✓": "√", "×": "x",
}  # fmt: skip
_ASCII = {
    "▀": '"', "▄": "=", "█": "#", "▌": "|", "▐": "|", "░": ".", "▒": ":", "▓": "#", "■": "#",
    "▁": "_", "▂": "_", "▃": "-", "▅": "=", "▆": "#", "▇": "#",
    "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┌": "+", "┐": "+", "└": "+", "┘": "+",
    "─": "-", "│": "|", "┄": ".", "┆": ":", "━": "=", "┃": "|", "┏": "+", "┓": "+", "┗": "+", "┛": "+",
    "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "═": "=", "║": "|",
    "▲": "!", "▼": "v", "►": ">", "◄": "<", "▸": ">", "▹": ">", "▾": "v", "◂": "<",
    "●": "*", "○": "o", "•": "*", "·": ".", "╱": "/", "←": "<", "→": ">", "↑": "^", "↓": "v",
    "…": "~", "‹": "<", "›": ">", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "‑": "-",
    "≠": "!", "≥": ">", "≤": "<", "×": "x", "✓": "+", "°": "o", "ß": "s", "€": "E", "√": "+",
}  # fmt: skip


class GlyphTable(dict[str, str]):
    """The character that is drawn for each; those that it has no word for are drawn as they are."""

    accents = True  # whether marks on letters are drawn

    def __missing__(self, character: str) -> str:
        return character


class AsciiTable(GlyphTable):
    """Letters without their accents; `?` for what has no likeness."""

    accents = False

    def __missing__(self, character: str) -> str:
        if character.isascii():
            return character
        base = unicodedata.normalize("NFKD", character)[:1]
        return base if base.isascii() and base.isprintable() else UNKNOWN


TABLES: Mapping[str, GlyphTable] = {
    "full": GlyphTable(),
    "console": GlyphTable(_CONSOLE),
    "ascii": AsciiTable(_ASCII),
}


def drawn(text: str, glyphs: str) -> str:
    """A text in this set, as wide as before where each character takes one cell."""
    table = TABLES[glyphs]
    return text if text.isascii() else "".join(map(table.__getitem__, text))
