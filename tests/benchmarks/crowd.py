"""A crowded world in a process of its own: `python -m tests.benchmarks.crowd`, told how crowded by its arguments.

Real Postgres and Redis; a Kubernetes API over TLS whose pods write logs without rest; a Prometheus that knows every
provider. Each second some providers change: orders are stored, counters grow, upstreams answer 429. It prints its
addresses as one line of JSON, then takes orders from its standard input, a line each, and answers each with the moment
(time.perf_counter) at which it was done. `open NAME` and `closed NAME` have the first pod log that of a breaker;
`requests -` is answered with the HTTP requests so far, by system.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from nexconsole.drill.kubernetes.apiserver import ApiServer
from nexconsole.drill.kubernetes.cluster import DrillCluster
from nexconsole.drill.log import ContainerLog
from nexconsole.drill.market.lines import LogLines
from nexconsole.drill.market.orders import Sold
from nexconsole.drill.market.purchase_lines import PurchaseLines
from nexconsole.drill.schema import ddl
from nexconsole.drill.servers import EmbeddedPostgres, EmbeddedRedis, embedded_postgres, embedded_redis
from nexconsole.drill.temp_tree import TempTree
from nexconsole.settings import Expressions

from .serverlog import LOGGED

BURST_S = 0.1  # pods write in bursts, as busy ones do; each at its own moment
WINDOW_S = 300
KEPT_LINES = 3000  # a pod's log that is there already when somebody begins to follow it
URL = "https://upstream.example/stubs/handler_api.php?action=getNumber&service=tg&country=7"


class CrowdContainer:
    """A pod's process that is always well."""

    def __init__(self) -> None:
        self.log = ContainerLog()
        self.started_at = datetime.now(UTC) - timedelta(minutes=5)

    def ready(self) -> bool:
        return True

    def alive(self) -> bool:
        return True


class CrowdPods:
    """The containers by pod, as the cluster has them run."""

    def __init__(self, lines: LogLines) -> None:
        self.containers: dict[str, CrowdContainer] = {}
        self._lines = lines

    async def start(self, pod_name: str, image: str) -> CrowdContainer:
        container = self.containers[pod_name] = CrowdContainer()
        container.log.append(self._lines.started(), container.started_at)
        return container

    async def stop(self, pod_name: str) -> None:
        self.containers.pop(pod_name).log.close()


class CrowdCluster:
    """`names` of providers, how many of them change a second, and how many lines a second all pods write."""

    def __init__(self, names: Sequence[str], changing: int, lines_per_s: int) -> None:
        self.names, self.changing, self.lines_per_s = names, changing, lines_per_s
        self.random = Random(11)
        self.lines = LogLines("head", 11)
        self.pods = CrowdPods(self.lines)
        self.attempts = {name: float(self.random.randint(40, 400)) for name in names}
        self.failures = {name: float(self.random.randint(0, 6)) for name in names}
        self.database: Any = None

    async def change(self) -> None:
        """Once a second: some providers sell, and some of that fails."""
        while True:
            began = time.monotonic()
            rows = []
            for name in self.random.sample(self.names, self.changing):
                failed = self.random.random() < 0.03
                self.attempts[name] += 1
                self.failures[name] += failed
                rows.append((name, "FAILED" if failed else "ACTIVE"))
                if self.random.random() < 0.1:
                    self.write(
                        self.random.choice(list(self.pods.containers)), self.lines.retry_429(time.time(), name, 800)
                    )
            await self.database.executemany(STORE, rows)
            await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - began)))

    def write(self, pod: str, text: str) -> None:
        self.pods.containers[pod].log.append(text)

    def purchase(self) -> list[str]:
        """The 16 lines of one purchase, of somebody at some provider."""
        upstream = SimpleNamespace(name=self.random.choice(self.names))
        user = f"u{self.random.randrange(5_000)}"
        wish = SimpleNamespace(
            user_id=user,
            upstream=upstream,
            service="Telegram",
            service_code="tg",
            country="Russia",
            country_code="7",
            price=Decimal("0.4"),
            draws=self.random,
            best_route=False,
        )
        texts: list[str] = []
        said = PurchaseLines(self.lines, time.time, texts.append, wish)  # type: ignore[arg-type]
        sold = Sold(upstream, self.random.randrange(10**6), f"{self.random.getrandbits(64):x}", "+79990000000")  # type: ignore[arg-type]
        said.asked()
        said.resolved()
        said.eligible(Decimal(100))
        said.locked("token")
        said.reserved(SimpleNamespace(order_id=said.key, activation_id=said.key, price=wish.price))  # type: ignore[arg-type]
        said.calling()
        said.trying(upstream.name)
        texts.append(self.lines.request(time.time(), upstream.name, URL))
        said.got(sold)
        said.complete(sold)
        said.answered(200, sold)
        return texts

    async def chatter(self, pod: str, lines_per_s: float) -> None:
        """One pod's purchases, a line after the other."""
        owed, ready = self.random.random(), deque[str]()
        await asyncio.sleep(self.random.random() * BURST_S)
        while True:
            owed += lines_per_s * BURST_S
            while len(ready) < int(owed):
                ready.extend(self.purchase())
            texts = [ready.popleft() for _ in range(int(owed))]
            owed -= len(texts)
            if texts:
                self.write(pod, "\n".join(texts))
            await asyncio.sleep(BURST_S)


