"""Where a journal's entries lie: in a folder of the incident, a file for each account.

A journal is named by `FOLDER/INC-20261123-1342.jsonl`, whether or not that file exists: earlier versions had all
accounts write it, with `INC-20261123-1342.jsonl.elsewhere` for other hosts' entries. Since then
`INC-20261123-1342/maria.jsonl` holds what maria's consoles wrote and belongs to her account, and `maria.elsewhere`
what they took over from other hosts.
"""

from __future__ import annotations

import itertools
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from .. import paths
from ..errors import JournalError
from ..settings import Settings
from ..storage.plain_files import reason
from .accounts import own_uid

JOURNAL, ELSEWHERE = ".jsonl", ".elsewhere"
MOST_PARTS = 500  # files of one journal that are read
MOST_TAKEN = 99  # names of an account's file that others may have taken
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Origin(StrEnum):
    """Where an entry was read: the writer's own file, what came from other hosts, or a file of an earlier version."""

    OWN = "own"
    IMPORTED = "imported"
    EARLIER = "earlier"


@dataclass(frozen=True, order=True)
class JournalPart:
    """One of the files that a journal consists of."""

    file: Path
    origin: Origin


def journal_folder(settings: Settings) -> Path:
    """The folder that the settings name (`~` is the account's home), else the one in the XDG state folder."""
    named = settings.journal.folder
    return Path(named).expanduser() if named else paths.state_folder() / "journal"


def parts_folder(journal: Path) -> Path:
    """The folder of a journal's files."""
    return journal.with_name(journal.name.removesuffix(JOURNAL))


def journal_of(path: Path) -> Path:
    """The journal that a path means: its own name, its folder, one of its files, or a file by itself."""
    if path.suffix in (JOURNAL, ELSEWHERE) and path.is_file():
        return path
    return path if path.name.endswith(JOURNAL) else path.with_name(path.name + JOURNAL)


def earlier_parts(journal: Path) -> tuple[JournalPart, JournalPart]:
    """The two files that earlier versions wrote."""
    elsewhere = journal.with_name(journal.name + ELSEWHERE)
    return JournalPart(journal, Origin.EARLIER), JournalPart(elsewhere, Origin.EARLIER)


def parts_of(journal: Path) -> tuple[JournalPart, ...]:
    """The journal's files that exist, plain or not, by name. Raises JournalError where its folder can't be read."""
    earlier = tuple(part for part in earlier_parts(journal) if os.path.lexists(part.file))
    return earlier + parts_in(parts_folder(journal))


def parts_in(folder: Path) -> tuple[JournalPart, ...]:
    """The files in a journal's folder; () where there is no such folder. Raises JournalError."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):  # a link may lead anywhere
            return ()
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, 4 * MOST_PARTS)]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise JournalError(f"{folder}: can't be read: {reason(error)}") from error
    named = sorted(name for name in names if not name.startswith(".") and name.endswith((JOURNAL, ELSEWHERE)))
    return tuple(part_at(folder / name) for name in named[:MOST_PARTS])


def part_at(file: Path) -> JournalPart:
    """The file of a journal's folder as a part of it."""
    return JournalPart(file, Origin.IMPORTED if file.name.endswith(ELSEWHERE) else Origin.OWN)


def size_of(journal: Path) -> int:
    """The bytes of all its files. Raises JournalError."""
    return sum(found.st_size for found in _stats(journal))


def touched_at(journal: Path) -> float:
    """When any of its files was changed last (seconds since 1970); 0 where there is none. Raises JournalError."""
    return max((found.st_mtime for found in _stats(journal)), default=0.0)


def _stats(journal: Path) -> list[os.stat_result]:
    found = []
    for part in parts_of(journal):
        try:
            found.append(part.file.lstat())
        except FileNotFoundError:
            continue
    return found


def file_for(journal: Path, suffix: str, account: str) -> Path:
    """This account's own file in the journal's folder, there already or not yet. A name that another account has taken
    is passed over. Raises JournalError where all are."""
    name = quote(account, safe="@+-_.")
    name = (f"%2E{name[1:]}" if name.startswith(".") else name)[:80]
    folder = parts_folder(journal)
    for number in range(1, MOST_TAKEN + 1):
        file = folder / (f"{name}{suffix}" if number == 1 else f"{name}~{number}{suffix}")
        if all(_is_ours(beside) for beside in (file, lock_file(file), last_file(file))):
            return file
    raise JournalError(f"{folder}: other accounts have taken the names of {account}'s file: move them away")


def _is_ours(file: Path) -> bool:
    """Whether there is no such file yet, or it belongs to this account."""
    try:
        return file.lstat().st_uid == own_uid()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        raise JournalError(f"{file}: can't be read: {reason(error)}") from error


def last_file(file: Path) -> Path:
    """Where the id of the file's last entry is kept."""
    return file.with_name(f".{file.name}.last")


def lock_file(file: Path) -> Path:
    """What consoles of one account lock before they write their file: nobody else can."""
    return file.with_name(f".{file.name}.lock")
