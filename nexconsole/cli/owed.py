"""`nexconsole export --owed`: who paid in an incident and got nothing. With names only in a file that is on record."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError, in_words

if TYPE_CHECKING:
    from ..lookups.owed import Owed
    from ..settings import Settings
    from .incidents import NamedIncident

TIMEOUT_S = 30.0


def run(settings: Settings, found: NamedIncident, output: str | None) -> int:
    """Print the list with customers masked, or write it whole to a new file of mode 0600; 0.

    Raises SourceError, FileError, JournalError, SettingsError where this console may not write.
    """
    from ..errors import SettingsError
    from ..lookups.owed import masked
    from ..model import utc_now
    from ..report.owed import as_csv
    from ..session.capabilities import Capability, capabilities_of

    if output is not None and (why_not := capabilities_of(settings).why_not(Capability.NOTE)) is not None:
        raise SettingsError(f"the list with customers' names is not written: {why_not}")
    owed = asyncio.run(_read(settings, found, utc_now()))
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(as_csv(masked(owed)).encode())
        sys.stdout.buffer.flush()
        _say(found, owed, "customers are masked here: --output FILE writes their ids, and is on record")
        return 0
    file = Path(output).expanduser()
    if file.exists() or file.is_symlink():
        raise FileError(f"{file}: is there already: name a new file")
    _record(settings, found, f"writes the list of who is owed, with customers' ids, to {file.name}: {owed.sentence}")
    try:
        _write(file, as_csv(owed))
    except FileError as error:
        _record(settings, found, f"the list of who is owed was not written: {error}")
        raise
    _say(found, owed, f"{file} holds customers' ids: only this account can read it. That it was written is on record")
    return 0


async def _read(settings: Settings, found: NamedIncident, now: datetime) -> Owed:
    from ..errors import TimedOut
    from ..lookups import owed
    from ..session.owed import span_of
    from ..sources import open_sources
    from ..text.units import period

    sources = open_sources(settings)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await owed.read(sources, settings, *span_of(found.incident, settings, now))
    except TimeoutError as error:
        raise TimedOut("postgres", f"postgres did not answer within {period(TIMEOUT_S)}") from error
    finally:
        await sources.close()


def _record(settings: Settings, found: NamedIncident, text: str) -> None:
    from ..journal import EntryKind, own_journal
    from ..settings import named

    chosen = settings if settings.operator else named(settings)
    journal = own_journal(found.file, chosen, chosen.operator)
    journal.append(EntryKind.NOTE, {"text": text})


def _write(file: Path, text: str) -> None:
    """A new file that only this account can read. Raises FileError; nothing is left of it then."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileError(f"{file}: can't be written: {in_words(error)}") from error
    try:
        with open(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(handle)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise FileError(f"{file}: can't be written: {in_words(error)}") from error


def _say(found: NamedIncident, owed: Owed, more: str) -> None:
    from ..text.units import moment

    print(
        f"nexconsole: {found.name}, purchases from {moment(owed.since)} to {moment(owed.until)}: {owed.sentence}",
        file=sys.stderr,
    )
    for note in (*owed.notes, more):
        print(f"nexconsole: {note}", file=sys.stderr)
