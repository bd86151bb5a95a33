"""The actions on record as marks for charts."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase

from ..incident.actions import actions_in
from ..journal import Entry
from ..text.units import clock_minute
from ..widgets.charts import ChartMark

MOST = 26  # the newest; a chart of half an hour has no room for more


def action_marks(entries: Iterable[Entry]) -> tuple[ChartMark, ...]:
    """What was done, or may have been, whoever did it: a, b, c in order of time."""
    taken = [one for one in actions_in(entries) if one.happened or one.unknown]
    taken.sort(key=lambda one: one.ended_at or one.at)
    marks = []
    for letter, one in zip(ascii_lowercase, taken[-MOST:], strict=False):
        at = one.ended_at or one.at
        who = one.by.partition("@")[0]
        text = f"{clock_minute(at)} {one.name}{f', {who}' if who else ''}"
        marks.append(ChartMark(at.timestamp(), letter, text, one.name))
    return tuple(marks)
