"""A table of pending purchases: how many are overdue, and the oldest rows. Whose they are is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ..lookups.registry import ROW
from ..model import SignalKey
from ..text.units import count, duration
from ..widgets.spans import Line, Span, column, plain
from .changes import changes
from .section import PageContext, Section, by_urgency, fact, from_signal, own_ink, sentence

if TYPE_CHECKING:
    from ..lookups.reservation import PendingRow, PendingRows
    from ..signals.reservations import Pile, Reservations

NOUN = "Pending in"
ROWS = cast("SignalKey[PendingRows]", ROW)
RESERVATIONS: SignalKey[Reservations] = SignalKey("reservations")
SIGNALS = frozenset[str]({RESERVATIONS, ROW})


def _pile(context: PageContext) -> Pile | None:
    value = RESERVATIONS.value(context.readings)
    return value.by_table.get(context.subject.id) if value is not None else None


UNREAD = "such rows are not read"


def present(context: PageContext) -> bool | None:
    return None if _pile(context) is None else True


def headline(context: PageContext) -> Span:
    pile = _pile(context)
    if pile is None:
        return "not known yet", "muted"
    if not pile.stuck:
        return f"{count(pile.pending)} pending, none overdue", "muted"
    level = context.alert_levels.get(RESERVATIONS, "calm")
    return f"{count(pile.stuck)} of {count(pile.pending)} pending are overdue", own_ink(level, "text")


def sections(context: PageContext) -> tuple[Section, ...]:
    level = context.alert_levels.get(RESERVATIONS, "calm") if (pile := _pile(context)) and pile.stuck else "calm"
    return by_urgency(
        (
            from_signal(context, "All of them", RESERVATIONS, lambda value: _all(value, context), level=level),
            from_signal(context, "The oldest", ROWS, lambda value: _rows(value, context), least=6, gone=UNREAD),
            changes(context, context.subject.id),
        )
    )


def _all(value: Reservations, context: PageContext) -> Iterator[Line]:
    pile = value.by_table.get(context.subject.id)
    if pile is None:
        yield from sentence("this table is not there", "muted", context.width)
        return
    rules = context.settings.reservations
    words: list[Span] = [(f"{count(pile.pending)} pending", "text")]
    words.append((f"{count(pile.stuck)} overdue", "strong" if pile.stuck else "muted"))
    words.append((f"oldest {duration(pile.oldest_s)}", "text"))
    yield from fact("here", words, context.width)
    limits = f"{rules.limit} pending, {rules.alert_limit} overdue for the alert"
    yield from fact("limits", (limits, "muted"), context.width)
    if context.subject.id in ("purchase_orders", "activations"):
        yield from sentence("a purchase is one order and one activation, and counts once", "muted", context.width)


def _rows(value: PendingRows, context: PageContext) -> Iterator[Line]:
    if not value.rows:
        yield from sentence("none is pending", "muted", context.width)
        return
    yield ((f"{'age':>9} {'overdue':>9}  {'provider':<14} {'what':<26} id", "muted"),)
    for row in value.rows:
        yield _row(row)
    if value.more:
        yield from sentence(f"and more: the oldest {count(len(value.rows))} are read", "muted", context.width)


def _row(row: PendingRow) -> Line:
    due = row.overdue_s
    late = duration(due) if due is not None and due > 0 else "not yet" if due is not None else "-"
    return (
        (f"{duration(row.age_s):>9} ", "text"),
        (f"{late:>9}  ", "strong" if due is not None and due > 0 else "muted"),
        (column(plain(row.provider, 60) or "-", 14) + " ", "text"),
        (column(plain(row.what, 120) or "-", 26) + " ", "text"),
        (plain(row.id, 80), "muted"),
    )
