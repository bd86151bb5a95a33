"""One lease: a plan's targets, reserved for this console until it is left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Self

import msgspec

from ..errors import JournalError
from ..text.sanitize import clean
from .lease_files import Changed, Execution, Reserved, TargetBusy, new_token
from .lease_keys import LeaseKeys, Unanswered

log = logging.getLogger(__name__)

RENEW_S = 2.0  # or a third of how long it lasts
AGAIN = "confirm it as it is now"


class TargetLease:
    """What `Leases.take` gives (see actions.lease). `execution` is what others see of it."""

    def __init__(self, execution: Execution, lasts_s: float) -> None:
        self.held = self.changed = self.doubt = ""
        self.execution = execution
        self.reserved: Reserved | None = None  # the files that are had
        self.keys: LeaseKeys | None = None  # and the keys
        self._every_s = min(RENEW_S, lasts_s / 3)
        self._renewed_at = time.monotonic()
        self._taken_by: Execution | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._sent = False

    def refuse(self, refusal: TargetBusy | Changed) -> None:
        if isinstance(refusal, TargetBusy):
            self.held = _held(refusal.by)
        else:
            self.changed = _changed(refusal.by)

    async def begin(self) -> None:
        """The lease is complete; renew it from now on."""
        self._renewing = asyncio.create_task(self._renew())
        if self.reserved is not None:
            try:
                await asyncio.to_thread(self.reserved.begin, self.execution)
            except OSError as error:  # it is locked all the same
                log.warning("what is executed can't be written to the lease: %s", error)

    async def lost(self) -> str:
        if self._taken_by is None and time.monotonic() - self._renewed_at > RENEW_S:
            await self._renew_once()
        if self._taken_by is None:
            return ""
        other = self._taken_by
        begun = f"{clean(other.who, 100)} began {clean(other.what, 200)}"
        return f"this console hung for so long that {begun}: nothing was sent"

    def sending(self) -> None:
        self._sent = True

    async def _renew(self) -> None:
        while self._taken_by is None:
            await asyncio.sleep(self._every_s)
            await self._renew_once()

    async def _renew_once(self) -> None:
        try:
            if self.reserved is not None:
                self._taken_by = await asyncio.to_thread(self.reserved.renew)
            if self.keys is not None and self._taken_by is None:
                self._taken_by = await self.keys.renew(self.execution)
            self._renewed_at = time.monotonic()
        except (Unanswered, OSError, JournalError) as error:
            log.warning("a lease could not be renewed: %s", error)

    async def leave(self) -> None:
        """Release the targets, and record what was executed on them."""
        if self._renewing is not None:
            self._renewing.cancel()
        ended = msgspec.structs.replace(self.execution, token=new_token(), ended=True) if self._sent else None
        if self.reserved is not None:
            reserved, self.reserved = self.reserved, None
            try:
                await asyncio.shield(asyncio.to_thread(reserved.end, ended))
            except OSError as error:
                log.warning("what was executed can't be written to the lease: %s", error)
        if self.keys is not None:
            keys, self.keys = self.keys, None
            with contextlib.suppress(Unanswered):  # it expires
                await keys.release(self.execution, ended)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.leave()


def _held(by: Execution | None) -> str:
    if by is None:
        return "another console is about to execute on the same: nothing was sent, try again"
    return f"{clean(by.who, 100)} is at {clean(by.what, 200)} since {clean(by.at, 20)}: nothing was sent"


def _changed(by: Execution | None) -> str:
    if by is None:
        return f"whether another console has executed on the same since the preview is not known: {AGAIN}"
    who, what, at = clean(by.who, 100), clean(by.what, 200), clean(by.at, 20)
    if by.ended:
        return f"{who} has executed {what} since the preview (begun at {at}): {AGAIN}"
    return (
        f"{who}'s console was not heard of again after it began {what} at {at}: look whether it happened, then {AGAIN}"
    )
