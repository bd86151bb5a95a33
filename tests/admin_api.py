"""The admin API's route for a provider as both eras answer it, on the test's own database and Redis.

(nexnum.md#provider-api)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TOKEN = "jwt.of.an-admin"


class AdminApi:
    """`mood` is how it answers a PATCH: well, html, redirect, denied, broken (before), stumbles (after), hangs, drops.

    `methods` is what OPTIONS says; without `circuits` it doesn't know openCircuit, as the oldest version.
    """

    def __init__(self, database: Any, redis: Any = None) -> None:
        self.database = database
        self.redis = redis
        self.mood = "well"
        self.methods = "GET, HEAD, OPTIONS, PATCH, DELETE"
        self.circuits = True
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"allow": self.methods})
        body = json.loads(await request.text())
        self.requests.append((request.path, body))
        self.headers.append(dict(request.headers))
        if self.mood == "hangs":
            await asyncio.sleep(30)
        if self.mood == "drops" and request.transport is not None:
            request.transport.abort()
        if self.mood == "html":
            return web.Response(text="<html>We will be back</html>", content_type="text/html")
        if self.mood == "redirect":
            return web.Response(status=307, headers={"location": "/maintenance"})
        if self.mood == "broken":
            return web.json_response({"error": "no connection to the database"}, status=500)
        if request.cookies.get("token") != TOKEN or self.mood == "denied":
            return web.json_response({"error": "Authentication required"}, status=401)
        await self._change(request.path.rpartition("/")[2], body)
        if self.mood == "stumbles":
            return web.json_response({"error": "search index is down"}, status=500)
        return web.json_response({"success": True, "provider": {"isActive": body.get("isActive")}})

    async def _change(self, provider_id: str, body: dict[str, Any]) -> None:
        if "isActive" in body:
            sql = "UPDATE providers SET is_active = $1, updated_at = now() WHERE id = $2"
            await self.database.execute(sql, body["isActive"], provider_id)
        elif self.circuits and body.get("openCircuit"):
            await self.redis.set(f"health:{provider_id}:circuit", "open", ex=30)
        elif self.circuits and body.get("closeCircuit"):
            await self.redis.delete(f"health:{provider_id}:circuit")


@asynccontextmanager
async def admin_api(database: Any, redis: Any = None) -> AsyncIterator[AdminApi]:
    api = AdminApi(database, redis)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
