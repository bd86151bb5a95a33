"""How an agent reaches the server: the standard streams of a process that it starts, or HTTP on this machine."""

from __future__ import annotations

import contextlib
import errno
import hmac
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ..errors import NexConsoleError, in_words

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

PATH = "/mcp"
LARGEST_REQUEST = 256 * 1024  # bytes
MOST_SESSIONS = 8
IDLE_S = 1800.0  # after which a session that nobody uses is ended
END_S = 3  # for requests that are being answered when it is told to end

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve_stdio(server: MCPServer[Any]) -> None:
    """Until the input is closed; nothing but the protocol is written to the output."""
    await server.run_stdio_async()


async def serve_http(server: MCPServer[Any], host: str, port: int, token: str) -> None:
    """Until a signal ends it. `host` is of this machine alone. Raises NexConsoleError where it can't listen."""
    import uvicorn

    with contextlib.closing(listening(host, port)) as listener:
        port = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        application = TokenCheck(_application(server, host, port), token)
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=END_S,
        )
        print(f"http://{shown}:{port}{PATH}", file=sys.stderr, flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


def _application(server: MCPServer[Any], host: str, port: int) -> Application:
    """The SDK's application, for requests that name this address: another name may be a rebound one of a web page."""
    from mcp.server.transport_security import TransportSecuritySettings

    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", host)]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=names,
        allowed_origins=[f"http://{name}" for name in names],
    )
    return server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_REQUEST,
        session_idle_timeout=IDLE_S,
        max_sessions=MOST_SESSIONS,
        transport_security=security,
        host=host,
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket on which connections wait from now on: who reads the address can connect. Raises NexConsoleError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise NexConsoleError(f"port {port} of {host} is in use: choose another with --port") from error
        why = in_words(error) if isinstance(error, OSError) else "no such port"
        raise NexConsoleError(f"{host}, port {port}: {why}") from error
    return listener


class TokenCheck:
    """Lets in who sends `Authorization: Bearer TOKEN`, and nobody else."""

    def __init__(self, application: Application, token: str) -> None:
        self._application, self._wanted = application, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._may_enter(scope):
            await self._application(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"www-authenticate", b"Bearer")]
        body = b"401: send the header Authorization: Bearer TOKEN, with the token of `nexconsole mcp --http`\n"
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _may_enter(self, scope: Scope) -> bool:
        """Compared in constant time, whatever bytes came."""
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        return scope["type"] == "http" and len(given) == 1 and hmac.compare_digest(given[0], self._wanted)
