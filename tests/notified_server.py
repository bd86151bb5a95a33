"""A service that is told, on a real port: a webhook as Apprise's json://, ntfy's, Mattermost's and the pagers' are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class NotifiedServer:
    """`got` is what came, in order: its path and its document. `reply` answers in the place of 200."""

    port: int = 0
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    reply: Reply | None = None

    @property
    def titles(self) -> list[str]:
        return [str(document.get("title") or document.get("text") or document) for _, document in self.got]

    @property
    def text(self) -> str:
        return json.dumps(self.got, ensure_ascii=False)

    def url(self, scheme: str = "json", path: str = "hook") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        try:
            document = json.loads(body)
        except ValueError:
            document = {"text": body}
        self.got.append((request.path_qs, document))
        self.headers.append(dict(request.headers))
        if self.reply is not None:
            return await self.reply(request)
        return web.json_response({"id": "1"})


@asynccontextmanager
async def notified_server() -> AsyncIterator[NotifiedServer]:
    server = NotifiedServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def hang(request: web.Request) -> web.StreamResponse:
    """Accepts, and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def refuse(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="no")


async def huge(request: web.Request) -> web.StreamResponse:
    """Ten megabytes, and that it was taken."""
    return web.Response(body=b"x" * 10_000_000)
