"""Counts purchases from log events: in flight, by result, by ten seconds and by minute.

A purchase belongs to the moment of its beginning, whenever it is decided. Times are epoch seconds. No clock here; all
memory is bounded.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from .distinct_count import Distinct, distinct
from .funnel_lines import FunnelStep

K = TypeVar("K")
V = TypeVar("V")

STEP_S = 10
STEPS = 66  # 11 minutes
MINUTES = 60
OPEN = 20_000  # purchases under way at one time; of more the oldest are let go
REMEMBERED = 20_000  # ids of what has ended, so that a line that comes twice counts once
PROVIDERS = 2_000
DECIDED = 500  # of each pod, the newest
SALES = 120  # of each provider, the newest, whose durations are kept
OUTCOMES = 300  # of each provider, the newest decided purchases
EXPLAINED = 12  # of each provider, the newest failures of which somebody said why
TIMED = 200  # providers of which these are kept
REJECTED = "breaker open"
UNEXPLAINED = ("other", REJECTED, "not active")  # what such a failure is for, one before it said
OTHERS = "(others)"
LONGEST_S = 7_200  # an older purchase has ended unseen
SILENT_S = 40.0  # the oldest versions refuse for a lock without a line; a reservation takes 30 s at most

ATTEMPTED, OFFERED, RESERVED, CALLED, BOUGHT = range(5)
SOLD, FAILED, REFUSED, LOST = "sold", "failed", "refused", "lost"
WITHOUT_OFFER = ("no offer", "no route")


@dataclass(slots=True, eq=False)
class Purchase:
    """A purchase in flight. `stage` is how far it got; `user` a salted hash, 0 where unknown. `passed_on`: another
    provider was asked before the present one (nexnum.md#best-route)."""

    key: str
    pod: PodPurchases
    began: float
    provider: str
    stage: int = ATTEMPTED
    user: int = 0
    passed_on: bool = False


class Ended(NamedTuple):
    """How it ended: sold, failed, refused, or lost with the process that it was in; and how far it had come."""

    provider: str
    outcome: str
    reason: str
    stage: int


@dataclass(slots=True, eq=False)
class PodPurchases:
    """One container's part: what only the sequence of its lines tells. The oldest logs have no ids."""

    waiting: dict[str, deque[Purchase]] = field(default_factory=dict)  # those without ids, the oldest first
    sellers: dict[str, str] = field(default_factory=dict)
    why: dict[str, tuple[float, str]] = field(default_factory=dict)
    reading: str = ""  # the kind of the object whose lines are being read
    lines_left: int = 0
    provider: str = ""
    opened_at: float = 0.0
    decided: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=DECIDED))  # began, failed
    last: tuple[float, FunnelStep] | None = None


@dataclass(slots=True)
class Stretch:
    """Ten seconds: how the purchases ended that began in them, and whose they were."""

    ended: dict[Ended, int] = field(default_factory=dict)
    users: Distinct = field(default_factory=Distinct)
    refused: Distinct = field(default_factory=Distinct)
    funds: Distinct = field(default_factory=Distinct)


@dataclass(slots=True)
class TallyMinute:
    """The purchases that began in a minute; those that are neither sold, failed nor refused wait, or were lost."""

    attempts: int = 0
    sold: int = 0
    failed: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True)
class Window:
    """The purchases that began in the last seconds, and all that wait, whenever they began: until the next line."""

    ended: dict[Ended, int]
    begun: Sequence[Purchase]
    waiting: Sequence[Purchase]
    users: int
    refused_users: int
    users_without_funds: int


