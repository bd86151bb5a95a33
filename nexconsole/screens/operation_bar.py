"""The operations and their results, as a few lines above the keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..text.units import clock, remaining
from ..widgets.banner import key_of
from ..widgets.spans import Line, Span, cells, fit, plain, wrapped

if TYPE_CHECKING:
    from ..session.operation import Operation

MOST = 4  # lines
ENDS = {
    "worked": ("● WORKED", "text"),
    "recovered": ("● RECOVERED, AS THE REST", "text"),
    "no effect": ("▲ NO EFFECT", "warn"),
    "worse": ("▲ WORSE", "alarm"),
    "unknown": ("? UNKNOWN", "warn"),
}
OUTCOMES = {
    "refused": ("■ REFUSED", "warn"),
    "failed": ("▲ FAILED", "alarm"),
    "unknown": ("? UNKNOWN", "warn"),
    "done": ("● done", "text"),
}


def lines(
    shown: Sequence[Operation], undoable: Operation | None, now: datetime, width: int, most: int = MOST
) -> tuple[Line, ...]:
    """The newest ones, oldest first; the last one may take two lines, what is left out is counted."""
    session = [operation for operation in shown if operation.phase != "asking"]
    if not session:
        return ()
    rows: list[Line] = []
    kept = 0
    for operation in reversed(session):
        mine = _rows(operation, operation is undoable, now, width, 2 if not rows and most > 1 else 1)
        if len(rows) + len(mine) > most:
            break
        rows = [*mine, *rows]
        kept += 1
    if kept < len(session):
        left = f" +{len(session) - kept} more: {key_of('journal.show')}"
        rows[0] = (*fit(rows[0], max(0, width - cells(left))), (left, "muted"))
    return tuple(fit(row, width) for row in rows)


def _rows(operation: Operation, undoable: bool, now: datetime, width: int, most: int) -> list[Line]:
    mark, ink, words = state_words(operation, now)
    who = f" {plain(operation.by, 30)}:" if operation.elsewhere else ""
    head: tuple[Span, ...] = ((f" {mark}", ink), (f"{who} {plain(operation.name, 80)}", "strong"), (": ", "muted"))
    keys = _keys(operation, undoable)
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


def _keys(operation: Operation, undoable: bool) -> tuple[Span, ...]:
    undo: tuple[Span, ...] = ((f"  {key_of('operation.undo')}", "key"), (" undoes ", "muted")) if undoable else ()
    if operation.lost:
        return (
            *undo,
            (f"  {key_of('journal.show')}", "key"),
            (" how ", "muted"),
            (f" {key_of('operation.dismiss')}", "key"),
            (" dismisses ", "muted"),
        )
    if operation.phase == "ended":
        return (*undo, (f"  {key_of('operation.dismiss')}", "key"), (" dismisses ", "muted"))
    if operation.phase in ("sending", "waiting") and not operation.elsewhere:
        return ((f"  {key_of('operation.stop')}", "key"), (" stops it ", "muted"))
    return undo


def state_words(operation: Operation, now: datetime) -> tuple[str, str, str]:
    """Mark, ink and words."""
    if operation.unfinished and operation.outcome is None:
        return (
            "? UNKNOWN",
            "warn",
            f"its console ended at {clock(operation.began_at)} or after. Check: {operation.watch}",
        )
    if operation.lost and operation.outcome is not None:
        mark, ink = OUTCOMES["unknown"] if operation.outcome.state == "unknown" else ("? NO VERDICT", "warn")
        return (
            mark,
            ink,
            f"{operation.outcome.answer}; its console ended while it watched. Check whether {operation.watch}",
        )
    if operation.stopped is not None:
        return "○ not done", "muted", operation.stopped
    doubt = f"; {operation.doubt}" if operation.doubt else ""
    doubt += "; nobody else was here who could object" if operation.alone else ""
    if operation.verdict is not None:
        mark, ink = ("○ undone", "muted") if operation.undone else ENDS[operation.verdict.state]
        return mark, ink, operation.verdict.because
    if operation.outcome is not None and operation.phase != "watching":
        mark, ink = OUTCOMES[operation.outcome.state]
        return mark, ink, operation.outcome.answer + doubt
    if operation.outcome is not None:
        mark, ink = OUTCOMES[operation.outcome.state]
        return mark, ink, f"{operation.outcome.answer}; {_watching(operation, now)}{doubt}"
    if operation.phase == "sending":
        return (
            "▸ sending",
            "note",
            ("stopping; " if operation.stopping else "") + (operation.progress or "no answer yet"),
        )
    if operation.phase == "waiting":
        return "▸ waiting", "note", operation.progress or "others may object"
    return "▸ preparing", "note", operation.progress or "reading the targets"


def _watching(operation: Operation, now: datetime) -> str:
    watch = operation.plan.watch if operation.plan is not None else operation.watch
    left = ""
    if operation.watch_until is not None:
        left = f", {remaining(operation.watch_until - now)} left"
    return f"{operation.progress or f'watching whether {watch}'}{left}"
