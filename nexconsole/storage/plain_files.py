"""Plain files alone are opened: no link, pipe, device or folder; and each refusal has its reason in words."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ..errors import JournalError, in_words

_NO_PERMISSION = "no permission: this account must be able to write the folder and what is in it (mode 3770, one group)"
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EFBIG: "the file may not grow further (ulimit -f, or the file system's limit)",
    errno.EROFS: "the file system is read-only: set journal.folder to a writable one",
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ELOOP: "it is a symbolic link, which a journal may not be",
    errno.EEXIST: "its folder is a file",
    errno.ENOTDIR: "its folder is a file",
    errno.EISDIR: "it is a folder",
}


def reason(error: OSError) -> str:
    """Why the system refused, and what to do about it."""
    return _ADVICE.get(error.errno or 0, in_words(error))


def open_plain(file: Path, flags: int) -> int:
    """A descriptor of the file, which must be a plain one: opening a pipe would wait for its other end, opening a
    device may do something, and a link may lead anywhere. Raises OSError and JournalError."""
    _refuse_all_but_plain(file, os.lstat(file).st_mode)
    descriptor = os.open(file, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        _refuse_all_but_plain(file, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_all_but_plain(file: Path, mode: int) -> None:
    if what := not_plain(mode):
        raise JournalError(f"{file}: {what}")


def not_plain(mode: int) -> str:
    """What is wrong with a file of this mode in a journal's place; "" where it is a plain one."""
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISLNK(mode):
        return _ADVICE[errno.ELOOP]
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for test, name in kinds if test(mode)), "a device")
    return f"is {kind}, and is not a plain file, which a journal must be"


def read_plain(file: Path, most: int) -> bytes:
    """The first bytes of a plain file, `most` of them at the most. Raises OSError and JournalError."""
    with open(open_plain(file, os.O_RDONLY), "rb") as opened:
        return opened.read(most)
