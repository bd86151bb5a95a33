"""NexNum's background work: the outbox's consumers in the pods, the reconciler, top-ups.

(nexnum.md#outbox, #stuck-rows, #reconcile)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..faults import generator
from ..schema import Era
from ..staged_causes import StagedRelease
from .accounts import Accounts
from .active_faults import ActiveFaults
from .clock import Clock, Work
from .ledger import BATCH, Hold, Ledger, LedgerDown, LedgerEvent, LockTimeout
from .lines import LogLines
from .pods import NexNumPod
from .purchase import new_id
from .slots import POLL_EVERY_S, REAL_SPACING_S, SlotQueues
from .upstream import UPSTREAMS, Engine, UpstreamFailed

OUTBOX_EVERY_S = 5.0
RECONCILE_EVERY_S = 60.0
SYNC_EVERY_S = 60.0
BALANCES_EVERY_S = 30.0
SEARCH_TIMEOUT_S = 20.0  # what a batch of the outbox waits for an index that does not answer
REFRESH_EVERY_S = 4.0
# Rarer events, one each in so many seconds. They are as readable as any other.
RARER = (("offer.restocked", 30.0), ("activation.provider_request", 20.0))
TOP_UP_EVERY_S = 9.0
STUCK_AFTER_S = {"head": 600.0, "old": 300.0}
ROUTE_STUCK_AFTER_S = 300.0
_BY_NAME = {upstream.name: upstream for upstream in UPSTREAMS}


@dataclass
class WorkerTally:
    """One section of a reconcile's answer."""

    processed: int = 0
    succeeded: int = 0
    failed: int = 0

    def as_dict(self) -> dict[str, int]:
        return {"processed": self.processed, "succeeded": self.succeeded, "failed": self.failed}


