"""Output of commands. Unprintable or unwritable output is escaped or dropped, and never decides an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import in_words

LOST: dict[str, OSError] = {}  # the first failure of each stream, by its name; what follows is not written any more


class StreamWriter:
    """Writes to a stream or its buffer until the first failure."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name = stream, name

    def write(self, text: Any) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, work: Callable[[], object]) -> None:
        if self._name in LOST:
            return
        try:
            work()
        except (OSError, ValueError) as error:
            LOST[self._name] = error if isinstance(error, OSError) else OSError(str(error))
            # Nothing more goes there, also not what its buffers hold when the interpreter ends.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Stream(StreamWriter):
    """A standard stream whose writing never fails."""

    @property
    def buffer(self) -> StreamWriter:
        return StreamWriter(self._stream.buffer, self._name)


def begin() -> None:
    """Make printing never fail: unencodable text is escaped, unwritable text is dropped."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this: its number must not become a file's or a socket's
            _occupy(number)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, Stream(stream, name))


def as_utf8() -> None:
    """Switch standard output to UTF-8, whatever the locale: machines read JSON as UTF-8."""
    stream = sys.stdout
    if isinstance(stream, Stream):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def end() -> None:
    """Flush. A full disk is reported; a closed pipe is not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Stream):
            stream.flush()
    error = LOST.get("stdout")
    if error is not None and not isinstance(error, BrokenPipeError):
        print(f"nexconsole: the output could not be written: {in_words(error)}", file=sys.stderr, flush=True)


def lose(error: OSError) -> None:
    """What is written to standard output, by whatever way, is lost from now on."""
    LOST.setdefault("stdout", error)


def is_lost() -> bool:
    """Whether output is lost."""
    return "stdout" in LOST


def _occupy(number: int) -> None:
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
