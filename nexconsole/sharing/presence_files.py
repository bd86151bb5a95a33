"""Presence files: one per console of a folder, replaced when it changes and removed when it leaves.

Everything here blocks: call it by `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..errors import JournalError
from ..journal import Life, Writer
from ..journal.files import create, make_folder
from ..journal.processes import life
from ..storage.plain_files import open_plain, read_plain
from .presence import MAX_BYTES, decode

FOLDER = ".here"
MOST = 200  # consoles that are heard
MOST_NAMES = 5_000  # files that are looked at
OLD_S = 3600.0  # what nobody has touched for so long is taken away,
UNCHANGED_S = 60.0  # and that only after it was watched for so long: the clock may have jumped


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is different since the last one: words with how many seconds ago they were said, and the last words of
    consoles whose file is gone."""

    new: tuple[tuple[bytes, float], ...] = ()
    left: tuple[bytes, ...] = ()


class PresenceFiles:
    """This console's file in the folder, and everybody's."""

    def __init__(self, journals: Path, writer: Writer) -> None:
        self._folder = journals / FOLDER
        self._own = self._folder / f"{hashlib.sha256(msgspec.json.encode(writer)).hexdigest()[:32]}.json"
        self._seen: dict[str, _File] = {}  # by name

    def take(self, word: bytes) -> None:
        """Say this of oneself. Raises OSError and JournalError."""
        make_folder(self._folder)
        beside = self._own.with_suffix(f".{os.getpid()}")
        create(beside, self._folder.stat())
        descriptor = open_plain(beside, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(descriptor, word)
        finally:
            os.close(descriptor)
        os.replace(beside, self._own)

    def leave(self) -> None:
        """Raises OSError."""
        for file in (self._own, self._own.with_suffix(f".{os.getpid()}")):
            file.unlink(missing_ok=True)

    def look(self) -> Look:
        """Read what changed. Raises OSError."""
        if not os.path.lexists(self._folder) and self._folder.parent.is_dir():
            return Look(left=self._all_left())  # nobody has said anything here yet
        new: list[tuple[bytes, float]] = []
        names: set[str] = set()
        now = time.monotonic()
        with os.scandir(self._folder) as entries:
            for entry in itertools.islice(entries, MOST_NAMES):
                if len(names) >= MOST or not entry.name.endswith(".json") or entry.name == self._own.name:
                    continue
                with contextlib.suppress(OSError):  # it has left this moment, or is not for us to read
                    found = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(found.st_mode):
                        continue
                    mark = (found.st_ino, found.st_mtime_ns)
                    seen = self._seen.get(entry.name)
                    if seen is None or seen.mark != mark:
                        # A file that changed while this console looked on was written this moment, whatever its time.
                        ago_s = max(0.0, time.time() - found.st_mtime) if seen is None else 0.0
                        seen = self._seen[entry.name] = _File(mark, _read(Path(entry.path)), now)
                        if not seen.word:
                            continue
                        names.add(entry.name)
                        if not _abandoned(Path(entry.path), seen.word):
                            new.append((seen.word, ago_s))
                    elif seen.word:
                        names.add(entry.name)
                        if now - seen.since > UNCHANGED_S and time.time() - found.st_mtime > OLD_S:
                            os.unlink(entry.path)
        left = [self._seen.pop(name).word for name in set(self._seen) - names]
        return Look(new=tuple(new), left=tuple(filter(None, left)))

    def _all_left(self) -> tuple[bytes, ...]:
        left = tuple(seen.word for seen in self._seen.values() if seen.word)
        self._seen.clear()
        return left


def somebody_acts(journals: Path) -> bool:
    """Whether a living console of this folder has somebody at it who may act."""
    folder = journals / FOLDER
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in itertools.islice(entries, MOST_NAMES):
            if not entry.name.endswith(".json") or (word := _read(Path(entry.path))) == b"":
                continue
            said = decode(word)
            if said is None or said.gone or said.presence.looks_only:
                continue
            writer = said.presence.writer
            if life(writer.host, writer.pid, writer.start, socket.gethostname()) is not Life.GONE:
                return True
    return False


@dataclass(frozen=True)
class _File:
    """A file as it was read: inode and time of change, its word (b"" for none), and since when (monotonic)."""

    mark: tuple[int, int]
    word: bytes
    since: float


def _read(file: Path) -> bytes:
    """A console's word; b"" where none can be read."""
    with contextlib.suppress(OSError, JournalError):
        return read_plain(file, MAX_BYTES + 1)
    return b""


def _abandoned(file: Path, word: bytes) -> bool:
    """Whether its console died without taking it away; then it is taken away here."""
    presence = decode(word)
    writer = presence.presence.writer if presence is not None else None
    dead = writer is not None and life(writer.host, writer.pid, writer.start, socket.gethostname()) is Life.GONE
    if dead:
        with contextlib.suppress(OSError):
            file.unlink()
    return dead
