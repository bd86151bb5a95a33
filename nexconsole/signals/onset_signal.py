"""The onset signal: since when which figure is out of its usual range. It raises nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..catalogue import Argument
from ..errors import NotConfigured, SourceError
from ..model import Value
from ..sources import NAMES
from ..text.units import clock_minute, count, duration, latency, percent, several
from .change_point import ChangePoint, OnsetRules, onset_of, still_out, told_by
from .figure_memory import figure_memory
from .onset import ONSET, Onset, Onsets
from .onset_figures import ATTEMPTS, FAILURE_RATE, SMEARED_S, WATCHED, as_level, rules_of
from .onset_histories import PURCHASES, FigureHistory, deep_purchases, histories, is_level, memory_of
from .probe import PROVIDER, Probe, ProbeResult, View
from .row_outcomes import row_outcomes
from .signal import LISTED, MOST_NAMED, ExportedMetric, LabelledSample, MetricSpec, Numbers, Signal, SubjectState

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 10.0
HEARD_S = 1.5  # at the first reading the other signals are read at the same time
FIRST = ("outbox", "database", "workloads")
FIGURE = Argument(name="figure", kind="figure", help="a figure of reports, such as failure_rate")
OPTIONAL = {"database_cpu", "redis_memory"}  # not every installation has them
EMPTY = 1e-9


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Onsets:
    """Look at each history that there is. What has none is not watched, and a note says so.

    Raises SourceError where none can be read, NotConfigured where there is nothing to read.
    """
    if previous is None:
        await figure_memory(sources).heard(FIRST, HEARD_S)
    now = time.time()
    known = await histories(sources, settings, now)
    notes = [*memory_of(sources).notes.values()]
    if not known:
        _unknown(sources, notes)
    found: list[Onset] = []
    watched: dict[tuple[str, str], FigureHistory] = {}
    for (figure, subject), history in known.items():
        rules = rules_of(figure, settings, subject)
        change = await _change(sources, settings, now, (figure, subject), history)
        earlier = previous.of(figure, subject) if isinstance(previous, Onsets) else None
        onset = _kept(change and _onset(figure, subject, history, change), earlier, history, rules)
        if onset is not None:
            found.append(onset)
        if onset is not None or told_by(history.steps, now, rules):
            watched[figure, subject] = history
        await asyncio.sleep(0)  # a look takes some ms: a key does not wait for all of them
    found.sort(key=lambda one: (one.at is not None, one.since, one.figure, one.subject))
    missing = sorted(set(WATCHED) - OPTIONAL - {figure for figure, _ in watched})
    if missing:
        notes.append(f"no history, or none long enough, and so not watched: {', '.join(map(_title, missing))}")
    used = dict.fromkeys(history.source for history in watched.values())
    names = tuple(_called(figure, subject) for figure, subject in watched)
    memory = memory_of(sources)
    # Rows of a while ago say nothing of now, though another history is fresh.
    outcomes = row_outcomes(memory.rows) if sources.has("postgres") and PURCHASES not in memory.notes else ()
    return Onsets(source=", ".join(used), notes=tuple(notes), found=tuple(found), watched=names, outcomes=outcomes)


def _unknown(sources: Sources, notes: list[str]) -> None:
    """Raise what keeps every history from being read; a console that has only just begun is no trouble."""
    if not any(map(sources.has, NAMES)):
        raise NotConfigured(ONSET, "onsets need a history: set postgres.url, prometheus.url, redis.url or a kubeconfig")
    if notes:
        raise SourceError(ONSET, "; ".join(notes))


async def _change(
    sources: Sources, settings: Settings, now: float, key: tuple[str, str], history: FigureHistory
) -> ChangePoint | None:
    figure, subject = key
    rules = rules_of(figure, settings, subject)
    if is_level(history, rules.kind):
        return onset_of(history.steps, now, as_level(rules, settings))
    change = onset_of(history.steps, now, rules)
    # Purchases may have been so for longer than the rows were read, and fewer of them may be usual at this hour.
    if change is not None and figure in (FAILURE_RATE, ATTEMPTS) and (change.at is None or figure == ATTEMPTS):
        begin = history.steps[0].at
        deep = await deep_purchases(sources, settings, now, figure, subject)
        older = [step for step in deep if step.end <= begin]
        change = onset_of([*older, *history.steps], now, rules) if older else change
    return change


def _kept(onset: Onset | None, earlier: Onset | None, history: FigureHistory, rules: OnsetRules) -> Onset | None:
    """The onset, with the moment that was known before its history no longer reached back so far."""
    if earlier is None or earlier.at is None or earlier.before is None or not earlier.worse or not history.steps:
        return onset
    if onset is not None:
        return replace(onset, at=earlier.at, before=earlier.before) if onset.at is None else onset
    reaches_back = history.steps[0].at + rules.before_s < earlier.at.timestamp()
    if reaches_back or not told_by(history.steps, history.steps[-1].end, rules):
        return None
    after = still_out(history.steps, earlier.before, rules)
    return None if after is None else replace(earlier, after=round(after, 4))


def _onset(figure: str, subject: str, history: FigureHistory, change: ChangePoint) -> Onset:
    smeared = SMEARED_S if history.level and figure in (FAILURE_RATE, ATTEMPTS) else 0.0
    return Onset(
        figure=figure,
        subject=subject,
        at=None if change.at is None else datetime.fromtimestamp(change.at, UTC),
        known_from=datetime.fromtimestamp(history.steps[0].at, UTC),
        before=_rounded(change.before),
        after=_rounded(change.after) or 0.0,
        worse=change.worse,
        within_s=round(max(change.within, smeared), 1),
        source=history.source,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _called(figure: str, subject: str) -> str:
    return f"{figure} {subject}" if subject else figure


def onset_text(onset: Onset) -> str:
    """`failure rate at smsbower 100 %, before 2.1 %, since 03:12`."""
    title, say = WORDS.get(onset.figure, (onset.figure, count))
    where = f" at {onset.subject}" if onset.subject else ""
    before = f", before {say(onset.before)}" if onset.before is not None else ""
    since = f"since before {clock_minute(onset.known_from)}" if onset.at is None else f"since {clock_minute(onset.at)}"
    return f"{title}{where} {say(onset.after)}{before}, {since}"


def _per_minute(per_s: float | None) -> str:
    return "-" if per_s is None else f"{per_s * 60:.0f} a minute" if per_s * 60 >= 9.5 else f"{per_s * 60:.1f} a minute"


def _seconds(value: float | None) -> str:
    return duration(value) if value is None or value >= 10 else latency(value)


def _number(value: float | None) -> str:
    return "-" if value is None else count(value)


WORDS = {
    FAILURE_RATE: ("failure rate", percent),
    ATTEMPTS: ("purchases", _per_minute),
    "latency_p95_s": ("latency p95", _seconds),
    "purchases_waiting": ("purchases overdue", _number),
    "customers_refused": ("customers refused", _number),
    "customers_waiting": ("customers waiting", _number),
    "outbox_pending": ("outbox pending", _number),
    "outbox_oldest_pending_s": ("oldest outbox event", _seconds),
    "outbox_failed": ("outbox failed", _number),
    "reservations_pending": ("reservations pending", _number),
    "reservations_stuck": ("reservations stuck", _number),
    "sessions_blocked": ("database sessions blocked", _number),
    "connections": ("database connections", _number),
    "slot_wait_s": ("longest wait for a slot", _seconds),
    "circuits_open": ("circuits open", _number),
    "locks_abandoned": ("orphaned locks", _number),
    "redis_memory": ("Redis memory", percent),
    "database_cpu": ("database CPU", percent),
    "pods_ready": ("pods ready", _number),
}


def _summary(value: Onsets) -> str:
    if not value.watched:
        return "not known: no figure has a history"
    if not value.found:
        return f"{several(len(value.watched), 'figure')} in the usual range"
    told = "; ".join(onset_text(one) for one in value.found[:MOST_NAMED])
    more = len(value.found) - MOST_NAMED
    return told + (f"; and {count(more)} more" if more > 0 else "")


def _details(value: Onsets) -> Iterator[str]:
    for one in value.found[:LISTED]:
        yield onset_text(one)


def _numbers(value: Onsets, every: float, now: datetime) -> Numbers:
    return {"figures_out": sum(one.worse for one in value.found) if value.watched else None}


def _samples(value: Onsets) -> Iterator[LabelledSample]:
    for one in value.found:
        yield {"figure": one.figure, "subject": one.subject}, one.since.timestamp()


def _states(value: Onsets, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    """When a figure left its range, and when it came back; of all, not of each provider."""
    out = {f"usual range of {_title(one.figure)}": one for one in value.found if one.worse and not one.subject}
    for subject, one in out.items():
        yield SubjectState(subject, "left", onset_text(one))
    for subject, state in known.items():
        name = subject.removeprefix("usual range of ")
        if name != subject and state == "left" and subject not in out and _watches(value, name):
            yield SubjectState(subject, "in", f"{name} is in its usual range again")


def _title(figure: str) -> str:
    return WORDS.get(figure, (figure, count))[0]


def _watches(value: Onsets, title: str) -> bool:
    return any(_title(figure) == title for figure in value.watched)


# --- probes -----------------------------------------------------------------------------------------------------------


def _asked(view: View[Onsets], figure: str, subject: str) -> tuple[Onset | None, str]:
    """The onset, or the sentence on why it is not known; neither where the figure is in its range."""
    value = view.value
    one = value.of(figure, subject)
    if one is not None:
        return one, ""
    if _called(figure, subject) in value.watched:
        return None, ""
    return None, f"not known: {_title(figure)}{f' at {subject}' if subject else ''} has no history"


def _subject(view: View[Onsets], figure: str) -> str:
    """The provider's name as the histories have it."""
    names = (each.removeprefix(f"{figure} ") for each in view.value.watched if each.startswith(f"{figure} "))
    return next((name for name in names if view.called(name)), view.argument)


