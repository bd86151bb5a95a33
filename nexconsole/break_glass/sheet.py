"""The break-glass sheet: last known values and shell commands, for when the console reaches nothing.

Plain text of 80 columns; commands are flush left, ready to paste. It holds no secret: those are $VARIABLES.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ..actions.by_hand import CommandContext, EmergencyCommand
from ..incident.incident import Incident
from ..journal.redaction import secrets_of
from ..model import Reading, SourceHealth, State
from ..severity import Severity, judged
from ..signals.signal import LISTED
from ..sources import NAMES
from ..text.sanitize import clean, strip_controls
from ..text.units import duration, moment
from .remedies import emergency_commands, laid_out, variables

if TYPE_CHECKING:
    from ..settings import Settings

WIDTH = 76  # in its frame on a terminal of 80 columns too
LINES_KEPT = 1_000  # texts of the newest sheets, broken into lines
SAID = 15  # reasons of the severity, things that still stand
WHOLE = "Everything that is watched was read at least once."
PARTLY = "Never read since the console started: "
STATES = {
    State.FRESH: "fresh",
    State.STALE: "STALE",
    State.ERROR: "NEVER READ",
    State.ABSENT: "not set up",
    State.WAITING: "NEVER READ",
}


@dataclass(frozen=True)
class SheetRow:
    """One line. `age` is appended to its text; a change of ages alone does not make another sheet. `command`: the whole
    command that the line belongs to, for copying.
    """

    text: str = ""
    kind: Literal["title", "head", "alarm", "text", "does", "command"] = "text"
    age: str = ""
    command: str = ""

    @property
    def whole(self) -> str:
        return f"{self.text}{self.age}"


@dataclass(frozen=True, kw_only=True)
class SheetContext:
    """Facts beside the readings: the sources' health, NexNum's columns by table and their schema, and the incident's
    id.
    """

    health: Sequence[SourceHealth] = ()
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schema: str = "public"
    incident: str = ""


def sheet(
    readings: Mapping[str, Reading],
    severity: Severity | None,
    incident: Incident | None,
    settings: Settings,
    now: datetime,
    known: SheetContext | None = None,
) -> str:
    """The sheet as it is stored, on lines of at most 80 columns; only longer text quoted in a command exceeds that."""
    sheet_rows = rows(readings, severity, incident, settings, now, known)
    return "".join(f"{row.whole}\n" for row in sheet_rows)


def rows(
    readings: Mapping[str, Reading],
    severity: Severity | None,
    incident: Incident | None,
    settings: Settings,
    now: datetime,
    known: SheetContext | None = None,
) -> tuple[SheetRow, ...]:
    """The sheet's lines, most urgent first."""
    known = known or SheetContext()
    scene = CommandContext(readings=readings, settings=settings, tables=known.tables, schema=known.schema)
    parts = (
        _head(readings, known.health, settings, now),
        _severity(severity),
        _incident(incident, known.incident),
        _people(settings),
        _sources(known.health, now),
        _values(readings, settings, now),
        _commands(emergency_commands(scene), settings),
    )
    secrets = secrets_of(settings)
    return tuple(_without(row, secrets) for part in parts for row in part)


def unchanged(sheet_rows: Iterable[SheetRow]) -> tuple[str, ...]:
    """The sheet without its ages, to compare two sheets."""
    return tuple(row.text for row in sheet_rows)


def _without(row: SheetRow, secrets: Sequence[str]) -> SheetRow:
    """Remove the settings' secrets and every control sequence."""
    text, command = strip_controls(row.text), row.command
    for secret in secrets:
        text, command = text.replace(secret, "***"), command.replace(secret, "***")
    return row if (text, command) == (row.text, row.command) else replace(row, text=text, command=command)


# --- what was known ---------------------------------------------------------------------------------------------


def _head(
    readings: Mapping[str, Reading], health: Sequence[SourceHealth], settings: Settings, now: datetime
) -> Iterator[SheetRow]:
    where = clean(settings.place, 100)
    yield SheetRow(f"BREAK-GLASS SHEET  {where}"[:WIDTH], "title")
    yield SheetRow("=" * WIDTH)
    yield SheetRow("Written ", "text", f"{moment(now.astimezone(UTC))}. State at that time. All times are UTC.")
    if settings.operator:
        yield SheetRow(f"By the console of {clean(settings.operator, 60)}.")
    if gone := [source_health.name for source_health in health if source_health.error is not None]:
        yield SheetRow(f"CAN'T BE REACHED: {', '.join(gone)}.", "alarm")
    missing = [signal.name for signal in judged(settings) if not _read(readings.get(signal.name))]
    yield from _wrapped(f"{PARTLY}{', '.join(missing)}." if missing else WHOLE, "alarm" if missing else "text")


def _read(reading: Reading | None) -> bool:
    return reading is not None and (reading.value is not None or reading.absent)


def _severity(severity: Severity | None) -> Iterator[SheetRow]:
    yield from _heading("Severity")
    if severity is None:
        yield SheetRow("not known: nothing was read yet", "alarm")
        return
    level = "no incident, by the readings" if severity.level == "none" else severity.level
    yield SheetRow(level, "text" if severity.level == "none" else "alarm")
    for reason in severity.reasons[:SAID]:
        stale = ", STALE" if reason.stale else ""
        yield from _wrapped(f"  {reason.level}  {reason.text} ({reason.signal}{stale})")
    yield from _more(len(severity.reasons))
    if severity.unknown:
        yield from _wrapped(f"  not known: {', '.join(severity.unknown)}")


