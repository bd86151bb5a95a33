"""One purchase, step by step, as NexNum's route does it.

(nexnum.md#purchase-rows, #breakers, #locks, #best-route, #slots)
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..schema import Era
from .accounts import Accounts
from .active_faults import ActiveFaults
from .breakers import SharedBreaker
from .clock import Clock
from .keyspace import DrillKeyspace, KeysDown
from .ledger import LedgerDown, LockTimeout
from .lines import LogLines
from .orders import Order, Sold, Wish
from .pods import NexNumPod
from .purchase_lines import PurchaseLines
from .upstream import UPSTREAMS, Engine, Upstream, UpstreamFailed, unread

ATOMIC_LOCK_S = 30
OLD_LOCK_S = 300
ABANDONED_AFTER_TIMEOUT = 0.15  # the share of customers whose request dies with a time-out
FIRST_ID, LAST_ID = 1000, 10**7  # upstreams' own ids of numbers


class _Abandoned(Exception):
    """The request's process died in the middle: nothing is cleaned up."""


class _Refused(Exception):
    """The customer gets an answer that leaves no row. (nexnum.md#refused)"""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def new_id(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


@dataclass
class Checkout:
    """The purchase route. `abandoned` is the usual share whose process dies in the middle; `shared` are the breakers
    in Redis by provider name; `withdrawn` are those whose offers are not in the index."""

    clock: Clock
    keys: DrillKeyspace
    engine: Engine
    lines: LogLines
    era: Era
    abandoned: float
    troubles: ActiveFaults
    shared: Mapping[str, SharedBreaker]
    accounts: Accounts
    withdrawn: Collection[str]

    async def buy(self, pod: NexNumPod, wish: Wish) -> None:
        """Find the offer, take the lock, buy, release the lock. Never raises for trouble in a server: it says 500."""
        lines = PurchaseLines(self.lines, self.clock.now, pod.write, wish)
        lines.asked()
        locks: list[tuple[str, str]] = []
        sold: Sold | None = None
        try:
            await self._admit(pod, wish, lines, locks)
            sold = await self._bought(pod, wish, lines)
            status = 503 if sold is None else 200
        except _Abandoned:
            return
        except _Refused as refusal:
            status = refusal.status
        except (KeysDown, LedgerDown) as error:
            lines.crashed(str(error))
            status = 500
        try:
            for lock, token in locks:
                await self.keys.release(lock, token)
        except KeysDown as error:
            lines.crashed(str(error))
            status = 500
        lines.answered(status, sold)
        if status not in (200, 503):  # these two are counted with what else they count
            pod.note_route(status)

    async def _admit(self, pod: NexNumPod, wish: Wish, lines: PurchaseLines, locks: list[tuple[str, str]]) -> None:
        """All that can refuse a purchase before it has a row; the locks taken, key and token, go into `locks`."""
        if self.era == "old":
            await self._lock(pod, wish, lines, locks)
        if pod.lacks() == "search" or not self._indexed(wish):
            lines.no_offer(inactive=False)
            raise _Refused(404)
        if self.era == "head" and not wish.by_ids and not (await pod.ledger.active_providers()).get(wish.upstream.name):
            lines.no_offer(inactive=True)  # at once, and for as long as its offer is in the index (nexnum.md#disabling)
            raise _Refused(404)
        lines.resolved()
        balance = await pod.ledger.free_balance(wish.user_id)
        lines.eligible(balance)
        if balance < wish.price:
            raise _Refused(402 if self.era == "old" else 400)
        if self.era == "head":
            await self._lock(pod, wish, lines, locks)

    def _indexed(self, wish: Wish) -> bool:
        return not self.troubles.server_down("search") and wish.upstream.name not in self.withdrawn

    async def _lock(self, pod: NexNumPod, wish: Wish, lines: PurchaseLines, taken: list[tuple[str, str]]) -> None:
        """Raises _Refused where another purchase holds one. (nexnum.md#locks)"""
        if pod.lacks() == "redis":
            raise KeysDown("WRONGPASS invalid username-password pair or user is disabled.")
        if self.era == "head":
            key, token = f"lock:purchase:atomic:{wish.user_id}", new_id(wish.draws)
            if not await self.keys.set(key, token, ex=ATOMIC_LOCK_S, nx=True):
                lines.lock_held()
                raise _Refused(429)
            taken.append((key, token))
        if self.era == "old" or self.troubles.takes_old_lock():
            place = f"{wish.user_id}-{wish.service}-{wish.country}".lower()
            key, token = f"lock:number:{place}", str(int(self.clock.now() * 1000))
            if not await self.keys.set(key, token, nx=True):
                lines.lock_held()
                raise _Refused(409)
            if self.troubles.leaks():
                raise _Abandoned
            await self.keys.expire(key, OLD_LOCK_S)
            taken.append((key, token))
        if self.era == "head":
            lines.locked(taken[0][1])

    async def _bought(self, pod: NexNumPod, wish: Wish, lines: PurchaseLines) -> Sold | None:
        """What was sold; None where the customer is told 503."""
        order = self._order(wish)
        await pod.ledger.open(order)
        if wish.draws.random() < self.abandoned or self.troubles.kills():
            raise _Abandoned
        held: str | None = None
        try:
            transaction = new_id(wish.draws)
            await pod.ledger.hold(order, transaction)
            held = transaction
            lines.reserved(order)
            lines.calling()
            seller = await self._call(pod, wish, lines)
            sold = Sold(seller, wish.draws.randrange(FIRST_ID, LAST_ID), new_id(wish.draws), self._phone(wish))
            lines.got(sold)
            await pod.ledger.complete(order, new_id(wish.draws), sold, new_id(wish.draws))
        except (UpstreamFailed, LockTimeout) as error:
            await self._give_up(pod, order, None if held is None else new_id(wish.draws), error, lines)
            return None
        lines.complete(sold)
        self.accounts.pay(seller.name, wish.price)
        label = seller.display if wish.best_route else seller.name  # nexnum.md#metrics-head
        pod.metrics.count("nexnum_provider_api_calls_total", provider=label, method="getNumber", status="success")
        pod.note_purchases(1, 0)
        return sold

    async def _call(self, pod: NexNumPod, wish: Wish, lines: PurchaseLines) -> Upstream:
        """Ask the providers that may be asked for a number, one after the other: who sold it. Raises UpstreamFailed."""
        checked: list[tuple[str, str]] = []
        failure = UpstreamFailed(f"Provider '{wish.upstream.name}' is not active or healthy", "UNKNOWN")
        for upstream in UPSTREAMS if wish.best_route else (wish.upstream,):
            if not await pod.offers(upstream.name) or not await self.shared[upstream.name].admits():
                continue
            lines.trying(upstream.name)
            try:
                await self._ask(pod, wish, upstream, lines)
                return upstream
            except UpstreamFailed as error:
                failure = error
                checked.append((upstream.name, error.kind))
                lines.failed_at(upstream.name, error.kind, str(error))
        lines.given_up(tuple(checked), str(failure))
        raise failure

    async def _ask(self, pod: NexNumPod, wish: Wish, upstream: Upstream, lines: PurchaseLines) -> None:
        """One provider, past its queue and the pod's breaker."""
        shared, begun = self.shared[upstream.name], self.clock.now()
        try:
            codes = ("getNumber", wish.service_code, wish.country_code)
            await self.engine.call(pod, upstream, *codes, lines.lines)
            release = self.troubles.release(pod.image)
            if release is not None and wish.draws.random() < release.misasks:
                raise unread("BAD_SERVICE")
            if not self.accounts.affords(upstream.name, wish.price):
                raise unread("NO_BALANCE")
        except UpstreamFailed as failure:
            took = self.clock.now() - begun
            self._observe(pod, wish, upstream, took)
            await shared.failed(failure.kind, took)
            if failure.kind == "TIMEOUT" and wish.draws.random() < ABANDONED_AFTER_TIMEOUT:
                raise _Abandoned from failure
            raise
        self._observe(pod, wish, upstream, self.clock.now() - begun)
        await shared.succeeded(self.clock.now() - begun)

    def _observe(self, pod: NexNumPod, wish: Wish, upstream: Upstream, took: float) -> None:
        pod.metrics.observe(
            "nexnum_purchase_duration_seconds",
            round(took, 4),
            stage="provider_call",
            provider=upstream.name,
            country=wish.country,
        )

    async def _give_up(
        self, pod: NexNumPod, order: Order, transaction: str | None, error: Exception, lines: PurchaseLines
    ) -> None:
        """Mark the activation FAILED, then let go of the money; where the wallet is locked the order stays PENDING."""
        if not isinstance(error, UpstreamFailed):
            lines.crashed(str(error))
        pod.metrics.count(
            "nexnum_provider_api_calls_total", provider=order.provider, method="getNumber", status="error"
        )
        await pod.ledger.fail(order)
        try:
            await pod.ledger.release(order, transaction)
        except LockTimeout as locked:
            lines.crashed(str(locked))
            pod.note_route(503)
            return
        pod.note_purchases(0, 1)

    def _order(self, wish: Wish) -> Order:
        ids = [new_id(wish.draws) for _ in range(3)]
        where = (wish.user_id, wish.upstream.name, wish.service, wish.country_code, wish.country)
        return Order(ids[0], ids[1], *where, wish.price, ids[2], self.clock.now(), wish.best_route)

    def _phone(self, wish: Wish) -> str:
        return f"+{wish.country_code}{wish.draws.randrange(10**8, 10**9)}"
