"""How the C library hands out memory to threads: of one heap, of which free pages go back to the system."""

from __future__ import annotations

import contextlib
import sys
from functools import cache
from typing import Any

ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def share_heap() -> None:
    """Threads take their memory from the process's heap from now on. Elsewhere than on glibc nothing happens.

    A thread's own heap keeps what is free in it: for threads that import and read, 4 MB together. One thread runs at
    a time, so none waits for another's memory.
    """
    library = _library()
    if library is not None:
        with contextlib.suppress(AttributeError):
            library.mallopt(ARENA_MAX, 1)


def return_free_pages() -> None:
    """Give free pages back to the system; takes some milliseconds, without the interpreter's lock."""
    library = _library()
    if library is not None:
        with contextlib.suppress(AttributeError):
            library.malloc_trim(0)


@cache
def _library() -> Any:
    """The C library of this process; None where it is not reachable."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        from ctypes import CDLL

        return CDLL(None)
    except (ImportError, OSError):
        return None
