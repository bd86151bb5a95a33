"""Frames as one SVG that plays by itself, in a page or as a picture of one: styles and equal lines stand in it once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate, groupby

from .cells import BACKGROUND, CellRun, Row
from .record import Frame
from .shapes import HEIGHT, SHADES, SHAPES, WIDTH, number, rectangle, shape

EDGE = 10  # round the screen
CAPTION = 44  # its height, below the screen
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
_STYLES = f"""\
text{{font:13.3px {_FONTS};white-space:pre}}
.b{{font-weight:700}}
.f{{visibility:hidden}}
.cap{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;font-size:17px;fill:#f5f7fa}}
.key{{font-size:16px;font-weight:700;fill:#0d1117;text-anchor:middle}}
"""


class _Inks:
    """A class of the style sheet for each colour."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, colour: str) -> str:
        return self._names.setdefault(colour, f"c{len(self._names)}")

    def styles(self) -> str:
        return "".join(f".{name}{{fill:{colour}}}" for colour, name in self._names.items())


def drawn(frames: Sequence[Frame], columns: int) -> str:
    """The whole animation. Without animation the first frame stands; with less motion wanted, too."""
    inks = _Inks()
    lines: dict[Row, str] = {}
    bodies = [_body(frame, lines) for frame in frames]
    defined = "".join(f'<g id="{name}">{_line(row, inks)}</g>' for row, name in lines.items())
    width, height = columns * WIDTH + 2 * EDGE, len(frames[0].rows) * HEIGHT + 2 * EDGE + CAPTION
    captions = [_caption(frame, index, len(frames), width, height) for index, frame in enumerate(frames)]
    shown = "".join(
        f'<g class="f f{index}">{body}{caption}</g>'
        for index, (body, caption) in enumerate(zip(bodies, captions, strict=True))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<style>\n{_STYLES}{inks.styles()}\n{_timing(frames)}</style>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>\n'
        f"<defs>{defined}</defs>\n{shown}\n</svg>\n"
    )


def _timing(frames: Sequence[Frame]) -> str:
    whole = sum(frame.seconds for frame in frames)
    ends = [100 * end / whole for end in accumulate(frame.seconds for frame in frames)]
    rules = []
    for index, (start, end) in enumerate(zip([0.0, *ends], ends, strict=False)):
        steps = f"0%{{visibility:hidden}}{start:.2f}%{{visibility:visible}}{end:.2f}%{{visibility:hidden}}"
        rules.append(f"@keyframes k{index}{{{steps}}}.f{index}{{animation:k{index} {whole:g}s step-end infinite}}")
    still = "@media (prefers-reduced-motion:reduce){.f{animation:none}}"
    return "\n".join([".f0{visibility:visible}", *rules, still]) + "\n"


def _body(frame: Frame, lines: dict[Row, str]) -> str:
    placed = (
        f'<use href="#{lines.setdefault(row, f"l{len(lines)}")}" x="{EDGE}" y="{EDGE + index * HEIGHT}"/>'
        for index, row in enumerate(frame.rows)
        if row
    )
    return "".join(placed)


def _caption(frame: Frame, index: int, count: int, width: int, height: int) -> str:
    """The key that was pressed, what it does, and how far the film is."""
    top = height - CAPTION
    parts = [f'<path d="{rectangle(0, top, width, 1)}" fill="#2a323c"/>']
    left = EDGE + 8
    if frame.key:
        wide = 26 + 9 * (len(frame.key) - 1)
        parts.append(f'<rect x="{left}" y="{top + 9}" width="{wide}" height="27" rx="5" fill="#6cb6ff"/>')
        parts.append(f'<text class="key" x="{number(left + wide / 2)}" y="{top + 28}">{escape(frame.key)}</text>')
        left += wide + 12
    parts.append(f'<text class="cap" x="{left}" y="{top + 29}">{escape(frame.says)}</text>')
    for dot in range(count):
        ink, across = ("#f5f7fa" if dot == index else "#39424e"), width - EDGE - 10 - 12 * (count - 1 - dot)
        parts.append(f'<circle cx="{across}" cy="{top + 23}" r="3.5" fill="{ink}"/>')
    return "".join(parts)


def _line(row: Row, inks: _Inks) -> str:
    return "".join(part for run in row for part in _run(run, inks))


def _run(run: CellRun, inks: _Inks) -> Iterator[str]:
    if run.ground != BACKGROUND:
        ground = rectangle(run.column * WIDTH, 0, len(run.text) * WIDTH, HEIGHT)
        yield f'<path class="{inks.name(run.ground)}" d="{ground}"/>'
    column = run.column
    for kind, cells in groupby(run.text, key=_kind):
        part = "".join(cells)
        if kind == "text":
            yield from _words(part, column, run, inks)
        else:
            outline = "".join(shape(character, column + index) for index, character in enumerate(part))
            shade = f' opacity="{SHADES[kind]}"' if kind in SHADES else ""
            yield f'<path class="{inks.name(run.ink)}" d="{outline}"{shade}/>'
        column += len(part)


def _kind(character: str) -> str:
    if character in SHADES:
        return character
    return "shape" if character in SHAPES else "text"


def _words(part: str, column: int, run: CellRun, inks: _Inks) -> Iterator[str]:
    """Each piece between wide gaps keeps its place and its width, whichever font there is."""
    look = f"{inks.name(run.ink)}{' b' if run.bold else ''}"
    for words in re.finditer(r"\S+(?: \S+)*", part):
        place = f'x="{(column + words.start()) * WIDTH}" textLength="{len(words[0]) * WIDTH}"'
        yield f'<text class="{look}" y="{HEIGHT - 4}" {place}>{escape(words[0], quote=False)}</text>'
