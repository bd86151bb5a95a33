"""A small file for each console of a folder, which it replaces as it changes and takes away when it leaves.

Everything here blocks: call it by `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...journal import Life, Writer
from ...journal.files import create, make_folder, open_plain
from ...journal.processes import life
from .presence import MAX_BYTES, heard

FOLDER = ".here"
MOST = 200  # files that are looked at
OLD_S = 3600.0  # what nobody has touched for so long is taken away


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is different since the last one: words with how many seconds ago they were said, and the last words of
    consoles whose file is gone."""

    new: tuple[tuple[bytes, float], ...]
    left: tuple[bytes, ...]


class Seats:
    """This console's file in the folder, and everybody's."""

    def __init__(self, journals: Path, writer: Writer) -> None:
        self._folder = journals / FOLDER
        self._own = self._folder / f"{hashlib.sha256(msgspec.json.encode(writer)).hexdigest()[:32]}.json"
        self._seen: dict[str, tuple[tuple[int, int], bytes]] = {}  # by name: inode and time of change, word

    def take(self, word: bytes) -> None:
        """Say this of oneself. Raises OSError and JournalError."""
        make_folder(self._folder)
        beside = self._own.with_suffix(f".{os.getpid()}")
        create(beside, self._folder.stat())
        descriptor = open_plain(beside, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
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
        new: list[tuple[bytes, float]] = []
        names: set[str] = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if len(names) >= MOST or not entry.name.endswith(".json") or entry.name == self._own.name:
                    continue
                with contextlib.suppress(OSError):  # it has left this moment, or is not for us to read
                    found = entry.stat(follow_symlinks=False)
                    names.add(entry.name)
                    mark = (found.st_ino, found.st_mtime_ns)
                    if entry.name in self._seen and self._seen[entry.name][0] == mark:
                        continue
                    word = _read(Path(entry.path))
                    self._seen[entry.name] = (mark, word)
                    ago_s = max(0.0, time.time() - found.st_mtime)
                    if not _abandoned(Path(entry.path), word, ago_s):
                        new.append((word, ago_s))
        left = [self._seen.pop(name)[1] for name in set(self._seen) - names]
        return Look(new=tuple(new), left=tuple(left))


def _read(file: Path) -> bytes:
    with contextlib.suppress(Exception), open(open_plain(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
        return opened.read(MAX_BYTES + 1)
    return b""


def _abandoned(file: Path, word: bytes, ago_s: float) -> bool:
    """Whether its console died without taking it away; then it is taken away here."""
    said = heard(word)
    writer = said.presence.writer if said is not None else None
    dead = writer is not None and life(writer.host, writer.pid, writer.start, socket.gethostname()) is Life.GONE
    if dead or ago_s > OLD_S:
        with contextlib.suppress(OSError):
            file.unlink()
    return dead
