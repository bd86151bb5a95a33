"""The four KPIs of the shared screen, each as one large figure and a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..model import Reading, SignalKey, State
from ..signals import waiting
from ..sources.purchase_tally import WITHOUT_OFFER
from ..text.units import count, duration, latency, percent, percent_figure, several
from ..widgets import big_digits
from ..widgets.panel import INK_OF_MOOD, MARKS, TITLES, RenderContext
from ..widgets.spans import BLANK, Line, Span, cells, dimmed, fit, length, plain, wrapped

if TYPE_CHECKING:
    from ..signals.circuits import Circuits
    from ..signals.funnel import Funnel
    from ..signals.outbox import Outbox
    from ..signals.reservations import Reservations
    from ..signals.transactions import Transactions

GAP = 3  # cells between a figure and its words
LEAST = 14  # cells that words need beside a figure
FUNNEL: SignalKey[Funnel] = SignalKey("funnel")
STALE_DOT = "▒"
WHERE = {"one": "mostly at {}", "some": "at SEVERAL providers", "all": "at ALL providers"}


@dataclass(frozen=True)
class Kpi:
    """A KPI. `figure` is drawn large; `words` stand beside it, most important first. Not `true`: stale, or
    never known.
    """

    figure: str
    ink: str
    words: tuple[Span, ...]
    unit: str = ""
    true: bool = True


def transactions(value: Transactions, space: RenderContext) -> Kpi:
    window = duration(value.window_s)
    if refused := _refused(value, space):
        return refused
    lead = waiting.leading(value, space.settings.transactions, space.settings.severity.high_rate)
    if lead is not None:
        return _waits(lead, value, space)
    waits: list[Span] = []
    if value.in_flight and waiting.overdue(value):
        wrong = space.ink if space.ink != "text" else "strong"
        waits.append((f"{count(value.in_flight)} in flight, oldest {duration(value.oldest_s)}", wrong))
    if value.failure_rate is None and waits:
        return Kpi("-", "text", (("purchases: NONE DECIDED", "strong"), *waits))
    if value.failure_rate is None:
        return Kpi("-", "text", (("purchases: none", "strong"), (f"in {window}: nothing to judge by", "muted")))
    fails = space.alert_level != "calm" and value.failure_rate > space.settings.severity.high_rate
    words: list[Span] = [("purchases fail", "strong")]
    if value.scope.verdict in WHERE:
        where = WHERE[value.scope.verdict].format(plain(value.scope.provider, 40))
        words.append((where, space.ink if space.ink != "text" else "strong"))
    words += waits
    words.append((f"{count(value.failures)} of {count(value.decided)} in {window}", "text"))
    if waiting.unread(value):
        at = value.waiting_at
        known = f"counted {duration(space.now - at)} ago" if at is not None else "not known"
        words.append((f"in flight: {known}", "doubt"))
    if value.latency_p95_s is not None:
        slow = value.latency_p95_s > space.settings.severity.latency_s
        told = latency(value.latency_p95_s, value.latency_saturated)
        words.append((f"p95 {told}", space.ink if slow else "muted"))
    return Kpi(percent_figure(value.failure_rate), space.ink if fails else "figure", tuple(words), unit="%")


def _refused(value: Transactions, space: RenderContext) -> Kpi | None:
    """The share of refused customers, where that is worse than the failure rate."""
    reading = space.readings.get(FUNNEL)
    if (
        reading is None
        or reading.state(space.now) is not State.FRESH
        or space.alert_level_of(FUNNEL) not in INK_OF_MOOD
    ):
        return None
    funnel = FUNNEL.value(space.readings)
    if funnel is None:
        return None
    share = funnel.without_offer / funnel.decided if funnel.decided else 0.0
    if share <= max(value.failure_rate or 0.0, space.settings.funnel.refused_high):
        return None
    wrong = INK_OF_MOOD[space.alert_level_of(FUNNEL)]
    reasons = " or ".join(reason for reason in WITHOUT_OFFER if funnel.refused.get(reason))
    words: list[Span] = [("customers are refused", "strong"), (reasons, wrong)]
    words.append((f"{count(funnel.without_offer)} of {count(funnel.decided)} in {duration(funnel.rests_on_s)}", "text"))
    words.append((f"{percent(value.failure_rate)} of purchases fail", "muted"))
    return Kpi(percent_figure(share), wrong, tuple(words), unit="%")


def _waits(lead: waiting.Leading, value: Transactions, space: RenderContext) -> Kpi:
    """How many are in flight; the failure rate comes third then."""
    wrong = space.ink if space.ink != "text" else "strong"
    failed = f"{percent(value.failure_rate)} of {count(value.decided)} failed" if value.decided else "none decided"
    words: list[Span] = [
        (lead.what, "strong"),
        (lead.since, wrong),
        (f"{failed} in {duration(value.window_s)}", "text"),
    ]
    if lead.usual:
        words.append((f"{lead.usual}; oldest {duration(value.oldest_s)}", "muted"))
    return Kpi(count(lead.count), wrong, tuple(words))


def circuits(value: Circuits, space: RenderContext) -> Kpi:
    if not value.providers:
        return Kpi("-", "text", (("circuits: none", "strong"), ("no SMS providers are known here", "muted")))
    watched = [provider for provider in value.providers if provider.active is not False]
    by_state = {
        state: [circuit for circuit in watched if circuit.state == state] for state in ("open", "half-open", "unknown")
    }
    wrong = space.ink if space.ink != "text" else "warn"
    words: list[Span] = [(f"of {several(len(watched), 'circuit')} open", "strong")]
    for state in ("open", "half-open"):
        if provider_circuits := by_state[state]:
            names = ", ".join(plain(circuit.name, 30) for circuit in provider_circuits)
            words.append((f"{names} {state.upper()}", wrong))
    flapping = [plain(circuit.name, 30) for circuit in watched if circuit.flapping]
    if flapping:
        words.append((f"FLAPPING: {', '.join(flapping)}", wrong))
    if by_state["unknown"]:
        words.append((f"{len(by_state['unknown'])} unknown", "doubt"))
    if disabled := len(value.providers) - len(watched):
        words.append((f"{several(disabled, 'provider')} disabled", "muted"))
    if watched and len(by_state["unknown"]) == len(watched):
        return Kpi("?", "doubt", tuple(words), true=False)
    return Kpi(str(len(by_state["open"])), wrong if by_state["open"] else "figure", tuple(words))


def outbox(value: Outbox, space: RenderContext) -> Kpi:
    late = (value.oldest_pending_s or 0) > space.settings.outbox.stuck_after_s
    ink = space.ink if late else "text"
    words: list[Span] = [("outbox events wait", "strong")]
    if value.pending:
        words.append((f"oldest {duration(value.oldest_pending_s)}", ink))
    dead = [several(value.failed, "failed", "failed")] * bool(value.failed)
    dead += [f"{count(value.dropped)} dropped"] * bool(value.dropped)
    words.append((", ".join(dead), "warn") if dead else ("none failed", "muted"))
    if value.drained_per_min is not None:
        words.append((f"draining {value.drained_per_min:.0f} a minute", "text" if value.pending else "muted"))
    return Kpi(count(value.pending, value.capped), ink if late else "figure", tuple(words))


def reservations(value: Reservations, space: RenderContext) -> Kpi:
    rules = space.settings.reservations
    over = value.pending > rules.limit
    stuck = space.ink if value.stuck > rules.alert_limit else "text" if value.stuck else "muted"
    words: list[Span] = [("reservations pending", "strong")]
    words.append((f"{count(value.stuck)} stuck" if value.stuck else "none stuck", stuck))
    if value.pending and value.oldest_s is not None:
        words.append((f"oldest {duration(value.oldest_s)}", "text"))
    words.append((f"limit {rules.limit}", "muted"))
    return Kpi(count(value.pending, value.capped), space.ink if over else "figure", tuple(words))


ANSWERS: dict[str, tuple[str, Callable[[Any, RenderContext], Kpi]]] = {
    "transactions": ("Purchases", transactions),
    "circuits": ("Circuits", circuits),
    "outbox": ("Outbox", outbox),
    "reservations": ("Reservations", reservations),
}


def kpi(signal: str, reading: Reading | None, space: RenderContext) -> Kpi:
    """A signal's KPI. Waiting, not configured, no data, zero and stale look different."""
    title, say = ANSWERS[signal]
    state = reading.state(space.now) if reading else State.WAITING
    if reading is None or state is State.WAITING:
        return Kpi("", "muted", ((title, "strong"), ("waiting for the first reading", "muted")), true=False)
    if state is State.ABSENT:
        return Kpi("", "muted", ((title, "strong"), ("○ not configured", "muted")), true=False)
    if state is State.ERROR:
        words = ((f"{title}: NO DATA", "warn"), (plain(reading.error), "doubt"))
        return Kpi("?", "doubt", words, true=False)
    if state is State.STALE:
        old = say(reading.value, replace(space, alert_level="calm"))
        (first, _), *more = old.words
        stale = (f"STALE {duration(reading.age(space.now))}", "warn")
        return replace(old, ink="stale", true=False, words=((first, "text"), stale, *dimmed(tuple(more))))
    return say(reading.value, space)


