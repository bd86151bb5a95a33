"""Where journals lie: one file an incident in one folder, and one for what is done outside of incidents."""

from __future__ import annotations

import re
from pathlib import Path

from .. import paths
from ..errors import JournalError
from ..settings import Settings
from .appending import Journal
from .entries import Writer
from .scrubbing import Scrubber

# Actions without an incident go here. It may be moved away at any time; consoles then begin a new one.
OUTSIDE = "outside-incidents"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def journal_folder(settings: Settings) -> Path:
    """The folder that the settings name (`~` is the account's home), else the one in the XDG state folder."""
    named = settings.journal.folder
    return Path(named).expanduser() if named else paths.state_folder() / "journal"


def journal_file(folder: Path, name: str = OUTSIDE) -> Path:
    """The file of an incident, such as INC-20261123-1342. Raises JournalError for what can't be a name."""
    if not _NAME.fullmatch(name):
        raise JournalError(f"{name!r}: is not an incident's name: letters, digits, dots, dashes and underlines are")
    return folder / f"{name}.jsonl"


def journal_files(folder: Path) -> tuple[Path, ...]:
    """Every journal in the folder by name; () where there is no such folder. Raises JournalError."""
    try:
        return tuple(
            sorted(file for file in folder.iterdir() if file.suffix == ".jsonl" and _NAME.fullmatch(file.stem))
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {(error.strerror or str(error)).lower()}") from error


def open_journal(settings: Settings, operator: str, incident: str = OUTSIDE) -> Journal:
    """This process's journal of an incident, knowing the settings' secrets. Touches no file yet."""
    file = journal_file(journal_folder(settings), incident)
    return Journal(file, Writer.here(operator), Scrubber.of(settings), settings.journal.lock_timeout_s)
