"""The incident that a command is about: the one that is named, else the newest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError

if TYPE_CHECKING:
    from ..incident.incident import Incident
    from ..journal import Entry
    from ..settings import Settings

LOOKED_AT = 20  # of the newest journals, for one that is open
INCIDENT = "INC-"


@dataclass(frozen=True)
class NamedIncident:
    """An incident with its id, and sentences on what of its journal could not be read."""

    name: str
    file: Path
    incident: Incident
    problems: tuple[str, ...] = ()


def file_of(named: str, settings: Settings) -> Path:
    """The journal's file for an incident's id or a path."""
    from ..journal import journal_file, journal_folder, journal_of

    if os.sep in named or named.endswith(".jsonl"):
        return journal_of(Path(named))
    return journal_file(journal_folder(settings), named)


def incident_named(named: str | None, settings: Settings) -> NamedIncident:
    """The incident of this id or file; without one the newest that is open, else the newest. Raises JournalError."""
    from ..journal import journal_files, journal_folder

    if named is not None:
        return _folded(file_of(named, settings), settings)
    folder = journal_folder(settings)
    files = sorted((file for file in journal_files(folder) if file.stem.startswith(INCIDENT)), key=_age, reverse=True)
    found = None
    for file in files[:LOOKED_AT]:
        try:
            this = _folded(file, settings)
        except JournalError:  # `journal verify` says what is wrong with it
            continue
        if this.incident.begin is None:
            continue
        if this.incident.closed is None:
            return this
        found = found or this
    if found is None:
        raise JournalError(f"there is no incident in {folder}: name a journal, or open one in the console")
    return found


def _age(file: Path) -> tuple[str, int, str]:
    """INC-20261130-0631-2 is newer than INC-20261130-0631."""
    stem, _, number = file.stem.removeprefix(INCIDENT).partition("-")
    minute, _, nth = number.partition("-")
    return f"{stem}-{minute}", int(nth) if nth.isdigit() else 1, file.stem


def _folded(file: Path, settings: Settings) -> NamedIncident:
    from dataclasses import replace

    from ..incident.incident import fold
    from ..incident.judgement import Judge
    from ..incident.metrics import metric_specs
    from ..incident.prelude import prelude_of
    from ..journal import Prover, read_incident
    from ..text.sanitize import clean

    journal = read_incident(file, Prover.of(settings, journal=file))
    incident = fold(journal.entries, prelude_of(journal.entries, outside(file, settings)), Judge(settings.roles))
    incident = replace(incident, metrics=metric_specs(settings))
    return NamedIncident(clean(file.stem, 100), file, incident, tuple(map(str, journal.problems)))


def outside(journal: Path, settings: Settings) -> tuple[Entry, ...]:
    """Entries outside of any incident, in the same folder; () where they can't be read."""
    from ..journal import OUTSIDE, Prover, journal_file, read_incident

    try:
        file = journal_file(journal.parent, OUTSIDE)
        return read_incident(file, Prover.of(settings, journal=file)).entries
    except JournalError:  # nobody has, or `journal verify` says what is wrong with it
        return ()
