"""Tells those outside the room what enters the record: each message once, whichever console sends it.

The console that wrote an entry sends its message at once. The others look after a while whether it was sent; where its
console has ended, one of them sends it. Nothing here is waited for by a key, an action or the journal.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from ..errors import JournalError
from ..journal import OUTSIDE, Entry, EntryKind, Scrubber
from ..model import utc_now
from ..settings import Settings
from ..text.sanitize import clean
from ..text.units import several
from .claims import ANSWERS, FAILING, ClaimService, MessageClaim
from .helper import NotifyHelper
from .limits import RateLimit
from .message import Message, name_of
from .outages import Outages
from .service import TRIES_S, Delivery, NotifyTarget
from .wording import DRAFTS, PlacedEntry, lost_message, message_of

log = logging.getLogger(__name__)

TAKEOVER_S = 6.0  # after which another console looks whether a message was sent
AGAIN_S = 3.0  # how often it looks while the message is being sent elsewhere
PATIENCE_S = 120.0  # and for how long
LATEST_S = 300.0  # what is older is no news
BACKLOG_S = 30.0  # for so long after the start what other hosts wrote before still comes in
RECORDED_PER_MINUTE = 30  # entries on what was sent
SOON = (EntryKind.INTENT, EntryKind.PROPOSED, EntryKind.OPENED)  # after which there is something to tell
Record = Callable[[str, Mapping[str, Any]], Awaitable[object]]


class Notifier:
    """`age_s`: for how long an entry is known here, whatever its writer's clock says. `record` writes an entry, `find`
    gives one by its id, `before` the entries that stand before one, in order.
    `place` names the journal that `record` writes to. `changed` is called when `trouble` is another. `tries_s`: the
    pauses between tries.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        age_s: Callable[[Entry], float],
        record: Record,
        find: Callable[[str], Entry | None],
        before: Callable[[str, Entry], Sequence[Entry]],
        place: Callable[[], str] = lambda: OUTSIDE,
        changed: Callable[[], None] = lambda: None,
        takeover_s: float = TAKEOVER_S,
        tries_s: Sequence[float] = TRIES_S,
    ) -> None:
        self._settings, self._age_s = settings, age_s
        self._record, self._find, self._before, self._changed = record, find, before, changed
        self._place, self._takeover_s = place, takeover_s
        self._began = time.monotonic()
        self._helper = NotifyHelper()
        self._claims = ClaimService(settings)
        self._scrub = Scrubber.of(settings)
        limit = settings.notify.per_minute
        self.targets = tuple(
            NotifyTarget(name, service, self._helper, limit, tries_s) for name, service in settings.notify.named.items()
        )
        self._told: set[tuple[str, str]] = set()  # messages by id, and to whom, that are on record as sent
        self._outages = Outages()
        self._settling = asyncio.Lock()
        self._lost: set[str] = set()  # intents whose console ended, that were told
        self._recorded = RateLimit(RECORDED_PER_MINUTE)
        self._pending: set[asyncio.Task[None]] = set()
        self._own: set[asyncio.Task[None]] = set()  # those that tell what this console wrote
        self._leaving = False

    @property
    def trouble(self) -> str:
        """Which service was not told of something the last time, lately, and why; "" where all were."""
        return "; ".join(f"{name} was not told: {self._words(why)}" for name, why in self._outages.lately())

    @property
    def page_key(self) -> str:
        """By what a pager knows this installation's page: one at a time, whichever console raises it."""
        return f"nexconsole/{self._settings.environment}/{self._settings.name}"

    def _words(self, why: str) -> str:
        return clean(self._scrub({"why": why})["why"], 200)

    # --- what there is to tell ------------------------------------------------------------------------------------

    def take(self, journal: str, entry: Entry, *, own: bool) -> None:
        """An entry has come to a journal; `own`: this console wrote it."""
        if own and entry.kind in SOON:
            self._begin(self._helper.warm())
        if entry.kind == EntryKind.NOTIFIED:
            self._take_notified(entry, own)
        elif entry.kind in DRAFTS and self._age_s(entry) <= LATEST_S and (own or not self._is_backlog(entry)):
            placed = PlacedEntry(entry=entry, journal=journal, before=self._before(journal, entry))
            message = message_of(placed, self._settings, self._find)
            if message is not None:
                self._tell(message, 0.0 if own else self._takeover_s * random.uniform(1.0, 1.5))

    def _is_backlog(self, entry: Entry) -> bool:
        """Whether it was written before this console first looked, and for so long that others have told it. What comes
        in from other hosts soon after the start is judged by its writer's clock too."""
        here_s, age_s = time.monotonic() - self._began, self._age_s(entry)
        if here_s < BACKLOG_S:
            age_s = max(age_s, (utc_now() - entry.at).total_seconds())
        return age_s - here_s > self._takeover_s

    def take_lost(self, journal: str, intent: Entry) -> None:
        """Nobody knows what became of this action: its console has ended."""
        if intent.id not in self._lost and self._age_s(intent) <= LATEST_S:
            self._tell(lost_message(intent, journal, self._settings), random.uniform(0.0, self._takeover_s))
        self._lost.add(intent.id)

    def _take_notified(self, entry: Entry, own: bool) -> None:
        state, to = str(entry.data.get("state")), clean(entry.data.get("to") or "", 40)
        if state in ("sent", "unknown"):
            self._told.add((str(entry.data.get("message")), to))
        if own:
            return
        if state == "sent":
            self._outages.end(to)
        elif state in ("failed", "unknown"):
            self._outages.fail(to, str(entry.data.get("reason")), self._age_s(entry))
        self._changed()

    def _tell(self, message: Message, delay_s: float) -> None:
        for target in self.targets:
            if target.wants(message):
                self._begin(self._deliver(target, message, delay_s), own=not delay_s)

    def _begin(self, work: Coroutine[Any, Any, None], own: bool = False) -> None:
        if self._leaving:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._pending.add(task)
        if own:
            self._own.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._own.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "notify", "exception": error})

    # --- how it is told -------------------------------------------------------------------------------------------

    async def _deliver(self, target: NotifyTarget, message: Message, delay_s: float) -> None:
        """Send it, unless another console has or does."""
        await asyncio.sleep(delay_s)
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        name = name_of(message.id, await target.key())
        while (message.id, target.name) not in self._told and loop.time() < until:
            claim = await self._claims.take(name, message.kind)
            if isinstance(claim, MessageClaim):
                await self._send(target, message, claim)
                return
            if claim == "done":
                return
            await asyncio.sleep(AGAIN_S * random.uniform(0.7, 1.3))

    async def _send(self, target: NotifyTarget, message: Message, claim: MessageClaim) -> None:
        settled = False
        try:
            pages = bool(message.page) and target.pager
            if not message.loud and not pages and not target.limit.allows():
                settled = True
                self._hold(target, message)
                return
            delivery = await target.send(message, self.page_key)
            settled = delivery.state != "failed"
        finally:
            await claim.end(settled)
        await self._settle(target, message, delivery)

    async def _settle(self, target: NotifyTarget, message: Message, delivery: Delivery) -> None:
        """Put on record what came of it: what was sent; that the service begins to fail; and that it answers again."""
        async with self._settling:
            await self._settle_in_turn(target, message, delivery)

    async def _settle_in_turn(self, target: NotifyTarget, message: Message, delivery: Delivery) -> None:
        name, sent = target.name, delivery.state == "sent"
        failing = self._outages.failing(name)
        untold = len(self._outages.untold(name) - {id for id, to in self._told if to == name})
        if sent:
            self._outages.end(name)
        else:
            self._outages.fail(name, delivery.reason, message=message.id if delivery.state == "failed" else "")
        self._changed()
        service = name_of("service", await target.key())
        turns = await self._claims.turn(service, ANSWERS if sent else FAILING, self._place(), failing)
        if sent and turns:
            reason = "it answers again" + (f"; not told: {several(untold, 'message')}" if untold else "")
            await self._note(message.id, message.about, name, "sent", reason, {"untold": untold})
        elif sent:
            await self._note(message.id, message.about, name, "sent", "")
        elif turns:
            await self._note(message.id, message.about, name, delivery.state, delivery.reason, {})

    def _hold(self, target: NotifyTarget, message: Message) -> None:
        """Count it for one message when more may be sent."""
        first = not target.limit.held
        target.limit.hold(message.title)
        if first:
            self._begin(self._sum_up(target, message))

    async def _sum_up(self, target: NotifyTarget, first: Message) -> None:
        await asyncio.sleep(target.limit.free_in_s + 0.1)
        count, titles = target.limit.taken()
        target.limit.allows()
        summary = Message(
            id=name_of("more", first.id, target.name),
            about=first.about,
            kind=first.kind,
            title=f"{several(count, 'more message')} held back: at most {self._settings.notify.per_minute} a minute",
            body="\n".join(titles),
            level=first.level,
            at=first.at,
        )
        await self._note(first.id, first.about, target.name, "limited", several(count, "message"))
        delivery = await target.send(summary, self.page_key)
        await self._settle(target, summary, delivery)

    async def _note(
        self, message: str, about: str, to: str, state: str, reason: str, turn: Mapping[str, Any] | None = None
    ) -> None:
        """Put it on record, as far as a flood leaves room; a `turn` of its service always."""
        if not self._recorded.allows() and turn is None:
            self._recorded.hold(to)
            return
        count, _ = self._recorded.taken()
        more = f"{several(count, 'entry', 'entries')} of this kind left out before" if count else ""
        data = {"message": message, "about": about, "to": to, "state": state, **(turn or {})}
        data["reason"] = "; ".join(filter(None, (self._words(reason) if reason else "", more)))
        try:
            await self._record(EntryKind.NOTIFIED, data)
        except JournalError as error:
            log.warning("that %s was told (%s) could not be recorded: %s", to, state, error)

    # --- the pager ------------------------------------------------------------------------------------------------

    async def acknowledge(self) -> str:
        """Tell every pager that somebody is at it; a sentence on what came of it. Raises JournalError."""
        pagers = [target for target in self.targets if target.pager]
        if not pagers:
            return "no page can be acknowledged from here: [notify] names no pagerduty:// or opsgenie:// address"
        deliveries = await asyncio.gather(*(target.ask("acknowledge", self.page_key) for target in pagers))
        sentences = []
        for target, delivery in zip(pagers, deliveries, strict=True):
            why = self._words(delivery.reason) if delivery.reason else ""
            data = {"page": self.page_key, "to": target.name, "state": delivery.state, "reason": why}
            await self._record(EntryKind.ACKNOWLEDGED, data)
            taken = delivery.state == "sent"
            sentences.append(f"{target.name}: acknowledged" if taken else f"{target.name} did not take it: {why}")
        return "; ".join(sentences)

    # --- its life -------------------------------------------------------------------------------------------------

    def tick(self, busy: bool) -> None:
        """Now and then. `busy`: something is to be told soon, such as while an incident is open."""
        if busy and not self._helper.runs:
            self._begin(self._helper.warm())
        elif not busy:
            self._helper.rest()

    async def close(self, leave_s: float) -> None:
        """Wait for what this console has to tell, `leave_s` seconds at most; the rest is left to other consoles."""
        self._leaving = True
        pending = set(self._pending)
        if (own := pending & self._own) and leave_s > 0:
            await asyncio.wait(own, timeout=leave_s)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._helper.close()
        await self._claims.close()
