"""Appends to a journal durably: the entry is on disk when the call returns, whoever else appends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..storage.plain_files import reason
from .entries import MAX_HLC, Entry, Proof, Writer, beginning_of, bytes_of, decode, make, microseconds
from .files import (
    OWN_MODE,
    SHARED_MODE,
    locked,
    locked_own,
    read_between,
    refuse_large,
    remember_last,
    remembered_last,
    try_folder,
)
from .redaction import Scrubber
from .signing import Signer

log = logging.getLogger(__name__)

ROOM = 16_384  # bytes that an intent with its plan may take
_TICK = timedelta(microseconds=1)


class Journal:
    """One journal file as one writer appends to it. Nothing is opened or created before the first entry.

    Threads may share it, and several may be open on one file. `now` is the clock (UTC).
    Whatever `data` holds passes `scrub` first. With `journal`, the file is this account's own in that journal; without,
    it is one that all accounts share, as earlier versions had it. `signer` signs what people do.
    """

    def __init__(
        self,
        file: Path,
        writer: Writer,
        scrub: Scrubber,
        lock_timeout_s: float = 3.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        journal: Path | None = None,
        signer: Signer | None = None,
    ) -> None:
        self.file = file
        self.journal = journal or file
        self._own_file = journal is not None
        self._signer = signer
        self.writer = writer
        self._scrub = scrub
        self._lock_timeout_s = lock_timeout_s
        self._now = now
        self._turn = threading.Lock()
        self._own: Entry | None = None  # this writer's last entry
        self._read_file: tuple[int, int] | None = None  # device and inode of what was read so far
        self._read_to = 0
        self._last = ""  # id of the last entry before _read_to
        self._torn = False  # whether the byte before _read_to ends no line
        self._observed = 0  # the latest `order` of all that was read

    def append(self, kind: str, data: Mapping[str, Any]) -> Entry:
        """Write one entry and return it once it is on disk.

        Blocks for the disk and, up to the lock's time-out, for other writers, and for the key that signs. Raises
        JournalError: then the entry is not on record, and what had reached the file of it was taken back or shows as a
        torn line.
        """
        scrubbed = self._scrub(data)
        signs = self._signer if self._signer is not None and self._signer.signs(kind) else None
        patience_s = self._lock_timeout_s + (self._signer.timeout_s if self._signer is not None else 0.0)
        if not self._turn.acquire(timeout=patience_s):
            raise JournalError(f"{self.file}: this console's last entry has not reached the disk yet: is it hanging?")
        try:
            draft = self._signed(signs, kind, scrubbed) if signs is not None else None
            with self._locked() as descriptor:
                return self._append(descriptor, kind, scrubbed, draft)
        except OSError as error:
            raise JournalError(f"{self.file}: can't be written: {reason(error)}") from error
        finally:
            self._turn.release()

    def try_again(self) -> None:
        """Raise JournalError unless an entry could be written by now. Nothing is left of the trial.

        Blocks as `append` does.
        """
        try_folder(self.journal.parent)
        if not self.file.exists():
            return
        try:
            with self._locked() as descriptor:
                refuse_large(self.file, os.fstat(descriptor).st_size)
                limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
                if limit != resource.RLIM_INFINITY and os.fstat(descriptor).st_size + ROOM > limit:
                    raise OSError(errno.EFBIG, "")
        except OSError as error:
            raise JournalError(f"{self.file}: can't be written: {reason(error)}") from error

    def observe(self, order: int) -> None:
        """An entry of this incident was read that stands there in the order of all: what is written now is later."""
        self._observed = max(self._observed, order)

    @property
    def unsigned(self) -> str:
        """Why the last entry that should be signed is not; "" where it is, or nothing is signed here."""
        return self._signer.trouble if self._signer is not None else ""

    def _locked(self) -> AbstractContextManager[int]:
        return (locked_own if self._own_file else locked)(self.file, self._lock_timeout_s)

    def _signed(self, signer: Signer, kind: str, data: dict[str, Any]) -> Entry | None:
        """The entry as it is signed, not written yet; None where it is to be written without a signature. The file is
        not locked meanwhile: a key may wait to be touched. Raises JournalError where signatures are demanded."""
        with self._locked() as descriptor:
            size = os.fstat(descriptor).st_size
            self._catch_up(descriptor, size)
            fields = self._next(descriptor, size, kind, data)
        entry = make(**fields, sign=lambda part: signer.sign(self.journal.stem, part))
        return entry if entry.sig else None

    def _next(self, descriptor: int, size: int, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """The next entry's fields."""
        own, at = self._own, self._now()
        if own is not None and at <= own.at:  # the clock was set back: an outcome never stands before its intent
            at = own.at + _TICK
        return {
            "at": at,
            "writer": self.writer,
            "seq": own.seq + 1 if own else 1,
            "prev": own.digest if own else "",
            "after": self._predecessor(descriptor, size),
            "hlc": min(MAX_HLC, max(microseconds(at), self._observed + 1)),
            "kind": str(kind),
            "data": data,
        }

    def _append(self, descriptor: int, kind: str, data: dict[str, Any], draft: Entry | None = None) -> Entry:
        size = os.fstat(descriptor).st_size
        refuse_large(self.file, size)
        self._catch_up(descriptor, size)
        entry = draft
        if entry is None or (self._own is not None and entry.prev != self._own.digest):
            entry = make(**self._next(descriptor, size, kind, data))
        line = (b"\n" if self._torn else b"") + entry.line + b"\n"
        write_synced(descriptor, size, line)
        if self._own_file:
            entry = replace(entry, proof=Proof.KERNEL)
        self._own, self._last, self._torn = entry, entry.id, False
        self.observe(entry.order)
        self._read_to = size + len(line)
        remember_last(self.file, entry.id, OWN_MODE if self._own_file else SHARED_MODE)
        return entry

    def _catch_up(self, descriptor: int, size: int) -> None:
        """Read what others wrote since: how the file ends, and where this writer stands in it."""
        found = os.fstat(descriptor)
        if self._read_file != (found.st_dev, found.st_ino) or size < self._read_to:
            self._read_file, self._read_to, self._last, self._torn = (found.st_dev, found.st_ino), 0, "", False
        if size == self._read_to:
            return
        added = read_between(descriptor, self._read_to, size)
        if (last := _last_entry(added)) is not None:
            self._last = last.id
            self.observe(last.order)
        self._torn = not added.endswith(b"\n")
        own = _last_of(added, self.writer)
        if own is not None and (self._own is None or own.seq > self._own.seq):
            self._own = own
            self.observe(own.order)
        self._read_to = size

    def _predecessor(self, descriptor: int, size: int) -> str:
        """The id of the last entry; of the one that was last, where that has vanished from the file since."""
        try:
            remembered = remembered_last(self.file)
        except (OSError, JournalError) as error:
            log.warning("%s: its last entry is not known: %s", self.file, error)
            return self._last
        if remembered in ("", self._last) or beginning_of(remembered) in read_between(descriptor, 0, size):
            return self._last
        return remembered


def write_synced(descriptor: int, size: int, line: bytes) -> None:
    """Write and sync, or take back what was written and raise OSError."""
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):  # what can't be taken back is found as a torn line
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        raise


def _last_entry(added: bytes) -> Entry | None:
    """The last entry in these bytes that can be read."""
    end = len(added)
    while end > 0:
        start = added.rfind(b"\n", 0, end) + 1
        with contextlib.suppress(ValueError):
            return decode(added[start:end])
        end = start - 1
    return None


def _last_of(added: bytes, writer: Writer) -> Entry | None:
    """The writer's last entry in these bytes, found without reading every other line."""
    needle = bytes_of(writer)
    end = len(added)
    while (place := added.rfind(needle, 0, end)) >= 0:
        start = added.rfind(b"\n", 0, place) + 1
        stop = added.find(b"\n", place)
        with contextlib.suppress(ValueError):
            entry = decode(added[start : stop if stop >= 0 else len(added)])
            if entry.writer == writer:
                return entry
        end = start
    return None
