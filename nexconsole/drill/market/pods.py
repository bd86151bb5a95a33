"""One process of NexNum: its log, its metrics, its own breakers, what it remembers, what it is doing."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from ..log import ContainerLog
from ..schema import Era
from ..staged_causes import Answers
from .breakers import PodBreaker
from .clock import Clock, Job, Work
from .ledger import Ledger, LedgerDown
from .lines import LogLines
from .metrics import Registry

BOOT_S = 3.0
WORK_S = 0.09  # of the one thread, for each of the two parts of a request
UNFELT_S = 2.0  # of a queue for the thread: an ordinary load's is shorter
CONFIG_TTL_S = {"head": 30.0, "old": 60.0}  # nexnum.md#disabling: a change in `providers` is seen after at most so long


class NexNumPod:
    """A container of nexnum-app. All its state is in memory and dies with it.

    `healthy` is what its /api/health finds of the servers; readiness and liveness probe that route.
    (nexnum.md#deployment, #health-routes)
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        clock: Clock,
        lines: LogLines,
        era: Era,
        booted: float,
        healthy: Callable[[], bool],
        image: str,
    ) -> None:
        self.name = name
        self.image = image
        self.ledger = ledger
        self.clock = clock
        self.log = ContainerLog()
        self.metrics = Registry()
        self.started_at = datetime.fromtimestamp(booted, UTC)
        self._booted = booted
        self._healthy = healthy
        self.running = True
        self.reached: Callable[[], Answers] = lambda: ()  # what it gets instead of the upstreams' answers, if anything
        self.jobs: set[Job] = set()
        self.pace: Callable[[], float] = lambda: 1.0  # how fast drill time runs: speed alone makes nobody busier
        self._busy_until = 0.0
        self.lacks: Callable[[], str] = lambda: ""  # what its configuration keeps it from: "redis", "search", "egress"
        self.restarts = 0  # of its container, in the past
        self.ended = ""  # why the one before it ended
        self._lines = lines
        self._era = era
        self._breakers: dict[str, PodBreaker] = {}
        self._active: dict[str, bool] = {}
        self._active_read = float("-inf")
        self.metrics.set("nexnum_process_start_time_seconds", round(booted, 3))
        self.metrics.set("nexnum_process_resident_memory_bytes", 287_309_824)
        self.metrics.set("nexnum_lifecycle_circuit_state", 0)
        if era == "old":
            self.metrics.set("nexnum_reservation_stuck_count", 0)

    def ready(self) -> bool:
        """Answers requests: the server needs some seconds to come up."""
        return self.running and self._healthy() and self.clock.now() - self._booted >= BOOT_S

    def alive(self) -> bool:
        return self.running and self._healthy()

    def spawn(self, work: Work) -> None:
        """Do something in this process; it ends with the process."""
        if self.running:
            self.jobs.add(self.clock.spawn(work, self.jobs.discard))
        else:
            work.close()

    @property
    def backlog_s(self) -> float:
        """How long whoever comes now waits for the process' one thread."""
        return max(0.0, self._busy_until - self.clock.now() - UNFELT_S)

    async def work(self) -> None:
        """Take the thread for a part of a request. Who comes while it has too much to do waits."""
        self._busy_until = max(self._busy_until, self.clock.now()) + WORK_S / self.pace()
        if self.backlog_s > 0:
            await self.clock.sleep(self.backlog_s)

    def kill(self) -> None:
        """End the process: what it was doing stops where it stands, nothing is cleaned up."""
        self.running = False
        for job in list(self.jobs):
            job.cancel()
        self.log.close()

    @property
    def cut_off(self) -> Answers:
        return self.reached()

    def write(self, text: str) -> None:
        if self.running:
            self.log.append(text, datetime.fromtimestamp(self.clock.now(), UTC))

    def breaker(self, provider: str) -> PodBreaker:
        if provider not in self._breakers:
            volume, cooldown = (0, 15.0) if self._era == "old" else (5, 30.0)
            changed = partial(self._circuit_changed, provider)
            self._breakers[provider] = PodBreaker(self.clock, self.spawn, changed, volume, cooldown)
        return self._breakers[provider]

    def _circuit_changed(self, provider: str, state: str) -> None:
        self.write(self._lines.circuit(self.clock.now(), provider, state))

    def note_answer(self, provider: str, latency_s: float) -> None:
        """@HEAD the engine counts answers that are not 2xx, under the HTTP verb. (nexnum.md#metrics-head)"""
        if self._era == "head":
            self.metrics.count("nexnum_provider_api_calls_total", provider=provider, method="GET", status="error")

    async def offers(self, provider: str) -> bool:
        """Whether this process believes the provider to be active. Raises LedgerDown only before the first answer."""
        now = self.clock.now()
        if now - self._active_read > CONFIG_TTL_S[self._era]:
            self._active_read = now
            try:
                self._active = await self.ledger.active_providers()
            except LedgerDown:
                if not self._active:
                    raise
        return self._active.get(provider, False)

    def age_counters(self, seed: random.Random, purchases: int, shares: dict[str, float]) -> None:
        """Counters of a process that has run for hours: every series exists, none starts at zero."""
        calls = "nexnum_provider_api_calls_total"
        for provider, share in shares.items():
            total = int(purchases * share * seed.uniform(0.9, 1.1))
            failed = int(total * seed.uniform(0.008, 0.014)) + 1
            self.metrics.count(calls, total - failed, provider=provider, method="getNumber", status="success")
            self.metrics.count(calls, failed, provider=provider, method="getNumber", status="error")
            self.note_purchases(total - failed, failed)

    def note_purchases(self, succeeded: int, failed: int) -> None:
        """A purchase's outcome in the wallet's and the route's counters; the status is always success.

        (nexnum.md#metrics-old)
        """
        rollback = "purchase_rollback" if self._era == "old" else "rollback"
        for kind, times in (("purchase", succeeded), (rollback, failed)):
            if times:
                self.metrics.count("nexnum_wallet_transactions_total", times, type=kind, status="success")
        self.note_route(200, succeeded)
        self.note_route(503, failed)

    def note_route(self, status: int, times: int = 1) -> None:
        if times and self._era == "head":
            route = "/api/numbers/purchase"
            self.metrics.count("nexnum_http_requests_total", times, route=route, method="POST", status_code=str(status))
