"""Where journals lie: one file an incident in one folder, and one for what is done outside of incidents."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from .. import paths
from ..errors import JournalError
from ..settings import Settings
from .appending import Journal
from .entries import Writer
from .files import ELSEWHERE, JOURNAL, create_new, reason
from .scrubbing import Scrubber

# Actions without an incident go here. It may be moved away at any time; consoles then begin a new one.
OUTSIDE = "outside-incidents"
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


def journal_files(folder: Path) -> tuple[Path, ...]:
    """Every journal in the folder by name; () where there is no such folder. Raises JournalError.

    An incident in which only other hosts' consoles have written is named by the file that it would have here.
    """
    try:
        names = {file.name.removesuffix(ELSEWHERE) for file in folder.iterdir()}
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {(error.strerror or str(error)).lower()}") from error
    files = (folder / name for name in sorted(names))
    return tuple(file for file in files if file.suffix == JOURNAL and _NAME.fullmatch(file.stem))


def recent_files(folder: Path, since: datetime) -> tuple[Path, ...]:
    """The journals of incidents that were touched after `since` (UTC), by name, with what came to them from
    elsewhere (INC-....jsonl.elsewhere). Raises JournalError."""
    try:
        found = [file for file in folder.glob("INC-*.jsonl*") if _INCIDENT.fullmatch(file.name)]
        return tuple(sorted(file for file in found if datetime.fromtimestamp(file.stat().st_mtime, UTC) > since))
    except FileNotFoundError:  # no folder yet, or a file moved away this moment
        return ()
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {(error.strerror or str(error)).lower()}") from error


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
