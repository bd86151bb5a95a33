"""What memory is kept for: threads share one heap, free pages go back to the system, TLS reads into small buffers."""

from __future__ import annotations

import contextlib
import sys
from asyncio.sslproto import SSLProtocol
from functools import cache
from typing import Any

ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
TLS_BYTES = 1 << 16  # four records of TLS, which has none that is larger than 16 KB


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


def read_tls_in_small_pieces() -> None:
    """Each TLS connection has a buffer as long as it is open, of 256 KB if nobody asks for less: 10 MB for 50 logs."""
    SSLProtocol.max_size = TLS_BYTES


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
