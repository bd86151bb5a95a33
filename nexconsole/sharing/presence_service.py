"""The people at this installation's consoles, from the folder and from Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import JournalError
from ..journal import Life, Writer, journal_folder
from ..journal.processes import life
from ..model import utc_now
from ..settings import Settings
from ..storage.plain_files import reason
from .clocks import Clocks
from .presence import DecodedPresence, Presence, after, decode, encoded
from .presence_files import Look, PresenceFiles
from .redis_link import RedisLink, honour_cancel

log = logging.getLogger(__name__)

LOOK_S = 0.4  # how often the folder is looked at
HEARD_S = 1.5  # within which everybody who is here has said so
MEASURE_S = 60.0  # between two looks at the clock of Redis
BEAT_S = 3.0  # how often who changes nothing says that he is here
ANSWER_S = 0.5  # who asks is not answered more often than this
TIMEOUT_S = 5.0
PAUSE_S = 2.0
MOST = 100  # people; of more nobody would see who is who


@dataclass
class _KnownPeer:
    presence: Presence
    heard_at: float  # loop time
    looked_at: float = 0.0  # when its process was last looked for


class PresenceService:
    """Says where this console is, and knows where the others are. `changed` is called, on the loop, when `here` or
    `trouble` are different."""

    def __init__(
        self,
        settings: Settings,
        incident: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        changed: Callable[[], None] = lambda: None,
        looks_only: bool = False,
        key: str = "",
    ) -> None:
        self.trouble = ""  # why others can't be told or heard, "" while they can
        self.clocks = Clocks()
        self._settings, self._changed, self._clock = settings.warroom, changed, clock
        self._me = Presence(
            writer=Writer.here(settings.operator),
            since=clock(),
            incident=incident,
            observing=looks_only,
            looks_only=looks_only,
            key=key,
            me=True,
            count=1,
        )
        self._seats = PresenceFiles(journal_folder(settings), self._me.writer)
        self._link = RedisLink(settings)
        self._channel = self._link.channel("presence")
        self._known: dict[Writer, _KnownPeer] = {}
        self._told = asyncio.Event()
        self._asked = False
        self._mute = ""  # why this console can't say in the folder that it is here
        self._here: tuple[Presence, ...] = (self._me,)
        self._troubles = {"folder": "", "redis": ""}
        self._heard_since: dict[str, float | None] = {"folder": None}  # loop time; None while nobody can be heard there
        if self._link.configured:
            self._heard_since["redis"] = None

    @property
    def here(self) -> tuple[Presence, ...]:
        """Who works on the same incident, this console first, then in the order in which they came."""
        return self._here

    @property
    def unknown(self) -> str:
        """Why it is not known who else is here; "" once everybody who is here has had the time to say so. Who can still
        hear the others, and only can't say that he is here himself, knows."""
        now = asyncio.get_running_loop().time()
        for where, since in self._heard_since.items():
            if since is None or now - since < HEARD_S:
                return self._troubles[where] or "not everybody has been heard yet"
        return ""

    def tell(self, **changes: object) -> None:
        """What is different here: incident, role, observing, driving, scenario, step, doing."""
        if all(getattr(self._me, name, None) == value for name, value in changes.items()):
            return
        self._me = after(self._me, changes)
        self._told.set()
        self._settle()

    async def run(self) -> None:
        """Say and hear, until cancelled; then this console says that it leaves."""
        tasks = [asyncio.create_task(self._by_files())]
        if self._link.configured:
            tasks.append(asyncio.create_task(self._by_redis()))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError, JournalError):
                await asyncio.to_thread(self._seats.leave)

    # --- what is known ----------------------------------------------------------------------------------------

    def _hear(self, word: DecodedPresence, *, elsewhere: bool, ago_s: float = 0.0) -> None:
        writer, now = word.presence.writer, asyncio.get_running_loop().time()
        if writer == self._me.writer:
            return
        known = self._known.get(writer)
        if word.gone:
            self._known.pop(writer, None)
        elif known is None:
            if len(self._known) < MOST and ago_s < self._settings.presence_s:
                self._known[writer] = _KnownPeer(replace(word.presence, elsewhere=elsewhere), now - ago_s)
        else:
            known.heard_at = max(known.heard_at, now - ago_s)
            near = not elsewhere or not known.presence.elsewhere
            if word.presence.count >= known.presence.count:
                known.presence = word.presence
            known.presence = replace(known.presence, elsewhere=not near)
        if word.asks and not word.gone:
            self._asked = True

    def _settle(self) -> None:
        """Forget who is gone, and say it if anybody's picture changed."""
        here, now = socket.gethostname(), asyncio.get_running_loop().time()
        for writer, known in list(self._known.items()):
            # While nothing can be written here, nobody's silence says that he has left.
            silent = now - known.heard_at > self._settings.presence_s and (known.presence.elsewhere or not self._mute)
            if not silent and now - known.looked_at >= 1.0 and not known.presence.elsewhere:
                known.looked_at = now
                silent = life(writer.host, writer.pid, writer.start, here) is Life.GONE
            if silent:
                del self._known[writer]
        others = [peer.presence for peer in self._known.values() if peer.presence.incident == self._me.incident]
        others.sort(key=lambda one: (one.since, one.writer))
        before, self._here = (self._here, self.trouble), (self._me, *others)
        self.trouble = "; ".join(filter(None, self._troubles.values()))
        if before != (self._here, self.trouble):
            self._changed()

    def _say_trouble(self, where: str, sentence: str, blind: str | None = None) -> None:
        """`blind`: why nobody can be heard there; the sentence, where nothing else is said."""
        if sentence if blind is None else blind:
            self._heard_since[where] = None
        elif self._heard_since[where] is None:
            self._heard_since[where] = asyncio.get_running_loop().time()
        if sentence and sentence != self._troubles[where]:
            log.warning("%s", sentence)
        self._troubles[where] = sentence
        self._settle()

    # --- the folder -------------------------------------------------------------------------------------------

    async def _by_files(self) -> None:
        loop = asyncio.get_running_loop()
        said, beat_at = 0, 0.0
        while True:
            blind = ""
            if self._me.count != said or loop.time() >= beat_at:
                said, beat_at = self._me.count, loop.time() + BEAT_S
                self._mute = await self._tried(lambda: self._seats.take(encoded(self._me)))
            found = Look()

            def look() -> None:
                nonlocal found
                found = self._seats.look()

            blind = await self._tried(look)
            for raw, ago_s in found.new:
                if (word := decode(raw)) is not None:
                    self._hear(word, elsewhere=False, ago_s=ago_s)
            for raw in found.left:
                if (word := decode(raw)) is not None:
                    self._hear(replace(word, gone=True), elsewhere=False)
            why = blind or self._mute
            self._say_trouble("folder", f"the consoles of this folder don't see each other: {why}" * bool(why), blind)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._told.wait()
            self._told.clear()

    async def _tried(self, work: Callable[[], None]) -> str:
        """Do this in a thread; why it failed, or ""."""
        try:
            await asyncio.to_thread(work)
        except (OSError, JournalError) as error:
            return reason(error) if isinstance(error, OSError) else str(error)
        return ""

    # --- Redis ------------------------------------------------------------------------------------------------

    async def _by_redis(self) -> None:
        while True:
            honour_cancel()
            try:
                await self._talk()
            except Exception as error:
                sentence = f"people on other hosts can't be seen: {self._link.explain(error)}"
                self._say_trouble("redis", sentence)
            finally:
                await self._link.close()
            await asyncio.sleep(PAUSE_S)

    async def _talk(self) -> None:
        client = await self._link.open(TIMEOUT_S)
        async with client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(self._channel)
            loop = asyncio.get_running_loop()
            said, beat_at, answer_at, measured_at = -1, 0.0, 0.0, -MEASURE_S
            try:
                while True:
                    honour_cancel()
                    if loop.time() - measured_at >= MEASURE_S:
                        measured_at = loop.time()
                        await self.clocks.measure(client, self._clock)
                    due = self._me.count != said or loop.time() >= beat_at
                    if due or (self._asked and loop.time() >= answer_at):
                        await client.publish(self._channel, encoded(self._me, asks=said < 0, at=self._clock()))
                        said, beat_at, self._asked = self._me.count, loop.time() + BEAT_S, False
                        answer_at = loop.time() + ANSWER_S
                        self._say_trouble("redis", "")
                    if message := await channel.get_message(timeout=0.1):
                        self._listen(message)
            except asyncio.CancelledError:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(0.5):
                        await client.publish(self._channel, encoded(self._me, gone=True))
                raise

    def _listen(self, message: dict[str, object]) -> None:
        raw = message.get("data")
        if message.get("type") == "message" and isinstance(raw, bytes) and (word := decode(raw)) is not None:
            if word.at is not None and word.presence.writer != self._me.writer:
                self.clocks.heard(word.presence.writer.host, word.at, self._clock())
            self._hear(word, elsewhere=True)
            self._settle()
