"""The diagnostics log: a rotating file in the state folder, without secrets, never the screen."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from . import paths
from .sources.text import strip_controls
from .text.redaction import redact

FILE_BYTES = 1_000_000
FILES_KEPT = 3


class Redacted(logging.Formatter):
    """One line a record (a traceback's lines are indented), credentials replaced by ***."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(strip_controls(super().format(record))).replace("\n", "\n  ")


def start(level: str) -> str | None:
    """Send the program's log to the file. Returns a sentence if that can't be done; nothing else depends on it."""
    logging.raiseExceptions = False  # a full disk must not write tracebacks over the screen
    root = logging.getLogger()
    folder = paths.state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = RotatingFileHandler(folder / "nexconsole.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT)
    except OSError as error:
        root.addHandler(logging.NullHandler())
        return f"no diagnostics are written: {folder}: {error.strerror}"
    handler.setFormatter(Redacted("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    logging.getLogger("nexconsole").setLevel(level.upper())
    return None