def _out(view: View[Onsets], figure: str, subject: str = "") -> ProbeResult:
    one, unknown = _asked(view, figure, subject)
    if unknown:
        return ProbeResult(text=unknown, value=None)
    where = f" at {subject}" if subject else ""
    if one is None or not one.worse:
        surge = f": {onset_text(one)}" if one is not None else ""
        return ProbeResult(text=f"{_title(figure)}{where} has not got worse{surge}", value=False)
    return ProbeResult(text=onset_text(one), value=True)


def _seconds_ago(view: View[Onsets], figure: str, subject: str = "") -> ProbeResult:
    one, unknown = _asked(view, figure, subject)
    where = f" at {subject}" if subject else ""
    if unknown:
        return ProbeResult(text=unknown, value=None)
    if one is None:
        return ProbeResult(text=f"{_title(figure)}{where} is in its usual range", value=None)
    ago = max(0.0, (view.now - one.since).total_seconds())
    least = "at least " if one.at is None else ""
    return ProbeResult(text=f"{onset_text(one)}: {least}{duration(ago)} ago", value=ago)


def _factor(view: View[Onsets]) -> ProbeResult:
    one, unknown = _asked(view, view.argument, "")
    if unknown:
        return ProbeResult(text=unknown, value=None)
    if one is None:
        return ProbeResult(text=f"{_title(view.argument)} is as usual", value=1.0)
    if one.before is None:
        return ProbeResult(text=f"not known: {onset_text(one)}", value=None)
    return ProbeResult(text=onset_text(one), value=one.after / max(one.before, EMPTY))


