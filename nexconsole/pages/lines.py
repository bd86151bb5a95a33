"""A subject's last log lines."""

from __future__ import annotations

from collections.abc import Iterator

from ..lookups.log_lines import SubjectLine, SubjectLines
from ..lookups.registry import LINES
from ..text.units import clock, several
from ..widgets.spans import Line, cut_front, plain
from .section import PageContext, Section, fact, from_signal, sentence

INKS = {"warn": "warn", "error": "warn", "fatal": "warn"}
SHOWN = 12
POD = 5  # of a pod's name, whose end tells it from others


def log_lines(context: PageContext, nothing: str, *, named: bool) -> Section:
    """The newest first. `named`: each with the end of its pod's name."""

    def draw(value: SubjectLines) -> Iterator[Line]:
        if not value.pods:
            yield from sentence("not known: no such log is followed now", "muted", context.width)
        elif not value.lines:
            yield from sentence(nothing, "muted", context.width)
        for line in tuple(reversed(value.lines))[:SHOWN]:
            yield from _line(line, context, named)

    section = from_signal(context, "Last log lines", LINES, draw)
    value = LINES.value(context.readings)
    if value is None or not value.pods:
        return section
    return Section(
        section.title,
        section.lines,
        "calm",
        ((f"logs of {several(value.pods, 'pod')}" if named else "its log", "muted"),),
        3,
    )


def _line(line: SubjectLine, context: PageContext, named: bool) -> tuple[Line, ...]:
    pod = f"{cut_front(plain(line.pod, 100), POD)}" if named else ""
    level = line.level.upper() if line.level in INKS else ""
    return fact(
        clock(line.at) if line.at else "",
        [(pod, "faint"), (level, INKS.get(line.level, "muted")), (plain(line.text, 1000), "text")],
        context.width,
    )
