"""A page as lines: the headline, then the sections with their titles, folded to the room that there is."""

from __future__ import annotations

from collections.abc import Sequence

from ..widgets.spans import BLANK, Line, fit, length
from .section import PageContext, Section, SubjectPage, sentence

RULE = "─"


def composed(page: SubjectPage, context: PageContext, room: int, unfolded: bool) -> tuple[tuple[Line, ...], bool]:
    """(all lines, whether some are folded away). Sections are cut to their least where not all fit into `room`."""
    text, ink = page.headline(context)
    head = sentence(text, ink, context.width)
    sections = tuple(page.sections(context))
    whole = len(head) + sum(len(section.lines) + 1 for section in sections)
    fold = whole > room and not unfolded and any(len(section.lines) > section.least + 1 for section in sections)
    airy = whole + len(sections) <= room
    lines = list(head)
    kept = _kept(sections, room - len(head)) if fold else [len(section.lines) for section in sections]
    for section, many in zip(sections, kept, strict=True):
        lines += [BLANK] * airy
        lines += _drawn(section, context.width, many)
    return tuple(lines), fold


def _kept(sections: Sequence[Section], room: int) -> list[int]:
    """How many lines each section keeps: its least, and what room is left goes to the first ones first."""
    kept = [len(one.lines) if len(one.lines) <= one.least + 1 else one.least for one in sections]
    used = sum(many + 1 + (many < len(one.lines)) for many, one in zip(kept, sections, strict=True))
    spare = max(0, room - used)
    for n, section in enumerate(sections):
        hidden = len(section.lines) - kept[n]
        more = hidden if hidden - 1 <= spare else spare  # the last hidden line takes the place of the words on it
        kept[n] += more
        spare -= min(more, spare)
    return kept


def _drawn(section: Section, width: int, least: int) -> Sequence[Line]:
    left = len(section.lines) - least
    more: tuple[Line, ...] = (((f"  … {left} more lines: tab", "note"),),) if left else ()
    return (_title(section, width), *section.lines[:least], *more)


def _title(section: Section, width: int) -> Line:
    ink = {"alarm": "strong", "warn": "strong", "minor": "strong"}.get(section.level, "figure")
    left: Line = ((section.title, ink), (" ", "frame"))
    right: Line = ((" ", "frame"), *section.provenance) if section.provenance else ()
    room = width - length(left) - length(right)
    return fit((*left, (RULE * max(0, room), "frame"), *right), width)
