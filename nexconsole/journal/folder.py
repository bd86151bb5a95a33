"""The journals' folder: one file per incident, and one for entries outside of incidents."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import paths
from ..errors import JournalError
from ..settings import Settings
from ..storage.plain_files import not_plain, reason
from .entries import Writer
from .files import ELSEWHERE, JOURNAL, create_new
from .redaction import Scrubber
from .writer import Journal

# Actions without an incident go here. It may be moved away at any time; consoles then begin a new one.
OUTSIDE = "outside-incidents"
MOST_NAMES = 20_000  # in a folder that are looked at
MOST_FILES = 300  # journals of late that are read
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_INCIDENT = re.compile(r"INC-[A-Za-z0-9_-]{1,75}\.jsonl(\.elsewhere)?")


def journal_folder(settings: Settings) -> Path:
    """The folder that the settings name (`~` is the account's home), else the one in the XDG state folder."""
    named = settings.journal.folder
    return Path(named).expanduser() if named else paths.state_folder() / "journal"


def journal_file(folder: Path, name: str = OUTSIDE) -> Path:
    """The file of an incident, such as INC-20261123-1342. Raises JournalError for what can't be a name."""
    if not _NAME.fullmatch(name):
        raise JournalError(f"{name!r}: is not an incident's name: letters, digits, dots, dashes and underlines are")
    return folder / f"{name}{JOURNAL}"


@dataclass(frozen=True, kw_only=True)
class JournalListing:
    """Recently changed journals, by name, and sentences on what is in a journal's place and is not one."""

    files: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()


def journal_files(folder: Path) -> tuple[Path, ...]:
    """Every journal in the folder by name; () where there is no such folder. Raises JournalError.

    An incident in which only other hosts' consoles have written is named by the file that it would have here.
    """
    names = {entry.name.removesuffix(ELSEWHERE) for entry in _entries(folder)}
    files = (folder / name for name in sorted(names))
    return tuple(file for file in files if file.suffix == JOURNAL and _NAME.fullmatch(file.stem))


def recent_files(folder: Path, since: datetime) -> tuple[Path, ...]:
    """The journals of incidents that were touched after `since` (UTC), by name, with what came to them from
    elsewhere (INC-....jsonl.elsewhere). Raises JournalError."""
    return look_over(folder, since).files


def look_over(folder: Path, since: datetime) -> JournalListing:
    """The same, with what is refused: one file that is none takes nobody the others. Raises JournalError."""
    files: list[tuple[float, Path]] = []
    entries = _entries(folder)
    refused = [f"{folder} holds more than {MOST_NAMES} files: only so many are looked at"] * (
        len(entries) >= MOST_NAMES
    )
    for entry in entries:
        if not _INCIDENT.fullmatch(entry.name):
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # moved away this moment
            continue
        if what := not_plain(found.st_mode):
            refused.append(f"{entry.name}: {what}")
        elif found.st_mtime > since.timestamp():  # not as a date: a file may be of a time that no calendar has
            files.append((found.st_mtime, folder / entry.name))
    if len(files) > MOST_FILES:
        refused.append(f"{len(files)} journals are new: the newest {MOST_FILES} are read")
        files = sorted(files, reverse=True)[:MOST_FILES]
    return JournalListing(files=tuple(sorted(file for _, file in files)), refused=tuple(sorted(refused)))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in the folder; nothing where there is no folder. Raises JournalError."""
    try:
        with os.scandir(folder) as entries:
            return list(itertools.islice(entries, MOST_NAMES))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {reason(error)}") from error


def new_incident(folder: Path, at: datetime) -> str:
    """The id of a new incident, such as INC-20261123-1342, whose empty journal is there now. Raises JournalError."""
    stem = f"INC-{at.astimezone(UTC):%Y%m%d-%H%M}"
    for number in range(1, 100):
        name = stem if number == 1 else f"{stem}-{number}"
        file = journal_file(folder, name)
        try:
            if create_new(file):
                return name
        except OSError as error:
            raise JournalError(f"{file}: can't be written: {reason(error)}") from error
    raise JournalError(f"{folder}: has 99 incidents of {stem[4:]} already")


def open_journal(settings: Settings, operator: str, incident: str = OUTSIDE) -> Journal:
    """This process's journal of an incident, knowing the settings' secrets. Touches no file yet."""
    file = journal_file(journal_folder(settings), incident)
    return Journal(file, Writer.here(operator), Scrubber.of(settings), settings.journal.lock_timeout_s)
