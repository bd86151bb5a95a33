"""The program's log, a rotating file in the state folder, and the report of a crash: neither holds a secret."""

from __future__ import annotations

import logging
import os
import re
import stat
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from types import TracebackType

from . import paths
from .errors import SettingsError, in_words
from .text.redaction import redact
from .text.sanitize import strip_controls

FILE_BYTES = 1_000_000
FILES_KEPT = 3
Secrets = Callable[[], Iterable[str]]
LONGEST_REPORT = 40_000  # characters of a crash's report
_hidden: list[Secrets] = []  # of the settings that were loaded


class Redacted(logging.Formatter):
    """One line a record (a traceback's lines are indented), credentials and `secrets` replaced by ***."""

    def __init__(self, form: str, secrets: Secrets) -> None:
        super().__init__(form)
        self._secrets = cache(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return _without(redact(strip_controls(super().format(record))), self._secrets()).replace("\n", "\n  ")


class PrivateFile(RotatingFileHandler):
    """Files that only this account can read, whatever the umask says; a link in their place is not followed."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "it is no plain file")
            os.fchmod(descriptor, 0o600)  # an earlier version's may be open to others
        except OSError:
            os.close(descriptor)
            raise
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")


def _without(text: str, secrets: Iterable[str]) -> str:
    words = "|".join(re.escape(word) for word in secrets if word)
    return re.sub(words, "***", text) if words else text


def start(level: str, secrets: Secrets = tuple) -> str | None:
    """Send the program's log to the file; `secrets` are asked for with the first line.

    Returns a sentence if that can't be done; nothing else depends on it.
    """
    logging.raiseExceptions = False  # a full disk must not write tracebacks over the screen
    root = logging.getLogger()
    try:
        folder = paths.state_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = PrivateFile(folder / "nexconsole.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT)
    except (OSError, SettingsError) as error:
        root.addHandler(logging.NullHandler())
        return f"no diagnostics are written: {in_words(error)}"
    handler.setFormatter(Redacted("%(asctime)s %(levelname)s %(name)s: %(message)s", secrets))
    root.addHandler(handler)
    logging.getLogger("nexconsole").setLevel(level.upper())
    return None


def hide_in_crashes(secrets: Secrets) -> None:
    """Hide these words in every crash report from now on; they are asked for when there is one."""
    _hidden.append(secrets)


def crash_report(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The report of a bug: stack and message, no local variables, no secrets. `secrets` are hidden wherever they occur,
    besides the settings' and anything like a credential.
    """
    words = sorted({*secrets, *(word for known in _hidden for word in known())}, key=len, reverse=True)
    text = _without(redact(strip_controls("".join(traceback.format_exception(error)))), words)
    cut = len(text) > LONGEST_REPORT
    text = f"{text[: LONGEST_REPORT // 2]}\n…\n{text[-LONGEST_REPORT // 2 :]}" if cut else text
    return f"{text.rstrip()}\nnexconsole: this is a bug in the console; please report it with the lines above"


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if logging.getLogger().handlers:
        logging.getLogger("nexconsole").critical("a bug ended the command", exc_info=(kind, error, trace))
    print(crash_report(error.with_traceback(trace)), file=sys.stderr)


def hide_secrets_of_crashes() -> None:
    """Report bugs in commands without credentials from now on."""
    sys.excepthook = _uncaught
