"""What is different from what was said before, as sentences; pure but for what it remembers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..causes.model import Explanation
from ..incident.proposals import Proposal
from ..model import Reading, SourceHealth, State
from ..screens.operation_bar import state_words
from ..session.operation import Operation
from ..severity import Reason, Severity
from ..signals.signal import Signal
from ..text.sanitize import clean
from ..text.units import clock, duration, period, several
from .causes import CauseChanges

MOST_AT_ONCE = 3  # reasons that are said one by one after the first; of more their number
STILL = timedelta(minutes=1)  # while it is not calm, the level and its first reason are said so often
STEADY = timedelta(seconds=5)  # what leads, or fits, is said when it has done so for this long
AGAIN = timedelta(minutes=5)  # a scenario that fits is not offered again within
GONE = timedelta(seconds=30)  # a reason that is not there for so long is over; one that comes and goes is not said
UNSET = "nothing is configured: `nexconsole init` makes a settings file, `nexconsole drill` stages an incident"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_FIGURES = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that may be said at `at` (UTC). `waiting`: what others propose, with the seconds that are left."""

    at: datetime
    severity: Severity | None
    readings: Mapping[str, Reading]
    expected: Sequence[str]
    sources: Sequence[SourceHealth]
    operations: Sequence[Operation] = ()
    waiting: Sequence[tuple[Proposal, float]] = ()
    in_force: Sequence[str] = ()
    incident: str | None = None
    explanation: Explanation | None = None
    fit: str = ""  # the scenario that fits best
    seen: tuple[str, str] = ("", "")  # an earlier incident like this one: its id, and the sentence on it