def beside(told: Sequence[tuple[Kpi, RenderContext]]) -> tuple[tuple[Line, ...], ...]:
    """KPIs one below the other, each in its given cells, their words aligned."""
    rows = [_figure(one, space) for one, space in told]
    edge = max((length(line) for lines in rows for line in lines), default=0)
    edge += GAP * bool(edge)
    return tuple(_drawn(one, space, lines, edge) for (one, space), lines in zip(told, rows, strict=True))


def _drawn(told: Kpi, space: RenderContext, rows: tuple[Line, ...], edge: int) -> tuple[Line, ...]:
    alert_level = space.alert_level if told.true else "stale" if told.figure else "calm"
    mark: Span = (MARKS[alert_level], TITLES.get(alert_level, "text"))
    words = _words(told.words, mark, space.width - edge, space.height)
    above = (space.height - len(words)) // 2
    words = [*[BLANK] * above, *words]
    rows = rows or (BLANK,) * space.height
    filled = [words[n] if n < len(words) else BLANK for n in range(space.height)]
    return tuple(
        fit((*row, (" " * max(0, edge - length(row)), "text"), *line), space.width)
        for row, line in zip(rows, filled, strict=True)
    )


def brief(told: Kpi, space: RenderContext) -> Line:
    """The KPI on one line."""
    alert_level = space.alert_level if told.true else "stale" if told.figure else "calm"
    unit = f" {told.unit}" if told.unit else ""
    lead = "~" if not told.true and told.figure not in ("", "?") else ""
    figure: Span = (f"{lead}{told.figure}{unit} " if told.figure else "", told.ink)
    rest = [run for words in told.words[1:] for run in (("  ", "muted"), words)]
    return fit(((MARKS[alert_level], TITLES.get(alert_level, "text")), figure, told.words[0], *rest), space.width)


