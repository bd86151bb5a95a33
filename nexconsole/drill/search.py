"""Meilisearch, as far as anybody asks it how it is: its health, on a port that stays the same."""

from __future__ import annotations

from aiohttp import web

from .temp_tree import free_port


class SearchServer:
    """`start()` and `stop()` keep the address; while it is stopped, connections are refused."""

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Raises OSError where the port is somebody else's by now."""
        if self._runner is not None:
            return
        self.port = self.port or free_port()
        app = web.Application()
        app.router.add_get("/health", self._health)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "available"})
