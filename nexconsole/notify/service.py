"""One service that is told: what it wants, its limit, and how a message reaches it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..settings import NotifyService
from .helper import NotifyHelper
from .limits import RateLimit
from .message import Message, rank

PAGERS = frozenset({"pagerduty", "opsgenie"})
TRIES_S: Sequence[float] = (2.0, 10.0)  # the pauses before the second and the third try
_ROUNDS = 50_000


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a message at one service. state: sent, failed, or unknown where no answer came."""

    state: Literal["sent", "failed", "unknown"]
    reason: str = ""


class NotifyTarget:
    """`name` is its name in the settings; it holds no secret. `key` is the same at every console with this address."""

    def __init__(
        self,
        name: str,
        settings: NotifyService,
        helper: NotifyHelper,
        per_minute: int,
        tries_s: Sequence[float] = TRIES_S,
    ) -> None:
        self.name, self.settings = name, settings
        self.limit = RateLimit(per_minute)
        self._helper, self._tries_s = helper, tries_s
        self._key = ""

    @property
    def pager(self) -> bool:
        """Whether its pages can be acknowledged and ended from here."""
        return self.settings.url.partition("://")[0].lower() in PAGERS

    async def key(self) -> str:
        """Made of the address so that nobody can guess it from there: marks of others can be read by the group."""
        if not self._key:
            url = self.settings.url.encode(errors="surrogateescape")
            made = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", url, b"nexconsole notify", _ROUNDS)
            self._key = made.hex()[:32]
        return self._key

    def wants(self, message: Message) -> bool:
        """A pager without `kinds` hears only of what raises or ends a page."""
        if message.loud:
            return True
        if rank(message.level) > rank(self.settings.from_level):
            return False
        if self.settings.kinds:
            return message.kind in self.settings.kinds
        return bool(message.page) or not self.pager

    async def send(self, message: Message, page: str) -> Delivery:
        """Try until it is taken. A try of which nobody knows whether it arrived is repeated once."""
        verb = (message.page or "trigger") if self.pager else "send"
        delivery = Delivery(state="failed")
        doubted = False
        for pause_s in (0.0, *self._tries_s):
            await asyncio.sleep(pause_s)
            delivery = await self.ask(verb, page, message)
            if delivery.state == "sent" or doubted:
                break
            doubted = delivery.state == "unknown"
        if doubted and delivery.state == "failed":
            delivery = replace(delivery, state="unknown")
        return delivery

    async def ask(self, verb: str, page: str = "", message: Message | None = None) -> Delivery:
        """One request to it."""
        answer = await self._helper.ask(
            {
                "verb": verb,
                "url": self.settings.url,
                "api": self.settings.api,
                "page": page,
                "title": message.title if message else "",
                "body": message.body if message else "",
                "urgency": message.urgency if message else "info",
            }
        )
        if answer.get("ok"):
            return Delivery(state="sent")
        reason = str(answer.get("why") or "it was not taken")
        return Delivery(state="unknown" if answer.get("doubt") else "failed", reason=reason)
