"""All leases: no two consoles execute on one target, and none on a target changed since its preview.

First between consoles of one folder, by locks that die with their process. Then, where the settings name a Redis,
between hosts, by keys that expire. Where neither can be asked, nobody is stopped, and a warning says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ..actions.plan import Plan
from ..errors import JournalError
from ..journal import Writer, journal_folder
from ..model import utc_now
from ..settings import Settings
from ..storage.plain_files import reason
from ..text.sanitize import clean
from ..text.units import clock
from .lease import TargetLease
from .lease_files import Changed, Execution, Reserved, TargetBusy, new_token, prune, tokens
from .lease_keys import LeaseKeys, Unanswered
from .redis_link import RedisLink

log = logging.getLogger(__name__)

QUIET_S = 10.0  # a Redis that did not answer is not asked again for so long
SHORTEST_S = 0.3  # a lease lasts at least so long, whatever the settings say
MANY = 20  # a plan with more targets is reserved as a whole
FOLDER = ".leases"
KEEPS_NOBODY = "nobody else is kept from executing on the same"


@dataclass(frozen=True, kw_only=True)
class SeenTokens:
    """The tokens of the last executions in the folder and in Redis; None where they could not be read."""

    here: Mapping[str, str] | None
    there: Mapping[str, bytes] | None


class LeaseService:
    """This console's leases, for `actions.perform`. Nothing is opened before the first is asked for."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings, self._clock = settings, clock
        self._lease_s = max(SHORTEST_S, settings.warroom.lease_s)
        self._folder = journal_folder(settings) / FOLDER
        self._link = RedisLink(settings)
        self._silent_until = 0.0
        self._pruned = False

    async def seen(self, plan: Plan) -> SeenTokens:
        names = names_of(plan)
        here = there = None
        try:
            here = await asyncio.to_thread(tokens, self._folder, names)
        except (OSError, JournalError) as error:
            log.warning("%s: what was executed can't be read: %s", self._folder, error)
        if self._link.configured and time.monotonic() >= self._silent_until:
            try:
                there = await self._keys(names).tokens()
            except Unanswered as error:
                self._unanswered(error)
        return SeenTokens(here=here, there=there)

    async def take(self, plan: Plan, seen: object) -> TargetLease:
        assert isinstance(seen, SeenTokens)
        at = f"{clock(self._clock())}Z"
        execution = Execution(token=new_token(), who=self._who(), what=_what(plan), at=at)
        lease = TargetLease(execution, self._lease_s)
        names = names_of(plan)
        try:
            await self._take_here(lease, names, seen)
            if self._link.configured:
                await self._take_there(lease, names, seen)
            await lease.begin()
        except (TargetBusy, Changed) as refusal:
            lease.refuse(refusal)
            await lease.leave()
        except BaseException:
            await lease.leave()
            raise
        return lease

    async def _take_here(self, lease: TargetLease, names: tuple[str, ...], seen: SeenTokens) -> None:
        if not self._pruned:
            self._pruned = True
            with contextlib.suppress(OSError):
                await asyncio.to_thread(prune, self._folder)
        if seen.here is None:
            lease.doubt = f"{KEEPS_NOBODY}: {self._folder} can't be read"
            return
        reserved = Reserved()
        taking = asyncio.ensure_future(asyncio.to_thread(reserved.take, self._folder, names, seen.here, self._lease_s))
        try:
            await asyncio.shield(taking)
            lease.reserved = reserved
        except asyncio.CancelledError:  # the thread goes on, and what it gets must not stand until the process ends
            taking.add_done_callback(lambda done: reserved.free() if done.exception() is None else None)
            raise
        except (OSError, JournalError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            lease.doubt = f"{KEEPS_NOBODY}: {self._folder}: {why}"

    async def _take_there(self, lease: TargetLease, names: tuple[str, ...], seen: SeenTokens) -> None:
        keys = self._keys(names)
        try:
            if seen.there is None:
                if time.monotonic() < self._silent_until:
                    raise Unanswered("its Redis did not answer a moment ago")
                await keys.tokens()
                raise Changed(None)  # it answers now: what was done elsewhere since the preview is not known
            await keys.take(lease.execution, seen.there)
            lease.keys = keys
        except Unanswered as error:
            self._unanswered(error)
            only = f"only the consoles of this folder are kept from executing on the same: {error}"
            lease.doubt = f"{KEEPS_NOBODY}: {error}" if lease.doubt else only

    def _keys(self, names: tuple[str, ...]) -> LeaseKeys:
        return LeaseKeys(self._link, names, self._lease_s)

    def _unanswered(self, error: Unanswered) -> None:
        self._silent_until = time.monotonic() + QUIET_S
        log.warning("other hosts can't be asked what they execute: %s", error)

    def _who(self) -> str:
        who = str(Writer.here(self._settings.operator))
        return clean(who if "@" in who else f"{who}@{socket.gethostname()}", 100)

    async def close(self) -> None:
        await self._link.close()


def names_of(plan: Plan) -> tuple[str, ...]:
    """What is reserved for a plan, as names for files and keys: each of its targets, or many of them as one."""
    chosen = {f"{target.kind}:{target.id}" for target in plan.chosen}
    if not 0 < len(chosen) <= MANY:
        chosen = {msgspec.json.encode([plan.action, sorted(plan.arguments.items())]).decode()}
    return tuple(sorted(hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32] for text in chosen))


def _what(plan: Plan) -> str:
    return clean(" ".join((plan.action, *plan.arguments.values())), 200)
