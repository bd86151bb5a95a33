"""Who sends a message: one console of all, by the means of leases.

Between the consoles of a folder a locked file decides (`.notified/<name>`), between hosts a Redis key, where the
settings name a Redis. What was sent stays marked. A console that dies while it sends leaves a doubt: then another one
sends it again, once, so that at the worst a message comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Literal

import msgspec

from ..errors import JournalError
from ..journal import OUTSIDE, journal_folder
from ..settings import Settings
from ..sharing.lease_files import (
    NOTIFIED,
    Changed,
    Execution,
    Reserved,
    TargetBusy,
    decoded,
    new_token,
    prune,
    tokens,
)
from ..sharing.lease_keys import LeaseKeys, Unanswered
from ..sharing.redis_link import RedisLink
from ..storage.plain_files import read_plain

log = logging.getLogger(__name__)

LEASE_S = 15.0  # a console that gives no sign of life for so long loses its claim
RENEW_S = 2.0
MOST_TRIES = 3  # at a service's file that others change meanwhile
MOST_BYTES = 4096  # of such a file
QUIET_S = 10.0  # a Redis that did not answer is not asked again for so long

Claimed = Literal["busy", "done"]
FAILING, ANSWERS = "failing", "answers"  # a service's state on its file


class MessageClaim:
    """A message that this console alone sends until `end`. `doubt`: another one died while it sent it."""

    def __init__(self, execution: Execution) -> None:
        self.execution, self.doubt = execution, False
        self.reserved: Reserved | None = None
        self.keys: LeaseKeys | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """From now on others see that it is being sent."""
        if self.reserved is not None:
            await asyncio.to_thread(self.reserved.begin, self.execution)
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            with contextlib.suppress(Unanswered, OSError, JournalError):
                if self.reserved is not None:
                    await asyncio.to_thread(self.reserved.renew)
                if self.keys is not None:
                    await self.keys.renew(self.execution)

    async def end(self, sent: bool) -> None:
        """Mark it as sent; else leave it to others."""
        if self._renewing is not None:
            self._renewing.cancel()
        ended = msgspec.structs.replace(self.execution, token=new_token(), ended=True) if sent else None
        reserved, self.reserved = self.reserved, None
        if reserved is not None:
            try:
                await asyncio.shield(asyncio.to_thread(reserved.end, ended))
            except OSError as error:
                log.warning("a message's mark can't be written: %s", error)
        keys, self.keys = self.keys, None
        if keys is not None:
            with contextlib.suppress(Unanswered):  # it expires
                await keys.release(self.execution, ended)


class ClaimService:
    """This console's claims. Where neither folder nor Redis can be asked, it sends: better twice than never."""

    def __init__(self, settings: Settings) -> None:
        self._who = settings.operator
        self._folder = journal_folder(settings) / NOTIFIED
        self._link = RedisLink(settings)
        self._silent_until = 0.0
        self._pruned = False

    async def take(self, name: str, what: str) -> MessageClaim | Claimed:
        """The claim; "done" where the message was sent, "busy" while another console is at it."""
        claim = MessageClaim(Execution(token=new_token(), who=self._who, what=what, at=""))
        try:
            state = await self._take_here(claim, name) or await self._take_there(claim, name)
            if state:
                await claim.end(False)
                return state
            await claim.begin()
        except OSError as error:
            log.warning("%s: who sends what is not known: %s", self._folder, error)
        except BaseException:
            await claim.end(False)
            raise
        return claim

    async def _take_here(self, claim: MessageClaim, name: str) -> Claimed | None:
        if not self._pruned:
            self._pruned = True
            with contextlib.suppress(OSError):
                await asyncio.to_thread(prune, self._folder)
        try:
            reserved, claim.doubt = await asyncio.to_thread(self._reserve, name)
        except TargetBusy:
            return "busy"
        except Changed:
            return "done"
        except (OSError, JournalError) as error:
            log.warning("%s: who sends what is not known: %s", self._folder, error)
            return None
        claim.reserved = reserved
        return None

    def _reserve(self, name: str) -> tuple[Reserved, bool]:
        """The message's file, and whether a console died while it sent it. In a thread."""
        reserved = Reserved()
        try:
            reserved.take(self._folder, (name,), {name: ""}, LEASE_S)
            return reserved, False
        except Changed as refusal:
            if refusal.by is not None and refusal.by.ended:
                raise
        again = Reserved()
        again.take(self._folder, (name,), tokens(self._folder, (name,)), LEASE_S)
        return again, True

    async def _take_there(self, claim: MessageClaim, name: str) -> Claimed | None:
        if not self._link.configured or time.monotonic() < self._silent_until:
            return None
        keys = LeaseKeys(self._link, (name,), LEASE_S)
        try:
            seen = await keys.tokens()
            last = _decoded(seen[name])
            if last is not None and last.ended:
                return "done"
            if last is not None:
                claim.doubt = True
            await keys.take(claim.execution, seen)
            claim.keys = keys
        except TargetBusy:
            return "busy"
        except Changed as refusal:
            return "done" if refusal.by is not None and refusal.by.ended else "busy"
        except Unanswered as error:
            self._silent_until = time.monotonic() + QUIET_S
            log.warning("other hosts can't be asked who sends a message: %s", error)
        return None

    async def turn(self, name: str, state: str, journal: str, failing: bool) -> bool:
        """Whether this console is the one that records that a service has come to be in this state, FAILING or ANSWERS:
        one of all, once for each incident in which it fails. `name`: the service's. `failing`: what this console takes
        it to be where nobody has said."""
        here = ANSWERS if state == ANSWERS else f"{FAILING} {journal}"
        now = Execution(token=new_token(), who=self._who, what=here, at="", ended=True)
        try:
            if not await asyncio.to_thread(self._turn_here, name, now, failing):
                return False
            return await self._turn_there(name, now)
        except (OSError, JournalError) as error:
            log.warning("%s: who records that a service fails is not known: %s", self._folder, error)
            return failing is not (state == FAILING)

    def _turn_here(self, name: str, now: Execution, failing: bool) -> bool:
        """The same between the consoles of this folder. In a thread."""
        for _ in range(MOST_TRIES):
            seen = tokens(self._folder, (name,))
            try:
                last = decoded(read_plain(self._folder / name, MOST_BYTES))
            except FileNotFoundError:
                last = None
            if _stands(last, now) or (last is None and now.what == ANSWERS and not failing):
                return False
            reserved = Reserved()
            try:
                reserved.take(self._folder, (name,), seen, LEASE_S)
            except Changed:
                continue
            except TargetBusy:
                return False
            reserved.end(now)
            return True
        return False

    async def _turn_there(self, name: str, now: Execution) -> bool:
        """The same between hosts; True where none can be asked."""
        if not self._link.configured or time.monotonic() < self._silent_until:
            return True
        keys = LeaseKeys(self._link, (name,), LEASE_S)
        try:
            seen = await keys.tokens()
            if _stands(_decoded(seen[name]), now):
                return False
            await keys.take(now, seen)
            await keys.release(now, now)
        except (TargetBusy, Changed):
            return False
        except Unanswered as error:
            self._silent_until = time.monotonic() + QUIET_S
            log.warning("other hosts can't be asked who records that a service fails: %s", error)
        return True

    async def close(self) -> None:
        await self._link.close()


def _stands(last: Execution | None, now: Execution) -> bool:
    """Whether this state is on record. That a service fails is said anew in another incident, but never outside."""
    if last is None:
        return False
    both_fail = last.what.startswith(FAILING) and now.what == f"{FAILING} {OUTSIDE}"
    return last.what == now.what or both_fail


def _decoded(raw: bytes) -> Execution | None:
    try:
        return msgspec.json.decode(raw, type=Execution) if raw else None
    except (ValueError, RecursionError):
        return None