class Changes:
    """`sentences` says what is new since it was last called: at first how things stand."""

    def __init__(self) -> None:
        self._level: str | None = None
        self._causes = CauseChanges()
        self._since = BEGINNING
        self._first: tuple[str, str, str] | None = None  # that was said
        self._leading: tuple[tuple[str, str, str] | None, datetime] = (None, BEGINNING)  # with since when it leads
        self._led: dict[tuple[str, str, str], datetime] = {}  # what was said to lead, with when
        self._said_at = BEGINNING
        self._reasons: dict[tuple[str, str, str], tuple[Reason, datetime]] = {}  # with when it was last there
        self._failing: dict[str, datetime] = {}  # sources, with since when
        self._old: set[str] = set()  # signals that are not fresh
        self._operations: dict[int, tuple[str, ...]] = {}
        self._proposals: set[str] = set()
        self._incident: str | None = None
        self._seen: tuple[str | None, str] = (None, "")  # the incident, and the earlier one that was told of
        self._fitting: tuple[str, datetime] = ("", BEGINNING)
        self._offered: dict[str, datetime] = {}  # scenarios, with when they were said to fit

    def sentences(self, now: Snapshot) -> list[str]:
        return [
            *self._levels(now),
            *self._causes.sentences(now.explanation, now.at, now.severity is not None and now.severity.level == "none"),
            *self._sources(now),
            *self._signals(now),
            *self._of_operations(now),
            *self._of_proposals(now.waiting),
            *self._of_incident(now),
        ]

    def _levels(self, now: Snapshot) -> Iterator[str]:
        level = level_of(now)
        if level == "":
            return
        severity = now.severity
        assert severity is not None
        first = _identity(severity.reasons[0]) if severity.reasons else None
        if self._leading[0] != first:
            self._leading = (first, now.at)
        if level != self._level:
            before = f", was {self._level} for {duration(now.at - self._since)}" if self._level is not None else ""
            self._level, self._since = level, now.at
            yield f"{level}{before}: {state(now)}"
        elif first is not None and first != self._first and self._leads(first, now.at):
            yield f"still {level}, the first reason now: {_reason(severity.reasons[0])}"
        elif first is not None and now.at - self._said_at >= STILL:
            yield f"still {level} after {duration(now.at - self._since)}: {_reason(severity.reasons[0])}"
        else:
            yield from self._others(severity, now.at)
            return
        self._first, self._said_at = first, now.at
        if first is not None:
            self._led[first] = now.at
        yield from self._others(severity, now.at)

    def _leads(self, first: tuple[str, str, str], at: datetime) -> bool:
        """Whether this reason leads for long enough to be said, and was not said to lead a moment ago."""
        return at - self._leading[1] >= STEADY and at - self._led.get(first, BEGINNING) >= STILL

    def _others(self, severity: Severity, at: datetime) -> Iterator[str]:
        """The reasons after the first one, and those that are over."""
        there = {_identity(reason): reason for reason in severity.reasons}
        new = [identity for identity in there if identity not in self._reasons and identity != self._first]
        for identity in new[:MOST_AT_ONCE]:
            yield f"also {there[identity].level}: {_reason(there[identity])}"
        if len(new) > MOST_AT_ONCE:
            yield f"and {several(len(new) - MOST_AT_ONCE, 'more reason')}: why lists them"
        for identity, reason in there.items():
            self._reasons[identity] = (reason, at)
        for identity, (reason, seen_at) in tuple(self._reasons.items()):
            if identity not in there and at - seen_at >= GONE:
                del self._reasons[identity]
                yield f"over: {clean(reason.text)}"

    def _sources(self, now: Snapshot) -> Iterator[str]:
        for source in now.sources:
            if source.state is State.ERROR and source.name not in self._failing:
                self._failing[source.name] = now.at
                yield f"{source.name} does not answer: {clean(source.error or source.kind or 'failed')}"
            elif source.state is not State.ERROR and source.name in self._failing:
                gone = now.at - self._failing.pop(source.name)
                yield f"{source.name} answers again, after {duration(gone)}"

    def _signals(self, now: Snapshot) -> Iterator[str]:
        """Signals that are no longer read; those of a source that is silent are not said one by one."""
        for name, reading in now.readings.items():
            how = reading.state(now.at)
            if how in (State.STALE, State.ERROR):
                if name not in self._old and not self._failing:
                    self._old.add(name)
                    when = (
                        f"its last value is of {clock(reading.taken_at)}" if reading.taken_at else "it was never read"
                    )
                    yield f"{name} is not known: {when}; {clean(reading.error or 'no newer value has come')}"
            elif how is State.FRESH and name in self._old:
                self._old.discard(name)
                yield f"{name} is read again"

    def _of_operations(self, now: Snapshot) -> Iterator[str]:
        """Each step of an operation once; how far it is while it is sent or watched is not said."""
        for operation in now.operations:
            if operation.phase == "asking":
                continue
            mark, _, words = state_words(operation, now.at)
            outcome = operation.outcome.state if operation.outcome else ""
            verdict = operation.verdict.state if operation.verdict else ""
            phase = "" if verdict or operation.stopped else operation.phase
            step = (phase, outcome, verdict, operation.stopped or "", str(operation.undone))
            if self._operations.get(id(operation)) == step:
                continue
            self._operations[id(operation)] = step
            who = f"{clean(operation.by, 40)}: " if operation.elsewhere else ""
            yield f"{who}{clean(operation.name, 80)}: {mark.partition(' ')[2] or mark}: {clean(words)}"

    def _of_proposals(self, waiting: Iterable[tuple[Proposal, float]]) -> Iterator[str]:
        for proposal, left in waiting:
            if proposal.id in self._proposals:
                continue
            self._proposals.add(proposal.id)
            who = clean(proposal.by, 80 if proposal.agent else 40)
            said = f"{who} proposes {clean(proposal.name, 80)}: {clean(proposal.effect)}"
            yield f"{said}; {_answers(proposal, left)}"

    def _of_incident(self, now: Snapshot) -> Iterator[str]:
        if now.incident != self._incident:
            yield f"incident {now.incident}" if now.incident else f"incident {self._incident} is closed"
            self._incident = now.incident
        if now.seen[1] and (now.incident, now.seen[0]) != self._seen:
            self._seen = now.incident, now.seen[0]
            yield now.seen[1]
        if now.fit != self._fitting[0]:
            self._fitting = (now.fit, now.at)
        said_at = self._offered.get(now.fit, BEGINNING)
        if now.fit and now.at - self._fitting[1] >= STEADY and now.at - said_at >= AGAIN:
            yield f"{now.fit} fits: s shows its steps"
        if now.fit and now.at - self._fitting[1] >= STEADY:
            self._offered[now.fit] = now.at


