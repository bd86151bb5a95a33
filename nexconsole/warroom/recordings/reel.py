"""A recording's file as its one recorder holds it: locked against every other console, growing up to its limit."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ...errors import JournalError
from ...journal.files import is_current, open_shared, reason
from ...journal.writer import write_synced
from .chunks import FINAL, pack, scan

RESERVE = 512  # bytes kept for the last chunk, which says that nothing comes after it
PATIENCE_S = 1.0  # for another account that is making the file this moment
NEARLY = 0.9  # of the limit, from which on a recording that has said so is not taken up again


class Reel:
    """`limit` in bytes. Everything here blocks, and raises JournalError where nothing can be recorded (any more)."""

    def __init__(self, file: Path, limit: int, full: str) -> None:
        self.file, self._limit, self._full = file, limit, full
        self._descriptor: int | None = None
        self.end = 0  # the last moment that is told of, in milliseconds since 1970

    def held(self) -> bool:
        """Whether this is the recorder, and the file still the one at its path."""
        with self._told():
            if self._descriptor is not None and not is_current(self._descriptor, self.file):
                self.release()
        return self._descriptor is not None

    def take(self) -> bool:
        """Become the recorder; False while another console is."""
        with self._told():
            descriptor = open_shared(self.file, os.O_RDWR | os.O_APPEND, time.monotonic() + PATIENCE_S)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                chunks = scan(descriptor).chunks
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        self.end = max((chunk.end for chunk in chunks), default=0)
        size = os.fstat(descriptor).st_size
        if size + 2 * RESERVE > self._limit or (chunks and chunks[-1].final and size > NEARLY * self._limit):
            self.release()
            raise JournalError(self._full)
        return True

    def append(self, text: bytes, begin: int, end: int, flags: int, farewell: bytes) -> None:
        """Write one chunk; where it is over the limit, `farewell` as the last one instead."""
        assert self._descriptor is not None
        chunk = pack(text, begin, end, flags)
        size = os.fstat(self._descriptor).st_size
        fits = size + len(chunk) + RESERVE <= self._limit
        with self._told():
            write_synced(self._descriptor, size, chunk if fits else pack(farewell, begin, end, FINAL))
        self.end = end
        if not fits:
            raise JournalError(self._full)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(f"nothing is recorded for replay: {self.file}: {reason(error)}") from error

    def release(self) -> None:
        """Let another console record."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