STORE = """INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code, updated_at)
VALUES (gen_random_uuid(), 'u1', $2::text::"ActivationState", 0.4, $1, 'tg', '7', now())"""
PAST = f"""
SET TIME ZONE 'UTC';
INSERT INTO users (id, name, email, updated_at) VALUES ('u1', 'One', 'one@example.org', now());
INSERT INTO activations (id, user_id, state, price, provider_id, service_name, country_code, created_at, updated_at)
SELECT gen_random_uuid(), 'u1', (CASE WHEN n % 40 = 0 THEN 'FAILED' ELSE 'ACTIVE' END)::"ActivationState", 0.4,
       (SELECT name FROM providers ORDER BY name OFFSET n % (SELECT count(*) FROM providers) LIMIT 1), 'tg', '7',
       now() - make_interval(secs => n % {WINDOW_S}), now()
FROM generate_series(1, 2000) n;
INSERT INTO outbox_events_v2 (id, aggregate_id, aggregate_type, event_type, payload, status, created_at, updated_at)
SELECT gen_random_uuid(), 'o', 'offer', 'offer.updated', '{{}}',
       CASE WHEN n % 500 = 0 THEN 'PENDING' ELSE 'PUBLISHED' END,
       now() - make_interval(secs => n), now() FROM generate_series(1, 5000) n;
ANALYZE;
"""


