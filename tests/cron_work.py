"""Handlers of NexNum's cron routes that do what the route does to the database, as far as a verdict looks at it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from cron_server import SECRET, Answer

EVENTS = "outbox_events_v2"
OLD, WORKER, ADMIN = "/api/cron/process-outbox", "/api/cron/worker", "/api/admin/outbox"
TOKEN = "an.admin.token"
LEGACY = {
    "success": True,
    "legacy": {"succeeded": 2, "failed": 0, "count": 2},
    "activation": {"processed": 1, "succeeded": 1, "failed": 0, "skipped": 0},
}
NOTHING = {"processed": 0, "succeeded": 0, "failed": 0}
DONE = {"success": True, "results": {"purchaseOrders": NOTHING, "activations": NOTHING, "refunds": NOTHING}}


def freeing(database: Any) -> Answer:
    """The route's own work, as far as a verdict looks at it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        rows = await database.execute("UPDATE purchase_orders SET status = 'FAILED' WHERE status = 'PENDING'")
        count = int(rows.split()[-1])
        orders = {"processed": count, "succeeded": count, "failed": 0}
        return web.json_response({"success": True, "results": {**DONE["results"], "purchaseOrders": orders}})

    return answer


def draining(database: Any, answer: object, *, to: str = "PUBLISHED", status: int = 200, most: int = 50) -> Answer:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == ADMIN:
            if request.headers.get("Cookie") != f"token={TOKEN}" or await request.json() != {"action": "process"}:
                return web.json_response({"error": "Unauthorized"}, status=401)
        elif request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        await database.execute(
            "UPDATE outbox_events_v2 SET status = $1 WHERE id IN (SELECT id FROM outbox_events_v2"
            " WHERE status = 'PENDING' ORDER BY created_at LIMIT $2)",
            to,
            most,
        )
        return web.json_response(answer, status=status)

    return handle


def worker(errors: list[str] | None = None, **outbox: int) -> dict[str, Any]:
    data = {"outbox": {"processed": 3, "succeeded": 3, "failed": 0, **outbox}, "errors": errors or []}
    return {"success": not errors, "data": data}
