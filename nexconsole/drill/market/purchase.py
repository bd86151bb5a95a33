"""One purchase, step by step, as NexNum's route does it. (facts 1.4 to 1.6, 3.1, 4)"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..schema import Era
from .breakers import SharedBreaker
from .clock import Clock
from .keyspace import KeysDown, Keyspace
from .ledger import LedgerDown, LockTimeout, Order
from .lines import Lines
from .pods import Pod
from .troubles import Troubles
from .upstream import Engine, Upstream, UpstreamFailed

ATOMIC_LOCK_S = 30
OLD_LOCK_S = 300
ABANDONED_AFTER_TIMEOUT = 0.15  # the share of customers whose request dies with a time-out


@dataclass(frozen=True)
class Wish:
    """What a customer wants to buy, from whom: a purchase is pinned to the offer's provider (contradiction 15).

    `draws` is this customer's own, so that what others do changes nothing for him.
    """

    user_id: str
    upstream: Upstream
    service: str
    service_code: str
    country: str
    country_code: str
    price: Decimal
    draws: random.Random


class _Abandoned(Exception):
    """The request's process died in the middle: nothing is cleaned up."""


def new_id(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


@dataclass
class Checkout:
    """The purchase route. `abandoned` is the usual share whose process dies in the middle; `shared` are the breakers
    in Redis by provider name."""

    clock: Clock
    keys: Keyspace
    engine: Engine
    lines: Lines
    era: Era
    abandoned: float
    troubles: Troubles
    shared: Mapping[str, SharedBreaker]

    async def buy(self, pod: Pod, wish: Wish) -> None:
        """Take the lock, buy, release the lock. Never raises for trouble in a server: it answers 500."""
        try:
            locks, status = await self._lock(wish)
            status = status or await self._bought(pod, wish)
            for lock, token in locks:
                await self.keys.release(lock, token)
        except _Abandoned:
            return
        except (KeysDown, LedgerDown) as error:
            pod.write(self.lines.purchase_error(self.clock.now(), str(error)))
            status = 500
        if status not in (200, 503):  # these two are counted with what else they count
            pod.note_route(status)

    async def _lock(self, wish: Wish) -> tuple[list[tuple[str, str]], int]:
        """The locks taken, key and token, and the status of a refusal (0: none). (facts 4)"""
        taken: list[tuple[str, str]] = []
        if self.era == "head":
            key, token = f"lock:purchase:atomic:{wish.user_id}", new_id(wish.draws)
            if not await self.keys.set(key, token, ex=ATOMIC_LOCK_S, nx=True):
                return taken, 429
            taken.append((key, token))
        if self.era == "old" or self.troubles.takes_old_lock():
            place = f"{wish.user_id}-{wish.service}-{wish.country}".lower()
            key, token = f"lock:number:{place}", str(int(self.clock.now() * 1000))
            if not await self.keys.set(key, token, nx=True):
                return taken, 409
            if self.troubles.leaks():
                raise _Abandoned
            await self.keys.expire(key, OLD_LOCK_S)
            taken.append((key, token))
        return taken, 0

    async def _bought(self, pod: Pod, wish: Wish) -> int:
        """The status of the answer."""
        if await pod.ledger.free_balance(wish.user_id) < wish.price:
            return 400  # leaves no row (facts 1.5)
        order = self._order(wish)
        await pod.ledger.open(order)
        if wish.draws.random() < self.abandoned or self.troubles.kills():
            raise _Abandoned
        held: str | None = None
        try:
            transaction = new_id(wish.draws)
            await pod.ledger.hold(order, transaction)
            held = transaction
            await self._call(pod, wish)
            ids = [new_id(wish.draws) for _ in range(3)]
            await pod.ledger.complete(order, ids[0], ids[1], self._phone(wish), ids[2])
        except (UpstreamFailed, LockTimeout) as error:
            await self._give_up(pod, order, None if held is None else new_id(wish.draws), error)
            return 503
        pod.metrics.count(
            "nexnum_provider_api_calls_total", provider=order.provider, method="getNumber", status="success"
        )
        pod.note_purchases(1, 0)
        return 200

    async def _call(self, pod: Pod, wish: Wish) -> None:
        """Ask the provider for a number, past both breakers."""
        shared = self.shared[wish.upstream.name]
        if not await shared.admits():
            raise UpstreamFailed("No healthy providers available", "UNKNOWN")
        begun = self.clock.now()
        try:
            took = await self.engine.call(pod, wish.upstream, "getNumber", wish.service_code, wish.country_code)
        except UpstreamFailed as failure:
            took = self.clock.now() - begun
            self._observe(pod, wish, took)
            await shared.failed(failure.kind, took)
            if failure.kind == "TIMEOUT" and wish.draws.random() < ABANDONED_AFTER_TIMEOUT:
                raise _Abandoned from failure
            raise
        self._observe(pod, wish, took)
        await shared.succeeded(took)

    def _observe(self, pod: Pod, wish: Wish, took: float) -> None:
        labels = {"stage": "provider_call", "provider": wish.upstream.name, "country": wish.country}
        pod.metrics.observe("nexnum_purchase_duration_seconds", round(took, 4), **labels)

    async def _give_up(self, pod: Pod, order: Order, transaction: str | None, error: Exception) -> None:
        """Mark the activation FAILED, then let go of the money; where the wallet is locked the order stays PENDING."""
        kind = error.kind if isinstance(error, UpstreamFailed) else "UNKNOWN"
        if isinstance(error, UpstreamFailed):
            pod.write(self.lines.purchase_failed(self.clock.now(), order.provider, kind, str(error)))
        else:
            pod.write(self.lines.purchase_error(self.clock.now(), str(error)))
        pod.metrics.count(
            "nexnum_provider_api_calls_total", provider=order.provider, method="getNumber", status="error"
        )
        await pod.ledger.fail(order)
        try:
            await pod.ledger.release(order, transaction)
        except LockTimeout as locked:
            pod.write(self.lines.purchase_error(self.clock.now(), str(locked)))
            pod.note_route(503)
            return
        pod.note_purchases(0, 1)

    def _order(self, wish: Wish) -> Order:
        ids = [new_id(wish.draws) for _ in range(3)]
        where = (wish.user_id, wish.upstream.name, wish.service, wish.country_code, wish.country)
        return Order(ids[0], ids[1], *where, wish.price, ids[2], self.clock.now())

    def _phone(self, wish: Wish) -> str:
        return f"+{wish.country_code}{wish.draws.randrange(10**8, 10**9)}"