def _incident(incident: Incident | None, name: str) -> Iterator[SheetRow]:
    if incident is None or incident.begin is None:
        return
    yield from _heading(f"Incident {name}".rstrip())
    leads = f", led by {incident.commander}" if incident.commander else ""
    title = incident.title or "without a title"
    since = moment(incident.since or incident.begin)
    closed = ", closed" if incident.closed is not None else ""
    yield from _wrapped(f"{title}: {incident.level or 'no severity'}, since {since}{leads}{closed}")
    for action in incident.actions[-LISTED:]:
        yield from _wrapped(
            f"  {moment(action.at)[11:]} {action.name}: {action.outcome}{f', {action.verdict}' * bool(action.verdict)}"
        )
    for left in incident.standing[:SAID]:
        yield from _wrapped(f"  STILL IN FORCE: {left.what} (since {moment(left.since)}, {left.by})", "alarm")
    yield from _more(len(incident.standing))


def _more(count: int) -> Iterator[SheetRow]:
    if count > SAID:
        yield SheetRow(f"  and {count - SAID} more", "alarm")


def _people(settings: Settings) -> Iterator[SheetRow]:
    glass = settings.break_glass
    if not glass.contacts and not glass.links:
        yield from _heading("Whom to call")
        yield SheetRow("none set: break_glass.contacts and break_glass.links in the settings")
        return
    for title, entries in (("Whom to call", glass.contacts), ("Where to look", glass.links)):
        if entries:
            yield from _heading(title)
            for name, value in entries.items():
                yield from _wrapped(f"{name}: {value}")


def _sources(health: Sequence[SourceHealth], now: datetime) -> Iterator[SheetRow]:
    yield from _heading("Sources")
    if not health:
        yield SheetRow("not known: none was ever asked")
    for source_health in health:
        name = f"{source_health.name:<12} "
        if not source_health.configured:
            yield SheetRow(f"{name}not set up: set {NAMES.get(source_health.name, source_health.name)}"[:WIDTH])
        elif source_health.error is not None:
            last = "".join(_when(source_health.ok_at, now)) if source_health.ok_at else ""
            ever = "last answer" if last else "no answer since the console started"
            yield SheetRow(f"{name}CAN'T BE REACHED, {ever}", "alarm", last)
            yield from _wrapped(f"             {clean(source_health.error, 400)}", "alarm", 13)
        elif source_health.ok_at is None:
            yield SheetRow(f"{name}not asked yet")
        else:
            yield SheetRow(f"{name}answers, last", "text", "".join(_when(source_health.ok_at, now)))


def _values(readings: Mapping[str, Reading], settings: Settings, now: datetime) -> Iterator[SheetRow]:
    yield from _heading("Last known values")
    for signal in judged(settings):
        reading = readings.get(signal.name)
        state = reading.state(now) if reading is not None else State.WAITING
        ink: Literal["alarm", "text"] = "text" if state in (State.FRESH, State.ABSENT) else "alarm"
        said = f"{signal.name:<13} {STATES[state]}"
        if reading is None or reading.value is None or reading.taken_at is None:
            yield SheetRow(said, ink)
        else:
            at, before = _when(reading.taken_at, now)
            # While it is fresh a new reading comes every few seconds: then its time changes as an age does.
            moving = state is State.FRESH
            yield SheetRow(f"{said}, read{'' if moving else at}", ink, (at if moving else "") + before)
            yield from _wrapped(f"  {clean(signal.summary(reading.value), 400)}", "text", 4)
            details = signal.details(reading.value) if signal.details is not None else ()
            yield from (row for line in details for row in _wrapped(f"    {line}"))
        if reading is not None and reading.error is not None:
            yield from _wrapped(f"  {clean(reading.error, 400)}", ink, 4)


def _when(at: datetime, now: datetime) -> tuple[str, str]:
    return f" {moment(at.astimezone(UTC))}", f", {duration(now - at, exact=True)} before"


# --- what to type -----------------------------------------------------------------------------------------------


def _commands(commands: Sequence[EmergencyCommand], settings: Settings) -> Iterator[SheetRow]:
    yield from _heading("Commands, ready to paste")
    yield from _wrapped(
        "Targets are those of the last readings. Read each command before you press Enter. Nothing here is recorded,"
        " checked or taken back by a console: write down what you did, and when."
    )
    yield SheetRow()
    for name, value in variables(settings):
        yield from _wrapped(f"  {'$' + name:<20} {value}", "text", 23)
    for number, remedy in enumerate(commands, 1):
        yield from _heading(f"{number}. {remedy.title}", "-")
        yield from (row for note in remedy.notes for row in _wrapped(f"  {note}", "text", 2))
        for step in remedy.steps:
            command = laid_out(step.command)
            yield SheetRow()
            yield from (replace(row, command=command) for row in _wrapped(f"  # {step.does}", "does", 4))
            yield from (SheetRow(line, "command", command=command) for line in command.split("\n"))


def _heading(title: str, line: str = "=") -> Iterator[SheetRow]:
    yield SheetRow()
    text = clean(title, WIDTH - 6).upper() if line == "=" else clean(title, WIDTH - 6)
    yield SheetRow(f"{line * 2} {text} ".ljust(WIDTH, line), "head")


def _wrapped(
    text: str, kind: Literal["alarm", "text", "does"] = "text", indent: int | None = None
) -> Iterator[SheetRow]:
    for line in _lines(text, indent):
        yield SheetRow(line, kind)


@lru_cache(maxsize=LINES_KEPT)
def _lines(text: str, indent: int | None) -> tuple[str, ...]:
    """The text on lines of WIDTH; most of a sheet's stay as they are from one sheet to the next."""
    text = strip_controls(text).replace("\n", " ")
    margin = " " * (len(text) - len(text.lstrip()) + 2 if indent is None else indent)
    return tuple(textwrap.wrap(text, WIDTH, subsequent_indent=margin, break_on_hyphens=False)) or ("",)
