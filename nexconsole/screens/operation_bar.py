"""What is under way and how it ended, as a few lines above the keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..text.units import clock
from ..widgets.spans import Line, Span, cells, fit, plain, wrapped

if TYPE_CHECKING:
    from ..session import Operation

MOST = 4  # lines
ENDS = {"worked": ("● WORKED", "text"), "no effect": ("▲ NO EFFECT", "warn"), "worse": ("▲ WORSE", "alarm"),
        "unknown": ("? UNKNOWN", "warn")}  # fmt: skip
OUTCOMES = {"refused": ("■ REFUSED", "warn"), "failed": ("▲ FAILED", "alarm"), "unknown": ("? UNKNOWN", "warn"),
            "done": ("● done", "text")}  # fmt: skip


def lines(
    shown: Sequence[Operation], undoable: Operation | None, now: datetime, width: int, most: int = MOST
) -> tuple[Line, ...]:
    """The newest ones, oldest first; the last one may take two lines, what is left out is counted."""
    told = [one for one in shown if one.phase != "asking"]
    if not told:
        return ()
    rows: list[Line] = []
    kept = 0
    for one in reversed(told):
        mine = _rows(one, one is undoable, now, width, 2 if not rows and most > 1 else 1)
        if len(rows) + len(mine) > most:
            break
        rows = [*mine, *rows]
        kept += 1
    if kept < len(told):
        left = f" +{len(told) - kept} more: J"
        rows[0] = (*fit(rows[0], max(0, width - cells(left))), (left, "muted"))
    return tuple(fit(row, width) for row in rows)


def _rows(one: Operation, undoable: bool, now: datetime, width: int, most: int) -> list[Line]:
    mark, ink, words = _said(one, now)
    who = f" {plain(one.by, 30)}:" if one.elsewhere else ""
    head: tuple[Span, ...] = ((f" {mark}", ink), (f"{who} {plain(one.name, 80)}", "strong"), (": ", "muted"))
    keys = _keys(one, undoable)
    tail = sum(cells(text) for text, _ in keys)
    used = sum(cells(text) for text, _ in head)
    text = plain(words)
    first = width - used - tail
    if cells(text) <= first or most == 1:
        return [(*fit((*head, (text, "text")), max(0, width - tail)), *keys)]
    told = wrapped(text, max(10, width - used), 1)[0]
    whole = wrapped(text, max(10, width - used), 9)
    rest = text[len(whole[0]) :].strip() if len(whole) > 1 else ""
    return [
        (*head, (whole[0] if rest else told, "text")),
        (*fit((("   ", "text"), (rest, "text")), width - tail), *keys),
    ]


def _keys(one: Operation, undoable: bool) -> tuple[Span, ...]:
    undo: tuple[Span, ...] = (("  u", "key"), (" undoes ", "muted")) if undoable else ()
    if one.lost:
        return (*undo, ("  J", "key"), (" how ", "muted"), (" d", "key"), (" dismisses ", "muted"))
    if one.phase == "ended":
        return (*undo, ("  d", "key"), (" dismisses ", "muted"))
    if one.phase in ("sending", "waiting") and not one.elsewhere:
        return (("  ^K", "key"), (" stops it ", "muted"))
    return undo


def _said(one: Operation, now: datetime) -> tuple[str, str, str]:
    """Mark, ink and words."""
    if one.unfinished and one.outcome is None:
        return "? UNKNOWN", "warn", f"its console ended at {clock(one.began_at)} or after. Check: {one.watch}"
    if one.lost and one.outcome is not None:
        mark, ink = OUTCOMES["unknown"] if one.outcome.state == "unknown" else ("? NO VERDICT", "warn")
        return mark, ink, f"{one.outcome.answer}; its console ended while it watched. Check whether {one.watch}"
    if one.stopped is not None:
        return "○ not done", "muted", one.stopped
    doubt = f"; {one.doubt}" if one.doubt else ""
    doubt += "; nobody else was here who could object" if one.alone else ""
    if one.verdict is not None:
        mark, ink = ("○ undone", "muted") if one.undone else ENDS[one.verdict.state]
        return mark, ink, one.verdict.because
    if one.outcome is not None and one.phase != "watching":
        mark, ink = OUTCOMES[one.outcome.state]
        return mark, ink, one.outcome.answer + doubt
    if one.outcome is not None:
        mark, ink = OUTCOMES[one.outcome.state]
        return mark, ink, f"{one.outcome.answer}; {_watching(one, now)}{doubt}"
    if one.phase == "sending":
        return "▸ sending", "note", ("stopping; " if one.stopping else "") + (one.progress or "no answer yet")
    if one.phase == "waiting":
        return "▸ waiting", "note", one.progress or "others may object"
    return "▸ preparing", "note", one.progress or "reading what it would touch"


def _watching(one: Operation, now: datetime) -> str:
    watch = one.plan.watch if one.plan is not None else one.watch
    left = ""
    if one.watch_until is not None:
        left = f", {max(0.0, (one.watch_until - now).total_seconds()):.0f} s left"
    return f"{one.progress or f'watching whether {watch}'}{left}"
