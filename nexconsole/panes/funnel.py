"""Funnel: how far customers' purchases got, why others were refused, and what is in flight.

(nexnum.md#refused, #purchase-lines)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..signals.customers import CUSTOMERS
from ..signals.log_reach import within
from ..text.units import count, duration, latency, percent, several
from ..widgets import charts
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import BLANK, Line, Span, cells, column, length, phrases, plain, wrapped
from . import subjects

if TYPE_CHECKING:
    from ..signals.funnel import Funnel, ProviderFunnel

NUMBER, SIGNAL, TITLE = 8, "funnel", "Funnel"
EVIDENCE = (CUSTOMERS,)  # whom it hurts: drawn here, and judged by nobody
BETWEEN: Span = ("  ", "muted")
NAME = 13  # cells of a stage's name
REASON = 21  # of a reason's name, with what it is a reason for
REASONS = 4  # of each kind
CHART = 3  # lines; below it a chart says nothing
MINUTES = 60
ROOMY = 24  # lines from which the maximized pane has room for the chart


def small(value: Funnel, space: RenderContext) -> Panel:
    head = [_summary(value, space)]
    if space.height >= 2:
        head.append(_why(value, space))
    if space.height >= 7 and value.attempts:
        head += [BLANK, *_stages(value, space)][: space.height - 2]
    elif space.height >= 3:
        head.append(phrases([_basis(value)], space.width))
    return Panel(space.alert_level, tuple(head))


def detail(value: Funnel, space: RenderContext) -> Panel:
    head = [_summary(value, space), phrases([_basis(value), *_followed(value)], space.width, BETWEEN)]
    from ..signals.source_agreement import (
        examine,  # with all signals behind it; nothing that the first paint has to wait for
    )

    head += _customers(space)
    if agreement := examine(space.readings, space.now):
        head += [((line, "muted"),) for line in wrapped(agreement.said, space.width, 2)]
    airy = [BLANK] if space.height >= ROOMY else []
    reasons = _reasons("refused", value.refused, space) + _reasons("failed", value.failures, space)
    head += [*airy, *_stages(value, space, REASON), *airy, *reasons]
    left = space.height - len(head) - min(len(value.providers), 5) - 1
    if space.height >= ROOMY and left >= CHART + 2:
        head += [BLANK, *_chart(value, space, min(left - 1, 8))]
    rows = list(value.providers)
    if rows:
        head += airy
        title = f"  {'asked':>7} {'sold':>7} {'refused':>8} {'failed':>7} {'in flight':>10}"
        head.append(((column("provider", _name(space)) + title, "muted"),))
    if value.more_providers:
        more = (((f"and {several(value.more_providers, 'more provider')}", "muted"),),)
        return Panel(space.alert_level, tuple(head), _listing(rows, space), more)
    return Panel(space.alert_level, tuple(head), _listing(rows, space))


def brief(value: Funnel, space: RenderContext) -> Line:
    parts, (basis, ink) = _parts(value, space), _basis(value)
    if length(phrases([*parts, (basis, ink)], 1000, BETWEEN)) > space.width:
        basis = basis.partition(" (")[0]
    if value.rests_on_s < value.window_s:  # then without it the counts would contradict those of the transactions
        parts.insert(1, (basis, ink))
    else:
        parts.append((basis, ink))
    return phrases(parts, space.width, BETWEEN)


def _summary(value: Funnel, space: RenderContext) -> Line:
    return phrases(_parts(value, space), space.width, BETWEEN)


def _parts(value: Funnel, space: RenderContext) -> list[Span]:
    """The summary, most important first: refused, sold, failed, in flight."""
    if value.unknown:
        return [(value.unknown, "doubt")]
    if not value.attempts and not value.waiting:
        return [("nobody asked for a number", "text")]
    ink = space.ink if space.ink != "text" else "strong"
    parts: list[Span] = []
    worst = value.failed > max(
        value.turned_away, value.decided / 10
    )  # then it is not the word that is left out where there is little room
    if value.turned_away:
        told = f"{count(value.turned_away)} of {count(value.decided)} refused"
        parts.append((told, ink if value.without_offer else "text"))
    if value.waiting:
        longest = f", oldest {'at least ' * value.oldest_at_least}{duration(value.oldest_s)}"
        slow = value.undecided_s is not None and value.undecided_s > space.settings.funnel.undecided_s
        parts.append((f"{count(value.waiting)} in flight{longest}", ink if slow else "text"))
    ends: list[Span] = [(f"{count(value.sold)} sold", "text")]
    if value.failed:
        ends.insert(0 if worst else 1, (f"{count(value.failed)} failed", "text"))
    parts += ends
    if not value.turned_away:
        parts.append(("none refused", "muted"))
    return parts


def _why(value: Funnel, space: RenderContext) -> Line:
    parts: list[Span] = []
    for what, counts, ink in (("refused", value.refused, "text"), ("failed", value.failures, "muted")):
        if counts:
            parts.append((f"{what}: {', '.join(f'{reason} {count(many)}' for reason, many in counts.items())}", ink))
    calm: Span = ("" if value.unknown else "nobody was refused, none failed", "muted")
    return phrases(parts or [calm], space.width, BETWEEN)


def _customers(space: RenderContext) -> list[Line]:
    """Whom it hurts, where somebody is hurt or that is not known."""
    value = CUSTOMERS.value(space.readings)
    if value is None or (value.hurt == 0 and not value.holds):
        return []
    from ..signals.customers_signal import SIGNAL as CUSTOMERS_SIGNAL

    told = f"customers: {CUSTOMERS_SIGNAL.summary(value)}"
    return [((line, "text"),) for line in wrapped(plain(told, 400), space.width, 2)]


def _basis(value: Funnel) -> Span:
    if value.unknown:
        return ("", "muted")
    return (f"in {within(value.window_s, value.rests_on_s)}", "muted")


def _followed(value: Funnel) -> list[Span]:
    parts: list[Span] = []
    if value.users is not None:
        parts.append((several(value.users, "user"), "muted"))
    if value.pods_followed < value.pods:
        parts.append((f"{value.pods_followed} of {value.pods} pods followed", "warn"))
    if value.catching_up:
        parts.append((f"older lines of {several(value.catching_up, 'pod')} are being read", "warn"))
    if value.usual_s is not None:
        parts.append((f"usually decided after {latency(value.usual_s)}", "muted"))
    if value.lost:
        parts.append((f"{count(value.lost)} lost with their process", "warn"))
    if value.dropped:
        parts.append((f"{count(value.dropped)} log lines dropped", "warn"))
    return parts


def _stages(value: Funnel, space: RenderContext, wide: int = NAME) -> list[Line]:
    """Bars by stage: how many purchases got so far."""
    stages = [("asked", value.attempts), ("sold", value.sold)]
    if value.pods_followed:
        stages[1:1] = [("offer found", value.offered), ("reserved", value.reserved), ("called", value.called)]
    return [_bar((name, wide), many, value.attempts, space, "chart") for name, many in stages]


def _reasons(what: str, counts: Mapping[str, int], space: RenderContext) -> list[Line]:
    whole, ink = sum(counts.values()), space.ink if space.ink != "text" else "warn"
    shown = list(counts.items())[:REASONS]
    return [_bar((f"{what}: {reason}", REASON), many, whole, space, ink) for reason, many in shown]


def _bar(name: tuple[str, int], many: int, whole: int, space: RenderContext, ink: str) -> Line:
    share = many / whole if whole else None
    tail = f"{count(many):>7} {percent(share):>7}"
    label, wide = name
    room = max(0, min(60, space.width - wide - 1 - cells(tail)))
    return ((column(plain(label, 40), wide) + " ", "text"), *charts.bar(share, room, ink), (tail, "text"))


def _chart(value: Funnel, space: RenderContext, height: int) -> list[Line]:
    """The share of customers without a number, by the minute of their request."""
    points = [(minute.at, _unsold(minute.sold, minute.failed, minute.refused)) for minute in value.minutes]
    if not any(share is not None for _, share in points):
        return [(("no minute is known whole yet", "faint"),)]
    width = max(4, space.width - charts.AXIS)
    rules = space.settings.funnel
    marks = ((rules.refused_high, "warn"), (rules.refused_critical, "alarm"))
    lines = list(charts.trend(charts.columns(points, 60.0 * MINUTES, width), max(CHART, height - 1), marks))
    start = "60 min ago, refused or failed"
    return [*lines, ((start, "muted"), (" " * max(1, width - cells(start) - 3), "muted"), ("now", "muted"))]


def _unsold(sold: int, failed: int, refused: int) -> float | None:
    decided = sold + failed + refused
    return (failed + refused) / decided if decided else None


def _name(space: RenderContext) -> int:
    return max(10, min(30, space.width - 45))


def _listing(rows: Sequence[ProviderFunnel], space: RenderContext) -> Listing | None:
    if not rows:
        return None
    return Listing(
        [row.name for row in rows],
        lambda n: _provider(rows[n], space),
        lambda n: _subject(rows[n]),
        (
            ("asked", lambda n: rows[n].attempts),
            ("sold", lambda n: rows[n].sold),
            ("refused", lambda n: rows[n].refused),
            ("failed", lambda n: rows[n].failed),
            ("in flight", lambda n: rows[n].waiting),
            ("name", lambda n: rows[n].name),
        ),
    )


def _subject(row: ProviderFunnel) -> Subject | None:
    """Purchases without an offer have no provider yet."""
    return subjects.provider(row.name) if row.name else None


def _provider(funnel: ProviderFunnel, space: RenderContext) -> Line:
    name = column(plain(funnel.name, 60) or "none yet", _name(space))
    tail = f"  {count(funnel.attempts):>7} {count(funnel.sold):>7} {count(funnel.refused):>8} {count(funnel.failed):>7}"
    wrong = funnel.refused or funnel.failed
    return ((name, "strong" if wrong else "text"), (tail, "text"), (f" {count(funnel.waiting):>10}", "text"))
