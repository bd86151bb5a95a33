"""Journal files: created for the group, locked, plain files only, with a reason for every refusal.

Beside each journal a hidden file holds its last entry's id (`.INC-20261123-1342.jsonl.last`), which proves that nothing
is missing at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from ..storage.plain_files import open_plain, read_plain, reason
from ..text.units import period

log = logging.getLogger(__name__)

RETRY_S = 0.005
MAX_FILE = 64 * 1024 * 1024  # bytes; what stands after them is not read, and nothing is added to such a file
JOURNAL, ELSEWHERE = ".jsonl", ".elsewhere"


def try_folder(folder: Path) -> None:
    """Raise JournalError unless entries can be written in this folder; the folder is made, and nothing left in it."""
    trial = folder / f".trial-{os.getpid()}-{threading.get_ident()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b"x" * 16_384)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            os.unlink(trial)
    except OSError as error:
        raise JournalError(f"{folder}: no journal can be written there: {reason(error)}") from error


@contextlib.contextmanager
def locked(file: Path, timeout_s: float) -> Iterator[int]:
    """The journal's descriptor, made if it isn't there and locked against every other console. Raises OSError,
    and JournalError where the lock isn't had in time or the file is no plain one."""
    deadline = time.monotonic() + timeout_s
    while True:
        descriptor = open_shared(file, os.O_RDWR | os.O_APPEND, deadline)
        try:
            if not lock(descriptor, deadline):
                sentence = (
                    f"another console has held it for {period(timeout_s)}: try again, or see who by `fuser {file}`"
                )
                raise JournalError(f"{file}: {sentence}")
            if is_current(descriptor, file):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def refuse_large(file: Path, size: int) -> None:
    """Raise JournalError for a file that has more bytes than any journal."""
    if size > MAX_FILE:
        sentence = f"has {size >> 20} MiB, more than the {MAX_FILE >> 20} of any journal: move it away"
        raise JournalError(f"{file}: {sentence}")


def read_between(descriptor: int, start: int, end: int) -> bytes:
    """The bytes from `start` to `end`, fewer where the file is shorter."""
    parts = []
    while start < end and (part := os.pread(descriptor, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def last_file(journal: Path) -> Path:
    """Where the id of the journal's last entry is kept."""
    return journal.with_name(f".{journal.name}.last")


def remember_last(journal: Path, id: str) -> None:
    """Keep the last entry's id. Not synced: an older one proves a little less and nothing wrong."""
    file = last_file(journal)
    try:
        if not file.exists():
            create(file, journal.parent.stat())
        descriptor = open_plain(file, os.O_WRONLY)
        try:
            os.pwrite(descriptor, f"{id}\n".encode(), 0)
        finally:
            os.close(descriptor)
    except (OSError, JournalError) as error:  # the entry itself is safe, and another account may own this file
        log.warning("%s: can't be written: %s", file, error)


def remembered_last(journal: Path) -> str:
    """The last entry's id; "" where none was kept. Raises OSError."""
    try:
        return read_plain(last_file(journal), 100).decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def open_shared(file: Path, flags: int, deadline: float) -> int:
    """A descriptor of a plain file that several accounts may share, made if it isn't there. Raises OSError and
    JournalError; `deadline` (monotonic) is for another account that is making it this moment."""
    while True:
        try:
            # Without O_CREAT: in a sticky folder fs.protected_regular would refuse another account's file.
            return open_plain(file, flags)
        except FileNotFoundError:
            _make(file)
        except PermissionError:
            if not _being_made(file) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)


def make_folder(folder: Path) -> None:
    """A folder of ours beside the journals, for the group where theirs is. Raises OSError."""
    if folder.is_dir():
        return
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    above = folder.parent.stat()
    shared = above.st_mode & (stat.S_ISGID | stat.S_IWGRP)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if shared:
            with contextlib.suppress(PermissionError):
                os.chown(folder, -1, above.st_gid)
            folder.chmod(0o2770)


def _make_journals_folder(folder: Path) -> None:
    """The folder of journals; for the group where it lies in one that was made for a group, as a profile's does."""
    above = folder.parent
    if above.is_dir() and above.stat().st_mode & stat.S_ISGID:
        make_folder(folder)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make(file: Path) -> None:
    _make_journals_folder(file.parent)
    folder = file.parent.stat()
    for made in (last_file(file), file) if file.suffix == JOURNAL else (file,):
        create(made, folder)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # else the file's name may not survive a power cut
    finally:
        os.close(descriptor)


def create_new(file: Path) -> bool:
    """Make a journal's empty file; False where there is one already. Raises OSError."""
    _make_journals_folder(file.parent)
    return create(file, file.parent.stat())


def create(file: Path, folder: os.stat_result) -> bool:
    """Make the file unless it is there; where the folder is shared by a group, for that group."""
    shared = folder.st_mode & (stat.S_ISGID | stat.S_IWGRP)
    mode = 0o660 if shared else 0o600
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        return False
    try:
        if shared:
            if os.fstat(descriptor).st_gid != folder.st_gid:
                with contextlib.suppress(PermissionError):  # not of that group: its members will be refused, and told
                    os.fchown(descriptor, -1, folder.st_gid)
            os.fchmod(descriptor, mode)  # whatever the umask took away
    finally:
        os.close(descriptor)
    return True


def _being_made(file: Path) -> bool:
    """Whether another account has made the file this moment and not yet opened it to the group."""
    found = file.lstat()
    return found.st_size == 0 and abs(time.time() - found.st_ctime) < 1.0


def lock(descriptor: int, deadline: float) -> bool:
    # flock and not POSIX locks: those are dropped when any other reader of the file in this process closes it.
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(RETRY_S)


def is_current(descriptor: int, file: Path) -> bool:
    """Whether the locked file is still the one at the path, not one moved away meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.lstat())
    except FileNotFoundError:
        return False
