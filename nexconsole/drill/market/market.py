"""A small NexNum: customers, five providers, three pods; first its past, then its present."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable
from decimal import Decimal
from functools import partial

import asyncpg
import redis.asyncio

from ..drill_clock import DrillClock
from ..faults import Fault, generator
from ..scenario_model import DrillScenario
from ..schema import Era
from ..staged_causes import IMAGE, Answers, UpstreamAnswer, WalletStall
from .accounts import Accounts
from .active_faults import ActiveFaults
from .arrivals import COUNTRIES, SERVICES, CustomerArrivals
from .breakers import SharedBreaker
from .clock import Clock, Job
from .keyspace import KeysDown, RedisKeys, RememberedKeys
from .ledger import LOCK_TIMEOUT_S, LedgerDown, stamps
from .lines import LogLines
from .memory import RememberedLedger
from .metrics import Labels
from .past import HEALTH_EVERY_S, PlayedPast
from .pods import NexNumPod
from .purchase import Checkout, new_id
from .settled import settle_customers, settle_providers
from .slots import SlotQueues
from .sql import SqlLedger
from .upstream import UPSTREAMS, Engine, UpstreamBehaviour
from .worker import Worker

PODS = 3
CUSTOMERS = 150
SAMPLE_EVERY_S = 5.0
SAMPLES_KEPT = int(45 * 60 / SAMPLE_EVERY_S)
DEPLOYED_BEFORE_S = 6.5 * 3600  # how long the pods have run when the past begins
CPU_PER_REQUEST = 18  # percent of a pod's request, for one request a second
CLOSE_TIMEOUT_S = 1.0
UNREACHED: Answers = ((UpstreamAnswer.RESET, 1.0),)  # what a pod with a wrong proxy gets
HEALTH_TIMEOUT_S = 3.0
CONNECTIONS_PER_POD = 5  # as NexNum's own pool (nexnum.md#database-url)

Sample = tuple[float, dict[tuple[str, str, Labels], float]]


class Market:
    """Plays `scenario.history_s` seconds before `epoch` into memory, then lives on real servers.

    It is the cluster's runtime: `start(pod)` and `stop(pod)` begin and kill a container. The first starts adopt the
    pods that the past was played with. The same seed and epoch give the same past. In the present the customers come
    with the same wishes in the same order, and the nth request of a provider gets the same answer.
    """

    def __init__(
        self, scenario: DrillScenario, seed: int, epoch: float, *, era: Era = "head", timestamptz: bool = False
    ) -> None:
        self.scenario = scenario
        self.epoch = epoch
        self.era: Era = era
        self.clock = Clock(epoch - scenario.history_s)
        self.drill_clock = DrillClock(self.clock, epoch)
        self.troubles = ActiveFaults(self.drill_clock, scenario, seed)
        self.seed = seed
        self._takers = generator(seed, "outbox")
        self.random = random.Random(seed)  # for what is the same from the beginning, and for ids
        self.lines = LogLines(era, seed)
        self.stamp = stamps(timestamptz)
        self.deployed_at = self.clock.now() - DEPLOYED_BEFORE_S
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self.pods: dict[str, NexNumPod] = {}
        self.cut_off_pod: NexNumPod | None = None  # who reaches no upstream, and keeps to it until it ends
        self.withdrawn: set[str] = set()  # providers whose offers an admin's PATCH took from the index
        self.provider_ids = {upstream.name: new_id(self.random) for upstream in UPSTREAMS}
        self.api_keys = {upstream.name: f"{self.random.getrandbits(128):032x}" for upstream in UPSTREAMS}
        self.users = [new_id(self.random) for _ in range(CUSTOMERS)]
        habits = {user: (self.random.choice(SERVICES), self.random.choice(COUNTRIES)) for user in self.users}
        self.stalled_users = [user for fault in self.troubles.faults for user in self.users_stalled_by(fault)]
        self.healthy = True
        self.own_worker_log = False  # the background work is a container of its own, and writes there
        self.load = 1.0  # of what makes the database slow, the share that still runs
        self._loops: list[Job] = []
        self._waiting: deque[NexNumPod] = deque()
        self._pools: dict[str, asyncpg.Pool] = {}
        self._url = ""
        self._build(habits)

    def _build(self, habits: dict[str, tuple[tuple[str, str], tuple[str, str]]]) -> None:
        stalled = set(self.stalled_users)
        self.past = RememberedLedger(
            self.clock,
            head=self.era == "head",
            locked=lambda user: user in stalled and self.troubles.stalls(),
            trouble=self.troubles.database,
        )
        self.past_keys = RememberedKeys(self.clock, trouble=self.troubles.keyspace)
        self.behaviour = UpstreamBehaviour(self.troubles, self.seed)
        self.slots: SlotQueues | None = None
        if self.era == "head":
            self.slots = SlotQueues(
                self.clock, self.drill_clock, self.past_keys, self.provider_ids, self.scenario.slot_s
            )
        self.engine = Engine(self.clock, self.lines, self.behaviour, self.api_keys.__getitem__, self.slots)
        drawn = {name: generator(self.seed, "balance", name).randrange(15000, 90000) for name in self.provider_ids}
        balances = {name: Decimal(cents) / 100 for name, cents in drawn.items()}
        self.accounts = Accounts(balances, self.troubles.empty)
        self.shared = {name: self._shared_breaker(name) for name in self.provider_ids}
        self.checkout = Checkout(
            self.clock,
            self.past_keys,
            self.engine,
            self.lines,
            self.era,
            self.scenario.abandoned,
            self.troubles,
            self.shared,
            self.accounts,
            self.withdrawn,
        )
        process = NexNumPod("worker", self.past, self.clock, self.lines, self.era, self.deployed_at, lambda: True, "")
        process.reached = self.troubles.egress
        self.worker = Worker(
            self.clock,
            self.past,
            process,
            self.engine,
            self.lines,
            self.era,
            self.troubles,
            self.seed,
            self.users,
            self._say,
            self._pick_pod,
            self.withdrawn,
            self.accounts,
            self.slots,
        )
        self.arrivals = CustomerArrivals(
            self.clock,
            self.drill_clock,
            self.troubles,
            self.checkout,
            self.engine,
            self.lines,
            self.era,
            self.seed,
            self.scenario,
            self.users,
            habits,
            self.withdrawn,
            lambda: [pod for pod in self.pods.values() if pod.ready()],
        )
        self._settle()
        self.played = PlayedPast(
            *(self.clock, self.epoch, self.past, self.past_keys, self.troubles, self.lines, self.pods, self._waiting),
            self._pod,
        )

    def _shared_breaker(self, name: str) -> SharedBreaker:
        provider_id = self.provider_ids[name]

        def opened(failures: int, kind: str, seconds: int) -> None:
            self._say(self.lines.shared_opened(self.clock.now(), provider_id, failures, kind, seconds))

        async def log_health(status: str, rate: float, latency_ms: int, errors: int) -> None:
            figures = (status, rate, latency_ms, errors)
            await self.worker.ledger.log_health(new_id(self.random), provider_id, figures)

        return SharedBreaker(self.clock, self.past_keys, provider_id, self.era, opened, log_health)

    def _settle(self) -> None:
        """The rows that were there before, and the pods that have run for hours."""
        since = self.clock.now() - 40 * 86400
        settle_customers(self.past, self.random, self.users, since)
        settle_providers(self.past, self.provider_ids, self.api_keys, self.accounts, since, self.epoch)
        for number in range(PODS):
            booted = self.deployed_at + self.random.uniform(1, 6)
            pod = self._pod(f"pod-{number}", booted, IMAGE)
            hours = (self.clock.now() - booted) / 3600
            pod.age_counters(self.random, int(hours * 1200), self.arrivals.weights)
            for upstream in UPSTREAMS:
                self._age_histogram(pod, upstream.name, upstream.latency_s, int(hours * 1200))
            self.pods[pod.name] = pod
            self._waiting.append(pod)

    def _pod(self, name: str, booted: float, image: str) -> NexNumPod:
        pod = NexNumPod(name, self.past, self.clock, self.lines, self.era, booted, lambda: self.healthy, image)
        pod.reached = partial(self._reached, pod)
        pod.pace = lambda: self.drill_clock.speed
        pod.lacks = partial(self.troubles.misconfigured, booted)
        return pod

    def _reached(self, pod: NexNumPod) -> Answers:
        """What this pod gets instead of the upstreams' answers, if it is the one that is cut off."""
        answers = self.troubles.cut_off()
        if not answers:
            self.cut_off_pod = None
        elif self.cut_off_pod is None:
            self.cut_off_pod = min(self.pods.values(), key=lambda one: one.started_at)
        if pod is self.cut_off_pod:
            return answers
        return UNREACHED if pod.lacks() == "egress" else self.troubles.egress()

    def _age_histogram(self, pod: NexNumPod, provider: str, latency_s: float, purchases: int) -> None:
        for country, _ in COUNTRIES:
            labels = {"stage": "provider_call", "provider": provider, "country": country}
            for factor, share in ((0.5, 0.15), (0.9, 0.5), (1.5, 0.3), (3.0, 0.05)):
                times = int(purchases * self.arrivals.weights[provider] / len(COUNTRIES) * share)
                pod.metrics.observe("nexnum_purchase_duration_seconds", latency_s * factor, times, **labels)

    def users_stalled_by(self, fault: Fault) -> list[str]:
        """Whose wallets a fault's forgotten transaction holds, the same whenever it is asked."""
        stalls = [cause for cause in fault.causes if isinstance(cause, WalletStall)]
        draws = generator(fault.seed, fault.name, "users")
        return [user for stall in stalls for user in self.users if draws.random() < stall.share]

    def _say(self, text: str) -> None:
        """A worker's line: it appears in the log of the oldest pod that runs, or in the worker's own."""
        if self.own_worker_log:
            self.worker.process.write(text)
            return
        pods = [pod for pod in self.pods.values() if pod.ready()]
        if pods:
            min(pods, key=lambda pod: pod.started_at).write(text)

    # --- the past ---

    def play(self, until: float) -> None:
        """Play the past up to `until`, epoch seconds; call it again to play on."""
        if not self.samples:
            loops = (*self.worker.loops(), *self.arrivals.loops(), self._sample())
            self._loops = [self.clock.spawn(loop) for loop in loops]
            self._loops.append(self.clock.spawn(self._past_health()))
            self._loops += self.played.begin()
        self.clock.run_until(until)

    async def _past_health(self) -> None:
        """What /api/health finds, until the servers are real."""
        while not self.clock.live:
            self.healthy = not self.troubles.server_down("postgres")
            await self.clock.sleep(HEALTH_EVERY_S)

    def _pick_pod(self) -> NexNumPod | None:
        """The pod that takes the next batch of the outbox."""
        ready = [pod for pod in self.pods.values() if pod.ready()]
        return self._takers.choice(ready) if ready else None

    async def _sample(self) -> None:
        while True:
            values = {
                (pod.name, name, labels): value
                for pod in self.pods.values()
                if pod.ready()
                for (name, labels), value in pod.metrics.values.items()
            }
            self.samples.append((self.clock.now(), values))
            await self.clock.sleep(SAMPLE_EVERY_S)

    # --- the present ---

    async def go_live(self, url: str, client: redis.asyncio.Redis) -> None:
        """Copy the past into the servers and carry on there. The tables exist and are empty."""
        self.play(time.time())
        self.played.settle()
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await self.past.copy_to(connection, self.stamp)
            await connection.execute("ANALYZE")
        finally:
            await connection.close()
        await self.past_keys.copy_to(client)
        self.past.tables.clear()  # the servers have it now
        self.past_keys.entries.clear()
        self._url = url
        keys = RedisKeys(client)
        self.checkout.keys = keys
        if self.slots is not None:
            self.slots.keys = keys
        for breaker in self.shared.values():
            breaker.keys = keys
        for pod in self.pods.values():
            pod.ledger = await self._connect(pod.name, "nexnum-app")
        self.worker.ledger = await self._connect("worker", "nexnum-worker")
        self.clock.go_live()
        self._loops.append(self.clock.spawn(self._check_health()))

    async def _check_health(self) -> None:
        while True:
            await self.clock.sleep(HEALTH_EVERY_S)
            self.healthy = not any(await self.trouble())

    async def trouble(self) -> tuple[str, str]:
        """What /api/health finds wrong with the database and, @old only, with Redis; "" for nothing."""
        database = await _complaint(self.worker.ledger.active_providers())
        return database, await _complaint(self.checkout.keys.get("app:settings")) if self.era == "old" else ""

    async def _connect(self, name: str, application: str) -> SqlLedger:
        settings = {"application_name": application, "lock_timeout": f"{int(LOCK_TIMEOUT_S * 1000)}ms"}
        pool = await asyncpg.create_pool(
            self._url, min_size=0, max_size=CONNECTIONS_PER_POD, command_timeout=15, server_settings=settings
        )
        self._pools[name] = pool
        return SqlLedger(pool, self.clock, head=self.era == "head", stamp=self.stamp, wait=self._statement_wait_s)

    def _statement_wait_s(self) -> float:
        """What a statement waits for now: a slow server's time, the longer the busier it is."""
        return self.troubles.statement_wait() * self.load

    async def start(self, pod_name: str, image: str) -> NexNumPod:
        """Begin a container; it gets ready by itself. Raises nothing for a database that is down: it will find out."""
        if self._waiting:
            return self._adopt(self._waiting.popleft(), pod_name)
        pod = self._pod(pod_name, self.clock.now(), image)
        pod.write(self.lines.started())
        pod.ledger = await self._connect(pod_name, "nexnum-app")
        self.pods[pod_name] = pod
        return pod

    def start_worker(self, name: str) -> NexNumPod:
        """The process of the background work: the one that the past was played with, or after its end a new one."""
        if self.worker.process.running:
            self.worker.process.name = name
            return self.worker.process
        process = NexNumPod(name, self.past, self.clock, self.lines, self.era, self.clock.now(), lambda: True, "")
        process.reached = self.troubles.egress
        self.worker.process = process
        process.write(self.lines.started())
        return process

    def _adopt(self, pod: NexNumPod, name: str) -> NexNumPod:
        """Give a pod of the past its name in the cluster, in the samples too."""
        old = pod.name
        pod.name = name
        self.pods = {p.name: p for p in self.pods.values()}
        self._pools = {name if key == old else key: pool for key, pool in self._pools.items()}
        renamed = [
            (at, {(name if key[0] == old else key[0], *key[1:]): value for key, value in values.items()})
            for at, values in self.samples
        ]
        self.samples.clear()
        self.samples.extend(renamed)
        return pod

    async def stop(self, pod_name: str) -> None:
        """Kill a container: its requests die in the middle, its breakers and counters are gone."""
        pod = self.pods.pop(pod_name, None)
        if pod is not None:
            pod.kill()
        pool = self._pools.pop(pod_name, None)
        if pool is not None:
            await _close(pool)

    def metrics(self, pod_name: str) -> str:
        """The pod's own registry in Prometheus' text format. Raises KeyError for a pod that does not run."""
        return self.pods[pod_name].metrics.text()

    def utilization(self) -> dict[str, int]:
        """What the metrics server says of the pods, percent of what they request: the fewer there are, the busier."""
        ready = sum(pod.ready() for pod in self.pods.values())
        # in drill time: speed alone scales nothing up
        requests = (self.scenario.purchases_per_s + self.scenario.browses_per_s) * self.troubles.surge()
        return {"cpu": round(CPU_PER_REQUEST * requests / ready) if ready else 0, "memory": 61}

    async def close(self) -> None:
        """End every loop and every pod; what they were doing is left where it stands."""
        self.clock.close()
        for job in self._loops:
            job.cancel()
        await asyncio.gather(*(self.stop(name) for name in list(self.pods)))
        await asyncio.gather(*(_close(pool) for pool in self._pools.values()))


async def _complaint(asked: Awaitable[object]) -> str:
    """Why a server did not answer in time, or ""."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            await asked
    except (LedgerDown, KeysDown, TimeoutError) as error:
        return str(error) or "timed out"
    return ""


async def _close(pool: asyncpg.Pool) -> None:
    """Close a pool whose users have been cancelled; cut it off where the server does not let go in time."""
    closing = asyncio.ensure_future(pool.close())
    done, _ = await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)  # wait_for would wait for its cancelling too
    if not done or closing.exception() is not None:
        pool.terminate()
        closing.cancel()
