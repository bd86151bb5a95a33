"""Reservations: pending and stuck ones by table; and the orphaned locks.

(nexnum.md#stuck-rows, #locks)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..text.units import count, duration
from ..widgets import big_digits, charts
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import Line, Span, column, phrases, plain
from . import locks, subjects

if TYPE_CHECKING:
    from ..signals.reservations import Pile, Reservations

NUMBER, SIGNAL, TITLE = 4, "reservations", "Reservations"
ROOMY = 12  # lines from which the maximized pane keeps the large figure above its rows
BESIDE = (locks.SIGNAL,)
beside, beside_brief = locks.beside, locks.brief


def small(value: Reservations, space: RenderContext) -> Panel:
    limit = space.settings.reservations.limit
    pending = count(value.pending, value.capped)
    if space.height < big_digits.HEIGHT:
        parts = [(f"{pending} pending", _pending_ink(value, space)), *_words(value, space)]
        return Panel(space.alert_level, (phrases(parts, space.width, ("  ", "muted")),), _tables(value, space))
    words: tuple[Line, ...] = (
        (("pending, ", "muted"), (f"limit {limit}", "muted")),
        *((run,) for run in _words(value, space)),
    )
    over = value.pending > limit
    big = big_digits.beside(pending, _pending_ink(value, space) if over else "figure", words, space.width)
    return Panel(space.alert_level, (*big, *(((),) if space.height >= 6 else ())), _tables(value, space))


def detail(value: Reservations, space: RenderContext) -> Panel:
    rules = space.settings.reservations
    low = space.height < ROOMY
    picture = small(value, replace(space, height=1) if low else space)
    head = (
        *picture.head,
        (
            ("runbook's limit ", "muted"),
            (f"{rules.limit} pending", "text"),
            ("   alert's limit ", "muted"),
            (f"{rules.alert_limit} stuck", "text"),
            ("   stuck after ", "muted"),
            (duration(rules.stuck_after_s), "text"),
        ),
        *(() if low else ((),)),
        ((f"  {'table':<22}{'pending':>9}{'stuck':>9}{'oldest':>12}", "muted"),),
    )
    piles = list(value.by_table.items())
    foot: tuple[Line, ...] = ()
    if sum(pile.pending for _, pile in piles) > value.pending and not low:
        foot = ((("a purchase is one order and one activation, and counts once", "muted"),),)
    return Panel(picture.alert_level, head, _listing(piles, lambda name, pile: _row(name, pile, space)), foot)


def brief(value: Reservations, space: RenderContext) -> Line:
    pending = (f"{count(value.pending, value.capped)} pending", _pending_ink(value, space))
    return phrases([pending, *_words(value, space)], space.width, ("  ", "muted"))


def _pending_ink(value: Reservations, space: RenderContext) -> str:
    return space.ink if value.pending > space.settings.reservations.limit else "text"


def _words(value: Reservations, space: RenderContext) -> list[Span]:
    over = value.stuck > space.settings.reservations.alert_limit
    ink = space.ink if over else "text" if value.stuck else "muted"
    parts: list[Span] = [(f"{count(value.stuck)} stuck" if value.stuck else "none stuck", ink)]
    if value.oldest_s is not None and value.pending:
        parts.append((f"oldest {duration(value.oldest_s)}", "text"))
    return parts


def _tables(value: Reservations, space: RenderContext) -> Listing | None:
    piles = [(name, pile) for name, pile in value.by_table.items() if pile.pending or pile.stuck]
    return _listing(piles, lambda name, pile: _line(name, pile, space)) if piles else None


def _listing(piles: Sequence[tuple[str, Pile]], draw: Callable[[str, Pile], Line]) -> Listing:
    return Listing(
        [name for name, _ in piles],
        lambda n: draw(*piles[n]),
        lambda n: subjects.reservations(piles[n][0]),
        (
            ("stuck", lambda n: piles[n][1].stuck),
            ("pending", lambda n: piles[n][1].pending),
            ("oldest", lambda n: piles[n][1].oldest_s),
            ("table", lambda n: piles[n][0]),
        ),
    )


def _line(name: str, pile: Pile, space: RenderContext) -> Line:
    parts: list[Span] = [(f"{count(pile.pending)} pending", "text")]
    if pile.stuck:
        parts.append((f"{count(pile.stuck)} stuck", "text"))
    if pile.oldest_s is not None:
        parts.append((f"oldest {duration(pile.oldest_s)}", "muted"))
    name = column(plain(name, 40).replace("_", " "), 19 if space.width >= 46 else 16)
    return ((f"{name} ", "muted"), *phrases(parts, space.width - len(name) - 1))


def _row(name: str, pile: Pile, space: RenderContext) -> Line:
    rate = pile.stuck / pile.pending if pile.pending else None
    tail = f"{count(pile.pending):>9}{count(pile.stuck):>9}{duration(pile.oldest_s):>12}   "
    head = (column(plain(name, 60), 22), "text"), (tail, space.ink if pile.stuck else "muted")
    return (("  ", "text"), *head, *charts.bar(rate, max(0, min(40, space.width - 60)), space.ink))