class PurchaseTally:
    """The counts over all pods. `dropped` counts what was one too many of something."""

    def __init__(self) -> None:
        self.open: dict[str, Purchase] = {}
        self.minutes: dict[int, TallyMinute] = {}
        self.took: deque[float] = deque(maxlen=200)  # seconds until they were decided, newest last
        self.sales: dict[str, deque[tuple[float, float]]] = {}  # by provider: when each began, what it took
        self.outcomes: dict[str, deque[tuple[float, bool]]] = {}  # by provider: when each began, whether it failed
        self.passed_on: dict[
            str, deque[float]
        ] = {}  # by seller: when those sales began for which others were asked first
        self.rejected: dict[str, deque[float]] = {}  # by provider: when those began that an open breaker rejected
        self.explained: dict[str, deque[tuple[float, str]]] = {}  # by provider: failures, when and why
        self.decided_at: float | None = None  # the newest end of one that was not refused
        self.dropped = 0
        self._stretches: dict[int, Stretch] = {}
        self._first = 0  # the stretch with which the last window began
        self._totals: dict[Ended, int] = {}  # of that window: with many providers, adding it up anew costs milliseconds
        self._remembered: dict[str, None] = {}
        self._providers: set[str] = set()
        self._salt = os.urandom(16)
        self._number = 0

    def window(self, now: float, window_s: float) -> Window:
        """The last `window_s` seconds."""
        self._expire(now)
        first = math.ceil((now - window_s) / STEP_S)
        self._move(first)
        stretches = [stretch for step, stretch in self._stretches.items() if step >= first]
        waiting = list(self.open.values())
        return Window(
            ended=self._totals,
            begun=[purchase for purchase in waiting if purchase.began // STEP_S >= first],
            waiting=waiting,
            users=distinct(stretch.users for stretch in stretches),
            refused_users=distinct(stretch.refused for stretch in stretches),
            users_without_funds=distinct(stretch.funds for stretch in stretches),
        )

    def _move(self, first: int) -> None:
        """Have the totals begin with this stretch."""
        for step, stretch in self._stretches.items():
            if self._first <= step < first:
                self._add(stretch, -1)
            elif first <= step < self._first:
                self._add(stretch, 1)
        self._first = first

    def _add(self, stretch: Stretch, sign: int) -> None:
        totals = self._totals
        for key, many in stretch.ended.items():
            left = totals.get(key, 0) + sign * many
            if left:
                totals[key] = left
            else:
                del totals[key]

    def _expire(self, now: float) -> None:
        """Let go of what has ended unseen; who of the oldest versions got no further than an offer met a lock."""
        for purchase in [purchase for purchase in self.open.values() if now - purchase.began > SILENT_S]:
            if now - purchase.began > LONGEST_S:
                self._remove(purchase)
            elif purchase.key[0] == "#" and purchase.stage == OFFERED:
                self._end(purchase, purchase.began + SILENT_S, REFUSED, "lock")

    def _begin(self, key: str, pod: PodPurchases, began: float, provider: str, user: str) -> Purchase:
        if len(self.open) >= OPEN:
            self.dropped += 1
            self._remove(next(iter(self.open.values())))
        purchase = self.open[key] = Purchase(key, pod, began, self._known(provider), ATTEMPTED, self._hashed(user))
        self._minute(began).attempts += 1
        if purchase.user:
            self._stretch(began).users.add(purchase.user)
        return purchase

    def _end(self, purchase: Purchase, at: float, outcome: str, reason: str) -> None:
        self._remove(purchase)
        stretch, minute = self._stretch(purchase.began), self._minute(purchase.began)
        key = Ended(purchase.provider, outcome, reason, purchase.stage)
        stretch.ended[key] = stretch.ended.get(key, 0) + 1
        step = int(purchase.began) // STEP_S
        if step >= self._first and step in self._stretches:  # one that is older than all that are kept is gone already
            self._totals[key] = self._totals.get(key, 0) + 1
        if outcome == REFUSED:
            minute.refused += 1
            if reason in WITHOUT_OFFER:  # it is this pod that found none
                purchase.pod.decided.append((purchase.began, True))
            if purchase.user and reason == "funds":
                stretch.funds.add(purchase.user)
            elif purchase.user and reason in WITHOUT_OFFER:
                stretch.refused.add(purchase.user)
        elif outcome in (SOLD, FAILED):
            minute.sold += outcome == SOLD
            minute.failed += outcome == FAILED
            self.took.append(max(0.0, at - purchase.began))
            purchase.pod.decided.append((purchase.began, outcome == FAILED))
            _kept(self.outcomes, purchase.provider, OUTCOMES).append((purchase.began, outcome == FAILED))
            if outcome == SOLD:
                _kept(self.sales, purchase.provider, SALES).append((purchase.began, max(0.0, at - purchase.began)))
                if purchase.passed_on:
                    _kept(self.passed_on, purchase.provider, SALES).append(purchase.began)
            elif reason == REJECTED:
                _kept(self.rejected, purchase.provider, OUTCOMES).append(purchase.began)
            elif reason not in UNEXPLAINED:
                _kept(self.explained, purchase.provider, EXPLAINED).append((purchase.began, reason))
            self.decided_at = max(at, self.decided_at or at)

    def _remove(self, purchase: Purchase) -> None:
        self.open.pop(purchase.key, None)
        queue = purchase.pod.waiting.get(purchase.provider)
        if purchase.key[0] == "#" and queue is not None:
            queue.remove(purchase)
            if not queue:
                del purchase.pod.waiting[purchase.provider]
        else:
            self._remember(purchase.key)

    def _new(self, key: str) -> bool:
        """Whether this has not been seen; now it has."""
        if key in self._remembered:
            return False
        self._remember(key)
        return True

    def _remember(self, key: str) -> None:
        bound(self._remembered, REMEMBERED)
        self._remembered[key] = None

    def _known(self, provider: str) -> str:
        if provider not in self._providers and provider:
            if len(self._providers) >= PROVIDERS:
                self.dropped += 1
                return OTHERS
            self._providers.add(provider)
        return provider

    def _hashed(self, user: str) -> int:
        if not user:
            return 0
        return int.from_bytes(hashlib.blake2b(user.encode(), digest_size=8, key=self._salt).digest(), "big")

    def _stretch(self, at: float) -> Stretch:
        step = int(at) // STEP_S
        if (stretch := self._stretches.get(step)) is None:
            stretch = self._stretches[step] = Stretch()
            if len(self._stretches) > STEPS:
                oldest = min(self._stretches)
                gone = self._stretches.pop(oldest)
                if oldest >= self._first:
                    self._add(gone, -1)
        return stretch

    def _minute(self, at: float) -> TallyMinute:
        minute = int(at) // 60
        if (tally_minute := self.minutes.get(minute)) is None:
            tally_minute = self.minutes[minute] = TallyMinute()
            if len(self.minutes) > MINUTES:
                del self.minutes[min(self.minutes)]
        return tally_minute


def _kept(kept: dict[str, deque[V]], provider: str, most: int) -> deque[V]:
    """What is kept of a provider."""
    if provider not in kept:
        bound(kept, TIMED)
        kept[provider] = deque(maxlen=most)
    return kept[provider]


def bound(kept: dict[K, V], most: int) -> None:
    """Room for one more, at the cost of the oldest."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
