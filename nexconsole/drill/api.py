"""NexNum's HTTP API as far as an incident needs it, with the methods and answers of Next.js.

(nexnum.md#nextjs, #cron-routes, #provider-api)
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from .market.ledger import LedgerDown, LockTimeout
from .market.market import Market
from .market.pods import NexNumPod
from .market.purchase import new_id
from .market.sql import SqlLedger
from .market.worker import ROUTE_STUCK_AFTER_S, WorkerTally

Handler = Callable[[web.Request, "re.Match[str]"], Awaitable[web.Response]]
VERSION = "1.4.2"
# this install does without the route that can buy (nexnum.md#routes-that-act)
ONE = "/(?!debug-purchase$)(?P<id>[^/]+)"
CRON_BATCH = 20  # @HEAD; 50 @old (nexnum.md#outbox)
OUTBOX_BATCH = 50  # of the admin's route


@dataclass(frozen=True)
class Secrets:
    """What callers must know. An empty `cron` leaves the cron routes open, as in NexNum. (nexnum.md#cron-routes)"""

    cron: str
    jwt: str
    metrics: str = ""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_token(secret: str, claims: dict[str, Any]) -> str:
    """A JWT, HS256, as NexNum's login makes them."""
    head = _base64url(b'{"alg":"HS256","typ":"JWT"}')
    body = f"{head}.{_base64url(json.dumps(claims, separators=(',', ':')).encode())}"
    return f"{body}.{_base64url(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))}"


def admin_claims(lifetime_s: float = 12 * 3600) -> dict[str, Any]:
    return {"userId": "admin", "role": "ADMIN", "version": 1, "exp": int(time.time() + lifetime_s)}


def _token_valid(token: str, secret: str) -> bool:
    body, _, signature = token.rpartition(".")
    expected = _base64url(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))
    if not body or not hmac.compare_digest(signature, expected):
        return False
    claims = body.partition(".")[2]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return bool(decoded.get("role") == "ADMIN" and decoded.get("exp", 0) > time.time())


