"""Transactions: the failure rate of purchases, its trend, and whether one provider or all fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import SignalKey
from ..signals import waiting
from ..text.lookalikes import look_alikes, marked
from ..text.units import clock_minute, count, duration, latency, percent, percent_figure
from ..widgets import big_digits, charts
from ..widgets.panel import Listing, Panel, RenderContext
from ..widgets.spans import BLANK, Line, Span, cells, column, length, phrases, plain, spread, wrapped
from . import subjects
from .began import began_marks

if TYPE_CHECKING:
    from ..signals.attribution import ProviderTraffic
    from ..signals.circuits import Circuits
    from ..signals.onset import Onsets
    from ..signals.transactions import Transactions
    from ..signals.workloads_value import Workloads

NUMBER, SIGNAL, TITLE = 1, "transactions", "Transactions"

VERDICTS = {"one": "ONE PROVIDER", "some": "SOME PROVIDERS", "all": "ALL PROVIDERS", "unknown": "TOO FEW TO SAY"}
CIRCUITS: SignalKey[Circuits] = SignalKey("circuits")
WORKLOADS: SignalKey[Workloads] = SignalKey("workloads")
BLIND = "in flight not known: the rows are not read"
SPOKEN = ("one", "some", "all")  # the verdicts that say something beside purchases in flight
NAME = 14
RELEASE = "R"  # its mark on the chart
AIRY = 16  # lines from which the parts are set apart
CHART = 3  # lines; below it a chart says nothing
KEPT = 5  # lines that the chart keeps while other facts grow: with its axis and the legend of its marks
LOW = 9  # lines of the whole from which a chart has a place
ONSET: SignalKey[Onsets] = SignalKey("onset")
EVIDENCE = (ONSET,)  # since when figures are out of range: drawn here, and judged by nobody
BESIDE_CHART = 3  # providers that stay in sight beside it, if they can ...
FEWEST = 2  # ... and always


def small(value: Transactions, space: RenderContext) -> Panel:
    return _picture(value, space, large=False)


def detail(value: Transactions, space: RenderContext) -> Panel:
    return _picture(value, space, large=True)


def brief(value: Transactions, space: RenderContext) -> Line:
    waits = _waits(value, space)
    if lead := _leading(value, space):
        told = f"; {percent(value.failure_rate)} of {count(value.decided)} failed" if value.decided else ""
        return ((lead.sentence, space.ink), (told, "muted"))
    if value.failure_rate is None:
        return waits or (("no purchases", space.ink),)
    return (
        (f"{percent(value.failure_rate)} failed", space.ink),
        (f"  {count(value.failures)} of {count(value.decided)}  ", "muted"),
        *((*waits, ("  ", "muted")) if waits and waiting.overdue(value) else ()),
        *_verdict(value, space),
    )


def _picture(value: Transactions, space: RenderContext, large: bool) -> Panel:
    airy = space.height >= AIRY
    head = _kept(_facts(value, space, large, airy), value, space, large)
    providers = sorted(value.providers, key=lambda p: (-p.failures, -(p.failure_rate or 0), -p.attempts, p.name))
    left = space.height - len(head)
    chart = _chart_height(left, len(providers), large, _least(value, space))
    if chart:
        airy = left - chart - min(len(providers), left) >= 2 or large
        head += ([BLANK] if airy else []) + _chart(value, space, chart) + ([BLANK] if airy else [])
    if large:
        head.append(spread((("provider", "muted"),), ((f"{'rate':>8} {'failed':>9}", "muted"),), space.width))
    twins = _twins(value, space)
    rows = (
        Listing(
            [p.name for p in providers],
            lambda n: _bar(providers[n], space, twins.get(providers[n].name, "")),
            lambda n: subjects.provider(providers[n].name),
            (
                ("rate", lambda n: providers[n].failure_rate),
                ("failed", lambda n: providers[n].failures),
                ("asked", lambda n: providers[n].attempts),
                ("name", lambda n: providers[n].name),
            ),
        )
        if providers
        else None
    )
    return Panel(space.alert_level, tuple(head), rows)


def _facts(value: Transactions, space: RenderContext, large: bool, airy: bool) -> list[tuple[int, Line]]:
    """The lines above the chart, each with its rank: of what has no room the highest rank is left out first."""
    waits = _waits(value, space)
    lead = _leading(value, space)
    facts: list[tuple[int, Line]] = []
    if lead is not None:
        facts += [(0, line) for line in _led(lead, value, space)]
    else:
        facts += [(0, line) for line in _figures(value, space)]
        facts += [(2, waits)] if waits and value.failure_rate is not None else []
    if waiting.kept(value) or (waiting.unread(value) and lead is None):
        facts += [(1, ((line, "doubt"),)) for line in wrapped(_unread(value, space), space.width, 1)]
    if lead is None or value.scope.verdict in SPOKEN:
        first, *others = _verdict_lines(value, space, 2 if airy else 1)
        facts += [*([(7, BLANK)] if airy else []), (0, first), *((5, line) for line in others)]
    if value.disagreement and space.height >= 8:
        told = wrapped(value.disagreement, space.width - 2, 2 if large else 1)
        facts += [(3 if n == 0 else 6, ((f"≠ {line}", "doubt"),)) for n, line in enumerate(told)]
    if large:
        from ..signals.source_agreement import (
            examine,  # with all signals behind it; nothing that the first paint waits for
        )

        agreement = examine(space.readings, space.now)
        told = wrapped(agreement.said, space.width, 2) if agreement else []
        facts += [(4 if n == 0 else 6, ((line, "muted"),)) for n, line in enumerate(told)]
    return facts


def _kept(facts: list[tuple[int, Line]], value: Transactions, space: RenderContext, large: bool) -> list[Line]:
    """The facts without those that would push the chart out of sight."""
    if space.height >= LOW:
        beside = min(BESIDE_CHART if large else FEWEST, len(value.providers)) + (3 if large else 0)
        room = space.height - _least(value, space) - beside
        while len(facts) > room and (last := max(rank for rank, _ in facts)):
            del facts[max(n for n, (rank, _) in enumerate(facts) if rank == last)]
    return [line for _, line in facts]


def _figures(value: Transactions, space: RenderContext) -> tuple[Line, ...]:
    window = duration(value.window_s)
    if value.failure_rate is None:
        nothing: Line = (("no purchases", "strong"), (f" in {window}: nothing to judge by", "muted"))
        return (_waits(value, space) or nothing,)
    slow = value.latency_p95_s is not None and value.latency_p95_s > space.settings.severity.latency_s
    p95: Line = (
        (("p95 ", "muted"), (latency(value.latency_p95_s, value.latency_saturated), space.ink if slow else "text"))
        if value.latency_p95_s is not None
        else (("p95 not known", "muted"),)
    )
    room = big_digits.room(percent_figure(value.failure_rate), space.width, "%")
    room = room if room >= big_digits.WORDS else space.width
    failed = f"{count(value.failures)} of {count(value.decided)} failed"
    loud = "strong" if space.alert_level != "calm" else "text"
    if space.height < 7:
        return (_low(value, space, (f"{failed} in {window}", loud), p95),)
    fall = _fall(value, space, room)
    when = _when(value, room - (length(p95) + 2 if fall else 0))
    if fall and length(when) + 2 + length(p95) <= room:
        when = (*when, ("; ", "muted"), *p95)
    words: tuple[Line, ...] = (((failed, loud),), when, fall or p95)
    wrong = space.alert_level != "calm" and value.failure_rate > space.settings.severity.high_rate
    ink = space.ink if wrong else "figure"
    return big_digits.beside(percent_figure(value.failure_rate), ink, words, space.width, unit="%")


def _low(value: Transactions, space: RenderContext, failed: Span, p95: Line) -> Line:
    """The rate, the last minute, and what else fits on one line."""
    rate = f"{percent(value.failure_rate)}  "
    room, minute = space.width - cells(rate), _minute(value)
    said = ("".join(text for text, _ in p95), p95[-1][1])
    if cells(failed[0]) + 2 + length(minute) > room:
        failed = (f"{count(value.failures)} of {count(value.decided)}", failed[1])
    return ((rate, space.ink), *phrases([failed, *minute, said], room, ("  ", "muted")))


def _unread(value: Transactions, space: RenderContext) -> str:
    """What is known of purchases in flight while the rows are not read."""
    if value.waiting_at is None:
        return BLIND
    return f"in flight: counted {duration(space.now - value.waiting_at)} ago, the rows are not read"


def _leading(value: Transactions, space: RenderContext) -> waiting.Leading | None:
    return waiting.leading(value, space.settings.transactions, space.settings.severity.high_rate)


def _led(lead: waiting.Leading, value: Transactions, space: RenderContext) -> tuple[Line, ...]:
    """The number in flight as the figure; the failure rate on the line below."""
    ink = space.ink if space.ink != "text" else "strong"
    window, text = duration(value.window_s), count(lead.count)
    usual: Line = ((f" ({lead.usual})", "muted"),) if lead.usual else ()
    longest = f"{count(value.in_flight)} in flight, oldest {duration(value.oldest_s)}"
    failed = f"{count(value.failures)} of {count(value.decided)} failed" if value.decided else "none decided"
    rate = (f"{failed} in {window}", "muted")
    if space.height < 7:
        whole = f" {lead.what}, {lead.since}"
        words: Line = ((whole if cells(text + whole) <= space.width else f" {lead.short}, {lead.since}", "text"),)
        rest = phrases([rate, (longest, "muted"), (lead.usual, "muted")], space.width, ("  ", "muted"))
        return (((text, ink), *words), rest)
    room = big_digits.room(text, space.width)
    room = room if room >= big_digits.WORDS else space.width
    since: Line = ((lead.since, "strong"), *(usual if cells(lead.since) + length(usual) <= room else ()))
    what: Line = ((lead.what if cells(lead.what) <= room else lead.short, ink),)
    minute: Line = (("; ", "muted"), *_minute(value)) if value.decided and _minute(value) else ()
    told: Line = (rate, *minute) if length((rate, *minute)) <= room else (rate,)
    lines = big_digits.beside(text, ink, (what, since, told), space.width)
    return (*lines, phrases([(longest, "muted"), *_speed(value, space)], space.width, ("  ", "muted")))


def _speed(value: Transactions, space: RenderContext) -> Line:
    if value.latency_p95_s is None:
        return ()
    slow = value.latency_p95_s > space.settings.severity.latency_s
    told = latency(value.latency_p95_s, value.latency_saturated)
    return ((f"p95 of the decided {told}", space.ink if slow else "muted"),)


def _when(value: Transactions, width: int) -> Line:
    """The window and its last minute, in fewer words where there is little room."""
    window, minute = duration(value.window_s), _minute(value)
    minute = (("; ", "muted"), *minute) if minute else ()
    for words in (f"in the last {window}", f"in {window}"):
        if length(line := ((words, "muted"), *minute)) <= width:
            return line
    return ((f"in the last {window}" if cells(f"in the last {window}") <= width else f"in {window}", "muted"),)


def _minute(value: Transactions) -> Line:
    """The last minute beside the window; nothing where neither holds a failure."""
    if value.minute is None or not value.failures:
        return ()
    if not value.minute.decided:
        return (("1 min: none decided", "muted"),)
    return ((f"1 min: {percent(value.minute.failure_rate)}", "text"),)


def _fall(value: Transactions, space: RenderContext, width: int) -> Line:
    """`SEV-1 until 14:09, SEV-2 until 14:12, if nothing more fails`: the levels that the rate itself asks for."""
    from ..signals.level_fall import falls

    ends = [f"{level} until {clock_minute(at)}" for level, at in falls(value, space.settings, space.now)]
    if not ends:
        return ()
    for words in (
        f"{', '.join(ends)}, if nothing more fails",
        f"{ends[0]} if nothing more fails",
        f"{ends[0]} if no more fail",
    ):
        if cells(words) <= width:
            return ((words, "muted"),)
    return ()


def _waits(value: Transactions, space: RenderContext) -> Line:
    """How many purchases are in flight, the oldest's age, and the usual duration; nothing for none."""
    if not value.in_flight:
        return ()
    late = waiting.overdue(value)
    ink = space.ink if late and space.ink != "text" else "strong" if late else "text"
    usual = waiting.usually(value)
    oldest = f", oldest {duration(value.oldest_s)}"
    none = ", none decided" if value.failure_rate is None else ""
    head, more = f"{count(value.in_flight)} in flight", f" ({usual})" if usual else ""
    if cells(head + none + oldest + more) > space.width:
        more = ""
    if cells(head + none + oldest) > space.width:
        oldest = f", oldest {duration(value.oldest_s)}"
    return ((head, ink), (none + oldest + more, "muted"))


