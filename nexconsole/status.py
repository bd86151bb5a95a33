"""`nexconsole status`: every signal once, as text, JSON or metrics, with a monitoring plugin's exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from .causes.model import Candidate, Explanation
from .causes.published import published
from .causes.wording import headlines
from .journal.broken_glass import BrokenGlass
from .model import Reading, SourceHealth, State, value_of
from .settings import Settings
from .severity import Severity
from .signals.dependencies import reads
from .signals.registry import signals
from .signals.signal import Signal
from .signals.source_agreement import examine
from .signals.transactions import Transactions
from .sources import EXTRA
from .sources.flight_record import RecordState
from .text.units import duration, moment, several

VERSION = 1  # of the JSON: another one where a field goes or means something else; a field may be added
EXIT_CODES = {"none": 0, "SEV-3": 1, "SEV-2": 2, "SEV-1": 2}
NOT_KNOWN = 3  # also for a command line or settings that can't be used


@dataclass(frozen=True, kw_only=True)
class Status:
    """All that was read at `at` (UTC), what was judged of it, and a sentence for each thing that is not known.

    `explanation`: what it is, as far as the causes tell; None where they could not be ranked. `record`: what the
    flight record has, None where nothing is recorded. `past`: all of it is of then, as it was recorded.
    `broken_glass`: what was sent in the open incident without the second person that it needs.
    """

    at: datetime
    readings: Mapping[str, Reading]
    sources: Sequence[SourceHealth]
    severity: Severity
    unread: tuple[str, ...]
    explanation: Explanation | None = None
    record: RecordState | None = None
    past: bool = False
    asked_at: datetime | None = None
    broken_glass: tuple[BrokenGlass, ...] = ()

    @property
    def likely(self) -> tuple[Candidate, ...]:
        """The causes that are named."""
        return self.explanation.named if self.explanation is not None else ()

    @property
    def exit_code(self) -> int:
        """0: all that is configured was read, and no rule holds; 1: SEV-3; 2: SEV-1 or SEV-2; 3: not known.

        A rule that holds goes before what could not be read.
        """
        if self.severity.level == "none" and self.unread:
            return NOT_KNOWN
        return EXIT_CODES[self.severity.level]


def status_of(
    readings: Mapping[str, Reading],
    severity: Severity,
    sources: Sequence[SourceHealth],
    now: datetime,
    explanation: Explanation | None = None,
    record: RecordState | None = None,
    broken_glass: tuple[BrokenGlass, ...] = (),
) -> Status:
    """What was read and judged, with what is not known of it."""
    unknown = tuple(unread(readings, sources))
    return Status(
        at=now,
        readings=readings,
        sources=sources,
        severity=severity,
        unread=unknown,
        explanation=explanation,
        record=record,
        broken_glass=broken_glass,
    )


def past_status(
    readings: Mapping[str, Reading], severity: Severity, at: datetime, explanation: Explanation | None, now: datetime
) -> Status:
    """The status of then, from what was recorded; of the sources nothing is recorded but what readings say."""
    unknown = tuple(_unread_readings(readings))
    return Status(
        at=at,
        readings=readings,
        sources=(),
        severity=severity,
        unread=unknown,
        explanation=explanation,
        past=True,
        asked_at=now,
    )


def unread(readings: Mapping[str, Reading], sources: Sequence[SourceHealth]) -> list[str]:
    """A sentence for everything configured that could not be read; [] where all is known."""
    if not any(source.configured for source in sources):
        return ["nothing is configured"]
    said = _unread_readings(readings)
    for source in sources:  # one that answered something is not unread for a right that it lacks
        if source.name in EXTRA:  # that search does not answer is what its reading says
            continue
        if source.error and not reads(source):
            said += [] if any(source.error in one for one in said) else [source.error]
    return said


def _unread_readings(readings: Mapping[str, Reading]) -> list[str]:
    failed = [reading for reading in readings.values() if reading.error and not reading.absent]
    said = [f"{reading.signal}: {reading.error}" for reading in failed]
    purchases = value_of(readings, "transactions", Transactions)
    if purchases is not None and not purchases.measured:
        said.append(f"transactions: {'; '.join(purchases.notes)}")
    return said


def as_json(status: Status, settings: Settings, indent: int = 2) -> str:
    """One object: each signal's state, taken_at, source, error and value by its name; the sources; the severity.

    `schemas/status.schema.json` has its shape, and `version` is that of the shape. `witnesses` says what sources that
    count the same purchases agree on, null where fewer than two did. `causes` ranks what it may be, null where that
    could not be done. `exit_code` is the command's,
    `record` is from when to when the flight record has something, null where nothing is recorded; `past`: all of it is
    of the time `at`, as it was recorded then. `broken_glass`: what was sent in the open incident without the second
    person that it needs. `not_known` holds a sentence for each thing that could not be read.
    """
    now = status.at
    document: dict[str, Any] = {"version": VERSION, "environment": settings.environment}
    document |= {"name": settings.name, "profile": settings.profile, "at": now}
    for name, reading in status.readings.items():
        document[name] = {
            "state": reading.state(now),
            "taken_at": reading.taken_at,
            "source": reading.value.source if reading.value else None,
            "error": reading.error,
            "value": reading.value,
        }
    document["sources"] = {source.name: source for source in status.sources}
    document["severity"] = status.severity
    document["causes"] = published(status.explanation)
    document["record"] = status.record
    document["past"] = status.past
    document["broken_glass"] = status.broken_glass
    document["witnesses"] = examine(status.readings, now)
    document["not_known"] = status.unread
    document["exit_code"] = status.exit_code
    return msgspec.json.format(msgspec.json.encode(document), indent=indent).decode()


def as_text(status: Status, settings: Settings) -> str:
    """A line for the severity and each of its reasons, one for each thing not known, and one for every signal."""
    lines = [f"{settings.place}  {judged(status)}"]
    if status.past:
        old = "" if status.asked_at is None else f", {duration(status.asked_at - status.at)} ago"
        lines.insert(0, f"THE PAST: as it was at {moment(status.at)}{old}, from the flight record")
    lines += [f"  {cause}" for cause in cause_line(status, settings)]
    for reason in status.severity.reasons:
        old = f" (seen {duration(reason.age_s)} ago)" if reason.stale else ""
        lines.append(f"  {reason.level}  {reason.text}{old}{f'; {reason.outlook}' if reason.outlook else ''}")
    for glass in status.broken_glass:
        lines.append(f"  GLASS BROKEN {moment(glass.at)} by {glass.by}: {glass.words}")
    lines += [f"  not known: {sentence}" for sentence in (*status.severity.unanswered, *status.unread)]
    declared = {signal.name: signal for signal in signals(settings)}
    order = [*(name for name in declared if name in status.readings)]  # the same of now and of the past
    lines += [f"{name:<13} {_line(declared[name], status.readings[name], status.at)}" for name in order]
    if agreement := examine(status.readings, status.at):
        lines.append(f"{'witnesses':<13} {agreement.said}")
    if status.record is not None:
        lines.append(f"{'flight record':<13} {status.record.said(status.at)}")
    return "\n".join(lines)


def cause_line(status: Status, settings: Settings) -> tuple[str, ...]:
    """`likely: smsbower does not answer, since 03:12`, or that it is not known; () where nothing is to be said."""
    said = headlines(status.explanation, status.at, settings, status.severity.level)[:1]
    return tuple(f"likely: {words}" if status.likely else words for words in said)


def judged(status: Status) -> str:
    """The severity in words; that there is no incident is only said where all that is configured could be read."""
    if status.severity.level != "none":
        return status.severity.level
    known = sum(reading.value is not None for reading in status.readings.values())
    if not known:
        return "not known: nothing could be read"
    if status.unread:
        return f"not known: {several(len(status.unread), 'thing')} could not be read"
    configured = sum(not reading.absent for reading in status.readings.values())
    if configured == len(status.readings):
        return "no incident"
    return f"no incident in the {configured} of {len(status.readings)} signals that are configured"


def _line(signal: Signal[Any], reading: Reading, now: datetime) -> str:
    state, value = reading.state(now), reading.value
    if value is None or state is State.ABSENT:
        return f"{state.upper()}: {reading.error}"
    summary = signal.summary(value)
    return "; ".join([f"{summary} ({value.source})", *value.notes])
