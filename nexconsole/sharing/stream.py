"""An incident's entries between hosts: one Redis stream that every console fills and every folder stores.

The journals are the record, the stream is the transport. Missing entries are sent again, so a Redis that was down or
lost its data loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalError
from ..journal import Entry, Journal, LocalTail, counted, import_entries, merge, parse_remote_entry, read_incident
from ..journal.entries import MAX_LINE
from ..settings import Settings
from .announcement import announce_again
from .redis_link import RedisLink, honour_cancel

if TYPE_CHECKING:
    import redis.asyncio

log = logging.getLogger(__name__)

FIELD = b"entry"
TIMEOUT_S = 5.0
BLOCK_MS = 1000
LOOK_S = 0.25  # how often the folder's own journal is looked at
CHECK_S = 5.0  # how often it is made sure that the stream still holds what was read of it
ANNOUNCE_S = 20.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0)  # between tries to reach it; the last from then on
FEWEST = 100  # entries that a stream keeps at least, whatever the settings say
BATCH = 200  # entries that are read at once, and fewer where they don't come in time
PUSH_BYTES = 1024 * 1024
# What this console did not write itself is left to its writer first, then to the consoles of the writer's folder.
NEIGHBOURS_S, STRANGERS_S = 1.0, 3.0


class IncidentStream:
    """Keeps a folder's incident and the incident's stream the same. `changed` is called, on the loop, when `reached`
    or `trouble` are different.

    `trouble` says why other hosts can't be reached, "" while they can; `refused` counts what came and is no entry.
    Set `announcing` to False when the incident is closed.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.reached = False
        self.trouble = ""
        self.refused = 0
        self.announcing = True
        self._journal, self._changed = journal, changed
        self._limit = max(FEWEST, settings.warroom.stream_entries)
        self._expiry_s = max(1, settings.warroom.stream_days) * 86_400
        self._lock_timeout_s = settings.journal.lock_timeout_s
        self._link = RedisLink(settings)
        self._key = self._link.key("incident", journal.journal.stem)
        self._incident = journal.journal.stem
        self._tail = LocalTail(journal.journal)
        self._nudged = asyncio.Event()
        self._last = b"0-0"  # of the stream, up to where it was read
        self._items = 0  # that were read of it
        self._count = BATCH
        self._tries = 0  # in vain, one after the other
        self._there: set[str] = set()  # ids of the entries that were read there
        self._pushed: set[str] = set()  # and of those that were pushed, and not yet read back
        self._held: set[str] = set()  # of those in this folder's files
        self._waiting: dict[str, tuple[float, Entry]] = {}  # to be pushed, and from when on

    async def run(self) -> None:
        """Share the incident until cancelled; returns only where settings name no Redis."""
        while self._link.configured:
            honour_cancel()
            try:
                await self._session()
            except JournalError as error:
                self._say(False, f"what other hosts write can't be kept: {error}")
            except Exception as error:
                self._say(False, f"other hosts can't be reached: {self._link.explain(error)}")
            finally:
                await self._link.close()
            pause = PAUSES_S[min(self._tries, len(PAUSES_S) - 1)]
            self._tries += 1
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    @property
    def owes(self) -> bool:
        """Whether entries wait to be pushed, or it is not known yet what the stream lacks."""
        return bool(self._waiting) or not self.reached

    def has(self, entry: str) -> bool:
        """Whether other hosts can read this entry."""
        return self.reached and (entry in self._there or entry in self._pushed)

    def nudge(self) -> None:
        """This console has just written an entry."""
        self._nudged.set()

    def _say(self, reached: bool, trouble: str) -> None:
        if (reached, trouble) != (self.reached, self.trouble):
            if trouble:
                log.warning("%s", trouble)
            self.reached, self.trouble = reached, trouble
            self._changed()

    # --- reading ----------------------------------------------------------------------------------------------

    async def _session(self) -> None:
        """Read it whole, then both ways until something breaks."""
        client = await self._link.open(TIMEOUT_S)
        if not await self._holds(client):
            self._last, self._items, self._there = b"0-0", 0, set()
        self._pushed = set()
        while await self._read(client):
            pass
        await self._find_lacking()
        self._tries = 0
        self._say(True, "")
        tasks = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._tell(client))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _holds(self, client: redis.asyncio.Redis) -> bool:
        """Whether the stream still has what was read of it: a Redis may have lost its data, wholly or in part."""
        if self._last == b"0-0":
            return False
        last = await client.xrange(self._key, self._last, self._last, count=1)
        return bool(last) and await client.xlen(self._key) >= min(self._items, self._limit)

    async def _listen(self, client: redis.asyncio.Redis) -> None:
        """Follow; ends where the stream has lost something."""
        loop = asyncio.get_running_loop()
        checked_at = loop.time()
        while True:
            await self._read(client, BLOCK_MS)
            if loop.time() - checked_at > CHECK_S:
                checked_at = loop.time()
                holds = await self._holds(client)
                honour_cancel()
                if not holds:
                    return

    async def _read(self, client: redis.asyncio.Redis, block_ms: int | None = None) -> bool:
        """Take what came since; whether anything did."""
        try:
            streams: Any = await client.xread({self._key: self._last}, count=self._count, block=block_ms)
        except Exception:
            self._count = max(1, self._count // 4)  # a slow line, or a huge entry: less at once in the next try
            raise
        honour_cancel()
        items: Sequence[tuple[bytes, Mapping[bytes, bytes]]] = streams[0][1] if streams else ()
        if not items:
            return False
        await self._take([fields.get(FIELD, b"") for _, fields in items])
        self._last, self._items = items[-1][0], self._items + len(items)
        self._count = min(BATCH, self._count * 2)
        return True

    async def _take(self, lines: Iterable[bytes]) -> None:
        """Write down what this folder does not have. Raises JournalError."""
        new: list[Entry] = []
        for line in lines:
            try:
                entry = parse_remote_entry(line) if len(line) <= MAX_LINE else None
            except ValueError:
                entry = None
            if entry is None:
                self.refused += 1
                continue
            self._there.add(entry.id)
            self._pushed.discard(entry.id)
            self._waiting.pop(entry.id, None)
            if entry.id not in self._held:
                new.append(entry)
        if new:
            lines_of = [entry.line for entry in new]
            await asyncio.to_thread(import_entries, self._journal.journal, lines_of, self._lock_timeout_s)
            self._held.update(entry.id for entry in new)

    # --- telling ----------------------------------------------------------------------------------------------

    async def _find_lacking(self) -> None:
        """What is written here and not in the stream, the newest of it where it would not hold all."""
        self._waiting = {}
        await asyncio.to_thread(self._tail.poll)
        entries: tuple[Entry, ...] = ()
        with contextlib.suppress(JournalError):  # nothing has been written here yet
            entries = await asyncio.to_thread(_intact, self._journal.journal)
        self._held.update(entry.id for entry in entries)
        lacking = [entry for entry in entries if entry.id not in self._there]
        room = max(0, self._limit - self._items)
        self._there.update(entry.id for entry in lacking[: max(0, len(lacking) - room)])
        neighbours = {entry.id for entry in lacking} & self._tail.given
        self._wait([entry for entry in lacking if entry.id in neighbours], NEIGHBOURS_S)
        self._wait([entry for entry in lacking if entry.id not in neighbours], STRANGERS_S)

    def _wait(self, entries: Iterable[Entry], patience_s: float) -> None:
        """To be pushed, in this order: what this console wrote at once, the rest unless others do it meanwhile."""
        now = asyncio.get_running_loop().time()
        later = now + patience_s * random.uniform(1.0, 2.0)
        for entry in entries:
            if entry.id not in self._there and entry.id not in self._pushed and entry.intact:
                own = entry.writer == self._journal.writer
                self._waiting.setdefault(entry.id, (now if own else later, entry))

    async def _tell(self, client: redis.asyncio.Redis) -> None:
        """Push what is written here, and keep saying that this incident is open."""
        loop = asyncio.get_running_loop()
        announce_at = loop.time()
        while True:
            self._nudged.clear()
            added = await asyncio.to_thread(self._tail.poll)
            self._held.update(entry.id for entry in added)
            self._wait(added, NEIGHBOURS_S)
            due = [entry for at, entry in self._waiting.values() if at <= loop.time()]
            for batch in _batches(due):
                await self._push(client, batch)
                honour_cancel()
            if self.announcing and loop.time() >= announce_at:
                announce_at = loop.time() + ANNOUNCE_S
                await announce_again(client, self._link, self._incident)
                honour_cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._nudged.wait()

    async def _push(self, client: redis.asyncio.Redis, entries: Sequence[Entry]) -> None:
        async with client.pipeline(transaction=False) as pipe:
            for entry in entries:
                fields: dict[Any, Any] = {FIELD: entry.line}
                pipe.xadd(self._key, fields, maxlen=self._limit, approximate=True)
            pipe.expire(self._key, self._expiry_s)
            answers = await pipe.execute(raise_on_error=False)
        for answer in answers:  # as the server put it: the library would repeat the whole entry in the text
            if isinstance(answer, Exception):
                raise answer
        for entry in entries:
            self._pushed.add(entry.id)
            self._waiting.pop(entry.id, None)


def _intact(file: Path) -> tuple[Entry, ...]:
    """The incident's entries that others would not refuse, in order. Raises JournalError."""
    return tuple(entry for entry in counted(merge(read_incident(file).entries)) if entry.intact)


def _batches(entries: Sequence[Entry]) -> Iterable[list[Entry]]:
    """The entries in their order, few enough at once to be sent in time."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (size + len(entry.line) > PUSH_BYTES or len(batch) >= BATCH):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.line)
    if batch:
        yield batch
