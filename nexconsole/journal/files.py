"""Journal files: created for the group, locked, plain files only, with a reason for every refusal.

Beside each file a hidden one holds its last entry's id (`.maria.jsonl.last`), which proves that nothing is missing at
the end, and another is what this account's consoles lock (`.maria.jsonl.lock`).
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
from .accounts import own_uid
from .layout import JOURNAL, OTHERS_WRITE, last_file, lock_file, parts_folder

log = logging.getLogger(__name__)

RETRY_S = 0.005
OWN_MODE, LOCK_MODE = 0o640, 0o600  # of an account's own file, where the folder is a group's, and of its lock
SHARED_MODE = 0o660  # of what the group's accounts write together there
MAX_FILE = 64 * 1024 * 1024  # bytes; what stands after them is not read, and nothing is added to such a file


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
            _wait_for(descriptor, file, deadline, timeout_s)
            if is_current(descriptor, file):
                yield descriptor
                return
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked_own(file: Path, timeout_s: float) -> Iterator[int]:
    """The same for this account's own file, which nobody else may write or keep locked."""
    deadline = time.monotonic() + timeout_s
    beside = lock_file(file)
    lock_descriptor = _open_own(beside, os.O_RDWR, LOCK_MODE)
    try:
        _wait_for(lock_descriptor, beside, deadline, timeout_s)
        descriptor = _open_own(file, os.O_RDWR | os.O_APPEND, OWN_MODE)
        try:
            with contextlib.suppress(BlockingIOError):  # tells readers that a line is being written; they may hold it
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        finally:
            os.close(descriptor)
    finally:
        os.close(lock_descriptor)


def _wait_for(descriptor: int, file: Path, deadline: float, timeout_s: float) -> None:
    if not lock(descriptor, deadline):
        sentence = f"another console has held it for {period(timeout_s)}: try again, or see who by `fuser {file}`"
        raise JournalError(f"{file}: {sentence}")


def _open_own(file: Path, flags: int, mode: int) -> int:
    """A descriptor of a file of this account, made if it isn't there. Raises OSError, and JournalError where it is
    another's, or others may write it."""
    for _ in range(2):
        try:
            descriptor = open_plain(file, flags)
            break
        except FileNotFoundError:
            _make_own(file, mode)
    else:
        raise JournalError(f"{file}: somebody takes it away while it is made")
    found = os.fstat(descriptor)
    if found.st_uid == own_uid() and found.st_mode & OTHERS_WRITE:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~OTHERS_WRITE)
            found = os.fstat(descriptor)
    if found.st_uid != own_uid() or found.st_mode & OTHERS_WRITE:
        os.close(descriptor)
        raise JournalError(f"{file}: is another account's, or others may write it: what is there would prove nothing")
    return descriptor


def _make_own(file: Path, mode: int) -> None:
    make_folder(file.parent, sticky=True)
    folder = file.parent.stat()
    for made, its_mode in ((last_file(file), OWN_MODE), (file, mode)) if file.suffix == JOURNAL else ((file, mode),):
        create(made, folder, its_mode)
    _sync_folder(file.parent)


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


def remember_last(journal: Path, id: str, mode: int = SHARED_MODE) -> None:
    """Keep the last entry's id. Not synced: an older one proves a little less and nothing wrong."""
    file = last_file(journal)
    try:
        if not file.exists():
            create(file, journal.parent.stat(), mode)
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


def make_folder(folder: Path, sticky: bool = False) -> bool:
    """A folder of ours beside the journals, for the group where theirs is; False where there is one already. In a
    `sticky` one nobody removes another's file. Raises OSError."""
    if folder.is_dir():
        return False
    if not folder.parent.is_dir():
        _make_journals_folder(folder.parent)
    above = folder.parent.stat()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return False
    if sticky and own_uid() != os.geteuid():
        os.chown(folder, own_uid(), -1)
    if above.st_mode & (stat.S_ISGID | stat.S_IWGRP):
        with contextlib.suppress(PermissionError):
            os.chown(folder, -1, above.st_gid)
        folder.chmod(0o3770 if sticky else 0o2770)
    return True


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
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # else the file's name may not survive a power cut
    finally:
        os.close(descriptor)


def create_new(journal: Path) -> bool:
    """Make a journal's empty folder; False where there is such a journal already. Raises OSError."""
    return not os.path.lexists(journal) and make_folder(parts_folder(journal), sticky=True)


def create(file: Path, folder: os.stat_result, mode: int = SHARED_MODE) -> bool:
    """Make the file unless it is there; where the folder is shared by a group, for that group and with this mode. What
    belongs to one account alone (a mode that the group may not write) is given to the account behind sudo."""
    shared = folder.st_mode & (stat.S_ISGID | stat.S_IWGRP)
    own = not mode & stat.S_IWGRP
    mode = mode if shared else mode & 0o600
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        return False
    try:
        if own and own_uid() != os.geteuid():
            os.fchown(descriptor, own_uid(), -1)
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