def _verdict(value: Transactions, space: RenderContext) -> Line:
    scope = value.scope
    if scope.verdict == "none":
        return (("no provider stands out", "muted"),)
    word = VERDICTS.get(scope.verdict, VERDICTS["unknown"])
    because = _because(value, space.width - cells(word) - 2)
    ink = "muted" if scope.verdict == "unknown" else space.ink if space.ink != "text" else "strong"
    return ((word, ink), (f": {because}" if because else "", "text" if ink != "muted" else "muted"))


def _verdict_lines(value: Transactions, space: RenderContext, rows: int) -> list[Line]:
    """The verdict with all its numbers on `rows` lines where one is too short for them; else on one."""
    because = plain(value.scope.because)
    one = _verdict(value, space)
    if rows < 2 or len(one) < 2 or not because or (because in one[1][0] and length(one) <= space.width):
        return [one]
    (word, ink), (_, rest) = one
    first, *more = wrapped(f"{word}: {because}", space.width, rows)
    if not first.startswith(word):
        return [one]
    return [((word, ink), (first[len(word) :], rest)), *(((line, rest),) for line in more)]


def _because(value: Transactions, room: int) -> str:
    """The numbers behind the verdict: the signal's own words, or where they don't fit the provider and its share."""
    scope = value.scope
    because, name = plain(scope.because), plain(scope.provider or "", 40)
    if not name:
        return because
    whole = because if name in because else f"{name}, {because}" if because else name
    if cells(whole) <= room:
        return whole
    failures = next((p.failures for p in value.providers if p.name == scope.provider), None)
    share = f"{name}, {count(failures)} of {count(value.failures)}" if failures is not None else name
    return share if cells(share) <= room else name


