"""An incident to be played again: its recording, what is on record of it, and from when to when."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import msgspec

from ..errors import JournalError
from ..incident.incident import fold
from ..journal import OUTSIDE, Entry, EntryKind, Prover, journal_file, journal_folder, merge, parts_of, read_incident
from ..settings import JournalSettings, Settings
from ..storage.plain_files import reason
from ..storage.schema import SUFFIX, recording_file
from ..text.sanitize import clean
from ..text.units import duration, moment
from . import legacy
from .legacy import LegacyRecording
from .playback import Playback
from .recording_file import RecordingFile

SUFFIXES = (SUFFIX, legacy.SUFFIX)
MOST_LISTED = 8
NEAR = timedelta(days=7)  # of its recording: what an incident's entries may tell of before it and after


@dataclass(frozen=True)
class Replay:
    """`entries` are those of the incident and of what was done outside of any meanwhile; `problems` are sentences."""

    name: str
    recording: Playback
    entries: tuple[Entry, ...]
    begin: datetime
    end: datetime
    problems: tuple[str, ...] = ()
    opened: datetime | None = None  # when the incident itself begins; None: at `begin`

    @property
    def start(self) -> datetime:
        """Where it is played from, unless somebody says otherwise."""
        return self.opened or self.begin

    @cached_property
    def events(self) -> tuple[Entry, ...]:
        """The entries that tell of something that happened, by their time; not those that say how things stood."""
        found = (entry for entry in self.entries if entry.kind != EntryKind.FIGURES)
        return tuple(sorted(found, key=lambda entry: entry.at))

    def told(self, by: datetime) -> tuple[Entry, ...]:
        """What was on record by then."""
        return tuple(entry for entry in self.entries if entry.at <= by)


def open_recording(file: Path) -> Playback:
    """The recording in this file, of whatever version. Raises JournalError."""
    return LegacyRecording.open(file) if file.suffix == legacy.SUFFIX else RecordingFile.open(file)


def open_replay(named: str, settings: Settings) -> Replay:
    """The replay of this incident, by its id or a file of it. Raises JournalError."""
    if os.sep in named or named.endswith((*SUFFIXES, ".jsonl")):
        journal = Path(named).with_suffix(".jsonl")
    else:
        journal = journal_file(journal_folder(settings), named)
    file, earlier = recording_file(journal), journal.with_suffix(legacy.SUFFIX)
    older = named.endswith(legacy.SUFFIX) or (os.path.lexists(earlier) and not os.path.lexists(file))
    try:
        recording = open_recording(earlier if older else file)
    except JournalError as error:
        raise JournalError(f"{error}{_others(journal.parent)}") from error
    problems = list(recording.problems)
    if not older and os.path.lexists(earlier):
        problems.append(f"an earlier version of the console recorded too: `nexconsole replay {earlier}` plays that")
    own = _entries(journal, problems, settings)
    if not own:
        problems.append(f"{journal}: nothing is on record: what was done can't be shown")
    first, last = recording.span
    moments = [entry.at for entry in own if first - NEAR <= entry.at <= last + NEAR]  # a clock may have been far out
    begin, end = min([first, *moments]), max([last, *moments])
    opened = min([recording.opened, *moments])
    outside = _entries(journal_file(journal.parent, OUTSIDE), [], settings) if journal.stem != OUTSIDE else ()
    entries = merge(own, (entry for entry in outside if begin <= entry.at <= end))
    return Replay(clean(journal.stem, 80), recording, entries, begin, end, tuple(problems), opened)


def sealed(settings: Settings, replay: Replay) -> Settings:
    """The settings of a console that could reach nothing if it tried, named as the one that has recorded."""
    bare = {
        name: type(getattr(settings, name))() for name in ("postgres", "redis", "prometheus", "api", "alertmanager")
    }
    about = {
        name: clean(replay.recording.about.get(name) or getattr(settings, name), 40) for name in ("environment", "name")
    }
    return msgspec.structs.replace(
        settings,
        **bare,
        **about,
        kubernetes=msgspec.structs.replace(settings.kubernetes, kubeconfig=""),
        docker=msgspec.structs.replace(settings.docker, host=""),
        warroom=msgspec.structs.replace(settings.warroom, redis_url=""),
        recording=msgspec.structs.replace(settings.recording, every_s=0.0),
        recorder=msgspec.structs.replace(settings.recorder, enabled=False),
        journal=JournalSettings(folder=str(replay.recording.file.parent)),
    )


def listed(settings: Settings) -> list[str]:
    """A line for each incident that has a recording: its id, from when to when, its size, its title."""
    lines = []
    for file in _recordings(journal_folder(settings)):
        try:
            recording = open_recording(file)
        except JournalError as error:
            lines.append(f"{file.stem:<22}  {str(error).removeprefix(f'{file}: ')}")
            continue
        begin, end = recording.opened, recording.span[1]
        title = fold(_entries(file.with_suffix(".jsonl"), [], settings)).title
        words = f"{moment(begin)}  {duration(end - begin):>11}  {file.stat().st_size / 1e6:>6.1f} MB  {title}"
        lines.append(f"{file.stem:<22}  {words}".rstrip())
        recording.close()
    return lines


def _recordings(folder: Path) -> list[Path]:
    try:
        return sorted((file for suffix in SUFFIXES for file in folder.glob(f"*{suffix}")), reverse=True)
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {reason(error)}") from error


def _others(folder: Path) -> str:
    names = list(dict.fromkeys(file.stem for file in _recordings(folder)))
    if not names:
        return f"; nothing was recorded in {folder}"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"; there are recordings of {', '.join(names[:MOST_LISTED])}{more}"


def _entries(journal: Path, problems: list[str], settings: Settings) -> tuple[Entry, ...]:
    """What is on record there, in order, as far as it can be read."""
    try:
        if not parts_of(journal):
            return ()
        entries = read_incident(journal, Prover.of(settings, journal=journal))
    except JournalError as error:
        problems.append(str(error))
        return ()
    if entries.problems:
        problems.append(f"{journal}: {len(entries.problems)} lines can't be read: see `nexconsole journal verify`")
    return merge(entries.entries)
