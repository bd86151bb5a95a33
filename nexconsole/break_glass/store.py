"""Files that outlive the console: the break-glass sheet and reports. Writes are atomic."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import paths
from ..errors import FileError, JournalError, in_words
from ..incident.incident import Incident
from ..incident.metrics import metric_specs
from ..storage.plain_files import open_plain
from ..text.sanitize import clean
from .sheet import WHOLE, SheetRow, unchanged

if TYPE_CHECKING:
    from ..report.handover import HandoverPage
    from ..settings import Settings

EVERY_S = 3.0  # the sheet is written no more often
LONGEST = 4 * 1024 * 1024  # bytes of a file that can be a sheet


def sheet_file(settings: Settings) -> Path:
    """The sheet's file: the settings' (`~` is the account's home), else one in the XDG state folder."""
    named = settings.break_glass.file
    return Path(named).expanduser() if named else paths.state_folder() / "break-glass.txt"


def before_file(file: Path) -> Path:
    """The last complete sheet, kept when a less complete one replaced it."""
    return file.with_name(f"{file.stem}.before{file.suffix}")


def keep(file: Path, text: str) -> None:
    """Replace the file atomically, readable by this account, and by the group where the folder is the group's.

    Raises FileError with the reason; the old content then stays.
    """
    beside = file.with_name(f".{file.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shared = file.parent.stat().st_mode & (stat.S_ISGID | stat.S_IWGRP)
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
                os.fchmod(handle, 0o640 if shared else 0o600)
                out.write(text)
                out.flush()
                os.fsync(handle)
            os.replace(beside, file)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise FileError(f"{file}: can't be written: {in_words(error)}") from error


def keep_report(incident: Incident, name: str, settings: Settings) -> tuple[Path, Path]:
    """Store the report as Markdown and HTML in the XDG state folder; returns their paths. Raises FileError."""
    from ..report import render  # slow to import

    folder = _reports(settings)
    markdown, html = folder / f"{name}.md", folder / f"{name}.html"
    incident = replace(incident, metrics=metric_specs(settings))
    keep(markdown, render.as_markdown(incident, name))
    keep(html, render.as_html(incident, name))
    return markdown, html


def keep_handover(page: HandoverPage, settings: Settings) -> tuple[Path, Path]:
    """Store the page as text and Markdown beside the reports; returns their paths. Raises FileError."""
    from ..report import handover

    stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', page.name) or 'no-incident'}-handover"
    text, markdown = (_reports(settings) / f"{stem}.{suffix}" for suffix in ("txt", "md"))
    keep(text, handover.as_text(page))
    keep(markdown, handover.as_markdown(page))
    return text, markdown


def _reports(settings: Settings) -> Path:
    """Where reports are kept: a rehearsal's takes no real one's place."""
    folder = (paths.profile_state(settings.profile) if settings.profile else paths.state_folder()) / "reports"
    if settings.environment != "production":
        folder /= re.sub(r"[^A-Za-z0-9_-]+", "-", clean(settings.environment, 40)) or "other"
    return folder


def kept(file: Path) -> tuple[str, float] | None:
    """The stored text and its time (epoch seconds); None where there is none. Raises FileError."""
    try:
        with open(open_plain(file, os.O_RDONLY), "rb") as there:
            written = os.fstat(there.fileno()).st_mtime
            return there.read(LONGEST).decode("utf-8", "replace"), written
    except FileNotFoundError:
        return None
    except JournalError as error:
        raise FileError(str(error)) from error
    except OSError as error:
        raise FileError(f"{file}: can't be read: {in_words(error)}") from error


class SheetStore:
    """Stores the sheet whenever it changes. `say` gets one sentence when that fails, and one when it works again."""

    def __init__(self, file: Path, say: Callable[[str], None]) -> None:
        self.file, self._say = file, say
        self._kept: tuple[str, ...] = ()  # of the newest that lies on disk
        self._tried_at = 0.0
        self._trouble = ""
        self._writing: asyncio.Task[None] | None = None

    @property
    def due(self) -> bool:
        """Whether it is time to check for a change."""
        return self._writing is None and time.monotonic() - self._tried_at >= EVERY_S

    def offer(self, rows: Sequence[SheetRow]) -> None:
        """Store the sheet, off the event loop, if more than its ages changed."""
        self._tried_at = time.monotonic()
        if self._writing is None and unchanged(rows) != self._kept:
            self._writing = asyncio.create_task(self._write(rows))

    async def close(self, rows: Sequence[SheetRow]) -> None:
        """Store the last state before the console ends."""
        if self._writing is not None:
            await self._writing
        if rows and unchanged(rows) != self._kept:
            await self._write(rows)

    async def _write(self, rows: Sequence[SheetRow]) -> None:
        try:
            await asyncio.to_thread(self._put, "".join(f"{row.whole}\n" for row in rows))
        except FileError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                self._say(f"the break-glass sheet is not kept: {error}")
        else:
            self._kept = unchanged(rows)
            if self._trouble:
                self._trouble = ""
                self._say("the break-glass sheet is kept again")
        finally:
            self._writing = None

    def _put(self, text: str) -> None:
        """Keep the last complete sheet before a less complete one replaces it. Runs in a thread."""
        if not self._kept and WHOLE not in text and (there := kept(self.file)) is not None and WHOLE in there[0]:
            keep(before_file(self.file), there[0])
        keep(self.file, text)