PROBES = (
    Probe(
        name="onset.is",
        title="whether a figure is out of its usual range, the bad way",
        signal=ONSET,
        kind="flag",
        read=lambda view: _out(view, view.argument),
        argument=FIGURE,
    ),
    Probe(
        name="onset.ago",
        title="how long ago a figure left its usual range",
        signal=ONSET,
        kind="number",
        unit="seconds",
        read=lambda view: _seconds_ago(view, view.argument),
        argument=FIGURE,
    ),
    Probe(
        name="onset.factor",
        title="how many times its usual value a figure is",
        signal=ONSET,
        kind="number",
        read=_factor,
        argument=FIGURE,
    ),
    Probe(
        name="onset.failing",
        title="whether more purchases at a provider fail than usually",
        signal=ONSET,
        kind="flag",
        read=lambda view: _out(view, FAILURE_RATE, _subject(view, FAILURE_RATE)),
        argument=PROVIDER,
    ),
    Probe(
        name="onset.failing_ago",
        title="how long ago purchases at a provider began to fail",
        signal=ONSET,
        kind="number",
        unit="seconds",
        read=lambda view: _seconds_ago(view, FAILURE_RATE, _subject(view, FAILURE_RATE)),
        argument=PROVIDER,
    ),
    Probe(
        name="onset.fewer",
        title="whether fewer purchases go to a provider than usually",
        signal=ONSET,
        kind="flag",
        read=lambda view: _out(view, ATTEMPTS, _subject(view, ATTEMPTS)),
        argument=PROVIDER,
    ),
)
SIGNAL = Signal(
    name=ONSET,
    kind=Onsets,
    read=read,
    summary=_summary,
    every=EVERY_S,
    unseen_every=60.0,
    timeout=9.0,
    optional=True,
    numbers=_numbers,
    metrics={"figures_out": MetricSpec("figures out of their usual range", count)},
    exported=(
        ExportedMetric(
            "onset_timestamp_seconds", "When a figure left its usual range; before it, if unknown.", _samples
        ),
    ),
    observe=_states,
    details=_details,
    arguments={"figure": lambda value: WATCHED},
    probes=PROBES,
)
