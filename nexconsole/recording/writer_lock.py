"""Only one console records into a file: it holds the lock of a hidden file beside it (`.NAME.lock`).

Not a lock of the recording itself: on a network file system that would stand in the way of SQLite's own locks, and
whoever closes the recording anywhere in the process would drop those.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from ..journal.files import is_current, open_shared

PATIENCE_S = 1.0  # for another account that is making the file this moment


class WriterLock:
    """Gone with its process, however that ends. Every call blocks for the file system alone."""

    def __init__(self, file: Path) -> None:
        self._file = file.with_name(f".{file.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False while another console holds it. Raises OSError and JournalError."""
        descriptor = open_shared(self._file, os.O_RDWR, time.monotonic() + PATIENCE_S)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = is_current(descriptor, self._file)
        except BlockingIOError:
            held = False
        except BaseException:
            os.close(descriptor)
            raise
        if not held:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let another console record."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
