"""An SQLite file of ours, opened by its one writer or by a reader, and refused in a sentence where it is no such.

The rollback journal is used, never a WAL: a WAL needs memory that all its users share, which a network folder has not.
A hostile file must not run SQL of its own (views, triggers: the tables must be exactly ours), nor lead SQLite to
another file (links; a journal that names a super-journal has SQLite delete that one).

Whoever closes any descriptor of a file drops all of its process's SQLite locks on it: `CLOSING` keeps that from
happening while a writer of the same process is in a transaction.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import struct
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError
from .plain_files import open_plain, reason

LARGEST_FILE = 2 << 30  # bytes
LARGEST_CELL = 64 << 20  # bytes of one row
WRITER_PATIENCE_S, READER_PATIENCE_S = 20.0, 3.0  # for the other's lock, which is held for one commit or one query
JOURNAL = "-journal"
STOPPED = "its console stopped while it wrote: what it had not finished is left out"
_MAGIC = b"SQLite format 3\0"
_HEADER = struct.Struct(">16s2xBB40xI4xI28x")  # magic, format for writing and reading, user version, application
_ROLLBACK_FORMAT = 1  # 2 is WAL
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # ends a journal that names one
_PRAGMAS = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "temp_store = MEMORY")


CLOSING = threading.Lock()


@dataclass(frozen=True)
class SqliteFormat:
    """What one of our files must hold: `tables` by name with the statement that makes each, and no other.

    `shrinks`: it can give its room back to the disk.
    """

    application_id: int  # in the file's header
    version: int
    tables: Mapping[str, str]
    shrinks: bool = False


class EmptyRecording(JournalError):
    """The file holds nothing yet."""


class ForeignFile(JournalError):
    """The file was not made by us."""


class LargeFile(JournalError):
    """The file has more bytes than any of ours."""


class OtherVersion(JournalError):
    """The file was made by another version of the console."""


def open_for_reading(file: Path, *formats: SqliteFormat, repair: bool = True) -> tuple[sqlite3.Connection, bool]:
    """A file of one of these formats, read-only, whether or not it is being written; and whether its writer died while
    it wrote: then it is a copy in memory, without what that one had not finished; without `repair` it is refused.

    Raises OSError, sqlite3.Error and JournalError.
    """
    format = check_header(file, *formats)
    refuse_hostile_journal(file)
    connection = connect(file, "ro", READER_PATIENCE_S)
    try:
        check_tables(connection, file, format)
        return connection, False
    except sqlite3.OperationalError as error:
        connection.close()
        if not repair or error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return _repaired_copy(file, format), True
    except BaseException:
        connection.close()
        raise


def refuse_hostile_journal(file: Path) -> None:
    """Raise JournalError where what lies in the place of SQLite's journal is no plain file, or names another file."""
    journal = Path(f"{file}{JOURNAL}")
    try:
        descriptor = open_plain(journal, os.O_RDONLY)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        opened.seek(max(0, size - len(_SUPER_JOURNAL)))
        if opened.read() == _SUPER_JOURNAL:
            raise JournalError(f"{journal}: is no journal of a recording: move it away")


def sentence(error: sqlite3.Error | OSError) -> str:
    """Why the database was refused, and what to do about it."""
    if isinstance(error, OSError):
        return reason(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return reason(OSError(errno.ENOSPC, ""))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return reason(OSError(errno.EACCES, ""))
    if code == sqlite3.SQLITE_CANTOPEN:
        return "it or its journal can't be opened: is the folder writable, and has its disk room?"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program has locked it: see who by `fuser FILE`"
    if damage(error):
        return "it is damaged or cut off: `sqlite3 FILE .recover` shows what is left of it"
    return str(error)


def damage(error: sqlite3.Error) -> str:
    """What is wrong with the file itself; "" where it is as it should be."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return "is damaged or cut off" if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else ""


def connect(file: Path, mode: str, patience_s: float) -> sqlite3.Connection:
    # Called in the recorder's thread and closed in another one at most: never used by two at a time.
    uri = f"{file.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=patience_s, isolation_level=None, check_same_thread=False, cached_statements=32
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_CELL)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    if mode == "ro":
        connection.execute("PRAGMA query_only = ON")
    return connection


def check_header(file: Path, *formats: SqliteFormat) -> SqliteFormat:
    """Which of the formats the file can be of. Raises JournalError where it is none that this version reads."""
    with CLOSING, open(open_plain(file, os.O_RDONLY), "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        head = opened.read(_HEADER.size)
    if size == 0:
        raise EmptyRecording(f"{file}: holds no reading")
    if len(head) < _HEADER.size or not head.startswith(_MAGIC):
        raise ForeignFile(f"{file}: holds no reading: it is not an SQLite file")
    _, written, read, version, application = _HEADER.unpack(head)
    format = next((format for format in formats if format.application_id == application), None)
    if format is None or (written, read) != (_ROLLBACK_FORMAT, _ROLLBACK_FORMAT):
        raise ForeignFile(f"{file}: holds no reading: it is an SQLite file of another program")
    if version != format.version:
        versions = f"its tables are version {version}, this one reads {format.version}"
        raise OtherVersion(f"{file}: was recorded by another version of the console: {versions}")
    if size > LARGEST_FILE:
        raise LargeFile(f"{file}: is larger than any recording ({LARGEST_FILE >> 20} MiB)")
    return format


def check_tables(connection: sqlite3.Connection, file: Path, format: SqliteFormat) -> None:
    """Raise JournalError unless the tables are exactly ours."""
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
    if not tables:
        raise EmptyRecording(f"{file}: holds no reading")
    if tables != format.tables:
        raise ForeignFile(f"{file}: holds no reading: its tables are not those of a recording")


def _repaired_copy(file: Path, format: SqliteFormat) -> sqlite3.Connection:
    """The recording in memory, rolled back to its last commit. The file stays as it is: it may be evidence.

    The journal is copied first. If a console rolls the recording back meanwhile, doing so again changes nothing.
    """
    with tempfile.TemporaryDirectory(prefix="nexconsole-replay-") as folder:
        copy = Path(folder) / "recording"
        with CLOSING:
            for suffix in (JOURNAL, ""):
                source = open_plain(Path(f"{file}{suffix}"), os.O_RDONLY)
                with open(source, "rb") as opened, open(f"{copy}{suffix}", "xb") as out:
                    shutil.copyfileobj(opened, out)
        refuse_hostile_journal(copy)
        with contextlib.closing(connect(copy, "rw", READER_PATIENCE_S)) as repaired:
            check_tables(repaired, file, format)
            memory = sqlite3.connect(":memory:", isolation_level=None)
            try:
                repaired.backup(memory)
            except BaseException:
                memory.close()
                raise
    return memory
