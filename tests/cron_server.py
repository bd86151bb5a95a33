"""NexNum's API as a cron route sees it: Next's manners around handlers that a test gives.

(nexnum.md#nextjs, #cron-routes)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "cron-$ecret'x"


@dataclass
class CronServer:
    """`routes` maps a path to its handlers by method; `seen` is what was asked, in order."""

    routes: dict[str, Mapping[str, Answer]]
    url: str = ""
    seen: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    @property
    def ran(self) -> list[str]:
        """The requests that ran a handler, or would have if there were one."""
        return [one for one in self.seen if not one.startswith("OPTIONS")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path}")
        handlers = self.routes.get(request.path)
        if handlers is None:
            return web.Response(status=404, text="<html>404</html>", content_type="text/html")
        if request.method == "OPTIONS":
            allow = sorted({*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])})
            return web.Response(status=204, headers={"allow": ", ".join(allow)})
        self.authorizations.append(request.headers.get("Authorization", ""))
        if request.method not in handlers:
            return web.Response(status=405)
        return await handlers[request.method](request)


@asynccontextmanager
async def cron_server(routes: dict[str, Mapping[str, Answer]]) -> AsyncIterator[CronServer]:
    server = CronServer(routes)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def says(document: object, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return answer


def plain(status: int, text: str = "", kind: str = "text/html", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError("nobody waited")