def level_of(now: Snapshot) -> str:
    """SEV-1 to SEV-3, calm or not known; "" while nothing can be said yet."""
    if now.severity is None:
        return ""
    if now.severity.level != "none":
        return now.severity.level
    if now.sources and not any(source.configured for source in now.sources):
        return "not known"
    if any(name not in now.readings for name in now.expected):
        return ""
    known = any(reading.value is not None for reading in now.readings.values())
    return "calm" if known and not now.severity.unanswered else "not known"


def state(now: Snapshot) -> str:
    """How things stand, in one sentence."""
    severity = now.severity
    if severity is None:
        return "nothing is read yet"
    if now.sources and not any(source.configured for source in now.sources):
        return UNSET
    if severity.reasons:
        more = len(severity.reasons) - 1
        return _reason(severity.reasons[0]) + (f"; {several(more, 'more reason')}: why lists them" if more else "")
    absent = {name for name, reading in now.readings.items() if reading.absent}
    silent = [name for name in severity.unknown if name not in absent]
    doubts = [*severity.unanswered, *([f"no data from {', '.join(silent)}"] if silent else [])]
    old = [name for name, reading in now.readings.items() if reading.state(now.at) is State.STALE]
    doubts += [f"stale: {', '.join(old)}"] if old else []
    fresh = sum(reading.state(now.at) is State.FRESH for reading in now.readings.values())
    force = [f"still in force: {', '.join(clean(what, 120) for what in now.in_force)}"] if now.in_force else []
    return "; ".join([f"nothing is wrong in {several(fresh, 'signal')}", *map(clean, doubts), *force])


def reasons(now: Snapshot) -> list[str]:
    """Every reason of the level, and what is not known."""
    if now.severity is None:
        return ["nothing is read yet"]
    said = [f"{reason.level}: {_reason(reason)}" for reason in now.severity.reasons]
    said += [f"not known: {clean(sentence)}" for sentence in now.severity.unanswered]
    said += [f"no data from {name}" for name in now.severity.unknown]
    return said or [state(now)]


def signal_lines(now: Snapshot, signals: Iterable[Signal[Any]]) -> Iterator[str]:
    """Every signal that is configured, in a line."""
    for signal in signals:
        reading = now.readings.get(signal.name)
        if reading is None or reading.absent:
            continue
        summary = signal.summary(reading.value) if reading.value is not None else "no data"
        error = f"; {clean(reading.error)}" if reading.error else ""
        yield f"{signal.name}: {clean(summary)}{error}"


def _identity(reason: Reason) -> tuple[str, str, str]:
    """The rule and what it speaks of: its sentence without the figures."""
    return reason.level, reason.signal, _FIGURES.sub("#", reason.text)


def _reason(reason: Reason) -> str:
    old = f" (seen {duration(reason.age_s)} ago)" if reason.stale else ""
    return f"{clean(reason.text)}{old}" + (f"; {clean(reason.outlook)}" if reason.outlook else "")


def _answers(proposal: Proposal, left: float) -> str:
    """What a proposal waits for, and what can be typed."""
    if proposal.agent:
        because = clean(proposal.because) or "no reason given"
        return f"because: {because}; it waits for a person for {period(max(1.0, round(left)))}: open, or object"
    if proposal.needs == "approval":
        return "it waits for approval: approve, or object"
    return f"it is sent in {period(max(1.0, round(left)))} unless somebody objects: object"
