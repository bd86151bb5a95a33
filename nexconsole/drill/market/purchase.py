"""One purchase, step by step, as NexNum's route does it. (facts 1.4 to 1.6, 3.1, 4)"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..scenarios import Scenario
from ..schema import Era
from .breakers import SharedBreaker
from .clock import Clock
from .keyspace import KeysDown, Keyspace
from .ledger import LedgerDown, LockTimeout, Order
from .lines import Lines
from .pods import Pod
from .upstream import Engine, Upstream, UpstreamFailed

ATOMIC_LOCK_S = 30
OLD_LOCK_S = 300
ABANDONED_AFTER_TIMEOUT = 0.15  # the share of customers whose request dies with a time-out


@dataclass(frozen=True)
class Wish:
    """What a customer wants to buy, from whom: a purchase is pinned to the offer's provider (contradiction 15)."""

    user_id: str
    upstream: Upstream
    service: str
    service_code: str
    country: str
    country_code: str
    price: Decimal


class _Abandoned(Exception):
    """The request's process died in the middle: nothing is cleaned up."""


def new_id(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


@dataclass
class Checkout:
    """The purchase route. `shared` are the breakers in Redis by provider name; `epoch` is when the drill starts."""

    clock: Clock
    keys: Keyspace
    engine: Engine
    lines: Lines
    era: Era
    scenario: Scenario
    epoch: float
    random: random.Random
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
            key, token = f"lock:purchase:atomic:{wish.user_id}", new_id(self.random)
            if not await self.keys.set(key, token, ex=ATOMIC_LOCK_S, nx=True):
                return taken, 429
            taken.append((key, token))
        if self.era == "old" or self.scenario.leak is not None:
            place = f"{wish.user_id}-{wish.service}-{wish.country}".lower()
            key, token = f"lock:number:{place}", str(int(self.clock.now() * 1000))
            if not await self.keys.set(key, token, nx=True):
                return taken, 409
            if self._leaks():
                raise _Abandoned
            await self.keys.expire(key, OLD_LOCK_S)
            taken.append((key, token))
        return taken, 0

    def _leaks(self) -> bool:
        """Whether the process dies now, between SETNX and EXPIRE."""
        leak = self.scenario.leak
        if leak is None or not leak.begins_s <= self.clock.now() - self.epoch < leak.ends_s:
            return False
        return self.random.random() < leak.share

    def _abandoned(self) -> float:
        """The share of purchases whose process dies in the middle, by now."""
        spell = self.clock.now() - self.epoch < self.scenario.killed_until_s
        return self.scenario.abandoned + (self.scenario.killed if spell else 0.0)

    async def _bought(self, pod: Pod, wish: Wish) -> int:
        """The status of the answer."""
        if await pod.ledger.free_balance(wish.user_id) < wish.price:
            return 400  # leaves no row (facts 1.5)
        order = self._order(wish)
        await pod.ledger.open(order)
        if self.random.random() < self._abandoned():
            raise _Abandoned
        held: str | None = None
        try:
            transaction = new_id(self.random)
            await pod.ledger.hold(order, transaction)
            held = transaction
            await self._call(pod, wish)
            ids = [new_id(self.random) for _ in range(3)]
            await pod.ledger.complete(order, ids[0], ids[1], self._phone(wish), ids[2])
        except (UpstreamFailed, LockTimeout) as error:
            await self._give_up(pod, order, held, error)
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
            if failure.kind == "TIMEOUT" and self.random.random() < ABANDONED_AFTER_TIMEOUT:
                raise _Abandoned from failure
            raise
        self._observe(pod, wish, took)
        await shared.succeeded(took)

    def _observe(self, pod: Pod, wish: Wish, took: float) -> None:
        labels = {"stage": "provider_call", "provider": wish.upstream.name, "country": wish.country}
        pod.metrics.observe("nexnum_purchase_duration_seconds", round(took, 4), **labels)

    async def _give_up(self, pod: Pod, order: Order, held: str | None, error: Exception) -> None:
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
            await pod.ledger.release(order, None if held is None else new_id(self.random))
        except LockTimeout as locked:
            pod.write(self.lines.purchase_error(self.clock.now(), str(locked)))
            pod.note_route(503)
            return
        pod.note_purchases(0, 1)

    def _order(self, wish: Wish) -> Order:
        ids = [new_id(self.random) for _ in range(3)]
        where = (wish.user_id, wish.upstream.name, wish.service, wish.country_code, wish.country)
        return Order(ids[0], ids[1], *where, wish.price, ids[2], self.clock.now())

    def _phone(self, wish: Wish) -> str:
        return f"+{wish.country_code}{self.random.randrange(10**8, 10**9)}"