async def fill(postgres: EmbeddedPostgres, redis: EmbeddedRedis, crowd: CrowdCluster) -> None:
    """The providers, a past, and the keys that Redis has for them."""
    import asyncpg
    from redis.asyncio import Redis as Client

    crowd.database = await asyncpg.connect(postgres.url, server_settings={"application_name": "nexnum-app"})
    await crowd.database.execute(ddl())
    await crowd.database.executemany(
        "INSERT INTO providers (id, name, display_name, is_active, updated_at) VALUES ($1, $2, $2, true, now())",
        [(f"id-{name}", name) for name in crowd.names],
    )
    await crowd.database.execute(PAST)
    client = Client.from_url(redis.url)
    async with client.pipeline(transaction=False) as pipe:
        for name in crowd.names:
            pipe.set(f"health:id-{name}:successRate", "0.98", ex=3600)
        for name in crowd.names[:: max(1, len(crowd.names) // 10)][1:]:
            pipe.set(f"health:id-{name}:circuit", "half-open", ex=3600)
        await pipe.execute()
    await client.aclose()


class Requests:
    """How often what was asked of which system, pods and queries not told apart."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    def watch(self, system: str) -> Any:
        """A middleware for that system's server."""

        @web.middleware
        async def count(request: web.Request, handler: Any) -> web.StreamResponse:
            self.count(system, request)
            return await handler(request)

        return count

    def count(self, system: str, request: web.Request) -> None:
        path = re.sub(r"/pods/[^/]+", "/pods/*", request.path)
        self.counts.setdefault(system, Counter())[f"{request.method} {path}"] += 1

    def watch_cluster(self) -> None:
        """The drill's own API server has no place for a middleware."""
        handle = ApiServer._handle

        async def counted(server: ApiServer, request: web.Request) -> web.StreamResponse:
            self.count("kubernetes", request)
            return await handle(server, request)

        ApiServer._handle = counted  # type: ignore[method-assign]


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def api(requests: Requests) -> web.Application:
    """As much of NexNum's API as the console asks without being told to: which methods its health route has."""

    async def options(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": "GET, HEAD, OPTIONS"})

    app = web.Application(middlewares=[requests.watch("api")])
    app.router.add_route("OPTIONS", "/{path:.*}", options)
    return app


class CrowdMetrics:
    """Prometheus' API, with the answers that the console's own expressions have."""

    def __init__(self, crowd: CrowdCluster) -> None:
        self.crowd = crowd
        expressions = Expressions()
        window = f"{WINDOW_S}s"
        self._vectors = {
            expressions.attempts.replace("{window}", window): lambda: crowd.attempts,
            expressions.failures.replace("{window}", window): lambda: crowd.failures,
            expressions.latency_p95.replace("{window}", window): lambda: {"": 1.2},
            expressions.answers.replace("{window}", window): lambda: {},
        }

    def app(self, requests: Requests) -> web.Application:
        app = web.Application(middlewares=[requests.watch("prometheus")])
        app.router.add_route("*", "/api/v1/query", self._query)
        app.router.add_route("*", "/api/v1/query_range", self._range)
        app.router.add_route("*", "/api/v1/rules", _answer({"groups": []}))
        app.router.add_route("*", "/api/v1/alerts", _answer({"alerts": []}))
        return app

    async def _query(self, request: web.Request) -> web.Response:
        values = self._vectors.get((await _parameters(request))["query"], dict)()  # no such series: an empty vector
        now = time.time()
        result = [{"metric": {"provider": n} if n else {}, "value": [now, f"{v:g}"]} for n, v in values.items()]
        return _success({"resultType": "vector", "result": result})

    async def _range(self, request: web.Request) -> web.Response:
        asked = await _parameters(request)
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        height = 1 if "error" in asked["query"] else 60
        values = [[start + n * step, f"{height + n % 3}"] for n in range(int((end - start) / step) + 1)]
        return _success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})


async def _parameters(request: web.Request) -> dict[str, str]:
    return {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}


def _success(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def _answer(data: Any) -> Any:
    async def handle(_: web.Request) -> web.Response:
        return _success(data)

    return handle


async def handle(crowd: CrowdCluster, requests: Requests) -> None:
    """Orders from the standard input, until it is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pod = min(crowd.pods.containers)
    while order := (await reader.readline()).split():
        state, name = (part.decode() for part in order)
        if state == "requests":
            print(json.dumps(requests.counts), flush=True)
            continue
        crowd.write(pod, crowd.lines.circuit(time.time(), name, state))
        print(time.perf_counter(), flush=True)


async def run(options: argparse.Namespace) -> None:
    names = [f"gw{number:04}" for number in range(options.providers)]
    crowd = CrowdCluster(names, min(options.changing, len(names)), options.lines)
    requests = Requests()
    requests.watch_cluster()
    temp_tree = TempTree()
    try:
        async with (
            embedded_postgres(temp_tree=temp_tree, settings=LOGGED) as postgres,
            embedded_redis(temp_tree=temp_tree) as redis,
        ):
            await fill(postgres, redis, crowd)
            cluster = DrillCluster(crowd.pods, replicas=options.pods, bounds=(1, options.pods), age_s=300, seed=1)
            await cluster.start()
            served = [await serve(app) for app in (CrowdMetrics(crowd).app(requests), api(requests))]
            for pod in crowd.pods.containers:
                old = time.time() - 60
                past: list[str] = []
                while len(past) < min(KEPT_LINES, options.lines * 60 // options.pods):
                    past += crowd.purchase()
                for number, text in enumerate(past):
                    crowd.pods.containers[pod].log.append(text, datetime.fromtimestamp(old + number / 50, UTC))
            per_pod = options.lines / options.pods
            work = [asyncio.create_task(crowd.chatter(pod, per_pod)) for pod in crowd.pods.containers]
            work.append(asyncio.create_task(crowd.change()))
            kubeconfig = temp_tree.folder / "kubeconfig"
            kubeconfig.write_text(cluster.kubeconfig(cluster.tokens["operator"]))
            addresses = {
                "DATABASE_URL": postgres.url,
                "REDIS_URL": redis.url,
                "PROMETHEUS_URL": served[0][1],
                "API_URL": served[1][1],
                "KUBECONFIG": str(kubeconfig),
            }
            print(json.dumps([addresses, str(temp_tree.folder / "postgres" / "log")]), flush=True)
            await handle(crowd, requests)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await cluster.close()
            for runner, _ in served:
                await runner.cleanup()
    finally:
        temp_tree.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--providers", type=int, default=1000)
    parser.add_argument("--changing", type=int, default=100, help="providers that change a second")
    parser.add_argument("--pods", type=int, default=50)
    parser.add_argument("--lines", type=int, default=2000, help="log lines a second, all pods together")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
