"""Purchases from the pods' logs: sold, refused, failed, in flight.

Newer logs have an id per purchase. The oldest have none: there the order of lines and their providers tell how many of
each provider's ended, but not which. Times are the kubelet's. (nexnum.md#purchase-lines)
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from . import funnel_lines as lines
from .funnel_lines import FunnelStep
from .purchase_tally import (
    ATTEMPTED,
    BOUGHT,
    CALLED,
    FAILED,
    LONGEST_S,
    LOST,
    OFFERED,
    PROVIDERS,
    REFUSED,
    REMEMBERED,
    RESERVED,
    SOLD,
    PodPurchases,
    Purchase,
    PurchaseTally,
    bound,
)

WITHIN_S = 2.0  # the router's word on a failure and the failure are as near as this
OBJECT_LINES = 12
STAGES = {
    lines.INIT: ATTEMPTED,
    lines.OFFER: OFFERED,
    lines.ELIGIBLE: OFFERED,
    lines.LOCKED: OFFERED,
    lines.RESERVED: RESERVED,
    lines.CALLED: CALLED,
    lines.BOUGHT: BOUGHT,
    lines.SOLD: BOUGHT,
}
_ID = re.compile(r"purchase_(\d{10})(\d{3})_")


class Purchases(PurchaseTally):
    """The fold over all pods' logs."""

    def __init__(self) -> None:
        super().__init__()
        self._why: dict[str, str] = {}

    def fold(self, pod: PodPurchases, at: float, step: FunnelStep) -> None:
        """Take one step of a pod's in."""
        if step.kind == lines.WHY:
            self._explain(pod, at, step)
        elif not step.old:
            self._by_id(pod, at, step)
        elif pod.last != (at, step):
            pod.last = (at, step)
            self._by_sequence(pod, at, step)

    def go_on(self, pod: PodPurchases, line: bytes) -> None:
        """Take in a line that comes while an object is being read."""
        if line[:1] == b"}":
            self._close_object(pod)
        elif line[:1] == b" ":
            pod.provider = lines.provider_in(line, pod.reading) or pod.provider
            pod.lines_left -= 1
            if not pod.lines_left:
                pod.reading = ""

    def restart(self, pod: PodPurchases, before: float) -> None:
        """The container is a new one: what was under way in the old one is lost."""
        for purchase in [
            purchase for purchase in self.open.values() if purchase.pod is pod and purchase.began < before
        ]:
            self._end(purchase, before, LOST, "")
        pod.reading = ""

    def forget(self, pod: PodPurchases) -> None:
        """Lines may be missing: nobody knows what became of those under way."""
        for purchase in [purchase for purchase in self.open.values() if purchase.pod is pod]:
            self._minute(purchase.began).attempts -= 1
            self._remove(purchase)
            self._remembered.pop(purchase.key, None)  # should its end come after all, it counts
        pod.reading = ""

    # --- logs with ids ----------------------------------------------------------------------------------------

    def _by_id(self, pod: PodPurchases, at: float, step: FunnelStep) -> None:
        purchase = self.open.get(step.id)
        if purchase is None:
            if step.id in self._remembered:
                return
            if step.kind == lines.REPLAY:
                self._remember(step.id)
                return
            began = at if step.kind == lines.INIT else _began(step.id, at)
            purchase = self._begin(step.id, pod, began, step.provider, step.user)
        stage = STAGES.get(step.kind, purchase.stage)
        if step.provider and (purchase.stage < BOUGHT or not purchase.provider):
            # the seller, once it is known, whatever is said after (nexnum.md#best-route)
            seller = self._known(step.provider)
            purchase.passed_on |= bool(purchase.provider) and seller != purchase.provider
            purchase.provider = seller
        purchase.stage = max(purchase.stage, stage)
        if step.kind == lines.SOLD:
            self._end(purchase, at, SOLD, "")
        elif step.kind == lines.FAILED:
            self._end(purchase, at, FAILED, self._reason(pod, at, step, purchase.provider))
        elif step.kind == lines.REFUSED:
            self._end(purchase, at, REFUSED, step.reason)
        elif step.kind == lines.CRASHED:
            self._crash(purchase, at, step.reason)
        elif step.kind == lines.REPLAY:
            self._minute(purchase.began).attempts -= 1
            self._remove(purchase)

    def _crash(self, purchase: Purchase, at: float, reason: str) -> None:
        if reason == "funds" and purchase.stage < RESERVED:
            self._end(purchase, at, REFUSED, "funds")
        else:
            self._end(purchase, at, FAILED, reason if reason in lines.OWN_SERVERS else "crash")

    def _explain(self, pod: PodPurchases, at: float, step: FunnelStep) -> None:
        """Keep why a call failed, until the purchase's own line comes. Old request ids tie nothing together."""
        bound(pod.why, PROVIDERS)
        pod.why[step.provider] = (at, step.reason)
        if step.request:
            bound(self._why, REMEMBERED // 4)
            self._why[step.request] = step.reason

    def _reason(self, pod: PodPurchases, at: float, step: FunnelStep, provider: str) -> str:
        """Customers are told one sentence, whatever it was; the router said why."""
        if step.request:
            return self._why.pop(step.request, "") or step.reason
        said_at, why = pod.why.get(provider, (0.0, ""))
        return why if why and step.reason == "other" and abs(at - said_at) <= WITHIN_S else step.reason

    # --- logs without ids -------------------------------------------------------------------------------------

    def _by_sequence(self, pod: PodPurchases, at: float, step: FunnelStep) -> None:
        match step.kind:
            case lines.OPENED:
                pod.reading, pod.provider, pod.opened_at, pod.lines_left = step.reason, "", at, OBJECT_LINES
            case lines.INIT:
                self._number += 1
                self._queue(self._begin(f"#{self._number}", pod, at, step.provider, ""))
            case lines.OFFER:
                self._offer(pod, step.provider)
            case lines.REFUSED:
                if purchase := _first(pod, step.provider, (ATTEMPTED,)) or _first(pod, "", (ATTEMPTED,)):
                    self._end(purchase, at, REFUSED, step.reason)
            case lines.RESERVED:
                if self._new(f"order {step.id}") and (purchase := _oldest(pod, OFFERED)):
                    purchase.stage = RESERVED
            case lines.CALLED:
                if purchase := _first(pod, step.provider, (RESERVED,)):
                    purchase.stage = CALLED
            case lines.SELLER:
                bound(pod.sellers, REMEMBERED // 4)
                pod.sellers[step.id] = step.provider
            case lines.SOLD:
                if self._new(f"number {step.id}"):
                    self._sell(pod, at, pod.sellers.pop(step.id, ""))
            case lines.FAILED:
                stages = (RESERVED, CALLED) if step.reason == "not active" else (CALLED, RESERVED)
                purchase = _first(pod, step.provider, stages) or self._unseen(pod, at, step.provider)
                self._end(purchase, at, FAILED, self._reason(pod, at, step, step.provider))
            case lines.CRASHED:
                if purchase := _oldest(pod, OFFERED) or _oldest(pod, CALLED) or _oldest(pod, RESERVED):
                    self._crash(purchase, at, step.reason)

    def _close_object(self, pod: PodPurchases) -> None:
        step, at = lines.told(pod.reading, pod.provider), pod.opened_at
        pod.reading = ""
        if step is not None:
            self._by_sequence(pod, at, step)

    def _offer(self, pod: PodPurchases, provider: str) -> None:
        """The offer's provider; who asked for none is moved to it."""
        purchase = _first(pod, provider, (ATTEMPTED,))
        if purchase is None and (purchase := _first(pod, "", (ATTEMPTED,))):
            pod.waiting[""].remove(purchase)
            purchase.provider = self._known(provider)
            self._queue(purchase)
        if purchase is not None:
            purchase.stage = OFFERED

    def _sell(self, pod: PodPurchases, at: float, provider: str) -> None:
        purchase = _first(pod, provider, (CALLED, RESERVED, OFFERED)) if provider else _oldest(pod, CALLED)
        purchase = purchase or self._unseen(pod, at, provider)
        purchase.stage = BOUGHT
        self._end(purchase, at, SOLD, "")

    def _unseen(self, pod: PodPurchases, at: float, provider: str) -> Purchase:
        """One whose beginning was not read."""
        self._number += 1
        purchase = self._begin(f"#{self._number}", pod, at, provider, "")
        purchase.stage = CALLED
        self._queue(purchase)
        return purchase

    def _queue(self, purchase: Purchase) -> None:
        purchase.pod.waiting.setdefault(purchase.provider, deque()).append(purchase)


def _began(key: str, at: float) -> float:
    """When a purchase began whose first line was not read: its id holds the moment, where that can be true."""
    found = _ID.match(key)
    began = int(found[1]) + int(found[2]) / 1000 if found else at
    return began if 0 <= at - began <= LONGEST_S else at


def _first(pod: PodPurchases, provider: str, stages: Iterable[int]) -> Purchase | None:
    """The oldest of a provider's that has come just so far, the first of `stages` before the next."""
    queue = pod.waiting.get(provider, ())
    return next((purchase for stage in stages for purchase in queue if purchase.stage == stage), None)


def _oldest(pod: PodPurchases, stage: int) -> Purchase | None:
    purchases: Iterator[Purchase] = (
        purchase for queue in pod.waiting.values() for purchase in queue if purchase.stage == stage
    )
    return min(purchases, key=lambda one: one.began, default=None)
