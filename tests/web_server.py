"""A web server of the test's own, and sources that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from nexconsole.settings import Settings
from nexconsole.sources import Sources, open_sources

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[tuple[str, list[str]]]:
    """A web server of the test's own: (its address, the requests that it saw)."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.method} {request.path} {request.headers.get('Accept', '')}")
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(**tables) -> AsyncIterator[Sources]:
    sources = open_sources(Settings(**tables))
    sources.load()
    try:
        yield sources
    finally:
        await sources.close()


def answering(body: str, status: int = 200, kind: str = "application/json") -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type=kind)

    return answer


STATUSPAGE = '{"page": {"name": "x"}, "status": {"indicator": "major", "description": "Partial \\u001b[31mOutage"}}'
