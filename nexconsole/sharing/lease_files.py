"""Leases between consoles of one folder: a locked file per target, released when its process dies.

Each file (`.leases/<hash>` in the journal's folder) also holds the fence: the last execution on the target, and whether
it has ended. Its modification time is the holder's last heartbeat. A console that hangs (Ctrl+Z) loses its target: the
file is replaced after a while without a heartbeat by our own clock. Everything here blocks: call it by
`asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..errors import JournalError
from ..journal.files import RETRY_S, create, is_current, make_folder, open_shared
from ..storage.plain_files import open_plain, read_plain

WATCHED_S = 5.0  # a holder that hangs is watched for so long before it loses its target: it gives signs every 2 s
PASSING_S = 2.5  # a lock without an execution is only being asked for, and is waited for so long
KEPT_S = 24 * 3600.0  # files of targets that nobody executed on for so long are taken away
NOTIFIED = ".notified"  # the folder of the marks of what was told outside, beside the journals
GUARD = ".guard"  # locked while a file is replaced
BUSY = "*"  # the token that is like no other: somebody is executing this moment
MOST_NAMES = 5_000  # files that are looked at when what is old is taken away
_MAX = 4096  # bytes of a file that are looked at


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """Who executed what on a target, and when it began (the executor's own clock, for people). `token` is new for
    each; `ended` is False while it lasts, and for ever where its console died of it."""

    token: str
    who: str
    what: str
    at: str
    ended: bool = False


NOBODY = Execution(token="", who="another console", what="something on the same", at="")


class TargetBusy(Exception):
    """Another console has the target; `by` is what it executes, None while it is only asking."""

    def __init__(self, by: Execution | None) -> None:
        super().__init__()
        self.by = by


class Changed(Exception):
    """Something was executed since; `by` is the last of it, None where that can't be told any more."""

    def __init__(self, by: Execution | None) -> None:
        super().__init__()
        self.by = by


def tokens(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The token of the last execution on each; "" for none on record. Raises OSError and JournalError."""
    return {name: _token(folder / name) for name in names}


def _token(file: Path) -> str:
    try:
        execution = decoded(read_plain(file, _MAX))
    except FileNotFoundError:
        return ""
    if execution is None:
        return ""
    return execution.token if execution.ended else BUSY


class Reserved:
    """The files that this console holds locked."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._files: list[Path] = []
        self._before: list[Execution | None] = []
        self._turn = threading.RLock()  # so that no sign of life is given by a file that is closed meanwhile

    def take(self, folder: Path, names: tuple[str, ...], seen: Mapping[str, str], lease_s: float) -> None:
        """Lock all or none; who gave no sign of life for `lease_s` loses his. Raises Busy, Changed, OSError and
        JournalError."""
        make_folder(folder)
        try:
            for name in sorted(names):  # in one order, so that of two consoles one gets them all
                descriptor = _locked(folder / name, lease_s)
                self._descriptors.append(descriptor)
                self._files.append(folder / name)
                self._before.append(_unchanged(descriptor, seen[name]))
        except BaseException:
            self.free()
            raise

    def begin(self, execution: Execution) -> None:
        """Say in each file what is executed. Raises OSError."""
        for descriptor in self._descriptors:
            _write(descriptor, execution)

    def renew(self) -> Execution | None:
        """Give a sign of life; whose the targets are meanwhile, where this console hung for too long."""
        with self._turn:
            for descriptor, file in zip(self._descriptors, self._files, strict=True):
                if not is_current(descriptor, file):
                    return decoded(read_plain(file, _MAX)) or NOBODY
                os.utime(descriptor)
        return None

    def end(self, execution: Execution | None) -> None:
        """Say what was executed, or that it was not, and unlock. Raises OSError, and is unlocked all the same."""
        try:
            for descriptor, before in zip(self._descriptors, self._before, strict=True):
                _write(descriptor, execution or before)
        finally:
            self.free()

    def free(self) -> None:
        with self._turn:
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._descriptors, self._files, self._before = [], [], []


def new_token() -> str:
    return secrets.token_hex(8)


def prune(folder: Path) -> None:
    """Take away what nobody has executed on for a day; what somebody holds stays. Raises OSError."""
    for file in itertools.islice(folder.iterdir(), MOST_NAMES):
        with contextlib.suppress(OSError, JournalError):
            if file.name != GUARD and time.time() - file.lstat().st_mtime > KEPT_S:
                descriptor = open_plain(file, os.O_RDWR)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.unlink()
                finally:
                    os.close(descriptor)


def _locked(file: Path, lease_s: float) -> int:
    """The file's descriptor, locked. Raises Busy, OSError and JournalError."""
    deadline = time.monotonic() + PASSING_S
    watch = _Watch()
    while True:
        descriptor = open_shared(file, os.O_RDWR, deadline)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_current(descriptor, file):
                return descriptor
            os.close(descriptor)
            continue
        except BlockingIOError:
            held = decoded(os.pread(descriptor, _MAX, 0))
            os.close(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        executing = held is not None and not held.ended
        if executing:
            if not _looks_hung(file, lease_s):
                raise TargetBusy(held)
            if watch.unchanged_s(file) >= min(WATCHED_S, lease_s) and _taken_from_the_hung(file, lease_s):
                continue
            if time.monotonic() > deadline + WATCHED_S:
                raise TargetBusy(held)
        elif time.monotonic() > deadline:
            raise TargetBusy(None)
        time.sleep(RETRY_S)


class _Watch:
    """For how long a file has not changed, by this console's own monotonic clock: what a clock that was set says of its
    time of change is no reason to take a target away."""

    def __init__(self) -> None:
        self._mark: tuple[int, int] | None = None
        self._since = 0.0

    def unchanged_s(self, file: Path) -> float:
        try:
            found = file.lstat()
        except FileNotFoundError:
            return 0.0
        now, mark = time.monotonic(), (found.st_ino, found.st_mtime_ns)
        if mark != self._mark:
            self._mark, self._since = mark, now
        return now - self._since


def _looks_hung(file: Path, lease_s: float) -> bool:
    """Whether its holder's last sign of life is older than a lease by the file system's clock, or of no time at all."""
    guard = open_shared(file.with_name(GUARD), os.O_RDWR, time.monotonic())
    try:
        os.utime(guard)
        age_s = os.fstat(guard).st_mtime - file.lstat().st_mtime
        return age_s > lease_s or age_s < -lease_s
    except FileNotFoundError:
        return False
    finally:
        os.close(guard)


def _taken_from_the_hung(file: Path, lease_s: float) -> bool:
    """Put another file with the same text in the place of one whose holder hangs: its lock then holds nothing."""
    guard = open_shared(file.with_name(GUARD), os.O_RDWR, time.monotonic())
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _looks_hung(file, lease_s):
            return False
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        create(beside, file.parent.stat())
        descriptor = open_plain(beside, os.O_WRONLY)
        try:
            os.pwrite(descriptor, read_plain(file, _MAX), 0)
        finally:
            os.close(descriptor)
        os.replace(beside, file)
        return True
    except (BlockingIOError, FileNotFoundError):  # somebody else is at it
        return False
    finally:
        os.close(guard)


def _unchanged(descriptor: int, seen: str) -> Execution | None:
    """The last execution, which is the one that was seen. Raises Changed."""
    raw = os.pread(descriptor, _MAX, 0)
    last = decoded(raw)
    if raw.strip(b" \n\0") and last is None:  # nobody's text, or half of one: something was going on here
        _write(descriptor, None)
        raise Changed(None)
    if last is not None and not last.ended:  # its console died of it: from now on this is known, and can be seen
        _write(descriptor, msgspec.structs.replace(last, token=new_token(), ended=True))
        raise Changed(last)
    if (last.token if last else "") != seen:
        raise Changed(last)
    return last


def decoded(raw: bytes) -> Execution | None:
    """The execution that these bytes hold; None for what is none."""
    try:
        return msgspec.json.decode(raw.strip(b" \n\0"), type=Execution)
    except (ValueError, RecursionError):
        return None


def _write(descriptor: int, execution: Execution | None) -> None:
    """In one write of one size, so that whoever looks meanwhile sees the one or the other."""
    text = msgspec.json.encode(execution) if execution else b""
    os.pwrite(descriptor, text.ljust(_MAX), 0)