@dataclass
class Worker:
    """Loops that run beside the pods. `say` writes a line where the worker's lines appear (an app pod's log).

    `taker` gives the pod that takes the next batch of the outbox, None where none is ready: what becomes of an event
    is the doing of the release that this pod runs.
    """

    clock: Clock
    ledger: Ledger
    process: NexNumPod  # its own breakers and a log that nobody sees
    engine: Engine
    lines: LogLines
    era: Era
    troubles: ActiveFaults
    seed: int
    users: list[str]
    say: Callable[[str], None]
    taker: Callable[[], NexNumPod | None]
    withdrawn: set[str]  # providers whose offers are not in the index
    accounts: Accounts
    slots: SlotQueues | None

    def loops(self) -> tuple[Work, ...]:
        """What runs for as long as the worker does."""
        rarer = (self._every(seconds, kind) for kind, seconds in RARER)
        more = (self._top_up(), self._sync(), self._balances(), self._poll(), self._poison())
        return (self._outbox(), self._reconcile(), self._refresh(), *rarer, *more)

    async def _outbox(self) -> None:
        while True:
            await self.troubles.drill_clock.sleep(OUTBOX_EVERY_S)
            if not self.troubles.stopped("outbox"):
                try:
                    await self.drain()
                except LedgerDown as error:
                    self.say(self.lines.outbox_failed(self.clock.now(), "batch", str(error)))

    async def drain(self, batch: int = BATCH, kind: str = "") -> tuple[int, int]:
        """One batch of the outbox, by one pod: how many were published and how many failed. `kind`: the beginning of
        the types of events that it takes."""
        published, failed, budget = 0, 0, 4.0
        pod = self.taker()
        if pod is None:
            return published, failed
        bad = self.troubles.release(pod.image)
        events = [event for event in await self.ledger.pending_events() if event.event_type.startswith(kind)]
        for event in events[:batch]:
            if event.event_type.startswith("offer.") and self.troubles.server_down("search"):
                await self._search_failed(event, pod)
                return published, failed + 1
            if bad is not None:
                await self.clock.sleep(bad.slow_s)
                budget -= bad.slow_s
            if budget < 0 or not pod.running:
                break
            if await self._consume(event, pod, bad):
                published += 1
            else:
                failed += 1
        return published, failed

    async def _search_failed(self, event: LedgerEvent, pod: NexNumPod) -> None:
        """The index does not answer: the first event of the batch fails for good, the rest waits. (nexnum.md#outbox)"""
        await self.clock.sleep(SEARCH_TIMEOUT_S)
        error = "Request to http://meilisearch:7700/indexes/offers/documents has failed"
        await self.ledger.fail_event(event.id, error)
        pod.write(self.lines.outbox_failed(self.clock.now(), event.id, error))

    async def _consume(self, event: LedgerEvent, pod: NexNumPod, bad: StagedRelease | None) -> bool:
        """Publish one event, or fail it for good on its first error."""
        try:
            provider = event.payload.get("provider") if isinstance(event.payload, dict) else None
            if not isinstance(provider, str) or provider not in _BY_NAME:
                raise ValueError("Invalid payload: provider: Required")
            if bad is not None and event.event_type in bad.refuses:
                raise ValueError(f"Unsupported event {event.event_type}: expected version 2, received version 1")
        except ValueError as error:
            await self.ledger.fail_event(event.id, str(error))
            pod.write(self.lines.outbox_failed(self.clock.now(), event.id, str(error)))
            return False
        if event.payload.get("refresh"):
            await self._stock(provider)
        # re-queued by the activation consumer, then published unprocessed by the generic one (nexnum.md#outbox)
        requeued = bad is not None and event.event_type in bad.drops
        await self.ledger.publish([event.id], "Provider request failed: Breaker is open" if requeued else None)
        return True

    async def _stock(self, provider: str) -> None:
        """Ask for its stock; where that fails, the index keeps what it had: the event is none the worse.

        (nexnum.md#outbox)
        """
        for attempt in (1, 2, 3):
            try:
                await self.engine.call(self.process, _BY_NAME[provider], "getNumbersStatus", "any", "0")
                return
            except UpstreamFailed as failure:
                if attempt == 3 or failure.kind == "TIMEOUT" or self.process.breaker(provider).state == "open":
                    return

    async def _refresh(self) -> None:
        """Price refreshes: each asks for a provider's stock when it is consumed."""
        draws = generator(self.seed, "refresh")
        while True:
            await self.troubles.drill_clock.sleep(draws.expovariate(1 / REFRESH_EVERY_S))
            await self._add("offer.updated", {"provider": draws.choice(UPSTREAMS).name, "refresh": True}, draws)

    async def _every(self, seconds: float, kind: str) -> None:
        draws = generator(self.seed, kind)
        while True:
            await self.troubles.drill_clock.sleep(seconds)
            await self._add(kind, {"version": 1, "provider": draws.choice(UPSTREAMS).name}, draws)

    async def _poison(self) -> None:
        """What else writes into the outbox, and writes what nobody can process."""
        draws, due = generator(self.seed, "poison"), float("-inf")
        while True:
            await self.troubles.drill_clock.sleep(1.0)
            for cause in self.troubles.poison():
                if (now_s := self.troubles.drill_clock.now()) >= due:
                    due = now_s + cause.every_s * draws.uniform(0.7, 1.3)
                    await self._add(cause.event_type, {"version": 2, "source": "import"}, draws)

    async def _add(self, kind: str, payload: dict[str, Any], draws: random.Random) -> None:
        try:
            await self.ledger.add_event(new_id(draws), kind, payload)
        except LedgerDown as error:
            self.process.write(str(error))

    async def _top_up(self) -> None:
        draws = generator(self.seed, "top-ups")
        while True:
            await self.troubles.drill_clock.sleep(draws.expovariate(1 / TOP_UP_EVERY_S))
            user, amount = draws.choice(self.users), Decimal(draws.choice((10, 20, 50)))
            try:
                await self.ledger.top_up(user, amount, new_id(draws))
            except LedgerDown as error:
                self.process.write(str(error))

    async def _sync(self) -> None:
        """The provider sync: offers of a provider that is active again come back to the index."""
        while True:
            await self.troubles.drill_clock.sleep(SYNC_EVERY_S)
            try:
                active = await self.ledger.active_providers()
            except LedgerDown as error:
                self.process.write(str(error))
                continue
            self.withdrawn.difference_update(name for name, is_active in active.items() if is_active)

    async def _balances(self) -> None:
        """What the providers say of our accounts, copied into their rows."""
        while True:
            await self.troubles.drill_clock.sleep(BALANCES_EVERY_S)
            try:
                await self.ledger.sync_balances(self.accounts.balances())
            except LedgerDown as error:
                self.process.write(str(error))

    async def _poll(self) -> None:
        """The state of each live number, asked of its provider. Who waits too long for a slot gives up, and its slot
        is lost. What the providers' answers are is of no interest here. (nexnum.md#slots)"""
        while self.slots is not None:
            for provider, numbers in self.troubles.polls().items():
                await self.slots.take(provider, numbers * REAL_SPACING_S)
                text = f"[ActivePoller] Tick: {numbers} polled, 0 SMS in {int(POLL_EVERY_S * 1000)}ms"
                meta = {"context": "ACTIVE_POLLER", "duration": int(POLL_EVERY_S * 1000), "polled": numbers, "sms": 0}
                self.process.write(self.lines.json(self.clock.now(), "info", text, **meta))
            await self.troubles.drill_clock.sleep(POLL_EVERY_S)

    async def _reconcile(self) -> None:
        while True:
            await self.troubles.drill_clock.sleep(RECONCILE_EVERY_S)
            if not self.troubles.stopped("reconciler"):
                try:
                    await self.reconcile(STUCK_AFTER_S[self.era])
                except LedgerDown as error:
                    self.process.write(str(error))

    async def reconcile(self, stuck_after_s: float) -> dict[str, WorkerTally]:
        """Free expired orders and stuck activations, at most 100 of each. Raises LedgerDown."""
        orders, activations = WorkerTally(), WorkerTally()
        for hold in await self.ledger.expired_orders():
            orders.processed += 1
            try:
                await self.ledger.free_order(hold)
            except LockTimeout:
                orders.failed += 1
                self.say(self.lines.order_failed(self.clock.now(), hold.row_id))
                continue
            orders.succeeded += 1
            self.say(self.lines.order_expired(self.clock.now(), hold.row_id))
        for hold in await self.ledger.stuck_activations(stuck_after_s):
            await self._free_activation(hold, activations)
        return {"purchaseOrders": orders, "activations": activations}

    async def _free_activation(self, hold: Hold, tally: WorkerTally) -> None:
        tally.processed += 1
        try:
            await self.ledger.free_activation(hold)
        except LockTimeout:
            tally.failed += 1
            return
        tally.succeeded += 1
        self.say(self.lines.activation_stuck(self.clock.now(), hold.row_id))
