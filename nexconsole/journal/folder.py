"""The journals' folder: one folder per incident, and one for entries outside of incidents."""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import JournalError
from ..settings import Settings
from ..storage.plain_files import not_plain, reason
from .entries import Writer
from .files import create_new
from .layout import (
    ELSEWHERE,
    JOURNAL,
    JournalPart,
    Origin,
    earlier_parts,
    file_for,
    journal_folder,
    parts_folder,
    parts_in,
)
from .redaction import Scrubber
from .signing import Signer
from .writer import Journal

# Actions without an incident go here. It may be moved away at any time; consoles then begin a new one.
OUTSIDE = "outside-incidents"
MOST_NAMES = 20_000  # in a folder that are looked at
MOST_FILES = 300  # journals of late that are read
OLD_EVERY_S = 10.0  # how often it is looked whether somebody has written in an old incident
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_INCIDENT = re.compile(r"INC-[A-Za-z0-9_-]{1,75}(\.jsonl(\.elsewhere)?)?")


def journal_file(folder: Path, name: str = OUTSIDE) -> Path:
    """The journal of an incident, such as INC-20261123-1342 (see layout). Raises JournalError for what can't be a
    name."""
    if not _NAME.fullmatch(name):
        raise JournalError(f"{name!r}: is not an incident's name: letters, digits, dots, dashes and underlines are")
    return folder / f"{name}{JOURNAL}"


@dataclass(frozen=True, kw_only=True)
class JournalListing:
    """Recently changed journals, by name, and sentences on what is in a journal's place and is not one."""

    files: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()


def journal_files(folder: Path) -> tuple[Path, ...]:
    """Every journal in the folder by name; () where there is no such folder. Raises JournalError."""
    names = {name for entry in _entries(folder) if (name := _journal_name(entry)) is not None}
    return tuple(folder / f"{name}{JOURNAL}" for name in sorted(names))


def _journal_name(entry: os.DirEntry[str]) -> str | None:
    """The journal to which this belongs; None for what is none's."""
    name = entry.name.removesuffix(ELSEWHERE)
    if name.endswith(JOURNAL):
        name = name.removesuffix(JOURNAL)
        return name if _NAME.fullmatch(name) else None
    if entry.name == OUTSIDE or _INCIDENT.fullmatch(entry.name):
        return entry.name if entry.is_dir(follow_symlinks=False) else None
    return None


def recent_files(folder: Path, since: datetime) -> tuple[Path, ...]:
    """The journals of incidents that were touched after `since` (UTC), by name. Raises JournalError."""
    return look_over(folder, since).files


def look_over(folder: Path, since: datetime) -> JournalListing:
    """The same, with what is refused: one file that is none takes nobody the others. Raises JournalError."""
    watched = JournalWatch(folder).look(since)
    return JournalListing(files=tuple(sorted(watched.parts)), refused=watched.refused)


@dataclass(frozen=True, kw_only=True)
class WatchedJournals:
    """The files of each journal that was touched of late, and sentences on what is in a journal's place and is none."""

    parts: dict[Path, tuple[JournalPart, ...]]
    refused: tuple[str, ...] = ()


@dataclass
class _KnownFolder:
    """The files of an incident's folder, as of the folder's last change, and until when they count as old."""

    changed_ns: int
    parts: tuple[JournalPart, ...]
    touched_at: float
    looked_at: float


class JournalWatch:
    """Looks again and again which journals were touched of late: a folder that has not changed is not listed again, and
    the files of one that is old are looked at every few seconds only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._folders: dict[str, _KnownFolder] = {}

    def look(self, since: datetime) -> WatchedJournals:
        """Those that were touched after `since` (UTC). Raises JournalError where the folder can't be read."""
        entries = _entries(self.folder)
        most = f"{self.folder} holds more than {MOST_NAMES} files: only so many are looked at"
        refused = [most] * (len(entries) >= MOST_NAMES)
        touched: dict[str, float] = {}
        parts: dict[str, list[JournalPart]] = {}
        for entry in entries:
            if not _INCIDENT.fullmatch(entry.name) and entry.name != OUTSIDE:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:  # moved away this moment
                continue
            name = entry.name.removesuffix(ELSEWHERE).removesuffix(JOURNAL)
            if name == entry.name:
                if stat.S_ISDIR(found.st_mode):
                    known = self._folder(name, found, since.timestamp())
                    parts.setdefault(name, []).extend(known.parts)
                    touched[name] = max(touched.get(name, 0.0), known.touched_at)
                else:
                    refused.append(f"{entry.name}: is in the place of a journal's folder, and is none")
            elif what := not_plain(found.st_mode):
                refused.append(f"{entry.name}: {what}")
            else:  # not as a date: a file may be of a time that no calendar has
                parts.setdefault(name, []).append(JournalPart(self.folder / entry.name, Origin.EARLIER))
                touched[name] = max(touched.get(name, 0.0), found.st_mtime)
        recent = [(at, name) for name, at in touched.items() if at > since.timestamp() and name != OUTSIDE]
        if len(recent) > MOST_FILES:
            refused.append(f"{len(recent)} journals are new: the newest {MOST_FILES} are read")
            recent = sorted(recent, reverse=True)[:MOST_FILES]
        chosen = {self.folder / f"{name}{JOURNAL}": tuple(parts[name]) for _, name in sorted(recent)}
        return WatchedJournals(parts=chosen, refused=tuple(sorted(refused)))

    def outside(self) -> tuple[JournalPart, ...]:
        """The files of what is done outside of incidents, the earlier versions' among them, there or not."""
        folder = self.folder / OUTSIDE
        try:
            parts = self._folder(OUTSIDE, folder.lstat(), 0.0).parts
        except (OSError, JournalError):
            parts = ()
        return (*earlier_parts(self.folder / f"{OUTSIDE}{JOURNAL}"), *parts)

    def _folder(self, name: str, found: os.stat_result, since: float) -> _KnownFolder:
        now = time.monotonic()
        known = self._folders.get(name)
        if known is None or known.changed_ns != found.st_mtime_ns or found.st_mtime > time.time() - 5.0:
            try:
                parts = parts_in(self.folder / name)
            except JournalError:
                parts = ()
            known = _KnownFolder(found.st_mtime_ns, parts, 0.0, -OLD_EVERY_S)
            self._folders[name] = known
        if known.touched_at <= since and now - known.looked_at >= OLD_EVERY_S:
            known.looked_at = now
            known.touched_at = max([found.st_mtime, *map(_touched, known.parts)])
        return known


def _touched(part: JournalPart) -> float:
    try:
        return part.file.lstat().st_mtime
    except OSError:
        return 0.0


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
        journal = journal_file(folder, name)
        try:
            if create_new(journal):
                return name
        except OSError as error:
            raise JournalError(f"{parts_folder(journal)}: can't be written: {reason(error)}") from error
    raise JournalError(f"{folder}: has 99 incidents of {stem[4:]} already")


def open_journal(settings: Settings, operator: str, incident: str = OUTSIDE) -> Journal:
    """This process's journal of an incident, knowing the settings' secrets. Writes no file yet. Raises JournalError."""
    journal = journal_file(journal_folder(settings), incident)
    return own_journal(journal, settings, operator)


def own_journal(journal: Path, settings: Settings, operator: str) -> Journal:
    """The same for a journal by its path: this account's own file of it."""
    writer = Writer.here(operator)
    return Journal(
        file_for(journal, JOURNAL, writer.account),
        writer,
        Scrubber.of(settings),
        settings.journal.lock_timeout_s,
        journal=journal,
        signer=Signer.of(settings),
    )
