"""Lines as plain data: spans of text with a style name, measured and cut by terminal cells.

A line is a tuple of `(text, style)`; a style is a name of `styles.STYLES`, coloured by the theme. Nothing here parses
markup, so external text can be drawn as it is, after `plain` has sanitized it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from rich.cells import cell_len

from ..text.sanitize import strip_controls
from .privacy import MASKER

Span = tuple[str, str]
Line = tuple[Span, ...]

BLANK: Line = ()
LONGEST = 400  # characters of one text from outside that are ever looked at on screen

# Regional indicators pair up to flags, and skin tones melt into the emoji before them, in some terminals only:
# widths that terminals disagree on would break the frame.
_DISPUTED = {0x1F1E6 + n: chr(ord("A") + n) for n in range(26)} | dict.fromkeys(range(0x1F3FB, 0x1F400))
_MARKS = 2  # accents kept on one letter


def cells(text: str) -> int:
    """The width of a text in terminal cells."""
    return len(text) if text.isascii() else cell_len(text)


def plain(text: object, limit: int = LONGEST) -> str:
    """Text from outside as one harmless line of at most `limit` characters whose width all terminals agree on.

    Masked while the screen is shared.
    """
    return _plain(text, limit, MASKER.mask)


def plain_command(text: object, limit: int = LONGEST) -> str:
    """As `plain`, for a literal command of our own, whose statement must be readable before it is confirmed."""
    return _plain(text, limit, MASKER.mask_command)


def plain_query(text: object, limit: int = LONGEST) -> str:
    """As `plain`, for a query that somebody else runs: on a shared screen its first word."""
    return _plain(text, limit, MASKER.mask_query)


def _plain(text: object, limit: int, cover: Callable[[str], str]) -> str:
    raw = str(text)
    short, whole = raw[: 4 * limit], len(raw) <= 4 * limit
    if not (short.isascii() and short.isprintable()):
        short = _harmless(strip_controls(short))
    if MASKER.enabled:
        short = cover(short if whole else short + "…")
    return short if len(short) <= limit and whole else short[: limit - 1].removesuffix("…") + "…"


def _harmless(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text).translate(_DISPUTED):
        kind = unicodedata.category(character)
        if kind == "Mn" and kept and marks < _MARKS and not 0xFE00 <= ord(character) <= 0xFE0F:
            marks += 1
            kept.append(character)
        elif kind[0] == "Z" or character in "\t\n":
            kept.append(" ")
        elif kind[0] not in "CM":
            marks = 0
            kept.append(character)
    return "".join(kept)


def cut(text: str, width: int) -> str:
    """The text, ended by an ellipsis where it is wider than `width` cells."""
    if width <= 0:
        return ""
    if len(text) <= width and cells(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    used, end = 0, 0
    for character in text:
        used += cells(character)
        if used > width - 1:
            break
        end += 1
    return text[:end] + "…"


def cut_front(text: str, width: int) -> str:
    """The text's end, where that is what tells it from others, as with pods; begun by an ellipsis where it is cut."""
    if cells(text) <= width:
        return text
    if width <= 1:
        return "…"[: max(0, width)]
    kept = text[1 - width :]
    while cells(kept) > width - 1:
        kept = kept[1:]
    return "…" + kept


def column(text: str, width: int, right: bool = False) -> str:
    """The text cut and padded to exactly `width` cells."""
    text = cut(text, width)
    space = " " * (width - cells(text))
    return space + text if right else text + space


def length(line: Iterable[Span]) -> int:
    return sum(cells(text) for text, _ in line)


def fit(line: Line, width: int) -> Line:
    """The line cut and padded to exactly `width` cells; neighbours of one ink become one run."""
    out: list[Span] = []
    left = width
    for text, ink in line:
        if left <= 0:
            break
        if len(text) > 4 * left + 16:
            text = text[: 4 * left + 16]
        if not text.isprintable():
            text = plain(text)
        wide = cells(text)
        if wide > left:
            text = cut(text, left)
            wide = cells(text)
        left -= wide
        if out and out[-1][1] == ink:
            out[-1] = (out[-1][0] + text, ink)
        elif text:
            out.append((text, ink))
    if left > 0:
        if out and out[-1][1] in ("text", "figure", "chart", "muted", "faint", "stale"):
            out[-1] = (out[-1][0] + " " * left, out[-1][1])
        else:
            out.append((" " * left, "text"))
    return tuple(out)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` at the left and `right` at the right end; where both don't fit, `left` is cut."""
    room = width - length(right)
    return fit(left, max(0, room - 1)) + ((" ", "text"),) * (room > 0) + right if room > 0 else fit(right, width)


def dimmed(line: Line) -> Line:
    """The same words in the ink of what is no longer true."""
    return tuple((text, "stale") for text, _ in line)


def wrapped(text: str, width: int, rows: int, limit: int = LONGEST) -> list[str]:
    """A sentence of at most `limit` characters broken at spaces into at most `rows` lines of at most `width` cells;
    cut with an ellipsis where it is longer."""
    lines: list[str] = []
    rest = plain(text, limit).split()
    while rest and len(lines) < rows:
        if len(lines) == rows - 1:
            lines.append(cut(" ".join(rest), width))
            break
        taken = rest.pop(0)
        while rest and cells(taken) + 1 + cells(rest[0]) <= width:
            taken += " " + rest.pop(0)
        lines.append(cut(taken, width))
    return lines


def folded(text: str, width: int) -> list[str]:
    """A text broken into lines of at most `width` cells, at blanks where there are any; nothing of it is left out."""
    lines: list[str] = []
    while cells(text) > width > 0:
        end = len(cut(text, width)) - 1
        end = end if end > 0 else 1
        blank = text.rfind(" ", end // 2, end + 1)
        end = blank if blank > 0 else end
        lines.append(text[:end].rstrip(" "))
        text = text[end:].lstrip(" ")
    return [*lines, text] if text or not lines else lines


def phrases(parts: Iterable[Span], width: int, between: Span = (", ", "muted")) -> Line:
    """Those of the phrases that fit into `width` cells, the first ones first; the very first is cut if it must be."""
    out: list[Span] = []
    left = width
    for text, ink in parts:
        need = cells(text) + (cells(between[0]) if out else 0)
        if need > left and out:
            continue
        if out:
            out.append(between)
        out.append((cut(text, left), ink))
        left = max(0, left - need)
    return tuple(out)


def covered(line: Line) -> Line:
    """The line masked, at its old width: for text that did not pass `plain`."""
    whole = "".join(text for text, _ in line)
    shown = MASKER.mask_figures(whole)
    if shown == whole or len(shown) != len(whole):
        return line if shown == whole else ((shown, line[0][1]),)
    runs: list[Span] = []
    for text, ink in line:
        runs.append((shown[: len(text)], ink))
        shown = shown[len(text) :]
    return tuple(runs)


def as_text(lines: Iterable[Line]) -> str:
    """The words of the lines, without their inks, as they are copied."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)
