"""A page as lines: the headline, then the sections with their titles, folded to the room that there is."""

from __future__ import annotations

from collections.abc import Sequence

from ..widgets.spans import Line, fit, length
from .section import PageContext, Section, SubjectPage, sentence

RULE = "─"


def composed(page: SubjectPage, context: PageContext, room: int, unfolded: bool) -> tuple[tuple[Line, ...], bool]:
    """(all lines, whether some are folded away). Sections are cut to their least where not all fit into `room`."""
    text, ink = page.headline(context)
    head = sentence(text, ink, context.width)
    sections = tuple(page.sections(context))
    whole = len(head) + sum(len(section.lines) + 1 for section in sections)
    fold = whole > room and not unfolded and any(len(section.lines) > section.least + 1 for section in sections)
    lines = list(head)
    for section in sections:
        lines += _drawn(section, context.width, fold)
    return tuple(lines), fold


def _drawn(section: Section, width: int, fold: bool) -> Sequence[Line]:
    least = section.least if fold and len(section.lines) > section.least + 1 else len(section.lines)
    left = len(section.lines) - least
    more: tuple[Line, ...] = (((f"  … {left} more lines: tab", "note"),),) if left else ()
    return (_title(section, width), *section.lines[:least], *more)


def _title(section: Section, width: int) -> Line:
    ink = {"alarm": "strong", "warn": "strong", "minor": "strong"}.get(section.level, "note")
    left: Line = ((section.title, ink), (" ", "frame"))
    right: Line = ((" ", "frame"), *section.provenance) if section.provenance else ()
    room = width - length(left) - length(right)
    return fit((*left, (RULE * max(0, room), "frame"), *right), width)
