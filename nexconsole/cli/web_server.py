"""The web server of `nexconsole serve`: each watcher gets a read-only console of his own.

The token grants access to the page, its files and its websocket: in the address first, then as a cookie.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import logging
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import NexConsoleError, in_words
from .loopback import is_loopback

try:
    import aiohttp_jinja2
    import jinja2
    from aiohttp import web
    from textual_serve.app_service import AppService
    from textual_serve.server import Server, to_int
except ImportError as error:
    raise NexConsoleError("serve needs textual-serve: pip install 'nexconsole[serve]'") from error

log = logging.getLogger(__name__)

COOKIE = "nexconsole"
FONT = 20  # pixels: 106 by 30 cells on a picture of 1280 by 720
MOST = 8  # watchers at once: each is a console that reads
END_S = 3.0  # how long a watcher's console may take to end
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self' ws: wss:; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
USUAL_SIZE = (("width", 106), ("height", 30))  # cells
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _same(given: str, wanted: str) -> bool:
    """Compared in constant time, whatever bytes came."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _host_of(place: str) -> str:
    """The host in a `host:port`; "" where it can't be understood."""
    try:
        return urlsplit(f"//{place}").hostname or ""
    except ValueError:
        return ""


def _outside(request: web.Request) -> tuple[str, str, str]:
    """The scheme, host and path prefix by which the watcher's browser calls us, behind a proxy or not."""
    headers = request.headers
    scheme, host, prefix = (
        headers.get(name, "").partition(",")[0].strip()
        for name in ("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix")
    )
    scheme = scheme if scheme in ("http", "https") else request.scheme
    host = host if re.fullmatch(r"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", host) else request.host
    return scheme, host, prefix.rstrip("/") if re.fullmatch(r"(?:/[\w.~-]{1,64}){1,8}/?", prefix) else ""


class Watcher(AppService):
    """One watcher's console, in a process of its own."""

    def __init__(self, words: Sequence[str], variables: Mapping[str, str], **ways: Any) -> None:
        super().__init__("", **ways)
        self._words, self._variables = tuple(words), variables

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        own = {name: value for name, value in self._build_environment(width, height).items() if name not in os.environ}
        forced = {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "COLUMNS": str(width), "ROWS": str(height)}
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._variables, **own, **forced},
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def end(self) -> None:
        """End the console, by force if it must be; nothing of it stays."""
        try:
            async with asyncio.timeout(END_S):
                await self.stop()
                if self._process is not None:
                    await self._process.wait()
        except (TimeoutError, OSError) as error:
            log.warning("a watcher's console did not end by itself: %s", error)
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


class WebServer(Server):
    """textual-serve's page and protocol, behind the token. `command` opens a read-only console."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], host: str, port: int, token: str) -> None:
        super().__init__("", host=host, port=port, title="NexConsole")
        self._words, self._variables, self._token = tuple(command), variables, token
        self._watchers: set[Watcher] = set()

    async def listen(self) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP. Raises NexConsoleError where it can't listen."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=END_S)
        await runner.setup()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        try:
            await self._listen(runner)
            await ended.wait()
        finally:
            await asyncio.gather(*(watcher.end() for watcher in tuple(self._watchers)))
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"port {self.port} of {self.host} is in use: choose another with --port"
            else:
                why = f"{self.host}, port {self.port}: {in_words(error)}"
            raise NexConsoleError(why) from error
        port = runner.addresses[0][1]
        host = f"[{self.host}]" if ":" in self.host else self.host
        print(f"http://{host}:{port}/?token={self._token}\nCtrl+C ends it, and every console in it", flush=True)

    def application(self) -> web.Application:
        """The page, its files and its websocket, and the check of the token."""
        application = web.Application(middlewares=[self._door])
        aiohttp_jinja2.setup(application, loader=jinja2.FileSystemLoader(self.templates_path))
        application.add_routes(
            [
                web.get("/", self._page, name="index"),
                web.get("/ws", self.handle_websocket, name="websocket"),
                web.static("/static", self.statics_path, name="static"),
            ]
        )
        return application

    # --- the door ---------------------------------------------------------------------------------------------

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._may_enter(request):
            raise web.HTTPForbidden(text="403: open the whole address that `nexconsole serve` printed\n")
        if not self._is_own(request):
            raise web.HTTPForbidden(text="403: this page is another site's\n")
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    def _may_enter(self, request: web.Request) -> bool:
        token = _same(request.query.get("token", ""), self._token)
        cookie = _same(request.cookies.get(COOKIE, ""), self._pass)
        return token or cookie

    def _is_own(self, request: web.Request) -> bool:
        """Whether the request comes from our page: other sites' scripts must not open the websocket."""
        proxied = "X-Forwarded-Proto" in request.headers or "X-Forwarded-Host" in request.headers
        if is_loopback(self.host) and not proxied and not is_loopback(_host_of(request.host)):
            return False
        origin = request.headers.get("Origin")
        return origin is None or origin.partition("://")[2] in (request.host, _outside(request)[1])

    @property
    def _pass(self) -> str:
        """The cookie's value: it grants access without revealing the token."""
        return hashlib.sha256(f"nexconsole {self._token}".encode()).hexdigest()

    # --- what is behind it ------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """The page. A request with the token gets a cookie and is redirected to an address without it."""
        if "token" in request.query:
            answer = web.HTTPSeeOther(f"?fontsize={to_int(request.query.get('fontsize', ''), FONT)}")
            secure = _outside(request)[0] == "https"
            answer.set_cookie(COOKIE, self._pass, httponly=True, samesite="Lax", path="/", secure=secure)
            return answer
        scheme, host, prefix = _outside(request)
        context = {
            "font_size": to_int(request.query.get("fontsize", ""), FONT),
            "app_websocket_url": f"{'wss' if scheme == 'https' else 'ws'}://{host}{prefix}/ws",
            "config": {"static": {"url": "static/"}},
            "application": {"name": self.title},
        }
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A console for this watcher, until he leaves."""
        if len(self._watchers) >= MOST:
            raise web.HTTPServiceUnavailable(text=f"503: {MOST} are watching already\n")
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)
        watcher = Watcher(
            self._words,
            self._variables,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            download_manager=self.download_manager,
        )
        self._watchers.add(watcher)
        try:
            sides = (to_int(request.query.get(side, ""), usual) for side, usual in USUAL_SIZE)
            await watcher.start(*(min(400, max(20, side)) for side in sides))
            await self._process_messages(websocket, watcher)
        except (ValueError, AssertionError, LookupError, TypeError) as error:
            log.warning("a watcher's browser sent what can't be understood: %s", error)
        finally:
            await watcher.end()
            self._watchers.discard(watcher)
            await websocket.close()
        return websocket
