"""A recording's SQLite file as its one writer opens it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from ..errors import JournalError
from ..journal.files import is_current, open_shared
from ..storage.sqlite_file import (
    CLOSING,
    WRITER_PATIENCE_S,
    EmptyRecording,
    SqliteFormat,
    check_header,
    check_tables,
    connect,
    refuse_hostile_journal,
)


def open_for_writing(file: Path, format: SqliteFormat, deadline: float) -> sqlite3.Connection:
    """The recording, made with its tables if it isn't there. Only its lock's holder may call this.

    `deadline` (monotonic) is for another account that is making the file this moment. Raises OSError, sqlite3.Error
    and JournalError.
    """
    descriptor = open_shared(file, os.O_RDWR, deadline)
    try:
        refuse_hostile_journal(file)
        with contextlib.suppress(EmptyRecording):
            check_header(file, format)
        connection = connect(file, "rw", WRITER_PATIENCE_S)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA page_count").fetchone() == (0,):
                _make_tables(connection, format)
            check_tables(connection, file, format)
            if not is_current(descriptor, file):
                raise JournalError(f"{file}: was replaced while it was opened")
        except BaseException:
            connection.close()
            raise
    finally:
        with CLOSING:
            os.close(descriptor)  # drops SQLite's locks on the file, of which none is held between statements
    return connection


def _make_tables(connection: sqlite3.Connection, format: SqliteFormat) -> None:
    if format.shrinks:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {format.application_id}")
    connection.execute(f"PRAGMA user_version = {format.version}")
    for statement in format.tables.values():
        connection.execute(statement)
    connection.execute("COMMIT")