def _twins(value: Transactions, space: RenderContext) -> Mapping[str, str]:
    """Notes for providers whose names can be taken for another's, of all that are known."""
    circuits = CIRCUITS.value(space.readings)
    known = [provider.name for provider in circuits.providers] if circuits is not None else []
    return look_alikes([*known, *(provider.name for provider in value.providers)])


def _least(value: Transactions, space: RenderContext) -> int:
    """The lines that the chart needs: more where there are marks on it."""
    return KEPT if _marks(value, space, space.width) else CHART


def _chart_height(left: int, providers: int, large: bool, least: int) -> int:
    """The rows that remain beside the providers; a few providers must stay visible."""
    if large:
        few = min(providers, BESIDE_CHART) + 3
        return max(min(least, left - few), min(left // 2, left - 8), 0) if left >= CHART + 4 else 0
    beside = min(providers, 3 if left < 9 else 5 if left < 20 else 8)
    spare = left - max(min(providers, FEWEST), min(beside, left - least))
    spare -= 2 if spare >= max(CHART + 4, least + 2) else 0
    return min(spare, 16) if spare >= CHART else 0


def _chart(value: Transactions, space: RenderContext, height: int) -> list[Line]:
    rules, span = space.settings.severity, space.settings.transactions.trend_s
    width = max(4, space.width - charts.AXIS)
    if not any(point.failure_rate is not None for point in value.trend):
        return [(("no trend yet", "faint"),), *[BLANK] * (height - 1)]
    points, marks = [(p.at, p.failure_rate) for p in value.trend], _marks(value, space, width)
    axis, legend = height > CHART + 1 or bool(marks), bool(marks) and height > CHART + 1
    values = charts.columns(points, span, width)
    rates = ((rules.high_rate, "warn"), (rules.critical_rate, "alarm"))
    lines = list(charts.trend(values, height - axis - legend, rates, marked=marks))
    if axis:
        lines.append(charts.axis(f"{duration(span)} ago", "now", width, marks))
    if legend:
        lines.append(charts.legend(marks.values(), space.width))
    return lines


def _marks(value: Transactions, space: RenderContext, width: int) -> dict[int, charts.ChartMark]:
    points = [(p.at, p.failure_rate) for p in value.trend]
    span = space.settings.transactions.trend_s
    marks = (*space.marks, *_releases(space), *began_marks("failure_rate", space))
    return charts.placed(marks, points, span, max(4, width))


def _releases(space: RenderContext) -> list[charts.ChartMark]:
    """When what runs was rolled out, and what ran before it."""
    workloads = WORKLOADS.value(space.readings)
    release = workloads.release if workloads is not None else None
    if release is None:
        return []
    known = ((release.since, release.images), (release.before_since, release.before))
    return [
        charts.ChartMark(at.timestamp(), RELEASE, f"{clock_minute(at)} release {images}".rstrip(), images or "release")
        for at, images in known
        if at is not None
    ]


def _bar(provider: ProviderTraffic, space: RenderContext, twin: str) -> Line:
    rules = space.settings.transactions
    rate = provider.failure_rate
    failing = rate is not None and rate >= rules.provider_failing and provider.decided >= rules.provider_few
    ink = space.ink if failing else "chart"
    waits = f"{count(provider.in_flight)} in flight " if provider.overdue else ""
    tail = f"{waits}{percent(rate):>8} {f'{provider.failures}/{provider.decided}':>9}"
    name = min(NAME if space.width < 80 else NAME + 10, space.width // 3)
    if name + 1 + cells(tail) > space.width:
        tail = f"{waits}{percent(rate):>8}"
    shown = plain(marked(provider.name, {provider.name: twin} if twin else {}), 120)
    name = max(name, min(space.width // 2, cells(shown))) if twin else name
    room = max(0, space.width - name - 1 - cells(tail))
    return (
        (column(shown, name) + " ", "warn" if twin else "strong" if failing else "text"),
        *charts.bar(rate, room, ink),
        (tail, space.ink if failing else "muted" if rate is None or not provider.failures else "text"),
    )
