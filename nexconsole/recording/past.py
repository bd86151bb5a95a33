"""The flight record at a time that has passed: what it looked like then, incident or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import JournalError, SettingsError
from ..journal import Entry, Prover, journal_folder, merge, read_incident, recent_files
from ..model import Reading
from ..settings import Settings
from ..sources.flight_record import flight_record_file
from ..text.units import duration, moment
from .player import moment_of
from .recording_file import RecordingFile
from .replay import Replay

NAME = "flight record"
TIMES = "give a time such as 03:00 (the last one, in UTC), yesterday 03:00, or a date and a time"
_DAY = timedelta(days=1)
_OF_DAY = re.compile(r"\d\d?:\d\d(:\d\d)?Z?")


def time_of(text: str, now: datetime) -> datetime:
    """The time that has passed which a person means: a time of the day is the last such one. Raises SettingsError."""
    word, _, rest = text.strip().partition(" ")
    yesterday = word.lower() == "yesterday"
    of_day = _OF_DAY.fullmatch(rest if yesterday else text)
    if text.startswith("+") or (yesterday and not of_day):
        raise SettingsError(f"--at {text}: {TIMES}")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        at = moment_of(rest if yesterday else text, midnight)
    except SettingsError as error:
        raise SettingsError(f"--at {text}: {TIMES}") from error
    if yesterday or (of_day and at > now):
        at -= _DAY
    if at > now:
        raise SettingsError(f"--at {text}: {moment(at)} is still to come; it is {moment(now)}")
    return at


def open_flight_record(settings: Settings) -> RecordingFile:
    """Raises JournalError where there is none, or where it can't be read."""
    if not settings.recorder.enabled:
        raise JournalError("there is no flight record: recorder.enabled is false")
    file = flight_record_file(settings)
    if not file.exists() and not file.is_symlink():
        raise JournalError(f"{file}: there is no flight record yet: a console keeps it while it runs")
    return RecordingFile.open(file)


def readings_at(recording: RecordingFile, at: datetime) -> dict[str, Reading]:
    """Raises JournalError where nothing was recorded then: with from when to when, or the nearest times that were."""
    if not recording.recorded(at):
        raise JournalError(f"nothing was recorded at {moment(at)}: {_near(recording, at)}")
    found = recording.at(at)
    if not found:
        why = "; ".join(recording.problems) or "a console had just begun, and no signal was read yet"
        raise JournalError(f"nothing is known of {moment(at)}: {why}")
    return found


def replay_at(settings: Settings, at: datetime) -> Replay:
    """The flight record to be played, with what is on record of the incident of that time. Raises JournalError."""
    recording = open_flight_record(settings)
    begin, end = recording.span
    if not begin <= at <= end + timedelta(minutes=1):
        recording.close()
        raise JournalError(f"nothing was recorded at {moment(at)}: {_near(recording, at)}")
    problems = list(recording.problems)
    if not recording.recorded(at):
        problems.append(f"nothing was recorded at {moment(at)}: {_near(recording, at)}")
    name, entries = _incident_at(settings, at, problems)
    return Replay(name, recording, entries, begin, end, tuple(problems))


def _near(recording: RecordingFile, at: datetime) -> str:
    begin, end = recording.span
    if not begin <= at <= end:
        return f"the flight record is from {moment(begin)} to {moment(end)}"
    spans = recording.spans
    before = max((end for _, end in spans if end < at), default=begin)
    after = min((begin for begin, _ in spans if begin > at), default=end)
    return f"no console ran from {moment(before)} to {moment(after)} ({duration(after - before)})"


def _incident_at(settings: Settings, at: datetime, problems: list[str]) -> tuple[str, tuple[Entry, ...]]:
    """The incident that was going on then, and what is on record of it; none: only the flight record has a name."""
    try:
        found = [(file, entries) for file, entries in _incidents(settings, at) if entries]
    except JournalError as error:
        problems.append(str(error))
        found = []
    going_on = [(file, entries) for file, entries in found if entries[0].at <= at <= entries[-1].at]
    if not going_on:
        return NAME, ()
    file, entries = going_on[-1]
    return file.stem, entries


def _incidents(settings: Settings, at: datetime) -> Iterator[tuple[Path, tuple[Entry, ...]]]:
    for file in recent_files(journal_folder(settings), at):
        yield file, merge(read_incident(file, Prover.of(settings)).entries)