class NexNumApi:
    """The service in front of the pods: each request is answered by one ready pod, by chance."""

    def __init__(self, market: Market, secrets: Secrets) -> None:
        self.market = market
        self.secrets = secrets
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._began = time.time()
        cron, admin = r"/api/cron/", r"/api/admin/providers"
        self._routes: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
            (re.compile(r"/api/health"), {"GET": self._health}),
            (re.compile(r"/api/metrics"), {"GET": self._metrics}),
            (re.compile(r"/pods/(?P<pod>[^/]+)/api/metrics"), {"GET": self._pod_metrics}),
            (re.compile(cron + "reconcile"), {"GET": self._reconcile}),
            (re.compile(admin), {"GET": self._providers}),
            (re.compile(admin + ONE), {"GET": self._provider, "PATCH": self._patch_provider}),
        ]
        if market.era == "head":
            self._routes += [
                (re.compile(cron + "worker"), {"GET": self._cron_worker}),
                (re.compile(r"/api/admin/outbox"), {"POST": self._admin_outbox}),
                (re.compile(admin + "/(?P<id>[^/]+)/health"), {"POST": self._close_circuit}),
            ]
        else:
            self._routes.append((re.compile(cron + "process-outbox"), {"GET": self._process_outbox}))

    async def start(self, port: int = 0) -> str:
        """Serve on 127.0.0.1; the base address, without a path."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- Next.js (nexnum.md#nextjs) ---

    async def _dispatch(self, request: web.Request) -> web.Response:
        path = request.path
        if path != "/" and path.endswith("/"):
            return web.Response(status=308, headers={"location": path.rstrip("/")})
        if not any(pod.ready() or (path == "/api/health" and pod.running) for pod in self.market.pods.values()):
            return web.Response(status=503, text="no healthy upstream")
        for pattern, handlers in self._routes:
            found = pattern.fullmatch(path)
            if found is not None:
                return await self._answer(request, found, handlers)
        return web.Response(status=404, text="<!DOCTYPE html><html><body>404</body></html>", content_type="text/html")

    async def _answer(self, request: web.Request, found: re.Match[str], handlers: dict[str, Handler]) -> web.Response:
        """OPTIONS without running the handler, HEAD by running the GET one, 405 empty and without Allow."""
        if request.method == "OPTIONS":
            names = sorted({*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])})
            return web.Response(status=204, headers={"allow": ", ".join(names)})
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return web.Response(status=405)
        try:
            return await handler(request, found)
        except LedgerDown as error:
            return web.json_response({"error": str(error)}, status=500)

    # --- health and metrics ---

    async def _health(self, request: web.Request, found: re.Match[str]) -> web.Response:
        begun = time.monotonic()
        database, keys = await self.market.trouble()
        latency = int((time.monotonic() - begun) * 1000)
        now, status = _iso(time.time()), 503 if database or keys else 200
        if self.market.era == "head":  # asks nothing of Redis
            memory = self._pod().metrics.values["nexnum_process_resident_memory_bytes", ()] / 2**20
            services = {"database": "DOWN" if database else "UP", "queue": "DOWN" if database else "UP"}
            body = {
                "status": "DEGRADED" if database else "UP",
                "timestamp": now,
                "version": VERSION,
                "environment": "production",
                "services": {**services, "memory": f"{memory:.1f} MB"},
            }
            return web.json_response(body, status=status)
        checks = {
            name: {"status": "down", "latency": latency, "error": problem}
            if problem
            else {"status": "up", "latency": latency}
            for name, problem in (("database", database), ("redis", keys))
        }
        body = {"status": "healthy" if status == 200 else "unhealthy", "timestamp": now, "version": VERSION}
        return web.json_response({**body, "uptime": time.time() - self._began, "checks": checks}, status=status)

    def _pod(self) -> NexNumPod:
        """The pod that answers this request, by chance; where none is ready, one that still runs."""
        pods = list(self.market.pods.values())
        return random.choice([pod for pod in pods if pod.ready()] or pods)

    async def _metrics(self, request: web.Request, found: re.Match[str]) -> web.Response:
        """One pod's registry, by chance: counters seem to run backwards here. (nexnum.md#samples)"""
        token = self.secrets.metrics
        if self.market.era == "head" and (not token or request.headers.get("Authorization") != f"Bearer {token}"):
            return web.json_response({"error": "Unauthorized"}, status=401)
        return _exposition(self._pod())

    async def _pod_metrics(self, request: web.Request, found: re.Match[str]) -> web.Response:
        """What a scrape of the pod's own address would give; the drill has no pod network."""
        pod = self.market.pods.get(found["pod"])
        return web.Response(status=404) if pod is None or not pod.ready() else _exposition(pod)

    # --- cron ---

    def _cron_refused(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.secrets.cron and given != f"Bearer {self.secrets.cron}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return None

    def _ledger(self) -> SqlLedger:
        ledger = self.market.worker.ledger
        assert isinstance(ledger, SqlLedger)
        return ledger

    async def _reconcile(self, request: web.Request, found: re.Match[str]) -> web.Response:
        """Frees what is stuck, then credits every failed activation, money taken or not. (nexnum.md#reconcile)"""
        refused = self._cron_refused(request)
        if refused is not None:
            return refused
        ledger, refunds = self._ledger(), WorkerTally()
        results = await self.market.worker.reconcile(ROUTE_STUCK_AFTER_S)
        for hold in await ledger.refundable():
            refunds.processed += 1
            try:
                await ledger.refund(hold, new_id(self.market.random))
                refunds.succeeded += 1
            except LockTimeout:
                refunds.failed += 1
        tallies = {name: tally.as_dict() for name, tally in {**results, "refunds": refunds}.items()}
        return web.json_response({"success": True, "results": tallies})

    async def _cron_worker(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._cron_refused(request)
        if refused is not None:
            return refused
        begun = time.monotonic()
        published, failed = await self._drain_head(CRON_BATCH)
        data: dict[str, Any] = {
            "timestamp": _iso(time.time()),
            "duration": int((time.monotonic() - begun) * 1000),
            "outbox": {"processed": published + failed, "succeeded": published, "failed": failed},
            **dict.fromkeys(("searchSync", "notifications", "inbox", "reconcile", "reservations")),
            "errors": [],
        }
        return web.json_response({"success": True, "data": data})

    async def _drain_head(self, batch: int) -> tuple[int, int]:
        """The activations' part; the index' part goes on when the route has answered. (nexnum.md#outbox)"""
        worker = self.market.worker
        counts = await worker.drain(batch, "activation.")

        async def index() -> None:
            with contextlib.suppress(LedgerDown):  # the worker's own loop goes on with it
                await worker.drain(batch, "offer.")

        self.market.clock.spawn(index())
        return counts

    async def _admin_outbox(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._admin_refused(request)
        if refused is not None:
            return refused
        try:
            action = json.loads(await request.text()).get("action")
        except (ValueError, AttributeError):
            action = None
        if action != "process":
            return web.json_response({"success": False, "error": "Invalid action"}, status=400)
        waiting = min(OUTBOX_BATCH, len(await self._ledger().pending_events()))
        await self._drain_head(OUTBOX_BATCH)
        return web.json_response({"success": True, "message": f"Processed {waiting} events"})

    async def _process_outbox(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._cron_refused(request)
        if refused is not None:
            return refused
        published, failed = await self.market.worker.drain(50)
        legacy = {"succeeded": published, "failed": failed, "count": published + failed}
        activation = {"processed": 0, "succeeded": 0, "failed": 0, "skipped": 0}
        return web.json_response({"success": True, "legacy": legacy, "activation": activation})

    # --- admin ---

    def _admin_refused(self, request: web.Request) -> web.Response | None:
        """@old only the cookie counts, and its first `token=` wins, even inside `csrf-token=`.

        (nexnum.md#admin-login)
        """
        cookie = re.search(r"token=([^;]*)", request.headers.get("Cookie", ""))
        token = cookie[1] if cookie else ""
        if self.market.era == "head" and not token:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            if _token_valid(token, self.secrets.jwt):
                return None
        except ValueError:
            token = ""  # garbage is as good as none
        if self.market.era == "old":
            return web.json_response({"error": "Authentication required"}, status=401)
        body = {"success": False, "error": "Authentication required", "code": "E_UNAUTHORIZED", "details": None}
        return web.json_response(body, status=401)

    async def _rows(self, where: str = "", *values: Any) -> list[dict[str, Any]]:
        rows = await self._ledger().fetch(f"SELECT * FROM providers {where} ORDER BY priority, name", *values)
        return [{_camel(name): _plain(value) for name, value in row.items()} for row in rows]

    async def _providers(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._admin_refused(request)
        if refused is not None:
            return refused
        rows = await self._rows()
        return web.json_response([{k: v for k, v in row.items() if k != "authKey"} for row in rows])

    async def _provider(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._admin_refused(request)
        if refused is not None:
            return refused
        rows = await self._rows("WHERE id = $1", found["id"])
        if not rows:
            return web.json_response({"error": "Provider not found"}, status=404)
        return web.json_response(rows[0] if self.market.era == "old" else {"provider": rows[0], "health": None})

    async def _patch_provider(self, request: web.Request, found: re.Match[str]) -> web.Response:
        """`isActive`, or @HEAD exclusively `openCircuit` or `closeCircuit`.

        (nexnum.md#breaker-control, #provider-api)
        """
        refused = self._admin_refused(request)
        if refused is not None:
            return refused
        try:
            change = json.loads(await request.text())
        except ValueError:
            change = None
        rows = await self._rows("WHERE id = $1", found["id"])
        if not rows:
            return web.json_response({"error": "Provider not found"}, status=404)
        if not isinstance(change, dict):
            return web.json_response({"error": "Invalid JSON"}, status=400)
        name = str(rows[0]["name"])
        if self.market.era == "head" and (change.get("openCircuit") or change.get("closeCircuit")):
            breaker = self.market.shared[name]
            await (breaker.open() if change.get("openCircuit") else breaker.close())
        elif isinstance(change.get("isActive"), bool):
            await self._set_active(found["id"], name, change["isActive"])
        row = (await self._rows("WHERE id = $1", found["id"]))[0]
        return web.json_response(row if self.market.era == "old" else {"success": True, "provider": row})

    async def _set_active(self, provider_id: str, name: str, active: bool) -> None:
        ledger = self._ledger()
        now = ledger.stamp(time.time())
        await ledger.fetch(
            "UPDATE providers SET is_active = $1, updated_at = $2 WHERE id = $3", active, now, provider_id
        )
        # its offers leave the index at once, or come back by a sync (nexnum.md#disabling)
        if self.market.era == "head":
            (self.market.withdrawn.discard if active else self.market.withdrawn.add)(name)
            if not active:
                text = "Cleared offers for disabled provider"
                self._pod().write(self.market.lines.json(time.time(), "info", text, provider=name))

    async def _close_circuit(self, request: web.Request, found: re.Match[str]) -> web.Response:
        refused = self._admin_refused(request)
        if refused is not None:
            return refused
        rows = await self._rows("WHERE id = $1", found["id"])
        if not rows:
            return web.json_response({"error": "Provider not found"}, status=404)
        await self.market.shared[str(rows[0]["name"])].close()
        return web.json_response({"success": True})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _camel(column: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), column)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _exposition(pod: NexNumPod) -> web.Response:
    headers = CIMultiDict({"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
    return web.Response(body=pod.metrics.text().encode(), headers=headers)
