"""A change: what, when, by whom, who says so, and how it stands to when it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..causes.change_wording import CHANGES, against_onset, change_id, onset_of, said
from ..text.units import clock, duration, moment
from ..widgets.spans import Line, Span, plain
from .changes import changes
from .section import PageContext, Section, fact, from_signal

if TYPE_CHECKING:
    from ..signals.change import Change, ChangeLog

NOUN = "Change"
SIGNALS = frozenset[str]({CHANGES})


def _found(context: PageContext) -> Change | None:
    log = CHANGES.value(context.readings)
    return next((each for each in log.changes if change_id(each) == context.subject.id), None) if log else None


def present(context: PageContext) -> bool | None:
    return None if CHANGES.value(context.readings) is None else _found(context) is not None


def headline(context: PageContext) -> Span:
    change = _found(context)
    return (plain(said(change), 300), "strong") if change is not None else ("it is no longer listed", "muted")


def sections(context: PageContext) -> tuple[Section, ...]:
    change = _found(context)
    what = from_signal(context, "What it was", CHANGES, lambda log: _what(log, context), least=6)
    names = (change.target, change.subject) if change is not None else ()
    beside = from_signal(context, "Changed in the same minutes", CHANGES, lambda log: _beside(log, context))
    return (what, beside, changes(context, *names, title="What was done here to the same"))


def _what(log: ChangeLog, context: PageContext) -> Iterator[Line]:
    change, width = _found(context), context.width
    if change is None:
        return
    onset = onset_of(None, context.readings)
    words, ink = against_onset(change, onset, context.now)
    doubt = f"within {duration(change.within_s)}" if change.within_s else ""
    yield from fact("when", [(moment(change.at), "strong"), (doubt, "muted"), (words, ink)], width)
    yield from fact("kind", (plain(change.kind), "text"), width)
    yield from fact("subject", (plain(change.subject, 200), "text"), width)
    if change.before or change.after:
        yield from fact("before", (plain(change.before or "not known", 300), "text"), width)
        yield from fact("after", (plain(change.after or "not known", 300), "text"), width)
    yield from fact("by", (plain(change.who or "nobody knows", 100), "text" if change.who else "muted"), width)
    yield from fact("says", (plain(change.source or "not known", 60), "muted"), width)


def _beside(log: ChangeLog, context: PageContext) -> Iterator[Line]:
    """The others that came within five minutes."""
    change = _found(context)
    if change is None:
        return
    near = [one for one in log.changes if one is not change and abs(one.at - change.at).total_seconds() <= 300]
    for one in near[:12]:
        yield from fact(clock(one.at), [(plain(one.kind), "muted"), (plain(said(one), 200), "text")], context.width)
    if not near:
        yield (("nothing that could be read", "muted"),)
