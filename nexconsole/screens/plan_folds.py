"""Folds the parts of a plan into the lines that there are: which part gets how many, and what of it is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..text.units import count, several
from ..widgets.spans import Line, fit, spread
from .plan_lines import PARTS, PlanSection

UPPER = ("again", "effect", "warnings")  # above the keys; the rest is below them
ALL = 10_000
# Who gets up to how many lines, one after the other, while there are any. Each part has one line first.
STEPS = (
    *((name, 1) for name in ("effect", "warnings", "again", "targets", "command", "undo", "watch", "checks")),
    *(("effect", 6), ("again", 3), ("warnings", 8), ("targets", 4), ("command", 3), ("undo", 2)),
    *((name, ALL) for name in ("effect", "again", "warnings", "targets", "command", "undo", "watch", "checks")),
)
DECISIVE = (("effect", 3), ("warnings", 3))  # what stays in sight whichever part is opened, in a room with space
ROOMY = 14


def section_keys(avoided: str) -> Mapping[str, str]:
    """The digit that opens each part; `avoided` has another meaning in this dialog."""
    digits = [digit for digit in "123456789" if digit != avoided]
    return dict(zip((*PARTS, "again"), digits, strict=False))


def allot(sections: Sequence[PlanSection], room: int, opened: str = "") -> dict[str, int]:
    """How many of `room` lines each part gets. `opened` gets all that the others' first lines leave."""
    heights = {section.name: len(section.lines) for section in sections}
    given = dict.fromkeys(heights, 0)
    steps = STEPS
    if opened in heights:
        decisive = DECISIVE if room >= ROOMY else ()
        first, rest = STEPS[: len(PARTS) + 1], STEPS[len(PARTS) + 1 :]
        steps = (*first[:2], (opened, 3), *first[2:], *decisive, (opened, ALL), *rest)
    for name, most in steps:
        if name in heights and room > 0:
            more = max(0, min(heights[name], most) - given[name])
            given[name] += min(more, room)
            room -= min(more, room)
    return given


def shown_lines(
    section: PlanSection, rows: int, width: int, key: str, top: int | None, moves: tuple[str, str] = ("up", "down")
) -> list[Line]:
    """`rows` lines of the part. What is folded says how many lines more there are, and which `key` opens it; an opened
    one begins at line `top` (None: it is not opened) and says where it stands, in a line of its own, and which keys
    scroll it: `moves`, up and down.
    """
    lines = section.lines
    if rows <= 0 or len(lines) <= rows:
        return [fit(line, width) for line in lines[: max(0, rows)]]
    if top is None:
        tag = _folded_tag(section, rows, key)
        return [*(fit(line, width) for line in lines[: rows - 1]), spread(lines[rows - 1], tag, width)]
    part = lines[top : top + in_sight(rows)]
    tag = _opened_tag(top, len(part), len(lines), key, moves)
    if rows == 1:
        return [spread(part[0], tag, width)]
    return [*(fit(line, width) for line in part), spread((), tag, width)]


def in_sight(rows: int) -> int:
    """How many of an opened part's lines are seen in `rows`."""
    return max(1, rows - 1)


def _folded_tag(section: PlanSection, rows: int, key: str) -> Line:
    changed = f", {count(section.changes)} changed" if section.changes else ""
    more = several(len(section.lines) - rows, "line")
    return ((f" +{more}{changed}: ", "warn"), (key, "key"))


def _opened_tag(first: int, rows: int, of: int, key: str, keys: tuple[str, str]) -> Line:
    where = f" {count(first + 1)} to {count(first + rows)} of {count(of)}: "
    up, down = keys
    moves = down if first == 0 else up if first + rows >= of else f"{up}, {down}"
    return ((where, "warn"), (moves, "key"), (", ", "muted"), (key, "key"), (" folds", "muted"))


__all__ = ["UPPER", "allot", "in_sight", "section_keys", "shown_lines"]