def _figure(told: Kpi, space: RenderContext) -> tuple[Line, ...]:
    text = told.figure
    if not text:
        return ()
    stale = not told.true and text != "?"
    unit = f" {told.unit}" if told.unit else ""
    if space.height >= big_digits.LARGE and big_digits.large_width(text) + len(unit) + GAP + LEAST <= space.width:
        rows = big_digits.large(text, told.ink, STALE_DOT if stale else "█")
    else:
        text = f"~{text}" if stale else text  # half blocks have no other dot
        if not big_digits.drawable(text) or big_digits.width(text) + len(unit) + GAP + LEAST > space.width:
            text = f"{text[:-4]}k" if len(text) > 8 else text
            return ((((f"{text}{unit}"), told.ink),), *((),) * (space.height - 1))
        rows = big_digits.figure(text, told.ink)
        rows = (*rows, *((((" " * big_digits.width(text)), told.ink),),) * (space.height - len(rows)))
    last = max(n for n, row in enumerate(rows) if row[0][0].strip())
    return tuple((*row, (unit if n == last else " " * len(unit), told.ink)) for n, row in enumerate(rows))


def _words(words: Sequence[Span], mark: Span, width: int, height: int) -> list[Line]:
    """The words one below the other; the last one that fits may be wrapped where there is room."""
    lines: list[Line] = []
    for n, (text, ink) in enumerate(words):
        lead = cells(mark[0]) if n == 0 else 0
        spare = height - len(lines) - (len(words) - n - 1)
        for row, part in enumerate(wrapped(text, max(1, width - lead), max(1, spare))):
            lines.append((mark, (part, ink)) if lead and row == 0 else ((part, ink),))
        if len(lines) >= height:
            break
    return lines[:height]


__all__ = ["ANSWERS", "Kpi", "beside", "brief", "kpi"]
